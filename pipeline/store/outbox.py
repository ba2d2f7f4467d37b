"""What is to be delivered: one row for each run and destination, that refers to the run.

An attempt is counted before it is made, and what came of it is filed afterwards. Whoever dies in
between has sent it once more by the next attempt, and never once less.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Executable, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from pipeline.store import schema
from pipeline.store.runs import Store

_T = schema.deliveries


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One run on its way to one destination. Times are epoch seconds.

    Of the ``total`` items those before ``taken`` are settled, but for the places ``owed``;
    ``digest`` tells whether they are still the same items. ``refused`` were given up alone,
    ``because`` of what the receiver said. ``problem`` is what was last in the way of the others.
    """

    number: int
    run: int
    run_id: str
    engagement: str
    destination: str
    state: DeliveryState
    filed: float
    attempts: int
    next_attempt: float
    last_attempt: float | None
    ended: float | None
    total: int | None
    taken: int
    owed: tuple[int, ...]
    digest: str
    refused: int
    because: str
    problem: str


def filing(run: int, destinations: Iterable[str], *, now: float) -> list[Executable]:
    """What files deliveries of a run, unless they are on file; for a transaction of others."""
    return [
        upsert(_T).values(_fresh(run, name, now)).on_conflict_do_nothing() for name in destinations
    ]


def file_again(store: Store, run: int, destinations: Iterable[str], *, now: float) -> None:
    """File deliveries of a run from the beginning, whatever became of earlier ones."""
    with store.transaction() as connection:
        for name in destinations:
            values = _fresh(run, name, now)
            connection.execute(
                upsert(_T)
                .values(values)
                .on_conflict_do_update(index_elements=["run", "destination"], set_=values)
            )


def _fresh(run: int, destination: str, now: float) -> dict[str, Any]:
    return {
        "run": run,
        "destination": destination,
        "state": DeliveryState.PENDING.value,
        "filed": now,
        "attempts": 0,
        "next_attempt": now,
        "last_attempt": None,
        "ended": None,
        "total": None,
        "taken": 0,
        "owed": "[]",
        "digest": "",
        "refused": 0,
        "because": "",
        "problem": "",
    }


def deliveries(store: Store) -> tuple[Delivery, ...]:
    """Everything that was ever filed, the oldest run first."""
    runs = schema.runs
    query = (
        select(_T, runs.c.id, runs.c.engagement)
        .join(runs, runs.c.number == _T.c.run)
        .order_by(_T.c.run, _T.c.number)
    )
    with store.reading() as connection:
        return tuple(_delivery(row._mapping) for row in connection.execute(query))


def _delivery(row: Any) -> Delivery:
    return Delivery(
        number=row["number"],
        run=row["run"],
        run_id=row["id"],
        engagement=row["engagement"],
        destination=row["destination"],
        state=DeliveryState(row["state"]),
        filed=row["filed"],
        attempts=row["attempts"],
        next_attempt=row["next_attempt"],
        last_attempt=row["last_attempt"],
        ended=row["ended"],
        total=row["total"],
        taken=row["taken"],
        owed=tuple(json.loads(row["owed"])),
        digest=row["digest"],
        refused=row["refused"],
        because=row["because"],
        problem=row["problem"],
    )


def begin(
    store: Store, delivery: Delivery, *, total: int, digest: str, again: float, now: float
) -> Delivery:
    """Count an attempt that is about to be made; the next one is not before ``again``.

    If the run tells other items by now, it begins with the first.
    """
    values: dict[str, Any] = {
        "attempts": delivery.attempts + 1,
        "last_attempt": now,
        "next_attempt": again,
        "total": total,
        "digest": digest,
    }
    if digest != delivery.digest:
        values |= {"taken": 0, "owed": "[]", "refused": 0, "because": ""}
    query = update(_T).where(_T.c.number == delivery.number).values(values)
    with store.transaction() as connection:
        connection.execute(query)
    return next(one for one in deliveries(store) if one.number == delivery.number)


def advance(
    store: Store,
    number: int,
    attempt: int,
    *,
    taken: int,
    owed: Iterable[int],
    refused: int,
    because: str,
    problem: str,
) -> None:
    """Note how far an attempt got; one that is not the current one changes nothing."""
    _current(
        store,
        number,
        attempt,
        taken=taken,
        owed=json.dumps(list(owed)),
        refused=_T.c.refused + refused,
        problem=problem,
        **({"because": because} if because else {}),
    )


def postpone(store: Store, number: int, attempt: int, **told: float | str) -> None:
    """Note when the next attempt is due (``next_attempt``), or what hindered it (``problem``)."""
    _current(store, number, attempt, **told)


def end(
    store: Store,
    number: int,
    attempt: int,
    state: DeliveryState,
    *,
    now: float,
    problem: str | None = None,
) -> None:
    """Note that nothing more is sent."""
    told = {} if problem is None else {"problem": problem}
    _current(store, number, attempt, state=state.value, ended=now, **told)


def _current(store: Store, number: int, attempt: int, **values: Any) -> None:
    pending = _T.c.state == DeliveryState.PENDING.value
    query = update(_T).where(_T.c.number == number, _T.c.attempts == attempt, pending)
    with store.transaction() as connection:
        connection.execute(query.values(values))
