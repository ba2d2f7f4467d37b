"""Runs and what the desk half files about them: verdicts, comparison, events."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from sys import intern
from typing import Any, Final

from sqlalchemy import Connection, Engine, Executable, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from pipeline.audit.chain import Head
from pipeline.errors import UsageError
from pipeline.model import (
    Change,
    ChangeKind,
    Endpoint,
    Protocol,
    RunState,
    Verdict,
    VerdictKind,
)
from pipeline.plan import RunPlan
from pipeline.render.document import Comparison, Event
from pipeline.store import schema
from pipeline.store.database import guarded, open_database
from pipeline.store.digests import file_digests
from pipeline.store.records import (
    AuditRecord,
    Memory,
    RunRecord,
    address_from_bytes,
    address_to_bytes,
    plan_from_text,
    plan_to_text,
    service_from_text,
    service_to_text,
)

_AT_ONCE: Final = 20_000
"""Rows that are handed to the database together."""


class Store:
    """One database, ``portproof.db`` in the workspace; a context manager.

    ``on_event`` hears the number of the run, the kind and the text of each event that is filed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine: Engine = open_database(path)
        self.on_event: Callable[[int, str, str], None] | None = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connections; the write-ahead log is folded into the file."""
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All or nothing. Raises :class:`DiskFull` or :class:`StoreError` when it cannot be."""
        with guarded(self.path), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent look at the database."""
        with guarded(self.path), self.engine.connect() as connection:
            yield connection

    def give_room_back(self) -> None:
        """Make the file as small as what is in it; nothing that was deleted is left in it.

        Raises :class:`DiskFull` when there is no room for the copy that this takes.
        """
        with guarded(self.path), closing(self.engine.raw_connection()) as connection:
            cursor = connection.cursor()
            if cursor.execute("PRAGMA freelist_count").fetchone()[0]:
                cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def create_run(self, plan: RunPlan, *, run_id: str, now: float) -> RunRecord:
        """File a new run. ``run_id`` must be new."""
        with self.transaction() as connection:
            result = connection.execute(
                insert(schema.runs).values(
                    id=run_id,
                    client=plan.client,
                    engagement=plan.engagement,
                    state=RunState.RUNNING.value,
                    started=now,
                    plan=plan_to_text(plan),
                    stopped_because="",
                )
            )
            (number,) = result.inserted_primary_key or (0,)
        return RunRecord(
            number=number, id=run_id, state=RunState.RUNNING, started=now, ended=None, plan=plan
        )

    def runs(self, engagement: str | None = None) -> tuple[RunRecord, ...]:
        """All runs, the oldest first; only those of one engagement when it is named."""
        query = select(schema.runs).order_by(schema.runs.c.number)
        if engagement is not None:
            query = query.where(schema.runs.c.engagement == engagement)
        with self.reading() as connection:
            return tuple(run_of(found._mapping) for found in connection.execute(query))

    def run(self, reference: str) -> RunRecord:
        """The run that ``reference`` names: an id, ``last`` or ``last~2``.

        Raises :class:`UsageError` when there is none, with the ids there are.
        """
        known = self.runs()
        base, _, steps = reference.partition("~")
        if base == "last" and re.fullmatch("[0-9]{0,9}", steps):
            place = len(known) - 1 - int(steps or 0)
            if place >= 0:
                return known[place]
        for record in known:
            if record.id == reference:
                return record
        newest = ", ".join(record.id for record in known[-5:]) or "none yet"
        if ":" in reference:
            newest += "; an endpoint or a host is written after the run: `last 192.0.2.10:22`"
        raise UsageError(
            f"there is no run {reference!r}",
            where=str(self.path),
            hint=f"write last, last~1 or one of: {newest}",
        )

    def previous_complete(self, engagement: str, before: int | None = None) -> RunRecord | None:
        """The newest complete run of an engagement (older than run number ``before``)."""
        for record in reversed(self.runs(engagement)):
            if record.state is RunState.COMPLETE and (before is None or record.number < before):
                return record
        return None

    def set_state(
        self,
        run: int,
        state: RunState,
        *,
        now: float | None = None,
        because: str = "",
        along: Iterable[Executable] = (),
    ) -> None:
        """Note where a run stands; ``now`` is its end when it has one.

        ``along`` is what comes to be in the same transaction.
        """
        with self.transaction() as connection:
            for statement in along:
                connection.execute(statement)
            connection.execute(
                update(schema.runs)
                .where(schema.runs.c.number == run)
                .values(state=state.value, ended=now, stopped_because=because)
            )

    def add_event(self, run: int, kind: str, text: str, *, now: float) -> None:
        """Add a line to the run's log."""
        with self.transaction() as connection:
            connection.execute(
                insert(schema.events).values(run=run, time=now, kind=kind, text=text)
            )
        if self.on_event is not None:
            self.on_event(run, kind, text)

    def events(self, run: int) -> tuple[Event, ...]:
        """The run's log, oldest first."""
        query = (
            select(schema.events)
            .where(schema.events.c.run == run)
            .order_by(schema.events.c.time, schema.events.c.number)
        )
        with self.reading() as connection:
            return tuple(
                Event(time=found.time, kind=found.kind, text=found.text)
                for found in connection.execute(query)
            )

    def keep_head(self, run: int, head: Head) -> None:
        """Note where the record of a run stands; a seal that it had holds no more."""
        told = {"lines": head.lines, "head": head.sha256, "manifest_sha256": ""}
        with self.transaction() as connection:
            connection.execute(
                upsert(schema.audits)
                .values(run=run, printed_head="", **told)
                .on_conflict_do_update(index_elements=["run"], set_=told)
            )

    def print_head(self, run: int) -> None:
        """From now on the report shows the record as it stands at this moment."""
        table = schema.audits
        with self.transaction() as connection:
            connection.execute(
                update(table)
                .where(table.c.run == run)
                .values(printed_lines=table.c.lines, printed_head=table.c.head)
            )

    def keep_seal(self, run: int, manifest_sha256: str) -> None:
        """Note the manifest that was sealed together with the record as it stands."""
        table = schema.audits
        with self.transaction() as connection:
            connection.execute(
                update(table).where(table.c.run == run).values(manifest_sha256=manifest_sha256)
            )

    def audit(self, run: int) -> AuditRecord | None:
        """What is known about the record of a run; ``None`` for a run without one."""
        query = select(schema.audits).where(schema.audits.c.run == run)
        with self.reading() as connection:
            found = connection.execute(query).one_or_none()
        if found is None:
            return None
        printed = None
        if found.printed_lines is not None:
            printed = Head(lines=found.printed_lines, sha256=found.printed_head)
        return AuditRecord(
            head=Head(lines=found.lines, sha256=found.head),
            printed=printed,
            manifest_sha256=found.manifest_sha256,
        )

    def save_verdicts(self, run: int, verdicts: Iterable[Verdict]) -> None:
        """Replace the verdicts of a run. What the spells hold of it is stale from then on."""
        rows = (verdict_values(run, verdict) for verdict in verdicts)
        runs = schema.runs.c
        with self.transaction() as connection:
            connection.execute(
                update(schema.runs)
                .where(runs.number == run, runs.remembered == Memory.HELD)
                .values(remembered=Memory.STALE)
            )
            connection.execute(delete(schema.verdicts).where(schema.verdicts.c.run == run))
            while some := list(islice(rows, _AT_ONCE)):
                connection.exec_driver_sql(INSERT_VERDICTS, some)
            file_digests(connection, run)

    def count_verdicts(self, run: int) -> dict[VerdictKind, int]:
        """How many verdicts of each kind a run has; none for a kind that it has none of."""
        verdicts = schema.verdicts.c
        query = (
            select(verdicts.kind, func.count()).where(verdicts.run == run).group_by(verdicts.kind)
        )
        with self.reading() as connection:
            return {VerdictKind(kind): count for kind, count in connection.execute(query)}

    def verdicts(self, run: int) -> dict[Endpoint, Verdict]:
        """The verdicts of a run, in the order of endpoints."""
        query = select(schema.verdicts).where(schema.verdicts.c.run == run)
        with self.reading() as connection:
            found = [verdict_of(line) for line in connection.execute(query)]
        return {v.endpoint: v for v in sorted(found, key=lambda v: v.endpoint.sort_key)}

    def save_comparison(
        self, run: int, against: int, differences: tuple[str, ...], changes: Iterable[Change]
    ) -> None:
        """Replace the comparison of a run with an earlier one."""
        rows = [
            {
                "run": run,
                "kind": change.kind.value,
                "reason": change.reason,
                "confidence": change.confidence,
                **_endpoint_row(change.endpoint),
            }
            for change in changes
        ]
        with self.transaction() as connection:
            connection.execute(delete(schema.comparisons).where(schema.comparisons.c.run == run))
            connection.execute(delete(schema.changes).where(schema.changes.c.run == run))
            connection.execute(
                insert(schema.comparisons).values(
                    run=run, against=against, differences=json.dumps(differences)
                )
            )
            if rows:
                connection.execute(insert(schema.changes), rows)

    def comparison(self, run: int) -> Comparison | None:
        """The comparison filed for a run, with the verdicts of both sides."""
        query = select(schema.comparisons).where(schema.comparisons.c.run == run)
        with self.reading() as connection:
            header = connection.execute(query).one_or_none()
            if header is None:
                return None
            lines = connection.execute(
                select(schema.changes)
                .where(schema.changes.c.run == run)
                .order_by(schema.changes.c.number)
            ).all()
            earlier = connection.execute(
                select(schema.runs.c.id, schema.runs.c.started).where(
                    schema.runs.c.number == header.against
                )
            ).one()
        before, after = self.verdicts(header.against), self.verdicts(run)
        changes = tuple(
            Change(
                endpoint=(endpoint := endpoint_of(line._mapping)),
                kind=ChangeKind(line.kind),
                reason=line.reason,
                confidence=line.confidence,
                before=before.get(endpoint),
                after=after.get(endpoint),
            )
            for line in lines
        )
        return Comparison(
            against=earlier.id,
            against_started=earlier.started,
            differences=tuple(json.loads(header.differences)),
            changes=changes,
        )

    def newest_complete(self, before: float, engagement: str | None = None) -> RunRecord | None:
        """The complete run that began last before a time, of one engagement if it is named."""
        found = (
            record
            for record in self.runs(engagement)
            if record.state is RunState.COMPLETE and record.started < before
        )
        # An old scan may have been imported late.
        return max(found, key=lambda record: (record.started, record.number), default=None)


