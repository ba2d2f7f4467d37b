"""Random samples of what was asked and not called open."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.addresses import AddressSet, address_at, number_of
from pipeline.decide.negatives import Negatives
from pipeline.model import Endpoint, Method, Protocol, Rectangle
from pipeline.ports import PortSet
from tests.decide.making import endpoints

BASE = number_of(Endpoint.parse("192.0.2.0:1").address)


def asked(at: str, ports: str, protocol: Protocol = Protocol.TCP) -> Rectangle:
    return Rectangle(
        Method.MASSCAN_SYN, protocol, AddressSet.parse(at.split()), PortSet.parse(ports)
    )


def listed(rectangles: list[Rectangle]) -> set[Endpoint]:
    return {
        Endpoint(address, rectangle.protocol, port)
        for rectangle in rectangles
        for address in rectangle.addresses
        for port in rectangle.ports
    }


spans = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 4)).map(lambda s: (s[0], s[0] + s[1])), max_size=3
)


@st.composite
def rectangles(draw: st.DrawFn) -> Rectangle:
    return Rectangle(
        draw(st.sampled_from([Method.MASSCAN_SYN, Method.NMAP_SYN])),
        draw(st.sampled_from(Protocol)),
        AddressSet.of((BASE + first, BASE + last) for first, last in draw(spans)),
        PortSet.from_ranges((1 + first, 1 + last) for first, last in draw(spans)),
    )


@st.composite
def anywhere(draw: st.DrawFn) -> Endpoint:
    return Endpoint(
        address_at(BASE + draw(st.integers(0, 18))),
        draw(st.sampled_from(Protocol)),
        draw(st.integers(1, 18)),
    )


@given(st.lists(rectangles(), max_size=6), st.lists(anywhere(), max_size=30))
def test_every_negative_has_one_number_and_nothing_else_has_any(
    seen: list[Rectangle], without: list[Endpoint]
) -> None:
    negatives = Negatives(seen, without)
    left = listed(seen) - set(without)
    numbered = [negatives.at(number) for number in range(negatives.size)]
    assert len(numbered) == len(left)
    assert set(numbered) == left


@given(
    st.lists(rectangles(), max_size=6),
    st.lists(anywhere(), max_size=30),
    st.integers(0, 60),
    st.integers(0, 1 << 64),
)
def test_a_sample_is_of_different_negatives_and_the_seed_draws_it_again(
    seen: list[Rectangle], without: list[Endpoint], count: int, seed: int
) -> None:
    negatives = Negatives(seen, without)
    drawn = negatives.sample(count, seed)
    assert len(set(drawn)) == len(drawn) == min(count, negatives.size)
    assert set(drawn) <= listed(seen) - set(without)
    assert list(drawn) == sorted(drawn)
    again = Negatives(list(reversed(seen)), list(reversed(without)))
    assert again.sample(count, seed) == drawn


def test_every_set_of_negatives_is_drawn_equally_often() -> None:
    """Over 12,000 seeds, each of 35 sets is expected 343 times, give or take 18 (one sigma)."""
    negatives = Negatives([asked("192.0.2.1-192.0.2.4", "1-2")], endpoints("192.0.2.2:1"))
    left = [negatives.at(number) for number in range(7)]
    drawn = Counter(negatives.sample(3, seed) for seed in range(12_000))
    assert set(drawn) == set(combinations(sorted(left), 3))
    deviation = sum((count - 12_000 / 35) ** 2 / (12_000 / 35) for count in drawn.values())
    # The 99.9 % point of chi-square with 34 degrees of freedom is 65.2.
    assert deviation < 65.2


def test_a_sample_comes_from_all_of_a_large_scope() -> None:
    negatives = Negatives([asked("10.0.0.0/12", "1-65535")])
    drawn = negatives.sample(4000, 1)
    for part in range(4):
        low = number_of(drawn[0].address) >> 20 << 20
        inside = sum((number_of(e.address) - low) >> 18 == part for e in drawn)
        assert 850 < inside < 1150
    assert 850 < sum(e.port <= 16384 for e in drawn) < 1150


def test_what_two_sweeps_asked_twice_is_not_likelier_to_be_drawn() -> None:
    twice = [asked("192.0.2.0-192.0.2.9", "1-10"), asked("192.0.2.5-192.0.2.9", "6-20")]
    negatives = Negatives(twice)
    assert negatives.size == 100 + 5 * 10
    drawn = Counter(endpoint for seed in range(3000) for endpoint in negatives.sample(1, seed))
    doubly = sum(n for e, n in drawn.items() if e in listed(twice[:1]) & listed(twice[1:]))
    assert 400 < doubly < 600


def test_ipv6_networks_are_sampled_without_being_listed() -> None:
    negatives = Negatives([asked("2001:db8::/64", "22,443")], endpoints("[2001:db8::7]:22"))
    assert negatives.size == 2 * 2**64 - 1
    drawn = negatives.sample(50, 3)
    assert len(drawn) == 50
    assert {e.port for e in drawn} == {22, 443}
    assert negatives.at(negatives.size - 1).port == 443


def test_another_seed_draws_others() -> None:
    negatives = Negatives([asked("10.0.0.0/16", "1-1000")])
    assert negatives.sample(20, 1) != negatives.sample(20, 2)


@pytest.mark.parametrize("number", [-1, 4])
def test_there_is_no_endpoint_without_a_number(number: int) -> None:
    negatives = Negatives([asked("192.0.2.1-192.0.2.2", "1-2")])
    with pytest.raises(IndexError, match="no negative number"):
        negatives.at(number)


def test_a_sample_of_less_than_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be drawn"):
        Negatives([]).sample(-1, 1)
    assert Negatives([]).sample(5, 1) == ()
