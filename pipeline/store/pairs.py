"""Two runs side by side: only what differs between them leaves the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, or_, select

from pipeline.addresses import Address
from pipeline.decide import reasons
from pipeline.decide.compare import GONE, OPEN, QUIET
from pipeline.model import Endpoint, Protocol, Verdict, VerdictKind
from pipeline.ports import PortSet
from pipeline.store import schema
from pipeline.store.digests import digested, otherwise
from pipeline.store.records import (
    KIND_CODES,
    address_from_bytes,
    address_to_bytes,
    spell_endpoint,
    spell_kind,
)
from pipeline.store.runs import Store, verdict_of

_AT_ONCE: Final = 300
"""Hosts in one query: SQLite takes 32,766 parameters, and 999 in versions of old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The verdicts of two runs on the endpoints on which these differ in kind or service."""

    before: dict[Endpoint, Verdict]
    after: dict[Endpoint, Verdict]


def differing(store: Store, before: int, after: int) -> Pairs:
    """The endpoints on which two runs differ, or that only one of them has and calls something.

    Where both think that nothing is there, nothing differs. Hosts whose digests are equal are not
    looked at; where a run has none, as those of older versions, all are.
    """
    old, new = schema.verdicts.alias("old"), schema.verdicts.alias("new")
    same = and_(*(old.c[name] == new.c[name] for name in ("address", "protocol", "port")))
    gone, columns = sorted(GONE), len(old.c)
    changed = (
        select(old, *(column.label(f"new_{column.name}") for column in new.c))
        .select_from(old.outerjoin(new, and_(same, new.c.run == after)))
        .where(
            old.c.run == before,
            or_(
                and_(new.c.run.is_(None), old.c.kind.not_in(gone)),
                old.c.kind != new.c.kind,
                old.c.service.is_distinct_from(new.c.service),
            ),
        )
    )
    there = select(old.c.run).where(same, old.c.run == before).exists()
    added = select(new).where(new.c.run == after, new.c.kind.not_in(gone), ~there)
    pairs = Pairs(before={}, after={})
    with store.reading() as connection:
        if digested(connection, before, after):
            changed = changed.where(old.c.address.in_(otherwise(before, after)))
            added = added.where(new.c.address.in_(otherwise(after, before)))
        for line in connection.execute(changed):
            verdict = verdict_of(line[:columns])
            pairs.before[verdict.endpoint] = verdict
            if line.new_run is not None:
                pairs.after[verdict.endpoint] = verdict_of(line[columns:])
        for line in connection.execute(added):
            verdict = verdict_of(line)
            pairs.after[verdict.endpoint] = verdict
    return pairs


def answering(store: Store, run: int, hosts: Iterable[Address]) -> frozenset[Address]:
    """Those of the hosts on which something answered in this run."""
    table = schema.verdicts
    heard = or_(table.c.kind.not_in(sorted(QUIET)), table.c.reason == reasons.ICMP_REFUSED)
    query = select(table.c.address).distinct().where(table.c.run == run, heard)
    return frozenset(
        address_from_bytes(line.address)
        for line in _rows(store, query, hosts, schema.verdicts.c.address)
    )


def open_earlier(
    store: Store, engagement: str, before: int, endpoints: Iterable[Endpoint]
) -> frozenset[Endpoint]:
    """Those that any complete run before number ``before`` called confirmed or likely.

    From the spells: what a run found stays known when its evidence is dropped.
    """
    wanted = frozenset(endpoints)
    spells = schema.spells.c
    query = _of_engagement(engagement).where(
        (spells.first < before) | (spells.last < before),
        spells.kind.in_([KIND_CODES[kind] for kind in OPEN]),
    )
    found = _rows(store, query, _hosts(wanted), spells.address)
    return wanted & {spell_endpoint(*line[:3]) for line in found}


def histories(
    store: Store, engagement: str, up_to: int, endpoints: Iterable[Endpoint]
) -> dict[Endpoint, tuple[VerdictKind | None, ...]]:
    """The states of each endpoint up to run number ``up_to``, one for each spell, in their order.

    ``None`` where the runs asked and nobody called it open.
    """
    found: dict[Endpoint, dict[int, VerdictKind | None]] = {e: {} for e in endpoints}
    spells = schema.spells.c
    query = _of_engagement(engagement).where(spells.first <= up_to)
    for line in _rows(store, query, _hosts(found), spells.address):
        if (endpoint := spell_endpoint(*line[:3])) in found:
            found[endpoint][line.first] = spell_kind(line.kind)
    return {e: tuple(kind for _, kind in sorted(said.items())) for e, said in found.items()}


def _of_engagement(engagement: str) -> Select[Any]:
    spells, runs = schema.spells.c, schema.runs.c
    return (
        select(spells.address, spells.protocol, spells.port, spells.first, spells.kind)
        .join_from(schema.spells, schema.runs, runs.number == spells.first)
        .where(runs.engagement == engagement)
    )


def verdicts_on(store: Store, run: int, hosts: Iterable[Address]) -> dict[Endpoint, Verdict]:
    """All verdicts of a run on some hosts."""
    query = select(schema.verdicts).where(schema.verdicts.c.run == run)
    found = map(verdict_of, _rows(store, query, hosts, schema.verdicts.c.address))
    return {verdict.endpoint: verdict for verdict in found}


def refusals_on(
    store: Store, run: int, hosts: Iterable[Address]
) -> dict[tuple[Address, Protocol], PortSet]:
    """The ports of some hosts that refused when the tasks of a run looked for open ones."""
    table, tasks = schema.refusals, schema.tasks.c
    query = (
        select(table.c.address, tasks.protocol, table.c.ports)
        .join_from(table, schema.tasks, tasks.number == table.c.task)
        .where(tasks.run == run)
    )
    found: dict[tuple[Address, Protocol], PortSet] = {}
    for packed, protocol, ports in _rows(store, query, hosts, table.c.address):
        key = address_from_bytes(packed), Protocol(protocol)
        found[key] = found.get(key, PortSet()) | PortSet.parse(ports)
    return found


def _hosts(endpoints: Iterable[Endpoint]) -> frozenset[Address]:
    return frozenset(endpoint.address for endpoint in endpoints)


def _rows(
    store: Store, query: Select[Any], hosts: Iterable[Address], column: ColumnElement[bytes]
) -> Iterator[Any]:
    """The rows of a query that are about some hosts; ``column`` has the address."""
    packed = sorted(map(address_to_bytes, hosts))
    with store.reading() as connection:
        for first in range(0, len(packed), _AT_ONCE):
            some = query.where(column.in_(packed[first : first + _AT_ONCE]))
            yield from connection.execute(some)
