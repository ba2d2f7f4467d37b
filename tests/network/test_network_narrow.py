"""A network whose line drops what is too fast: the run slows down, and finds what is there."""

from __future__ import annotations

import csv
from bisect import bisect_left
from pathlib import Path

import pytest

from fixtures.lab import Parameters, lab
from fixtures.lab.classes.narrow import SYNS_PER_SECOND
from fixtures.score import judge, recall
from tests.lab.naming import fresh_name
from tests.network.running import QUICK_PROFILE, THOROUGH, Workspace

PROFILE = (
    ("masscan_retries: 1", "masscan_retries: 0"),
    ("slow_start: 1", "slow_start: 0.125"),
    ("recover: 1s", "recover: 10m"),
    *THOROUGH.items(),
)


@pytest.mark.soak
def test_a_run_over_a_narrow_line_slows_down_and_finds_what_is_there(tmp_path: Path) -> None:
    """Some thirteen minutes: a bad sign is heeded by the next slice of a minute."""
    log = tmp_path / "packets.csv"
    profile = QUICK_PROFILE
    for line, instead in PROFILE:
        assert line in profile
        profile = profile.replace(line, instead)
    (tmp_path / "narrow.yml").write_text(profile)
    with lab(Parameters(name=fresh_name(), preset="narrow", seed=4)) as hosts:
        workspace = Workspace.prepare(
            hosts,
            tmp_path,
            profile="narrow.yml",
            rate=200,
            rate_per_network=200,
            rate_per_host=200,
        )
        with hosts.watch(log=log) as watch:
            done = workspace.command("run", "engagement.yml", timeout=1800)
        assert done.returncode == 1, done.stderr[-4000:]
        assert watch.result.dropped == 0
        found, sought = recall(judge(hosts.truth, workspace.shown()))
        assert found == sought == len(hosts.plan.open_endpoints)
        assert workspace.wrong() == []
    told = workspace.query("SELECT text FROM events WHERE kind = 'throttle' ORDER BY number")
    told_bad = [text for (text,) in told if not text.startswith("all is well")]
    assert told_bad[0] == "answers are lost: 50% of the rate from now on"
    sweeps = workspace.query(
        "SELECT started, ended FROM tasks WHERE purpose = 'sweep' ORDER BY number"
    )
    busiest = [_busiest(log, *span) for span in sweeps if span[1] - span[0] > 30]
    assert busiest[0] > 1.5 * SYNS_PER_SECOND, "it never was too fast: this shows nothing"
    assert len(busiest) > 1
    assert all(after <= 0.7 * busiest[0] for after in busiest[1:])


def _busiest(log: Path, begin: float, end: float) -> int:
    """The most SYNs that left within a second between two moments, by the router's capture."""
    with log.open(newline="") as stream:
        times = [int(r["time_ns"]) / 1e9 for r in csv.DictReader(stream) if r["flags"] == "S"]
    times = sorted(t for t in times if begin <= t < end)
    return max(bisect_left(times, t + 1.0) - place for place, t in enumerate(times))
