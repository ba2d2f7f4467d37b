"""What a NetBox knows about addresses and prefixes, as entries of an inventory of assets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from pipeline.decide.inventory import AssetSource, Entry, Listed
from pipeline.engagement.inventories import MOST_ENTRIES, NETBOX, Mapped, Odd, bare_row, from_rows
from pipeline.errors import Error
from pipeline.netbox.session import Netbox, Row
from pipeline.netbox.settings import NetboxSettings

_HOLDERS: Final = {
    "device": "dcim/devices",
    "virtual_machine": "virtualization/virtual-machines",
}
"""Whose interface an address can be on."""
_PLAIN: Final = ("tenant", "site", "role", "status", "platform", "cluster", "vrf", "description")
_LONGEST: Final = 400


def listed_by(settings: NetboxSettings, *, clock: Callable[[], float]) -> Listed:
    """The same; nothing, with the reason as a note, where it is not required."""
    try:
        return read_netbox(settings, clock=clock)
    except Error as error:
        if settings.required:
            raise
        note = f"could not be read: {error.what}"
        return AssetSource(name=settings.name, kind=NETBOX, sha256="", entries=0, note=note), ()


def read_netbox(
    settings: NetboxSettings, *, clock: Callable[[], float]
) -> tuple[AssetSource, tuple[Entry, ...]]:
    """The entries of a NetBox, and what they come from. Nothing is written there.

    Raises :class:`Error` where it cannot be read, whole, within its bounds.
    """
    netbox = Netbox(settings, clock)
    rows = list(_rows(netbox, settings))
    odd = Odd()
    mapped = Mapped(columns=settings.columns, words=settings.words)
    entries = tuple(from_rows(map(bare_row, rows), mapped, NETBOX, odd))
    if len(entries) > MOST_ENTRIES:
        raise Error(f"NetBox lists more than {MOST_ENTRIES:,} entries", where=settings.name)
    text = "\n".join(json.dumps(row, sort_keys=True, ensure_ascii=True) for row in rows)
    source = AssetSource(
        name=settings.name,
        kind=NETBOX,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        entries=len(entries),
        note=odd.note,
    )
    return source, entries


def _rows(netbox: Netbox, settings: NetboxSettings) -> Iterator[dict[str, str]]:
    """One for each address, then for each prefix; the names of the keys are NetBox's."""
    asked = {name: list(values) for name, values in settings.filters}
    holders = {kind: dict(_holders(netbox, path)) for kind, path in _HOLDERS.items()}
    for row in _bounded(
        netbox.listed("ipam/ip-addresses", {**asked, "status": list(settings.statuses)})
    ):
        kind, number = _assigned(row)
        holder = holders.get(kind, {}).get(number, {})
        yield _row(row, holder)
    if settings.prefixes:
        for row in _bounded(netbox.listed("ipam/prefixes", {**asked, "status": ["active"]})):
            yield {**_facts(row), "address": _text(row.get("prefix"))}


def _bounded(rows: Iterable[Row]) -> Iterator[Row]:
    return islice(rows, MOST_ENTRIES + 1)


def _holders(netbox: Netbox, path: str) -> Iterator[tuple[object, dict[str, str]]]:
    for row in _bounded(netbox.listed(path, {})):
        yield _number(row.get("id")), {**_facts(row), "name": _text(row.get("name"))}


def _assigned(row: Row) -> tuple[str, object]:
    """Of which kind the host is that has an address, and its number."""
    on = row.get("assigned_object")
    for kind in _HOLDERS:
        host = on.get(kind) if isinstance(on, Mapping) else None
        if isinstance(host, Mapping):
            return kind, _number(host.get("id"))
    return "", None


def _number(value: object) -> object:
    return value if isinstance(value, int) else None


def _row(row: Row, holder: Mapping[str, str]) -> dict[str, str]:
    """What the address says itself goes before what its host says."""
    own = {name: text for name, text in _facts(row).items() if text}
    # Its role and its state are those of the address (VIP, active), not of the host.
    if holder:
        own.pop("role", None)
        own.pop("status", None)
    on = row.get("assigned_object")
    named = next(
        (_text(on.get(kind)) for kind in _HOLDERS if isinstance(on, Mapping) and on.get(kind)), ""
    )
    dns = _text(row.get("dns_name"))
    return {
        **holder,
        **own,
        "name": holder.get("name", "") or named or dns,
        "host": dns,
        "address": _text(row.get("address")).partition("/")[0],
    }


def _facts(row: Row) -> dict[str, str]:
    custom = row.get("custom_fields")
    found = (
        {str(key): _text(value) for key, value in custom.items()}
        if isinstance(custom, Mapping)
        else {}
    )
    for name in _PLAIN:
        found[name] = _text(row.get(name))
    # Devices called it so before NetBox 4, and prefixes have a scope since 4.2.
    found["role"] = found["role"] or _text(row.get("device_role"))
    if not found["site"] and row.get("scope_type") == "dcim.site":
        found["site"] = _text(row.get("scope"))
    tags = row.get("tags")
    found["tags"] = _text(tags) if isinstance(tags, list) else ""
    return found


def _text(value: object) -> str:
    """A value as people read it: of an object its name, of a choice its value."""
    match value:
        case None:
            return ""
        case str():
            return value[:_LONGEST]
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case Mapping():
            known: Mapping[str, Any] = value
            for key in ("name", "label", "value", "display"):
                if isinstance(known.get(key), str | int):
                    return _text(known[key])
            return ""
        case list():
            return ",".join(filter(None, map(_text, value[:100])))[:_LONGEST]
        case _:
            return ""
