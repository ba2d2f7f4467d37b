"""The database file: migrated to the newest schema, or refused and left as it was."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from pipeline.errors import DiskFull, ExitCode, StoreError
from pipeline.store import database, schema
from pipeline.store.runs import Store
from tests.decide.making import PLAN, START

MIGRATIONS = Path(database.__file__).with_name("migrations")


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


def test_the_migrations_build_exactly_the_schema_that_the_code_uses(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, schema.metadata) == []


def test_foreign_keys_and_unique_constraints_are_those_of_the_schema(store: Store) -> None:
    def rules(path: Path) -> set[tuple[str, str]]:
        with closing(sqlite3.connect(path)) as connection:
            tables = [
                name
                for (name,) in connection.execute(
                    "SELECT name FROM sqlite_master WHERE type='table'"
                )
            ]
            keys = {
                (table, str(key[2:7]))
                for table in tables
                for key in connection.execute(f"PRAGMA foreign_key_list({table})")
            }
            unique = {
                (table, str([column[2] for column in columns]))
                for table in tables
                for _, name, is_unique, *_ in connection.execute(f"PRAGMA index_list({table})")
                if is_unique
                for columns in [connection.execute(f"PRAGMA index_info({name})").fetchall()]
            }
            return {rule for rule in keys | unique if rule[0] != "alembic_version"}

    other = store.path.with_name("created.db")
    engine = create_engine(f"sqlite:///{other}")
    schema.metadata.create_all(engine)
    engine.dispose()
    assert rules(store.path) == rules(other)
    assert len(rules(other)) > 12


def test_the_newest_revision_is_the_one_that_the_code_asks_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [database.HEAD]
    assert len(list((MIGRATIONS / "versions").glob("[0-9]*.py"))) == len(
        list(scripts.walk_revisions())
    )


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "portproof.db"
    with Store(path) as store:
        store.create_run(PLAN, run_id="one", now=START)
    before = fingerprint(tmp_path)
    with Store(path) as store:
        assert [run.id for run in store.runs()] == ["one"]
    assert fingerprint(tmp_path) == before


def test_who_reads_does_not_hold_up_who_writes(store: Store) -> None:
    with closing(sqlite3.connect(store.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM runs").fetchall() == [(0,)]
        store.create_run(PLAN, run_id="one", now=START)
        assert reader.execute("SELECT count(*) FROM runs").fetchall() == [(0,)]
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM runs").fetchall() == [(1,)]


def test_a_new_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "workspace" / "portproof.db"
    Store(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "portproof.db"
    Store(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("CREATE TABLE from_the_future (x)")
        connection.commit()
    before = fingerprint(tmp_path)
    with pytest.raises(StoreError, match="newer version of portproof") as caught:
        Store(path)
    assert caught.value.where == str(path)
    assert "upgrade portproof" in caught.value.hint
    assert fingerprint(tmp_path) == before


def test_a_migration_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "portproof.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.commit()
    with Store(path) as store:
        assert store.runs() == ()


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    path = tmp_path / "portproof.db"
    path.touch()
    with Store(path) as store:
        assert store.runs() == ()


@pytest.mark.parametrize("content", [b"client: Example Ltd\n" * 100, b"\0" * 5000, b"SQLite fo"])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "portproof.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"not a database|damaged") as caught:
        Store(path)
    assert caught.value.where == str(path)
    assert path.read_bytes() == content


def test_the_database_of_another_program_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "portproof.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
        connection.commit()
    before = fingerprint(tmp_path)
    with pytest.raises(StoreError, match="not a database of portproof"):
        Store(path)
    assert fingerprint(tmp_path) == before


def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "portproof.db"
    with Store(path) as store:
        store.create_run(PLAN, run_id="one", now=START)
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)
    with pytest.raises(StoreError):
        Store(path)


def test_a_folder_in_place_of_the_database_is_an_error_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "portproof.db"
    path.mkdir()
    with pytest.raises(StoreError) as caught:
        Store(path)
    assert caught.value.where == str(path)


def test_a_database_that_another_program_holds_is_an_error_that_says_so(store: Store) -> None:
    with store.reading() as connection:
        # The pool hands the same connection out again; half a minute is too long for a test.
        connection.exec_driver_sql("PRAGMA busy_timeout = 20")
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked by another program"):
            store.create_run(PLAN, run_id="one", now=START)
        other.execute("ROLLBACK")
    assert store.create_run(PLAN, run_id="one", now=START).number == 1


# --- a full disk -------------------------------------------------------------------------------

ON_A_SMALL_DISK = """
import resource, subprocess, sys
from pathlib import Path
from pipeline.errors import DiskFull
from pipeline.store.runs import Store
from tests.decide.making import PLAN, START

how, folder = sys.argv[1], Path(sys.argv[2])
if how == "tmpfs":
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], check=True)
else:
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
kept = 0
store = Store(folder / "portproof.db")
run = store.create_run(PLAN, run_id="one", now=START)
try:
    while kept < 100_000:
        store.add_event(run.number, "note", "x" * 1000, now=START + kept)
        kept += 1
except DiskFull as problem:
    assert problem.where == str(folder / "portproof.db")
    print("full after", kept > 20)
store.close()
with Store(folder / "portproof.db") as store:
    times = [event.time for event in store.events(run.number)]
    print("kept all", times == [START + number for number in range(kept)])
"""


@pytest.mark.parametrize("how", ["tmpfs", "limit"])
def test_a_full_disk_is_told_and_what_was_committed_stays(tmp_path: Path, how: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    apart = ["unshare", "--mount", *user] if how == "tmpfs" else []
    done = subprocess.run(
        [*apart, sys.executable, "-c", ON_A_SMALL_DISK, how, str(disk)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("full after True\nkept all True\n", "")


def test_a_full_disk_can_be_gone_on_from() -> None:
    assert DiskFull.exit_code is ExitCode.INCOMPLETE
    assert database.disk_full(Path("/srv/x")).hint.endswith("`portproof resume`")
