"""What the verdicts on each host of a run say, in sixteen bytes.

Two runs say the same of a host when its digests are equal, so a comparison reads only the hosts
whose digests differ. A run has digests of all its hosts or none: triggers of the database drop them
with the first verdict that is written, changed or deleted afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, exists, select

from pipeline.store import schema

_READ: Final = """
SELECT address, protocol, port, kind, service FROM verdicts
WHERE run = ? ORDER BY address, protocol, port
"""
_WRITE: Final = "INSERT INTO verdict_digests (run, address, digest) VALUES (?, ?, ?)"
_AT_ONCE: Final = 10_000
"""Hosts that are handed to the database together."""


def file_digests(connection: Connection, run: int) -> None:
    """File the digests of a run, from its verdicts as they are on file."""
    reading = connection.connection.cursor()  # of the driver, because its rows are plain tuples
    try:
        reading.execute(_READ, (run,))
        digests = _digests(run, iter(reading.fetchone, None))
        while some := list(islice(digests, _AT_ONCE)):
            connection.exec_driver_sql(_WRITE, some)
    finally:
        reading.close()


def _digests(run: int, rows: Iterable[Any]) -> Iterator[tuple[int, bytes, bytes]]:
    for address, found in groupby(rows, key=itemgetter(0)):
        said = repr([row[1:] for row in found])  # no two lists look the same
        yield run, address, blake2b(said.encode(), digest_size=16).digest()


def digested(connection: Connection, *runs: int) -> bool:
    """Whether all of the runs have digests."""
    of_run = schema.verdict_digests.c.run
    return all(connection.execute(select(exists().where(of_run == run))).scalar() for run in runs)


def otherwise(run: int, than: int) -> Select[Any]:
    """The hosts of a run of which another says something else, or nothing at all."""
    mine, theirs = schema.verdict_digests.alias("mine"), schema.verdict_digests.alias("theirs")
    same_host = and_(theirs.c.run == than, theirs.c.address == mine.c.address)
    return (
        select(mine.c.address)
        .select_from(mine.outerjoin(theirs, same_host))
        .where(mine.c.run == run, mine.c.digest.is_distinct_from(theirs.c.digest))
    )
