"""Nights on which clocks change, holidays and orders, as the router sees them.

The clock of portproof is set by the test; the scanners and the router keep their own.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixtures.lab import Lab, Parameters, lab
from tests.lab.naming import fresh_name
from tests.network.running import Workspace
from tests.network.test_network_silence import SWEEPING, Packets, prepared, wait_for

AHEAD = 4.0
"""Seconds before a change of the windows to which a test sets the clock."""
WITH_A_CLOCK = """\
import sys, time
from pathlib import Path
real, ahead = time.time, Path(sys.argv.pop(1))
time.time = lambda: real() + float(ahead.read_text())
from pipeline.cli import main
main()
"""
PAUSED = "SELECT 1 FROM events WHERE kind = 'paused'"

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def hosts() -> Iterator[Lab]:
    with lab(Parameters(name=fresh_name(), preset="tiny", seed=11)) as found:
        yield found


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of a portproof that reads a file to know how far it is ahead of others."""

    file: Path

    def set(self, to: float) -> None:
        """Show a time from now on."""
        part = self.file.with_suffix(".part")
        part.write_text(str(to - time.time()))
        part.rename(self.file)

    def when(self, shown: float) -> float:
        """When others will have it that this clock shows a time."""
        return shown - float(self.file.read_text())


def start(workspace: Workspace, clock: Clock) -> subprocess.Popen[str]:
    return subprocess.Popen(
        workspace.lab.argv(
            [
                *(sys.executable, "-c", WITH_A_CLOCK, str(clock.file)),
                *("run", "engagement.yml", "--wait-for-window"),
            ]
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=workspace.folder,
    )


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("windows", "begins", "closes", "opens", "meanwhile"),
    [
        pytest.param(
            "open: [{days: [sat], hours: 22:00-02:30}]",
            *("2026-10-24 23:00", "2026-10-25 00:30", "2026-10-25 01:00", ""),
            id="an hour comes twice",
        ),
        pytest.param(
            "open: [{days: [sat], hours: 22:00-05:00}]",
            *("2027-03-27 22:00", "2027-03-28 03:00", "2027-04-03 20:00", ""),
            id="an hour is left out",
        ),
        pytest.param(
            "open: [{days: [thu], hours: 22:00-05:00}], holidays: {country: DE, are: blackout}",
            *("2026-12-24 21:10", "2026-12-24 23:00", "2026-12-31 21:00", ""),
            id="a Thursday night before a holiday",
        ),
        pytest.param(
            "open: [{days: [thu], hours: 22:00-05:00}]",
            *("2026-12-03 21:10", "2026-12-03 22:00", "2026-12-03 22:40"),
            "blackout: [2026-12-03 23:00 to 2026-12-03 23:40]",
            id="a blackout that comes while it runs",
        ),
    ],
)
def test_no_packet_passes_after_the_close_and_the_run_goes_on_in_the_next_window(
    hosts: Lab,
    tmp_path: Path,
    windows: str,
    begins: str,
    closes: str,
    opens: str,
    meanwhile: str,
) -> None:
    workspace = prepared(hosts, tmp_path)
    engagement = tmp_path / "engagement.yml"
    before = engagement.read_text()
    engagement.write_text(f"{before}windows: {{timezone: Europe/Berlin, {windows}}}\n")
    clock, log = Clock(tmp_path / "ahead"), tmp_path / "packets.csv"
    clock.set(at(begins))
    with hosts.watch(log=log) as watch:
        process = start(workspace, clock)
        wait_for(workspace, SWEEPING)
        time.sleep(0.5)
        if meanwhile:
            more = f"windows: {{timezone: Europe/Berlin, {windows}, {meanwhile}}}\n"
            engagement.write_text(before + more)
        clock.set(at(closes) - AHEAD)
        closed = clock.when(at(closes))
        wait_for(workspace, PAUSED)
        time.sleep(max(0.0, closed + 2 - time.time()))
        clock.set(at(opens) - AHEAD)
        opened = clock.when(at(opens))
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert watch.result.dropped == 0
    packets = Packets.of(log)
    assert packets.between(closed - 3.5, closed), "nothing was going on when the window closed"
    assert packets.between(closed, opened) == []
    assert packets.between(opened, opened + 60), "it did not go on in the next window"
    assert f"no window is open; the next one opens {opens} UTC" in said
    assert "continued: a window is open again" in said
    assert workspace.query("SELECT sum(failures) FROM tasks") == [(0,)]
    last = max(when for when in packets.times if when < closed)
    print(f"the last packet passed {closed - last:.2f} s before the close")


def test_after_the_sweep_nothing_goes_to_an_address_that_was_excluded_meanwhile(
    hosts: Lab, tmp_path: Path
) -> None:
    workspace, log = prepared(hosts, tmp_path), tmp_path / "packets.csv"
    living = [host["address"] for host in hosts.truth["hosts"] if ":" not in host["address"]]
    with hosts.watch(log=log) as watch:
        process = workspace.start("run", "engagement.yml")
        wait_for(workspace, SWEEPING)
        done = workspace.command("exclude", living[0], "--because", "it is a printer")
        assert done.returncode == 0, done.stderr
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert watch.result.dropped == 0
    ((swept,),) = workspace.query("SELECT max(ended) FROM tasks WHERE purpose = 'sweep'")
    with log.open(newline="") as stream:
        sent = [(row["destination"], int(row["time_ns"]) / 1e9) for row in csv.DictReader(stream)]
    assert max(when for to, when in sent if to == living[0]) <= swept
    assert max(when for to, when in sent if to == living[2]) > swept
    assert {address for address, _ in workspace.verdicts()} >= {living[2]}
