"""Runs that never came, or came to nothing: told by the next one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.model import RunState
from pipeline.render.text import counted, duration, minute, visible
from pipeline.scheduling.times import Schedule, due
from pipeline.store.records import RunRecord

EARLY = 600.0
"""Seconds by which a run may begin before its time, and count for it."""
LATE = 3600.0
"""Seconds after which a run that begins late says so."""
_TOLD = 5
_LOOK_BACK = 100 * 86400.0


def troubles(runs: Sequence[RunRecord], schedule: Schedule, now: float) -> tuple[str, ...]:
    """What a run that begins ``now`` has to tell of ``runs``, those before it, in their order."""
    ours = [run for run in runs if not run.plan.imported]
    if not ours:
        return ()
    return (*_unfinished(ours[-1]), *_missed(ours, schedule, now))


def _unfinished(last: RunRecord) -> Iterator[str]:
    if last.state is not RunState.COMPLETE:
        why = visible(last.stopped_because, 200) or "it was killed, or the machine went down"
        yield f"the run before this one, {last.id}, did not come to its end: {why}"


def _missed(runs: Sequence[RunRecord], schedule: Schedule, now: float) -> Iterator[str]:
    last = runs[-1].started
    instants = due(schedule, max(last + EARLY, now - _LOOK_BACK), now + EARLY)
    if not instants:
        return
    *missed, ours = instants
    ended = runs[-1].ended
    if missed and ended is not None:
        during = [instant for instant in missed if instant <= ended]
        missed = missed[len(during) :]
        if during:
            yield (
                f"{counted(len(during), 'scheduled run')} passed over while run {runs[-1].id} was "
                f"going on: {_times(during)}"
            )
    if missed:
        yield f"{counted(len(missed), 'scheduled run')} did not take place: {_times(missed)}"
    if now - ours > LATE:
        yield f"this run was due {minute(ours)} UTC, and began {duration(now - ours)} later"


def _times(instants: Sequence[float]) -> str:
    told = ", ".join(minute(instant) for instant in instants[-_TOLD:])
    return f"{told} UTC" if len(instants) <= _TOLD else f"the last ones {told} UTC"
