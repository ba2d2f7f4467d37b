"""When the authorisation ends during a run, what runs is stopped and nothing more is sent."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.cli.conftest import Portproof
from tests.cli.ground import Service, ask, engage, the_report, verdicts
from tests.faults.fakes import Fake


def test_a_run_stops_when_its_authorisation_ends_and_goes_on_when_it_is_renewed(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    nmap = fake("nmap", "if sweeps(): real()\ntime.sleep(60)") / "nmap"
    until = datetime.now(UTC) + timedelta(seconds=4)
    path = engage(
        tmp_path / "w",
        [service.address],
        [service.port],
        valid_until=f"{until:%Y-%m-%dT%H:%M:%S+00:00}",
    )
    began = time.monotonic()
    said = portproof("run", path)
    assert said.code == 3
    assert time.monotonic() - began < 15
    assert "the authorisation is not valid any more: nothing more is sent" in said.err
    assert service.visitors == 0
    assert ask(path.parent, "SELECT state, failures FROM tasks ORDER BY number DESC LIMIT 1") == [
        ("planned", 0)
    ]
    assert portproof("resume", "--workspace", path.parent).code == 3
    nmap.unlink()
    engage(path.parent, [service.address], [service.port])
    assert portproof("resume", "--workspace", path.parent).code == 1
    assert verdicts(the_report(path.parent)) == {service.endpoint: "confirmed"}
