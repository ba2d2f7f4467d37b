"""Vulnerability scans of others, filed beside a run: what they found, and where they looked.

Filed, and not read again for each report: the files are somebody else's and will be gone when the
report is rendered again; and when a finding was first seen, only earlier files can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from pipeline.addresses import Address, parse_address
from pipeline.decide.risk_rules import Severity
from pipeline.decide.vulnerabilities import Assessed, Reported, ScanFile, Scanner
from pipeline.files import sha256_of
from pipeline.model import Endpoint
from pipeline.parse.scanners import Found, Sink, Spot
from pipeline.parse.scanners.reading import read_scan
from pipeline.store import schema
from pipeline.store.records import RunRecord, address_to_bytes
from pipeline.store.runs import Store, endpoint_of

_AT_ONCE: Final = 5_000


class _Filing:
    """Takes what a reader hands out, and files what is about addresses of the run."""

    def __init__(self, connection: Connection, scan: int, run: RunRecord) -> None:
        self._connection = connection
        self._scan = scan
        self._within = run.plan.included - run.plan.excluded
        self._names: dict[str, tuple[Address, ...]] = {
            name.lower().removesuffix("."): tuple(map(parse_address, found))
            for name, found in run.plan.names
        }
        self._findings: list[dict[str, Any]] = []
        self._spots: set[tuple[Address, str, int]] = set()
        self.findings = self.outside = self.nameless = 0

    def found(self, found: Found) -> None:
        for address in self._addresses(found.spot, counting=True):
            self.findings += 1
            self._findings.append(
                {
                    "scan": self._scan,
                    "address": address_to_bytes(address),
                    "protocol": found.spot.protocol.value,
                    "port": found.spot.port,
                    "ident": found.ident,
                    "title": found.title,
                    "severity": found.severity.value,
                    "cvss": found.cvss,
                    "cves": " ".join(found.cves),
                    "seen": found.seen,
                    "published": found.published,
                }
            )
        if len(self._findings) >= _AT_ONCE:
            self.flush()

    def assessed(self, spot: Spot) -> None:
        for address in self._addresses(spot, counting=False):
            self._spots.add((address, spot.protocol.value, spot.port))
        if len(self._spots) >= _AT_ONCE:
            self.flush()

    def _addresses(self, spot: Spot, *, counting: bool) -> Iterator[Address]:
        if spot.address is not None:
            found: tuple[Address, ...] = (spot.address,)
        else:
            found = self._names.get(spot.host.lower().removesuffix("."), ())
            self.nameless += counting and not found
        for address in found:
            if address in self._within:
                yield address
            else:
                self.outside += counting

    def flush(self) -> None:
        if self._findings:
            self._connection.execute(insert(schema.scan_findings), self._findings)
        if self._spots:
            rows = [
                {
                    "scan": self._scan,
                    "address": address_to_bytes(address),
                    "protocol": protocol,
                    "port": port,
                }
                for address, protocol, port in self._spots
            ]
            self._connection.execute(upsert(schema.scan_spots).on_conflict_do_nothing(), rows)
        self._findings, self._spots = [], set()


def file_scan(store: Store, run: RunRecord, path: Path) -> ScanFile:
    """File what a scanner's file says about the addresses of a run, in place of the same file.

    All or nothing. Raises ``ParseError``, ``OSError`` and what the store raises.
    """
    digest = sha256_of(path)
    table = schema.scans
    with store.transaction() as connection:
        connection.execute(delete(table).where(table.c.run == run.number, table.c.sha256 == digest))
        values = {
            "run": run.number,
            "name": path.name,
            "sha256": digest,
            "size": path.stat().st_size,
            "scanner": "",
            "version": "",
            "problem": "",
            "findings": 0,
            "outside": 0,
            "nameless": 0,
        }
        done = connection.execute(insert(table).values(values))
        (number,) = done.inserted_primary_key or (0,)
        filing = _Filing(connection, number, run)
        read = read_scan(path, Sink(found=filing.found, assessed=filing.assessed))
        filing.flush()
        told = {
            "scanner": read.scanner.value,
            "version": read.version,
            "started": read.started,
            "ended": read.ended,
            "problem": read.problem,
            "findings": filing.findings,
            "outside": filing.outside,
            "nameless": filing.nameless,
        }
        connection.execute(update(table).where(table.c.number == number).values(told))
    (filed,) = (file for file in scan_files(store, run.number) if file.sha256 == digest)
    return filed


def scan_files(store: Store, run: int) -> tuple[ScanFile, ...]:
    """The files beside a run, in the order in which they were filed."""
    table = schema.scans
    query = select(table).where(table.c.run == run).order_by(table.c.number)
    with store.reading() as connection:
        return tuple(_file(row._mapping) for row in connection.execute(query))


def _file(row: Mapping[Any, Any]) -> ScanFile:
    return ScanFile(
        name=row["name"],
        sha256=row["sha256"],
        size=row["size"],
        scanner=Scanner(row["scanner"]),
        version=row["version"],
        started=row["started"],
        ended=row["ended"],
        problem=row["problem"],
        findings=row["findings"],
        outside=row["outside"],
        nameless=row["nameless"],
    )


def reported(store: Store, run: RunRecord) -> Iterable[Reported]:
    """What all files beside a run say, and since when files of its engagement have said it."""
    scans, found = schema.scans, schema.scan_findings
    first = _first_seen(store, run)
    query = (
        select(found, scans.c.scanner)
        .join(scans, scans.c.number == found.c.scan)
        .where(scans.c.run == run.number)
        .order_by(found.c.number)
    )
    with store.reading() as connection:
        rows = connection.execute(query).all()
    for row in rows:
        told = Reported(
            endpoint=endpoint_of(row._mapping),
            scanner=Scanner(row.scanner),
            ident=row.ident,
            title=row.title,
            severity=Severity(row.severity),
            cvss=row.cvss,
            cves=tuple(row.cves.split()),
            last_seen=row.seen,
            published=row.published,
        )
        key = (row.address, row.protocol, row.port, row.scanner, row.ident)
        yield replace(told, first_seen=first.get(key))


def _first_seen(store: Store, run: RunRecord) -> dict[tuple[Any, ...], float | None]:
    """Runs that began later do not count, so that a report stays as it was."""
    runs, scans, found = schema.runs, schema.scans, schema.scan_findings
    key = (found.c.address, found.c.protocol, found.c.port, scans.c.scanner, found.c.ident)
    query = (
        select(*key, func.min(found.c.seen))
        .join(scans, scans.c.number == found.c.scan)
        .join(runs, runs.c.number == scans.c.run)
        .where(runs.c.engagement == run.plan.engagement, runs.c.started <= run.started)
        .group_by(*key)
    )
    with store.reading() as connection:
        return {tuple(row[:5]): row[5] for row in connection.execute(query)}


def assessed(store: Store, run: int) -> tuple[Assessed, ...]:
    """Where each scanner looked, of the addresses of a run."""
    scans, spots = schema.scans, schema.scan_spots
    query = (
        select(spots, scans.c.scanner)
        .join(scans, scans.c.number == spots.c.scan)
        .where(scans.c.run == run)
    )
    endpoints: dict[Scanner, set[Endpoint]] = {}
    with store.reading() as connection:
        for row in connection.execute(query):
            endpoints.setdefault(Scanner(row.scanner), set()).add(endpoint_of(row._mapping))
    return tuple(
        Assessed(
            scanner=scanner,
            hosts=frozenset(endpoint.address for endpoint in found),
            endpoints=frozenset(endpoint for endpoint in found if endpoint.port),
        )
        for scanner, found in sorted(endpoints.items())
    )
