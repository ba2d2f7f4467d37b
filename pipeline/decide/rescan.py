"""Which endpoints are worth asking again, and not before when.

A question is settled when asking again could not change the verdict, or has been heard twice to
say the same. Everything else is asked once more after each configured delay, until the delays are
used up; what is then still in doubt keeps its honest verdict (``likely``, ``unresolved``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, assert_never

from pipeline.decide import reasons
from pipeline.model import Observation, Purpose, Verdict, VerdictKind

_HEARD_TWICE: Final = 2
_SETTLED_AT_ONCE: Final = frozenset(
    {reasons.CONTROL_PORTS_ANSWER, reasons.REFUSED, reasons.SILENT_LISTENER}
)


def worth_asking_again(verdict: Verdict, observations: Iterable[Observation]) -> bool:
    """True when another round could still change this verdict."""
    if verdict.reason in _SETTLED_AT_ONCE:
        return False
    rounds = len({o.round for o in observations if o.purpose is Purpose.NAMED})
    match verdict.kind:
        case VerdictKind.CONFIRMED | VerdictKind.TRANSIENT | VerdictKind.UNKNOWN:
            return False
        case VerdictKind.LIKELY | VerdictKind.UNRESOLVED:
            return True
        case VerdictKind.REFUTED | VerdictKind.FILTERED | VerdictKind.ARTEFACT:
            if verdict.reason == reasons.HANDSHAKE_NEVER_COMPLETES:
                return True
            return rounds < _HEARD_TWICE
        case _:
            assert_never(verdict.kind)


def round_due(round_: int, asked_at: float, delays: Sequence[float]) -> float | None:
    """When the round after ``round_`` (1 = corroboration) may begin, as a time.

    ``asked_at`` is when ``round_`` ended, ``delays`` are seconds. ``None``: the delays are used up.
    """
    if not 1 <= round_ <= len(delays):
        return None
    return asked_at + delays[round_ - 1]
