"""The story of one endpoint, in order: what was asked, what came back, and what it adds up to.

A verdict is believed when a reader can follow it. So the story tells every observation in a
sentence, says which of them counted and why the others did not, what is known about the host, by
which rule the verdict was found, how likely each explanation is, and what would change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from textwrap import wrap
from types import MappingProxyType
from typing import Any, Final

from pipeline.decide import reasons
from pipeline.decide.confidence import percent_text
from pipeline.decide.facts import HostRecord
from pipeline.decide.likelihoods import Hypothesis
from pipeline.decide.pattern import PatternKind, pattern
from pipeline.decide.signatures import likely, of_endpoint
from pipeline.decide.standing import Mood
from pipeline.decide.verdict import SOME_REFUSED, HostFacts, hypotheses
from pipeline.model import (
    Aftermath,
    Endpoint,
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    Service,
)
from pipeline.render.assets import asset_text
from pipeline.render.document import Finding, RunDocument
from pipeline.render.hosts import host_sentences, likely_text
from pipeline.render.known import known_text
from pipeline.render.text import counted, duration, instant, iso, visible
from pipeline.render.words import CHANGES, round_name, service_text
from pipeline.render.would_change import WOULD_CHANGE

_BANNER: Final = 160
_LABEL: Final = 80
_SCRIPT_LINES: Final = 12
_WIDTH: Final = 100


class Part(StrEnum):
    """The parts of a story, in their order."""

    HEARD = "heard"
    HOST = "host"
    DECIDED = "decided"
    SURE = "sure"
    CHANGE = "change"


HEADINGS: Final[Mapping[Part, str]] = MappingProxyType(
    {
        Part.HEARD: "What was asked, and what came back",
        Part.HOST: "The host",
        Part.DECIDED: "What was decided",
        Part.SURE: "How sure that is",
        Part.CHANGE: "What would change it",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One statement. ``time`` to ``until`` is when it was observed, ``None`` for the others.

    ``observations`` are the numbers of those it tells; ``counts`` is false when they were set
    aside.
    """

    part: Part
    text: str
    time: float | None = None
    until: float | None = None
    observations: tuple[int, ...] = ()
    counts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """``hypotheses`` are shares that add up to 1; empty where only the verdict has a confidence."""

    endpoint: Endpoint
    names: tuple[str, ...]
    run: str
    began: float
    lines: tuple[Line, ...]
    hypotheses: tuple[tuple[Hypothesis, float], ...]
    others: tuple[str, ...] = ()
    """What others say about it, a line each."""


_ASKED: Final[Mapping[Method, str]] = MappingProxyType(
    {
        Method.MASSCAN_SYN: "masscan sent a SYN",
        Method.NMAP_SYN: "nmap sent a SYN",
        Method.NMAP_CONNECT: "nmap made a connection",
        Method.HANDSHAKE: "portproof made a connection and listened",
        Method.NMAP_VERSION: "nmap asked for the service and its version",
        Method.NMAP_UDP: "nmap sent a UDP request",
        Method.DATAGRAM: "portproof sent a request of the port's own protocol",
        Method.IMPORTED: "an imported scan asked",
    }
)
_IN_PASSING: Final = frozenset({Purpose.CANARY, Purpose.WATCH, Purpose.SAMPLE})

_FOLLOWED: Final[Mapping[Aftermath, str]] = MappingProxyType(
    {
        Aftermath.DATA: "the service spoke. Somebody is there",
        Aftermath.CLOSED: "it was accepted and ended in good order without a word. Something turns "
        "us away",
        Aftermath.RESET: "it was accepted and reset at once. What accepted it has no service "
        "behind it, as it seems",
        Aftermath.REJECTED: "it was accepted, and what we sent was answered with a reset. An "
        "application that closes without reading does that",
        Aftermath.ACKNOWLEDGED: "it was accepted, and what we sent was acknowledged. A TCP stack "
        "holds the connection for something that waits",
        Aftermath.UNACKNOWLEDGED: "it was accepted, and what we sent was never acknowledged. A "
        "tarpit does that, or a box that only pretends",
        Aftermath.SILENCE: "it was accepted in silence, and we sent nothing. That tells no "
        "service from a box that pretends",
    }
)

