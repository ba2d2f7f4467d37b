"""Scans of others get the verdicts that ours would get, made once for each story."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decide.others import Known, verdicts_of_others
from pipeline.decide.questions import verdicts
from pipeline.model import (
    Endpoint,
    Evidence,
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    Service,
)
from tests.decide.making import START, batch, evidence, settled, task

SSH = Service(name="ssh", method="probed", confidence=10)
REASONS = {PortState.OPEN: "syn-ack", PortState.CLOSED: "reset"}
ENDPOINTS = [
    Endpoint.parse(text)
    for text in (
        *(f"192.0.2.{host}:{port}" for host in (1, 2) for port in range(20, 32)),
        "192.0.2.1:53/udp",
    )
]


@st.composite
def heard(draw: st.DrawFn, where: Endpoint) -> tuple[Observation, ...]:
    """What some files say of one endpoint."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        method = draw(
            st.sampled_from(
                [Method.MASSCAN_SYN, Method.NMAP_SYN, Method.NMAP_CONNECT, Method.NMAP_VERSION]
            )
        )
        if where.protocol is Protocol.UDP:
            method = draw(st.sampled_from([Method.NMAP_UDP, Method.IMPORTED]))
        state = draw(st.sampled_from([PortState.OPEN, PortState.CLOSED, PortState.FILTERED]))
        version = method is Method.NMAP_VERSION
        purpose = draw(st.sampled_from([Purpose.SWEEP, Purpose.NAMED]))
        found.append(
            Observation(
                endpoint=where,
                method=method,
                purpose=Purpose.VERSION if version else purpose,
                state=state,
                reason=REASONS.get(state, "no-response"),
                time=START + draw(st.integers(0, 2)),
                round=draw(st.integers(0, 2)),
                ttl=draw(st.sampled_from([None, 63])),
                banner=draw(st.sampled_from(["", "", "SSH-2.0-x"])),
                service=draw(st.sampled_from([None, SSH])) if version else None,
                task=2 if where.protocol is Protocol.UDP else 1,
                number=1 + number + 10 * ENDPOINTS.index(where),
            )
        )
    return tuple(found)


@st.composite
def scans(draw: st.DrawFn) -> Evidence:
    some = draw(st.lists(st.sampled_from(ENDPOINTS), unique=True, max_size=25))
    tasks = [settled(task(), 1), settled(replace(task(), protocol=Protocol.UDP), 2)]
    return replace(evidence(batch(), tasks), observations={e: draw(heard(e)) for e in sorted(some)})


@settings(max_examples=80)
@given(scans())
def test_they_are_the_verdicts_on_endpoints_that_were_expected(scan: Evidence) -> None:
    expecting = replace(scan, batch=replace(batch(), expected=tuple(scan.observations)))
    assert verdicts_of_others(scan) == verdicts(expecting)


@settings(max_examples=40)
@given(scans())
def test_what_other_parts_of_the_scan_left_behind_changes_nothing(scan: Evidence) -> None:
    known: Known = {}
    verdicts_of_others(scan, known)
    assert verdicts_of_others(scan, known) == verdicts_of_others(scan)


def test_a_story_is_judged_once_and_told_of_everybody() -> None:
    observations = {
        endpoint: (
            Observation(
                endpoint=endpoint,
                method=Method.NMAP_SYN,
                purpose=Purpose.SWEEP,
                state=PortState.OPEN,
                reason="syn-ack",
                time=START + number,
                number=number,
            ),
        )
        for number, endpoint in enumerate(ENDPOINTS[:-1], 1)
    }
    known: Known = {}
    found = verdicts_of_others(replace(evidence(batch()), observations=observations), known)
    assert len(known) == 1
    assert {v.observations for v in found.values()} == {(n,) for n in range(1, len(ENDPOINTS))}
    assert list(found) == [verdict.endpoint for verdict in found.values()]
