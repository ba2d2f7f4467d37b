"""The verdict on a UDP endpoint: each rule by example, and the laws that hold for all evidence."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decide import reasons
from pipeline.decide.questions import verdicts
from pipeline.decide.udp import decide
from pipeline.decide.verdict import HostFacts
from pipeline.model import (
    Aftermath,
    Endpoint,
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    Service,
    VerdictKind,
)
from tests.decide.making import START, batch, evidence, settled, task

WHERE = Endpoint(IPv4Address("192.0.2.7"), Protocol.UDP, 53)
OPEN, CLOSED, SILENT = PortState.OPEN, PortState.CLOSED, PortState.OPEN_FILTERED
HONEST = HostFacts(asked=2, refused=2)
BOX = HostFacts(asked=2, open_=1)
NAMES = Service(name="domain", product="BIND", method="probed", confidence=10)
USUAL = {
    OPEN: "udp-response",
    CLOSED: "port-unreach",
    SILENT: "no-response",
    PortState.FILTERED: "admin-prohibited",
}


def heard(
    method: Method,
    state: PortState = OPEN,
    *,
    purpose: Purpose = Purpose.NAMED,
    after: float = 0.0,
    answer: str = "",
    noise: str = "",
    service: Service | None = None,
    reason: str | None = None,
    number: int = 0,
    where: Endpoint = WHERE,
) -> Observation:
    return Observation(
        endpoint=where,
        method=method,
        purpose=purpose,
        state=state,
        reason=USUAL.get(state, "") if reason is None else reason,
        time=START + after,
        round=0 if purpose is Purpose.SWEEP else 1,
        aftermath=Aftermath.DATA if answer else None,
        banner=answer or noise,
        service=service,
        number=number,
    )


SWEPT = heard(Method.NMAP_UDP, purpose=Purpose.SWEEP)
SCANNED = heard(Method.NMAP_UDP, after=1)
ANSWERED = heard(Method.DATAGRAM, answer="dns: NOERROR", after=2)
NOISE = heard(Method.DATAGRAM, noise="what?", after=2)
PROBED = heard(Method.NMAP_VERSION, purpose=Purpose.VERSION, service=NAMES, after=3)


def closed(method: Method, after: float = 2) -> Observation:
    return heard(method, CLOSED, after=after)


def silent(method: Method, after: float = 2) -> Observation:
    return heard(method, SILENT, after=after)


# --- the rules ---------------------------------------------------------------------------------

TABLE = [
    ("both answer, ours in protocol", [SWEPT, SCANNED, ANSWERED], HONEST, "confirmed"),
    ("no control port was asked", [SWEPT, SCANNED, ANSWERED], HostFacts(), "confirmed"),
    ("only the version probe agrees with ours", [ANSWERED, PROBED], HONEST, "confirmed"),
    (
        "a refusal got lost in between",
        [SWEPT, silent(Method.NMAP_UDP), ANSWERED],
        HONEST,
        "confirmed",
    ),
    ("ours alone", [silent(Method.NMAP_UDP), ANSWERED], HONEST, "likely"),
    ("nmap's alone", [SWEPT, SCANNED, silent(Method.DATAGRAM)], HONEST, "likely"),
    ("replies that nobody understands", [SWEPT, SCANNED, NOISE], HONEST, "likely"),
    ("the same tool twice is no proof", [SWEPT, SCANNED, PROBED], HONEST, "likely"),
    (
        "refused by every later method",
        [SWEPT, closed(Method.NMAP_UDP), closed(Method.DATAGRAM)],
        HONEST,
        "refuted",
    ),
    ("refused, then back", [SWEPT, closed(Method.DATAGRAM), ANSWERED], HONEST, "transient"),
    (
        "one refuses, one hears nothing",
        [SWEPT, closed(Method.DATAGRAM), silent(Method.NMAP_VERSION)],
        HONEST,
        "unresolved",
    ),
    ("one refuses, one answers", [ANSWERED, closed(Method.NMAP_UDP)], HONEST, "unresolved"),
    ("the same method heard both", [SCANNED, closed(Method.NMAP_UDP, 9)], HONEST, "transient"),
    (
        "expected, and refused",
        [closed(Method.NMAP_UDP), closed(Method.DATAGRAM)],
        HONEST,
        "refuted",
    ),
    (
        "expected, and refused once",
        [closed(Method.NMAP_UDP), silent(Method.DATAGRAM)],
        HONEST,
        "refuted",
    ),
    (
        "expected, and silent",
        [silent(Method.NMAP_UDP), silent(Method.DATAGRAM)],
        HONEST,
        "filtered",
    ),
    ("expected, and prohibited", [heard(Method.DATAGRAM, PortState.FILTERED)], HONEST, "filtered"),
    ("a box answers everywhere", [SWEPT, SCANNED, ANSWERED, PROBED], BOX, "artefact"),
]


@pytest.mark.parametrize(
    ("observations", "facts", "kind"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_the_rules(observations: list[Observation], facts: HostFacts, kind: str) -> None:
    assert decide(WHERE, observations, facts).kind == kind


@pytest.mark.parametrize(
    ("observations", "facts", "reason"),
    [
        ([SWEPT, SCANNED, ANSWERED], HONEST, reasons.ANSWERED_IN_PROTOCOL),
        ([SWEPT, SCANNED, NOISE], HONEST, reasons.REPLY_NOT_UNDERSTOOD),
        ([ANSWERED], HONEST, reasons.ONE_METHOD),
        ([silent(Method.NMAP_UDP)], HONEST, reasons.OPEN_OR_FILTERED),
        ([heard(Method.NMAP_UDP, PortState.FILTERED)], HONEST, reasons.ICMP_REFUSED),
        ([heard(Method.NMAP_UDP, PortState.FILTERED, reason="no-response")], HONEST,
         reasons.OPEN_OR_FILTERED),
        ([closed(Method.DATAGRAM)], HONEST, reasons.REFUSED),
        ([SWEPT, ANSWERED], BOX, reasons.CONTROL_PORTS_ANSWER),
        ([SWEPT, closed(Method.DATAGRAM)], HONEST, reasons.CLOSED_WHEN_ASKED_AGAIN),
        ([], HONEST, reasons.NOT_ASKED),
    ],
)  # fmt: skip
def test_the_reasons(observations: list[Observation], facts: HostFacts, reason: str) -> None:
    found = decide(WHERE, observations, facts)
    assert found.reason == reason
    assert reasons.explain(reason) != reason


def test_without_evidence_it_is_said_why() -> None:
    assert decide(WHERE, (), HONEST, gave_up=True).reason == reasons.GAVE_UP
    blocked = decide(WHERE, (), HONEST, set_aside=(4, 2))
    assert (blocked.reason, blocked.observations) == (reasons.BLOCKED, (2, 4))


def test_the_service_is_what_a_probe_recognised_or_else_what_answered_us() -> None:
    assert decide(WHERE, [ANSWERED, PROBED], HONEST).service == NAMES
    found = decide(WHERE, [ANSWERED, replace(NOISE, time=START + 9)], HONEST).service
    assert found == Service(banner="dns: NOERROR")
    assert decide(WHERE, [SCANNED, NOISE], HONEST).service == Service(banner="what?")
    assert decide(WHERE, [SCANNED], HONEST).service is None


# --- laws --------------------------------------------------------------------------------------


@st.composite
def anything(draw: st.DrawFn) -> Observation:
    method = draw(st.sampled_from([Method.NMAP_UDP, Method.DATAGRAM, Method.NMAP_VERSION]))
    state = draw(st.sampled_from(list(PortState)))
    answers = method is Method.DATAGRAM and state is OPEN and draw(st.booleans())
    return heard(
        method,
        state,
        purpose=draw(st.sampled_from([Purpose.SWEEP, Purpose.NAMED])),
        after=draw(st.integers(0, 4)),
        answer="dns: NOERROR" if answers else "",
        reason=draw(st.sampled_from(["udp-response", "port-unreach", "no-response"])),
        number=draw(st.integers(1, 1000)),
    )  # fmt: skip


some = st.lists(anything(), min_size=1, max_size=8)
facts = st.builds(HostFacts, asked=st.just(4), open_=st.integers(0, 2), refused=st.integers(0, 2))


@given(some, facts, st.randoms(use_true_random=False))
def test_the_order_of_the_evidence_does_not_matter(
    observations: list[Observation], known: HostFacts, shuffled: object
) -> None:
    again = observations[:]
    shuffled.shuffle(again)  # type: ignore[attr-defined]  # a random.Random
    assert decide(WHERE, again, known) == decide(WHERE, observations, known)


@given(some, facts)
def test_nothing_is_confirmed_without_an_answer_to_a_question_of_ours(
    observations: list[Observation], known: HostFacts
) -> None:
    found = decide(WHERE, observations, known)
    if found.kind is VerdictKind.CONFIRMED:
        assert any(o.aftermath is Aftermath.DATA for o in observations)
        assert len({o.method for o in observations if o.state is OPEN}) >= 2
        assert not known.answers_for_everything


@given(some, facts)
def test_nothing_is_called_open_where_nobody_replied(
    observations: list[Observation], known: HostFacts
) -> None:
    quiet = [o for o in observations if o.state is not OPEN]
    if quiet:
        kind = decide(WHERE, quiet, known).kind
        assert kind in (VerdictKind.FILTERED, VerdictKind.REFUTED)


@given(some, facts)
def test_hearing_the_same_again_changes_nothing(
    observations: list[Observation], known: HostFacts
) -> None:
    once, twice = (decide(WHERE, heard_, known) for heard_ in (observations, observations * 2))
    assert (once.kind, once.reason, once.confidence) == (twice.kind, twice.reason, twice.confidence)


@given(some, facts)
def test_a_silence_more_never_makes_or_unmakes_an_open_port(
    observations: list[Observation], known: HostFacts
) -> None:
    before = decide(WHERE, observations, known)
    more = heard(Method.DATAGRAM, SILENT, after=99)
    after = decide(WHERE, [*observations, more], known)
    called_open = (VerdictKind.CONFIRMED, VerdictKind.LIKELY)
    if before.kind in called_open or after.kind in called_open:
        assert before.kind is after.kind


@given(some, facts)
def test_a_confidence_is_a_share_and_nothing_is_certain(
    observations: list[Observation], known: HostFacts
) -> None:
    found = decide(WHERE, observations, known)
    assert 0 <= found.confidence < 1
    assert (found.confidence == 0) == (found.kind in (VerdictKind.UNRESOLVED, VerdictKind.UNKNOWN))


# --- beside TCP --------------------------------------------------------------------------------


def test_what_a_host_does_to_one_protocol_says_nothing_of_the_other() -> None:
    """Control ports that answer by TCP must not make artefacts of its UDP ports."""
    address = WHERE.address
    tcp, control = Endpoint(address, Protocol.TCP, 22), Endpoint(address, Protocol.TCP, 31001)
    pretends = replace(heard(Method.NMAP_SYN, where=control), purpose=Purpose.CONTROL)
    by_udp = replace(task(Method.NMAP_UDP, ports="53"), protocol=Protocol.UDP)
    records = [settled(task(Method.NMAP_SYN), 1), settled(by_udp, 2)]
    named = replace(heard(Method.MASSCAN_SYN, where=tcp), purpose=Purpose.SWEEP)
    seen = [pretends, named, heard(Method.HANDSHAKE, where=tcp), SWEPT, SCANNED, ANSWERED]
    found = verdicts(evidence(batch(), records, seen))
    assert found[tcp].kind is VerdictKind.ARTEFACT
    assert found[WHERE].kind is VerdictKind.CONFIRMED
    assert list(found) == sorted(found)
