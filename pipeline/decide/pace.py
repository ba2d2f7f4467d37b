"""How fast a sweep may go, how large a batch is, and what a command will send.

``rate`` and ``rate_per_host`` are ceilings in packets per second that hold in *every* second and
count every packet that leaves, resets included. masscan visits its endpoints in random order, so
the packets that one host gets in a second are binomially distributed: to hold the ceiling the mean
must stay well below it. How far below is computed here and not guessed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from pipeline.addresses import AddressSet, in_busiest_network

SECONDS_PER_SLICE = 60.0
PACKETS_PER_SWEEP_PROBE = 2
"""A SYN and the kernel's reset. masscan sends none of its own."""
PACKETS_TO_A_HOST_PER_SWEEP_PROBE = 3
"""The worst case for one host, in which all its ports are open: a SYN, the kernel's reset, and
another one where the host repeats its SYN-ACK because the first was lost."""
OVERSHOOT = 1.3
"""masscan sends up to this many times its rate within some second: measured 1.11 to 1.29."""
RISK = 1e-6
"""Accepted probability that one host sees more than its ceiling in one given second."""
MARGIN = 0.9
"""The share of a ceiling that is handed out."""


@lru_cache(maxsize=4096)
def mean_below(ceiling: int, hosts: int) -> float:
    """The highest mean number of probes per host and second that keeps a host below ``ceiling``.

    With n probes a second spread at random over ``hosts`` hosts, P(one host gets more than
    ``ceiling``) is at most exp(-n * KL(ceiling/n, 1/hosts)) (Chernoff bound of the binomial tail);
    the answer is the largest n / hosts, n a whole number, for which that stays below ``RISK``. One
    host alone is not random, and gets its ceiling.
    """
    if ceiling < 1 or hosts < 1:
        raise ValueError("a ceiling needs at least one probe and one host")
    return probes_below(ceiling, 1, hosts) / hosts


@lru_cache(maxsize=4096)
def probes_below(ceiling: int, some: int, hosts: int) -> int:
    """The most probes a second, spread at random over ``hosts``, of which ``some`` of them
    together get more than ``ceiling`` with no more than :data:`RISK`."""
    if some == hosts:
        return ceiling
    low, high = ceiling, ceiling * (hosts // some + 1)
    while high - low > 1:
        middle = (low + high) // 2
        chance = some / hosts
        low, high = (middle, high) if _tail(ceiling, middle, chance) <= RISK else (low, middle)
    return low


def _tail(ceiling: int, probes: int, chance: float) -> float:
    if probes <= ceiling:
        return 0.0
    share = (ceiling + 1) / probes
    if share <= chance:
        return 1.0
    if share == 1:
        # Few probes: above the ceiling only when the same host gets all of them.
        return float(chance**probes)
    divergence = share * math.log(share / chance) + (1 - share) * math.log(
        (1 - share) / (1 - chance)
    )
    return math.exp(-probes * divergence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """The ceilings of an engagement, packets per second.

    ``rate_per_network`` is what all addresses of one network get together, ``None`` where only
    ``rate`` bounds it; ``network`` are the prefix lengths of a network, of IPv4 and of IPv6.
    """

    rate: int
    rate_per_host: int
    rate_per_network: int | None = None
    network: tuple[int, int] = (24, 64)

    @property
    def of_a_network(self) -> int:
        """What one network may get, whether or not it has a ceiling of its own."""
        return self.rate if self.rate_per_network is None else self.rate_per_network

    def in_busiest(self, hosts: AddressSet) -> int:
        """How many of these hosts lie in the network that has the most of them."""
        return in_busiest_network(hosts, self.network)


def sweep_rate_over(hosts: AddressSet, ceilings: Ceilings) -> float:
    """Probes per second that a random-order sweep over these hosts may send."""
    if ceilings.rate_per_network is None:
        return sweep_rate(hosts.size, ceilings)
    return sweep_rate(hosts.size, ceilings, in_a_network=ceilings.in_busiest(hosts))


def sweep_rate(hosts: int, ceilings: Ceilings, *, in_a_network: int = 0) -> float:
    """Probes per second that a random-order sweep over ``hosts`` hosts may send.

    ``in_a_network`` of them lie in the busiest network: what is random for one host is for them,
    and the same bound holds. 0: networks have no ceiling.
    """
    slowest = _sweep_rate(hosts, ceilings)
    if not in_a_network:
        return slowest
    together = ceilings.of_a_network * MARGIN / PACKETS_PER_SWEEP_PROBE
    if together < 1:
        return min(slowest, together)
    return min(slowest, max(probes_below(int(together), in_a_network, hosts) / OVERSHOOT, 0.1))


def _sweep_rate(hosts: int, ceilings: Ceilings) -> float:
    per_host = ceilings.rate_per_host // PACKETS_TO_A_HOST_PER_SWEEP_PROBE
    total = ceilings.rate * MARGIN / PACKETS_PER_SWEEP_PROBE
    if per_host < 1:
        return min(total, ceilings.rate_per_host / PACKETS_TO_A_HOST_PER_SWEEP_PROBE)
    return max(min(total, hosts * mean_below(per_host, hosts) / OVERSHOOT), 0.1)


def hosts_for_full_rate(ceilings: Ceilings) -> int:
    """The fewest hosts over which a sweep can go at the full rate; 2**22 where it takes more."""
    low, high = 1, 1 << 22
    full = ceilings.rate * MARGIN / PACKETS_PER_SWEEP_PROBE
    while low < high:
        middle = (low + high) // 2
        if sweep_rate(middle, ceilings, in_a_network=_densely(middle, ceilings)) >= full:
            high = middle
        else:
            low = middle + 1
    return low


def _densely(hosts: int, ceilings: Ceilings) -> int:
    """How many of so many hosts lie in one network at most, where networks have a ceiling."""
    if ceilings.rate_per_network is None:
        return 0
    return min(hosts, 1 << (32 - ceilings.network[0]))


def batch_size(ports: int, ceilings: Ceilings, *, passes: int) -> int:
    """Hosts per batch: enough to go at the full rate, and about a minute of sending."""
    full = ceilings.rate * MARGIN / PACKETS_PER_SWEEP_PROBE
    minute = full * SECONDS_PER_SLICE / max(1, ports * passes)
    return max(1, int(minute), hosts_for_full_rate(ceilings))


def masscan_rate(endpoints: int, allowed: float, retries: int) -> float:
    """The rate to tell masscan: no more than ``allowed``, and less for a short scan.

    masscan serves its retry queue at the full rate for as long as the tail lasts, so a short scan
    at a high rate asks the same few endpoints hundreds of times.
    """
    if retries == 0:
        return allowed
    return max(min(allowed, endpoints / retries), min(allowed, 10.0))


def masscan_probes(endpoints: int, rate: float, retries: int) -> int:
    """SYNs that masscan 1.3.2 sends: (n + retries * rate) * (retries + 1), as measured."""
    return math.ceil((endpoints + retries * rate) * (retries + 1))
