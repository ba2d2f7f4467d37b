"""How much is lost on the way: what a sweep missed of all that searches found open."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.addresses import Address
from pipeline.decide.memo import once
from pipeline.decide.standing import SEARCHES, Standings, by_network
from pipeline.model import Evidence, Method, Observation, PortState, Purpose

_ENOUGH: Final = 20
"""Open endpoints from which on the share that a sweep missed is worth a figure."""
_OUTLIERS: Final = 5
_MISSED_BY_ENOUGH: Final = 0.01
_MOST_ASKS: Final = 5
"""Each gentle look at a network takes minutes; five miss less than one in a hundred at 20 % loss
each way."""
SECOND_SWEEP: Final = 2
"""Its round: the first sweep is made in two, 0 and 1."""


@dataclass(frozen=True, slots=True)
class Searches:
    """What the searches of a batch found open while their hosts were witnesses."""

    known: Standings
    heard: Mapping[Address, Mapping[int, frozenset[tuple[Purpose, int]]]]
    """Address -> open port -> purpose and round of the searches that heard it."""
    heard_by_syn: frozenset[Address]

    def deaf_to_syn(self, address: Address) -> bool:
        """True when a host answered a handshake, and no bare SYN of any search."""
        return self.known.of(address).answered_before and address not in self.heard_by_syn

    def missed(self, addresses: Iterable[Address], *, by_first: bool = False) -> tuple[int, int]:
        """How many open ports of these hosts the sweeps missed, and how many are known.

        ``by_first``: what the first sweep missed, whatever another one found.
        """
        of_them = [by for a in addresses for by in self.heard.get(a, {}).values()]
        swept = sum(any(_swept(*one, by_first=by_first) for one in by) for by in of_them)
        return len(of_them) - swept, len(of_them)

    def loss(self, *, by_first: bool = False) -> float:
        """The share of open ports that sweeps missed on the way; 0 while nobody could know.

        Without hosts that pretend, are deaf or turned against us, and without the fifth of the
        networks in which most is missed: limits and tastes of single networks are no loss.
        """
        honest = [
            a
            for a in self.heard
            if not self.known.of(a).pretends and a not in self.known.shy and not self.deaf_to_syn(a)
        ]
        counts = [
            self.missed(addresses, by_first=by_first) for addresses in by_network(honest).values()
        ]
        counts.sort(key=lambda pair: pair[0] / max(1, pair[1]))
        kept = counts[: len(counts) - len(counts) // _OUTLIERS]
        missed, all_ = sum(m for m, _ in kept), sum(n for _, n in kept)
        return missed / all_ if all_ >= _ENOUGH else 0.0

    @property
    def loss_each_way(self) -> float:
        """The share of single packets that are lost.

        A host repeats its SYN-ACK until it is answered, so what a sweep misses are its own SYNs.
        """
        return self.loss(by_first=True)

    def asks_needed(self) -> int:
        """How often a silent port must be asked before fewer than one in a hundred is missed.

        Each ask is one probe, so it fails as often as the first sweep did, and not as seldom as all
        sweeps together.
        """
        loss = self.loss(by_first=True)
        if loss <= _MISSED_BY_ENOUGH:
            return 1
        if loss >= 1.0:
            return _MOST_ASKS
        return min(_MOST_ASKS, math.ceil(math.log(_MISSED_BY_ENOUGH) / math.log(loss)))


def _swept(purpose: Purpose, round_: int, *, by_first: bool) -> bool:
    return purpose is Purpose.SWEEP and not (by_first and round_ >= SECOND_SWEEP)


def opens(observation: Observation) -> bool:
    """True for what a search called open."""
    return observation.purpose in SEARCHES and observation.state is PortState.OPEN


@once
def searches(evidence: Evidence, known: Standings) -> Searches:
    """Sum up the searches of a batch."""
    heard: dict[Address, dict[int, frozenset[tuple[Purpose, int]]]] = defaultdict(dict)
    for endpoint, observations in evidence.observations.items():
        by = frozenset((o.purpose, o.round) for o in observations if opens(o) and known.trusts(o))
        if by:
            heard[endpoint.address][endpoint.port] = by
    return Searches(known, heard, _heard_by_syn(evidence))


def _heard_by_syn(evidence: Evidence) -> frozenset[Address]:
    """Hosts that answered a search by bare SYNs, whatever they answered."""
    methods = {record.number: record.task.method for record in evidence.tasks}
    found = {
        refusals.address
        for number, refusals in evidence.refusals
        if methods[number] is not Method.NMAP_CONNECT
    }
    found.update(
        endpoint.address
        for endpoint, heard in evidence.observations.items()
        if any(opens(o) and o.method is not Method.NMAP_CONNECT for o in heard)
    )
    return frozenset(found)
