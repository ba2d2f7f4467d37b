"""Files of one occasion into the store: a run like any other, but for who asked.

One transaction: a file that turns out to be hostile leaves the store as it was. Memory does not
grow with the files, but for one number for each open endpoint where several are read together.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, update

from pipeline.addresses import AddressSet
from pipeline.importing.occasion import in_order, is_decided
from pipeline.importing.planning import plan_of
from pipeline.importing.question import Ended, Question, Scanned, Taker
from pipeline.importing.reading import Reading, read_file
from pipeline.model import (
    Endpoint,
    Hole,
    Observation,
    Refusals,
    RunState,
    TaskState,
    Verdict,
)
from pipeline.plan import ImportedFile, RunPlan
from pipeline.ports import PortSet
from pipeline.redact import Redactor
from pipeline.scope import Scope
from pipeline.store import schema
from pipeline.store.digests import file_digests
from pipeline.store.records import (
    RunRecord,
    address_to_bytes,
    addresses_to_text,
    plan_to_text,
    service_to_text,
)
from pipeline.store.runs import INSERT_VERDICTS, Store, verdict_values

UNDECIDED: Final = "the import was cut off before its verdicts were made: import it again"

_NOBODY: Final = Scope(included=AddressSet(), record_only=True).targets()
_AT_ONCE: Final = 20_000
"""Rows that are handed to the database together."""
_OBSERVATIONS: Final = """
INSERT INTO observations
    (number, task, address, protocol, port, state, reason, time,
     ttl, source_port, aftermath, banner, service)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (task, address, protocol, port) DO UPDATE
    SET banner = excluded.banner WHERE banner = '' AND excluded.banner != ''
"""
_HOLES: Final = "INSERT INTO holes (task, address, ports, reason) VALUES (?, ?, ?, ?)"
_VERDICTS: Final = INSERT_VERDICTS.replace("INSERT", "INSERT OR REPLACE", 1)
_REFUSALS: Final = "INSERT INTO refusals (task, address, ports) VALUES (?, ?, ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an import is to become. ``version`` is portproof's own.

    Of ``expected`` endpoints refusals are told, too; ``previous`` is the run that they are from.
    """

    engagement: str
    client: str
    run_id: str
    version: str
    scanned: Sequence[Scanned] = ()
    expected: Collection[Endpoint] = ()
    previous: int | None = None


def file_import(store: Store, paths: Sequence[Path], wanted: Wanted, *, now: float) -> RunRecord:
    """File the occasion as a run that has no verdicts yet, and is incomplete until it has.

    Raises ``ParseError`` or ``UsageError``; then nothing was filed.
    """
    files, interests = in_order(paths, expected=wanted.expected, now=now)
    with store.transaction() as connection:
        number = _begin(connection, wanted, now)
        filing = _Filing(connection, number)
        sources = []
        for place, (path, interest) in enumerate(zip(files, interests, strict=True), 1):
            reading = Reading(
                place=place,
                taker=filing,
                interest=interest,
                scanned=wanted.scanned,
                otherwise=now,
            )
            source = read_file(path, reading)
            source = filing.without_secrets(source)
            filing.finish(place, source)
            sources.append(source)
        plan = plan_of(
            filing.ends,
            sources,
            engagement=wanted.engagement,
            client=wanted.client,
            version=wanted.version,
            previous=wanted.previous,
            decided=is_decided(sources),
        )
        record = _end(connection, number, wanted.run_id, plan, now)
        file_digests(connection, number)
        _file_batches(connection, number, filing.ends, len(files))
    return record


def _begin(connection: Connection, wanted: Wanted, now: float) -> int:
    done = connection.execute(
        insert(schema.runs).values(
            id=wanted.run_id,
            client=wanted.client,
            engagement=wanted.engagement,
            state=RunState.INCOMPLETE.value,
            started=now,
            plan="",
            stopped_because=UNDECIDED,
        )
    )
    return int((done.inserted_primary_key or (0,))[0])


def _end(connection: Connection, number: int, run_id: str, plan: RunPlan, now: float) -> RunRecord:
    started = min((f.started for f in plan.imported if f.started is not None), default=now)
    ended = max((f.ended for f in plan.imported if f.ended is not None), default=started)
    connection.execute(
        update(schema.runs)
        .where(schema.runs.c.number == number)
        .values(plan=plan_to_text(plan), started=started, ended=ended)
    )
    return RunRecord(
        number=number,
        id=run_id,
        state=RunState.INCOMPLETE,
        started=started,
        ended=ended,
        plan=plan,
        stopped_because=UNDECIDED,
    )


