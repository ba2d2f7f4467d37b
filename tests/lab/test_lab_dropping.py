"""Hosts that drop some of what they are sent, or of what they should answer."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from fixtures.lab import Lab, Parameters, lab
from fixtures.lab.classes.connection_limited import CONNECTIONS
from tests.lab.difficult import Scanned, endpoints, heard, hosts, nmap, others, pairs, talk
from tests.lab.naming import fresh_name

pytestmark = pytest.mark.lab
FAMILIES = pytest.mark.parametrize("family", [0, 1])

# Shorter than the second after which Linux sends a SYN again.
ONE_SYN = 0.6


@FAMILIES
def test_a_syn_limited_host_drops_what_is_more_than_fifty_a_second(
    difficult: Lab, family: int
) -> None:
    host = hosts(difficult, "syn-limited")[family]
    mine = pairs(e for e in endpoints(difficult, "syn-limited") if e.address == host.address)
    assert heard(difficult, mine) == {"data"}
    closed = [(str(host.address), port) for port in range(60001, 60121)]
    counted = Counter(one.word for one in talk(difficult, closed, patience=ONE_SYN))
    assert set(counted) == {"refused", "silent"}
    assert 40 <= counted["refused"] <= 75
    assert heard(difficult, closed[:50], pause=0.03) == {"refused"}


@FAMILIES
def test_an_rst_limited_host_refuses_ten_times_a_second_and_is_open_meanwhile(
    difficult: Lab, family: int
) -> None:
    host = hosts(difficult, "rst-limited")[family]
    mine = pairs(e for e in endpoints(difficult, "rst-limited") if e.address == host.address)
    closed = [(str(host.address), port) for port in range(60001, 60061)]
    found = talk(difficult, [*closed, *mine], patience=ONE_SYN)
    counted = Counter(one.word for one in found[: len(closed)])
    assert set(counted) == {"refused", "silent"}
    assert 10 <= counted["refused"] <= 20
    assert {one.word for one in found[len(closed) :]} == {"data"}


@FAMILIES
def test_a_greylisting_host_drops_the_first_syn_to_each_port_and_takes_the_second(
    difficult: Lab, family: int
) -> None:
    host = hosts(difficult, "greylisting")[family]
    mine = pairs(e for e in endpoints(difficult, "greylisting") if e.address == host.address)
    closed = others(difficult, host, 3)
    assert heard(difficult, [*mine[1:], *closed], patience=ONE_SYN) == {"silent"}
    assert heard(difficult, mine[1:]) == {"data"}
    assert heard(difficult, closed) == {"refused"}
    # Linux asks again after a second, and that is enough.
    assert heard(difficult, mine[:1], patience=2.0) == {"data"}


def test_a_connection_limited_host_drops_the_fourth_connection_to_every_other_port(
    state_folder: Path,
) -> None:
    with lab(Parameters(name=fresh_name(), preset="hasty", seed=7), state_folder) as built:
        (host, *_) = hosts(built, "connection-limited")
        mine = pairs(e for e in endpoints(built, "connection-limited") if e.address == host.address)
        limited = mine[: -(-len(mine) // 2)]  # The truth lists them first.
        for _ in range(CONNECTIONS):
            assert heard(built, mine) == {"data"}
        assert heard(built, limited, patience=ONE_SYN) == {"silent"}
        assert heard(built, mine[len(limited) :]) == {"data"}


@FAMILIES
def test_a_picky_host_answers_connect_scans_and_no_syn_scan(difficult: Lab, family: int) -> None:
    host = hosts(difficult, "picky")[family]
    mine = pairs(e for e in endpoints(difficult, "picky") if e.address == host.address)
    closed = others(difficult, host, 2)
    assert heard(difficult, mine) == {"data"}
    assert heard(difficult, closed) == {"refused"}
    ports = [port for _address, port in [*mine, *closed]]
    found = nmap(difficult, str(host.address), ports)
    assert found == dict.fromkeys(ports, Scanned("filtered", "no-response", 0))
