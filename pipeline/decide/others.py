"""Verdicts on what others scanned: many endpoints, few stories.

A million endpoints of a foreign scan were mostly heard in a dozen ways, and the same story gets the
same verdict. So a verdict is made once for each story, as long as nobody said a word in it:
banners and services are an endpoint's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.decide import reasons, udp
from pipeline.decide.questions import changed_together
from pipeline.decide.verdict import HostFacts, decide
from pipeline.model import Endpoint, Evidence, Observation, PortState, Protocol, Verdict

_NOTHING_KNOWN = HostFacts()
_ANSWERS = frozenset({PortState.OPEN, PortState.CLOSED})

Story = tuple[object, ...]
Known = dict[Story, Verdict]
"""The verdict on each story, made for the first endpoint that has it."""


def verdicts_of_others(evidence: Evidence, known: Known | None = None) -> dict[Endpoint, Verdict]:
    """A verdict for every endpoint that somebody else's scan has an observation of.

    Nobody files one there but of what is open, or was named. Others ask neither canaries nor
    control ports. ``known`` is what the verdicts of other parts of the same scan left behind.
    """
    known = {} if known is None else known
    found = {e: _verdict(e, heard, known) for e, heard in evidence.observations.items()}
    ended_closed = {
        endpoint
        for endpoint, verdict in found.items()
        if verdict.reason == reasons.OPEN_THEN_CLOSED
        and _ended_closed(evidence.observations[endpoint])
    }
    return found | changed_together(found, ended_closed)


def _verdict(endpoint: Endpoint, heard: Sequence[Observation], known: Known) -> Verdict:
    story = _story(endpoint, heard)
    if story is None:
        return _decide(endpoint, heard)
    told = known.get(story)
    if told is None:
        told = known[story] = _decide(endpoint, heard)
    if told.endpoint is endpoint:
        return told
    return Verdict(
        endpoint=endpoint,
        kind=told.kind,
        reason=told.reason,
        confidence=told.confidence,
        observations=tuple(sorted(observation.number for observation in heard)),
    )


def _decide(endpoint: Endpoint, heard: Sequence[Observation]) -> Verdict:
    by = udp.decide if endpoint.protocol is Protocol.UDP else decide
    return by(endpoint, heard, _NOTHING_KNOWN)


def _story(endpoint: Endpoint, heard: Sequence[Observation]) -> Story | None:
    """What a verdict without banners and services depends on; of times only which came first."""
    if len(heard) == 1:
        (one,) = heard
        if one.banner or one.service or one.aftermath:
            return None
        return endpoint.protocol, one.method, one.purpose, one.state, one.reason
    parts: list[object] = [endpoint.protocol]
    before: float | None = None
    for one in sorted(heard, key=_in_order):
        if one.banner or one.service or one.aftermath:
            return None
        parts.append(
            (one.time == before, one.method, one.purpose, one.round, one.state, one.reason)
        )
        before = one.time
    return tuple(parts)


def _in_order(one: Observation) -> tuple[float, int, str, str, str, str]:
    return one.time, one.round, one.method, one.purpose, one.state, one.reason


def _ended_closed(heard: Sequence[Observation]) -> bool:
    answers = [one for one in heard if one.state in _ANSWERS]
    last = max(answers, key=lambda one: (one.time, one.round, one.state), default=None)
    return last is not None and last.state is PortState.CLOSED
