"""Every reason code, from the evidence that real hosts of each kind leave behind."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from pipeline.decide import reasons
from pipeline.decide.confidence import posterior
from pipeline.decide.likelihoods import Hypothesis
from pipeline.decide.verdict import SOME_REFUSED, HostFacts, decide, host_facts
from pipeline.model import (
    Aftermath,
    Method,
    Observation,
    PortState,
    Purpose,
    Verdict,
    VerdictKind,
)
from tests.decide.making import GUESSED, PROBED, WHERE, WRAPPED, controls, seen, shaken

MASSCAN, SYN, CONNECT, HANDSHAKE, VERSION = (
    Method.MASSCAN_SYN,
    Method.NMAP_SYN,
    Method.NMAP_CONNECT,
    Method.HANDSHAKE,
    Method.NMAP_VERSION,
)
OPEN, CLOSED, FILTERED = PortState.OPEN, PortState.CLOSED, PortState.FILTERED
TOLD = Aftermath.DATA
UNASKED = HostFacts()
REFUSING = controls(CLOSED)
DROPPING = controls(FILTERED)
PRETENDING = controls(PortState.OPEN)

SCANNED = (seen(MASSCAN), seen(SYN), seen(CONNECT))
"""What every SYN and connect scan says of an open port, and of much that is none."""
IN_VAIN = (seen(MASSCAN), seen(SYN, FILTERED), seen(CONNECT, FILTERED))


@dataclass(frozen=True, slots=True)
class Case:
    """What was heard about one endpoint and its host, and what it adds up to."""

    name: str
    heard: tuple[Observation, ...]
    facts: HostFacts
    kind: VerdictKind
    reason: str
    gave_up: bool = False
    set_aside: tuple[int, ...] = ()


def vote(state: PortState, reason: str | None = None) -> Observation:
    return seen(HANDSHAKE, state, reason=reason, purpose=Purpose.VOTE)


def refusing_from(ttl: int) -> HostFacts:
    return replace(REFUSING, refusal_ttls=frozenset({ttl}))


CASES = (
    Case(
        "a service behind a firewall that refuses",
        (*SCANNED, shaken(Aftermath.DATA)),
        REFUSING,
        VerdictKind.CONFIRMED,
        reasons.SERVICE_SPOKE,
    ),
    Case(
        "a service behind a firewall that drops",
        (*SCANNED, shaken(Aftermath.DATA)),
        DROPPING,
        VerdictKind.CONFIRMED,
        reasons.SERVICE_SPOKE,
    ),
    Case(
        "a silent service that a version probe makes talk",
        (*SCANNED, shaken(Aftermath.SILENCE), seen(VERSION, service=PROBED)),
        UNASKED,
        VerdictKind.CONFIRMED,
        reasons.SERVICE_IDENTIFIED,
    ),
    Case(
        "a silent service that acknowledges",
        (*SCANNED, shaken(Aftermath.ACKNOWLEDGED)),
        REFUSING,
        VerdictKind.CONFIRMED,
        reasons.ACKNOWLEDGED,
    ),
    Case(
        "a wrapped service that hangs up",
        (*SCANNED, shaken(Aftermath.CLOSED), seen(VERSION, service=WRAPPED)),
        REFUSING,
        VerdictKind.CONFIRMED,
        reasons.CLOSED_AFTER_HANDSHAKE,
    ),
    Case(
        "a service that resets whenever it is spoken to",
        (*SCANNED, *(shaken(Aftermath.REJECTED, round_=n, after=30 * n) for n in (1, 2, 3))),
        REFUSING,
        VerdictKind.CONFIRMED,
        reasons.CLOSED_AFTER_HANDSHAKE,
    ),
    Case(
        "a service that reset in two rounds when it was spoken to",
        (*SCANNED, *(shaken(Aftermath.REJECTED, round_=n, after=30 * n) for n in (1, 2))),
        REFUSING,
        VerdictKind.LIKELY,
        reasons.REJECTED,
    ),
    Case(
        "a silent service whose host could not be asked for anything else",
        (*SCANNED, shaken(Aftermath.ACKNOWLEDGED)),
        UNASKED,
        VerdictKind.LIKELY,
        reasons.NO_CONTROL,
    ),
    Case(
        "a fragile port that nobody spoke to",
        (*SCANNED, shaken(Aftermath.SILENCE)),
        REFUSING,
        VerdictKind.LIKELY,
        reasons.SILENT_LISTENER,
    ),
    Case(
        "a fragile port of which nmap only knows the usual name",
        (*SCANNED, shaken(Aftermath.SILENCE), seen(VERSION, service=GUESSED)),
        REFUSING,
        VerdictKind.LIKELY,
        reasons.SILENT_LISTENER,
    ),
    Case(
        "a service that talks to the handshake alone",
        (shaken(Aftermath.DATA),),
        REFUSING,
        VerdictKind.LIKELY,
        reasons.ONE_METHOD,
    ),
    Case(
        "a host that blocks the scanner after the sweep",
        (*IN_VAIN, seen(HANDSHAKE, FILTERED)),
        DROPPING,
        VerdictKind.LIKELY,
        reasons.ONE_METHOD,
    ),
    Case(
        "a sweep that nobody followed up",
        (seen(MASSCAN),),
        UNASKED,
        VerdictKind.LIKELY,
        reasons.ONE_METHOD,
    ),
    Case(
        "scans that no handshake followed",
        (seen(MASSCAN), seen(SYN), seen(CONNECT, FILTERED)),
        REFUSING,
        VerdictKind.LIKELY,
        reasons.HANDSHAKE_MISSING,
    ),
    Case(
        "a connect scan that got through and a handshake that did not",
        (*SCANNED, seen(HANDSHAKE, FILTERED)),
        REFUSING,
        VerdictKind.LIKELY,
        reasons.HANDSHAKE_MISSING,
    ),
    Case(
        "a host that wants the timestamp option",
        (seen(SYN, FILTERED), seen(CONNECT), shaken(Aftermath.DATA)),
        DROPPING,
        VerdictKind.CONFIRMED,
        reasons.SERVICE_SPOKE,
    ),
    Case(
        "a greylisting host that was expected, and that masscan missed",
        (seen(SYN), seen(CONNECT), shaken(Aftermath.DATA)),
        DROPPING,
        VerdictKind.CONFIRMED,
        reasons.SERVICE_SPOKE,
    ),
    Case(
        "a block that runs out before the last round",
        (*IN_VAIN, seen(HANDSHAKE, FILTERED), shaken(Aftermath.DATA, after=600, round_=2)),
        DROPPING,
        VerdictKind.CONFIRMED,
        reasons.SERVICE_SPOKE,
    ),
    Case(
        "a port that flaps",
        (
            *SCANNED,
            seen(HANDSHAKE, CLOSED, reason="conn-refused"),
            shaken(Aftermath.DATA, after=30, round_=2),
        ),
        REFUSING,
        VerdictKind.TRANSIENT,
        reasons.OPEN_THEN_CLOSED,
    ),
    Case(
        "a port behind a balancer with one half closed",
        (seen(MASSCAN), seen(SYN), seen(CONNECT, CLOSED), shaken(Aftermath.DATA)),
        REFUSING,
        VerdictKind.UNRESOLVED,
        reasons.METHODS_DISAGREE,
    ),
    Case(
        "scans that disagree, and a handshake without an answer",
        (seen(MASSCAN), seen(SYN), seen(CONNECT, CLOSED), seen(HANDSHAKE, FILTERED)),
        REFUSING,
        VerdictKind.UNRESOLVED,
        reasons.METHODS_DISAGREE,
    ),
    Case(
        "scans that agree, and a handshake that is refused",
        (*SCANNED, seen(HANDSHAKE, CLOSED)),
        REFUSING,
        VerdictKind.UNRESOLVED,
        reasons.METHODS_DISAGREE,
    ),
    Case(
        "one listener behind every port",
        (*SCANNED, shaken(Aftermath.ACKNOWLEDGED)),
        PRETENDING,
        VerdictKind.ARTEFACT,
        reasons.CONTROL_PORTS_ANSWER,
    ),
    Case(
        "one listener that says the same on every port",
        (*SCANNED, shaken(Aftermath.DATA, banner="hello"), seen(VERSION, service=PROBED)),
        HostFacts(asked=2, open_=2, banners=frozenset({"hello"})),
        VerdictKind.ARTEFACT,
        reasons.CONTROL_PORTS_ANSWER,
    ),
    Case(
        "a SYN proxy, where there is no service",
        (*SCANNED, shaken(Aftermath.RESET)),
        PRETENDING,
        VerdictKind.ARTEFACT,
        reasons.CONTROL_PORTS_ANSWER,
    ),
    Case(
        "a SYN proxy, where there is a service",
        (*SCANNED, shaken(Aftermath.DATA), seen(VERSION, service=PROBED)),
        PRETENDING,
        VerdictKind.CONFIRMED,
        reasons.SERVICE_SPOKE,
    ),
    Case(
        "a SYN proxy, before the version probe",
        (*SCANNED, shaken(Aftermath.DATA)),
        PRETENDING,
        VerdictKind.LIKELY,
        reasons.UNLIKE_CONTROLS,
    ),
    Case(
        "a SYN proxy that resets, where a silent service acknowledges",
        (*SCANNED, shaken(Aftermath.ACKNOWLEDGED)),
        replace(PRETENDING, aftermaths=frozenset({Aftermath.RESET})),
        VerdictKind.LIKELY,
        reasons.UNLIKE_CONTROLS,
    ),
    Case(
        "a SYN proxy of which one control port acknowledges, too",
        (*SCANNED, shaken(Aftermath.ACKNOWLEDGED)),
        replace(PRETENDING, aftermaths=frozenset({Aftermath.RESET, Aftermath.ACKNOWLEDGED})),
        VerdictKind.ARTEFACT,
        reasons.CONTROL_PORTS_ANSWER,
    ),
    Case(
        "a host that says the same on every port, before the version probe",
        (*SCANNED, shaken(Aftermath.DATA, banner="hello")),
        HostFacts(asked=2, open_=2, banners=frozenset({"hello"})),
        VerdictKind.ARTEFACT,
        reasons.CONTROL_PORTS_ANSWER,
    ),
    Case(
        "a reset after the handshake, on this port alone",
        (*SCANNED, shaken(Aftermath.RESET)),
        REFUSING,
        VerdictKind.ARTEFACT,
        reasons.RESET_AFTER_HANDSHAKE,
    ),
    Case(
        "a reset after the handshake, and a version probe that got an answer",
        (*SCANNED, shaken(Aftermath.RESET), seen(VERSION, service=PROBED)),
        REFUSING,
        VerdictKind.CONFIRMED,
        reasons.SERVICE_IDENTIFIED,
    ),
    Case(
        "a tarpit",
        (*SCANNED, shaken(Aftermath.UNACKNOWLEDGED)),
        PRETENDING,
        VerdictKind.ARTEFACT,
        reasons.NEVER_ACKNOWLEDGED,
    ),
    Case(
        "a tarpit on one port",
        (*SCANNED, shaken(Aftermath.UNACKNOWLEDGED)),
        REFUSING,
        VerdictKind.ARTEFACT,
        reasons.NEVER_ACKNOWLEDGED,
    ),
    Case(
        "a box that answers SYNs and completes nothing",
        (seen(MASSCAN), seen(SYN), seen(CONNECT, FILTERED), seen(HANDSHAKE, FILTERED)),
        DROPPING,
        VerdictKind.ARTEFACT,
        reasons.HANDSHAKE_NEVER_COMPLETES,
    ),
    Case(
        "a box that answers SYNs for every port and completes nothing",
        (seen(MASSCAN), seen(HANDSHAKE, FILTERED)),
        PRETENDING,
        VerdictKind.ARTEFACT,
        reasons.HANDSHAKE_NEVER_COMPLETES,
    ),
    Case(
        "a phantom of the sweep",
        (seen(MASSCAN), seen(SYN, CLOSED), seen(CONNECT, CLOSED), seen(HANDSHAKE, CLOSED)),
        REFUSING,
        VerdictKind.REFUTED,
        reasons.CLOSED_WHEN_ASKED_AGAIN,
    ),
    Case(
        "a phantom of the sweep, before the handshake",
        (seen(MASSCAN), seen(SYN, CLOSED)),
        REFUSING,
        VerdictKind.REFUTED,
        reasons.CLOSED_WHEN_ASKED_AGAIN,
    ),
    Case(
        "a phantom of the sweep, with refusals lost on the way",
        (seen(MASSCAN), seen(SYN, FILTERED), seen(CONNECT, FILTERED), seen(HANDSHAKE, CLOSED)),
        REFUSING,
        VerdictKind.REFUTED,
        reasons.CLOSED_WHEN_ASKED_AGAIN,
    ),
    Case(
        "an expected port that is closed",
        (seen(SYN, CLOSED), seen(CONNECT, CLOSED), seen(HANDSHAKE, CLOSED)),
        REFUSING,
        VerdictKind.REFUTED,
        reasons.REFUSED,
    ),
    Case(
        "an expected port with a full backlog, or behind a filter",
        (seen(SYN, FILTERED), seen(CONNECT, FILTERED), seen(HANDSHAKE, FILTERED)),
        DROPPING,
        VerdictKind.FILTERED,
        reasons.NO_ANSWER,
    ),
    Case(
        "an expected port that a firewall refuses",
        (seen(SYN, FILTERED), seen(CONNECT, FILTERED, reason="admin-prohibited")),
        DROPPING,
        VerdictKind.FILTERED,
        reasons.ICMP_REFUSED,
    ),
    Case(
        "back ends that take turns",
        (*SCANNED, shaken(Aftermath.DATA), vote(OPEN, reason=SOME_REFUSED)),
        REFUSING,
        VerdictKind.TRANSIENT,
        reasons.LOAD_BALANCED,
    ),
    Case(
        "a port that flaps, on which connections of the same moment agree",
        (*SCANNED, seen(HANDSHAKE, CLOSED), vote(OPEN)),
        REFUSING,
        VerdictKind.TRANSIENT,
        reasons.OPEN_THEN_CLOSED,
    ),
    Case(
        "a proxy on the path, one hop nearer than the host that refuses",
        (*(replace(o, ttl=63) for o in SCANNED), shaken(Aftermath.DATA)),
        refusing_from(62),
        VerdictKind.ARTEFACT,
        reasons.ANSWERED_ON_PATH,
    ),
    Case(
        "a forwarded port, whose service is further away than the host",
        (*(replace(o, ttl=61) for o in SCANNED), shaken(Aftermath.DATA)),
        refusing_from(62),
        VerdictKind.CONFIRMED,
        reasons.SERVICE_SPOKE,
    ),
    Case(
        "a host that refuses with another time to live than it accepts with",
        (*(replace(o, ttl=63) for o in SCANNED), shaken(Aftermath.DATA)),
        refusing_from(254),
        VerdictKind.CONFIRMED,
        reasons.SERVICE_SPOKE,
    ),
    Case(
        "a service of which one answer came the way of the refusals",
        (*(replace(o, ttl=t) for o, t in zip(SCANNED, (63, 62, 63), strict=True)), shaken(TOLD)),
        refusing_from(62),
        VerdictKind.CONFIRMED,
        reasons.SERVICE_SPOKE,
    ),
    Case(
        "a service that was only watched in passing",
        (*SCANNED, shaken(None, purpose=Purpose.WATCH, round_=3)),
        REFUSING,
        VerdictKind.LIKELY,
        reasons.NOT_LISTENED,
    ),
    Case(
        "a service that was only met in passing, and then identified",
        (*SCANNED, shaken(None, purpose=Purpose.SAMPLE), seen(VERSION, service=PROBED)),
        REFUSING,
        VerdictKind.CONFIRMED,
        reasons.SERVICE_IDENTIFIED,
    ),
    Case(
        "an endpoint that was asked only while its host deceived us",
        (),
        UNASKED,
        VerdictKind.UNKNOWN,
        reasons.BLOCKED,
        set_aside=(4, 5),
    ),
    Case("an endpoint that nobody asked", (), UNASKED, VerdictKind.UNKNOWN, reasons.NOT_ASKED),
    Case(
        "an endpoint that nmap gave up on",
        (),
        UNASKED,
        VerdictKind.UNKNOWN,
        reasons.GAVE_UP,
        gave_up=True,
    ),
)


def ruling(case: Case) -> Verdict:
    return decide(WHERE, case.heard, case.facts, gave_up=case.gave_up, set_aside=case.set_aside)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_evidence_adds_up_to(case: Case) -> None:
    found = ruling(case)
    assert (found.kind, found.reason) == (case.kind, case.reason)


@pytest.mark.parametrize(
    "reason",
    [
        "admin-prohibited",
        "host-prohibited",
        "net-prohibited",
        "communication-prohibited",
        "host-unreach",
        "net-unreach",
        "port-unreach",
        "proto-unreach",
        "dest-unreach",
        "no-route",
        "beyond-scope",
        "reject-route",
        "time-exceeded",
    ],
)
def test_every_word_of_nmap_and_of_the_handshake_for_an_icmp_error_is_a_refusal(
    reason: str,
) -> None:
    heard = (seen(SYN, FILTERED), seen(HANDSHAKE, FILTERED, reason=reason))
    assert decide(WHERE, heard, DROPPING).reason == reasons.ICMP_REFUSED


def test_every_reason_that_is_explained_is_given_for_something() -> None:
    elsewhere = {
        # Of UDP, and of a host with all its endpoints.
        *(reasons.ANSWERED_IN_PROTOCOL, reasons.REPLY_NOT_UNDERSTOOD, reasons.OPEN_OR_FILTERED),
        "host-changes",
    }
    assert {case.reason for case in CASES} == set(reasons.EXPLANATIONS) - elsewhere


def test_every_reason_that_has_a_name_is_explained() -> None:
    named = {
        value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)
    }
    assert named == set(reasons.EXPLANATIONS)


def test_every_kind_of_verdict_is_reached() -> None:
    assert {case.kind for case in CASES} == set(VerdictKind)


def test_a_reason_without_a_sentence_stands_for_itself() -> None:
    assert reasons.explain("service-spoke").startswith("Two independent methods")
    assert reasons.explain("imported-as-it-was") == "imported-as-it-was"


# --- confidence --------------------------------------------------------------------------------


def confidence(*heard: Observation, facts: HostFacts = REFUSING) -> float:
    return decide(WHERE, heard, facts).confidence


def test_a_verdict_has_the_posterior_of_what_it_claims_with_what_is_known_of_its_host() -> None:
    heard = (*SCANNED, shaken(Aftermath.ACKNOWLEDGED))
    found = posterior(heard, controls_refused=2)
    assert confidence(*heard) == pytest.approx(found[Hypothesis.SERVICE], abs=1e-4)
    found = posterior(heard, controls_silent=2)
    assert confidence(*heard, facts=DROPPING) == pytest.approx(found[Hypothesis.SERVICE], abs=1e-4)
    found = posterior(heard, controls_open=2)
    assert confidence(*heard, facts=PRETENDING) == pytest.approx(
        found[Hypothesis.PRETENDER], abs=1e-4
    )


def test_a_service_that_spoke_counts_for_more_than_one_that_kept_silent() -> None:
    spoke, silent = shaken(Aftermath.DATA), shaken(Aftermath.ACKNOWLEDGED)
    assert confidence(seen(SYN), spoke) > confidence(seen(SYN), silent)


def test_a_method_that_speaks_against_a_refutation_lowers_its_confidence() -> None:
    refused = (seen(CONNECT, CLOSED), seen(HANDSHAKE, CLOSED))
    phantom = (seen(MASSCAN), *refused)
    assert decide(WHERE, phantom, REFUSING).kind is VerdictKind.REFUTED
    assert decide(WHERE, refused, REFUSING).kind is VerdictKind.REFUTED
    assert 0.5 < confidence(*phantom) < confidence(*refused)


def test_what_was_set_aside_is_named_and_counts_for_nothing() -> None:
    heard = (seen(MASSCAN, number=7), shaken(Aftermath.DATA, number=9))
    with_, without = (decide(WHERE, heard, REFUSING, set_aside=n) for n in ([8, 3], []))
    assert with_.observations == (3, 7, 8, 9)
    assert replace(with_, observations=()) == replace(without, observations=())


def test_nobody_is_sure_of_a_disagreement_or_of_nothing() -> None:
    assert confidence(*SCANNED, seen(HANDSHAKE, CLOSED)) == 0.0
    assert confidence() == 0.0


# --- what goes along with a verdict ------------------------------------------------------------


def test_the_service_of_a_verdict_is_what_the_version_probe_found() -> None:
    heard = (*SCANNED, shaken(Aftermath.DATA, after=5), seen(VERSION, service=PROBED))
    assert decide(WHERE, heard, REFUSING).service == PROBED


def test_without_a_version_probe_the_banner_stands_for_the_service() -> None:
    found = decide(WHERE, (*SCANNED, shaken(Aftermath.DATA, banner="220 ready")), REFUSING)
    assert found.service is not None
    assert found.service.banner == "220 ready"
    assert not found.service.name


def test_control_ports_count_by_port_whatever_the_method_and_the_round() -> None:
    one = seen(SYN, where=WHERE, purpose=Purpose.CONTROL)
    again = shaken(Aftermath.DATA, banner="hello", purpose=Purpose.CONTROL, round_=2)
    named = seen(SYN, CLOSED)
    assert host_facts([one, again, named]) == HostFacts(
        asked=1,
        open_=1,
        refused=0,
        banners=frozenset({"hello"}),
        aftermaths=frozenset({Aftermath.DATA}),
    )


@pytest.mark.parametrize(
    ("loss", "rounds"), [(0.0, 3), (0.01, 3), (0.1, 3), (0.2, 4), (0.25, 5), (1.0, 3)]
)
def test_where_much_is_lost_more_rejections_are_needed(loss: float, rounds: int) -> None:
    """A reset that follows the handshake itself and is lost lets our newline get another one."""
    facts = replace(controls(PortState.CLOSED), loss=loss)
    scanned = seen(Method.NMAP_SYN)
    rejected = [
        shaken(Aftermath.REJECTED, round_=number, after=10.0 * number)
        for number in range(1, rounds + 1)
    ]
    assert decide(WHERE, [scanned, *rejected], facts).reason == reasons.CLOSED_AFTER_HANDSHAKE
    assert decide(WHERE, [scanned, *rejected[1:]], facts).reason == reasons.REJECTED
