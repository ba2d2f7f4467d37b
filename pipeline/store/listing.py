"""The runs of a workspace one by one, so that one that cannot be read does not hide the others."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from pipeline.store import schema
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store, run_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Illegible:
    """A run whose row this version cannot read: what is known of it all the same."""

    id: str
    client: str
    engagement: str
    started: float


def every_run(store: Store) -> tuple[RunRecord | Illegible, ...]:
    """All runs, the oldest first, those that cannot be read among them."""
    query = select(schema.runs).order_by(schema.runs.c.number)
    with store.reading() as connection:
        rows = connection.execute(query).all()
    found: list[RunRecord | Illegible] = []
    for row in rows:
        try:
            found.append(run_of(row._mapping))
        except ValueError:
            found.append(
                Illegible(
                    id=row.id, client=row.client, engagement=row.engagement, started=row.started
                )
            )
    return tuple(found)
