"""Sets of ports, against a naive model, and the ports that an engagement asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ports import (
    LAST_PORT,
    PortSet,
    PortSpec,
    ProtocolPorts,
    parse_ports,
    parse_spec,
)

# Both ends, and a stretch in between where ranges meet often.
ports = st.one_of(st.integers(1, 20), st.integers(65520, 65535), st.integers(1, LAST_PORT))
lists = st.lists(ports, max_size=30)
sets = lists.map(PortSet.of)


def _is_tidy(found: PortSet) -> bool:
    return all(first <= last for first, last in found.ranges) and all(
        left[1] + 1 < right[0] for left, right in zip(found.ranges, found.ranges[1:], strict=False)
    )


@given(lists)
def test_a_set_holds_exactly_its_ports_in_order(given_ports: list[int]) -> None:
    found = PortSet.of(given_ports)
    assert list(found) == sorted(set(given_ports))
    assert len(found) == len(set(given_ports))
    assert bool(found) == bool(given_ports)
    assert _is_tidy(found)


@given(sets, sets)
def test_the_algebra_is_that_of_sets(one: PortSet, other: PortSet) -> None:
    left, right = set(one), set(other)
    for found, wanted in (
        (one | other, left | right),
        (one & other, left & right),
        (one - other, left - right),
    ):
        assert set(found) == wanted
        assert _is_tidy(found)


@given(sets, st.integers(-1, 65537))
def test_membership_is_that_of_the_model(found: PortSet, port: int) -> None:
    assert (port in found) == (port in set(found))


@given(sets.filter(bool))
def test_what_a_set_prints_it_reads_again(found: PortSet) -> None:
    assert PortSet.parse(str(found)) == found


@given(sets, st.integers(0, LAST_PORT))
def test_what_a_specification_prints_it_reads_again(explicit: PortSet, top: int) -> None:
    spec = PortSpec(explicit=explicit, top=top)
    if explicit or top:
        assert parse_spec(str(spec)) == spec


specs = st.builds(PortSpec, explicit=sets, top=st.integers(0, LAST_PORT))


@given(specs, specs)
def test_what_both_protocols_ask_for_prints_and_is_read_again(tcp: PortSpec, udp: PortSpec) -> None:
    found = ProtocolPorts(tcp=tcp, udp=udp)
    if tcp or udp:
        assert parse_ports(str(found)) == found


@given(st.builds(ProtocolPorts, tcp=specs, udp=specs), st.builds(ProtocolPorts, tcp=specs))
def test_asking_for_two_things_is_asking_for_both(one: ProtocolPorts, other: ProtocolPorts) -> None:
    both = one | other
    table = range(1, 100)
    for left, right, together in ((one.tcp, other.tcp, both.tcp), (one.udp, other.udp, both.udp)):
        assert together.resolve(table) == left.resolve(table) | right.resolve(table)


@pytest.mark.parametrize(
    ("text", "tcp", "udp"),
    [
        ("T:22,80,U:53,161", "22,80", "53,161"),
        ("22,80,U:53", "22,80", "53"),
        ("U:53,T:22,u:161, t:80", "22,80", "53,161"),
        ("U: 53", "", "53"),
        ("U:top:20,T:all", "all", "top:20"),
        ("U:-100,all", "", "all"),
        ("T:443", "443", ""),
    ],
)
def test_a_letter_holds_until_the_next_one(text: str, tcp: str, udp: str) -> None:
    found = parse_ports(text)
    assert (str(found.tcp), str(found.udp)) == (tcp, udp)


@given(sets, st.lists(ports, unique=True, max_size=30), st.integers(0, 40))
def test_a_specification_means_its_ports_and_the_most_frequent_ones(
    explicit: PortSet, by_frequency: list[int], top: int
) -> None:
    found = PortSpec(explicit=explicit, top=top).resolve(by_frequency)
    assert set(found) == set(explicit) | set(by_frequency[:top])


@given(st.text(alphabet="0123456789-,:TUtopalS ٣", max_size=20))
def test_any_text_is_a_specification_or_a_sentence(text: str) -> None:
    try:
        found = parse_ports(text)
    except ValueError as problem:
        assert str(problem)  # noqa: PT017 - either outcome is right
    else:
        assert found.tcp or found.udp
        for spec in (found.tcp, found.udp):
            assert all(first >= 1 and last <= LAST_PORT for first, last in spec.explicit.ranges)


@pytest.mark.parametrize(
    ("text", "explicit", "top"),
    [
        ("22", "22", 0),
        ("22,80,8000-8100", "22,80,8000-8100", 0),
        ("80, 22 ,81", "22,80-81", 0),
        ("-100", "1-100", 0),
        ("all", "1-65535", 0),
        ("top:1000,8443", "8443", 1000),
        ("top:10,top:20", "", 20),
    ],
)
def test_ports_are_read_as_nmap_writes_them(text: str, explicit: str, top: int) -> None:
    spec = parse_spec(text)
    assert str(spec.explicit) == explicit
    assert spec.top == top


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0", "port 0 does not exist"),
        ("65536", "port 65536 does not exist"),
        ("0-10", "port 0 does not exist"),
        ("80-", "write 80-65535"),
        ("90-80", "ends before it begins"),
        ("80,,90", "a port is missing"),
        ("", "a port is missing"),
        ("-", "not a port"),
        ("http", "not a port"),
        ("٨٠", "not a port"),
        ("1-2-3", "not a port"),
        ("U:53", "here only the port"),
        ("22, t:80", "here only the port"),
        ("22:22", "only T .TCP., U .UDP. and top"),
        ("top:0", "write top:"),
        ("top:65536", "write top:"),
        ("top:", "write top:"),
        ("100000", "not a port"),
    ],
)
def test_what_is_no_port_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_spec(text)
