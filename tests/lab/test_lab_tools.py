"""What the real scanners make of a lab. They were started with the session: see conftest.py."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.lab.conftest import Scanned

pytestmark = pytest.mark.lab


def test_masscan_finds_what_is_open_and_ends(scanned: Scanned) -> None:
    assert scanned.masscan.wait(20) == 0
    truth = scanned.lab.truth
    included = [ip_network(text) for text in truth["include"]]
    records = [json.loads(line) for line in scanned.masscan_output.read_text().splitlines()]
    assert {(r["ip"], r["port"]) for r in records if r["rec_type"] == "status"} == {
        (e["address"], e["port"])
        for e in truth["endpoints"]
        if e["verdicts"] == ["confirmed"]
        and any(ip_address(e["address"]) in network for network in included)
    }


def test_a_version_probe_names_the_services(scanned: Scanned) -> None:
    assert scanned.nmap.wait(30) == 0
    found: dict[int, Any] = {
        int(port.get("portid", "0")): port
        for port in ET.parse(scanned.nmap_output).getroot().iter("port")
    }
    mine = {e["port"]: e for e in scanned.lab.truth["endpoints"] if e["address"] == scanned.serving}
    assert len(mine) == 8
    for number, endpoint in mine.items():
        service = found[number].find("service")
        for key, attribute in (
            ("service", "name"),
            ("product", "product"),
            ("version", "version"),
            ("tunnel", "tunnel"),
        ):
            assert service.get(attribute) == endpoint[key]
    scripts = {
        (endpoint["service"], endpoint["tunnel"], script.get("id"))
        for number, endpoint in mine.items()
        for script in found[number].iter("script")
    }
    assert ("ssh", None, "ssh-hostkey") in scripts
    assert ("http", None, "http-title") in scripts
    assert ("http", "ssl", "ssl-cert") in scripts


def test_nobody_was_asked_who_must_not_be(scanned: Scanned) -> None:
    scanned.masscan.wait(20)
    counted = scanned.lab.counters()
    assert counted.syns > 1000
    assert (counted.to_excluded, counted.to_unlisted) == (0, 0)
