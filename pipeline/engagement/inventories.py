"""Files of assets: portproof's own tables, and exports of others, as entries of an inventory.

In portproof's own CSV and YAML every word counts, and what is wrong is a mistake with its line.
Files of others were made for something else: what they have beside an address and a name is
looked at only where a column is named for it, rows without an address are counted and left out,
and words that mean nothing here are, too.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from pipeline.addresses import AddressSet
from pipeline.decide.inventory import Entry
from pipeline.decide.risk_rules import Criticality, Ports, Zone
from pipeline.engagement import fields
from pipeline.engagement.ansible import read_ansible
from pipeline.engagement.nodes import Place
from pipeline.engagement.ruling import one_of
from pipeline.engagement.source import Door, Reported
from pipeline.engagement.tables import table_rows
from pipeline.engagement.wording import did_you_mean, shown
from pipeline.render.text import counted, listed

COLUMNS: Final = (
    "address",
    "name",
    "owner",
    "environment",
    "zone",
    "criticality",
    "expected_ports",
)
"""Of portproof's own tables; what ``columns`` of a source may rename."""

MOST_ENTRIES: Final = 100_000
"""Of one engagement."""

_MOST_MISTAKES: Final = 50
_LIVE: Final = ("", "0", "active", "activereservation", "bound", "static")
_OF_ADDRESSES: Final = ("", "a", "aaaa")
_NOBODY: Final = ("none", "-")

_T = TypeVar("_T")


