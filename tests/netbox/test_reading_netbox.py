"""An inventory out of NetBox: read only, whole, bounded, and never astray with the token."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.addresses import parse_address
from pipeline.decide.assets import Assets
from pipeline.decide.inventory import AssetSource, Entry, Inventory
from pipeline.decide.risk_rules import Criticality, Zone
from pipeline.errors import Error
from pipeline.netbox import session
from pipeline.netbox.reading import read_netbox
from pipeline.netbox.settings import NetboxSettings
from pipeline.secret import Secret
from tests.netbox.fake import TOKEN, FakeNetbox, Row, choice, named

HOSTILE = "<script>\x1b[2J\u202e\n=cmd|' /C calc'!A0"


def address(number: int, text: str, **more: Any) -> Row:
    usual: Row = {
        "id": number,
        "address": text,
        "status": choice("active"),
        "tenant": None,
        "role": None,
        "dns_name": "",
        "assigned_object": None,
        "custom_fields": {},
        "tags": [],
    }
    return usual | more


def on(kind: str, number: int, name: str) -> Row:
    return {"id": 100 + number, "name": "eth0", kind: named(number, name)}


def objects() -> dict[str, list[Row]]:
    device = {
        "id": 1,
        "name": "shop",
        "tenant": named(1, "Web team"),
        "site": named(2, "Zurich"),
        "role": named(3, "server"),
        "status": choice("active"),
        "custom_fields": {"criticality": "high", "expected_ports": "22,443", "Segment": "DMZ"},
    }
    machine = {
        "id": 1,
        "name": HOSTILE,
        "tenant": named(4, "Data team"),
        "custom_fields": {"criticality": {"value": "low", "label": "Low"}},
    }
    return {
        "ipam/ip-addresses": [
            address(1, "192.0.2.10/24", assigned_object=on("device", 1, "shop")),
            address(
                2,
                "2001:db8::10/64",
                assigned_object=on("virtual_machine", 1, "vm"),
                tenant=named(9, "Own"),
                role=choice("vip"),
            ),
            address(3, "192.0.2.30/24", dns_name="printer.example.com"),
            address(4, "192.0.2.40/24", status=choice("deprecated"), dns_name="gone.example.com"),
            address(5, HOSTILE, dns_name=HOSTILE, custom_fields={"criticality": ["x", {}]}),
        ],
        "ipam/prefixes": [
            {
                "id": 1,
                "prefix": "192.0.2.0/24",
                "status": choice("active"),
                "tenant": named(5, "Network team"),
                "scope_type": "dcim.site",
                "scope": named(2, "Zurich"),
                "custom_fields": {"expected_ports": None},
            },
            {"id": 2, "prefix": "192.0.0.0/16", "status": choice("container")},
        ],
        "dcim/devices": [device],
        "virtualization/virtual-machines": [machine],
    }


@pytest.fixture
def netbox() -> Iterator[FakeNetbox]:
    with FakeNetbox(objects()) as fake:
        yield fake


@pytest.fixture
def token(tmp_path: Path) -> Secret:
    (tmp_path / "token").write_text(TOKEN + "\n")
    return Secret(file=tmp_path / "token")


def read(netbox: FakeNetbox, token: Secret, **more: Any) -> tuple[AssetSource, tuple[Entry, ...]]:
    settings = NetboxSettings(url=netbox.url, token=token, **more)
    return read_netbox(settings, clock=lambda: 0.0)


def test_addresses_have_the_names_of_their_hosts_and_networks_their_owners(
    netbox: FakeNetbox, token: Secret
) -> None:
    source, entries = read(
        netbox,
        token,
        columns={"zone": "Segment"},
    )
    assert (source.name, source.kind, source.entries) == ("127.0.0.1", "netbox", 4)
    assert source.note == "1 of 5 rows without an address or a name"
    assets = Assets(Inventory(sources=(source,), entries=entries), {})
    shop = assets.of(parse_address("192.0.2.10"))
    assert (shop.name, shop.owner, shop.environment) == ("shop", "Web team", "Zurich")
    assert (shop.zone, shop.criticality) == (Zone.DMZ, Criticality.HIGH)
    assert shop.expected is not None
    assert str(shop.expected.tcp) == "22,443"
    machine = assets.of(parse_address("2001:db8::10"))
    assert (machine.owner, machine.criticality) == ("Own", Criticality.LOW)
    assert "\x1b" not in machine.name
    printer = assets.of(parse_address("192.0.2.30"))
    assert (printer.name, printer.owner) == ("printer.example.com", "Network team")
    assert assets.of(parse_address("192.0.2.40")).name == ""


def test_what_is_asked_is_only_read_page_by_page_and_filtered(
    netbox: FakeNetbox, token: Secret
) -> None:
    read(netbox, token, filters=(("tenant", ("web-team", "own")),), prefixes=False)
    assert all(line.startswith("GET /api/") for line in netbox.asked)
    assert not any("ipam/prefixes" in line for line in netbox.asked)
    addresses = [line for line in netbox.asked if "ip-addresses" in line]
    assert "tenant=web-team&tenant=own" in addresses[0]
    assert "status=active&status=dhcp&status=slaac" in addresses[0]
    netbox.asked.clear()
    _, entries = read(netbox, token)
    assert len([line for line in netbox.asked if "ip-addresses" in line]) == 2
    assert len(entries) == 4


def test_the_hash_is_that_of_what_was_read(netbox: FakeNetbox, token: Secret) -> None:
    first, again = (read(netbox, token)[0].sha256 for _ in range(2))
    assert first == again
    netbox.objects["dcim/devices"][0]["tenant"] = named(1, "Another")
    assert read(netbox, token)[0].sha256 not in (first, hashlib.sha256(b"").hexdigest())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ((403, {}, b'{"detail": "token abcdef"}'), "refuses what the token may not see (403)"),
        ((401, {}, b"{}"), "does not know the token (401)"),
        ((404, {}, b"{}"), "has nothing there (404)"),
        ((500, {}, b"Traceback: secret"), "answers with an error (500)"),
        ((200, {}, b"<html>login</html>"), "answers what is no JSON (200)"),
        ((200, {}, b'{"results": 7, "next": null, "count": 1}'), "cannot be read"),
        ((200, {}, b"[" * 100_000), "cannot be read"),
        ((302, {"Location": "http://127.0.0.1:9/"}, b""), "redirects, which is not followed"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_goes_wrong_is_told_without_repeating_what_was_said(
    netbox: FakeNetbox, token: Secret, said: tuple[int, dict[str, str], bytes], told: str
) -> None:
    netbox.before = lambda _: said
    with pytest.raises(Error) as error:
        read(netbox, token)
    assert told in error.value.what
    text = f"{error.value.what} {error.value.where} {error.value.hint}"
    assert "secret" not in text
    assert TOKEN not in text
    assert "abcdef" not in text
    assert len(netbox.asked) == 1


def test_a_page_that_leads_elsewhere_gets_no_token(netbox: FakeNetbox, token: Secret) -> None:
    with FakeNetbox({}) as other:
        page = {"count": 9, "next": f"{other.url}/api/x/?offset=1", "results": [{}]}
        first = json.dumps({**page, "next": f"{netbox.url}/api/dcim/devices/?offset=1"})
        pages = itertools.chain([first], itertools.repeat(json.dumps(page)))
        netbox.before = lambda _: (200, {}, next(pages).encode())
        with pytest.raises(Error, match="leads to another server"):
            read(netbox, token)
        assert other.asked == []


def test_answers_without_an_end_are_given_up(
    netbox: FakeNetbox, token: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LARGEST", 1000)
    netbox.before = lambda _: (200, {}, b" " * 5000)
    with pytest.raises(Error, match="answers more than"):
        read(netbox, token)
    monkeypatch.undo()
    ticks = itertools.count(0, session.WITHIN)
    settings = NetboxSettings(url=netbox.url, token=token)
    netbox.before = lambda _: None
    with pytest.raises(Error, match="takes more than 300 seconds"):
        read_netbox(settings, clock=lambda: float(next(ticks)))


def test_a_token_that_is_not_there_is_asked_for_by_its_name(netbox: FakeNetbox) -> None:
    with pytest.raises(Error, match="NO_SUCH_TOKEN is not set"):
        read(netbox, Secret(env="NO_SUCH_TOKEN"))
    assert netbox.asked == []
