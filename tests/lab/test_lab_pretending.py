"""Hosts, and boxes before them, that complete handshakes where nothing is."""

from __future__ import annotations

import time

import pytest

from fixtures.lab import Lab
from tests.lab.difficult import (
    BLOCK_SECONDS,
    Scanned,
    endpoints,
    heard,
    hosts,
    nmap,
    others,
    pairs,
    talk,
)

pytestmark = pytest.mark.lab
FAMILIES = pytest.mark.parametrize("family", [0, 1])
CALM = 0.05


def test_a_syn_proxy_completes_every_handshake_and_then_the_host_resets(difficult: Lab) -> None:
    (host,) = hosts(difficult, "syn-proxy")
    mine, unlisted = pairs(endpoints(difficult, "syn-proxy")), others(difficult, host, 4)
    assert heard(difficult, mine) == {"data"}
    assert heard(difficult, unlisted) == {"reset"}
    ports = [port for _address, port in [*mine, *unlisted]]
    found = nmap(difficult, str(host.address), ports)
    # One hop nearer than the host.
    assert found == dict.fromkeys(ports, Scanned("open", "syn-ack", 64))


@FAMILIES
def test_a_tarpit_takes_every_handshake_and_acknowledges_nothing(
    difficult: Lab, family: int
) -> None:
    host = hosts(difficult, "tarpit")[family]
    asked = [(str(host.address), port) for port in (22, 443, 64999)]
    assert heard(difficult, asked) == {"unacknowledged"}
    ports = [port for _address, port in asked]
    found = nmap(difficult, str(host.address), ports)
    assert found == dict.fromkeys(ports, Scanned("open", "syn-ack", 63))


@FAMILIES
def test_an_all_open_host_has_one_silent_listener_behind_all_but_its_services(
    difficult: Lab, family: int
) -> None:
    host = hosts(difficult, "all-open")[family]
    mine = pairs(e for e in endpoints(difficult, "all-open") if e.address == host.address)
    assert heard(difficult, mine) == {"data"}
    assert heard(difficult, [*others(difficult, host, 4), (str(host.address), 64999)]) == {
        "acknowledged"
    }


@FAMILIES
def test_a_deceiving_host_shows_a_fast_source_every_port_open_for_a_while(
    difficult: Lab, family: int
) -> None:
    host = hosts(difficult, "deceiving")[family]
    mine = pairs(e for e in endpoints(difficult, "deceiving") if e.address == host.address)
    closed = others(difficult, host, 3)
    assert heard(difficult, mine, pause=CALM) == {"data"}
    assert heard(difficult, closed, pause=CALM) == {"refused"}
    # Thirty at once are not too many, when nobody has asked for a second.
    time.sleep(1.0)
    assert heard(difficult, others(difficult, host, 30)) == {"refused"}
    began = time.monotonic()
    talk(difficult, others(difficult, host, 45), patience=0.3)
    assert heard(difficult, closed + mine[:3], pause=CALM) == {"acknowledged"}
    time.sleep(max(0.0, began + BLOCK_SECONDS + 0.7 - time.monotonic()))
    assert heard(difficult, mine, pause=CALM) == {"data"}
    assert heard(difficult, closed, pause=CALM) == {"refused"}


@FAMILIES
def test_a_proxy_on_the_path_answers_for_web_ports_from_one_hop_nearer(
    difficult: Lab, family: int
) -> None:
    host = hosts(difficult, "transparent-proxy")[family]
    found = [e for e in endpoints(difficult, "transparent-proxy") if e.address == host.address]
    real = pairs(e for e in found if e.state == "open")
    proxied = pairs(e for e in found if e.state == "closed")
    assert {port for _address, port in proxied} == {80, 443}
    assert all("squid" in one.words for one in talk(difficult, proxied))
    assert heard(difficult, real) == {"data"}
    assert not any("squid" in one.words for one in talk(difficult, real))
    assert heard(difficult, others(difficult, host, 3)) == {"refused"}
    ttls = nmap(difficult, str(host.address), [e.port for e in found])
    assert {e.port: ttls[e.port].ttl for e in found} == {
        e.port: 63 if e.state == "open" else 64 for e in found
    }


def test_a_balanced_port_is_open_to_one_half_of_the_connections(difficult: Lab) -> None:
    found = endpoints(difficult, "load-balanced")
    assert {e.address.version for e in found} == {4, 6}
    assert all(dict(e.pattern) == {"share": 0.5} for e in found)
    for asked in pairs(found):
        words = [one.word for one in talk(difficult, [asked] * 40, pause=0.002)]
        assert set(words) == {"data", "refused"}
        assert 8 <= words.count("data") <= 32
    closed = [
        pair for host in hosts(difficult, "load-balanced") for pair in others(difficult, host, 3)
    ]
    assert heard(difficult, closed) == {"refused"}