def _file_batches(connection: Connection, number: int, ends: Sequence[Ended], count: int) -> None:
    """A batch for each file: what it asked, and nothing left to ask."""
    rows = []
    for place in range(1, count + 1):
        mine = [ended for ended in ends if ended.question.file == place]
        addresses = AddressSet.of(r for ended in mine for r in ended.addresses.ranges)
        widest = max(mine, key=lambda ended: len(ended.ports), default=None)
        rows.append(
            {
                "run": number,
                "number": place,
                "targets": addresses_to_text(addresses),
                "protocol": widest.question.protocol.value if widest else "tcp",
                "ports": str(widest.ports) if widest else "",
                "expected": "",
                "done": 1,
            }
        )
    connection.execute(insert(schema.batches), rows)


class _Filing(Taker):
    """Hands what is read to the database, some thousand rows at a time, without secrets."""

    def __init__(self, connection: Connection, run: int) -> None:
        self._connection = connection
        self._run = run
        self._numbers: dict[Question, int] = {}
        self._question: Question | None = None
        self._number_of_question = 0
        self._rows: dict[str, list[tuple[Any, ...]]] = {
            _OBSERVATIONS: [],
            _HOLES: [],
            _REFUSALS: [],
            _VERDICTS: [],
        }
        newest = connection.execute(select(func.max(schema.observations.c.number)))
        self._observations = int(newest.scalar() or 0)
        self._redactor = Redactor()
        self.ends: list[Ended] = []

    def observe(self, question: Question, observation: Observation) -> int:
        if observation.banner or observation.service:
            observation = self._redactor.observation(observation)
        endpoint = observation.endpoint
        self._observations += 1
        self._add(
            _OBSERVATIONS,
            (
                self._observations,
                self._number(question),
                endpoint.address.packed,
                endpoint.protocol.value,
                endpoint.port,
                observation.state.value,
                observation.reason,
                observation.time,
                observation.ttl,
                observation.source_port,
                None if observation.aftermath is None else observation.aftermath.value,
                observation.banner,
                service_to_text(observation.service),
            ),
        )
        return self._observations

    def decide(self, verdict: Verdict) -> None:
        if verdict.service:
            verdict = replace(verdict, service=self._redactor.service(verdict.service))
        row = verdict_values(self._run, verdict)
        self._add(_VERDICTS, row)

    def refuse(self, question: Question, refusals: Refusals) -> None:
        row = (
            self._number(question),
            address_to_bytes(refusals.address),
            str(refusals.ports),
        )
        self._add(_REFUSALS, row)

    def give_up(self, question: Question, hole: Hole) -> None:
        hole = self._redactor.hole(hole)
        ports = None if hole.ports is None else str(hole.ports)
        row = (self._number(question), address_to_bytes(hole.address), ports, hole.reason)
        self._add(_HOLES, row)

    def end(self, ended: Ended) -> None:
        self._number(ended.question)
        self.ends.append(ended)

    def _add(self, statement: str, row: tuple[Any, ...]) -> None:
        rows = self._rows[statement]
        rows.append(row)
        if len(rows) >= _AT_ONCE:
            self._flush(statement)

    def _flush(self, statement: str) -> None:
        rows = self._rows[statement]
        if rows:
            self._connection.exec_driver_sql(statement, rows)
            rows.clear()

    def _number(self, question: Question) -> int:
        """The task of a question; filed when it is first heard of, and filled in when it ends."""
        if question is self._question:
            return self._number_of_question
        found = self._numbers.get(question)
        if found is None:
            done = self._connection.execute(
                insert(schema.tasks).values(
                    run=self._run,
                    batch=question.file,
                    key=f"import-{len(self._numbers) + 1}",
                    stage=question.task(_NOBODY, PortSet()).stage.value,
                    method=question.method.value,
                    purpose=question.purpose.value,
                    targets="",
                    protocol=question.protocol.value,
                    ports="",
                    vantage="",
                    round=question.round,
                    not_before=0.0,
                    pace=0.0,
                    state=TaskState.FAILED.value,
                    attempt=1,
                    failures=0,
                    outcome="",
                    argv="[]",
                    evidence="",
                    evidence_sha256="",
                )
            )
            found = self._numbers[question] = int((done.inserted_primary_key or (0,))[0])
        self._question, self._number_of_question = question, found
        return found

    def without_secrets(self, source: ImportedFile) -> ImportedFile:
        """A command line may carry a password for a script."""
        redact = self._redactor.text
        return replace(source, arguments=redact(source.arguments), problem=redact(source.problem))

    def finish(self, place: int, source: ImportedFile) -> None:
        """A file was read to its end: fill in its tasks."""
        for statement in self._rows:
            self._flush(statement)
        for ended in self.ends:
            if ended.question.file != place:
                continue
            self._connection.execute(
                update(schema.tasks)
                .where(schema.tasks.c.number == self._numbers[ended.question])
                .values(
                    targets=addresses_to_text(ended.addresses),
                    ports=str(ended.ports),
                    state=ended.state.value,
                    started=ended.started,
                    ended=ended.ended,
                    outcome=self._redactor.text(ended.outcome),
                    argv=json.dumps(source.arguments.split()),
                    evidence=source.name,
                    evidence_sha256=source.sha256,
                )
            )
