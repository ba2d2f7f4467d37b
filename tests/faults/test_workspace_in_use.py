"""Two runs never share a workspace; whoever only looks may look at any time."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.cli.conftest import Portproof
from tests.cli.ground import Service, ask, ended, engage, spawn, wait_until
from tests.faults.fakes import Fake


def test_the_second_run_is_refused_with_the_process_and_the_start_of_the_first(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    gate = tmp_path / "gate"
    gate.mkdir()
    fake("nmap", f"arrive_and_wait(Path({str(gate)!r}))\nreal()")
    path = engage(tmp_path / "w", [service.address], [service.port])
    first = spawn("run", path)
    wait_until(lambda: list(gate.iterdir()), "the first run sweeps")
    for command in (("run", path), ("resume", "--workspace", path.parent)):
        second = portproof(*command)
        assert (second.code, second.out) == (3, "")
        assert f"portproof: {path.parent}: another run is using this workspace" in second.err
        found = re.search(r"process (\d+), since (.{19}) UTC\n", second.err)
        assert found is not None
        assert int(found[1]) == first.pid
        started = datetime.fromisoformat(found[2]).replace(tzinfo=UTC)
        assert 0 <= time.time() - started.timestamp() < 30
    for look in ("runs", "show"):
        assert portproof(look, "--workspace", path.parent).code == 0
    assert portproof("check", path).code == 0
    (gate / "open").touch()
    assert ended(first).code == 1
    assert ask(path.parent, "SELECT state FROM runs") == [("complete",)]


def test_what_a_lock_says_of_a_process_that_is_gone_refuses_nobody(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    for left in ('{"process": 1, "started": 1.0}', '{"process'):
        (tmp_path / "portproof.lock").write_text(left)
        assert portproof("verify", service.endpoint, "-e", path).code == 1
