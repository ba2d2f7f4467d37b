"""What verdicts, methods, answers and changes are called in front of a reader."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from pipeline.decide.risk_rules import Concern, Criticality, Severity, Zone
from pipeline.model import (
    Aftermath,
    ChangeKind,
    Endpoint,
    Method,
    Observation,
    PortState,
    Purpose,
    RunState,
    Service,
    StageName,
    VerdictKind,
)
from pipeline.render.language import Phrases, say
from pipeline.render.text import visible

VERDICTS: Final[Mapping[VerdictKind, str]] = Phrases(
    {
        VerdictKind.CONFIRMED: "Open by two independent methods, and somebody was there after the "
        "handshake. Nothing speaks against it.",
        VerdictKind.LIKELY: "Open by one method or without proof of a listener; not contradicted.",
        VerdictKind.TRANSIENT: "Open at one time and not at another, by the same method.",
        VerdictKind.UNRESOLVED: "The methods disagree, and still did after every re-scan.",
        VerdictKind.ARTEFACT: "Something on the path answers, not the service: a SYN proxy, a "
        "tarpit or a catch-all listener.",
        VerdictKind.REFUTED: "Named by discovery or expected to be open, and then refused.",
        VerdictKind.FILTERED: "No answer or an ICMP refusal, where a service was expected.",
        VerdictKind.UNKNOWN: "Not asked, or the tool gave up: there is no evidence.",
    }
)
"""Every verdict with its meaning, in the order in which a reader should care."""

NAMES: Final[tuple[type[StrEnum], ...]] = (
    *(VerdictKind, Severity, ChangeKind, RunState, PortState, StageName),
    *(Aftermath, Zone, Criticality, Concern),
)
"""What has names that a report shows: each language has its own words for them."""
FIELDS: Final = (
    *("packets per second", "packets per second and host", "commands at once", "windows"),
    *("reference", "signatory", "role", "contacts", "valid from", "valid until", "document"),
    *("document SHA-256", "permitted methods", "permitted ports", "permitted targets"),
    *("permitted packets per second", "permitted packets per second and host"),
)
"""Names of particulars that come with a run."""
RECORDED: Final = (
    "the run stopped before these were swept",
    "service versions",
    "version probes are switched off",
    "The port is likely open, which is not proven; if it is, this holds.",
    "The port was not open every time it was asked; while it is, this holds.",
    "The service was not identified: this goes by the number of the port alone. Find out what "
    "listens there first.",
    "A pass that found nothing says nothing about what there is.",
    "The two passes are not independent: what one cannot see, the other cannot either, and their "
    "overlap says nothing about it.",
    "Everything that was asked was called open.",
    "No endpoint of the sample got a settled second look.",
)
"""Sentences that a run brings with it, and that are always the same."""

OPEN_VERDICTS: Final = (VerdictKind.CONFIRMED, VerdictKind.LIKELY)
DISPUTED_VERDICTS: Final = (VerdictKind.TRANSIENT, VerdictKind.UNRESOLVED)

METHODS: Final[Mapping[Method, str]] = Phrases(
    {
        Method.MASSCAN_SYN: "masscan SYN scan",
        Method.NMAP_SYN: "nmap SYN scan",
        Method.NMAP_CONNECT: "nmap connect scan",
        Method.HANDSHAKE: "handshake, then listening",
        Method.NMAP_VERSION: "nmap version probe",
        Method.NMAP_UDP: "nmap UDP scan",
        Method.DATAGRAM: "a request of the port's own protocol",
        Method.IMPORTED: "imported scan",
    }
)

PURPOSES: Final[Mapping[Purpose, str]] = Phrases(
    {
        Purpose.SWEEP: "discovery",
        Purpose.NAMED: "corroboration",
        Purpose.CONTROL: "control port",
        Purpose.CANARY: "canary",
        Purpose.SECOND_LOOK: "second look",
        Purpose.WATCH: "watch",
        Purpose.RESWEEP: "another sweep",
        Purpose.VOTE: "vote",
        Purpose.SAMPLE: "sample",
        Purpose.VERSION: "version probe",
    }
)

AFTERMATHS: Final[Mapping[Aftermath, str]] = Phrases(
    {
        Aftermath.DATA: "the service spoke",
        Aftermath.CLOSED: "the connection was ended in good order, without a word",
        Aftermath.RESET: "the connection was reset right after the handshake",
        Aftermath.REJECTED: "silence, then a reset in answer to what was sent",
        Aftermath.ACKNOWLEDGED: "silence, but what was sent was acknowledged",
        Aftermath.UNACKNOWLEDGED: "silence, and what was sent was never acknowledged",
        Aftermath.SILENCE: "silence; nothing was sent",
    }
)

CHANGES: Final[Mapping[ChangeKind, str]] = Phrases(
    {
        ChangeKind.OPENED: "Open now, and not before.",
        ChangeKind.REAPPEARED: "Open again, after it had been gone in an earlier run.",
        ChangeKind.SERVICE_CHANGED: "Open in both runs, with another service behind it.",
        ChangeKind.VERDICT_CHANGED: "The evidence adds up to another verdict than before.",
        ChangeKind.FLAPPING: "Opens and closes from run to run.",
        ChangeKind.CLOSED: "Open before; asked again, and refused.",
        ChangeKind.NOW_FILTERED: "Open before; asked again, and no answer came.",
        ChangeKind.UNREACHABLE: "Open before; now the whole host keeps silent.",
        ChangeKind.NOT_COVERED: "Open before, but this run did not ask: nobody knows.",
        ChangeKind.NEWLY_COVERED: "Open now; the earlier run had not asked.",
    }
)
"""Every kind of change with its meaning, in the order in which a reader should care."""


def anchor(endpoint: Endpoint) -> str:
    """The deep link of an endpoint within a page: ``10.80.1.7-443-tcp``."""
    return f"{endpoint.address}-{endpoint.port}-{endpoint.protocol}"


def service_text(service: Service | None, limit: int) -> str:
    """What the service is called; ``(by port)`` where only the port number suggests it."""
    if service is None or not service.label:
        return ""
    guessed = f" {say('(by port)')}" if service.method == "table" else ""
    return visible(service.label, limit) + guessed


_ALMOST: Final = 100


def percent(confidence: float) -> int:
    """A confidence in whole per cent, to sort by; 100 stands for all that is more than 99."""
    return _ALMOST if confidence > 0.99 else round(100 * confidence)


def confidence_text(confidence: float) -> str:
    """``97 %``, and ``>99 %`` for more than that: nothing here is certain."""
    whole = percent(confidence)
    return ">99 %" if whole == _ALMOST else f"{whole} %"


def round_name(observation: Observation) -> str:
    """Why this observation was made: ``discovery``, ``corroboration``, ``re-scan 2``."""
    if observation.purpose is Purpose.NAMED and observation.round > 1:
        return say("re-scan {n}", n=observation.round - 1)
    return PURPOSES[observation.purpose]


def facts(observation: Observation, banner_limit: int) -> tuple[str, ...]:
    """What else is known about one observation, in words, hostile characters made visible."""
    parts = [visible(observation.reason, 80)] if observation.reason else []
    if observation.ttl is not None:
        parts.append(f"TTL {observation.ttl}")
    if observation.aftermath is not None:
        parts.append(AFTERMATHS[observation.aftermath])
    # What nmap looks up by the number of a port is no recognition, and of a closed port nonsense.
    probed = observation.service is not None and observation.service.method == "probed"
    if probed and observation.service is not None and observation.service.label:
        label = visible(observation.service.label, banner_limit)
        parts.append(say("recognised as {service}", service=label))
    return tuple(parts)
