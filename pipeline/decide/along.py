"""Things that hold for sets of addresses, found again by one address."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from typing import Generic, TypeVar

from pipeline.addresses import Address, AddressSet, number_of

_T = TypeVar("_T")


class Along(Generic[_T]):
    """Values along the line of addresses; O(log ranges) to look one up.

    The line is cut wherever a range of some value begins or ends; each piece knows the values over
    it, in the order in which they were given.
    """

    def __init__(self, items: Iterable[tuple[AddressSet, _T]]) -> None:
        values: list[_T] = []
        begin: dict[int, list[int]] = defaultdict(list)
        end: dict[int, list[int]] = defaultdict(list)
        for place, (addresses, value) in enumerate(items):
            values.append(value)
            for first, last in addresses.ranges:
                begin[first].append(place)
                end[last + 1].append(place)
        self._cuts = sorted(begin.keys() | end.keys())
        self._over: list[tuple[_T, ...]] = []
        open_: set[int] = set()
        for cut in self._cuts:
            open_.difference_update(end.get(cut, ()))
            open_.update(begin.get(cut, ()))
            self._over.append(tuple(values[place] for place in sorted(open_)))

    def at(self, address: Address) -> tuple[_T, ...]:
        """The values that hold for this address."""
        place = bisect_right(self._cuts, number_of(address)) - 1
        return self._over[place] if place >= 0 else ()
