"""Files of assets: our own tables are strict, those of others are taken as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.decide.inventory import Entry
from pipeline.decide.risk_rules import Criticality, Zone
from pipeline.engagement import Engagement
from pipeline.errors import Mistake

Engage = Callable[[str | bytes], Engagement]
Mistakes = Callable[[str | bytes], list[Mistake]]


@pytest.fixture
def read(tmp_path: Path, sound: str, engage: Engage) -> Callable[..., tuple[Entry, ...]]:
    def write_and_read(name: str, text: str, more: str = "") -> tuple[Entry, ...]:
        (tmp_path / name).write_text(text)
        loaded = engage(f"{sound}assets: [{{file: {name}{more}}}]\n")
        return loaded.inventory.entries

    return write_and_read


@pytest.fixture
def wrong(tmp_path: Path, sound: str, mistakes: Mistakes) -> Callable[..., list[str]]:
    def write_and_complain(name: str, text: str, more: str = "") -> list[str]:
        (tmp_path / name).write_text(text)
        found = mistakes(f"{sound}assets: [{{file: {name}{more}}}]\n")
        return [str(each).removeprefix(f"{tmp_path}/") for each in found]

    return write_and_complain


def places(entries: tuple[Entry, ...]) -> list[str]:
    return [" ".join(entry.networks.texts()) or entry.hosts[0] for entry in entries]


OWN = """\
# of the network team
address;name;owner;environment;zone;criticality;expected_ports
192.0.2.10;shop;Web team;production;dmz;high;22,443,U:53
192.0.2.0/24;;Network team;;;;
www.example.com;;;;;;none
"""


@pytest.mark.parametrize("mark", [";", ",", "\t"])
def test_our_own_table_is_read_whatever_separates_its_columns(
    read: Callable[..., tuple[Entry, ...]], mark: str
) -> None:
    text = OWN.replace("22,443,U:53", '"22,443,U:53"' if mark == "," else "22,443,U:53")
    shop, network, named = read("assets.csv", text.replace(";", mark))
    assert (shop.name, shop.owner, shop.environment) == ("shop", "Web team", "production")
    assert (shop.zone, shop.criticality) == (Zone.DMZ, Criticality.HIGH)
    assert shop.expected is not None
    assert (str(shop.expected.tcp), str(shop.expected.udp)) == ("22,443", "53")
    assert network.networks.size == 256
    assert network.expected is None
    assert named.hosts == ("www.example.com",)
    assert named.expected is not None
    assert not named.expected


def test_our_own_yaml_says_the_same(read: Callable[..., tuple[Entry, ...]]) -> None:
    (shop,) = read(
        "assets.yml",
        "assets:\n  - {address: 192.0.2.10, name: shop, zone: dmz, expected_ports: [22, 'U:53']}\n",
    )
    assert (shop.name, shop.zone) == ("shop", Zone.DMZ)
    assert shop.expected is not None
    assert (str(shop.expected.tcp), str(shop.expected.udp)) == ("22", "53")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.csv", "address,zone\n192.0.2.1,lan\n", "a.csv:2:1: zone: is not known"),
        ("a.csv", "address,owner\n192.0.2.1,x\n,y\n", "a.csv:3:1: address: is missing"),
        ("a.csv", "address,team\n192.0.2.1,x\n", "a.csv:1:1: 'team' is no column here"),
        ("a.csv", "name\nshop\n", "a.csv:1:1: the heading has no column address"),
        ("a.csv", "address,expected_ports\n192.0.2.1,22,80\n", "a.csv:2:1: has 3 cells below"),
        (
            "a.csv",
            "address,expected_ports\n192.0.2.1,top:9\n",
            "a.csv:2:1: expected_ports: must name",
        ),
        ("a.csv", "address,owner\n192.0.2.1,a\x1bb\n", "a.csv:2:1: owner: must not contain"),
        (
            "a.yml",
            "assets: [{address: 192.0.2.1, team: x}]\n",
            "a.yml:1:31: assets[0].team: is not",
        ),
        ("a.csv", "address\n", "engagement.yml:16:10: assets[0]: lists nothing"),
        ("a.txt", "192.0.2.1\n", "engagement.yml:16:10: assets[0]: needs a format"),
    ],
)
def test_a_mistake_in_our_own_tables_is_told_with_its_place(
    wrong: Callable[..., list[str]], name: str, text: str, complaint: str
) -> None:
    assert wrong(name, text)[0].startswith(complaint)


def test_rows_of_others_without_address_and_name_are_counted_and_left_out(
    tmp_path: Path, sound: str, engage: Engage
) -> None:
    (tmp_path / "cmdb.csv").write_text(
        "CI,IP,Tier\nshop,192.0.2.10,Tier 1\nprinter,,Tier 3\nold,10.1,\nno name,10.1,\n"
        "laptop,192.0.2.9,gold\n"
    )
    loaded = engage(
        f"{sound}assets:\n  - file: cmdb.csv\n"
        "    columns: {address: IP, name: CI, criticality: Tier}\n"
        "    words: {criticality: {tier 1: high}}\n"
    )
    assert places(loaded.inventory.entries) == ["192.0.2.10", "printer", "old", "192.0.2.9"]
    assert loaded.inventory.entries[0].criticality is Criticality.HIGH
    (source,) = loaded.inventory.sources
    assert source.note == (
        "1 of 5 rows without an address or a name; "
        "words that mean nothing here: 'Tier 3' (1) and 'gold' (1)"
    )


def test_a_column_that_is_named_and_not_there_is_a_mistake(wrong: Callable[..., list[str]]) -> None:
    (said,) = wrong("cmdb.csv", "IP,CI\n192.0.2.1,x\n", ", columns: {address: IP, owner: Team}")
    assert "has no column 'Team', which columns.owner names" in said


def test_leases_that_ended_are_left_out_and_the_last_one_of_an_address_counts(
    read: Callable[..., tuple[Entry, ...]],
) -> None:
    text = (
        '#TYPE Lease\n"IPAddress","HostName","AddressState"\n'
        '"192.0.2.130","old.example.com","Active"\n"192.0.2.131","gone","Expired"\n'
        '"192.0.2.130","laptop-17.example.com","ActiveReservation"\n'
    )
    found = read("leases.csv", text, ", format: dhcp")
    assert [(places(found)[0], found[0].name)] == [("192.0.2.130", "laptop-17.example.com")]


def test_only_records_of_addresses_count(read: Callable[..., tuple[Entry, ...]]) -> None:
    text = (
        "HostName,RecordType,RecordData\nshop,A,192.0.2.10\nshop,AAAA,2001:db8::10\n"
        "alias,CNAME,shop\n"
    )
    assert places(read("zone.csv", text, ", format: dns")) == ["192.0.2.10", "2001:db8::10"]


INI = """\
; everything
lone.example.com ansible_host=192.0.2.1
[web]
web[01:03].example.com:2222 owner="Web team"  # three of them
[web:vars]
zone=dmz
owner=nobody
secret={{ vault_owner }}
[site:children]
web
[site:vars]
zone=internal
environment=production
"""


def test_an_inventory_of_ansible_in_ini_is_followed_as_ansible_does(
    read: Callable[..., tuple[Entry, ...]],
) -> None:
    lone, *web = read("hosts.ini", INI)
    assert places((lone,)) == ["192.0.2.1"]
    assert lone.name == "lone.example.com"
    assert [entry.hosts[0] for entry in web] == [f"web0{n}.example.com" for n in (1, 2, 3)]
    assert {(e.owner, e.zone, e.environment) for e in web} == {("Web team", Zone.DMZ, "production")}


def test_an_inventory_of_ansible_in_yaml_says_the_same(
    read: Callable[..., tuple[Entry, ...]],
) -> None:
    text = (
        "all:\n  vars: {environment: production}\n  hosts:\n    lone: {ansible_host: 192.0.2.1}\n"
        "  children:\n    web:\n      hosts:\n        web1.example.com:\n"
        "        web2.example.com:\n"
        "      vars: {owner: Web team, zone: dmz, token: !vault x}\n"
    )
    lone, *web = read("hosts.yml", text, ", format: ansible")
    assert (places((lone,)), lone.environment) == (["192.0.2.1"], "production")
    assert [(e.hosts[0], e.owner, e.zone) for e in web] == [
        ("web1.example.com", "Web team", Zone.DMZ),
        ("web2.example.com", "Web team", Zone.DMZ),
    ]


def test_groups_that_are_their_own_children_come_to_an_end(
    read: Callable[..., tuple[Entry, ...]],
) -> None:
    (found,) = read("hosts.ini", "[a]\n192.0.2.1\n[a:children]\nb\n[b:children]\na\n")
    assert places((found,)) == ["192.0.2.1"]


def test_a_range_without_end_is_refused(wrong: Callable[..., list[str]]) -> None:
    (said,) = wrong("hosts.ini", "[a]\nweb[1:999999999]\n")
    assert "names more than 100,000 hosts" in said


def test_sources_keep_their_order_and_their_hashes(
    tmp_path: Path, sound: str, engage: Engage
) -> None:
    (tmp_path / "a.csv").write_text("address\n192.0.2.1\n")
    (tmp_path / "b.csv").write_text("address\n192.0.2.2\n192.0.2.3\n")
    loaded = engage(f"{sound}assets: [{{file: b.csv}}, {{file: a.csv}}]\n")
    assert [(s.name, s.entries, len(s.sha256)) for s in loaded.inventory.sources] == [
        ("b.csv", 2, 64),
        ("a.csv", 1, 64),
    ]
    assert [entry.source for entry in loaded.inventory.entries] == [0, 0, 1]
