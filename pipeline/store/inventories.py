"""Inventories of assets: filed once for all runs that were begun with the same one.

A hundred thousand entries would make every list of runs slow if they were part of the plan.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert as upsert

from pipeline.decide.inventory import Entry, Inventory
from pipeline.decide.risk_rules import Criticality, Ports, Zone
from pipeline.plan import RunPlan
from pipeline.store import schema
from pipeline.store.records import addresses_from_text, addresses_to_text, ports_from_text
from pipeline.store.runs import Store

_LEVEL: Final = 6


def file_inventory(store: Store, inventory: Inventory) -> str:
    """Keep the entries of an inventory. Returns their SHA-256; empty where there are none."""
    if not inventory.entries:
        return ""
    text = "\n".join(map(_line, inventory.entries)).encode()
    digest = hashlib.sha256(text).hexdigest()
    table = schema.inventories
    with store.transaction() as connection:
        connection.execute(
            upsert(table)
            .values(sha256=digest, entries=zlib.compress(text, _LEVEL))
            .on_conflict_do_nothing()
        )
    return digest


def inventory_of(store: Store, plan: RunPlan) -> Inventory | None:
    """The inventory that a run was begun with; ``None`` where it had none."""
    if not plan.inventory_sha256:
        return None
    table = schema.inventories
    query = select(table.c.entries).where(table.c.sha256 == plan.inventory_sha256)
    with store.reading() as connection:
        packed = connection.execute(query).scalar_one()
    lines = zlib.decompress(packed).decode().split("\n")
    return Inventory(sources=plan.assets, entries=tuple(map(_entry, lines)))


def _line(entry: Entry) -> str:
    ports = entry.expected
    return json.dumps(
        [
            addresses_to_text(entry.networks),
            entry.hosts,
            entry.name,
            entry.owner,
            entry.environment,
            entry.zone,
            entry.criticality,
            None if ports is None else [str(ports.tcp), str(ports.udp)],
            entry.source,
        ],
        ensure_ascii=True,
    )


def _entry(line: str) -> Entry:
    networks, hosts, name, owner, environment, zone, criticality, ports, source = _values(line)
    return Entry(
        networks=addresses_from_text(networks),
        hosts=tuple(hosts),
        name=name,
        owner=owner,
        environment=environment,
        zone=None if zone is None else Zone(zone),
        criticality=None if criticality is None else Criticality(criticality),
        expected=None
        if ports is None
        else Ports(tcp=ports_from_text(ports[0]), udp=ports_from_text(ports[1])),
        source=source,
    )


def _values(line: str) -> Any:
    return json.loads(line)
