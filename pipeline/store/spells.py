"""The spells of all endpoints, on file: see :mod:`pipeline.decide.history` for what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from pipeline.addresses import Address
from pipeline.decide.history import Looks, Spell, Spells, include
from pipeline.decide.trends import Occasion
from pipeline.model import Endpoint, RunState
from pipeline.store import schema
from pipeline.store.records import (
    KIND_CODES,
    PROTOCOL_CODES,
    Memory,
    address_to_bytes,
    numbers_from_bytes,
    numbers_to_bytes,
    spell_endpoint,
    spell_kind,
)
from pipeline.store.runs import Store

ROWS: Final = 50_000
"""Rows of ``spells`` that are held in memory at a time."""


def occasions(store: Store, engagement: str) -> tuple[Occasion, ...]:
    """The runs that count in the history of an engagement, in the order of their times."""
    with store.reading() as connection:
        return _occasions(connection, engagement)


def _occasions(connection: Connection, engagement: str) -> tuple[Occasion, ...]:
    runs = schema.runs.c
    query = (
        select(runs.number, runs.id, runs.started)
        .where(runs.engagement == engagement, runs.remembered != Memory.NOTHING)
        .order_by(runs.started, runs.number)
    )
    return tuple(
        Occasion(number=found.number, id=found.id, started=found.started)
        for found in connection.execute(query)
    )


def forgotten(store: Store, engagement: str) -> tuple[int, ...]:
    """Numbers of complete runs that the spells do not hold as they are, in their order."""
    runs = schema.runs.c
    query = (
        select(runs.number)
        .where(
            runs.engagement == engagement,
            runs.remembered != Memory.HELD,
            runs.purged.is_(None),
            runs.state == RunState.COMPLETE.value,
        )
        .order_by(runs.started, runs.number)
    )
    with store.reading() as connection:
        return tuple(connection.execute(query).scalars())


def histories(
    store: Store,
    runs: Sequence[Occasion],
    *,
    host: Address | None = None,
    at_a_time: int = ROWS,
) -> Iterator[tuple[Endpoint, Spells]]:
    """Every endpoint that these runs have a history of, or those of one host, as they are filed.

    ``runs`` are all that count, as :func:`occasions` tells them. ``at_a_time`` are rows, more than
    any endpoint has.
    """
    order = [run.number for run in runs]
    with store.reading() as connection:
        labels = Labels(connection)
        for page in _pages(connection, order, labels, host=host, at_a_time=at_a_time):
            yield from page.items()


def file_run(
    store: Store, run: int, engagement: str, looks: Looks, named: Iterable[Endpoint]
) -> None:
    """Put what a run says into the spells, in the place of what it said before; all or nothing.

    ``named`` are the endpoints on which it has verdicts.
    """
    waiting = set(named)
    with store.transaction() as connection:
        connection.execute(
            update(schema.runs).where(schema.runs.c.number == run).values(remembered=Memory.HELD)
        )
        order = [occasion.number for occasion in _occasions(connection, engagement)]
        labels = Labels(connection)
        for page in _pages(connection, order, labels):
            waiting -= page.keys()
            replace_spells(connection, page, include(page, run, looks, order), labels)
        rest = sorted(waiting, key=lambda endpoint: endpoint.sort_key)
        for start in range(0, len(rest), ROWS):
            fresh: dict[Endpoint, Spells] = dict.fromkeys(rest[start : start + ROWS], ())
            replace_spells(connection, fresh, include(fresh, run, looks, order), labels)


# As texts, because there may be a million rows to a run.
_WRITE: Final = (
    "INSERT OR REPLACE INTO spells (address, protocol, port, first, last, kind, service, missed) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_READ: Final = (
    "SELECT address, protocol, port, first, last, kind, service, missed FROM spells {where}"
    "ORDER BY address, protocol, port, first LIMIT {at_most:d}"
)
_DROP: Final = "DELETE FROM spells WHERE address = ? AND protocol = ? AND port = ? AND first = ?"


class Labels:
    """The labels of services and their numbers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        table = schema.spell_services.c
        found = connection.execute(select(table.number, table.label)).all()
        self.label: dict[int | None, str] = {line.number: line.label for line in found}
        self._number: dict[str, int | None] = {line.label: line.number for line in found}
        self.label[None] = ""
        self._number[""] = None

    def number(self, label: str) -> int | None:
        """The number of a label, filed when it is new."""
        if label not in self._number:
            result = self._connection.execute(insert(schema.spell_services).values(label=label))
            (number,) = result.inserted_primary_key or (0,)
            self._number[label], self.label[number] = number, label
        return self._number[label]


