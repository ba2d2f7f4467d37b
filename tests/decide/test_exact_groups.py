"""Grouping asks exactly what was named, and in few calls."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from pipeline.addresses import Address
from pipeline.decide.grouping import Group, covering_groups, exact_groups, order_of
from pipeline.model import Endpoint, Protocol
from pipeline.ports import PortSet

FIRST = IPv4Address("10.80.0.0")

wanted = st.sets(
    st.builds(
        lambda host, port: Endpoint(FIRST + host, Protocol.TCP, port),
        st.integers(0, 6),
        st.integers(1, 8),
    ),
    max_size=40,
)


def asked_by(groups: tuple[Group, ...]) -> list[Endpoint]:
    return [
        Endpoint(address, Protocol.TCP, port)
        for addresses, ports in groups
        for address in addresses
        for port in ports
    ]


def sets_of_hosts(endpoints: set[Endpoint]) -> dict[Address, frozenset[int]]:
    found: dict[Address, set[int]] = defaultdict(set)
    for endpoint in endpoints:
        found[endpoint.address].add(endpoint.port)
    return {address: frozenset(ports) for address, ports in found.items()}


@given(wanted)
def test_groups_ask_every_endpoint_once_and_nothing_else(endpoints: set[Endpoint]) -> None:
    asked = asked_by(exact_groups(endpoints))
    assert len(asked) == len(set(asked))
    assert set(asked) == endpoints


@given(wanted, st.randoms(use_true_random=False))
def test_groups_depend_on_the_set_and_not_on_its_order(
    endpoints: set[Endpoint], chance: random.Random
) -> None:
    shuffled = sorted(endpoints) * 2
    chance.shuffle(shuffled)
    assert exact_groups(shuffled) == exact_groups(sorted(endpoints))


@given(wanted)
def test_there_are_never_more_groups_than_different_port_sets_or_than_ports(
    endpoints: set[Endpoint],
) -> None:
    groups = exact_groups(endpoints)
    assert len(groups) <= len(set(sets_of_hosts(endpoints).values()))
    assert len(groups) <= len({endpoint.port for endpoint in endpoints})


@given(wanted)
def test_no_other_choice_of_wide_ports_makes_fewer_calls(endpoints: set[Endpoint]) -> None:
    hosts_of: dict[int, set[Address]] = defaultdict(set)
    for endpoint in endpoints:
        hosts_of[endpoint.port].add(endpoint.address)

    def calls(threshold: int) -> int:
        wide = {port for port, hosts in hosts_of.items() if len(hosts) >= threshold}
        rests = {ports - wide for ports in sets_of_hosts(endpoints).values()}
        return len({frozenset(hosts_of[port]) for port in wide}) + len(rests - {frozenset()})

    assert len(exact_groups(endpoints)) == min(map(calls, range(1, 9)))


def test_one_port_of_many_hosts_is_one_call_whatever_else_they_have() -> None:
    endpoints = {Endpoint(FIRST + host, Protocol.TCP, 22) for host in range(50)}
    endpoints |= {Endpoint(FIRST + host, Protocol.TCP, 8000) for host in range(3)}
    endpoints |= {Endpoint(FIRST + 1, Protocol.TCP, 9000)}
    assert len(exact_groups(endpoints)) == 3


def test_hosts_with_the_same_ports_share_a_call() -> None:
    endpoints = {
        Endpoint(FIRST + host, Protocol.TCP, port) for host in range(50) for port in (22, 80, 443)
    }
    ((addresses, ports),) = exact_groups(endpoints)
    assert (addresses.size, str(ports)) == (50, "22,80,443")


def test_nothing_wanted_is_no_call() -> None:
    assert exact_groups(()) == ()


def test_the_largest_group_comes_first() -> None:
    endpoints = {Endpoint(FIRST + host, Protocol.TCP, 22) for host in range(9)}
    endpoints |= {Endpoint(FIRST + 20, Protocol.TCP, port) for port in (80, 443)}
    sizes = [
        addresses.size * len(ports)
        for addresses, ports in sorted(exact_groups(endpoints), key=order_of)
    ]
    assert sizes == [9, 2]


def test_a_thousand_hosts_with_hundreds_of_port_sets_are_grouped_in_no_time() -> None:
    chance = random.Random(4)
    sets = [tuple(chance.sample(range(1, 1001), chance.randint(1, 12))) for _ in range(300)]
    endpoints = [
        Endpoint(FIRST + host, Protocol.TCP, port)
        for host in range(1000)
        for port in chance.choice(sets)
    ]
    began = time.process_time()
    groups = exact_groups(endpoints)
    assert time.process_time() - began < 5
    assert len(groups) <= 300
    assert len(asked_by(groups)) == len(set(endpoints))


# --- groups that may ask a little more ---------------------------------------------------------

port_sets = st.dictionaries(
    st.integers(0, 20).map(lambda host: FIRST + host),
    st.one_of(
        st.sets(st.integers(1, 60), max_size=40),
        st.integers(1, 300).map(lambda last: set(range(1, last + 1))),
    ).map(PortSet.of),
    max_size=12,
)


@given(port_sets)
def test_covering_groups_ask_all_that_is_wanted_each_host_in_one_group(
    ports_of: dict[Address, PortSet],
) -> None:
    groups = covering_groups(ports_of)
    hosts = [address for addresses, _ in groups for address in addresses]
    assert len(hosts) == len(set(hosts))
    assert set(hosts) == {address for address, ports in ports_of.items() if ports}
    for addresses, ports in groups:
        for address in addresses:
            assert not ports_of[address] - ports


@given(port_sets)
def test_covering_groups_ask_little_that_is_not_wanted(ports_of: dict[Address, PortSet]) -> None:
    for addresses, ports in covering_groups(ports_of):
        asked = addresses.size * len(ports)
        spare = asked - sum(len(ports_of[address]) for address in addresses)
        assert spare <= max(asked / 10, 5 * addresses.size)
        # Nothing is asked that no host of the group wants.
        wanted_there = [ports_of[address] for address in addresses]
        assert not [port for port in ports if not any(port in some for some in wanted_there)]


@given(port_sets, st.randoms(use_true_random=False))
def test_covering_groups_depend_on_the_set_and_not_on_its_order(
    ports_of: dict[Address, PortSet], chance: random.Random
) -> None:
    items = list(ports_of.items())
    chance.shuffle(items)
    assert covering_groups(dict(items)) == covering_groups(ports_of)


def test_hosts_that_keep_silent_alike_share_a_call() -> None:
    everything = PortSet.of(range(1, 1001))
    alike: dict[Address, PortSet] = {
        FIRST + n: everything - PortSet.of([n + 1, n + 50]) for n in range(200)
    }
    assert len(covering_groups(alike)) == 1
