"""The engagement lies inside what the authorisation permits, and each breach names both places."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.decide.permits import Technique
from pipeline.engagement import Engagement
from pipeline.errors import Mistake

Engage = Callable[[str | bytes], Engagement]
Mistakes = Callable[[str | bytes], list[Mistake]]
Edit = Callable[..., str]


def permitting(with_line: Edit, permits: str) -> str:
    """The sound engagement; what is permitted stands in line 8."""
    return with_line("  valid_until", "  valid_until: 2027-10-31", f"  permits: {{{permits}}}")


def test_an_authorisation_that_says_nothing_more_sets_no_bound(engage: Engage, sound: str) -> None:
    permits = engage(sound).authorisation.permits
    assert (permits.techniques, permits.ports, permits.rate, permits.targets) == (None,) * 4


def test_an_engagement_inside_of_every_bound_is_sound(engage: Engage, with_line: Edit) -> None:
    found = engage(
        permitting(
            with_line,
            "methods: [syn, connect, version, scripts], ports: 'top:2000', rate: 10000, "
            "rate_per_host: 50, targets: [192.0.2.0/23]",
        )
    )
    permits = found.authorisation.permits
    assert permits.techniques == frozenset(Technique) - {Technique.UDP}
    assert permits.rate == 10000
    assert permits.targets is not None
    assert permits.targets.size == 512


@pytest.mark.parametrize(
    ("permits", "line", "field", "what"),
    [
        ("rate: 500", 14, "limits.rate", "exceeds authorisation.permits.rate ("),
        ("rate_per_host: 9", 14, "limits.rate_per_host", "9; lower it (got 50)"),
        ("methods: [syn, version, scripts]", 12, "ports", "nothing is proven without connections"),
        ("methods: [connect, version]", 15, "profile", "balanced runs scripts, which"),
        ("methods: [connect]", 15, "profile", "balanced asks for versions, which"),
        ("targets: [192.0.2.0/25]", 10, "", "has 192.0.2.128-192.0.2.255, which"),
        ("targets: [192.0.2.1, 192.0.2.3-254]", 10, "", "192.0.2.255, which"),
    ],
)
def test_each_breach_names_the_places_of_both_sides(
    mistakes: Mistakes, with_line: Edit, permits: str, line: int, field: str, what: str
) -> None:
    (found,) = mistakes(permitting(with_line, permits))
    assert (found.line, found.field) == (line, field)
    assert what in found.what
    key = permits.partition(":")[0]
    assert f"authorisation.permits.{key} (" in found.what
    assert "engagement.yml:8:" in found.what


def test_ports_beyond_the_permitted_ones_are_a_breach(mistakes: Mistakes, with_line: Edit) -> None:
    text = permitting(with_line, "ports: '1-1024,U:53'").replace(
        "ports: top:1000", "ports: 22,8000-8100,U:53,161\ncanaries: ['192.0.2.1:9000']"
    )
    found = [f"{each.field}: {each.what}" for each in mistakes(text)]
    assert found[0].startswith("ports: asks TCP ports 8000-8100, which authorisation.permits.ports")
    assert found[1].startswith("ports: asks UDP ports 161, which")
    assert found[2].startswith("canaries[0]: asks a port which")


def test_udp_ports_need_udp(mistakes: Mistakes, with_line: Edit) -> None:
    text = permitting(with_line, "methods: [connect, version, scripts]")
    (found,) = mistakes(text.replace("top:1000", "22,U:53"))
    assert "asks UDP ports" in found.what


def test_what_is_excluded_needs_no_permission(engage: Engage, with_line: Edit) -> None:
    text = permitting(with_line, "targets: [192.0.2.0/25]")
    assert engage(text.replace("[192.0.2.9]", "[192.0.2.128/25]"))


def test_an_entry_of_a_list_that_is_not_permitted_is_named_in_its_list(
    mistakes: Mistakes, with_line: Edit, tmp_path: Path
) -> None:
    (tmp_path / "targets.txt").write_text("192.0.2.1\n198.51.100.7\n")
    (tmp_path / "permitted.txt").write_text("192.0.2.0/24\n")
    text = permitting(with_line, "targets: [{file: permitted.txt}]")
    (found,) = mistakes(text.replace("[192.0.2.0/24]", "[{file: targets.txt}]"))
    assert found.file.endswith("targets.txt")
    assert found.line == 2
    assert "198.51.100.7" in found.what


def test_rates_of_the_profile_come_down_to_what_is_permitted(
    engage: Engage, with_line: Edit
) -> None:
    text = permitting(with_line, "rate: 40, rate_per_host: 7").replace("limits:", "# limits:")
    limits = engage(text).limits
    assert (limits.rate, limits.rate_per_host) == (40, 7)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ("contacts: [{name: NOC}]", "has neither email nor phone"),
        ("contacts: [{name: NOC, email: nobody}]", "is no e-mail address"),
        ("permits: {methods: [sin]}", "did you mean 'syn'?"),
        ("permits: {targets: [www.example.com]}", "is not an IP address"),
        ("permits: {targets: []}", "must not be empty"),
    ],
)
def test_mistakes_in_what_is_permitted_are_named(
    mistakes: Mistakes, with_line: Edit, more: str, what: str
) -> None:
    text = with_line("  valid_until", "  valid_until: 2027-10-31", f"  {more}")
    assert what in mistakes(text)[0].what


def test_contacts_and_the_role_are_read(engage: Engage, with_line: Edit) -> None:
    text = with_line(
        "  valid_until",
        "  valid_until: 2027-10-31",
        "  role: Head of IT",
        "  contacts: [{name: NOC, role: at night, email: noc@example.com, phone: '110'}]",
    )
    allowed = engage(text).authorisation
    assert allowed.role == "Head of IT"
    assert str(allowed.contacts[0]) == "NOC (at night), noc@example.com, 110"
