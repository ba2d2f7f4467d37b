"""What is decided before the first packet: hosts, endpoints, truth, rules. No lab needed."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest

from fixtures.lab import PRESETS, Parameters, make
from fixtures.lab import rules as rule_texts
from fixtures.lab.classes import CLASSES
from fixtures.lab.model import Rhythm
from fixtures.lab.plan import port_list, regions, truth
from fixtures.lab.services import BY_NAME
from fixtures.lab.topology import Topology

BASE = Parameters(name="plan")
OUTSIDE = ("excluded", "unlisted")
presets = pytest.mark.parametrize("preset", sorted(PRESETS))


@presets
def test_the_same_parameters_make_the_same_lab_byte_for_byte(preset: str) -> None:
    parameters = replace(BASE, preset=preset, seed=42)
    one, other = make(parameters), make(parameters)
    assert json.dumps(truth(one)) == json.dumps(truth(other))
    assert rule_texts.router(one) == rule_texts.router(other)
    assert rule_texts.target(one) == rule_texts.target(other)


def test_another_seed_makes_another_lab() -> None:
    assert make(BASE).share.endpoints != make(replace(BASE, seed=2)).share.endpoints


def test_a_class_is_the_same_whatever_other_classes_a_preset_has() -> None:
    demo, sets = make(BASE), make(replace(BASE, preset="sets"))
    assert {e.class_name for e in sets.share.endpoints} == {"differing"}
    assert "differing" in {e.class_name for e in demo.share.endpoints}


def test_regions_of_classes_do_not_overlap_and_leave_the_networks_edges_alone() -> None:
    homes = regions(BASE.seed)
    assert list(homes) == [kind.name for kind in CLASSES]
    networks = [region.in4(BASE.subnet) for region in homes.values()]
    networks6 = [region.in6(BASE.prefix6) for region in homes.values()]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(networks, 2))
    assert not any(a.overlaps(b) for a, b in itertools.combinations(networks6, 2))
    assert all(n.subnet_of(BASE.subnet) and n[0] != BASE.subnet[0] for n in networks)


def test_the_seed_decides_where_a_class_without_a_region_of_its_own_lives() -> None:
    one, other = regions(1), regions(2)
    floating = [kind.name for kind in CLASSES if kind.region is None]
    assert sum(one[name] != other[name] for name in floating) > len(floating) // 2
    assert all(one[kind.name] == kind.region for kind in CLASSES if kind.region)


def test_every_class_has_a_name_a_sentence_and_hosts_in_some_preset() -> None:
    assert len({kind.name for kind in CLASSES}) == len(CLASSES)
    assert all(kind.sentence for kind in CLASSES)
    built = {
        host.class_name
        for preset in PRESETS
        for host in make(replace(BASE, preset=preset)).share.hosts
    }
    assert built == {kind.name for kind in CLASSES}


@presets
def test_truth_is_about_living_hosts_and_ports_worth_scanning(preset: str) -> None:
    plan = make(replace(BASE, preset=preset))
    share = plan.share
    living = {host.address for host in share.hosts}
    assert len(living) == len(share.hosts)
    assert all(e.address in living and e.port in plan.ports for e in share.endpoints)
    assert len({(e.address, e.protocol, e.port) for e in share.endpoints}) == len(share.endpoints)
    assert {(e.address, e.port) for e in plan.open_endpoints if e.protocol == "tcp"} == {
        (i.address, i.port) for i in share.listeners
    }
    assert not any(i.address in living for i in share.backstage)
    assert all(listener.service in BY_NAME for listener in share.listeners)


@presets
def test_only_hosts_of_the_scope_may_be_reported(preset: str) -> None:
    known = truth(make(replace(BASE, preset=preset)))

    def inside(address: str, key: str) -> bool:
        found = (ip_network(text) for text in known[key])
        return any(
            ip_address(address) in n for n in found if n.version == ip_address(address).version
        )

    for endpoint in known["endpoints"]:
        key = "include6" if ":" in endpoint["address"] else "include"
        allowed = (
            inside(endpoint["address"], key)
            and not inside(endpoint["address"], "exclude")
            and not inside(endpoint["address"], "unlisted")
        )
        assert allowed == (endpoint["verdicts"] != ["absent"])
        if allowed:
            assert ("confirmed" in endpoint["verdicts"]) <= (endpoint["state"] == "open")


@presets
def test_what_is_open_and_can_be_known_may_be_confirmed_and_may_not_go_unsaid(preset: str) -> None:
    plan = make(replace(BASE, preset=preset))
    for endpoint in plan.open_endpoints:
        if endpoint.class_name not in OUTSIDE and endpoint.knowable and endpoint.steady:
            assert "confirmed" in endpoint.verdicts
            assert not {"absent", "refuted", "artefact"} & set(endpoint.verdicts)


@presets
def test_what_changes_says_how_and_what_does_not_has_no_pattern(preset: str) -> None:
    for endpoint in make(replace(BASE, preset=preset)).share.endpoints:
        assert endpoint.steady == (not endpoint.pattern)
        assert endpoint.steady or endpoint.state == "open"


@presets
def test_no_port_that_the_truth_does_not_list_may_be_called_open(preset: str) -> None:
    for host in make(replace(BASE, preset=preset)).share.hosts:
        assert not {"confirmed", "likely"} & set(host.verdicts)
        silence = {"absent"} if host.class_name in OUTSIDE else {"absent", "refuted", "filtered"}
        assert silence <= set(host.verdicts)
        assert (host.class_name in OUTSIDE) == (host.verdicts == ("absent",))
        assert (host.default == "pretends") <= ("artefact" in host.verdicts)


@presets
def test_another_seed_moves_hosts_and_ports_of_every_class(preset: str) -> None:
    shares = [make(replace(BASE, preset=preset, seed=seed)).share for seed in range(4)]
    for name in PRESETS[preset].counts:
        kinds = {
            frozenset((h.address, None) for h in share.hosts if h.class_name == name)
            | {(e.address, e.port) for e in share.endpoints if e.class_name == name}
            for share in shares
        }
        assert len(kinds) > 1, name


def test_a_rhythm_is_on_for_its_share_of_every_period() -> None:
    rhythm = Rhythm(period=40.0, duty=0.25, phase=13.0)
    beats = [rhythm.is_on(1_000_000_000 + tenth / 10) for tenth in range(1200)]
    assert sum(beats) == 300
    assert sum(a != b for a, b in itertools.pairwise(beats)) in (5, 6)
    assert beats[:800] == beats[400:]
    for tenth, beat in enumerate(beats):
        now = 1_000_000_000 + tenth / 10
        change = now + rhythm.until_change(now)
        assert rhythm.is_on(change - 0.01) == beat
        assert rhythm.is_on(change + 0.01) != beat


def test_difficult_services_flap_in_every_rhythm_there_is() -> None:
    found = make(replace(BASE, preset="difficult")).share.endpoints
    for name in ("flapping", "limited-flapping"):
        rhythms = [dict(e.pattern) for e in found if e.class_name == name]
        assert {r["period"] for r in rhythms} == {4.0, 15.0, 40.0, 120.0}
        assert {r["duty"] for r in rhythms} == {0.1, 0.5, 0.9}


def test_an_exclusion_cuts_an_included_network_and_a_neighbour_touches_it() -> None:
    known = truth(make(BASE))
    included = [ip_network(text) for text in known["include"]]
    excluded = next(IPv4Network(t) for t in known["exclude"] if ":" not in t)
    unlisted = next(IPv4Network(t) for t in known["unlisted"] if ":" not in t)
    assert any(isinstance(n, IPv4Network) and excluded.subnet_of(n) for n in included)
    assert excluded.broadcast_address + 1 == unlisted.network_address


def test_differing_hosts_all_differ() -> None:
    plan = make(replace(BASE, preset="sets"))
    by_host: dict[object, set[int]] = {}
    for endpoint in plan.open_endpoints:
        by_host.setdefault(endpoint.address, set()).add(endpoint.port)
    assert len(by_host) == 300
    assert len({frozenset(ports) for ports in by_host.values()}) == 300
    assert {len(ports) for ports in by_host.values()} == {3, 4, 5, 6}


def test_truth_says_how_to_ask_an_endpoint_and_whether_it_can_be_known_and_stays() -> None:
    plan = make(replace(BASE, preset="tiny"))
    first = next(e for e in plan.share.endpoints if e.verdicts == ("confirmed",))
    changing = replace(
        first, protocol="udp", knowable=False, steady=False, pattern=(("period", 4.0),)
    )
    told = truth(replace(plan, share=replace(plan.share, endpoints=(changing, first))))["endpoints"]
    keys = ("protocol", "knowable", "steady", "pattern")
    assert [tuple(e[key] for key in keys) for e in told] == [
        ("tcp", True, True, {}),
        ("udp", False, False, {"period": 4.0}),
    ]


@pytest.mark.parametrize("preset", ["demo", "sets"])
def test_presets_are_of_a_size_that_scans_quickly(preset: str) -> None:
    plan = make(replace(BASE, preset=preset))
    included = sum(n.num_addresses for n in plan.share.include if n.version == 4)
    assert included * len(plan.ports) <= 32_000
    assert 60 <= len(plan.ports) <= 120


def test_a_tiny_lab_has_fewer_than_ten_hosts() -> None:
    assert len(make(replace(BASE, preset="tiny")).share.hosts) < 10


@pytest.mark.parametrize(
    "subnet", ["10.0.0.0/16", "198.18.0.0/16", "198.19.0.0/16", "172.31.0.0/16"]
)
def test_transit_networks_lie_outside_the_labs_own(subnet: str) -> None:
    topology = Topology.of(replace(BASE, subnet=IPv4Network(subnet)))
    transits = (topology.scanner_transit, topology.target_transit)
    assert not any(t.overlaps(IPv4Network(subnet)) for t in transits)
    assert not transits[0].overlaps(transits[1])


def test_ipv6_transit_networks_lie_outside_the_labs_own() -> None:
    for prefix6 in ("fd00:80::/64", "fd01::/16", "fd01:a50::/48"):
        topology = Topology.of(replace(BASE, prefix6=IPv6Network(prefix6)))
        transits = (topology.scanner_transit6, topology.target_transit6)
        assert not any(t.overlaps(IPv6Network(prefix6)) for t in transits)


def test_interface_names_fit_the_kernel() -> None:
    topology = Topology.of(replace(BASE, name="abcdefghijkl"))
    names = (
        topology.scanner_interface,
        topology.router_interface,
        topology.router_target_interface,
        topology.target_interface,
    )
    assert all(len(name) <= 15 for name in names)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Bad"},
        {"name": "thirteenchars"},
        {"name": "a/b"},
        {"name": ""},
        {"preset": "none"},
        {"subnet": IPv4Network("10.80.0.0/24")},
        {"prefix6": IPv6Network("fd00::/120")},
        {"loss_percent": 101.0},
    ],
)
def test_parameters_that_make_no_lab_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        make(replace(BASE, **wrong))  # type: ignore[arg-type]  # the point of the test


def test_loss_is_a_rule_each_way_and_family_after_the_counting() -> None:
    text = rule_texts.router(make(replace(BASE, loss_percent=2.5)))
    assert text.count("numgen random mod 10000 < 250 drop") == 4
    assert text.index("priority -400") < text.index("counter name from_scanner")
    assert "numgen" not in rule_texts.router(make(BASE))


def test_ports_are_written_in_nmaps_syntax() -> None:
    assert port_list((80, 22, 23, 21, 443, 444)) == "21-23,80,443-444"