def run_of(found: Any) -> RunRecord:
    """The run of a row. Raises ``ValueError`` when the row is none that this version knows."""
    return RunRecord(
        number=found["number"],
        id=found["id"],
        state=RunState(found["state"]),
        started=found["started"],
        ended=found["ended"],
        plan=plan_from_text(found["plan"]),
        stopped_because=found["stopped_because"],
        purged=found["purged"],
    )


def _endpoint_row(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "address": address_to_bytes(endpoint.address),
        "protocol": endpoint.protocol.value,
        "port": endpoint.port,
    }


def endpoint_of(found: Any) -> Endpoint:
    """The endpoint of a row."""
    address = address_from_bytes(found["address"])
    return Endpoint(address, Protocol(found["protocol"]), found["port"])


INSERT_VERDICTS: Final = """
INSERT INTO verdicts
    (run, address, protocol, port, kind, reason, confidence, observations, service)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def verdict_values(run: int, verdict: Verdict) -> tuple[Any, ...]:
    """A verdict as ``INSERT_VERDICTS`` wants it."""
    endpoint = verdict.endpoint
    return (
        run,
        address_to_bytes(endpoint.address),
        endpoint.protocol.value,
        endpoint.port,
        verdict.kind.value,
        verdict.reason,
        verdict.confidence,
        json.dumps(verdict.observations),
        service_to_text(verdict.service),
    )


def verdict_of(row: Sequence[Any]) -> Verdict:
    """The verdict of a row of ``verdicts``, in the order of its columns."""
    # By place, because there may be a million of them.
    _, address, protocol, port, kind, reason, confidence, observations, service = row
    return Verdict(
        endpoint=Endpoint(address_from_bytes(address), Protocol(protocol), port),
        kind=VerdictKind(kind),
        reason=intern(reason),
        confidence=confidence,
        observations=tuple(json.loads(observations)),
        service=service_from_text(service),
    )
