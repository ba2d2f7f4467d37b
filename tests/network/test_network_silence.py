"""Windows and orders as the router sees them: when nothing may be sent, nothing passes."""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_interface
from pathlib import Path

import pytest

from fixtures.lab import Lab, Parameters, lab
from pipeline.ports import PortSet
from tests.lab.naming import fresh_name
from tests.network.running import Workspace, processes_in, wait_until_alone

SILENT_WITHIN = 2.0
PORTS = "22,80,443,2222,3306,5432,6379,8080,8443,1101-1130"
"""No trip wires among them, which have a sweep of their own."""

_ASKED = PortSet.parse(PORTS)


@pytest.fixture(scope="module")
def hosts() -> Iterator[Lab]:
    with lab(Parameters(name=fresh_name(), preset="tiny", seed=11)) as found:
        yield found


@dataclass(frozen=True, slots=True)
class Packets:
    """When packets passed the router, in seconds since the epoch."""

    times: tuple[float, ...]

    @classmethod
    def of(cls, log: Path) -> Packets:
        with log.open(newline="") as stream:
            return cls(tuple(float(row["time_ns"]) / 1e9 for row in csv.DictReader(stream)))

    def between(self, begin: float, end: float) -> list[float]:
        return [at for at in self.times if begin <= at < end]


def prepared(hosts: Lab, folder: Path) -> Workspace:
    """Two living hosts with their neighbours, slowly enough to be met in mid-sweep."""
    living = [host["address"] for host in hosts.truth["hosts"] if ":" not in host["address"]]
    include = [f"{ip_interface(f'{address}/30').network}" for address in living[:1] + living[2:3]]
    return Workspace.prepare(hosts, folder, quick=True, include=include, ports=PORTS)


def _open(workspace: Workspace, *spans: tuple[int, int]) -> None:
    """Make these the windows, to the second."""
    events = "".join(
        f"BEGIN:VEVENT\nUID:{n}\nDTSTAMP:20260101T000000Z\nDTSTART:{_ics(a)}\nDTEND:{_ics(b)}\n"
        "END:VEVENT\n"
        for n, (a, b) in enumerate(spans)
    )
    part = workspace.folder / "client.ics.part"
    part.write_text(f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example Ltd//EN\n{events}")
    part.write_text(f"{part.read_text()}END:VCALENDAR\n")
    part.rename(workspace.folder / "client.ics")


def _ics(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%SZ}"


def wait_for(workspace: Workspace, query: str) -> None:
    until = time.monotonic() + 30
    while not workspace.query(query):
        assert time.monotonic() < until, f"nothing for {query!r}"
        time.sleep(0.05)


SWEEPING = "SELECT 1 FROM tasks WHERE purpose = 'sweep' AND state = 'running'"
NAMED = "SELECT 1 FROM tasks WHERE purpose = 'named' AND state = 'running'"


def test_a_window_that_closes_in_mid_scan_is_kept_and_the_run_goes_on_in_the_next(
    hosts: Lab, tmp_path: Path
) -> None:
    workspace = prepared(hosts, tmp_path)
    engagement = tmp_path / "engagement.yml"
    engagement.write_text(
        f"{engagement.read_text()}windows: {{calendar: {{file: client.ics, are: windows}}}}\n"
    )
    now = int(time.time())
    _open(workspace, (now - 60, now + 3600))
    log = tmp_path / "packets.csv"
    with hosts.watch(log=log) as watch:
        process = workspace.start("run", "engagement.yml", "--wait-for-window")
        wait_for(workspace, SWEEPING)
        now = int(time.time())
        closes, opens = now + 4, now + 7
        _open(workspace, (now - 60, closes), (opens, now + 3600))
        _, said = process.communicate(timeout=90)
    assert process.returncode == 1, said
    assert watch.result.dropped == 0
    packets = Packets.of(log)
    assert packets.between(closes - 3.5, closes), "nothing was going on when the window closed"
    assert packets.between(closes, opens) == []
    assert packets.between(opens, opens + 60), "it did not go on in the next window"
    assert "paused: no window is open" in said
    assert workspace.query("SELECT sum(failures) FROM tasks") == [(0,)]
    mine = {address for address, _ in workspace.verdicts()}
    assert len(mine) == 2
    asked = [w for w in workspace.wrong() if w.endpoint[0] in mine and w.endpoint[2] in _ASKED]
    assert asked == []
    last = max(at for at in packets.times if at < closes)
    print(f"the last packet passed {closes - last:.2f} s before the close")


def _stop(hosts: Lab, folder: Path, when: str, after: float) -> float:
    """Stop a run in mid-scan; returns how long after the order the last packet passed."""
    workspace = prepared(hosts, folder)
    before = processes_in(hosts)
    log = folder / "packets.csv"
    with hosts.watch(log=log) as watch:
        process = workspace.start("run", "engagement.yml")
        wait_for(workspace, when)
        time.sleep(after)
        assert process.poll() is None, process.communicate()[1]
        ordered = time.time()
        (folder / "portproof.stop").write_text("the client called\n")
        _, said = process.communicate(timeout=30)
        time.sleep(max(0.0, ordered + SILENT_WITHIN + 3 - time.time()))
    assert process.returncode == 3, said
    assert "everything is stopped here: the client called" in said
    assert watch.result.dropped == 0
    packets = Packets.of(log)
    assert packets.between(ordered - 2, ordered), "nothing was going on when it was stopped"
    assert wait_until_alone(hosts, before) == set()
    return max(packets.times) - ordered


def test_two_seconds_after_an_order_to_stop_nothing_passes_the_router(
    hosts: Lab, tmp_path: Path
) -> None:
    late = _stop(hosts, tmp_path / "w", SWEEPING, after=2.5)
    print(f"the last packet passed {late:.2f} s after the order")
    assert late <= SILENT_WITHIN
    again = Workspace(hosts, tmp_path / "w").command("resume")
    assert again.returncode == 3
    assert "portproof stop --lift" in again.stderr


@pytest.mark.soak
def test_two_seconds_after_orders_at_random_moments_nothing_passes_the_router(
    hosts: Lab, tmp_path: Path
) -> None:
    seed = time.time_ns() & 0xFFFFFFFF
    print(f"seed {seed}")
    draw = random.Random(seed)
    for number in range(9):
        when = SWEEPING if number % 3 == 0 else NAMED
        late = _stop(hosts, tmp_path / str(number), when, after=draw.uniform(0, 3))
        print(f"the last packet passed {late:.2f} s after the order")
        assert late <= SILENT_WITHIN
