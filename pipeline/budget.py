"""The rate budget: packets per second, leased to what runs and taken back when it ends.

Ceilings hold in every second: ``rate`` over everything that is sent, ``rate_per_host`` over what
one host gets, and ``rate_per_network``, where there is one, over what all hosts of a network get. A
task says what it would send in all, in total and to one host; where that is less than a second's
worth, the lease is no larger, so that many small tasks share a second. A lease counts for one more
second after it was given back, because its last packets do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.addresses import AddressSet, widened
from pipeline.decide.pace import MARGIN, Ceilings
from pipeline.decide.shares import KEPT, Waiting, is_long, least_for_a_sweep, left_by_a_sweep
from pipeline.decide.throttle import Manners, Sign, Throttle
from pipeline.plan import Policy

LEAST_SHARE = 0.05
"""Less than this share of the rate is not worth starting a tool for."""
LEAST_SHARE_OF_A_HOST = 0.3
"""Nor is less than this share of what one host may get: the packets of one probe leave at once. At
the usual ceiling of 50 it is one handshake with bad luck."""
LEAST_SHARE_SLOWED = 0.15
"""Nor, after a bad sign, is less than this part of what is left of the rate."""
COOLING = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a task would send. ``packets`` in total, ``packets_to_a_host`` to the busiest host.

    ``most`` is the highest rate it can use; ``burst`` says that the tool cannot be slowed down, so
    that a lease has to cover all that it sends; ``spread`` that its tool keeps to what the lease
    has for one network. Others send no faster than one network may get.
    """

    hosts: AddressSet
    packets: float
    packets_to_a_host: float
    most: float = float("inf")
    sweep: bool = False
    burst: bool = False
    spread: bool = False


@dataclass(slots=True, eq=False)
class Lease:
    """A share of all ceilings, in packets per second. ``give_back`` when the task has ended.

    ``networks`` are the whole networks around its hosts, empty where networks have no ceiling;
    ``slowed`` says that it is a part of the share that is used after a bad sign.
    """

    hosts: AddressSet
    rate: float
    rate_per_host: float
    _clock: Callable[[], float]
    _ended: float | None = field(default=None)
    rate_per_network: float = float("inf")
    networks: AddressSet = field(default_factory=AddressSet)
    slowed: bool = False
    sweep: bool = False

    def give_back(self) -> None:
        """The task sends no more. Harmless when called twice."""
        if self._ended is None:
            self._ended = self._clock()

    def never_used(self) -> None:
        """The task was not started: nothing was sent that could still count."""
        self._ended = float("-inf")

    def counts_at(self, now: float) -> bool:
        """True while its packets may still fall into the current second."""
        return self._ended is None or now < self._ended + COOLING

    @property
    def free_at(self) -> float | None:
        """When it stops to count, once it was given back."""
        return None if self._ended is None else self._ended + COOLING


