"""What is known about whole hosts and networks, from values."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.addresses import AddressSet, parse_address
from pipeline.decide.facts import (
    Doubt,
    HostRecord,
    NetworkRecord,
    Suspicion,
    Turn,
)
from pipeline.decide.neighbourhoods import neighbourhoods
from pipeline.decide.standing import Mood
from pipeline.model import (
    Aftermath,
    Endpoint,
    Evidence,
    Hole,
    Method,
    Observation,
    PortState,
    Purpose,
    Refusals,
    TaskRecord,
    TaskState,
)
from pipeline.ports import PortSet
from tests.decide.making import START, batch, evidence, seen, settled, sweep, task

HOST = "192.0.2.7"
PORTS = "1-100"


def at(port: int, host: str = HOST) -> Endpoint:
    return Endpoint.parse(f"{host}:{port}")


def heard(
    port: int, host: str = HOST, *, after: float = 0.0, ttl: int | None = None
) -> Observation:
    return replace(seen(Method.MASSCAN_SYN, where=at(port, host), after=after), ttl=ttl)


def looked(port: int, round_: int, host: str = HOST, *, after: float = 0.0) -> Observation:
    return seen(
        Method.NMAP_SYN,
        where=at(port, host),
        purpose=Purpose.SECOND_LOOK,
        round_=round_,
        after=after,
    )


def canary(
    round_: int, after: float, state: PortState, port: int = 40001, host: str = HOST
) -> Observation:
    return seen(
        Method.HANDSHAKE,
        state,
        where=at(port, host),
        purpose=Purpose.CANARY,
        round_=round_,
        after=after,
    )


def control(port: int, state: PortState, host: str = HOST) -> Observation:
    return seen(Method.NMAP_SYN, state, where=at(port, host), purpose=Purpose.CONTROL)


def ran(record: TaskRecord, begun: float, ended: float, rate: float | None = None) -> TaskRecord:
    return replace(record, started=START + begun, ended=START + ended, rate=rate)


def known(
    *observations: Observation,
    tasks: tuple[TaskRecord, ...] = (),
    refused: str = "",
    holes: tuple[tuple[int, Hole], ...] = (),
) -> Evidence:
    found = evidence(
        batch(ports=PORTS),
        tasks or (settled(sweep(ports=PORTS)),),
        observations,
        holes,
    )
    if not refused:
        return found
    address = parse_address(HOST)
    return replace(found, refusals=((1, Refusals(address=address, ports=PortSet.parse(refused))),))


def host_of(found: Evidence) -> HostRecord:
    (record,) = neighbourhoods(found).hosts
    return record


def network_of(found: Evidence) -> NetworkRecord:
    (record,) = neighbourhoods(found).networks
    return record


def test_every_asked_port_is_open_refused_or_silent() -> None:
    record = host_of(known(heard(22), heard(80), refused="22,81-99"))
    assert (record.asked, record.opened, record.refused, record.silent) == (
        100,
        PortSet.of((22, 80)),
        19,
        79,
    )
    assert record.open_share == pytest.approx(0.02)
    assert record.doubts == ()


def test_what_a_tool_gave_up_on_was_not_asked() -> None:
    hole = Hole(address=parse_address(HOST), ports=PortSet.parse("91-100"), reason="timed out")
    assert host_of(known(heard(22), holes=((1, hole),))).asked == 90
    whole = replace(hole, ports=None)
    assert host_of(known(heard(22), holes=((1, whole),))).asked == 0


def test_a_task_that_failed_asked_nothing() -> None:
    failed = settled(sweep(ports=PORTS), state=TaskState.FAILED)
    assert host_of(known(heard(22), tasks=(failed,))).asked == 0


def test_hosts_that_kept_silent_are_no_records() -> None:
    silent = seen(Method.NMAP_SYN, PortState.FILTERED, where=at(22))
    assert neighbourhoods(known(silent)).hosts == ()


def test_control_ports_and_canaries_are_not_counted_among_the_ports() -> None:
    record = host_of(known(control(31001, PortState.OPEN), canary(0, 0, PortState.CLOSED)))
    assert (record.opened, record.refused) == (PortSet(), 0)
    assert record.controls.open_ == 1
    assert record.doubts == (Doubt.ANSWERS_FOR_EVERYTHING,)


def test_a_host_with_most_ports_open_is_doubted_even_when_its_control_ports_refuse() -> None:
    many = [heard(port, after=port) for port in range(1, 61)]
    assert host_of(known(*many, control(31001, PortState.CLOSED))).doubts == (Doubt.MOSTLY_OPEN,)
    half = [heard(port, after=port) for port in range(1, 51)]
    assert host_of(known(*half, control(31001, PortState.CLOSED))).doubts == ()


@pytest.mark.parametrize(("last", "at_once"), [(0.9, True), (1.1, False)])
def test_open_ports_that_all_answer_within_a_second_are_noted(last: float, at_once: bool) -> None:
    some = [heard(port, after=0.1 * port) for port in range(1, 5)]
    assert host_of(known(*some)).answered_within is None
    record = host_of(known(*some, heard(50, after=0.1 + last)))
    assert record.answered_within == pytest.approx(last)
    assert record.at_once is at_once


def test_the_same_banner_everywhere_is_noted_and_one_that_differs_is_enough_against_it() -> None:
    def said(port: int, banner: str) -> Observation:
        return seen(Method.HANDSHAKE, where=at(port), aftermath=Aftermath.DATA, banner=banner)

    same = [said(port, "hello") for port in range(1, 6)]
    assert host_of(known(*same)).banner == "hello"
    assert host_of(known(*same, said(6, "other"))).banner == ""
    assert host_of(known(*same[:4])).banner == ""


def test_many_ports_that_were_open_and_refused_are_one_device_and_a_few_are_services() -> None:
    def both(ports: range) -> list[Observation]:
        later = [
            seen(Method.NMAP_SYN, PortState.CLOSED, where=at(port), after=60) for port in ports
        ]
        return [heard(port, after=port) for port in ports] + later

    few = host_of(known(*both(range(1, 10)), refused="50-99"))
    assert (few.wavering, few.doubts) == (9, ())
    many = host_of(known(*both(range(1, 11)), refused="50-99"))
    assert (many.wavering, many.doubts) == (10, (Doubt.CHANGED_TOGETHER,))


def test_what_was_heard_while_a_host_was_no_witness_makes_no_port_waver() -> None:
    open_ = [heard(port, after=-60) for port in range(1, 20)]
    refused = [
        seen(Method.NMAP_SYN, PortState.CLOSED, where=at(port), after=25) for port in range(1, 20)
    ]
    turned = [
        canary(round_, after, state, port)
        for round_, after, state in (
            (0, 0, PortState.OPEN),
            (1, 20, PortState.OPEN),
            (2, 30, PortState.CLOSED),
            (3, 50, PortState.OPEN),
        )
        for port in (1, 2, 3)
    ]
    record = host_of(known(*open_, *refused, *turned))
    assert Doubt.TURNED_US_AWAY in record.doubts
    assert record.wavering == 0


def test_times_to_live_are_told_apart_for_answers_and_refusals() -> None:
    refusal = replace(seen(Method.NMAP_SYN, PortState.CLOSED, where=at(81)), ttl=61)
    record = host_of(known(heard(22, ttl=63), heard(80, ttl=64), refusal))
    assert (record.answer_ttls, record.refusal_ttls) == ((63, 64), (61,))


def dropped() -> Evidence:
    """Sound at 0, silent at 50, sound again at 90; a fast sweep ran meanwhile."""
    tasks = (
        ran(settled(sweep("192.0.2.0/30", "192.0.2.4/30", ports=PORTS), 1), 10, 40, rate=800.0),
        ran(settled(task(at=(HOST,), ports="22"), 2), 60, 70, rate=5000.0),
    )
    return known(
        heard(22, after=5),
        canary(0, 0, PortState.CLOSED),
        canary(1, 50, PortState.FILTERED),
        canary(2, 90, PortState.CLOSED),
        tasks=tasks,
    )


def test_a_network_that_dropped_us_is_told_with_the_rate_at_which_it_was_asked_then() -> None:
    found = dropped()
    assert host_of(found).doubts == (Doubt.DROPPED_US,)
    (turn,) = network_of(found).turns
    assert turn == Turn(
        mood=Mood.SILENT,
        hosts=(parse_address(HOST),),
        after=START,
        noticed=START + 50,
        until=START + 90,
        ports=PortSet.parse(PORTS),
        rate=800.0,
        rate_here=800.0,
    )


def test_only_the_share_of_a_rate_that_went_to_the_network_is_counted_for_it() -> None:
    found = dropped()
    wide = ran(
        settled(sweep("192.0.2.0/25", "198.51.100.0/25", ports=PORTS), 1), 10, 40, rate=800.0
    )
    (turn,) = network_of(replace(found, tasks=(wide, *found.tasks[1:]))).turns
    assert (turn.rate, turn.rate_here) == (800.0, 400.0)


def test_two_blocks_one_after_the_other_are_two_turns() -> None:
    found = dropped()
    again = (
        canary(3, 120, PortState.FILTERED),
        canary(4, 150, PortState.CLOSED),
    )
    observations = [o for some in found.observations.values() for o in some]
    turns = network_of(known(*observations, *again, tasks=found.tasks)).turns
    assert [(t.after, t.until) for t in turns] == [
        (START, START + 90),
        (START + 90, START + 150),
    ]


def searched(sweep_rate: float, look_rate: float, *observations: Observation) -> NetworkRecord:
    look = task(at=(HOST,), ports=PORTS, purpose=Purpose.SECOND_LOOK)
    tasks = (
        ran(settled(sweep(HOST, ports=PORTS), 1), 0, 10, rate=sweep_rate),
        ran(settled(look, 2), 20, 60, rate=look_rate),
    )
    return network_of(known(*observations, tasks=tasks))


MISSED = [looked(port, 1) for port in (23, 25, 53, 110)]


@pytest.mark.parametrize(
    ("look_rate", "why"), [(10.0, Suspicion.RATE_LIMIT), (200.0, Suspicion.PICKY_FILTER)]
)
def test_a_sweep_that_missed_what_looks_found_is_suspected_of_a_limit_if_they_were_slower(
    look_rate: float, why: Suspicion
) -> None:
    record = searched(100.0, look_rate, heard(22), *MISSED)
    assert [(s.found, s.missed, s.rate_here) for s in record.searches] == [
        (1, 4, 100.0),
        (4, 0, look_rate),
    ]
    assert record.suspicion is why


def test_a_few_missed_endpoints_are_loss_and_no_limit() -> None:
    assert searched(100.0, 10.0, heard(22), *MISSED[:2]).suspicion is None
    many = [heard(port) for port in range(1, 50) if port not in (23, 25)]
    assert searched(100.0, 10.0, *many, *MISSED).suspicion is None


def test_the_first_canaries_are_gentle_everywhere_and_say_nothing_of_a_network() -> None:
    first = replace(task(Method.HANDSHAKE, purpose=Purpose.CANARY, round_=0), pace=8.0)
    later = replace(task(Method.NMAP_SYN), pace=4.0)
    tasks = (ran(settled(first, 1), 0, 1), ran(settled(later, 2), 2, 3))
    record = network_of(known(heard(22), tasks=tasks))
    assert (record.gentle, record.pace) == (1, 4.0)


@given(
    opened=st.sets(st.integers(1, 100)),
    refused=st.sets(st.integers(1, 200), min_size=1),
    asked=st.sets(st.integers(1, 100), min_size=1),
)
def test_the_counts_of_a_host_always_add_up(
    opened: set[int], refused: set[int], asked: set[int]
) -> None:
    ports = str(PortSet.of(asked))
    record = host_of(
        known(
            *(heard(port) for port in sorted(opened)),
            tasks=(settled(sweep(HOST, ports=ports)),),
            refused=str(PortSet.of(refused)),
        )
    )
    assert record.asked == len(asked)
    assert len(record.opened) + record.refused + record.silent == record.asked
    assert {*record.opened} == opened & asked
    assert min(record.refused, record.silent) >= 0


def test_networks_are_neighbourhoods_in_numeric_order() -> None:
    found = known(heard(22), heard(22, "198.51.100.9"), heard(80, "192.0.2.200"))
    records = neighbourhoods(found).networks
    assert [record.network for record in records] == [
        AddressSet.parse(["192.0.2.0/24"]),
        AddressSet.parse(["198.51.100.0/24"]),
    ]
    assert [len(record.hosts) for record in records] == [2, 1]