def _pages(
    connection: Connection,
    order: Sequence[int],
    labels: Labels,
    *,
    host: Address | None = None,
    at_a_time: int = ROWS,
) -> Iterator[dict[Endpoint, Spells]]:
    """The spells, some endpoints at a time, each with all that are of these runs."""
    spell_of = _Spells({run: place for place, run in enumerate(order)}, labels)
    after: tuple[Any, ...] | None = None
    while True:
        rows = _rows(connection, host, after, at_a_time)
        whole = len(rows) < at_a_time
        page: dict[Endpoint, Spells] = {}
        groups = [(key, list(found)) for key, found in groupby(rows, key=itemgetter(0, 1, 2))]
        for key, found in groups if whole else groups[:-1]:  # the last one may go on
            spells = spell_of.all(found)
            if spells:
                page[spell_endpoint(*key)] = spells
            after = key
        yield page
        if whole:
            return


def _rows(
    connection: Connection, host: Address | None, after: tuple[Any, ...] | None, at_most: int
) -> Sequence[tuple[Any, ...]]:
    where, values = [], []
    if host is not None:
        where.append("address = ?")
        values.append(address_to_bytes(host))
    if after is not None:
        where.append("(address, protocol, port) > (?, ?, ?)")
        values += after
    query = _READ.format(where=f"WHERE {' AND '.join(where)} " if where else "", at_most=at_most)
    # Of the driver, because its rows are plain tuples.
    cursor = connection.connection.cursor()
    try:
        cursor.execute(query, tuple(values))
        return cursor.fetchall()
    finally:
        cursor.close()


class _Spells:
    """Rows as values; equal rows of many endpoints share one."""

    def __init__(self, places: Mapping[int, int], labels: Labels) -> None:
        self._places = places
        self._labels = labels
        self._made: dict[tuple[Any, ...], Spell] = {}

    def all(self, rows: Sequence[tuple[Any, ...]]) -> Spells:
        """Those of one endpoint that are of these runs, the oldest first."""
        places = self._places
        found = [self._spell(row[3:]) for row in rows if row[3] in places]
        if len(found) > 1:
            found.sort(key=lambda spell: places[spell.first])
        return tuple(found)

    def _spell(self, row: tuple[Any, ...]) -> Spell:
        made = self._made.get(row)
        if made is None:
            first, last, kind, service, missed = row
            numbers = sorted(numbers_from_bytes(missed), key=self._places.__getitem__)
            made = self._made[row] = Spell(
                first=first,
                last=last,
                kind=spell_kind(kind),
                service=self._labels.label[service],
                missed=tuple(numbers),
            )
        return made


def replace_spells(
    connection: Connection,
    before: Mapping[Endpoint, Spells],
    after: Mapping[Endpoint, Spells],
    labels: Labels,
) -> None:
    """File the spells of some endpoints in the place of those that are there."""
    dropped: list[tuple[Any, ...]] = []
    written: list[tuple[Any, ...]] = []
    for endpoint, spells in after.items():
        old = before[endpoint]
        if spells == old:
            continue
        key = (
            address_to_bytes(endpoint.address),
            PROTOCOL_CODES[endpoint.protocol],
            endpoint.port,
        )
        kept = {spell.first for spell in spells}
        dropped += [(*key, spell.first) for spell in old if spell.first not in kept]
        written += [(*key, *_columns(spell, labels)) for spell in spells if spell not in old]
    if dropped:
        connection.exec_driver_sql(_DROP, dropped)
    if written:
        connection.exec_driver_sql(_WRITE, written)


def _columns(spell: Spell, labels: Labels) -> tuple[Any, ...]:
    return (
        spell.first,
        spell.last,
        KIND_CODES[spell.kind],
        labels.number(spell.service),
        numbers_to_bytes(spell.missed),
    )