_HYPOTHESES: Final[Mapping[Hypothesis, str]] = MappingProxyType(
    {
        Hypothesis.SERVICE: "a service listens there, all the time",
        Hypothesis.NOTHING: "nothing listens there, or a filter keeps us out",
        Hypothesis.PRETENDER: "something on the path or a catch-all pretends",
        Hypothesis.UNSTEADY: "it comes and goes, or connections get different answers",
    }
)


def stories(document: RunDocument) -> Iterator[Story]:
    """The stories of all findings of a document, in their order."""
    hosts = document.neighbourhoods.by_host()
    for finding in document.findings:
        endpoint = finding.verdict.endpoint
        host = hosts.get((endpoint.address, endpoint.protocol))
        yield story(finding, host, run=document.run, began=document.started)


def story(finding: Finding, host: HostRecord | None, *, run: str, began: float) -> Story:
    """Everything that a reader needs to follow one verdict."""
    shares = _hypotheses(finding, host)
    about_host = host_sentences(host) if host is not None else ()
    return Story(
        endpoint=finding.verdict.endpoint,
        names=finding.names,
        run=run,
        began=began,
        lines=(
            *_heard(finding, host),
            *(Line(part=Part.HOST, text=text) for text in about_host),
            *(Line(part=Part.DECIDED, text=text) for text in _decided(finding, host)),
            *(Line(part=Part.DECIDED, text=text) for text in _pattern(finding)),
            *(Line(part=Part.SURE, text=text) for text in _sure(finding, shares)),
            *(Line(part=Part.CHANGE, text=text) for text in _would_change(finding)),
        ),
        hypotheses=tuple(shares.items()),
        others=tuple(_others(finding)),
    )


# --- what was heard ------------------------------------------------------------------------------


def _heard(finding: Finding, host: HostRecord | None) -> Iterator[Line]:
    if not finding.observations:
        yield Line(part=Part.HEARD, text="Nobody observed anything.")
    ordered = sorted(finding.observations, key=lambda o: (o.time, o.number))
    for _, some in groupby(ordered, key=lambda o: (_likeness(o), _why_aside(o, host))):
        yield _line(tuple(some), host)


def _likeness(observation: Observation) -> tuple[Any, ...]:
    """What observations have in common that can be told in one sentence."""
    return (
        observation.method,
        observation.purpose,
        round_name(observation),
        observation.state,
        observation.reason,
        observation.aftermath,
        observation.banner,
        observation.ttl,
        observation.service,
    )


def _line(some: tuple[Observation, ...], host: HostRecord | None) -> Line:
    first, last = some[0], some[-1]
    asked = _ASKED[first.method]
    if first.method is Method.HANDSHAKE and first.purpose in _IN_PASSING:
        asked = "portproof began a connection and left at once"
    if first.purpose is Purpose.VOTE:
        asked = "portproof began several connections at the same moment"
    times = f", {len(some)} times" if len(some) > 1 else ""
    aside = _why_aside(first, host)
    what, _, meaning = _came_back(first).partition(". ")
    text = f"{asked} ({round_name(first)}{times}): {what}{_details(some)}."
    if meaning:
        text += f" {meaning}."
    if first.banner:
        text += f' It said "{visible(first.banner, _BANNER)}".'
    if aside:
        text += f" Set aside: {aside}."
    return Line(
        part=Part.HEARD,
        text=text,
        time=first.time,
        until=last.time if len(some) > 1 else None,
        observations=tuple(o.number for o in some),
        counts=not aside,
    )


def _came_back(observation: Observation) -> str:
    """What came back; and, as a second sentence, what that means by itself."""
    if observation.purpose is Purpose.VOTE and observation.reason == SOME_REFUSED:
        return "some were accepted and others refused. More than one machine answers here"
    match observation.state:
        case PortState.OPEN:
            return _opened(observation)
        case PortState.CLOSED if observation.endpoint.protocol is Protocol.UDP:
            return "the port is unreachable, says the host. Nothing listens there"
        case PortState.CLOSED:
            return "it was refused with a reset. Somebody there says no"
        case PortState.FILTERED if observation.reason in ("no-response", ""):
            return "no answer. Loss, a filter or a block; that is no refusal"
        case PortState.FILTERED:
            code = visible(observation.reason, _LABEL)
            return f"refused by ICMP ({code}). A filter or a router says no"
        case PortState.OPEN_FILTERED:
            return "no answer. A silent service, loss or a filter"
        case _:
            return f"{observation.state} ({visible(observation.reason, _LABEL)})"


