"""Drop the evidence of old runs, and keep what history is made of.

Kept are the row of the run, its events, its spells, the header of its comparison and how many
changes of each kind it had. Each run is one transaction, so that a purge can be cut off anywhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Table, delete, func, insert, select, update

from pipeline.decide.retention import Aged, superfluous
from pipeline.store import schema
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store

EVENT = "purge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """How much there is of a run in the database."""

    tasks: int
    observations: int
    verdicts: int


def aged(store: Store) -> tuple[Aged, ...]:
    """All runs of a workspace, as far as it matters here."""
    with store.reading() as connection:
        against = {
            found.run: found.against
            for found in connection.execute(
                select(schema.comparisons.c.run, schema.comparisons.c.against)
            )
        }
    return tuple(
        Aged(
            number=run.number,
            engagement=run.plan.engagement,
            state=run.state,
            started=run.started,
            ended=run.ended,
            purged=run.purged is not None,
            against=against.get(run.number),
        )
        for run in store.runs()
    )


def rows_of(store: Store, run: RunRecord) -> Rows:
    """What a purge would find."""
    tasks, observations = schema.tasks.c, schema.observations.c
    counts = (
        select(func.count()).where(tasks.run == run.number),
        select(func.count())
        .select_from(schema.observations)
        .join(schema.tasks, tasks.number == observations.task)
        .where(tasks.run == run.number),
        select(func.count()).where(schema.verdicts.c.run == run.number),
    )
    with store.reading() as connection:
        found = [int(connection.execute(count).scalar_one()) for count in counts]
    return Rows(tasks=found[0], observations=found[1], verdicts=found[2])


def purge_run(store: Store, run: RunRecord, *, now: float, text: str) -> None:
    """Drop the evidence of a complete run, and say so in its events; all or nothing.

    Its verdicts stay, see :func:`drop_verdicts`.
    """
    changes, number = schema.changes.c, run.number
    with store.transaction() as connection:
        connection.execute(
            update(schema.runs).where(schema.runs.c.number == number).values(purged=now)
        )
        counted = connection.execute(
            select(changes.kind, func.count().label("many"))
            .where(changes.run == number)
            .group_by(changes.kind)
            .order_by(changes.kind)
        )
        connection.execute(
            update(schema.comparisons)
            .where(schema.comparisons.c.run == number)
            .values(counts=json.dumps({line.kind: line.many for line in counted}))
        )
        table: Table
        for table in (schema.changes, schema.tasks, schema.batches):
            connection.execute(delete(table).where(table.c.run == number))
        connection.execute(
            insert(schema.events).values(run=number, time=now, kind=EVENT, text=text)
        )


def change_counts(store: Store) -> dict[int, dict[str, int]]:
    """How many changes of each kind the runs had that were compared, purged or not."""
    changes, comparisons = schema.changes.c, schema.comparisons.c
    counted = (
        select(changes.run, changes.kind, func.count().label("many"))
        .group_by(changes.run, changes.kind)
        .order_by(changes.run, changes.kind)
    )
    with store.reading() as connection:
        found: dict[int, dict[str, int]] = {
            line.run: json.loads(line.counts or "{}")
            for line in connection.execute(select(comparisons.run, comparisons.counts))
        }
        for line in connection.execute(counted):
            found.setdefault(line.run, {})[line.kind] = line.many
    return found


def drop_verdicts(store: Store) -> None:
    """Drop the verdicts of purged runs, except where a kept run shows them as what was before."""
    table = schema.verdicts
    for number in superfluous(aged(store)):
        with store.transaction() as connection:
            connection.execute(delete(table).where(table.c.run == number))
