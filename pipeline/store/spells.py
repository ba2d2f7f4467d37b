"""The spells of all endpoints, on file: see :mod:`pipeline.decide.history` for what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    delete,
    insert,
    select,
    tuple_,
    update,
)

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
_TABLE: Final = schema.spells.c
_ENDPOINT: Final = tuple_(_TABLE.address, _TABLE.protocol, _TABLE.port)


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
        labels = _Labels(connection)
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
        labels = _Labels(connection)
        for page in _pages(connection, order, labels):
            waiting -= page.keys()
            _replace(connection, page, include(page, run, looks, order), labels)
        rest = sorted(waiting, key=lambda endpoint: endpoint.sort_key)
        for start in range(0, len(rest), ROWS):
            fresh: dict[Endpoint, Spells] = dict.fromkeys(rest[start : start + ROWS], ())
            _replace(connection, fresh, include(fresh, run, looks, order), labels)


class _Labels:
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
    labels: _Labels,
    *,
    host: Address | None = None,
    at_a_time: int = ROWS,
) -> Iterator[dict[Endpoint, Spells]]:
    """The spells, some endpoints at a time, each with all that are of these runs."""
    places = {run: place for place, run in enumerate(order)}
    made: dict[tuple[Any, ...], Spell] = {}
    after: tuple[Any, ...] | None = None
    while True:
        rows = _rows(connection, host, after, at_a_time)
        whole = len(rows) < at_a_time
        page: dict[Endpoint, Spells] = {}
        groups = [(key, list(found)) for key, found in groupby(rows, key=lambda row: row[:3])]
        for key, found in groups if whole else groups[:-1]:  # the last one may go on
            of_these = [_spell(row[3:], places, labels, made) for row in found if row[3] in places]
            if of_these:
                of_these.sort(key=lambda spell: places[spell.first])
                page[spell_endpoint(*key)] = tuple(of_these)
            after = key
        yield page
        if whole:
            return


def _rows(
    connection: Connection, host: Address | None, after: tuple[Any, ...] | None, at_most: int
) -> Sequence[tuple[Any, ...]]:
    query = (
        select(schema.spells)
        .order_by(_TABLE.address, _TABLE.protocol, _TABLE.port, _TABLE.first)
        .limit(at_most)
    )
    if host is not None:
        query = query.where(_TABLE.address == address_to_bytes(host))
    if after is not None:
        query = query.where(tuple_(*after) < _ENDPOINT)
    return [tuple(row) for row in connection.execute(query)]


def _spell(
    row: tuple[Any, ...],
    places: Mapping[int, int],
    labels: _Labels,
    made: dict[tuple[Any, ...], Spell],
) -> Spell:
    """The value of a row; equal rows of many endpoints share one."""
    if row not in made:
        first, last, kind, service, missed = row
        made[row] = Spell(
            first=first,
            last=last,
            kind=spell_kind(kind),
            service=labels.label[service],
            missed=tuple(sorted(numbers_from_bytes(missed), key=places.__getitem__)),
        )
    return made[row]


def _replace(
    connection: Connection,
    before: Mapping[Endpoint, Spells],
    after: Mapping[Endpoint, Spells],
    labels: _Labels,
) -> None:
    dropped: list[dict[str, Any]] = []
    written: list[dict[str, Any]] = []
    for endpoint, spells in after.items():
        old = before[endpoint]
        if spells == old:
            continue
        key = {
            "address": address_to_bytes(endpoint.address),
            "protocol": PROTOCOL_CODES[endpoint.protocol],
            "port": endpoint.port,
        }
        kept = {spell.first for spell in spells}
        dropped += [
            {f"_{name}": value for name, value in {**key, "first": spell.first}.items()}
            for spell in old
            if spell.first not in kept
        ]
        written += [{**key, **_columns(spell, labels)} for spell in spells if spell not in old]
    if dropped:
        names = ("address", "protocol", "port", "first")
        here: list[ColumnElement[bool]] = [_TABLE[n] == bindparam(f"_{n}") for n in names]
        connection.execute(delete(schema.spells).where(*here), dropped)
    if written:
        connection.execute(insert(schema.spells).prefix_with("OR REPLACE"), written)


def _columns(spell: Spell, labels: _Labels) -> dict[str, Any]:
    return {
        "first": spell.first,
        "last": spell.last,
        "kind": KIND_CODES[spell.kind],
        "service": labels.number(spell.service),
        "missed": numbers_to_bytes(spell.missed),
    }
