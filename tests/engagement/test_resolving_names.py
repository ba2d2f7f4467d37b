"""Names are resolved once, pinned, and admitted or refused."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.addresses import Address, AddressSet
from pipeline.engagement import Engagement, ResolvedScope, resolve_scope
from pipeline.errors import ExitCode, NotAdmitted

Engage = Callable[[str | bytes], Engagement]
Edit = Callable[..., str]


class NameService:
    """Answers from a table, and counts the questions."""

    def __init__(self, **answers: str) -> None:
        self.answers = {name.replace("_", "."): text for name, text in answers.items()}
        self.asked: list[str] = []

    def __call__(self, name: str) -> tuple[Address, ...]:
        self.asked.append(name)
        if name not in self.answers:
            raise OSError("Name or service not known")
        return tuple(ip_address(text) for text in self.answers[name].split())


@pytest.fixture
def resolve(with_line: Edit, engage: Engage) -> Callable[..., ResolvedScope]:
    """Load a scope with these entries and resolve its names."""

    def load_and_resolve(
        names: NameService, include: str, exclude: str = "192.0.2.9", more: str = ""
    ) -> ResolvedScope:
        text = with_line("  include", f"  include: [{include}]") + more
        return resolve_scope(engage(text.replace("[192.0.2.9]", f"[{exclude}]")), names)

    return load_and_resolve


Resolve = Callable[..., ResolvedScope]


def test_a_scope_without_names_asks_nobody(resolve: Resolve) -> None:
    names = NameService()
    found = resolve(names, "192.0.2.0/24")
    assert found.scope.included == AddressSet.parse(["192.0.2.0/24"])
    assert found.scope.excluded == AddressSet.parse(["192.0.2.9"])
    assert found.names == ()
    assert names.asked == []


def test_a_name_inside_the_included_networks_is_pinned_and_adds_nothing(resolve: Resolve) -> None:
    names = NameService(www_example="192.0.2.30 192.0.2.4")
    found = resolve(names, "192.0.2.0/24, www.example")
    assert found.scope.included == AddressSet.parse(["192.0.2.0/24"])
    assert found.names == (("www.example", (ip_address("192.0.2.4"), ip_address("192.0.2.30"))),)


def test_an_expected_name_adds_its_addresses_and_not_the_networks(resolve: Resolve) -> None:
    names = NameService(mail_example="203.0.113.7 2001:db8::7")
    expect = "{host: mail.example, expect: [203.0.113.0/24, '2001:db8::/32']}"
    found = resolve(names, f"192.0.2.1, {expect}")
    assert found.scope.included == AddressSet.parse(["192.0.2.1", "203.0.113.7", "2001:db8::7"])


def test_every_name_is_resolved_once_however_often_it_stands_there(resolve: Resolve) -> None:
    names = NameService(a="192.0.2.1", b="192.0.2.2")
    resolve(names, "192.0.2.0/24, a, a, {host: a, expect: [192.0.2.1]}, b", "192.0.2.9")
    assert names.asked == ["a", "b"]


def test_every_name_that_is_not_admitted_is_named_with_its_place(resolve: Resolve) -> None:
    names = NameService(
        out="198.51.100.1", half="192.0.2.1 198.51.100.2", gone="192.0.2.9", other="203.0.113.1"
    )
    with pytest.raises(NotAdmitted) as caught:
        resolve(
            names,
            "192.0.2.0/24, out, half, gone, none, {host: other, expect: [192.0.2.0/24]}",
        )
    said = [line.strip().partition("engagement.yml:")[2] for line in caught.value.what.split("\n")]
    assert said == [
        "",
        "9:27: out is 198.51.100.1, outside scope.include",
        "9:32: half is 198.51.100.2, outside scope.include",
        "9:38: gone is 192.0.2.9, which is excluded",
        "9:44: none does not resolve",
        "9:50: other is 203.0.113.1, outside the networks it is expected in",
    ]
    assert caught.value.exit_code is ExitCode.REFUSED


def test_a_name_that_answers_with_no_address_does_not_resolve(resolve: Resolve) -> None:
    with pytest.raises(NotAdmitted, match="www does not resolve"):
        resolve(NameService(www=""), "192.0.2.0/24, www")


def test_an_excluded_name_excludes_its_addresses(resolve: Resolve) -> None:
    found = resolve(NameService(db="192.0.2.20 198.51.100.1"), "192.0.2.0/24", "db")
    assert ip_address("192.0.2.20") not in found.scope.admitted
    assert found.scope.excluded == AddressSet.parse(["192.0.2.20", "198.51.100.1"])
    assert [name for name, _ in found.names] == ["db"]


def test_an_excluded_name_that_does_not_resolve_is_refused(resolve: Resolve) -> None:
    with pytest.raises(NotAdmitted, match="db is excluded, but does not resolve"):
        resolve(NameService(), "192.0.2.0/24", "db")


def test_a_name_that_is_both_included_and_excluded_is_refused(resolve: Resolve) -> None:
    with pytest.raises(NotAdmitted, match="which is excluded"):
        resolve(NameService(db="192.0.2.20"), "192.0.2.0/24, db", "db")


def test_an_ipv4_address_in_ipv6_clothes_is_outside(resolve: Resolve) -> None:
    names = NameService(www="::ffff:192.0.2.1")
    with pytest.raises(NotAdmitted, match="outside"):
        resolve(names, "192.0.2.0/24, www")


def test_a_scope_that_excluded_names_empty_is_refused(resolve: Resolve) -> None:
    with pytest.raises(NotAdmitted, match="the scope is empty once"):
        resolve(NameService(db="192.0.2.1"), "192.0.2.1", "db")


def test_a_canary_that_the_names_did_not_bring_into_scope_is_refused(resolve: Resolve) -> None:
    expect = "{host: mail, expect: [203.0.113.0/24]}"
    more = "canaries: ['203.0.113.7:25']\n"
    assert resolve(NameService(mail="203.0.113.7"), expect, more=more)
    with pytest.raises(NotAdmitted, match=r"the canary 203\.0\.113\.7:25/tcp is not in the scope"):
        resolve(NameService(mail="203.0.113.8"), expect, more=more)


def test_the_pinned_names_stand_in_for_the_resolver_later(resolve: Resolve) -> None:
    include, exclude = "192.0.2.0/24, www", "db"
    found = resolve(NameService(www="192.0.2.1", db="192.0.2.2"), include, exclude)
    pinned = dict(found.names)
    names = NameService(**{name: " ".join(map(str, where)) for name, where in pinned.items()})
    assert resolve(names, include, exclude) == found


addresses = st.integers(0, 40).map(lambda number: ip_address(f"192.0.2.{number}"))
answers = st.lists(addresses, max_size=3).map(tuple)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(inside=answers, expected=answers, excluded=answers)
def test_whatever_names_resolve_to_nothing_but_what_is_written_is_admitted(
    with_line: Edit,
    engage: Engage,
    inside: tuple[Address, ...],
    expected: tuple[Address, ...],
    excluded: tuple[Address, ...],
) -> None:
    include = "[192.0.2.0/28, in, {host: ex, expect: [192.0.2.32/29]}]"
    text = with_line("  include", f"  include: {include}").replace("[192.0.2.9]", "[192.0.2.9, no]")
    table = {"in": inside, "ex": expected, "no": excluded}
    networks, may = AddressSet.parse(["192.0.2.0/28"]), AddressSet.parse(["192.0.2.32/29"])
    out = AddressSet.parse(["192.0.2.9"]) | AddressSet.from_addresses(excluded)
    sound = (
        all(table.values())
        and all(address in networks - out for address in inside)
        and all(address in may - out for address in expected)
    )
    try:
        scope = resolve_scope(engage(text), table.__getitem__).scope
    except NotAdmitted:
        assert not sound
    else:
        assert sound
        assert scope.admitted == (networks | AddressSet.from_addresses(expected)) - out
