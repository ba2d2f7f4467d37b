"""A lab that stands: it does what its truth says, and counts what it is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from fixtures.lab import Lab, Parameters, lab

pytestmark = pytest.mark.lab
ASKING = Path(__file__).with_name("asking.py")
REPOSITORY = Path(__file__).resolve().parents[2]


TEN_DATAGRAMS = """
import socket, sys
for port in range(500, 510):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"hello", (sys.argv[1], port))
"""


def ask(lab: Lab, endpoints: list[tuple[str, int]]) -> list[str]:
    done = subprocess.run(
        lab.argv((sys.executable, str(ASKING))),
        input=json.dumps(endpoints),
        capture_output=True,
        text=True,
        check=True,
    )
    answers: list[str] = json.loads(done.stdout)
    return answers


def command_line(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "fixtures.lab", *arguments),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def named(lab: Lab) -> tuple[str, ...]:
    return ("--name", lab.parameters.name, "--state-dir", str(lab.folder.parent))


EXPECTED = {
    "dropped": {"silent"},
    # Linux tells a connecting program of ICMP port-unreachable as of a refusal.
    "ICMP port-unreachable": {"refused"},
    "ICMP admin-prohibited": {"unreachable"},
    "reset by a firewall rule": {"refused"},
}


def test_endpoints_answer_as_the_truth_says(standing: Lab) -> None:
    endpoints = standing.truth["endpoints"]
    answers = ask(standing, [(e["address"], e["port"]) for e in endpoints])
    wrong = [
        (endpoint, answer)
        for endpoint, answer in zip(endpoints, answers, strict=True)
        if answer not in EXPECTED.get(endpoint["why"], {"open"})
    ]
    assert not wrong
    assert {ip_address(e["address"]).version for e in endpoints} == {4, 6}


def test_the_rest_answers_by_its_hosts_default_and_nobody_answers_where_nobody_lives(
    standing: Lab,
) -> None:
    truth = standing.truth
    told = {(e["address"], e["port"]) for e in truth["endpoints"]}
    ports = [p for p in standing.plan.ports if p < 1000][:12]
    asked: list[tuple[str, int]] = []
    expected: list[str] = []
    words = {"closed": "refused", "filtered": "silent", "reject": "unreachable"}
    for host in truth["hosts"]:
        for port in ports:
            if (host["address"], port) not in told:
                asked.append((host["address"], port))
                expected.append(words[host["default"]])
    living = {host["address"] for host in truth["hosts"]}
    for text in truth["include"] + truth["include6"]:
        dead = next(str(a) for a in ip_network(text) if str(a) not in living)
        asked.append((dead, 22))
        expected.append("silent")
    assert ask(standing, asked) == expected


def test_counters_and_capture_count_the_same_packets(standing: Lab) -> None:
    host = next(h["address"] for h in standing.truth["hosts"] if h["class"] == "serving")
    dead = next(iter(ip_network(standing.truth["include"][0])))
    excluded = next(h["address"] for h in standing.truth["hosts"] if h["class"] == "excluded")
    unlisted = next(h["address"] for h in standing.truth["hosts"] if h["class"] == "unlisted")
    standing.reset_counters()
    assert standing.counters().from_scanner == 0
    with standing.watch() as watch:
        ask(standing, [(host, 22), (host, 1), (excluded, 1), (unlisted, 1), (unlisted, 2)])
        done = standing.exec((sys.executable, "-c", TEN_DATAGRAMS, str(dead)))
        assert done.returncode == 0
    seen, counted = watch.result, standing.counters()
    assert seen.dropped == 0
    assert seen.packets == counted.from_scanner
    assert seen.syns == counted.syns == 5
    assert (seen.to_excluded, counted.to_excluded) == (1, 1)
    assert (seen.to_unlisted, counted.to_unlisted) == (2, 2)
    assert counted.destinations == {d.address: d.packets for d in seen.destinations}
    assert counted.destinations[str(dead)] == 10 == seen.kinds["udp"]
    assert next(d.syns for d in seen.destinations if d.address == host) == {1: 1, 22: 1}
    assert seen.max_per_second >= 15


def test_labs_stand_side_by_side_and_lose_packets_as_told(
    standing: Lab, state_folder: Path, new_name: Callable[[], str]
) -> None:
    parameters = Parameters(name=new_name(), preset="tiny", seed=7, loss_percent=100)
    endpoint = next(e for e in standing.truth["endpoints"] if e["class"] == "serving")
    with lab(parameters, state_folder) as other:
        standing.reset_counters()
        assert ask(other, [(endpoint["address"], endpoint["port"])]) == ["silent"]
        assert other.counters().syns >= 1
        assert standing.counters().from_scanner == 0
    assert ask(standing, [(endpoint["address"], endpoint["port"])]) == ["open"]


def test_the_command_line_shows_runs_watches_and_counts(standing: Lab, tmp_path: Path) -> None:
    name = named(standing)
    listed = command_line("list", *name[2:])
    assert f"{standing.parameters.name}\ttiny" in listed.stdout
    assert "2 of 2 processes" in listed.stdout
    assert json.loads(command_line("truth", *name).stdout) == standing.truth
    failing = ("--", sys.executable, "-c", "raise SystemExit(7)")
    assert command_line("exec", *name, *failing).returncode == 7
    output, log = tmp_path / "watch.json", tmp_path / "log.csv"
    watching = (*("--output", str(output)), *("--log", str(log)), *("--seconds", "0.3"))
    assert command_line("watch", *name, *watching).returncode == 0
    assert json.loads(output.read_text())["packets"] == 0
    assert log.read_text() == "time_ns,destination,protocol,port,flags\n"
    assert command_line("reset-counters", *name).returncode == 0
    assert json.loads(command_line("counters", *name).stdout)["from_scanner"] == 0
    assert command_line("truth", "--name", "nosuchlab", *name[2:]).returncode == 1
    assert command_line("up", "--name", "BAD", *name[2:]).returncode == 2
