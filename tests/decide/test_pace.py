"""How fast a sweep may go: figures that were measured, and ceilings that hold by simulation."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import AddressSet
from pipeline.decide.pace import (
    MARGIN,
    RISK,
    SECONDS_PER_SLICE,
    Ceilings,
    batch_size,
    hosts_for_full_rate,
    masscan_probes,
    masscan_rate,
    mean_below,
    probes_below,
    sweep_rate,
    sweep_rate_over,
)

some_ceilings = st.tuples(st.integers(2, 100_000), st.integers(2, 2_000)).map(
    lambda pair: Ceilings(rate=max(pair), rate_per_host=min(pair))
)


def chance_of_more(ceiling: int, probes: int, hosts: int) -> float:
    """The exact probability that one host gets more than ``ceiling`` of these probes."""
    share = 1 / hosts
    below = sum(
        math.comb(probes, k) * share**k * (1 - share) ** (probes - k) for k in range(ceiling + 1)
    )
    return max(0.0, 1.0 - below)


@pytest.mark.parametrize("ceiling", [1, 2, 3, 5, 10, 25])
@pytest.mark.parametrize("hosts", [1, 2, 3, 10, 100])
def test_the_risk_of_a_host_above_its_ceiling_is_as_small_as_promised(
    ceiling: int, hosts: int
) -> None:
    probes = math.ceil(mean_below(ceiling, hosts) * hosts - 1e-6)
    assert probes >= 1
    if hosts > 1:
        # What a sum of floating point numbers cannot tell from nothing counts as nothing.
        assert chance_of_more(ceiling, probes, hosts) <= RISK + 1e-12
    else:
        assert probes <= ceiling


@pytest.mark.parametrize(("ceiling", "hosts"), [(1, 2), (2, 8), (5, 2), (5, 40), (25, 100)])
def test_no_host_is_above_its_ceiling_in_any_of_two_thousand_seconds(
    ceiling: int, hosts: int
) -> None:
    chance = random.Random(ceiling * 1000 + hosts)
    probes = math.ceil(mean_below(ceiling, hosts) * hosts - 1e-6)
    worst = max(max(Counter(chance.choices(range(hosts), k=probes)).values()) for _ in range(2000))
    assert worst <= ceiling


@given(st.integers(1, 500), st.integers(2, 5000))
def test_a_higher_ceiling_allows_more_and_more_hosts_never_allow_less_in_all(
    ceiling: int, hosts: int
) -> None:
    assert mean_below(ceiling, hosts) <= mean_below(ceiling + 1, hosts)
    assert mean_below(ceiling, hosts) < ceiling
    fewer = (hosts - 1) * mean_below(ceiling, hosts - 1)
    assert hosts * mean_below(ceiling, hosts) >= fewer * (1 - 1e-9)


def test_one_host_alone_gets_its_ceiling_and_nobody_gets_none() -> None:
    assert mean_below(25, 1) == 25
    with pytest.raises(ValueError, match="at least one probe"):
        mean_below(0, 10)
    with pytest.raises(ValueError, match="one host"):
        mean_below(10, 0)


@given(some_ceilings, st.integers(1, 100_000))
def test_a_sweep_stays_below_both_ceilings_on_average(ceilings: Ceilings, hosts: int) -> None:
    packets = sweep_rate(hosts, ceilings) * 2
    assert 0 < packets <= ceilings.rate * MARGIN + 1e-9
    assert packets / hosts <= ceilings.rate_per_host


def test_a_ceiling_of_less_than_one_probe_a_second_slows_the_whole_sweep_down() -> None:
    ceilings = Ceilings(rate=100, rate_per_host=1)
    assert sweep_rate(10, ceilings) == pytest.approx(1 / 3)


@given(some_ceilings)
@settings(max_examples=40)
def test_with_enough_hosts_and_not_with_fewer_a_sweep_goes_at_the_full_rate(
    ceilings: Ceilings,
) -> None:
    full = ceilings.rate * MARGIN / 2
    enough = hosts_for_full_rate(ceilings)
    assert enough == 1 << 22 or sweep_rate(enough, ceilings) >= full
    if enough > 1:
        assert sweep_rate(enough - 1, ceilings) < full


@given(some_ceilings, st.integers(1, 65_535), st.integers(1, 4))
@settings(max_examples=40)
def test_a_batch_takes_a_minute_or_as_many_hosts_as_the_full_rate_needs(
    ceilings: Ceilings, ports: int, passes: int
) -> None:
    size = batch_size(ports, ceilings, passes=passes)
    enough = hosts_for_full_rate(ceilings)
    seconds = size * ports * passes / (ceilings.rate * MARGIN / 2)
    assert size >= enough
    assert size == max(enough, 1) or seconds <= SECONDS_PER_SLICE


def test_a_batch_of_few_ports_has_many_hosts() -> None:
    ceilings = Ceilings(rate=10_000, rate_per_host=50)
    many = batch_size(10, ceilings, passes=2)
    few = batch_size(65_535, ceilings, passes=2)
    assert many == 13_500
    assert few == hosts_for_full_rate(ceilings)


@pytest.mark.parametrize(
    ("rate", "probes"), [(1_000, 27_600), (10_000, 45_600), (100_000, 225_600)]
)
def test_masscan_sends_as_many_probes_as_were_measured(rate: int, probes: int) -> None:
    assert masscan_probes(12_800, rate, 1) == probes


def test_without_retries_masscan_sends_each_probe_once() -> None:
    assert masscan_probes(12_800, 100_000, 0) == 12_800


@given(st.integers(1, 10**7), st.floats(0.1, 10**6), st.integers(0, 10))
def test_a_short_scan_is_slowed_down_so_that_its_retries_do_not_multiply(
    endpoints: int, allowed: float, retries: int
) -> None:
    rate = masscan_rate(endpoints, allowed, retries)
    assert 0 < rate <= allowed
    if rate > 10:
        assert masscan_probes(endpoints, rate, retries) <= 2 * endpoints * (retries + 1) + 1


# --- networks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ceiling", "some", "hosts"), [(5, 2, 8), (20, 10, 25), (100, 256, 1000)])
def test_no_network_is_above_its_ceiling_in_any_of_five_hundred_seconds(
    ceiling: int, some: int, hosts: int
) -> None:
    chance = random.Random(ceiling)
    probes = probes_below(ceiling, some, hosts)
    worst = max(
        sum(host < some for host in chance.choices(range(hosts), k=probes)) for _ in range(500)
    )
    assert 0 < worst <= ceiling


def test_a_sweep_of_one_network_gets_what_a_network_may_get_and_one_of_several_more() -> None:
    ceilings = Ceilings(rate=10_000, rate_per_host=100, rate_per_network=200)
    one = sweep_rate_over(AddressSet.parse(["192.0.2.0/24"]), ceilings)
    assert one == pytest.approx(200 * MARGIN / 2 / 1.3, abs=1)
    four = sweep_rate_over(AddressSet.parse(["198.18.0.0/22"]), ceilings)
    assert one < four < 4 * one
    wide = Ceilings(rate=10_000, rate_per_host=100, rate_per_network=200, network=(22, 64))
    assert sweep_rate_over(AddressSet.parse(["198.18.0.0/22"]), wide) == one


@given(st.integers(0, 2**32 - 1), st.integers(0, 5000), st.integers(8, 32))
def test_the_busiest_network_is_counted_as_counting_each_address_would(
    first: int, more: int, prefix: int
) -> None:
    some = AddressSet(((first, min(2**32 - 1, first + more)),))
    each = Counter(int(address) >> (32 - prefix) for address in some)
    found = Ceilings(rate=9, rate_per_host=9, network=(prefix, 64)).in_busiest(some)
    assert found == max(each.values())
