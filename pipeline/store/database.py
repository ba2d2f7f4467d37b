"""Open the database: SQLite beside the engagement, brought to the newest schema on the way in."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError

from pipeline.errors import DiskFull, StoreError

HEAD: Final = "0009"
"""The newest revision; a test compares it with the migrations folder."""
_MIGRATIONS: Final = Path(__file__).with_name("migrations")


def open_database(path: Path) -> Engine:
    """The engine of the database at ``path``, created or migrated as needed.

    Raises :class:`StoreError` when the file is no database, or written by a newer version.
    """
    existed = path.exists()
    if not existed:
        _create_private(path)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    try:
        with guarded(path), engine.connect() as connection:
            _migrate(connection, path)
            connection.rollback()
            # Only now: it changes the file, which might have been another program's.
            connection.connection.cursor().execute("PRAGMA journal_mode=WAL")
    except BaseException:
        engine.dispose()
        raise
    return engine


def _create_private(path: Path) -> None:
    try:
        _make_private_folders(path.parent)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        # Whatever the umask: SQLite gives -wal and -shm the mode that it finds here.
        os.fchmod(descriptor, 0o600)
        os.close(descriptor)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(path) from error
        raise StoreError(
            f"cannot create the database: {error.strerror}",
            where=str(path),
            hint="choose another folder with --workspace",
        ) from error


def _make_private_folders(folder: Path) -> None:
    # Path.mkdir(parents=True) would leave those above to the umask.
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(mode=0o700, exist_ok=True)
        place.chmod(0o700)


def _on_connect(connection: sqlite3.Connection, _: object) -> None:
    # The driver's own transaction handling commits behind our back before some statements.
    connection.isolation_level = None
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _migrate(connection: Connection, path: Path) -> None:
    revision = None
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision == HEAD:
        return
    if revision is None and tables - {"alembic_version"}:
        raise StoreError(
            "this is not a database of portproof, but another program's",
            where=str(path),
            hint="move it away, or use another --workspace; nothing was changed",
        )
    if revision is not None and not _is_known(revision):
        raise StoreError(
            f"the database was written by a newer version of portproof (schema {revision}, "
            f"this version knows {HEAD})",
            where=str(path),
            hint="upgrade portproof, or use another --workspace; nothing was changed",
        )
    # Alembic takes a third of a second to import; most starts find the schema up to date.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    connection.rollback()
    command.upgrade(config, HEAD)
    connection.commit()


def _is_known(revision: str) -> bool:
    return any((_MIGRATIONS / "versions").glob(f"{revision}_*.py"))


def disk_full(path: Path) -> DiskFull:
    """The error for a file system without room."""
    return DiskFull(
        "the disk is full; what was finished is kept",
        where=str(path),
        hint="make room, then go on with `portproof resume`",
    )


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn the driver's complaints into ours."""
    try:
        yield
    except OperationalError as error:
        message = str(error.orig)
        if "disk is full" in message or "disk I/O" in message:
            raise disk_full(path) from error
        if "locked" in message:
            raise StoreError(
                "the database is locked by another program",
                where=str(path),
                hint="close what reads it, then try again",
            ) from error
        raise StoreError(f"the database cannot be used: {message}", where=str(path)) from error
    except DatabaseError as error:
        raise StoreError(
            f"this is not a database of portproof, or it is damaged: {error.orig}",
            where=str(path),
            hint="move it away, or use another --workspace",
        ) from error


def row(mapping: Any) -> dict[str, Any]:
    """A result row as a plain dictionary."""
    return dict(mapping._mapping)
