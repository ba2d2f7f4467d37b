"""Killed with -9 at any moment, a run goes on as if nothing had happened, and leaves nobody."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Portproof
from tests.cli.ground import (
    Service,
    a_free_port,
    an_address,
    ask,
    engage,
    spawn,
    the_report,
    verdicts,
    wait_until,
)
from tests.faults.fakes import Fake
from tests.process.players import survivors

GATED = """
gate = Path(GATE)
if method() == METHOD and sweeps():
    arrive_and_wait(gate)
real()
"""

SHAKING = "SELECT 1 FROM tasks WHERE state='running' AND method='handshake'"
DOUBLED = """
SELECT address, port, method, purpose, round, count(*) FROM observations
JOIN tasks ON tasks.number = observations.task
GROUP BY address, port, method, purpose, round HAVING count(*) > 1
"""

Moment = Callable[[Path, Path], object]

MOMENTS: dict[str, tuple[str, Moment]] = {
    "the sweep runs": ("nmap-syn", lambda _, gate: list(gate.iterdir())),
    "the handshakes run": ("none", lambda work, _: ask(work, SHAKING)),
    "the verdicts are written": ("none", lambda work, _: ask(work, "SELECT 1 FROM verdicts")),
}


def ready(workspace: Path) -> bool:
    """True once the run is filed with its batches."""
    try:
        return bool(ask(workspace, "SELECT 1 FROM batches"))
    except sqlite3.OperationalError:
        return False  # no file yet, or no tables in it


@pytest.fixture(scope="module")
def services() -> Iterator[tuple[Service, Service, int]]:
    """One that greets, one that is silent, and a port on which nobody listens."""
    address = an_address()
    with Service(address) as greets, Service(address, banner=b"") as silent:
        yield greets, silent, a_free_port(address)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_was_killed_ends_with_the_verdicts_of_an_undisturbed_one(
    portproof: Portproof,
    tmp_path: Path,
    services: tuple[Service, Service, int],
    fake: Fake,
    moment: str,
) -> None:
    greets, silent, closed = services
    gate, work = tmp_path / "gate", tmp_path / "w"
    gate.mkdir()
    method, reached = MOMENTS[moment]
    fake("nmap", f"GATE, METHOD = {str(gate)!r}, {method!r}\n{GATED}")
    path = engage(work, [greets.address], [greets.port, silent.port, closed], control_ports=1)
    process = spawn("run", path)
    wait_until(lambda: ready(work) and reached(work, gate), moment)
    process.kill()
    assert process.wait() == -9
    process.communicate()
    scanners = [int(pid) for note in gate.iterdir() for pid in note.read_text().split()]
    (gate / "open").touch()

    # At once: the lock is held until the last scanner is gone, and waited for.
    said = portproof("resume", "--workspace", work)

    assert said.code == 1, said.err
    assert survivors(scanners, within=0.0) == []
    report = the_report(work)
    assert report["run"]["state"] == "complete"
    assert verdicts(report) == {greets.endpoint: "confirmed", silent.endpoint: "confirmed"}
    assert not any(gap["endpoints"] for gap in report["coverage"]["gaps"])
    assert ask(work, DOUBLED) == []
    assert ask(work, "SELECT DISTINCT state FROM tasks") == [("settled",)]
    assert ask(work, "SELECT sum(failures) FROM tasks") == [(0,)]
    assert ask(work, "PRAGMA integrity_check") == [("ok",)]
    audited = portproof("audit", "verify", "--workspace", work)
    assert audited.code == 0, audited.out