def _opened(observation: Observation) -> str:
    if observation.aftermath is not None:
        return _FOLLOWED[observation.aftermath]
    match observation.method:
        case Method.NMAP_VERSION:
            return _recognised(observation.service)
        case Method.NMAP_CONNECT | Method.HANDSHAKE:
            return "it was accepted. A handshake completes there"
        case Method.NMAP_UDP | Method.DATAGRAM:
            return "a reply came. Somebody is there"
        case _:
            return "a SYN-ACK came back. Something answers as if open"


def _recognised(service: Service | None) -> str:
    if service is not None and service.name == "tcpwrapped":
        return "it was accepted, and closed before a word was said"
    if service is not None and service.method == "probed" and service.label:
        return f"it answered as {visible(service.label, _LABEL)} does. A service was identified"
    return "it was accepted, and no service was recognised"


def _details(some: tuple[Observation, ...]) -> str:
    parts = []
    if some[0].ttl is not None:
        parts.append(f"TTL {some[0].ttl}")
    ports = sorted({o.source_port for o in some if o.source_port is not None})
    if len(ports) == 1:
        parts.append(f"asked from port {ports[0]}")
    elif ports:
        parts.append(f"asked from {len(ports)} different ports")
    return f" ({', '.join(parts)})" if parts else ""


_WHY_ASIDE: Final[Mapping[Mood, str]] = MappingProxyType(
    {
        Mood.SILENT: "the host had stopped answering, and its silence proves nothing",
        Mood.REFUSING: "the host turned us away, and refused whatever we asked",
        Mood.DECEIVING: "the host deceived us, and answered for ports that refuse otherwise",
    }
)


def _why_aside(observation: Observation, host: HostRecord | None) -> str:
    """Why an observation does not count; empty when it does."""
    if host is None or host.standing.trusts(observation):
        return ""
    holding = [e for e in host.standing.episodes if e.holds(observation.time) and not e.is_void]
    return _WHY_ASIDE[holding[0].mood] if holding else ""


# --- what it adds up to --------------------------------------------------------------------------


def _decided(finding: Finding, host: HostRecord | None) -> Iterator[str]:
    # A quarter of a second to import, and a comparison tells no story.
    from pipeline.engagement.artefacts import our_signatures

    verdict = finding.verdict
    code = visible(verdict.reason, _LABEL)
    yield f"{verdict.kind}, by the rule {code}: {reasons.explain(verdict.reason)}"
    aside = sum(bool(_why_aside(o, host)) for o in finding.observations)
    if aside:
        yield (
            f"{aside} of {counted(len(finding.observations), 'observation')} "
            f"{'was' if aside == 1 else 'were'} set aside, and did not count."
        )
    known = likely(our_signatures(), of_endpoint(verdict, finding.observations, host))
    if known is not None:
        yield likely_text(known)
    if verdict.service is not None:
        yield from _service(verdict.service)
    if finding.change is not None:
        change = finding.change
        yield f"Since the last run: {change.kind}. {CHANGES[change.kind]}"


def _pattern(finding: Finding) -> Iterator[str]:
    """How an endpoint comes and goes, as far as one method's answers tell."""
    found = pattern(
        (o.time, o.state is PortState.OPEN)
        for o in finding.observations
        if o.method is Method.HANDSHAKE and o.state in (PortState.OPEN, PortState.CLOSED)
    )
    if found is None or found.kind is PatternKind.UNCLEAR:
        return
    share = f"open in about {found.duty:.0%} of the time"
    if found.kind is PatternKind.LOAD_BALANCED:
        yield f"Handshakes close to each other disagree: several machines take turns, {share}."
    elif found.period is None:
        yield f"It comes and goes, {share}."
    else:
        yield f"It comes and goes about every {duration(found.period)}, {share}."


