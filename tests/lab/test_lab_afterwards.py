"""Hosts that differ in what follows the SYN: a close, a reset, nothing, a refusal."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fixtures.lab import Lab
from fixtures.lab.processes import run
from tests.lab.difficult import Scanned, endpoints, heard, hosts, nmap, others, pairs

pytestmark = pytest.mark.lab


def closed_ports(lab: Lab, name: str) -> list[tuple[str, int]]:
    return [pair for host in hosts(lab, name) for pair in others(lab, host, 3)]


@pytest.mark.parametrize(
    ("name", "word"),
    [("wrapped", "closed"), ("rst-after-handshake", "reset"), ("full-backlog", "silent")],
)
def test_the_class_does_after_the_syn_what_its_name_says(
    difficult: Lab, name: str, word: str
) -> None:
    found = endpoints(difficult, name)
    assert {e.address.version for e in found} == {4, 6}
    assert heard(difficult, pairs(found), patience=2.0) == {word}
    assert heard(difficult, closed_ports(difficult, name)) == {"refused"}


def test_a_full_queue_stays_full_whoever_knocks_and_no_scan_sees_it(difficult: Lab) -> None:
    found = endpoints(difficult, "full-backlog")
    assert not any(e.knowable for e in found)
    for _ in range(3):
        assert heard(difficult, pairs(found) * 20, patience=0.3) == {"silent"}
    for host in hosts(difficult, "full-backlog"):
        ports = [e.port for e in found if e.address == host.address]
        silent = dict.fromkeys(ports, Scanned("filtered", "no-response", 0))
        assert nmap(difficult, str(host.address), ports) == silent


def test_a_port_that_resets_after_the_handshake_looks_open_to_a_syn_scan(difficult: Lab) -> None:
    for host in hosts(difficult, "rst-after-handshake"):
        ports = [
            e.port for e in endpoints(difficult, "rst-after-handshake") if e.address == host.address
        ]
        looks = dict.fromkeys(ports, Scanned("open", "syn-ack", 63))
        assert nmap(difficult, str(host.address), ports) == looks


def test_a_black_hole_swallows_and_the_unreachable_say_so(difficult: Lab) -> None:
    assert heard(difficult, closed_ports(difficult, "black-hole")) == {"silent"}
    assert heard(difficult, closed_ports(difficult, "unreachable")) == {"unreachable"}
    for host in hosts(difficult, "unreachable"):
        assert nmap(difficult, str(host.address), [22]) == {
            22: Scanned("filtered", "host-unreach", 63)
        }


def test_one_address_of_a_pitted_network_is_a_tarpit_and_the_others_are_as_usual(
    difficult: Lab,
) -> None:
    found = hosts(difficult, "pitted")
    pits = [host for host in found if host.default == "pretends"]
    assert sorted(host.address.version for host in pits) == [4, 6]
    asked = [(str(host.address), port) for host in pits for port in (22, 64999)]
    assert heard(difficult, asked) == {"unacknowledged"}
    assert heard(difficult, pairs(endpoints(difficult, "pitted"))) == {"data"}
    usual = [pair for host in found if host not in pits for pair in others(difficult, host, 3)]
    assert heard(difficult, usual) == {"refused"}


def test_connections_are_tracked_for_the_hosts_that_need_it_and_for_no_other(
    difficult: Lab,
) -> None:
    share = difficult.plan.share
    memory = ("blocking", "greylisting")  # of which other tests expect that nobody has asked yet
    one_each = {(e.address, e.state): e for e in share.endpoints if e.class_name not in memory}
    heard(difficult, pairs(one_each.values()))
    topology = difficult.topology
    for role, namespace in (("router", topology.router), ("target", topology.target)):
        tracked = {address.exploded for where, address in share.tracked if where == role}
        table = run(("ip", "netns", "exec", namespace, "cat", "/proc/net/nf_conntrack"))
        connections = [line.split() for line in table.splitlines() if " tcp " in line]
        assert connections
        for words in connections:
            assert {w[4:] for w in words if w.startswith(("dst=", "src="))} & tracked, words


def test_the_daemons_of_a_difficult_lab_have_nothing_to_complain_about(difficult: Lab) -> None:
    time.sleep(0.1)
    logs = sorted(Path(difficult.folder).glob("*.log"))
    assert {log.name for log in logs} >= {"serve.log", "respond.log", "webproxy.log"}
    assert {log.name: log.read_text() for log in logs} == {log.name: "" for log in logs}
