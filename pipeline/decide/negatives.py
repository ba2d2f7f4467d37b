"""The endpoints that were asked and not called open, and random samples of them.

They are too many to list: a sweep of a /16 over all ports has four thousand million. So they are
numbered, and a sample is drawn of numbers. Rectangles may overlap, as those of a sweep that was
repeated do; they are cut along the addresses, so that each endpoint has one number.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from operator import or_
from random import Random
from typing import Final

from pipeline.addresses import address_at, number_of
from pipeline.model import Endpoint, Protocol, Rectangle
from pipeline.ports import PortSet

_NO_PORTS: Final = PortSet()


@dataclass(frozen=True, slots=True)
class _Strip:
    """Neighbouring addresses, as places on the number line, that were asked for the same ports."""

    protocol: Protocol
    first: int
    last: int
    ports: PortSet

    @property
    def size(self) -> int:
        return (self.last - self.first + 1) * len(self.ports)


class Negatives:
    """What is left of rectangles without some endpoints, in the order of ``Endpoint``."""

    def __init__(self, asked: Iterable[Rectangle], without: Iterable[Endpoint] = ()) -> None:
        """Number the endpoints of ``asked``, less those of ``without`` (asked or not)."""
        self._strips = tuple(sorted(_strips(asked), key=lambda s: (s.protocol, s.first)))
        self._ends = tuple(accumulate(strip.size for strip in self._strips))
        places = sorted({place for place in map(self._place, without) if place is not None})
        # Before the n-th hole there are `hole - n` endpoints that are left.
        self._left_before = tuple(hole - n for n, hole in enumerate(places))
        self.size = (self._ends[-1] if self._ends else 0) - len(places)

    def at(self, number: int) -> Endpoint:
        """The endpoint of a number from 0 to ``size - 1``. Raises ``IndexError`` otherwise."""
        if not 0 <= number < self.size:
            raise IndexError(f"there is no negative number {number}, there are {self.size}")
        place = number + bisect_right(self._left_before, number)
        which = bisect_right(self._ends, place)
        strip = self._strips[which]
        rest = place - (self._ends[which] - strip.size)
        offset, rank = divmod(rest, len(strip.ports))
        address = address_at(strip.first + offset)
        return Endpoint(address, strip.protocol, _port_at(strip.ports, rank))

    def sample(self, count: int, seed: int) -> tuple[Endpoint, ...]:
        """``count`` different endpoints, all sets of them equally likely; all if there are fewer.

        The same seed draws the same endpoints. Sorted. (R. W. Floyd's algorithm: J. Bentley and
        B. Floyd, "A Sample of Brilliance", Communications of the ACM 30, 1987.)
        """
        if count < 0:
            raise ValueError(f"a sample of {count} endpoints cannot be drawn")
        chance = Random(seed)
        drawn: set[int] = set()
        for highest in range(max(0, self.size - count), self.size):
            number = chance.randrange(highest + 1)
            drawn.add(highest if number in drawn else number)
        return tuple(sorted(map(self.at, drawn)))

    def _place(self, endpoint: Endpoint) -> int | None:
        """Where an endpoint stands among all that were asked; ``None`` if it was not."""
        number = number_of(endpoint.address)
        key = (endpoint.protocol, number)
        which = bisect_right(self._strips, key, key=lambda s: (s.protocol, s.first)) - 1
        if which < 0:
            return None
        strip = self._strips[which]
        inside = strip.protocol is endpoint.protocol and number <= strip.last
        if not inside or endpoint.port not in strip.ports:
            return None
        before = self._ends[which] - strip.size
        rank = _rank(strip.ports, endpoint.port)
        return before + (number - strip.first) * len(strip.ports) + rank


def _strips(asked: Iterable[Rectangle]) -> Iterator[_Strip]:
    by_protocol: dict[Protocol, list[Rectangle]] = {}
    for rectangle in asked:
        if rectangle.ports:
            by_protocol.setdefault(rectangle.protocol, []).append(rectangle)
    for protocol, rectangles in by_protocol.items():
        yield from _cut(protocol, rectangles)


def _cut(protocol: Protocol, rectangles: Iterable[Rectangle]) -> Iterator[_Strip]:
    """Sweep along the addresses; at each, the ports are those of all rectangles that are there."""
    begins: dict[int, list[PortSet]] = {}
    ends: dict[int, list[PortSet]] = {}
    for rectangle in rectangles:
        for first, last in rectangle.addresses.ranges:
            begins.setdefault(first, []).append(rectangle.ports)
            ends.setdefault(last + 1, []).append(rectangle.ports)
    known: dict[frozenset[PortSet], PortSet] = {}
    here: Counter[PortSet] = Counter()
    since = 0
    for place in sorted(begins.keys() | ends.keys()):
        if here:
            together = frozenset(here)
            if together not in known:
                known[together] = _union(together)
            yield _Strip(protocol, since, place - 1, known[together])
        here.update(begins.get(place, ()))
        here.subtract(ends.get(place, ()))
        here = +here
        since = place


def _union(port_sets: Collection[PortSet]) -> PortSet:
    return reduce(or_, port_sets, _NO_PORTS)


def _port_at(ports: PortSet, rank: int) -> int:
    for first, last in ports.ranges:
        if rank <= last - first:
            return first + rank
        rank -= last - first + 1
    raise IndexError(f"{ports} has no port of that rank")


def _rank(ports: PortSet, port: int) -> int:
    return sum(min(last, port - 1) - first + 1 for first, last in ports.ranges if first < port)
