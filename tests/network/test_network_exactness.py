"""Corroboration asks what was named, and next to nothing else."""

from __future__ import annotations

import csv
from pathlib import Path

from fixtures.lab import Parameters, lab
from tests.lab.naming import fresh_name
from tests.network.running import Workspace

MOST = 1.1
"""Probes sent, as a multiple of the fewest that ask every named endpoint by every method."""


def test_corroboration_of_300_port_sets_sends_at_most_a_tenth_more_than_it_must(
    tmp_path: Path,
) -> None:
    log = tmp_path / "packets.csv"
    with lab(Parameters(name=fresh_name(), preset="sets", seed=3)) as hosts:
        workspace = Workspace.prepare(
            hosts, tmp_path, quick=True, rate=20_000, rate_per_host=400, concurrency=4
        )
        with hosts.watch(log=log) as watch:
            workspace.run()
        assert watch.result.dropped == 0
        assert workspace.wrong() == []
        sets = {
            tuple(sorted(e["port"] for e in hosts.truth["endpoints"] if e["address"] == address))
            for address in {h["address"] for h in hosts.truth["hosts"]}
        }
        assert len(sets) == 300

    ((swept,),) = workspace.query("SELECT max(ended) FROM tasks WHERE purpose = 'sweep'")
    ((calls,),) = workspace.query(
        "SELECT count(*) FROM tasks WHERE purpose != 'sweep' AND method != 'handshake'"
    )
    ((hosts_named, named),) = workspace.query(
        "SELECT count(DISTINCT address), count(*) FROM verdicts"
    )
    ((control_ports,),) = workspace.query(
        "SELECT max(asked) FROM (SELECT count(DISTINCT port) AS asked FROM observations o"
        " JOIN tasks t ON t.number = o.task WHERE t.purpose = 'control' GROUP BY o.address)"
    )
    methods = 3  # a SYN scan, a connect scan and a handshake
    fewest = named * methods + hosts_named * control_ports
    sent = _syns_after(log, swept)
    print(f"{sent} probes sent, {fewest} needed ({sent / fewest:.3f}), in {calls} calls of nmap")
    assert sent >= fewest * 0.99, "the capture is not what this test believes it to be"
    assert sent <= fewest * MOST
    # One call for each distinct set and method would be 600.
    assert calls < 300


def _syns_after(log: Path, moment: float) -> int:
    with log.open(newline="") as stream:
        return sum(
            float(row["time_ns"]) / 1e9 > moment and row["flags"] == "S"
            for row in csv.DictReader(stream)
        )
