"""What the evidence about one UDP endpoint adds up to.

By UDP nobody shakes hands. A reply is the only sign of a service, and a port-unreachable of the
host itself the only sign of a closed port. Silence may be a service that does not understand, a
filter, a loss, or a host that limits its refusals: it is ``open|filtered``, and never open.

The rules are read from top to bottom, and the first that applies decides; the order of the
observations never matters, only their times. A reply proves most when it answers our own request
(its random numbers are in it), because a box that answers everything does not know them.

Confidence: each method *m* that supports the verdict is a witness with the weight *w(m)*, and they
are taken as independent: ``1 - prod(1 - w(m))``. Each method counts once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pipeline.decide import reasons
from pipeline.decide.verdict import HostFacts, in_time
from pipeline.model import (
    Aftermath,
    Endpoint,
    Method,
    Observation,
    PortState,
    Purpose,
    Service,
    Verdict,
    VerdictKind,
)

WEIGHTS: Final[Mapping[Method, float]] = MappingProxyType(
    {
        Method.NMAP_UDP: 0.7,
        Method.DATAGRAM: 0.8,
        Method.NMAP_VERSION: 0.95,
        Method.IMPORTED: 0.5,
    }
)
ANSWER_WEIGHT: Final = 0.98
"""Of our own method when the reply was an answer to the request."""
_OTHER_WEIGHT: Final = 0.5
_ANSWERS: Final = frozenset({PortState.OPEN, PortState.CLOSED})
_IN_FAVOUR: Final[Mapping[VerdictKind, frozenset[PortState]]] = MappingProxyType(
    {
        VerdictKind.CONFIRMED: frozenset({PortState.OPEN}),
        VerdictKind.LIKELY: frozenset({PortState.OPEN}),
        VerdictKind.ARTEFACT: frozenset({PortState.OPEN}),
        VerdictKind.TRANSIENT: _ANSWERS,
        VerdictKind.REFUTED: frozenset({PortState.CLOSED}),
        VerdictKind.FILTERED: frozenset(PortState) - _ANSWERS,
    }
)
SILENCE_WEIGHT: Final = 0.5
"""Of a method that heard nothing, for ``filtered``: it would hear the same of most services."""


@dataclass(frozen=True, slots=True)
class _Hearing:
    """The observations of one endpoint, and each method's last word.

    The last word is the last answer, and silence only where the method never got an answer.
    """

    everything: tuple[Observation, ...]
    last: Mapping[Method, Observation]

    @classmethod
    def of(cls, observations: Iterable[Observation]) -> _Hearing:
        ordered = sorted(observations, key=in_time)
        silence_first = sorted(ordered, key=lambda o: o.state in _ANSWERS)
        return cls(tuple(ordered), {o.method: o for o in silence_first})

    @property
    def ever_open(self) -> set[Method]:
        return {o.method for o in self.everything if o.state is PortState.OPEN}

    @property
    def later(self) -> list[PortState]:
        """All that was said after the sweep."""
        return [o.state for o in self.everything if o.purpose is not Purpose.SWEEP]

    @property
    def changed_its_mind(self) -> bool:
        closed = {o.method for o in self.everything if o.state is PortState.CLOSED}
        return bool(self.ever_open & closed)

    @property
    def answered_us(self) -> bool:
        return any(_is_answer(o) for o in self.everything)


def _is_answer(observation: Observation) -> bool:
    return observation.method is Method.DATAGRAM and observation.aftermath is Aftermath.DATA


def decide(
    endpoint: Endpoint,
    observations: Sequence[Observation],
    facts: HostFacts,
    *,
    gave_up: bool = False,
    set_aside: Collection[int] = (),
) -> Verdict:
    """The verdict on one UDP endpoint; the arguments are those of the verdict on a TCP endpoint.

    Never raises; never ``confirmed`` without an answer to a request of our own.
    """
    if not observations:
        code = reasons.GAVE_UP if gave_up else reasons.NOT_ASKED
        return Verdict(
            endpoint=endpoint,
            kind=VerdictKind.UNKNOWN,
            reason=reasons.BLOCKED if set_aside else code,
            confidence=0.0,
            observations=tuple(sorted(set_aside)),
        )
    hearing = _Hearing.of(observations)
    kind, reason = _rule(hearing, facts)
    return Verdict(
        endpoint=endpoint,
        kind=kind,
        reason=reason,
        confidence=_confidence(hearing, kind),
        observations=tuple(sorted({*set_aside, *(o.number for o in hearing.everything)})),
        service=_service(hearing),
    )


def _rule(hearing: _Hearing, facts: HostFacts) -> tuple[VerdictKind, str]:
    if not hearing.ever_open:
        return _never_open(hearing)
    later = hearing.later
    if later and all(state is PortState.CLOSED for state in later):
        return VerdictKind.REFUTED, reasons.CLOSED_WHEN_ASKED_AGAIN
    if hearing.changed_its_mind:
        return VerdictKind.TRANSIENT, reasons.OPEN_THEN_CLOSED
    if facts.answers_for_everything:
        return VerdictKind.ARTEFACT, reasons.CONTROL_PORTS_ANSWER
    if any(o.state is PortState.CLOSED for o in hearing.last.values()):
        return VerdictKind.UNRESOLVED, reasons.METHODS_DISAGREE
    if len(hearing.ever_open) < 2:
        return VerdictKind.LIKELY, reasons.ONE_METHOD
    if not hearing.answered_us:
        return VerdictKind.LIKELY, reasons.REPLY_NOT_UNDERSTOOD
    return VerdictKind.CONFIRMED, reasons.ANSWERED_IN_PROTOCOL


def _never_open(hearing: _Hearing) -> tuple[VerdictKind, str]:
    states = {o.state for o in hearing.last.values()}
    if PortState.CLOSED in states:
        return VerdictKind.REFUTED, reasons.REFUSED
    if any(o.state is PortState.FILTERED and _is_icmp(o) for o in hearing.everything):
        return VerdictKind.FILTERED, reasons.ICMP_REFUSED
    return VerdictKind.FILTERED, reasons.OPEN_OR_FILTERED


def _is_icmp(observation: Observation) -> bool:
    return observation.reason not in ("no-response", "")


def _service(hearing: _Hearing) -> Service | None:
    for observation in reversed(hearing.everything):
        if observation.method is Method.NMAP_VERSION and observation.service is not None:
            return observation.service
    for wanted in (_is_answer, lambda o: bool(o.banner)):
        for observation in reversed(hearing.everything):
            if wanted(observation):
                return Service(banner=observation.banner)
    return None


def _confidence(hearing: _Hearing, kind: VerdictKind) -> float:
    favoured = _IN_FAVOUR.get(kind)
    if favoured is None:
        return 0.0
    doubt = 1.0
    for method in sorted({o.method for o in hearing.everything if o.state in favoured}):
        doubt *= 1.0 - _weight(hearing, method, kind)
    return round(1.0 - doubt, 4)


def _weight(hearing: _Hearing, method: Method, kind: VerdictKind) -> float:
    said = [o for o in hearing.everything if o.method is method]
    if kind is VerdictKind.FILTERED and not any(_is_icmp(o) for o in said):
        return SILENCE_WEIGHT
    if any(_is_answer(o) for o in said):
        return ANSWER_WEIGHT
    return WEIGHTS.get(method, _OTHER_WEIGHT)