class Budget:
    """Hands out leases so that their sum stays below both ceilings. ``clock`` is monotonic."""

    def __init__(
        self, ceilings: Ceilings, clock: Callable[[], float], manners: Manners | None = None
    ) -> None:
        self.ceilings = ceilings
        self._throttle = Throttle.at_first(manners or Manners(), clock())
        self._clock = clock
        self._leases: list[Lease] = []
        self._waiting: Waiting | None = None
        """The long sweep that waits, while no other runs."""

    @property
    def share(self) -> float:
        """The share of the ceilings that may be used now, in (0, 1]."""
        return self._throttle.share

    @property
    def starting(self) -> bool:
        """True while the run is on its way up for the first time."""
        return self.share < 1.0 and not self._throttle.wary

    def heed(self, sign: Sign, *, age: float = 0.0) -> bool:
        """Use more or less from the next lease on; true when that changed something.

        ``age`` is how many seconds ago was asked what gave the sign.
        """
        before, now = self.share, self._clock()
        self._throttle = self._throttle.heed(sign, now, asked_at=now - age)
        return self.share != before

    @property
    def leased(self) -> float:
        """Packets per second that are out."""
        now = self._clock()
        return sum(lease.rate for lease in self._leases if lease.counts_at(now))

    def next_change(self) -> float | None:
        """When a lease that was given back stops to count; ``None`` when none is cooling."""
        now = self._clock()
        times = [lease.free_at for lease in self._leases if lease.counts_at(now)]
        return min((time for time in times if time is not None), default=None)

    def seconds_until(self, time: float) -> float:
        """Seconds from now until a time on this budget's clock."""
        return time - self._clock()

    def lease(self, demand: Demand) -> Lease | None:
        """A share for this demand, or ``None`` when it has to wait.

        For a long sweep that has to, others leave some of the rate until it has begun.
        """
        now = self._clock()
        self._leases = [lease for lease in self._leases if lease.counts_at(now)]
        lease = self._lease(demand, now)
        if lease is not None:
            self._leases.append(lease)
            if self._is_long(demand):
                self._waiting = None
        elif self._is_long(demand) and not any(lease.sweep for lease in self._leases):
            self._waiting = Waiting(
                rate=self._least_for_a_sweep(demand),
                networks=self._around(demand.hosts),
                per_network=self._least_in_a_network(demand),
                until=now + KEPT,
            )
        return lease

    def _lease(self, demand: Demand, now: float) -> Lease | None:
        total = self.ceilings.rate * MARGIN
        around = self._around(demand.hosts)
        per_network = self._free_per_network(around, demand, now)
        rate = min(self._free_rate(total, demand, now), demand.packets, demand.most)
        if not self._reaches(per_network, rate, demand):
            return None
        if not demand.spread:
            rate = min(rate, per_network)
            total = min(total, self.ceilings.of_a_network * MARGIN)
        least = min(total, demand.packets) if demand.burst else total * LEAST_SHARE
        if self._is_long(demand):
            least = max(least, self._least_for_a_sweep(demand))
        if rate < min(least, demand.packets, demand.most):
            return None
        room = self._free_per_host(demand.hosts)
        per_host = min(room, demand.packets_to_a_host)
        if per_host < min(
            demand.packets_to_a_host, self.ceilings.rate_per_host * LEAST_SHARE_OF_A_HOST
        ):
            return None
        if demand.burst and per_host < min(demand.packets_to_a_host, self.ceilings.rate_per_host):
            return None
        # Bursts cannot be slowed down, and what has a pace is gentle as it is.
        slowed = not demand.burst and (demand.sweep or demand.most == float("inf"))
        if slowed:
            rate = self._slowed(rate, demand, now)
            if not rate:
                return None
            if not demand.sweep:
                # What a sweep sends to one host goes with its rate, and needs no bound of its own.
                per_host = self._throttle.below(
                    per_host, self.ceilings.rate_per_host, demand.packets_to_a_host
                )
        return Lease(
            demand.hosts,
            rate,
            per_host,
            self._clock,
            rate_per_network=min(rate, per_network) if around else float("inf"),
            networks=around,
            slowed=slowed,
            sweep=demand.sweep,
        )

    def _is_long(self, demand: Demand) -> bool:
        total = min(self.ceilings.rate, self.ceilings.of_a_network) * MARGIN
        return demand.sweep and is_long(demand.packets, total * self._left)

    @property
    def _left(self) -> float:
        """The share of the ceilings that is left after bad signs."""
        return self.share if self._throttle.wary else 1.0

    def _least_for_a_sweep(self, demand: Demand) -> float:
        """What a long sweep begins with: of the whole rate, or of the share that is left of it."""
        total = self.ceilings.rate * MARGIN
        if not demand.spread:
            total = min(total, self.ceilings.of_a_network * MARGIN)
        left = self._left
        return least_for_a_sweep(
            total * left, demand.most * left, demand.packets, wary=self._throttle.wary
        )

    def _least_in_a_network(self, demand: Demand) -> float:
        total = self.ceilings.of_a_network * MARGIN
        return least_for_a_sweep(total, demand.most, demand.packets)

    def _kept(self, demand: Demand, now: float) -> float:
        """What this demand has to leave to a long sweep that waits."""
        if self._waiting is None or self._is_long(demand):
            return 0.0
        return self._waiting.of_all(now)

    def _slowed(self, allowed: float, demand: Demand, now: float) -> float:
        """What is left of the share of the rate; 0 where it is not worth a start.

        Once something went wrong, all that can be slowed down keeps to the share together.
        """
        ceiling = self.ceilings.rate * MARGIN
        usable = min(ceiling, demand.most) if demand.sweep else ceiling
        slow = self._throttle.below(allowed, usable, demand.packets)
        if not self._throttle.wary:
            return slow
        share = ceiling * self.share
        free = share - sum(lease.rate for lease in self._leases if lease.slowed)
        free -= self._kept(demand, now)
        least = share * LEAST_SHARE_SLOWED
        if self._is_long(demand):
            least = self._least_for_a_sweep(demand)
            free -= left_by_a_sweep(share, self._others(slowed=True))
        return min(slow, free) if free >= min(slow, least) else 0.0

    def _free_rate(self, total: float, demand: Demand, now: float) -> float:
        free = total - sum(lease.rate for lease in self._leases) - self._kept(demand, now)
        if self._is_long(demand):
            free -= left_by_a_sweep(total, self._others())
        return free

    def _others(self, *, slowed: bool = False) -> float:
        """What is out for anything but sweeps, or only for what keeps to the share."""
        mine = (lease for lease in self._leases if lease.slowed or not slowed)
        return sum(lease.rate for lease in mine if not lease.sweep)

    def _around(self, hosts: AddressSet) -> AddressSet:
        if self.ceilings.rate_per_network is None:
            return AddressSet()
        return widened(hosts, self.ceilings.network)

    def _free_per_network(self, around: AddressSet, demand: Demand, now: float) -> float:
        if not around:
            return float("inf")
        total = self.ceilings.of_a_network * MARGIN
        here = [lease for lease in self._leases if lease.networks & around]
        taken = sum(lease.rate_per_network for lease in here)
        if demand.sweep and is_long(demand.packets, total):
            others = sum(lease.rate_per_network for lease in here if not lease.sweep)
            reserved = left_by_a_sweep(total, others)
        else:
            reserved = self._waiting.of_these(around, now) if self._waiting else 0.0
        return total - taken - reserved

    def _reaches(self, per_network: float, rate: float, demand: Demand) -> bool:
        """Whether what is free for a network is worth a start; like the share of the whole rate."""
        total = self.ceilings.of_a_network * MARGIN
        wanted = min(rate, total * LEAST_SHARE)
        if self._is_long(demand):
            wanted = min(rate, self._least_in_a_network(demand))
        return per_network >= min(wanted, demand.packets)

    def _free_per_host(self, hosts: AddressSet) -> float:
        taken = sum(lease.rate_per_host for lease in self._leases if lease.hosts & hosts)
        return self.ceilings.rate_per_host - taken


def manners_of(policy: Policy) -> Manners:
    """How a run begins, and how it recovers."""
    return Manners(start=policy.slow_start, recover=policy.recover)


def sending_time(demand: Demand, lease: Lease, ceilings: Ceilings) -> float:
    """Seconds that it takes at least to send what is demanded within a lease."""
    slowest = max(demand.packets / lease.rate, demand.packets_to_a_host / lease.rate_per_host)
    if lease.networks and demand.spread and not demand.sweep:
        there = ceilings.in_busiest(demand.hosts) * demand.packets_to_a_host
        slowest = max(slowest, min(there, demand.packets) / lease.rate_per_network)
    return slowest
