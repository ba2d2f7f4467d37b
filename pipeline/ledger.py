"""The persistent list of a run's tasks and what became of them.

It is at once the checkpoint, the record of coverage, and the trail of what was sent, when and with
which arguments. Settling a task is one transaction: its observations, its holes, the hash of its
evidence, its new state. A result carries (task, attempt), and only the current attempt may settle.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Update, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from pipeline.audit import telling
from pipeline.audit.trail import TASK_ENDED, TASK_STARTED, Trail
from pipeline.model import (
    Batch,
    Endpoint,
    Evidence,
    Hole,
    Method,
    Observation,
    Protocol,
    Purpose,
    Refusals,
    StageName,
    Task,
    TaskRecord,
    TaskState,
)
from pipeline.ports import PortSet
from pipeline.redact import Redactor
from pipeline.scope import Scope
from pipeline.store import schema
from pipeline.store.records import (
    RunRecord,
    address_from_bytes,
    address_to_bytes,
    addresses_from_text,
    addresses_to_text,
    ports_from_text,
)
from pipeline.store.rows import (
    endpoint_at,
    hole_of,
    observation_of,
    observation_row,
    refusals_of,
    task_row,
)
from pipeline.store.runs import Store


class Ledger:
    """The ledger of one run. ``scope`` is the run's own: every task in it lay inside once.

    What services said is filed without secrets, whoever heard it. ``trail`` is the run's record,
    which hears what became of each task once it is filed. Raises :class:`UsageError` for a run
    whose evidence was purged.
    """

    def __init__(
        self,
        store: Store,
        run: RunRecord,
        scope: Scope | None = None,
        trail: Trail | None = None,
    ) -> None:
        run.require_evidence()
        self._store = store
        self._run = run.number
        self._scope = scope or run.plan.scope
        self._redactor = Redactor.of(run.plan.privacy.redact)
        self._trail = trail

    def add_batches(self, batches: Iterable[Batch]) -> None:
        """File the batches of a new run, all or none."""
        rows = [
            {
                "run": self._run,
                "number": batch.number,
                "targets": addresses_to_text(batch.targets.addresses),
                "protocol": batch.protocol.value,
                "ports": str(batch.ports),
                "expected": ",".join(str(endpoint) for endpoint in batch.expected),
                "done": 0,
            }
            for batch in batches
        ]
        with self._store.transaction() as connection:
            if rows:
                connection.execute(insert(schema.batches), rows)

    def batches(self, *, unfinished_only: bool = False) -> tuple[Batch, ...]:
        """The batches in their order."""
        table = schema.batches
        query = select(table).where(table.c.run == self._run).order_by(table.c.number)
        if unfinished_only:
            query = query.where(table.c.done == 0)
        with self._store.reading() as connection:
            return tuple(self._batch(found) for found in connection.execute(query))

    def finish_batch(self, number: int) -> None:
        """Note that no stage has anything left to ask about a batch."""
        table = schema.batches
        with self._store.transaction() as connection:
            connection.execute(
                update(table)
                .where(table.c.run == self._run, table.c.number == number)
                .values(done=1)
            )

    def file(self, tasks: Iterable[Task]) -> None:
        """File planned tasks; a question that is filed already is not filed again."""
        rows = [{"run": self._run, **task_row(task)} for task in tasks]
        if not rows:
            return
        with self._store.transaction() as connection:
            connection.execute(upsert(schema.tasks).on_conflict_do_nothing(), rows)

    def start(
        self,
        number: int,
        *,
        argv: Sequence[str],
        rate: float | None,
        evidence: str,
        now: float,
        packets: int | None = None,
    ) -> int:
        """Note that a task is about to be sent, and return the number of this attempt.

        ``packets`` is what it may send at most, for the record.
        Raises ``ValueError`` for a task that does not wait: somebody else is asking it, or did.
        """
        table = schema.tasks
        with self._store.transaction() as connection:
            started = connection.execute(
                update(table)
                .where(table.c.number == number, table.c.state == TaskState.PLANNED.value)
                .values(
                    state=TaskState.RUNNING.value,
                    attempt=func.max(table.c.attempt, self._on_record(number)) + 1,
                    started=now,
                    ended=None,
                    argv=json.dumps(list(argv)),
                    rate=rate,
                    evidence=evidence,
                )
            )
            if started.rowcount != 1:
                raise ValueError(f"task {number} does not wait to be asked")
            query = select(table.c.attempt).where(table.c.number == number)
            attempt = int(connection.execute(query).scalar_one())
        if self._trail is not None:
            self._trail.add(TASK_STARTED, telling.started(self.task(number), packets))
        return attempt

    def _on_record(self, number: int) -> int:
        """Attempts at a task that the record tells of.

        A power failure may take seconds from the database and not from the record: what is asked
        again then leaves alone what is on record.
        """
        return 0 if self._trail is None else self._trail.attempts(number)

    def settle(
        self,
        number: int,
        attempt: int,
        *,
        observations: Iterable[Observation],
        holes: Iterable[Hole] = (),
        refusals: Iterable[Refusals] = (),
        evidence_sha256: str = "",
        outcome: str = "",
        now: float,
        failed: bool = False,
    ) -> bool:
        """File the answer of a task, all or nothing; replaces what an earlier attempt filed.

        ``failed`` files what was seen by a task that could not be finished: its observations
        count, its silence does not. Returns False, and files nothing, when this is not the current
        attempt of a running task.
        """
        state = TaskState.FAILED if failed else TaskState.SETTLED
        observations, holes = tuple(observations), tuple(holes)
        with self._store.transaction() as connection:
            done = connection.execute(
                _current(number, attempt).values(
                    state=state.value,
                    ended=now,
                    outcome=self._redactor.text(outcome),
                    evidence_sha256=evidence_sha256,
                )
            )
            if done.rowcount != 1:
                return False
            self._replace_answers(connection, number, observations, holes, refusals)
        if self._trail is not None:
            counts = {"observations": len(observations), "holes": len(holes)}
            self._trail.add(TASK_ENDED, telling.ended(self.task(number), **counts))
            self._trail.settle()
        return True

    def put_back(self, number: int, attempt: int, *, why: str, not_before: float) -> bool:
        """A task failed and is to be asked again after ``not_before``; False when stale."""
        table = schema.tasks
        with self._store.transaction() as connection:
            done = connection.execute(
                _current(number, attempt).values(
                    state=TaskState.PLANNED.value,
                    outcome=self._redactor.text(why),
                    not_before=not_before,
                    failures=table.c.failures + 1,
                )
            )
        return self._let_go(done.rowcount, number, attempt, why)

    def release(self, number: int, attempt: int, *, why: str) -> bool:
        """A task was cut off through no fault of its own: it waits to be asked again."""
        with self._store.transaction() as connection:
            done = connection.execute(
                _current(number, attempt).values(state=TaskState.PLANNED.value, outcome=why)
            )
        return self._let_go(done.rowcount, number, attempt, why)

    def _let_go(self, changed: int, number: int, attempt: int, why: str) -> bool:
        """True when the task waits again; the record hears of it."""
        if changed and self._trail is not None:
            told = {"task": number, "attempt": attempt, "why": self._redactor.text(why)}
            self._trail.add("task-put-back", told)
        return changed == 1

    def postpone(self, numbers: Iterable[int], seconds: float) -> None:
        """Ask tasks that wait so much later, as far as they still wait."""
        table = schema.tasks
        query = (
            update(table)
            .where(table.c.number == bindparam("one"), table.c.state == TaskState.PLANNED.value)
            .values(not_before=table.c.not_before + seconds)
        )
        # One by one: there may be more than a statement takes parameters.
        with self._store.transaction() as connection:
            connection.execute(query, [{"one": number} for number in numbers])

    def recover(self) -> int:
        """After a crash: put every running task back into the queue. Returns how many."""
        table = schema.tasks
        with self._store.transaction() as connection:
            done = connection.execute(
                update(table)
                .where(table.c.run == self._run, table.c.state == TaskState.RUNNING.value)
                .values(
                    # Not a failure of the task: it may be cut off any number of times.
                    state=TaskState.PLANNED.value,
                    outcome="interrupted",
                )
            )
        if done.rowcount and self._trail is not None:
            self._trail.add("recovered", {"tasks": done.rowcount})
        return done.rowcount

    def tasks(self, batch: int | None = None) -> tuple[TaskRecord, ...]:
        """The tasks of the run, or of one batch, in the order they were filed."""
        table = schema.tasks
        query = select(table).where(table.c.run == self._run).order_by(table.c.number)
        if batch is not None:
            query = query.where(table.c.batch == batch)
        with self._store.reading() as connection:
            return tuple(self._task(found) for found in connection.execute(query))

    def task(self, number: int) -> TaskRecord:
        """One task as it stands."""
        query = select(schema.tasks).where(schema.tasks.c.number == number)
        with self._store.reading() as connection:
            return self._task(connection.execute(query).one())

    def holes(self) -> tuple[tuple[int, Hole], ...]:
        """What the tasks of the run gave up on, with their numbers."""
        join = schema.tasks.c.number == schema.holes.c.task
        query = select(schema.holes).join(schema.tasks, join)
        with self._store.reading() as connection:
            found = connection.execute(query.where(schema.tasks.c.run == self._run))
            return tuple((line.task, hole_of(line)) for line in found)

    def refusals(self) -> tuple[tuple[int, Refusals], ...]:
        """The ports that refused when the tasks of the run looked for open ones."""
        join = schema.tasks.c.number == schema.refusals.c.task
        query = select(schema.refusals).join(schema.tasks, join)
        with self._store.reading() as connection:
            found = connection.execute(query.where(schema.tasks.c.run == self._run))
            return tuple((line.task, refusals_of(line)) for line in found)

    def evidence(self, batch: Batch) -> Evidence:
        """Everything that is known about one batch."""
        return self._evidence(batch, batch.number)

    def everything(self) -> Evidence:
        """Everything that is known about the whole run, as if it were one batch.

        The batch of the result stands for the run; its ports are those of the first batch.
        """
        batches = self.batches()
        whole = Batch(
            number=0,
            targets=self._scope.targets(),
            protocol=Protocol.TCP,
            ports=batches[0].ports if batches else PortSet(),
            expected=tuple(endpoint for batch in batches for endpoint in batch.expected),
        )
        return self._evidence(whole, None)

    def _evidence(self, about: Batch, batch: int | None) -> Evidence:
        tasks = self.tasks(batch)
        by_number = {record.number: record.task for record in tasks}
        seen: dict[tuple[bytes, str, int], list[Observation]] = defaultdict(list)
        address = cache(address_from_bytes)
        join = schema.tasks.c.run == self._run
        if batch is not None:
            join &= schema.tasks.c.batch == batch
        with self._store.reading() as connection:
            for found in connection.execute(
                select(schema.observations)
                .join(schema.tasks, schema.tasks.c.number == schema.observations.c.task)
                .where(join)
                .order_by(schema.observations.c.number)
            ):
                heard = seen[found.address, found.protocol, found.port]
                # All that was heard of an endpoint shares it: that is a fifth of the memory.
                endpoint = (
                    heard[0].endpoint if heard else endpoint_at(found, address(found.address))
                )
                heard.append(observation_of(found, by_number[found.task], endpoint))
            holes, refusals = (
                connection.execute(
                    select(table)
                    .join(schema.tasks, schema.tasks.c.number == table.c.task)
                    .where(join)
                    .order_by(table.c.number)
                ).all()
                for table in (schema.holes, schema.refusals)
            )
        ordered = sorted(seen.values(), key=lambda heard: heard[0].endpoint.sort_key)
        return Evidence(
            batch=about,
            tasks=tasks,
            observations={heard[0].endpoint: tuple(heard) for heard in ordered},
            holes=tuple((line.task, hole_of(line)) for line in holes),
            refusals=tuple((line.task, refusals_of(line)) for line in refusals),
        )

    def _replace_answers(
        self,
        connection: Connection,
        number: int,
        observations: Iterable[Observation],
        holes: Iterable[Hole],
        refusals: Iterable[Refusals],
    ) -> None:
        for table in (schema.observations, schema.holes, schema.refusals):
            connection.execute(delete(table).where(table.c.task == number))
        rows = [
            observation_row(self._redactor.observation(observation), number)
            for observation in observations
        ]
        if rows:
            # A tool may name an endpoint twice; the first one has the honest time.
            connection.execute(upsert(schema.observations).on_conflict_do_nothing(), rows)
        lines = [
            {
                "task": number,
                "address": address_to_bytes(hole.address),
                "ports": None if hole.ports is None else str(hole.ports),
                "reason": hole.reason,
            }
            for hole in map(self._redactor.hole, holes)
        ]
        if lines:
            connection.execute(insert(schema.holes), lines)
        refused = [
            {"task": number, "address": address_to_bytes(r.address), "ports": str(r.ports)}
            for r in refusals
        ]
        if refused:
            connection.execute(insert(schema.refusals), refused)

    def _batch(self, found: Any) -> Batch:
        expected = found.expected.split(",") if found.expected else []
        return Batch(
            number=found.number,
            targets=self._scope.recall(addresses_from_text(found.targets)),
            protocol=Protocol(found.protocol),
            ports=ports_from_text(found.ports),
            expected=tuple(Endpoint.parse(text) for text in expected),
        )

    def _task(self, found: Any) -> TaskRecord:
        task = Task(
            batch=found.batch,
            stage=StageName(found.stage),
            method=Method(found.method),
            purpose=Purpose(found.purpose),
            targets=self._scope.recall(addresses_from_text(found.targets)),
            protocol=Protocol(found.protocol),
            ports=ports_from_text(found.ports),
            vantage=found.vantage,
            round=found.round,
            not_before=found.not_before,
            pace=found.pace,
        )
        return TaskRecord(
            number=found.number,
            task=task,
            state=TaskState(found.state),
            attempt=max(found.attempt, self._on_record(found.number)),
            failures=found.failures,
            started=found.started,
            ended=found.ended,
            outcome=found.outcome,
            argv=tuple(json.loads(found.argv)),
            rate=found.rate,
            evidence=found.evidence,
            evidence_sha256=found.evidence_sha256,
        )


def _current(number: int, attempt: int) -> Update:
    """The fence: changes a task that runs, if this is the attempt at it that does."""
    table = schema.tasks
    return update(table).where(
        table.c.number == number,
        table.c.attempt == attempt,
        table.c.state == TaskState.RUNNING.value,
    )
