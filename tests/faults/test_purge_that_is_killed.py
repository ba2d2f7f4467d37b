"""Killed with -9 in the middle, a purge has dropped whole runs or nothing of them, and goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.store.runs import Store
from tests.cli.conftest import Portproof
from tests.cli.ground import ask, spawn, wait_until
from tests.cli.test_purge import HISTORY, week

RUNS, LINES = 4, 300
PURGED = "SELECT number FROM runs WHERE purged IS NOT NULL"
WITH_EVIDENCE = """
SELECT tasks.run, count(*) FROM observations JOIN tasks ON tasks.number = observations.task
GROUP BY tasks.run ORDER BY tasks.run
"""

MOMENTS: dict[str, Callable[[Path], bool]] = {
    "it has begun": lambda work: (work / "portproof.lock").exists(),
    "one run is dropped": lambda work: bool(ask(work, PURGED)),
    "all runs are dropped": lambda work: len(ask(work, PURGED)) == RUNS - 1,
}


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with some old runs."""
    folder = tmp_path_factory.mktemp("grown")
    with Store(folder / "portproof.db") as store:
        for place in range(RUNS):
            week(store, folder, place, lines=LINES)
    return folder


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_purge_that_was_killed_leaves_whole_runs_and_is_finished_by_the_next(
    portproof: Portproof, grown: Path, tmp_path: Path, moment: str
) -> None:
    shutil.copytree(grown, tmp_path, dirs_exist_ok=True)
    history = ask(tmp_path, HISTORY)
    process = spawn("purge", "--older-than", "0s", "--workspace", tmp_path)
    wait_until(lambda: MOMENTS[moment](tmp_path) or process.poll() is not None, moment)
    process.kill()
    process.wait()
    process.communicate()

    assert ask(tmp_path, "PRAGMA integrity_check") == [("ok",)]
    gone = {number for (number,) in ask(tmp_path, PURGED)}
    assert ask(tmp_path, WITH_EVIDENCE) == [
        (number, LINES) for number in range(1, RUNS + 1) if number not in gone
    ]
    events = ask(tmp_path, "SELECT run FROM events WHERE kind = 'purge' ORDER BY run")
    assert events == [(number,) for number in sorted(gone)]
    assert ask(tmp_path, HISTORY) == history

    said = portproof("purge", "--older-than", "0s", "--workspace", tmp_path)

    assert said.code == 0, said.err
    assert ask(tmp_path, WITH_EVIDENCE) == [(RUNS, LINES)]
    assert ask(tmp_path, "PRAGMA freelist_count") == [(0,)]
    assert ask(tmp_path, HISTORY) == history
    left = [path.parent.name for path in tmp_path.glob("runs/*/tasks")]
    assert left == [f"week-{RUNS - 1}"]
