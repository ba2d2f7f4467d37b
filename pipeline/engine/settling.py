"""What becomes of a task that has ended: settled, asked again, or a hole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from pipeline.errors import NotAdmitted, Refused
from pipeline.executor import NOT_IN_SCOPE, Executor
from pipeline.ledger import Ledger
from pipeline.model import Answer, Hole, Purpose, Task, TaskRecord
from pipeline.plan import Policy

RETRY_AFTER: Final = 5.0
"""Seconds before a task that failed by itself is asked again."""


class Settling:
    """Files the answers of one run. ``requeue`` is called for a task that waits again."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        executor: Executor,
        policy: Policy,
        clock: Callable[[], float],
        on_event: Callable[[str, str], None],
        requeue: Callable[[TaskRecord], None],
    ) -> None:
        self._ledger = ledger
        self._executor = executor
        self._policy = policy
        self._clock = clock
        self._on_event = on_event
        self._requeue = requeue

    def refused(self, record: TaskRecord, attempt: int, error: Refused) -> None:
        """The scope got narrower since this was planned: nothing was sent, and nobody knows."""
        self._on_event("refused", f"task {record.number} was not sent: {error.what}")
        self._ledger.settle(
            record.number,
            attempt,
            observations=(),
            holes=_whole(
                record.task, NOT_IN_SCOPE if isinstance(error, NotAdmitted) else error.what
            ),
            outcome=error.what,
            now=self._clock(),
            failed=True,
        )

    def settle(self, record: TaskRecord, attempt: int, answer: Answer, folder: Path) -> None:
        """File an answer, or have the task asked again while it may be."""
        if answer.foreign:
            named = ", ".join(str(endpoint) for endpoint in answer.foreign[:3])
            self._on_event(
                "foreign",
                f"task {record.number}: {record.task.method} reported {len(answer.foreign)} "
                f"endpoint(s) that nobody asked about, dropped: {named}",
            )
        if not answer.complete and record.failures + 1 < self._policy.attempts:
            self._on_event("retry", f"task {record.number} will be asked again: {answer.problem}")
            not_before = self._clock() + RETRY_AFTER
            if self._ledger.put_back(
                record.number, attempt, why=answer.problem, not_before=not_before
            ):
                self._requeue(record)
            return
        holes: Iterable[Hole] = answer.holes
        if not answer.complete:
            self._on_event("failed", f"task {record.number} failed: {answer.problem}")
            holes = _whole(record.task, answer.problem)
        self._ledger.settle(
            record.number,
            attempt,
            observations=answer.observations,
            holes=holes,
            refusals=answer.refusals if answer.complete else (),
            evidence_sha256=self._executor.evidence_hash(record.task, folder),
            outcome=answer.problem,
            now=self._clock(),
            failed=not answer.complete,
        )


def _whole(task: Task, why: str) -> Iterable[Hole]:
    # A sweep that failed is known by its state; one hole for each of its addresses would say no
    # more and could be a million rows.
    if task.purpose is Purpose.SWEEP:
        return ()
    return [Hole(address=a, ports=None, reason=why) for a in task.targets.addresses]
