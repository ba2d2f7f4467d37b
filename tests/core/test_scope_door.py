"""The scope is the only place where targets are made, and it never admits what it excludes."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import Address, AddressSet, address_at
from pipeline.errors import ExitCode, NotAdmitted
from pipeline.scope import Scope, Target, Targets

V6 = 1 << 32
WINDOWS = ((0, 30), (V6 - 30, V6 - 1), (V6, V6 + 30))


@st.composite
def _ranges(draw: st.DrawFn) -> tuple[int, int]:
    low, high = draw(st.sampled_from(WINDOWS))
    ends = sorted((draw(st.integers(low, high)), draw(st.integers(low, high))))
    return ends[0], ends[1]


sets = st.lists(_ranges(), max_size=6).map(AddressSet.of)
places = st.sampled_from(WINDOWS).flatmap(lambda window: st.integers(*window))


@given(sets, sets, places)
def test_an_address_is_admitted_exactly_when_it_is_included_and_not_excluded(
    included: AddressSet, excluded: AddressSet, place: int
) -> None:
    scope = Scope(included=included, excluded=excluded)
    address = address_at(place)
    if address in included and address not in excluded:
        assert scope.admit(address).address == address
    else:
        with pytest.raises(NotAdmitted):
            scope.admit(address)


@given(sets, sets)
def test_no_target_of_a_scope_is_excluded(included: AddressSet, excluded: AddressSet) -> None:
    targets = Scope(included=included, excluded=excluded).targets()
    assert not targets.addresses & excluded
    assert targets.addresses <= included
    assert {target.address for target in targets} == set(targets.addresses)


@given(sets, sets, sets)
def test_a_set_is_admitted_as_a_whole_or_not_at_all(
    included: AddressSet, excluded: AddressSet, wanted: AddressSet
) -> None:
    scope = Scope(included=included, excluded=excluded)
    if wanted <= included and not wanted & excluded:
        assert scope.admit_all(wanted).addresses == wanted
    else:
        with pytest.raises(NotAdmitted):
            scope.admit_all(wanted)


@settings(max_examples=50)
@given(sets, sets, sets, st.none() | sets, sets, places)
def test_what_is_excluded_of_others_or_not_permitted_is_admitted_in_no_way(
    included: AddressSet,
    excluded: AddressSet,
    foreign: AddressSet,
    permitted: AddressSet | None,
    wanted: AddressSet,
    place: int,
) -> None:
    scope = Scope(included=included, excluded=excluded, foreign=foreign, permitted=permitted)
    address = address_at(place)

    def free(one: Address) -> bool:
        ours = one in included and one not in excluded and one not in foreign
        return ours and (permitted is None or one in permitted)

    assert (address in scope.targets()) is free(address)
    for ask, allowed in (
        (lambda: scope.admit(address), free(address)),
        (lambda: scope.admit_all(wanted), all(map(free, wanted))),
    ):
        if allowed:
            ask()
        else:
            with pytest.raises(NotAdmitted):
                ask()


@given(sets, sets, st.lists(sets, max_size=4))
def test_the_order_of_exclusions_does_not_matter(
    included: AddressSet, excluded: AddressSet, more: list[AddressSet]
) -> None:
    scope = Scope(included=included, excluded=excluded)
    forwards, backwards = scope.without(more), scope.without(reversed(more))
    assert forwards.admitted == backwards.admitted
    for gone in (excluded, *more):
        assert not forwards.admitted & gone


@given(sets, sets, sets, st.integers(1, 20))
def test_parts_of_targets_stay_within_them(
    included: AddressSet, excluded: AddressSet, wanted: AddressSet, size: int
) -> None:
    targets = Scope(included=included, excluded=excluded).targets()
    assert targets.only(wanted).addresses == targets.addresses & wanted
    parts = [part.addresses for part in targets.slices(size)]
    assert AddressSet.of(found for part in parts for found in part.ranges) == targets.addresses
    assert targets.family(4).addresses | targets.family(6).addresses == targets.addresses


def test_a_target_cannot_be_made_without_a_scope() -> None:
    with pytest.raises(TypeError, match="only a Scope"):
        Target(IPv4Address("192.0.2.1"), key=object())


def test_targets_cannot_be_made_without_a_scope() -> None:
    with pytest.raises(TypeError, match="only a Scope"):
        Targets(AddressSet.parse(["192.0.2.1"]), key=None)


def test_the_address_of_a_target_cannot_be_changed() -> None:
    scope = Scope(included=AddressSet.parse(["192.0.2.0/24"]))
    target = scope.admit(IPv4Address("192.0.2.1"))
    with pytest.raises(AttributeError):
        target.address = IPv4Address("198.51.100.1")  # type: ignore[misc]  # what is tested
    with pytest.raises(AttributeError):
        scope.targets().addresses = AddressSet()  # type: ignore[misc]  # what is tested


def test_a_refusal_says_whether_the_address_is_excluded_or_outside() -> None:
    scope = Scope(
        included=AddressSet.parse(["192.0.2.0/24"]), excluded=AddressSet.parse(["192.0.2.9"])
    )
    with pytest.raises(NotAdmitted, match=r"192\.0\.2\.9 is excluded") as excluded:
        scope.admit(IPv4Address("192.0.2.9"))
    with pytest.raises(NotAdmitted, match=r"198\.51\.100\.1 is not in the scope"):
        scope.admit(IPv4Address("198.51.100.1"))
    with pytest.raises(NotAdmitted, match=r"192\.0\.2\.9 is excluded"):
        scope.admit_all(scope.included)
    assert excluded.value.exit_code is ExitCode.REFUSED


def test_targets_with_the_same_addresses_are_equal() -> None:
    scope = Scope(included=AddressSet.parse(["192.0.2.0/30"]))
    one, other = scope.targets(), scope.admit_all(scope.included)
    assert one == other
    assert hash(one) == hash(other)
    assert len(one) == 4
    assert one
    assert IPv4Address("192.0.2.1") in one
    assert scope.admit(IPv4Address("192.0.2.1")) == next(
        iter(one.only(AddressSet.parse(["192.0.2.1"])))
    )
    assert "192.0.2.0-192.0.2.3" in repr(one)


@given(sets, sets, places)
def test_a_scope_that_is_on_record_only_admits_nobody(
    included: AddressSet, excluded: AddressSet, place: int
) -> None:
    scope = Scope(included=included, excluded=excluded, record_only=True)
    for refused in (scope, scope.without([AddressSet()])):
        with pytest.raises(NotAdmitted, match="on record only"):
            refused.admit(address_at(place))
        with pytest.raises(NotAdmitted, match="on record only"):
            refused.admit_all(included - excluded)


@given(sets, sets, sets)
def test_no_part_of_what_is_on_record_ever_becomes_a_target(
    included: AddressSet, excluded: AddressSet, some: AddressSet
) -> None:
    scope = Scope(included=included, excluded=excluded, record_only=True)
    whole = scope.recall(included - excluded)
    parts = [whole, scope.targets(), whole.only(some), whole.family(4), whole.family(6)]
    for targets in (*parts, *whole.slices(7)):
        assert targets.on_record_only
        assert targets.addresses <= included - excluded
        with pytest.raises(NotAdmitted, match="on record only"):
            next(iter(targets))


def test_what_lies_outside_is_not_even_recalled() -> None:
    for record_only in (False, True):
        scope = Scope(included=AddressSet.parse(["10.0.0.0/24"]), record_only=record_only)
        with pytest.raises(NotAdmitted, match="not in the scope"):
            scope.recall(AddressSet.parse(["10.0.1.1"]))


def test_what_a_scope_that_admits_recalls_is_a_target_like_any_other() -> None:
    scope = Scope(included=AddressSet.parse(["10.0.0.0/24"]))
    some = AddressSet.parse(["10.0.0.7-9"])
    assert scope.recall(some) == scope.admit_all(some)
    assert scope.recall(some) != Scope(included=scope.included, record_only=True).recall(some)