def _service(service: Service) -> Iterator[str]:
    label = service_text(service, _BANNER)
    if label:
        yield f"The service: {label}."
    for name, output in service.scripts:
        told = output.strip("\r\n").splitlines()
        shown = "; ".join(visible(line.strip(), _BANNER) for line in told[:_SCRIPT_LINES])
        more = len(told) - _SCRIPT_LINES
        rest = f"; … {counted(more, 'more line')}" if more > 0 else ""
        yield f"{visible(name, _LABEL)}: {shown}{rest}"


def _hypotheses(finding: Finding, host: HostRecord | None) -> Mapping[Hypothesis, float]:
    """How likely each hypothesis is; empty for UDP, whose confidence is another formula's."""
    trusted = [
        o
        for o in finding.observations
        if o.purpose is not Purpose.CONTROL and not _why_aside(o, host)
    ]
    if finding.verdict.endpoint.protocol is Protocol.UDP or not trusted:
        return {}
    return hypotheses(trusted, host.controls if host is not None else HostFacts())


def _sure(finding: Finding, shares: Mapping[Hypothesis, float]) -> Iterator[str]:
    sure = percent_text(finding.verdict.confidence)
    if not finding.verdict.confidence:
        yield f"{finding.verdict.kind} claims nothing, so it has no confidence."
    else:
        yield f"{finding.verdict.kind}: {sure}, by the evidence that counts."
    for hypothesis, share in sorted(shares.items(), key=lambda item: -item[1]):
        yield f"{percent_text(share)}: {_HYPOTHESES[hypothesis]}"


def _would_change(finding: Finding) -> Iterable[str]:
    return WOULD_CHANGE.get(
        finding.verdict.reason, ("other evidence than the imported one: ask again",)
    )


def _others(finding: Finding) -> Iterator[str]:
    """What an inventory of assets and vulnerability scanners say."""
    if finding.asset is not None:
        yield f"asset: {asset_text(finding.asset)}"
    for line in finding.known:
        yield f"known: {known_text(line)}"


# --- as text, and for programs -------------------------------------------------------------------


def story_text(told: Story) -> list[str]:
    """The story in lines for a terminal; times are those since the run began."""
    names = f" ({visible(', '.join(told.names), _BANNER)})" if told.names else ""
    lines = [
        f"{told.endpoint}{names}",
        f"run {told.run}, begun {instant(told.began)} UTC; times count from then",
        *told.others,
    ]
    for part in Part:
        some = [line for line in told.lines if line.part is part]
        if some:
            lines += ["", HEADINGS[part]]
            for line in some:
                lines += _indented(line, told.began)
    return lines


def _indented(line: Line, began: float) -> list[str]:
    when = ""
    if line.time is not None:
        when = since(line.time, began)
        if line.until is not None:
            when += f" to {since(line.until, began)}"
        when += "  "
    return wrap(
        f"  {when}{line.text}",
        _WIDTH,
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
        expand_tabs=False,
    )


def since(time: float, began: float) -> str:
    """``+12:05`` minutes and seconds after the beginning, ``+1:12:05`` after an hour."""
    seconds = max(0, int(time - began))
    minutes, hours = seconds // 60 % 60, seconds // 3600
    if hours:
        return f"+{hours}:{minutes:02d}:{seconds % 60:02d}"
    return f"+{minutes}:{seconds % 60:02d}"


def story_json(told: Story) -> dict[str, Any]:
    """The story as JSON values; times are RFC 3339 texts."""
    return {
        "address": str(told.endpoint.address),
        "protocol": told.endpoint.protocol,
        "port": told.endpoint.port,
        "hypotheses": {name.value: round(share, 4) for name, share in told.hypotheses},
        "lines": [
            {
                "part": line.part,
                "time": None if line.time is None else iso(line.time),
                "until": None if line.until is None else iso(line.until),
                "text": line.text,
                "observations": list(line.observations),
                "counts": line.counts,
            }
            for line in told.lines
        ],
    }
