"""What real hosts of each kind leave behind, and what it adds up to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.decide import reasons
from pipeline.decide.verdict import SOME_REFUSED, HostFacts
from pipeline.model import (
    Aftermath,
    Method,
    Observation,
    PortState,
    Purpose,
    VerdictKind,
)
from tests.decide.making import GUESSED, PROBED, WRAPPED, controls, seen, shaken

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
        "a SYN proxy that resets, where a service acknowledges and a version probe identified it",
        (*SCANNED, shaken(Aftermath.ACKNOWLEDGED), seen(VERSION, service=PROBED)),
        replace(PRETENDING, aftermaths=frozenset({Aftermath.RESET, Aftermath.UNACKNOWLEDGED})),
        VerdictKind.CONFIRMED,
        reasons.SERVICE_IDENTIFIED,
    ),
    Case(
        "a listener behind all ports, which a version probe identifies on one of them",
        (*SCANNED, shaken(Aftermath.ACKNOWLEDGED), seen(VERSION, service=PROBED)),
        replace(PRETENDING, aftermaths=frozenset({Aftermath.ACKNOWLEDGED})),
        VerdictKind.ARTEFACT,
        reasons.CONTROL_PORTS_ANSWER,
    ),
    Case(
        "a service that a version probe identified, where nobody listened to the control ports",
        (*SCANNED, shaken(Aftermath.ACKNOWLEDGED), seen(VERSION, service=PROBED)),
        replace(PRETENDING, aftermaths=frozenset()),
        VerdictKind.ARTEFACT,
        reasons.CONTROL_PORTS_ANSWER,
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
