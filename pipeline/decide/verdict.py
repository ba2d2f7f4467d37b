"""What the evidence about one endpoint adds up to.

The rules are read from top to bottom, and the first that applies decides; the order of the
observations never matters, only their times. Three ideas carry them:

* Agreement of SYN and connect scans proves nothing about who answered: SYN proxies, tarpits and
  catch-all listeners agree with themselves. What follows a completed handshake, and what the
  control ports of the host do, tells a service from a box that pretends.
* No answer is not a refusal. Loss, rate limits and picky filters make silence, so silence never
  contradicts an open port, and never takes back what the same method heard earlier; a refusal
  (RST) does.
* A verdict never rests on what was not asked.

How sure a verdict is, is another question: confidence.py answers it from the same observations.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.decide import reasons
from pipeline.decide.confidence import confidence, posterior
from pipeline.decide.likelihoods import Hypothesis
from pipeline.decide.refusals import kin
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

_FEWEST_REJECTIONS: Final = 3
"""Rounds in which a newline was answered with a reset, from which on an application did it: once
or twice, a reset that followed the handshake itself may have been lost."""
_REJECTED_BY_LOSS: Final = 0.002
"""The chance that may be left for all these resets to have been lost."""
_ICMP: Final = frozenset(
    {"admin-prohibited", "host-prohibited", "net-prohibited", "communication-prohibited"}
    | {"host-unreach", "net-unreach", "port-unreach", "proto-unreach", "dest-unreach"}
    | {"no-route", "beyond-scope", "reject-route", "time-exceeded"}
)
_TELLING: Final = (
    None,
    Aftermath.SILENCE,
    Aftermath.UNACKNOWLEDGED,
    Aftermath.CLOSED,
    Aftermath.REJECTED,
    Aftermath.RESET,
    Aftermath.ACKNOWLEDGED,
    Aftermath.DATA,
)
"""What can follow a handshake, the more telling later."""
_SPEAKS_FOR_ITSELF: Final = frozenset({Aftermath.DATA})
_NEEDS_CONTROLS: Final = frozenset({Aftermath.ACKNOWLEDGED, Aftermath.CLOSED, Aftermath.REJECTED})
_ANSWERS: Final = frozenset({PortState.OPEN, PortState.CLOSED})


SOME_REFUSED: Final = "some-refused"
"""Reason of a vote in which connections of the same moment were answered differently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What the control ports of a host said, whose answers nobody expects.

    ``asked`` control ports got a settled answer, ``open_`` of them answered as if open, ``refused``
    refused; ``banners`` are what the open ones said after a handshake.
    """

    asked: int = 0
    open_: int = 0
    refused: int = 0
    banners: frozenset[str] = frozenset()
    refusal_ttls: frozenset[int] = frozenset()
    aftermaths: frozenset[Aftermath] = frozenset()
    loss: float = 0.0
    """The share of packets that are lost on the way to the hosts of its batch, as measured."""

    @property
    def rejections_needed(self) -> int:
        """In how many rounds a newline must be answered with a reset to prove an application."""
        if not 0.0 < self.loss < 1.0:
            return _FEWEST_REJECTIONS
        return max(_FEWEST_REJECTIONS, math.ceil(math.log(_REJECTED_BY_LOSS) / math.log(self.loss)))

    @property
    def answers_for_everything(self) -> bool:
        """True when ports that nobody named answer as if open, and none refuses.

        One that is open beside others that refuse may just happen to be open.
        """
        return self.open_ > 0 and self.refused == 0


def is_open_baseline(observation: Observation) -> bool:
    """True for a port that nobody named, and that was open before the sweep began."""
    return (
        observation.purpose is Purpose.CANARY
        and observation.round == 0
        and observation.state is PortState.OPEN
    )


def host_facts(controls: Iterable[Observation]) -> HostFacts:
    """Sum up the control observations of one host (any method, any round).

    A port of the baseline that was open is one of them: nobody named it either.
    """
    seen = [o for o in controls if o.purpose is Purpose.CONTROL or is_open_baseline(o)]
    by_port: dict[Endpoint, set[PortState]] = {}
    for observation in seen:
        by_port.setdefault(observation.endpoint, set()).add(observation.state)
    return HostFacts(
        asked=len(by_port),
        open_=sum(PortState.OPEN in states for states in by_port.values()),
        refused=sum(PortState.CLOSED in states for states in by_port.values()),
        banners=frozenset(o.banner for o in seen if o.aftermath is Aftermath.DATA),
        aftermaths=frozenset(o.aftermath for o in seen if o.aftermath is not None),
        refusal_ttls=frozenset(
            o.ttl for o in seen if o.state is PortState.CLOSED and o.ttl is not None
        ),
    )


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

    def methods_saying(self, state: PortState) -> set[Method]:
        return {method for method, last in self.last.items() if last.state is state}

    @property
    def ever_open(self) -> set[Method]:
        return {o.method for o in self.everything if o.state is PortState.OPEN}

    @property
    def asked_later(self) -> tuple[Observation, ...]:
        """The last words of every method but those of the discovery sweep."""
        return tuple(o for o in self.last.values() if o.purpose is not Purpose.SWEEP)

    @property
    def handshake(self) -> Observation | None:
        """The last word of the handshakes, with the most that followed any of them.

        What was lost once, a greeting or an acknowledgement, was there all the same.
        """
        last = self.last.get(Method.HANDSHAKE)
        if last is None or last.state is not PortState.OPEN:
            return last
        followed = [
            o
            for o in self.everything
            if o.method is Method.HANDSHAKE and o.state is PortState.OPEN and o.aftermath
        ]
        return max(followed, key=lambda o: _TELLING.index(o.aftermath), default=last)

    @property
    def rejections(self) -> int:
        """In how many rounds our newline was answered with a reset."""
        return len({o.round for o in self.everything if o.aftermath is Aftermath.REJECTED})

    @property
    def votes_differ(self) -> bool:
        """Of several connections at the same moment some were accepted and others refused."""
        votes = [o for o in self.everything if o.purpose is Purpose.VOTE]
        return any(o.reason == SOME_REFUSED for o in votes)

    @property
    def changed_its_mind(self) -> bool:
        """One method heard both open and a refusal, at different times."""
        opened = {kin(o.method) for o in self.everything if o.state is PortState.OPEN}
        refused = {kin(o.method) for o in self.everything if o.state is PortState.CLOSED}
        return bool(opened & refused)


def in_time(observation: Observation) -> tuple[float, int, tuple[str, ...]]:
    """Sort key: a total order over what a verdict can depend on, so that ties do not change it."""
    words = (
        observation.method.value,
        observation.purpose.value,
        observation.state.value,
        observation.reason,
        observation.aftermath.value if observation.aftermath else "",
        observation.banner,
        repr(observation.service),
    )
    return observation.time, observation.round, words


def decide(
    endpoint: Endpoint,
    observations: Sequence[Observation],
    facts: HostFacts,
    *,
    gave_up: bool = False,
    set_aside: Collection[int] = (),
) -> Verdict:
    """The verdict on one endpoint.

    ``observations`` are all of this endpoint's in any order, less those ``set_aside`` (by number)
    because the host was no witness then; ``gave_up`` says that a tool was asked and dropped it.
    Never raises; never ``confirmed`` without a completed handshake.
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
        confidence=confidence(kind, _posterior(hearing, facts)),
        observations=tuple(sorted({*set_aside, *_filed(hearing.everything)})),
        service=_service(hearing),
    )


