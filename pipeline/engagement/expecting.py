"""The list of expected ports beside an engagement: YAML, or CSV with a heading."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import Field, PlainValidator

from pipeline.addresses import AddressSet
from pipeline.decide.baseline import Expected, ExpectedPorts
from pipeline.engagement import fields, kinds
from pipeline.engagement.kinds import Strict
from pipeline.engagement.nodes import Place
from pipeline.engagement.source import LARGEST_YAML, Door, Reported, Source, read_limited
from pipeline.engagement.tables import table_rows
from pipeline.engagement.wording import did_you_mean, shown
from pipeline.model import Protocol
from pipeline.ports import PortSet

COLUMNS: Final = ("address", "ports", "protocol", "note")
LARGEST_CSV: Final = 16 << 20
"""Bytes."""
MOST_REQUIRED: Final = 1_000_000
"""Endpoints that must be open, of a whole list."""
_MOST_MISTAKES: Final = 50

_T = TypeVar("_T")


def read_expected(name: str, door: Door) -> ExpectedPorts:
    """Read the list of that name beside the engagement: ``.yml``, ``.yaml`` or ``.csv``.

    Raises ``ValueError`` with a sentence, or :class:`Reported` once all mistakes in it are filed.
    """
    path = door.folder / name
    if name.endswith((".yml", ".yaml")):
        data = read_limited(path, LARGEST_YAML)
        if len(data) > LARGEST_YAML:
            raise ValueError(f"is larger than 1 MiB; write it as CSV (got {shown(name)})")
        document = Source(door=door, path=path).validate(ExpectedFile, data)
        entries = tuple(entry.value() for entry in document.expected)
    elif name.endswith(".csv"):
        data = read_limited(path, LARGEST_CSV)
        if len(data) > LARGEST_CSV:
            raise ValueError(f"is larger than {LARGEST_CSV >> 20} MiB (got {shown(name)})")
        entries = _read_csv(path, door.admit(path, data), door)
    else:
        raise ValueError(f"must end in .yml, .yaml or .csv (got {shown(name)})")
    required = sum(len(entry.ports) for entry in entries if entry.required)
    if required > MOST_REQUIRED:
        raise ValueError(
            f"says that {required:,} endpoints must be open, and at most {MOST_REQUIRED:,} can be; "
            f"write networks for what may be open (got {shown(name)})"
        )
    (digest,) = {file.sha256 for file in door.files if file.path == path.absolute()}
    return ExpectedPorts(file=path.name, sha256=digest, entries=entries)


def _read_csv(path: Path, text: str, door: Door) -> tuple[Expected, ...]:
    """The rows below the heading."""
    rows = table_rows(text, _check)
    entries: list[Expected] = []
    wrong = 0
    line = 1
    try:
        for line, names, cells in rows:
            try:
                entries.append(_entry(names, cells))
            except ValueError as problem:
                wrong += 1
                if wrong <= _MOST_MISTAKES:
                    door.complain(path, Place(line=line, column=1), str(problem))
    except (csv.Error, ValueError) as problem:  # nothing behind this can be understood
        wrong += 1
        door.complain(path, Place(line=line, column=1), str(problem))
    if wrong > _MOST_MISTAKES:
        what = f"and {wrong - _MOST_MISTAKES} more lines with mistakes"
        door.complain(path, Place(line=line + 1, column=1), what)
    if wrong:
        raise Reported
    if not entries:
        raise ValueError(f"expects nothing at all (got {shown(path.name)})")
    return tuple(entries)


def _check(heading: Sequence[str]) -> None:
    for name in heading:
        if name not in COLUMNS:
            raise ValueError(f"{shown(name)} is no column here{did_you_mean(name, COLUMNS)}")
        if heading.count(name) > 1:
            raise ValueError(f"the column {name} is there twice")
    for name in COLUMNS[:2]:
        if name not in heading:
            raise ValueError(f"the heading has no column {name}; write {','.join(COLUMNS)}")


def _entry(heading: Sequence[str], cells: Sequence[str]) -> Expected:
    if len(cells) > len(heading):
        raise ValueError(
            f"has {len(cells)} cells below a heading of {len(heading)}; put a list of ports into "
            "quotes"
        )
    row = dict.fromkeys(COLUMNS, "") | dict(zip(heading, cells, strict=False))
    for name in COLUMNS[:2]:
        if not row[name]:
            raise ValueError(f"{name}: is missing")
    return Expected(
        addresses=_named("address", _addresses, row["address"]),
        protocol=_named("protocol", _protocol, row["protocol"] or "tcp"),
        ports=_named("ports", _ports, row["ports"]),
        note=_named("note", fields.one_line, row["note"]) if row["note"] else "",
    )


def _named(name: str, parse: Callable[[str], _T], text: str) -> _T:
    try:
        return parse(text)
    except ValueError as problem:
        raise ValueError(f"{name}: {problem}") from None


def _protocol(text: str) -> Protocol:
    if text not in tuple(Protocol):
        raise ValueError(f"must be tcp or udp (got {shown(text)})")
    return Protocol(text)


def _addresses(text: str) -> AddressSet:
    found = fields.parse_listed(text)
    if found.range is None:
        raise ValueError(f"must be an address, a network or a range (got {shown(text)})")
    return found.addresses


def _ports(text: str) -> PortSet:
    found = fields.parse_port_spec(text)
    if found.top or not found.explicit:
        raise ValueError(f"must name ports one by one or as ranges (got {shown(text)})")
    return found.explicit


def _port_list(value: object) -> PortSet:
    ports = PortSet()
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, bool) or not isinstance(one, str | int):
            raise ValueError(f"must be ports such as 22 or 8000-8100 (got {shown(one)})")
        ports |= _ports(str(one))
    if not ports:
        raise ValueError("must not be empty")
    return ports


class ExpectedDocument(Strict):
    """Ports that may be open on a network, or must be on a single address."""

    address: Annotated[AddressSet, kinds.text_of(_addresses)]
    ports: Annotated[PortSet, PlainValidator(_port_list)]
    protocol: Annotated[Protocol, kinds.text_of(_protocol)] = Protocol.TCP
    note: kinds.Line | None = None

    def value(self) -> Expected:
        """The entry as a plain value."""
        return Expected(
            addresses=self.address,
            protocol=self.protocol,
            ports=self.ports,
            note=self.note or "",
        )


class ExpectedFile(Strict):
    """A list of expected ports, in YAML."""

    expected: Annotated[list[ExpectedDocument], Field(min_length=1)]
