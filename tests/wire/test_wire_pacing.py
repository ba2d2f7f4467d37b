"""Rates hold in every second, in total and for each address, whatever the clock does."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from ipaddress import IPv4Address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.addresses import AddressSet
from pipeline.scope import Scope
from pipeline.wire import PACKETS_PER_HANDSHAKE, Pacer
from pipeline.wire.pacing import Order

HOSTS = [IPv4Address("10.0.0.1") + n for n in range(8)]


class Clock:
    """Time that passes only while somebody sleeps, a little longer than asked for, or stalls."""

    def __init__(self, late: list[float] | None = None) -> None:
        self.now = 1_000_000.0
        self._late = late or [0.0]
        self._sleeps = 0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds + self._late[self._sleeps % len(self._late)]
        self._sleeps += 1


def most_in_a_second(times: list[float]) -> int:
    """The most events in any window of one second, half open."""
    return max(bisect_left(times, start + 1) - place for place, start in enumerate(times))


def take_turns(
    pacer: Pacer, clock: Clock, hosts: list[IPv4Address]
) -> list[tuple[float, IPv4Address]]:
    async def take() -> list[tuple[float, IPv4Address]]:
        taken = []
        for host in hosts:
            await pacer.turn(host)
            taken.append((clock.now, host))
        return taken

    return asyncio.run(take())


rates = st.floats(0.5, 20_000, allow_nan=False)
lateness = st.lists(st.floats(0, 3), min_size=1, max_size=5)


@given(rates, rates, lateness, st.lists(st.sampled_from(HOSTS), min_size=1, max_size=60))
def test_no_second_has_more_handshakes_than_the_rates_allow(
    rate: float, rate_per_host: float, late: list[float], hosts: list[IPv4Address]
) -> None:
    clock = Clock(late)
    pacer = Pacer(rate, rate_per_host, clock=clock, sleep=clock.sleep)
    taken = take_turns(pacer, clock, hosts)
    # Below one handshake a second there is one at most, and several seconds between two.
    assert most_in_a_second([t for t, _ in taken]) <= max(1, rate // PACKETS_PER_HANDSHAKE)
    for host in set(hosts):
        times = [t for t, h in taken if h == host]
        assert most_in_a_second(times) <= max(1, rate_per_host // PACKETS_PER_HANDSHAKE)
        for before, after in pairwise(times):
            assert after - before >= min(PACKETS_PER_HANDSHAKE / rate_per_host, 1 / 2000)


def test_the_hosts_of_a_network_share_its_turns() -> None:
    clock = Clock([0.0])
    pacer = Pacer(30_000, 30_000, rate_per_network=30, clock=clock, sleep=clock.sleep)
    near = [IPv4Address(f"192.0.2.{n}") for n in range(1, 6)]
    times = [t for t, _ in take_turns(pacer, clock, near)]
    assert most_in_a_second(times) == 2
    far = [IPv4Address(f"198.51.{n}.1") for n in range(1, 6)]
    times = [t for t, _ in take_turns(pacer, clock, far)]
    assert most_in_a_second(times) == 5


def test_a_low_rate_means_several_seconds_between_two_handshakes() -> None:
    clock = Clock()
    pacer = Pacer(PACKETS_PER_HANDSHAKE / 4, clock=clock, sleep=clock.sleep)
    times = [t for t, _ in take_turns(pacer, clock, HOSTS[:3])]
    assert times[1] - times[0] == pytest.approx(4, rel=1e-3)
    assert times[2] - times[1] == pytest.approx(4, rel=1e-3)


def test_after_a_stall_nothing_is_caught_up() -> None:
    clock = Clock()
    pacer = Pacer(10 * PACKETS_PER_HANDSHAKE, clock=clock, sleep=clock.sleep)
    take_turns(pacer, clock, HOSTS[:2])
    clock.now += 60
    times = [t for t, _ in take_turns(pacer, clock, HOSTS)]
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps == pytest.approx([0.1] * 7, rel=1e-3)


def test_one_pacer_holds_for_several_callers_at_once() -> None:
    clock = Clock()
    pacer = Pacer(10 * PACKETS_PER_HANDSHAKE, clock=clock, sleep=clock.sleep)
    times: list[float] = []

    async def caller(host: IPv4Address) -> None:
        for _ in range(10):
            await pacer.turn(host)
            times.append(clock.now)
            await asyncio.sleep(0)

    async def together() -> None:
        await asyncio.gather(*map(caller, HOSTS))

    asyncio.run(together())
    assert len(times) == 80
    assert most_in_a_second(times) <= 10


def test_while_one_host_must_wait_the_others_have_their_turn() -> None:
    clock = Clock()
    pacer = Pacer(40 * PACKETS_PER_HANDSHAKE, PACKETS_PER_HANDSHAKE, clock=clock, sleep=clock.sleep)
    targets = list(Scope(included=AddressSet.parse(["10.0.0.1-10.0.0.4"])).targets())

    async def all_of_them() -> list[tuple[str, int]]:
        order = Order([(target, port) for target in targets for port in (22, 80)], pacer)
        taken = []
        while order:
            target, port = await order.next()
            taken.append((str(target), port))
        return taken

    taken = asyncio.run(all_of_them())
    assert taken[:4] == [(str(target), 22) for target in targets]
    assert taken[4:] == [(str(target), 80) for target in targets]
    assert clock.now - 1_000_000 == pytest.approx(1.075, rel=1e-2)


def test_while_one_network_must_wait_the_others_have_their_turn() -> None:
    clock = Clock()
    ten = 10 * PACKETS_PER_HANDSHAKE
    pacer = Pacer(30 * ten, 30 * ten, rate_per_network=ten, clock=clock, sleep=clock.sleep)
    scope = Scope(included=AddressSet.parse(["10.0.0.0/28", "10.0.1.0/28", "10.0.2.0/28"]))

    async def all_of_them() -> list[tuple[float, str]]:
        order = Order([(target, 22) for target in scope.targets()], pacer)
        taken = []
        while order:
            target, _ = await order.next()
            taken.append((clock.now, str(target)[:6]))
        return taken

    taken = asyncio.run(all_of_them())
    assert len(taken) == 48
    assert clock.now - 1_000_000 == pytest.approx(15 / 10, rel=0.1), "all three at once"
    for network in ("10.0.0", "10.0.1", "10.0.2"):
        assert most_in_a_second([when for when, where in taken if where == network]) <= 10


def test_hosts_that_were_asked_long_ago_are_forgotten() -> None:
    clock = Clock()
    pacer = Pacer(1_000_000, 1_000_000, clock=clock, sleep=clock.sleep)
    take_turns(pacer, clock, [IPv4Address(n) for n in range(10_000)])
    assert len(pacer._next_of) <= 1024


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_that_sends_nothing_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="sends nothing"):
        Pacer(rate)
    with pytest.raises(ValueError, match="sends nothing"):
        Pacer(1000, rate)