def _filed(observations: Iterable[Observation]) -> Iterator[int]:
    """Their numbers; refusals that a search kept as a set have none."""
    return (o.number for o in observations if o.number)


def hypotheses(observations: Iterable[Observation], facts: HostFacts) -> Mapping[Hypothesis, float]:
    """How likely each hypothesis about one TCP endpoint is, by what :func:`decide` goes by."""
    return _posterior(_Hearing.of(observations), facts)


def _posterior(hearing: _Hearing, facts: HostFacts) -> Mapping[Hypothesis, float]:
    return posterior(
        hearing.everything,
        controls_open=facts.open_,
        controls_refused=facts.refused,
        controls_silent=max(0, facts.asked - facts.open_ - facts.refused),
        control_banners=facts.banners,
        ttl_nearer=_nearer_than_the_host(hearing, facts) if facts.refusal_ttls else None,
        unlike_controls=_acknowledges_alone(hearing.handshake, facts),
    )


def _rule(hearing: _Hearing, facts: HostFacts) -> tuple[VerdictKind, str]:
    if not hearing.ever_open:
        return _never_open(hearing)
    if hearing.votes_differ:
        return VerdictKind.TRANSIENT, reasons.LOAD_BALANCED
    if hearing.changed_its_mind:
        return VerdictKind.TRANSIENT, reasons.OPEN_THEN_CLOSED
    handshake = hearing.handshake
    if handshake is None:
        return _without_handshake(hearing)
    if handshake.state is not PortState.OPEN:
        return _handshake_failed(hearing, handshake, facts)
    if _nearer_than_the_host(hearing, facts):
        return VerdictKind.ARTEFACT, reasons.ANSWERED_ON_PATH
    if _unlike_controls(hearing, handshake, facts):
        return VerdictKind.LIKELY, reasons.UNLIKE_CONTROLS
    artefact = _pretence(hearing, handshake, facts)
    if artefact:
        return VerdictKind.ARTEFACT, artefact
    if hearing.methods_saying(PortState.CLOSED):
        return VerdictKind.UNRESOLVED, reasons.METHODS_DISAGREE
    if handshake.aftermath is None and not _identified(hearing):
        return VerdictKind.LIKELY, reasons.NOT_LISTENED
    proof = _presence(hearing, handshake, facts)
    if proof is None:
        if handshake.aftermath is Aftermath.REJECTED and facts.asked:
            return VerdictKind.LIKELY, reasons.REJECTED
        code = reasons.NO_CONTROL if not facts.asked else reasons.SILENT_LISTENER
        return VerdictKind.LIKELY, code
    if len(hearing.methods_saying(PortState.OPEN)) < 2:
        return VerdictKind.LIKELY, reasons.ONE_METHOD
    return VerdictKind.CONFIRMED, proof


