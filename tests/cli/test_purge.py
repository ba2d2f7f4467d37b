"""``portproof purge``: the evidence goes, the history stays."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.ledger import Ledger
from pipeline.model import ChangeKind, Method, RunState, VerdictKind
from pipeline.store.pairs import open_earlier
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from stages.classify import classify
from stages.compare import compare_with_previous
from tests.cli.conftest import Portproof
from tests.cli.ground import Said, ask
from tests.decide.making import PLAN, WHERE, batch, seen, sweep

WEEK = 7 * 86_400
BEGIN = 1_600_000_000.0
"""In September 2020."""
OLD = ("--older-than", "0s")
HISTORY = "SELECT address, port, first, last, kind, service, missed FROM spells"


def week(store: Store, folder: Path, place: int, *, lines: int = 3) -> RunRecord:
    """A complete run that found SSH open, with its files."""
    begun = BEGIN + place * WEEK
    run = store.create_run(PLAN, run_id=f"week-{place}", now=begun)
    ledger = Ledger(store, run)
    ledger.add_batches([batch("192.0.2.0/28")])
    ledger.file([sweep("192.0.2.7")])
    (record,) = ledger.tasks()
    attempt = ledger.start(record.number, argv=("nmap",), rate=None, evidence="1", now=begun)
    heard = [
        seen(Method.MASSCAN_SYN, where=type(WHERE)(WHERE.address, WHERE.protocol, port))
        for port in range(22, 22 + lines)
    ]
    assert ledger.settle(record.number, attempt, observations=heard, now=begun)
    close(store, run)
    store.set_state(run.number, RunState.COMPLETE, now=begun + 60)
    evidence = folder / "runs" / run.id / "tasks" / "1"
    evidence.mkdir(parents=True)
    (evidence / "nmap.xml").write_text("x" * 1000)
    for name in ("report.json", "manifest.json"):
        (folder / "runs" / run.id / name).write_text("{}")
    return run


def close(store: Store, run: RunRecord) -> None:
    classify(store, run)
    compare_with_previous(store, replace(run, state=RunState.COMPLETE))


@pytest.fixture(scope="module")
def _five_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("five")
    with Store(folder / "portproof.db") as store:
        for place in range(4):
            week(store, folder, place)
        unfinished = store.create_run(PLAN, run_id="unfinished", now=BEGIN - WEEK)
        Ledger(store, unfinished).add_batches([batch("192.0.2.0/28")])
        store.set_state(unfinished.number, RunState.INCOMPLETE, now=BEGIN - WEEK)
    return folder


@pytest.fixture
def workspace(_five_runs: Path, tmp_path: Path) -> Path:
    """Four complete runs, and one that was cut short; for a test to spoil."""
    return shutil.copytree(_five_runs, tmp_path / "five")


def purged(workspace: Path) -> list[str]:
    found = ask(workspace, "SELECT id FROM runs WHERE purged IS NOT NULL ORDER BY number")
    return [str(run) for (run,) in found]


def shown(said: Said) -> list[str]:
    return [line.split()[0] for line in said.out.splitlines()[1:-1]]


def test_a_purge_drops_the_evidence_of_old_runs_and_keeps_what_they_found(
    portproof: Portproof, workspace: Path
) -> None:
    before = ask(workspace, HISTORY)
    said = portproof("purge", *OLD, "--workspace", workspace)
    assert (said.code, said.err) == (0, "")
    assert shown(said) == purged(workspace) == ["week-0", "week-1", "week-2"]
    assert ask(workspace, "SELECT DISTINCT run FROM tasks") == [(4,)]
    assert ask(workspace, "SELECT count(*) FROM observations") == [(3,)]
    assert ask(workspace, "SELECT DISTINCT run FROM batches") == [(4,), (5,)]
    assert ask(workspace, HISTORY) == before
    assert len(before) == 3
    assert ask(workspace, "SELECT count(*) FROM runs") == [(5,)]
    for place in range(3):
        files = sorted(path.name for path in (workspace / "runs" / f"week-{place}").iterdir())
        assert files == ["manifest.json", "report.json"]
    assert (workspace / "runs" / "week-3" / "tasks" / "1" / "nmap.xml").exists()
    ((text,), *_) = ask(workspace, "SELECT text FROM events WHERE run = 1 AND kind = 'purge'")
    assert text == (
        "the evidence was dropped: 1 task, 3 observations, 1 file; the history, the report and the "
        "manifest are kept"
    )


def test_a_dry_run_says_the_same_and_changes_nothing(portproof: Portproof, workspace: Path) -> None:
    bytes_ = (workspace / "portproof.db").read_bytes()
    said = portproof("purge", *OLD, "--dry-run", "--workspace", workspace)
    assert said.code == 0
    assert shown(said) == ["week-0", "week-1", "week-2"]
    assert said.out.splitlines()[-1] == "3 runs would lose the evidence; nothing was changed"
    assert (workspace / "portproof.db").read_bytes() == bytes_
    assert not (workspace / "portproof.lock").exists()
    assert (workspace / "runs" / "week-0" / "tasks").exists()


def test_only_what_is_older_is_purged(portproof: Portproof, workspace: Path) -> None:
    with contextlib.closing(sqlite3.connect(workspace / "portproof.db")) as database, database:
        database.execute(
            "UPDATE runs SET ended = strftime('%s', 'now') - 89 * 86400 WHERE number = 2"
        )
    said = portproof("purge", "--older-than", "90d", "--workspace", workspace, "--format", "json")
    assert [run["run"] for run in said.json["runs"]] == ["week-0", "week-2"]
    assert purged(workspace) == ["week-0", "week-2"]


def test_only_the_engagement_that_is_named_is_purged(portproof: Portproof, workspace: Path) -> None:
    said = portproof("purge", *OLD, "--workspace", workspace, "--engagement", "another")
    assert said.code == 2
    assert "there is no run of an engagement 'another'" in said.err
    assert portproof(
        "purge", *OLD, "--workspace", workspace, "--engagement", PLAN.engagement
    ).out.startswith("run ")


def test_what_was_ever_open_and_since_when_survive_a_purge(
    portproof: Portproof, workspace: Path
) -> None:
    history = portproof("history", "192.0.2.7", "--workspace", workspace).out
    assert portproof("purge", *OLD, "--workspace", workspace).code == 0
    assert portproof("history", "192.0.2.7", "--workspace", workspace).out == history
    with Store(workspace / "portproof.db") as store:
        assert open_earlier(store, PLAN.engagement, 4, [WHERE]) == {WHERE}


def test_the_next_run_is_compared_as_ever(portproof: Portproof, workspace: Path) -> None:
    assert portproof("purge", *OLD, "--workspace", workspace).code == 0
    with Store(workspace / "portproof.db") as store:
        run = week(store, workspace, 4, lines=2)
        comparison = store.comparison(run.number)
    assert comparison is not None
    assert comparison.against == "week-3"
    assert [change.endpoint.port for change in comparison.changes] == [24]


def test_the_report_of_a_kept_run_stays_the_same_after_a_purge(
    portproof: Portproof, workspace: Path
) -> None:
    report = workspace / "runs" / "week-3" / "report.json"
    for _ in range(2):
        assert portproof("report", "week-3", "--workspace", workspace).code == 0
        told = json.loads(report.read_text())
        assert told["changes"]["against"] == "week-2"
        assert [run["run"] for run in told["trends"]["runs"]] == [f"week-{n}" for n in range(4)]
        assert portproof("purge", *OLD, "--workspace", workspace).code == 0


def test_the_changes_of_a_purged_run_are_counted(portproof: Portproof, tmp_path: Path) -> None:
    with Store(tmp_path / "portproof.db") as store:
        for place, lines in enumerate((1, 3, 1)):
            week(store, tmp_path, place, lines=lines)
    listed = ("runs", "--workspace", tmp_path, "--format", "json")
    before = portproof(*listed).json
    assert before[1]["changes"] == {ChangeKind.NEWLY_COVERED.value: 2}
    assert before[0]["changes"] is None
    assert portproof("purge", *OLD, "--workspace", tmp_path).code == 0
    after = portproof(*listed).json
    assert [run["changes"] for run in after] == [run["changes"] for run in before]
    assert [run["purged"] is None for run in after] == [False, False, True]
    assert ask(tmp_path, "SELECT count(*) FROM changes WHERE run = 2") == [(0,)]


@pytest.mark.parametrize("command", ["show", "report"])
def test_a_purged_run_says_what_is_left_of_it(
    portproof: Portproof, workspace: Path, command: str
) -> None:
    assert portproof("purge", *OLD, "--workspace", workspace).code == 0
    spells = ask(workspace, HISTORY)
    said = portproof(command, "week-0", "--workspace", workspace)
    assert (said.code, said.out) == (2, "")
    assert "the evidence of run week-0 was purged" in said.err
    assert "its report lies in runs/week-0" in said.err
    assert ask(workspace, HISTORY) == spells
    listed = portproof("runs", "--workspace", workspace)
    assert listed.out.count("evidence purged") == 3


def test_the_room_is_given_back(portproof: Portproof, tmp_path: Path) -> None:
    with Store(tmp_path / "portproof.db") as store:
        for place in range(3):
            week(store, tmp_path, place, lines=500)
    before = (tmp_path / "portproof.db").stat().st_size
    said = portproof("purge", *OLD, "--workspace", tmp_path, "--format", "json")
    after = (tmp_path / "portproof.db").stat().st_size
    assert after < before * 0.8
    assert said.json["given_back"] == before - after + 2_000
    assert ask(tmp_path, "PRAGMA freelist_count") == [(0,)]


def test_a_workspace_that_is_in_use_is_left_alone(portproof: Portproof, other_run: Path) -> None:
    with Store(other_run / "portproof.db") as store:
        for place in range(3):
            week(store, other_run, place)
    said = portproof("purge", *OLD, "--workspace", other_run)
    assert said.code == 3
    assert "another run is using this workspace" in said.err
    assert purged(other_run) == []
    assert portproof("purge", *OLD, "--dry-run", "--workspace", other_run).code == 0


def test_files_that_an_earlier_purge_left_behind_go_with_the_next(
    portproof: Portproof, workspace: Path
) -> None:
    assert portproof("purge", *OLD, "--workspace", workspace).code == 0
    left = workspace / "runs" / "week-0" / "tasks"
    left.mkdir()
    (left / "nmap.xml").write_text("x")
    outside = workspace / "outside"
    outside.mkdir()
    (workspace / "runs" / "week-0" / "link").symlink_to(outside)
    assert portproof("purge", *OLD, "--workspace", workspace).code == 0
    assert not left.exists()
    assert outside.exists()


def grown_old(workspace: Path) -> RunRecord:
    """The one run of a workspace, after another has been made."""
    with Store(workspace / "portproof.db") as store:
        (first,) = store.runs()
        later = store.create_run(first.plan, run_id="later", now=first.started + 1)
        store.set_state(later.number, RunState.COMPLETE, now=first.started + 2)
    return first


def test_the_record_of_a_purged_run_tells_what_went_and_stays_sound(
    portproof: Portproof, finished: Path
) -> None:
    first = grown_old(finished)
    verify = ("audit", "verify", first.id, "--workspace", finished)
    folder = finished / "runs" / first.id
    files = [path for path in (folder / "tasks").rglob("*") if path.is_file()]
    assert portproof(*verify).code == 0
    assert portproof("purge", *OLD, "--workspace", finished).code == 0
    assert not (folder / "tasks").exists()
    said = portproof(*verify)
    assert (said.code, said.err) == (0, "")
    assert portproof("report", first.id, "--workspace", finished).code == 2
    assert portproof(*verify).code == 0
    last = json.loads((folder / "audit.jsonl").read_text().splitlines()[-1])
    assert last["kind"] == "purged"
    assert len(last["facts"]["files"]) == len(files) > 0


def test_a_record_that_a_purge_did_not_come_to_seal_is_sealed_by_the_next(
    portproof: Portproof, finished: Path
) -> None:
    first = grown_old(finished)
    assert portproof("purge", *OLD, "--workspace", finished).code == 0
    with contextlib.closing(sqlite3.connect(finished / "portproof.db")) as database, database:
        database.execute("UPDATE audits SET manifest_sha256 = ''")
    assert portproof("purge", *OLD, "--workspace", finished).code == 0
    said = portproof("audit", "verify", first.id, "--workspace", finished)
    assert (said.code, said.err) == (0, "")
    assert "not sealed" not in said.out


def test_three_years_are_a_time(portproof: Portproof, workspace: Path) -> None:
    said = portproof("purge", "--older-than", "1095d", "--dry-run", "--workspace", workspace)
    assert said.code == 0, said.err


def test_a_time_that_is_none_is_refused(portproof: Portproof, workspace: Path) -> None:
    said = portproof("purge", "--older-than", "soon", "--workspace", workspace)
    assert said.code == 2
    assert "--older-than: is not a duration" in said.err


def test_verdicts_that_nobody_shows_any_more_are_gone(
    portproof: Portproof, workspace: Path
) -> None:
    assert portproof("purge", *OLD, "--workspace", workspace).code == 0
    # Those of the run before the newest are what its report shows as before.
    assert ask(workspace, "SELECT DISTINCT run FROM verdicts") == [(3,), (4,)]
    kinds = ask(workspace, "SELECT DISTINCT kind FROM verdicts")
    assert kinds == [(VerdictKind.LIKELY.value,)]
