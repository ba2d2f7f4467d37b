"""What a run is bound to by UDP: its ports, its batches, and what may not be guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.addresses import AddressSet, parse_address
from pipeline.engagement import load
from pipeline.model import Batch, Protocol
from pipeline.plan import RunPlan
from pipeline.ports import PortSet
from pipeline.store.records import plan_from_text, plan_to_text
from pipeline.vantage import Survey, Tool, ports_by_frequency
from stages.authorise import authorise, batches
from tests.decide.making import PLAN, START, endpoints

TEXT = """\
client: Example Ltd
engagement: weekly-perimeter
authorisation: {reference: EX-2026-17, signatory: Head of IT, valid_from: 2026-11-01,
  valid_until: 2027-10-31}
scope: {include: [192.0.2.0/24, "2001:db8::/120"]}
"""
NMAP = Tool(name="nmap", path=Path("/usr/bin/nmap"), version="7.93", raw=True)
BOTH = Survey(tools=(NMAP,), missing=(), on_link=AddressSet())
Make = Callable[..., RunPlan]


@pytest.fixture
def plan(tmp_path: Path) -> Make:
    """The plan of an engagement with these ports and this profile."""

    def make(ports: str, *, profile: str = "balanced", survey: Survey = BOTH) -> RunPlan:
        path = tmp_path / "engagement.yml"
        path.write_text(f"{TEXT}ports: {ports}\nprofile: {profile}\n")
        engagement = load(path, now=START)
        return authorise(
            engagement,
            survey,
            now=START,
            resolver=lambda _: (parse_address("192.0.2.7"),),
            seed=7,
        )

    return make


def of(protocol: Protocol, found: RunPlan, *expected: str) -> list[Batch]:
    return [b for b in batches(found, endpoints(*expected)) if b.protocol is protocol]


def test_ports_are_kept_by_protocol_and_told_together(plan: Make) -> None:
    found = plan("22,80,U:53,161")
    assert (str(found.policy.ports), str(found.policy.udp_ports)) == ("22,80", "53,161")
    assert found.ports == "22,80,U:53,161"
    assert str(found.policy.question_ports) == "53,161"
    assert found.notes == plan("22,80").notes
    assert plan_from_text(plan_to_text(found)) == found


def test_a_plan_from_before_there_was_udp_asks_none() -> None:
    old = plan_to_text(PLAN)
    assert '"udp_ports":{"ranges":[]}' in old.replace(" ", "")
    assert not plan_from_text(old).policy.udp_ports
    small = replace(PLAN, included=AddressSet.parse(["192.0.2.0/28"]))
    assert of(Protocol.UDP, small) == []


def test_the_most_frequent_udp_ports_come_from_nmaps_own_table(plan: Make) -> None:
    found = plan("U:top:20").policy
    by_frequency = ports_by_frequency(Path("/usr/bin/nmap"), Protocol.UDP)
    assert set(found.udp_ports) == set(by_frequency[:20])
    assert {123, 137, 161, 631} <= set(found.udp_ports)
    assert not found.ports


def test_batches_are_of_one_protocol_cover_everything_once_and_have_numbers_of_their_own(
    plan: Make,
) -> None:
    found = plan("22,80,U:53,161")
    everything = list(batches(found, ()))
    assert [b.number for b in everything] == list(range(1, len(everything) + 1))
    for protocol, ports in ((Protocol.TCP, "22,80"), (Protocol.UDP, "53,161")):
        some = of(protocol, found)
        assert sum(b.targets.addresses.size for b in some) == found.scope.admitted.size
        assert all(b.ports == PortSet.parse(ports) for b in some)


def test_an_engagement_may_ask_udp_alone(plan: Make) -> None:
    found = plan("{udp: [53]}")
    assert {b.protocol for b in batches(found, ())} == {Protocol.UDP}


def test_what_is_expected_goes_to_the_batch_of_its_protocol(plan: Make) -> None:
    found = plan("22,U:53")
    (tcp,) = of(Protocol.TCP, found, "192.0.2.7:22", "192.0.2.7:53/udp")
    (udp,) = of(Protocol.UDP, found, "192.0.2.7:22", "192.0.2.7:53/udp")
    assert tcp.expected == endpoints("192.0.2.7:22")
    assert udp.expected == endpoints("192.0.2.7:53/udp")


def test_control_ports_are_named_by_neither_protocol(plan: Make) -> None:
    for ports in ("22,U:20000-60998", "20000-60998,U:53"):
        found = plan(ports).policy
        assert str(found.control_ports) == "60999"


def test_careful_guesses_no_community_and_the_others_do(plan: Make) -> None:
    assert str(plan("U:161", profile="careful").policy.no_guess_ports) == "161,260,3401"
    assert not plan("U:161", profile="balanced").policy.no_guess_ports


def test_without_the_privilege_the_report_says_what_udp_is_worth(plan: Make) -> None:
    bare = replace(BOTH, tools=(replace(NMAP, raw=False),))
    assert any("UDP ports are only asked" in note for note in plan("22,U:53", survey=bare).notes)
    assert not any("UDP" in note for note in plan("22", survey=bare).notes)
