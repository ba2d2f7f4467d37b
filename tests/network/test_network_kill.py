"""Kill the run at any moment: nothing finished is lost, doubled, or left behind."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.lab import Lab, Parameters, lab
from tests.lab.naming import fresh_name
from tests.network.running import Workspace, processes_in, wait_until_alone

FEW, ALL = 4, 25
Verdicts = Mapping[tuple[str, int], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """A lab, the verdicts of a run that nobody disturbed, and the seconds it took."""

    lab: Lab
    verdicts: Verdicts
    seconds: float
    thorough: bool


@pytest.fixture
def undisturbed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Undisturbed]:
    """A run whose kind of questions the test chooses: some, or with ``soak`` every kind."""
    thorough = request.node.get_closest_marker("soak") is not None
    with lab(Parameters(name=fresh_name(), preset="tiny", seed=9)) as hosts:
        workspace = Workspace.prepare(
            hosts, tmp_path_factory.mktemp("calm"), quick=True, thorough=thorough
        )
        began = time.monotonic()
        workspace.run()
        yield Undisturbed(hosts, workspace.verdicts(), time.monotonic() - began, thorough)


def test_runs_killed_at_random_moments_resume_to_the_same_verdicts(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    _kill_and_resume(undisturbed, tmp_path, times=FEW)


@pytest.mark.soak
def test_twenty_five_killed_runs_resume_to_the_same_verdicts(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    _kill_and_resume(undisturbed, tmp_path, times=ALL)


def _kill_and_resume(undisturbed: Undisturbed, folder: Path, *, times: int) -> None:
    seed = time.time_ns() & 0xFFFFFFFF
    print(f"seed {seed}")
    draw = random.Random(seed)
    for number in range(times):
        workspace = Workspace.prepare(
            undisturbed.lab, folder / str(number), quick=True, thorough=undisturbed.thorough
        )
        # One moment in each equal part of the run's length, so that few kills cover it all.
        moment = undisturbed.seconds * (number + draw.random()) / times
        _one(workspace, undisturbed, moment)


def _one(workspace: Workspace, undisturbed: Undisturbed, moment: float) -> None:
    before = processes_in(undisturbed.lab)
    process = workspace.start("run", "engagement.yml")
    began = time.monotonic()
    while time.monotonic() < began + moment and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert wait_until_alone(undisturbed.lab, before) == set(), "a scanner was left behind"
    settled = workspace.query(
        "SELECT number, attempt, evidence_sha256 FROM tasks WHERE state = 'settled'"
    )

    # Killed before the run was on file: there is nothing to resume, and a new run starts.
    unfinished = workspace.query("SELECT id FROM runs WHERE state != 'complete'")
    if unfinished:
        resumed = workspace.command("resume")
        assert resumed.returncode == 1, resumed.stderr
    elif not workspace.query("SELECT id FROM runs"):
        workspace.run()

    assert workspace.verdicts() == undisturbed.verdicts, f"killed after {moment:.2f} s"
    after = {
        row[0]: row for row in workspace.query("SELECT number, attempt, evidence_sha256 FROM tasks")
    }
    assert all(after[row[0]] == row for row in settled), "a settled task was asked again"
    doubled = workspace.query(
        "SELECT task, address, protocol, port FROM observations GROUP BY 1, 2, 3, 4"
        " HAVING count(*) > 1"
    )
    assert doubled == []
    same_question = workspace.query(
        "SELECT batch, method, purpose, round, targets, ports FROM tasks"
        " GROUP BY 1, 2, 3, 4, 5, 6 HAVING count(*) > 1"
    )
    assert same_question == []
    assert wait_until_alone(undisturbed.lab, before) == set()
