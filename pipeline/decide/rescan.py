"""Which endpoints are worth asking again, how, and not before when.

A question is settled when asking again could not change the verdict, or has been heard twice to
say the same. What is still in doubt is asked again by the kind of its doubt: where methods merely
heard nothing, a packet was lost, and that is settled in seconds; where one was refused and another
was not, the endpoint may come and go, and minutes tell. Believed endpoints are watched meanwhile:
at uneven times over the whole span of the rescans, so that no period of theirs can hide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, assert_never

from pipeline.decide import reasons
from pipeline.decide.sequential import ERROR
from pipeline.model import Observation, PortState, Purpose, Verdict, VerdictKind

LOSS_DELAY: Final = 3.0
"""Seconds after which a lost packet is asked for again."""
_HEARD_TWICE: Final = 2
_SETTLED_AT_ONCE: Final = frozenset(
    {
        reasons.CONTROL_PORTS_ANSWER,
        reasons.REFUSED,
        reasons.ANSWERED_ON_PATH,
    }
)
_GOLDEN: Final = (math.sqrt(5) - 1) / 2


def worth_asking_again(
    verdict: Verdict,
    observations: Iterable[Observation],
    *,
    error: float = ERROR,
    loss: float = 0.0,
) -> bool:
    """True when another round could still change this verdict.

    A verdict that nothing is there is settled as soon as its confidence reaches ``1 - error`` (a
    sequential test, see sequential.py); what is believed but not proven is asked again whatever its
    confidence, and what seems to pretend at least once. ``loss`` is the share of packets that are
    lost each way: what a service did not acknowledge may have been lost, again and again.
    """
    if verdict.reason in _SETTLED_AT_ONCE:
        return False
    if verdict.reason == reasons.BLOCKED:
        return True
    rounds = len({o.round for o in observations if o.purpose is Purpose.NAMED})
    if verdict.reason == reasons.SILENT_LISTENER:
        # The same question gets the same silence, unless it was a reset that went lost.
        return rounds < _rounds_beyond(loss, error, at_least=1)
    match verdict.kind:
        case VerdictKind.CONFIRMED | VerdictKind.TRANSIENT | VerdictKind.UNKNOWN:
            return False
        case VerdictKind.LIKELY | VerdictKind.UNRESOLVED:
            return True
        case VerdictKind.REFUTED | VerdictKind.FILTERED:
            return rounds < _HEARD_TWICE and verdict.confidence < 1.0 - error
        case VerdictKind.ARTEFACT:
            # What is missing after a handshake may have been lost, however much it looks alike.
            if verdict.reason == reasons.NEVER_ACKNOWLEDGED:
                return rounds < _rounds_beyond(loss, error, at_least=_HEARD_TWICE)
            return verdict.reason == reasons.HANDSHAKE_NEVER_COMPLETES or rounds < _HEARD_TWICE
        case _:
            assert_never(verdict.kind)


def _rounds_beyond(loss: float, error: float, *, at_least: int) -> int:
    """After how many rounds loss alone explains no more than ``error`` that nobody answered.

    A SYN proxy asks the host behind it once for each connection. When that question or its answer
    is lost, nobody acknowledges what we send, however often it is repeated. And a box that resets
    does so once, when our ACK arrives.
    """
    in_vain = 1.0 - (1.0 - loss) ** 2
    if not 0.0 < in_vain < 1.0:
        return at_least
    return max(at_least, math.ceil(math.log(error) / math.log(in_vain)))


def may_be_a_loss(observations: Iterable[Observation]) -> bool:
    """True when somebody heard it open and nobody was refused: silence is all that disagrees."""
    states = {o.state for o in observations}
    return PortState.OPEN in states and PortState.CLOSED not in states


def round_due(
    round_: int,
    asked_at: float,
    delays: Sequence[float],
    *,
    first_asked_at: float = 0.0,
    until_settled: float = 0.0,
) -> float | None:
    """When the round after ``round_`` (1 = corroboration) may begin, as a time.

    ``asked_at`` is when ``round_`` ended, ``delays`` are seconds. ``None``: the delays are used up,
    and so is the time of ``until_settled`` seconds after ``first_asked_at`` in which the last delay
    is repeated.
    """
    if 1 <= round_ <= len(delays):
        return asked_at + delays[round_ - 1]
    if delays and round_ > len(delays) and asked_at + delays[-1] <= first_asked_at + until_settled:
        return asked_at + delays[-1]
    return None


def watch_times(looks: int, span: float) -> tuple[float, ...]:
    """Seconds after the corroboration at which believed endpoints are looked at again.

    Spread over ``span`` seconds, one in each equal part of it, and at another place in each part
    (multiples of the golden ratio), so that the looks keep step with nothing. Without a span there
    is no time to look in.
    """
    if not span:
        return ()
    return tuple(span * (number + (number + 1) * _GOLDEN % 1) / looks for number in range(looks))
