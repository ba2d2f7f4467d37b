"""With how much of the rate a long sweep begins: its tool keeps for a minute what it was told.

A sweep that began with what others happened to leave, a twentieth of the rate say, would go at that
for twenty minutes, long after the others have ended. So it waits until half of what it could have
alone is free, and what is started meanwhile leaves that half to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.addresses import AddressSet

SWEEP_SHARE: Final = 0.8
"""A sweep leaves a fifth of the rate to the corroboration of earlier batches: what they have of it
already, they may have again."""
WORTH_WAITING_FOR: Final = 0.5
"""Of what a sweep could have alone. With this, others are left three fifths of the rate while it
waits, so that a version probe, which sends up to half of it at once, still fits beside."""
WORTH_MORE_WAITING: Final = 0.75
"""The same after a bad sign: all is slower then, and what begins with little takes very long."""
KEPT: Final = 2.0
"""Seconds for which a sweep that has to wait counts as waiting: the engine asks each second."""


def is_long(packets: float, total: float) -> bool:
    """True for a sweep that sends more than a second's worth, and so keeps its share for long."""
    return packets > total


def left_by_a_sweep(total: float, others: float) -> float:
    """Packets a second that a long sweep does not take, where ``others`` have so many already."""
    return max(0.0, total * (1 - SWEEP_SHARE) - others)


def least_for_a_sweep(total: float, most: float, packets: float, *, wary: bool = False) -> float:
    """What a long sweep waits for, of ``total`` packets a second; ``most`` is all it can use."""
    part = WORTH_MORE_WAITING if wary else WORTH_WAITING_FOR
    return part * min(total * SWEEP_SHARE, most, packets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A long sweep that waits: packets a second that others leave it, in all and to its networks.

    ``networks`` are empty where networks have no ceiling of their own. It counts ``until`` then.
    """

    rate: float
    networks: AddressSet
    per_network: float
    until: float

    def of_all(self, now: float) -> float:
        """What others leave of the whole rate."""
        return self.rate if now < self.until else 0.0

    def of_these(self, networks: AddressSet, now: float) -> float:
        """What others leave of the rate of the networks that they ask."""
        return self.per_network if now < self.until and self.networks & networks else 0.0
