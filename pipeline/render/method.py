"""How a run was made: what a reader needs to repeat it, or to doubt it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.model import Method, TaskRecord, TaskState
from pipeline.render.words import METHODS


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodUse:
    """What became of the tasks of one method; ``endpoints`` counts the settled ones' questions.

    ``rate`` is the highest share of the rate (packets per second) that one of them was given;
    ``attempts`` is more than the number of tasks where something had to be tried again. ``command``
    is the command line of one of them, for a shell; empty where no command was run.
    """

    method: Method
    settled: int
    failed: int
    unfinished: int
    attempts: int
    endpoints: int
    rate: float | None
    command: str = ""

    @property
    def name(self) -> str:
        """What the method is called."""
        return METHODS[self.method]


def methods_used(tasks: Iterable[TaskRecord]) -> tuple[MethodUse, ...]:
    """The tasks of a run by method, in the order in which methods are usually used."""
    by_method: dict[Method, list[TaskRecord]] = {method: [] for method in METHODS}
    for record in tasks:
        by_method[record.task.method].append(record)
    return tuple(_use(method, records) for method, records in by_method.items() if records)


def _use(method: Method, records: list[TaskRecord]) -> MethodUse:
    settled = [record for record in records if record.state is TaskState.SETTLED]
    failed = sum(record.state is TaskState.FAILED for record in records)
    return MethodUse(
        method=method,
        settled=len(settled),
        failed=failed,
        unfinished=len(records) - len(settled) - failed,
        attempts=sum(record.attempt for record in records),
        endpoints=sum(record.task.endpoints for record in settled),
        rate=max((record.rate for record in records if record.rate is not None), default=None),
        command=next((shlex.join(record.argv) for record in records if record.argv), ""),
    )