def _never_open(hearing: _Hearing) -> tuple[VerdictKind, str]:
    if hearing.methods_saying(PortState.CLOSED):
        return VerdictKind.REFUTED, reasons.REFUSED
    if any(o.reason in _ICMP for o in hearing.last.values()):
        return VerdictKind.FILTERED, reasons.ICMP_REFUSED
    return VerdictKind.FILTERED, reasons.NO_ANSWER


def _without_handshake(hearing: _Hearing) -> tuple[VerdictKind, str]:
    later = hearing.asked_later
    if later and all(o.state is PortState.CLOSED for o in later):
        return VerdictKind.REFUTED, reasons.CLOSED_WHEN_ASKED_AGAIN
    if hearing.methods_saying(PortState.CLOSED):
        return VerdictKind.UNRESOLVED, reasons.METHODS_DISAGREE
    if len(hearing.ever_open) < 2:
        return VerdictKind.LIKELY, reasons.ONE_METHOD
    return VerdictKind.LIKELY, reasons.HANDSHAKE_MISSING


def _handshake_failed(
    hearing: _Hearing, handshake: Observation, facts: HostFacts
) -> tuple[VerdictKind, str]:
    later_open = {o.method for o in hearing.asked_later if o.state is PortState.OPEN}
    if handshake.state is PortState.CLOSED:
        if later_open:
            return VerdictKind.UNRESOLVED, reasons.METHODS_DISAGREE
        return VerdictKind.REFUTED, reasons.CLOSED_WHEN_ASKED_AGAIN
    if hearing.methods_saying(PortState.CLOSED):
        return VerdictKind.UNRESOLVED, reasons.METHODS_DISAGREE
    answered = bool(later_open) or facts.answers_for_everything
    if answered and Method.NMAP_CONNECT not in hearing.ever_open:
        return VerdictKind.ARTEFACT, reasons.HANDSHAKE_NEVER_COMPLETES
    if len(hearing.ever_open) < 2:
        return VerdictKind.LIKELY, reasons.ONE_METHOD
    return VerdictKind.LIKELY, reasons.HANDSHAKE_MISSING


