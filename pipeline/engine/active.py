"""A batch that somebody is working on, and its tasks that wait."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from pipeline.model import Batch, Purpose, Task, TaskRecord


class Waiting:
    """Tasks that wait, those whose time has come apart from the others. Times are epoch seconds.

    There may be ten thousands that are due in an hour, and somebody looks each time a task ends.
    """

    def __init__(self, records: Iterable[TaskRecord] = ()) -> None:
        self._records: dict[int, TaskRecord] = {}
        self._due: dict[int, TaskRecord] = {}
        self._later: list[tuple[float, int]] = []
        for record in records:
            self.add(record)

    def add(self, record: TaskRecord) -> None:
        """One more task, or another time for one that waits."""
        self._due.pop(record.number, None)
        self._records[record.number] = record
        heappush(self._later, (record.task.not_before, record.number))

    def remove(self, number: int) -> None:
        """This one waits no longer."""
        del self._records[number]
        self._due.pop(number, None)

    def due(self, now: float) -> Collection[TaskRecord]:
        """Those that may be asked now."""
        while (when := self._first()) is not None and when <= now:
            _, number = heappop(self._later)
            self._due[number] = self._records[number]
        return self._due.values()

    def next_due(self, now: float) -> float | None:
        """When the next of the others may be asked."""
        self.due(now)
        return self._first()

    def _first(self) -> float | None:
        while self._later:
            when, number = self._later[0]
            record = self._records.get(number)
            if record is not None and number not in self._due and record.task.not_before == when:
                return when
            heappop(self._later)  # it waits no longer, or for another time
        return None

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[TaskRecord]:
        return iter(self._records.values())


@dataclass(slots=True, eq=False)
class Active:
    """A batch that somebody is working on. ``dirty``: its stages have to plan again, but not
    before ``plan_again`` while anything of it is running. ``rested``: time has passed in which
    nothing could be asked."""

    batch: Batch
    waiting: Waiting = field(default_factory=Waiting)
    running: set[int] = field(default_factory=set)
    sweeping: bool = True
    dirty: bool = True
    rested: bool = True
    plan_again: float = float("-inf")


def leads(task: Task) -> bool:
    """True for what comes before everything else in a batch."""
    return task.purpose is Purpose.SWEEP or (task.purpose is Purpose.CANARY and task.round == 0)
