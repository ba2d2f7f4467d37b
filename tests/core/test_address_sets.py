"""Sets of addresses, against a naive model: a Python set of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.addresses import (
    AddressSet,
    address_at,
    looks_like_address,
    number_of,
    parse_address,
    parse_range,
)

V6 = 1 << 32
LAST = V6 + (1 << 128) - 1

# Windows around every edge of the number line, small enough for a set of numbers to hold them.
WINDOWS = (
    (0, 40),  # 0.0.0.0
    (V6 - 40, V6 - 1),  # 255.255.255.255
    (V6, V6 + 40),  # ::
    (V6 + (1 << 96), V6 + (1 << 96) + 40),
    (LAST - 40, LAST),  # all ones
)


@st.composite
def _ranges(draw: st.DrawFn) -> tuple[int, int]:
    low, high = draw(st.sampled_from(WINDOWS))
    ends = sorted((draw(st.integers(low, high)), draw(st.integers(low, high))))
    return ends[0], ends[1]


lists = st.lists(_ranges(), max_size=8)
sets = lists.map(AddressSet.of)
many = st.sets(st.integers(0, 300), max_size=200)
places = st.sampled_from(WINDOWS).flatmap(lambda window: st.integers(*window))


def _numbers(ranges: Iterable[tuple[int, int]]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


def _is_tidy(addresses: AddressSet) -> bool:
    """Sorted, disjoint, within one family each, and adjacent only across the families."""
    ranges = addresses.ranges
    return all(first <= last and (last < V6 or first >= V6) for first, last in ranges) and all(
        left[1] + 1 < right[0] or (left[1] == V6 - 1 and right[0] == V6)
        for left, right in pairwise(ranges)
    )


@given(lists)
def test_a_set_holds_exactly_the_addresses_of_its_ranges(
    ranges: list[tuple[int, int]],
) -> None:
    found = AddressSet.of(ranges)
    assert _numbers(found.ranges) == _numbers(ranges)
    assert found.size == len(_numbers(ranges)) == len(found)
    assert _is_tidy(found)


@given(lists.flatmap(lambda ranges: st.tuples(st.just(ranges), st.permutations(ranges))))
def test_the_order_of_the_ranges_does_not_matter(
    orders: tuple[list[tuple[int, int]], list[tuple[int, int]]],
) -> None:
    assert AddressSet.of(orders[0]) == AddressSet.of(orders[1])


@given(sets, sets)
def test_the_algebra_is_that_of_sets(one: AddressSet, other: AddressSet) -> None:
    left, right = _numbers(one.ranges), _numbers(other.ranges)
    for found, wanted in (
        (one | other, left | right),
        (one & other, left & right),
        (one - other, left - right),
    ):
        assert _numbers(found.ranges) == wanted
        assert _is_tidy(found)
    assert (one <= other) == (left <= right)
    assert bool(one) == bool(left)


@given(many, many)
def test_the_algebra_holds_for_sets_of_many_ranges_and_for_few_among_many(
    one: set[int], other: set[int]
) -> None:
    left, right = (AddressSet.of((n, n) for n in numbers) for numbers in (one, other))
    assert _numbers((left - right).ranges) == one - other
    assert _numbers((left & right).ranges) == one & other
    assert _is_tidy(left - right)
    assert _is_tidy(left & right)


@given(sets, places)
def test_membership_is_that_of_the_model(addresses: AddressSet, place: int) -> None:
    assert (address_at(place) in addresses) == (place in _numbers(addresses.ranges))


@given(sets)
def test_iteration_gives_every_address_once_in_numeric_order(addresses: AddressSet) -> None:
    assert [number_of(found) for found in addresses] == sorted(_numbers(addresses.ranges))


@given(sets)
def test_what_a_set_prints_it_reads_again(addresses: AddressSet) -> None:
    assert AddressSet.parse(addresses.texts()) == addresses


@given(sets)
def test_the_networks_cover_the_set_exactly_and_never_overlap(addresses: AddressSet) -> None:
    networks = addresses.networks()
    assert AddressSet.parse(networks) == addresses
    assert sum(ip_network(text).num_addresses for text in networks) == addresses.size


@given(sets, st.integers(1, 50))
def test_slices_partition_the_set_in_order(addresses: AddressSet, size: int) -> None:
    slices = list(addresses.slices(size))
    assert [number for part in slices for number in sorted(_numbers(part.ranges))] == sorted(
        _numbers(addresses.ranges)
    )
    assert all(part.size == size for part in slices[:-1])
    assert all(0 < part.size <= size and _is_tidy(part) for part in slices[-1:])


@given(sets)
def test_the_families_part_the_set_in_two(addresses: AddressSet) -> None:
    four, six = addresses.family(4), addresses.family(6)
    assert four | six == addresses
    assert not four & six
    assert all(address.version == 4 for address in four)
    assert all(address.version == 6 for address in six)


@given(places)
def test_an_address_and_its_number_are_one(place: int) -> None:
    address = address_at(place)
    assert number_of(address) == place
    assert parse_address(str(address)) == address
    assert parse_range(str(address)) == (place, place)


@given(st.ip_addresses(), st.ip_addresses())
def test_addresses_sort_by_family_and_then_by_number(
    one: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address
) -> None:
    wanted = (one.version, int(one)) < (other.version, int(other))
    assert (number_of(one) < number_of(other)) == wanted


@given(st.text(alphabet="0123456789abcdef.:-/% ٣", max_size=40))
def test_any_text_is_a_range_or_a_sentence(text: str) -> None:
    try:
        first, last = parse_range(text)
    except ValueError as problem:
        assert str(problem)  # noqa: PT017 - either outcome is right
    else:
        assert 0 <= first <= last <= LAST
        assert looks_like_address(text)


def test_two_ranges_that_begin_at_the_first_ipv6_address_are_one() -> None:
    found = AddressSet.parse(["::/120", "::/112", "::"])
    assert found.texts() == ("::-::ffff",)
    assert found.size == 65536


def test_the_last_ipv4_address_and_the_first_ipv6_address_are_not_neighbours() -> None:
    found = AddressSet.parse(["255.255.255.255", "::"])
    assert found.texts() == ("255.255.255.255", "::")


def test_a_hole_inside_a_network_stays_a_hole() -> None:
    found = AddressSet.parse(["10.0.0.0/24"]) - AddressSet.parse(["10.0.0.4/30"])
    assert found.networks() == (
        "10.0.0.0/30", "10.0.0.8/29", "10.0.0.16/28", "10.0.0.32/27", "10.0.0.64/26",
        "10.0.0.128/25",
    )  # fmt: skip


def test_whole_families_count_right() -> None:
    assert AddressSet.parse(["0.0.0.0/0"]).size == 2**32
    assert AddressSet.parse(["::/0"]).size == 2**128


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("10.0.0.7", "10.0.0.7", "10.0.0.7"),
        ("10.0.0.0/30", "10.0.0.0", "10.0.0.3"),
        ("10.0.0.5-10.0.1.2", "10.0.0.5", "10.0.1.2"),
        ("10.0.0.5-9", "10.0.0.5", "10.0.0.9"),
        ("10.0.0.5 - 10.0.0.9", "10.0.0.5", "10.0.0.9"),
        ("2001:db8::/126", "2001:db8::", "2001:db8::3"),
        ("2001:db8::1-2001:db8::ff", "2001:db8::1", "2001:db8::ff"),
    ],
)
def test_addresses_networks_and_ranges_are_read(text: str, first: str, last: str) -> None:
    assert looks_like_address(text)
    assert parse_range(text) == (number_of(ip_address(first)), number_of(ip_address(last)))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("10.1", "not an IP address"),
        ("010.0.0.1", "not an IP address"),
        ("10.0.0.256", "not an IP address"),
        ("10.0.0.٣", "not an IP address"),
        ("10.0.0.1/24", "write 10.0.0.0/24 for the network or 10.0.0.1 for the address"),
        ("10.0.0.0/33", "not a network"),
        ("10.0.0.0/255.255.255.0", "prefix length"),
        ("10.0.0.0/0.0.0.255", "prefix length"),
        ("10.0.0.0/", "prefix length"),
        ("10.0.0.0/8/8", "prefix length"),
        ("10.0.0.9-10.0.0.1", "ends before it begins"),
        ("10.0.0.1-::1", "one address family"),
        ("10.0.0.1-", "not an IP address"),
        ("fe80::1%eth0", "zone identifier"),
        (":::", "not an IPv6 address"),
        ("", "not an IP address"),
    ],
)
def test_a_text_that_is_no_range_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_range(text)


@pytest.mark.parametrize("text", ["www.example.com", "host-10", "10-0-0-1.example.com", "x"])
def test_host_names_do_not_look_like_addresses(text: str) -> None:
    assert not looks_like_address(text)


@pytest.mark.parametrize("number", [-1, LAST + 1])
def test_there_is_no_address_off_the_line(number: int) -> None:
    with pytest.raises(ValueError):
        address_at(number)


def test_a_slice_needs_room() -> None:
    with pytest.raises(ValueError, match="at least one address"):
        next(AddressSet.parse(["10.0.0.1"]).slices(0))