class FileKind(StrEnum):
    """What a file of assets is."""

    CSV = "csv"
    YAML = "yaml"
    ANSIBLE = "ansible"
    DHCP = "dhcp"
    DNS = "dns"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """Which column of a foreign source is which of ours, and what its words mean.

    ``words`` are by column, then by the word in lower case.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def column(self, ours: str, usual: Sequence[str]) -> Sequence[str]:
        """The names to look for, in lower case and without anything but letters and digits."""
        named = self.columns.get(ours)
        return [_bare(named)] if named else [_bare(name) for name in (ours, *usual)]


NETBOX: Final = "netbox"

USUAL: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    FileKind.DHCP: {
        # Windows (Export-Csv of Get-DhcpServerv4Lease), Kea's lease file, dnsmasq as CSV.
        "address": ("ip address", "ip"),
        "name": ("host name", "hostname", "client name"),
        "state": ("address state", "state", "lease state"),
    },
    FileKind.DNS: {
        "address": ("data", "record data", "value", "content", "rdata", "ip address", "ip"),
        "name": ("host name", "host", "record name", "fqdn", "record"),
        "type": ("record type", "rr type", "type"),
    },
    NETBOX: {"owner": ("tenant",), "environment": ("site",)},
    FileKind.ANSIBLE: {},
    FileKind.CSV: {},
    FileKind.YAML: {},
}
"""What exports usually call the columns, besides our own names for them."""


@dataclass(slots=True)
class Odd:
    """What of a foreign source could not be used."""

    rows: int = 0
    without: int = 0
    words: Counter[str] = field(default_factory=Counter)

    @property
    def note(self) -> str:
        """The same in a sentence, or nothing."""
        told = []
        if self.without:
            rows = counted(self.rows, "row")
            told.append(f"{self.without:,} of {rows} without an address or a name")
        strange = [f"{shown(word)} ({count:,})" for word, count in self.words.most_common(5)]
        if strange:
            told.append(f"words that mean nothing here: {listed(strange)}")
        return "; ".join(told)


def from_rows(
    rows: Iterable[Mapping[str, str]], mapped: Mapped, kind: str, odd: Odd
) -> Iterator[Entry]:
    """Entries of foreign rows, whose keys are in lower case and bare; see :func:`bare_row`."""
    usual = USUAL.get(kind, {})
    for row in rows:
        odd.rows += 1
        cells = {
            ours: next(
                (row[name] for name in mapped.column(ours, usual.get(ours, ())) if row.get(name)),
                "",
            )
            for ours in (*COLUMNS, "type", "state", "host")
        }
        if not _counts(kind, cells):
            continue
        entry = _foreign(cells, mapped, odd)
        if entry is None:
            odd.without += 1
        else:
            yield entry


def bare_row(row: Mapping[str, str]) -> dict[str, str]:
    """A row as ``from_rows`` wants it."""
    return {_bare(key): value for key, value in row.items()}


def _bare(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _counts(kind: str, cells: Mapping[str, str]) -> bool:
    """Leases that have ended, and records that hold no address, say nothing about a host."""
    if kind == FileKind.DHCP:
        return cells["state"].strip().lower() in _LIVE
    return kind != FileKind.DNS or cells["type"].strip().lower() in _OF_ADDRESSES


def _foreign(cells: Mapping[str, str], mapped: Mapped, odd: Odd) -> Entry | None:
    networks = _lenient(lambda text: fields.parse_listed(text).addresses, cells["address"])
    hosts = tuple(
        name
        for name in dict.fromkeys((cells["address"], cells["host"], cells["name"]))
        if not networks and name and _lenient(fields.parse_host, name)
    )
    if not networks and not hosts:
        return None

    def word(column: str, parse: Callable[[str], _T]) -> _T | None:
        text = cells[column]
        text = mapped.words.get(column, {}).get(text.strip().lower(), text)
        found = _lenient(parse, text)
        if found is None and text.strip():
            odd.words[text[:60]] += 1
        return found

    return Entry(
        networks=networks or AddressSet(),
        hosts=hosts,
        name=_text(cells["name"]),
        owner=_text(cells["owner"]),
        environment=_text(cells["environment"]),
        zone=word("zone", lambda text: Zone(text.strip().lower())),
        criticality=word("criticality", lambda text: Criticality(text.strip().lower())),
        expected=word("expected_ports", parse_expected),
    )


def _lenient(parse: Callable[[str], _T], text: str) -> _T | None:
    try:
        return parse(text.strip()) if text.strip() else None
    except ValueError:
        return None


def _text(text: str) -> str:
    return _lenient(fields.one_line, " ".join(text.split())[:200]) or ""


def parse_expected(text: str) -> Ports:
    """``22,443,U:53``; ``none`` where nothing may be open."""
    if text.strip().lower() in _NOBODY:
        return Ports()
    found = fields.parse_protocol_ports(text)
    if found.tcp.top or found.udp.top:
        raise ValueError(f"must name ports one by one or as ranges (got {shown(text)})")
    return Ports(tcp=found.tcp.explicit, udp=found.udp.explicit)


# --- files -------------------------------------------------------------------------------------


def read_table(kind: FileKind, text: str, mapped: Mapped) -> tuple[list[Entry], str]:
    """The entries of a foreign file, and a note. Raises ``ValueError``."""
    odd = Odd()
    rows = [
        bare_row(dict(zip(heading, cells, strict=False)))
        for _, heading, cells in _sound(text, lambda heading: _has_address(heading, kind, mapped))
    ]
    entries = list(from_rows(rows, mapped, kind, odd))
    if kind is FileKind.DHCP:  # a lease file grows at its end: the last word counts
        entries = list({entry.networks or entry.hosts: entry for entry in entries}.values())
    return entries, odd.note


def read_hosts(text: str, path: Path, door: Door, mapped: Mapped) -> tuple[list[Entry], str]:
    """The entries of an inventory of Ansible. Raises ``ValueError`` or :class:`Reported`."""
    odd = Odd()
    rows = [
        bare_row(
            {
                "address": host.get("ansible_host") or host["inventory_hostname"],
                "host": host["inventory_hostname"],
                "name": host["inventory_hostname"],
                **host,
            }
        )
        for host in read_ansible(text, path, door)
    ]
    return list(from_rows(rows, mapped, FileKind.ANSIBLE, odd)), odd.note


def _sound(
    text: str, check: Callable[[Sequence[str]], None]
) -> Iterator[tuple[int, Sequence[str], Sequence[str]]]:
    try:
        yield from table_rows(text, check)
    except csv.Error as problem:
        raise ValueError(f"is no table: {problem}") from None


def _has_address(heading: Sequence[str], kind: FileKind, mapped: Mapped) -> None:
    bare = {_bare(name) for name in heading}
    wanted = mapped.column("address", USUAL[kind].get("address", ()))
    if not bare & set(wanted):
        raise ValueError(
            f"has no column for the address ({', '.join(map(shown, heading[:12]))}); name it: "
            "columns: {address: …}"
        )
    for ours, theirs in mapped.columns.items():
        if _bare(theirs) not in bare:
            raise ValueError(f"has no column {shown(theirs)}, which columns.{ours} names")


def read_own_csv(text: str, path: Path, door: Door) -> list[Entry]:
    """The entries of a table with our own columns. Raises :class:`Reported`, or ``ValueError``."""
    entries: list[Entry] = []
    wrong = 0
    line = 1
    try:
        for line, heading, cells in table_rows(text, _check_own):
            try:
                if len(cells) > len(heading):
                    raise ValueError(
                        f"has {len(cells)} cells below a heading of {len(heading)}; put a list of "
                        "ports into quotes"
                    )
                entries.append(own_entry(dict(zip(heading, cells, strict=False))))
            except ValueError as problem:
                wrong += 1
                if wrong <= _MOST_MISTAKES:
                    door.complain(path, Place(line=line, column=1), str(problem))
    except (csv.Error, ValueError) as problem:
        wrong += 1
        door.complain(path, Place(line=line, column=1), str(problem))
    if wrong > _MOST_MISTAKES:
        what = f"and {wrong - _MOST_MISTAKES} more lines with mistakes"
        door.complain(path, Place(line=line + 1, column=1), what)
    if wrong:
        raise Reported
    return entries


def _check_own(heading: Sequence[str]) -> None:
    for name in heading:
        if name not in COLUMNS:
            raise ValueError(
                f"{shown(name)} is no column here{did_you_mean(name, COLUMNS)}; columns of a "
                "foreign table are named under columns"
            )
        if heading.count(name) > 1:
            raise ValueError(f"the column {name} is there twice")
    if "address" not in heading:
        raise ValueError(f"the heading has no column address; write {','.join(COLUMNS)}")


def own_entry(row: Mapping[str, str]) -> Entry:
    """One row with our own columns. Raises ``ValueError`` with the name of the column."""

    def told(name: str, parse: Callable[[str], _T]) -> _T | None:
        if not row.get(name):
            return None
        try:
            return parse(row[name])
        except ValueError as problem:
            raise ValueError(f"{name}: {problem}") from None

    place = told("address", fields.parse_listed)
    if place is None:
        raise ValueError("address: is missing")
    return Entry(
        networks=place.addresses,
        hosts=() if place.range else (place.text,),
        name=told("name", fields.one_line) or "",
        owner=told("owner", fields.one_line) or "",
        environment=told("environment", fields.one_line) or "",
        zone=told("zone", one_of(Zone)),
        criticality=told("criticality", one_of(Criticality)),
        expected=told("expected_ports", parse_expected),
    )
