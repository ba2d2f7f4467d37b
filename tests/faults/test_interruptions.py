"""Stopped once, twice, or with -9: what was finished is kept, and the run goes on from there."""

from __future__ import annotations

import contextlib
import shlex
import sqlite3
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Portproof
from tests.cli.ground import Service, ask, engage, the_report, verdicts
from tests.cli.test_terminal import on_a_terminal
from tests.faults.fakes import Fake

INTERRUPTED_ONCE = """
marker = Path.cwd().parents[3] / "interrupted"
if method() == METHOD and not marker.exists():
    marker.touch()
    os.kill(portproof(), signal.SIGINT)
    time.sleep(0.2)
real()
"""


@pytest.mark.parametrize("method", ["nmap-syn", "nmap-connect"])
def test_ctrl_c_lets_running_commands_end_and_says_how_to_go_on(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake, method: str
) -> None:
    fake("nmap", f"METHOD = {method!r}\n{INTERRUPTED_ONCE}")
    path = engage(tmp_path / "my work", [service.address], [service.port])
    said = portproof("run", path)
    assert said.code == 4
    assert "finishing 1 running task(s); Ctrl-C again stops at once" in said.err
    (run,) = ask(path.parent, "SELECT id, state FROM runs")
    assert run[1] == "incomplete"
    rows = ask(path.parent, "SELECT state, method FROM tasks WHERE attempt > 0")
    assert ("settled", method) in rows
    assert {state for state, _ in rows} == {"settled"}, "what was running has ended"
    # The words that it says are the words that work, from wherever one is.
    words = shlex.split(said.err.split("go on with `portproof ")[1].split("`")[0])
    assert words == ["resume", run[0], "--workspace", str(path.parent)]
    assert portproof(*words).code == 1
    assert verdicts(the_report(path.parent)) == {service.endpoint: "confirmed"}
    assert ask(path.parent, "SELECT max(attempt) FROM tasks") == [(1,)], "nothing is asked twice"


def test_the_picture_of_a_resumed_run_counts_what_was_done_before(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    fake("nmap", f"METHOD = 'nmap-connect'\n{INTERRUPTED_ONCE}")
    path = engage(tmp_path / "w", [service.address], [service.port])
    assert portproof("run", path).code == 4
    ((done,),) = ask(path.parent, "SELECT count(*) FROM tasks WHERE state = 'settled'")
    assert done > 1
    code, got = on_a_terminal("resume", "--workspace", path.parent)
    assert code == 1
    assert f"tasks {done} done" in got
    assert "tasks 0 done" not in got


SIGNALLED_TOGETHER = """
marker = Path.cwd().parents[3] / "interrupted"
if not sweeps() and not marker.exists():
    marker.touch()
    os.kill(portproof(), signal.SIGTERM)
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)
real()
"""


def test_a_service_manager_that_signals_everybody_spoils_no_task(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    fake("nmap", SIGNALLED_TOGETHER)
    path = engage(tmp_path / "w", [service.address], [service.port], attempts=1)
    assert portproof("run", path).code == 4
    assert ask(path.parent, "SELECT state, failures FROM tasks ORDER BY number DESC LIMIT 1") == [
        ("planned", 0)
    ]
    assert portproof("resume", "--workspace", path.parent).code == 1
    report = the_report(path.parent)
    assert verdicts(report) == {service.endpoint: "confirmed"}
    assert not any(gap["endpoints"] for gap in report["coverage"]["gaps"])


DEAF = """
if sweeps():
    real()
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.kill(portproof(), signal.SIGINT)
time.sleep(0.3)
os.kill(portproof(), signal.SIGINT)
time.sleep(60)
"""


def test_ctrl_c_twice_stops_even_a_tool_that_is_deaf(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    nmap = fake("nmap", DEAF) / "nmap"
    path = engage(tmp_path / "w", [service.address], [service.port])
    began = time.monotonic()
    said = portproof("run", path)
    assert said.code == 4
    assert time.monotonic() - began < 10
    assert "interrupted: stopping at once" in said.err
    assert "go on with `portproof resume" in said.err
    nmap.unlink()
    assert portproof("resume", "--workspace", path.parent).code == 1
    assert verdicts(the_report(path.parent)) == {service.endpoint: "confirmed"}


def test_a_run_that_was_killed_before_it_had_batches_asks_everything_when_resumed(
    portproof: Portproof, tmp_path: Path, finished: Path
) -> None:
    (address, port) = ask(finished, "SELECT address, port FROM verdicts WHERE kind='confirmed'")[0]
    with contextlib.closing(sqlite3.connect(finished / "portproof.db")) as database, database:
        for table in ("observations", "holes", "tasks", "verdicts", "events", "batches"):
            database.execute(f"DELETE FROM {table}")
        database.execute("UPDATE runs SET state='running', ended=NULL")
    with Service(".".join(map(str, address)), port) as service:
        assert portproof("resume", "--workspace", finished).code == 1
    assert verdicts(the_report(finished))[service.endpoint] == "confirmed"


def test_there_is_nothing_to_resume_in_a_finished_workspace(
    portproof: Portproof, finished: Path
) -> None:
    said = portproof("resume", "--workspace", finished)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert f"{finished}: there is no unfinished run here" in said.err
    (run,) = ask(finished, "SELECT id FROM runs")
    said = portproof("resume", run[0], "--workspace", finished)
    assert said.code == 2
    assert f"run {run[0]} is complete" in said.err
