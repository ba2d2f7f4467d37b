"""Which runs may lose their evidence, and what of it others still need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.model import RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """What of a run counts here. ``against`` is the run that it was compared with."""

    number: int
    engagement: str
    state: RunState
    started: float
    ended: float | None
    purged: bool
    against: int | None = None


def purgeable(runs: Sequence[Aged], *, before: float) -> tuple[int, ...]:
    """The complete runs that ended before a time and whose evidence nobody needs, oldest first.

    Needed is the newest complete run of each engagement, by number and by time, since the next one
    is compared with it; and what an unfinished run will be compared with when it is resumed.
    """
    complete = [run for run in runs if run.state is RunState.COMPLETE]
    needed = set()
    for engagement in {run.engagement for run in runs}:
        mine = [run for run in complete if run.engagement == engagement]
        needed |= _newest(mine)
        for run in runs:
            if run.engagement == engagement and run.state is not RunState.COMPLETE:
                needed |= _newest([each for each in mine if each.number < run.number])
    return tuple(
        run.number
        for run in sorted(complete, key=lambda run: (run.started, run.number))
        if not run.purged
        and run.number not in needed
        and run.ended is not None
        and run.ended < before
    )


def _newest(runs: Sequence[Aged]) -> set[int]:
    if not runs:
        return set()
    by_number = max(runs, key=lambda run: run.number)
    by_time = max(runs, key=lambda run: (run.started, run.number))
    return {by_number.number, by_time.number}


def superfluous(runs: Iterable[Aged]) -> tuple[int, ...]:
    """The purged runs whose verdicts no run shows any more as what was there before."""
    every: Mapping[int, Aged] = {run.number: run for run in runs}
    shown = {run.against for run in every.values() if not run.purged}
    return tuple(number for number, run in every.items() if run.purged and number not in shown)