def _nearer_than_the_host(hearing: _Hearing, facts: HostFacts) -> bool:
    """Every SYN-ACK travelled fewer hops than any refusal of the host: a box on the path sent it.

    Compared only where both began at the same time to live (64, 128 or 255), which systems choose
    for all that they send; a service behind the host (a forwarded port) is further away, not
    nearer.
    """
    answers = {o.ttl for o in hearing.everything if o.state is PortState.OPEN and o.ttl is not None}
    if not answers or not facts.refusal_ttls:
        return False
    nearest_refusal = max(facts.refusal_ttls)
    return all(
        ttl > nearest_refusal and _initial_ttl(ttl) == _initial_ttl(nearest_refusal)
        for ttl in answers
    )


def _initial_ttl(ttl: int) -> int:
    return next((initial for initial in (32, 64, 128) if ttl <= initial), 255)


def _unlike_controls(hearing: _Hearing, handshake: Observation, facts: HostFacts) -> bool:
    """Somebody is behind this port, and nobody behind the control ports, which answer as well.

    A SYN proxy answers for all, and hands on what has a service. As long as no version probe has
    recognised it, that is no proof: the handshake alone says so.
    """
    if not facts.answers_for_everything or _identified(hearing):
        return False
    return _somebody_answers_here(handshake, facts)


def _somebody_answers_here(handshake: Observation, facts: HostFacts) -> bool:
    """It says or acknowledges what no control port of its host does."""
    if handshake.aftermath is Aftermath.DATA:
        return handshake.banner not in facts.banners
    return _acknowledges_alone(handshake, facts)


def _acknowledges_alone(handshake: Observation | None, facts: HostFacts) -> bool:
    """It acknowledges what it is sent; the control ports answer, and are reset or do not."""
    return (
        handshake is not None
        and handshake.aftermath is Aftermath.ACKNOWLEDGED
        and facts.answers_for_everything
        and bool(facts.aftermaths)
        and facts.aftermaths <= {Aftermath.RESET, Aftermath.UNACKNOWLEDGED}
    )


def _pretence(hearing: _Hearing, handshake: Observation, facts: HostFacts) -> str | None:
    """The reason code when something on the path answers rather than a service."""
    if handshake.aftermath is Aftermath.UNACKNOWLEDGED:
        return reasons.NEVER_ACKNOWLEDGED
    proven = _somebody_answers_here(handshake, facts) and _identified(hearing)
    if facts.answers_for_everything and not proven:
        return reasons.CONTROL_PORTS_ANSWER
    if handshake.aftermath is Aftermath.RESET and not _identified(hearing):
        return reasons.RESET_AFTER_HANDSHAKE
    return None


def _presence(hearing: _Hearing, handshake: Observation, facts: HostFacts) -> str | None:
    """The reason code for somebody having been there after the handshake."""
    if handshake.aftermath in _SPEAKS_FOR_ITSELF:
        return reasons.SERVICE_SPOKE
    if _identified(hearing):
        return reasons.SERVICE_IDENTIFIED
    if handshake.aftermath in _NEEDS_CONTROLS and facts.asked and not facts.open_:
        if handshake.aftermath is Aftermath.ACKNOWLEDGED:
            return reasons.ACKNOWLEDGED
        if handshake.aftermath is Aftermath.CLOSED or hearing.rejections >= facts.rejections_needed:
            return reasons.CLOSED_AFTER_HANDSHAKE
    return None


def _identified(hearing: _Hearing) -> bool:
    version = hearing.last.get(Method.NMAP_VERSION)
    if version is None or version.state is not PortState.OPEN or version.service is None:
        return False
    service = version.service
    return service.method == "probed" and service.name not in ("", "tcpwrapped")


def _service(hearing: _Hearing) -> Service | None:
    for observation in reversed(hearing.everything):
        if observation.method is Method.NMAP_VERSION and observation.service is not None:
            return observation.service
    for observation in reversed(hearing.everything):
        if observation.banner:
            return Service(banner=observation.banner)
    return None
