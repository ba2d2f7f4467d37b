"""The ceilings hold in every second, and everybody gets a share in the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import AddressSet
from pipeline.budget import COOLING, LEAST_SHARE_OF_A_HOST, Budget, Demand, Lease
from pipeline.decide.pace import MARGIN, Ceilings
from pipeline.decide.shares import KEPT, SWEEP_SHARE, WORTH_WAITING_FOR
from pipeline.decide.throttle import Sign

HOSTS = [AddressSet.parse([text]) for text in ("192.0.2.1", "192.0.2.2", "192.0.2.3-5")]
EVERYBODY = AddressSet.parse(["192.0.2.1-5"])


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Held:
    """What one lease allowed, and from when to when."""

    lease: Lease
    start: float
    end: float
    spread: bool


@dataclass
class Schedule:
    """Leases demands in their order as soon as the budget allows, and holds each for a while."""

    ceilings: Ceilings
    bad_signs: int = 0
    clock: Clock = field(default_factory=Clock)
    held: list[Held] = field(default_factory=list)

    def run(self, wanted: Sequence[tuple[Demand, float | None]], *, at_most: int = 2000) -> None:
        """Each demand with the seconds that it takes; ``None``: as long as its lease makes it."""
        budget = Budget(self.ceilings, self.clock)
        for _ in range(self.bad_signs):
            budget.heed(Sign.LOSS)
        waiting = list(wanted)
        running: list[Held] = []
        for _ in range(at_most):
            for demand, duration in list(waiting):
                lease = budget.lease(demand)
                if lease is not None:
                    waiting.remove((demand, duration))
                    takes = demand.packets / lease.rate if duration is None else duration
                    running.append(
                        Held(lease, self.clock.now, self.clock.now + takes, demand.spread)
                    )
            if not waiting and not running:
                return
            times = [held.end for held in running]
            if (change := budget.next_change()) is not None:
                times.append(change)
            assert times, f"nothing runs and {len(waiting)} demands wait for ever"
            self.clock.now = max(self.clock.now, min(times))
            for held in [held for held in running if held.end <= self.clock.now]:
                held.lease.give_back()
                running.remove(held)
                self.held.append(held)
        raise AssertionError("the schedule does not come to an end")

    def within_a_second_of(self, moment: float) -> list[Held]:
        return [h for h in self.held if h.start <= moment and h.end > moment - COOLING]


@st.composite
def demands(draw: st.DrawFn) -> Demand:
    hosts = draw(st.sampled_from([*HOSTS, EVERYBODY]))
    to_a_host = draw(st.integers(1, 400))
    burst = draw(st.booleans())
    return Demand(
        hosts=hosts,
        packets=draw(st.integers(to_a_host, to_a_host * hosts.size)),
        packets_to_a_host=to_a_host,
        most=draw(st.sampled_from([float("inf"), 5.0, 100.0])) if not burst else float("inf"),
        sweep=not burst and draw(st.booleans()),
        burst=burst,
        spread=not burst and draw(st.booleans()),
    )


schedules = st.lists(st.tuples(demands(), st.sampled_from([0.0, 0.25, 1.0, 7.5])), max_size=15)
some_ceilings = st.builds(
    lambda rate, per_host, more: Ceilings(
        rate=max(rate, per_host),
        rate_per_host=per_host,
        rate_per_network=None if more is None else min(per_host + more, max(rate, per_host)),
        network=(31, 64),
    ),
    st.integers(1, 2000),
    st.integers(1, 100),
    st.none() | st.integers(0, 500),
)
NETWORKS = [AddressSet.parse([text]) for text in ("192.0.2.1", "192.0.2.2-3", "192.0.2.4-5")]


@given(some_ceilings, schedules, st.integers(0, 3))
@settings(max_examples=60)
def test_in_no_second_more_is_leased_than_the_ceilings_allow(
    ceilings: Ceilings, wanted: list[tuple[Demand, float]], bad_signs: int
) -> None:
    schedule = Schedule(ceilings, bad_signs)
    schedule.run(wanted)
    assert len(schedule.held) == len(wanted)
    for moment in {held.start for held in schedule.held}:
        together = schedule.within_a_second_of(moment)
        assert total(together) <= ceilings.rate * MARGIN * (1 + 1e-9)
        slowed = [held for held in together if held.lease.slowed and bad_signs]
        assert total(slowed) <= ceilings.rate * MARGIN / 2**bad_signs * (1 + 1e-9)
        for host in EVERYBODY:
            to_it = [held for held in together if host in held.lease.hosts]
            assert sum(held.lease.rate_per_host for held in to_it) <= ceilings.rate_per_host
        for network in NETWORKS if ceilings.rate_per_network is not None else ():
            there = sum(_to(network, held) for held in together)
            assert there <= ceilings.of_a_network * MARGIN * (1 + 1e-9)


def _to(network: AddressSet, held: Held) -> float:
    """What may go to a network: a tool that does not spread may send all of its rate there."""
    if not held.lease.hosts & network:
        return 0.0
    return held.lease.rate_per_network if held.spread else held.lease.rate


def total(held: Iterable[Held]) -> float:
    return sum(one.lease.rate for one in held)


@given(some_ceilings, demands())
def test_whatever_is_demanded_alone_is_leased_at_once_and_never_more_than_it_needs(
    ceilings: Ceilings, demand: Demand
) -> None:
    lease = Budget(ceilings, Clock()).lease(demand)
    assert lease is not None
    assert 0 < lease.rate <= min(demand.packets, demand.most, ceilings.rate * MARGIN)
    assert 0 < lease.rate_per_host <= min(demand.packets_to_a_host, ceilings.rate_per_host)


@given(some_ceilings, demands())
def test_what_cannot_be_slowed_down_gets_all_that_it_sends_or_all_there_is(
    ceilings: Ceilings, demand: Demand
) -> None:
    if demand.burst:
        lease = Budget(ceilings, Clock()).lease(demand)
        assert lease is not None
        most = min(ceilings.rate, ceilings.of_a_network) * MARGIN
        assert lease.rate == min(demand.packets, most)
        assert lease.rate_per_host == min(demand.packets_to_a_host, ceilings.rate_per_host)


# --- cases -------------------------------------------------------------------------------------

CEILINGS = Ceilings(rate=1000, rate_per_host=50)


def want(packets: float, *, to_a_host: float = 1, **more: object) -> Demand:
    values = {"hosts": EVERYBODY, "packets": packets, "packets_to_a_host": to_a_host, **more}
    return Demand(**values)  # type: ignore[arg-type]  # the tests name what differs


def leased(lease: Lease | None) -> tuple[float, float]:
    assert lease is not None
    return lease.rate, lease.rate_per_host


def give_back(lease: Lease | None) -> None:
    assert lease is not None
    lease.give_back()


def test_small_tasks_share_a_second() -> None:
    budget = Budget(CEILINGS, Clock())
    for _ in range(30):
        assert leased(budget.lease(want(30))) == (30, 1)
    assert budget.lease(want(30)) is None
    assert budget.leased == 900


def test_a_sweep_leaves_a_fifth_to_the_corroboration_of_others() -> None:
    budget = Budget(CEILINGS, Clock())
    assert leased(budget.lease(want(10**6, sweep=True))) == (900 * SWEEP_SHARE, 1)
    assert budget.lease(want(10**6, sweep=True)) is None
    rate, _ = leased(budget.lease(want(10**6)))
    assert round(rate, 6) == 180


def test_of_the_fifth_that_a_sweep_leaves_others_may_have_some_already() -> None:
    for others, left in ((100, 720), (180, 720), (450, 450)):
        budget = Budget(CEILINGS, Clock())
        budget.lease(want(others))
        assert leased(budget.lease(want(10**6, sweep=True)))[0] == pytest.approx(left)


def test_a_long_sweep_waits_for_half_of_what_it_could_have_alone() -> None:
    clock = Clock()
    budget = Budget(CEILINGS, clock)
    small = [budget.lease(want(100)) for _ in range(6)]
    assert budget.lease(want(10**6, sweep=True)) is None
    assert leased(budget.lease(want(5000, sweep=True, most=100)))[0] == 100
    give_back(small[0])
    clock.now = COOLING
    assert budget.lease(want(10**6, sweep=True)) is None
    give_back(small[1])
    clock.now += COOLING
    assert leased(budget.lease(want(10**6, sweep=True)))[0] == pytest.approx(400)


def test_while_a_long_sweep_waits_others_leave_it_what_it_waits_for() -> None:
    clock = Clock()
    budget = Budget(CEILINGS, clock)
    first, second = budget.lease(want(450, burst=True)), budget.lease(want(300))
    assert budget.lease(want(10**6, sweep=True)) is None
    give_back(second)
    clock.now = COOLING
    assert budget.lease(want(100, burst=True)) is None
    assert leased(budget.lease(want(10**6, sweep=True)))[0] == pytest.approx(450)
    give_back(first)
    clock.now = 2 * COOLING
    assert leased(budget.lease(want(450, burst=True)))[0] == 450


def test_a_sweep_that_asks_no_more_keeps_nobody_waiting() -> None:
    clock = Clock()
    budget = Budget(CEILINGS, clock)
    budget.lease(want(600))
    assert budget.lease(want(10**6, sweep=True)) is None
    assert budget.lease(want(300, burst=True)) is None
    clock.now = KEPT
    assert leased(budget.lease(want(300, burst=True)))[0] == 300


def test_while_a_sweep_runs_the_next_one_keeps_nobody_waiting() -> None:
    """Else sweeps would follow each other, and what cannot be slowed down would come last."""
    clock = Clock()
    budget = Budget(CEILINGS, clock)
    first = budget.lease(want(10**6, sweep=True))
    assert budget.lease(want(10**6, sweep=True)) is None
    give_back(first)
    clock.now = COOLING
    assert leased(budget.lease(want(800, burst=True)))[0] == 800


def test_a_sweep_waits_for_its_network_and_others_of_the_network_for_it() -> None:
    budget = Budget(Ceilings(rate=10_000, rate_per_host=500, rate_per_network=1000), Clock())
    elsewhere = AddressSet.parse(["198.51.100.7"])
    assert leased(budget.lease(want(600, hosts=HOSTS[0], spread=True)))[0] == 600
    assert budget.lease(want(10**5, hosts=HOSTS[2], spread=True, sweep=True)) is None
    assert budget.lease(want(50, hosts=HOSTS[1], spread=True)) is None
    assert leased(budget.lease(want(600, hosts=elsewhere, spread=True)))[0] == 600


@given(
    some_ceilings, st.lists(demands(), max_size=6), st.integers(2, 10**6), st.sampled_from(HOSTS)
)
def test_no_long_sweep_begins_with_less_than_half_of_what_it_gets_alone(
    ceilings: Ceilings, others: list[Demand], packets: int, hosts: AddressSet
) -> None:
    sweep = want(packets, hosts=hosts, sweep=True, spread=True)
    alone = Budget(ceilings, Clock()).lease(sweep)
    beside = Budget(ceilings, Clock())
    for other in others:
        beside.lease(other)
    got = beside.lease(sweep)
    assert alone is not None
    if got is not None and packets > ceilings.of_a_network * MARGIN:
        for mine, whole in (
            (got.rate, alone.rate),
            (got.rate_per_network, alone.rate_per_network),
        ):
            assert mine >= WORTH_WAITING_FOR * whole * (1 - 1e-9)


def test_sweeps_come_to_an_end_beside_probes_that_never_cease_and_the_probes_beside_them() -> None:
    """Twelve sweeps of a minute each at the whole share, and probes of up to half of the rate."""
    schedule = Schedule(CEILINGS)
    probes = [
        (want(packets, to_a_host=50, hosts=AddressSet.parse([f"198.51.100.{n}"]), burst=True), 8.0)
        for n in range(1, 251)
        for packets in (70, 450)
    ]
    sweeps = [
        (want(43_200, hosts=AddressSet.parse([f"192.0.2.{n}"]), sweep=True, spread=True), None)
        for n in range(12)
    ]
    schedule.run([*probes, *sweeps])
    ended = [held for held in schedule.held if held.lease.sweep]
    assert len(ended) == 12
    assert len(schedule.held) == 512
    assert max(held.end - held.start for held in ended) <= 60 / WORTH_WAITING_FOR + 1
    done = sorted(held.end for held in schedule.held if not held.lease.sweep)
    # Neither waits for the other: half of the probes are through before half of the sweeps, and
    # the last of the sweeps before the last of the probes.
    assert done[250] < sorted(held.end for held in ended)[5]
    assert max(held.end for held in ended) < done[-1]


def test_a_short_sweep_may_take_the_whole_second() -> None:
    assert leased(Budget(CEILINGS, Clock()).lease(want(900, sweep=True))) == (900, 1)


def test_a_burst_waits_until_all_that_it_sends_is_free() -> None:
    clock = Clock()
    budget = Budget(CEILINGS, clock)
    first = budget.lease(want(500))
    assert first is not None
    assert budget.lease(want(450, burst=True)) is None
    first.give_back()
    clock.now = COOLING
    assert leased(budget.lease(want(450, burst=True))) == (450, 1)


def test_a_burst_waits_until_the_host_is_free() -> None:
    budget = Budget(CEILINGS, Clock())
    budget.lease(want(10, to_a_host=10, hosts=HOSTS[0]))
    assert budget.lease(want(45, to_a_host=45, hosts=HOSTS[0], burst=True)) is None
    assert leased(budget.lease(want(45, to_a_host=45, hosts=HOSTS[1], burst=True))) == (45, 45)


def test_a_lease_counts_for_a_second_after_it_was_given_back() -> None:
    clock = Clock()
    budget = Budget(CEILINGS, clock)
    lease = budget.lease(want(900))
    assert lease is not None
    assert budget.next_change() is None
    clock.now = 10.0
    lease.give_back()
    clock.now = 10.5
    lease.give_back()
    assert budget.next_change() == 11.0
    assert budget.seconds_until(11.0) == 0.5
    assert (budget.leased, budget.lease(want(900))) == (900, None)
    clock.now = 11.0
    assert budget.leased == 0
    assert leased(budget.lease(want(900))) == (900, 1)


def test_hosts_that_nobody_else_asks_have_their_own_ceiling() -> None:
    budget = Budget(CEILINGS, Clock())
    assert leased(budget.lease(want(60, to_a_host=60, hosts=HOSTS[0])))[1] == 50
    assert budget.lease(want(60, to_a_host=60, hosts=HOSTS[0])) is None
    assert leased(budget.lease(want(60, to_a_host=60, hosts=HOSTS[1])))[1] == 50


def test_a_share_of_a_host_too_small_for_a_handshake_is_not_leased() -> None:
    budget = Budget(CEILINGS, Clock())
    budget.lease(want(36, to_a_host=36, hosts=HOSTS[0]))
    assert 50 * LEAST_SHARE_OF_A_HOST == 15
    assert budget.lease(want(30, to_a_host=30, hosts=HOSTS[0])) is None
    assert leased(budget.lease(want(14, to_a_host=14, hosts=HOSTS[0])))[1] == 14


def test_two_tasks_in_one_network_share_what_it_may_get_and_others_do_not_wait() -> None:
    budget = Budget(Ceilings(rate=1000, rate_per_host=50, rate_per_network=100), Clock())
    elsewhere = AddressSet.parse(["198.51.100.7"])
    assert leased(budget.lease(want(60, hosts=HOSTS[0], spread=True)))[0] == 60
    assert leased(budget.lease(want(60, hosts=HOSTS[1])))[0] == 30
    assert budget.lease(want(60, hosts=HOSTS[2], spread=True)) is None
    assert leased(budget.lease(want(60, hosts=elsewhere)))[0] == 60


def test_after_a_bad_sign_all_that_runs_together_keeps_to_the_share() -> None:
    clock = Clock()
    budget = Budget(Ceilings(rate=1000, rate_per_host=1000), clock)
    hosts = [AddressSet.parse([f"192.0.2.{n}"]) for n in range(8)]
    budget.heed(Sign.LOSS)
    budget.heed(Sign.LOSS)
    sweep = Demand(hosts=hosts[0], packets=9000, packets_to_a_host=900, sweep=True)
    small = [Demand(hosts=each, packets=90, packets_to_a_host=90) for each in hosts[1:]]
    leases = [lease for each in (sweep, *small) if (lease := budget.lease(each))]
    assert len(leases) == 2
    assert sum(lease.rate for lease in leases) == pytest.approx(1000 * MARGIN / 4)
    for lease in leases:
        lease.give_back()
    clock.now += COOLING
    assert budget.lease(small[-1]) is not None


def test_after_a_bad_sign_a_long_sweep_waits_for_most_of_the_share() -> None:
    clock = Clock()
    budget = Budget(Ceilings(rate=1000, rate_per_host=1000), clock)
    budget.heed(Sign.LOSS)
    small = budget.lease(Demand(hosts=HOSTS[0], packets=200, packets_to_a_host=200))
    assert small is not None
    sweep = Demand(hosts=HOSTS[2], packets=9000, packets_to_a_host=3000, sweep=True)
    assert budget.lease(sweep) is None
    small.give_back()
    clock.now += COOLING
    lease = budget.lease(sweep)
    assert lease is not None
    assert lease.rate == pytest.approx(1000 * MARGIN / 2 * SWEEP_SHARE)


def test_a_sweep_is_slowed_in_what_it_can_use_and_not_in_what_one_host_may_get() -> None:
    """Packets to one host go with its rate; a bound below that would slow it far more."""
    budget = Budget(Ceilings(rate=6000, rate_per_host=200), Clock())
    sweep = Demand(
        hosts=HOSTS[0], packets=90_000, packets_to_a_host=90_000, most=1600, sweep=True, spread=True
    )
    budget.heed(Sign.LOSS)
    budget.heed(Sign.LOSS)
    lease = budget.lease(sweep)
    assert lease is not None
    assert (lease.rate, lease.rate_per_host) == (400, 200)
