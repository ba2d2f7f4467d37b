"""The run that an engagement is measured by, where somebody has set one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from pipeline.store import schema
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineRun:
    """A run that was set as the baseline of its engagement, and when (seconds since the epoch)."""

    run: RunRecord
    since: float


def set_baseline(store: Store, run: RunRecord, *, now: float) -> None:
    """Make a run the baseline of its engagement, in place of another one."""
    table = schema.baselines
    with store.transaction() as connection:
        connection.execute(delete(table).where(table.c.engagement == run.plan.engagement))
        connection.execute(
            insert(table).values(engagement=run.plan.engagement, run=run.number, since=now)
        )


def clear_baseline(store: Store, engagement: str) -> bool:
    """Forget the baseline of an engagement; false when there is none."""
    table = schema.baselines
    with store.transaction() as connection:
        done = connection.execute(delete(table).where(table.c.engagement == engagement))
        return bool(done.rowcount)


def baselines(store: Store) -> dict[str, BaselineRun]:
    """The baselines by engagement, in the order of their names."""
    query = select(schema.baselines).order_by(schema.baselines.c.engagement)
    with store.reading() as connection:
        lines = connection.execute(query).all()
    runs = {record.number: record for record in store.runs()}
    return {line.engagement: BaselineRun(run=runs[line.run], since=line.since) for line in lines}
