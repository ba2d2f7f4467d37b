"""Hosts that turned against us: how long they were waited for, and what they bore later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.decide.along import Along
from pipeline.decide.standing import Mood, Standing, Standings
from pipeline.decide.tuning.shares import Share
from pipeline.decide.tuning.tally import Turned
from pipeline.model import Purpose, TaskRecord


class Turning:
    """Of one run: give it each batch, and take what it comes to."""

    def __init__(self) -> None:
        self._waits: list[tuple[float, float]] = []
        self._again, self._pace = Share(), 0.0

    def add(self, tasks: Iterable[TaskRecord], known: Standings) -> None:
        """One batch."""
        along = Along(
            (record.task.targets.addresses, record)
            for record in tasks
            if record.task.pace and record.started and record.task.purpose is not Purpose.CANARY
        )
        for address, standing in known.hosts.items():
            self._waits += unsound(standing)
            back = next((e.until for e in standing.episodes if e.until is not None), None)
            if back is None:
                continue
            later = [r.task.pace for r in along.at(address) if (r.started or 0.0) >= back]
            if later:
                self._again += Share(int(len(standing.episodes) > 1), 1)
                self._pace = max(self._pace, *later)

    def result(self) -> Turned:
        """All batches together."""
        return Turned(waited=length(self._waits), again=self._again, pace=self._pace)


def unsound(standing: Standing) -> Iterator[tuple[float, float]]:
    """The times from the first canary that went wrong to the one that was sound again, or last."""
    began: float | None = None
    for check in standing.checks:
        if check.mood is not Mood.SOUND:
            began = check.time if began is None else began
        elif began is not None:
            yield began, check.time
            began = None
    if began is not None:
        yield began, standing.checks[-1].time


def length(spans: Iterable[tuple[float, float]]) -> float:
    """How long any of these lasted."""
    total, end = 0.0, float("-inf")
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total
