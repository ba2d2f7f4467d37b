"""Changes that an engagement need not have told: what may be written, and what it means."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.engagement import Engagement
from pipeline.errors import Mistake
from pipeline.model import ChangeKind, Protocol

Engage = Callable[[str], Engagement]
Mistakes = Callable[[str], list[Mistake]]

START = """\
client: Example Ltd
engagement: weekly
authorisation:
  reference: EX-2026-17
  signatory: Head of IT
  timezone: Europe/Berlin
  valid_from: 2026-11-01
  valid_until: 2027-10-31
scope: {include: [192.0.2.0/24]}
ports: 22
suppress:
"""


def test_an_entry_matches_what_it_names(engage: Engage) -> None:
    text = '  - {endpoint: "192.0.2.10:53/udp", reason: test host, until: 2027-01-31}\n'
    text += "  - {network: 192.0.2.0/30, ports: [22, 80-81], kinds: [closed], reason: a, until: "
    text += "2027-01-31T08:00Z}\n"
    one, other = engage(START + text).suppressions
    assert one.addresses is not None
    assert (one.addresses.texts(), one.protocol, str(one.ports)) == (
        ("192.0.2.10",),
        Protocol.UDP,
        "53",
    )
    assert (one.reason, one.until_text, one.kinds) == ("test host", "2027-01-31", frozenset())
    # The day ends where the days of the authorisation do: an hour before that of UTC.
    assert one.until == 1801436400.0
    assert other.addresses is not None
    assert (other.addresses.size, other.protocol, str(other.ports)) == (4, None, "22,80-81")
    assert other.kinds == frozenset({ChangeKind.CLOSED})
    assert other.until == 1801382400.0


@pytest.mark.parametrize(
    ("entry", "mistake"),
    [
        ("{reason: a, until: 2027-01-31}", "must name an endpoint, a network, ports or kinds"),
        ('{endpoint: "192.0.2.1:2", ports: 2, reason: a, until: 2027-01-31}', "neither a network"),
        ("{ports: 2, until: 2027-01-31}", "suppress[0].reason: is missing"),
        ("{ports: 2, reason: a}", "suppress[0].until: is missing"),
        ("{ports: 2, reason: a, until: soon}", "suppress[0].until: is neither a day"),
        ("{kinds: [shut], reason: a, until: 2027-01-31}", "kinds[0]: is no kind of change"),
        ("{kinds: [clsed], reason: a, until: 2027-01-31}", "closed"),
        ("{network: example.com, reason: a, until: 2027-01-31}", "suppress[0].network: "),
        ("{ports: 0-1, reason: a, until: 2027-01-31}", "suppress[0].ports"),
    ],
)
def test_a_mistake_in_an_entry_has_its_place(entry: str, mistake: str, mistakes: Mistakes) -> None:
    found = mistakes(f"{START}  - {entry}\n")
    assert any(mistake in str(each) for each in found), found
