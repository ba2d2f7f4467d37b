"""A port that refused one search and is open in another comes and goes, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.addresses import parse_address
from pipeline.decide.questions import verdicts
from pipeline.model import (
    Aftermath,
    Endpoint,
    Evidence,
    Method,
    Observation,
    PortState,
    Purpose,
    Refusals,
    StageName,
    TaskRecord,
)
from pipeline.ports import PortSet
from tests.decide.making import START, WHERE, batch, evidence, seen, settled, shaken, sweep, task

HOST = str(WHERE.address)
CANARY = Endpoint.parse(f"{HOST}:31001")
SEARCHES = {
    "a sweep by masscan": settled(sweep(HOST), 9, ended=10),
    "a search by nmap": settled(
        task(purpose=Purpose.RESWEEP, stage=StageName.RESCAN, ports="22,80"), 9, ended=10
    ),
}
FOUND = (
    seen(Method.NMAP_SYN, after=100, number=1, purpose=Purpose.RESWEEP, round_=2),
    seen(Method.NMAP_CONNECT, after=110, number=2),
    shaken(Aftermath.DATA, after=120, number=3),
)


def heard(
    search: TaskRecord, *more: Observation, refused: str = "22", opened: tuple[Observation, ...]
) -> Evidence:
    later = settled(task(purpose=Purpose.RESWEEP, stage=StageName.RESCAN, round_=2), 10, ended=100)
    known = evidence(batch(HOST), [search, later], [*(replace(o, task=10) for o in opened), *more])
    ports = PortSet.parse(refused)
    return replace(known, refusals=((9, Refusals(address=parse_address(HOST), ports=ports)),))


def said(known: Evidence) -> str:
    verdict = verdicts(known)[WHERE]
    return f"{verdict.kind} {verdict.reason}"


def test_what_refused_the_same_tool_at_another_time_is_transient() -> None:
    known = heard(SEARCHES["a search by nmap"], opened=FOUND)
    assert said(known) == "transient open-then-closed"
    assert verdicts(known)[WHERE].confidence > 0.5
    # The refusal itself is on file with its search only, and has no number.
    assert verdicts(known)[WHERE].observations == (1, 2, 3)


@pytest.mark.parametrize("refused", ["80", "23-65535"])
def test_refusals_of_other_ports_say_nothing(refused: str) -> None:
    known = heard(SEARCHES["a search by nmap"], opened=FOUND, refused=refused)
    assert said(known) == "confirmed service-spoke"


def test_a_refusal_of_another_kind_of_packet_may_be_a_matter_of_taste() -> None:
    known = heard(SEARCHES["a sweep by masscan"], opened=FOUND)
    assert said(known) == "confirmed service-spoke"


def test_what_was_never_open_is_refuted_as_before() -> None:
    closed = (seen(Method.NMAP_SYN, PortState.CLOSED, number=1),)
    known = heard(SEARCHES["a search by nmap"], opened=closed)
    expecting = replace(known, batch=replace(known.batch, expected=(WHERE,)))
    assert said(expecting) == "refuted refused"


def canary(state: PortState, after: float, round_: int, where: Endpoint = CANARY) -> Observation:
    return seen(
        Method.HANDSHAKE, state, where=where, after=after, purpose=Purpose.CANARY, round_=round_
    )


@pytest.mark.parametrize(
    ("last", "answer"),
    [(50.0, "confirmed service-spoke"), (5.0, "transient open-then-closed")],
    ids=["during the search", "before it"],
)
def test_refusals_of_a_host_that_turned_us_away_are_not_believed(last: float, answer: str) -> None:
    """Three open ports refuse together at 4 s, and answer again at ``last``."""
    others = tuple(Endpoint.parse(f"{HOST}:{port}") for port in (80, 443, 8080))
    search = replace(SEARCHES["a search by nmap"], started=START + 8)
    opened = (*FOUND, *(seen(Method.NMAP_SYN, where=e, purpose=Purpose.RESWEEP) for e in others))
    named = tuple(seen(Method.MASSCAN_SYN, where=e, after=1) for e in others)
    checks = [canary(PortState.CLOSED, 0, 0)]
    checks += [canary(PortState.CLOSED, 4, 1, where=e) for e in others]
    checks += [canary(PortState.OPEN, last, 2, where=e) for e in others]
    assert said(heard(search, *named, *checks, opened=opened)) == answer
