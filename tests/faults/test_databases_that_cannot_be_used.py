"""A database that is damaged, foreign or of another time is named, and left as it is."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Portproof


def _newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.execute("PRAGMA journal_mode=DELETE")


def _no_database(path: Path) -> None:
    path.write_text("client: Example Ltd\n" * 100)


def _overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(8 * 4096))


def _cut_short(path: Path) -> None:
    os.truncate(path, 20_000)


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGED = "this is not a database of portproof, or it is damaged: "
CASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "newer": (_newer, "the database was written by a newer version of portproof (schema 9999"),
    "no database": (_no_database, f"{DAMAGED}file is not a database"),
    "overwritten": (_overwritten, f"{DAMAGED}database disk image is malformed"),
    "cut short": (_cut_short, f"{DAMAGED}database disk image is malformed"),
    "a folder": (_a_folder, "the database cannot be used: unable to open database file"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_command_says_what_is_wrong_with_the_database_and_changes_nothing(
    portproof: Portproof, finished: Path, case: str
) -> None:
    spoil, complaint = CASES[case]
    database = finished / "portproof.db"
    spoil(database)
    before = database.read_bytes() if database.is_file() else None
    engagement, here = finished / "engagement.yml", ("--workspace", finished)
    for command in (
        *(("runs", *here), ("show", "last", *here), ("report", "last", *here), ("resume", *here)),
        *(("check", engagement), ("run", engagement), ("run", "--dry-run", engagement)),
    ):
        said = portproof(*command)
        assert (said.code, said.out) == (2, ""), command
        assert f"portproof: {database}: {complaint}" in said.err
    assert (database.read_bytes() if database.is_file() else None) == before
    assert len(list((finished / "runs").iterdir())) == 1


def test_of_a_newer_database_it_is_said_what_to_do(portproof: Portproof, finished: Path) -> None:
    _newer(finished / "portproof.db")
    said = portproof("runs", "--workspace", finished)
    assert "upgrade portproof, or use another --workspace; nothing was changed" in said.err
