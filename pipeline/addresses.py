"""Sets of IP addresses as sorted, disjoint ranges of whole numbers.

IPv4 addresses lie on the number line at their own value, IPv6 addresses 2**32 higher, so that one
set holds both families, IPv4 sorts first, and union, difference and membership are one algorithm.
Sorted ranges with bisection beat the address libraries by an order of magnitude, and unlike a
radix trie they can subtract.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from ipaddress import summarize_address_range as _summarize
from typing import Final

Address = IPv4Address | IPv6Address

_V6_OFFSET = 1 << 32
_LAST = _V6_OFFSET + (1 << 128) - 1
_DOTTED_QUAD = re.compile(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}")
_NEAR = 4
_PREFIX = re.compile(r"0|[1-9][0-9]{0,2}")


def number_of(address: Address) -> int:
    """The place of an address on the common number line."""
    return int(address) if address.version == 4 else int(address) + _V6_OFFSET


def address_at(number: int) -> Address:
    """The address at a place on the common number line. Raises ``ValueError`` off the line."""
    if number < _V6_OFFSET:
        return IPv4Address(number)
    return IPv6Address(number - _V6_OFFSET)


def parse_address(text: str) -> Address:
    """Read one address. Raises ``ValueError`` with a sentence for people.

    Stricter than ``inet_aton``, which takes ``10.1`` and ``010.0.0.1`` for addresses; zone
    identifiers (``fe80::1%eth0``) are refused because a scope cannot name an interface.
    """
    if ":" in text:
        if "%" in text:
            raise ValueError(f"{text!r} has a zone identifier; name a global address")
        try:
            return IPv6Address(text)
        except ValueError:
            raise ValueError(f"{text!r} is not an IPv6 address") from None
    if _DOTTED_QUAD.fullmatch(text):
        try:
            return IPv4Address(text)
        except ValueError:
            pass
    raise ValueError(f"{text!r} is not an IP address")


def looks_like_address(text: str) -> bool:
    """True when a person who wrote this meant addresses rather than a host name.

    A top-level domain is never all digits (RFC 3696, section 2), so ``10.1`` and ``10.0.0.300``
    are addresses with a mistake and not names to be resolved.
    """
    return ":" in text or "/" in text or bool(re.fullmatch(r"[0-9. \-]+", text))


def parse_range(text: str) -> tuple[int, int]:
    """Read an address, a network (``10.0.0.0/24``) or a range (``10.0.0.1-10.0.0.9``, ``…1-9``).

    Returns the first and last place on the number line, both inclusive. Raises ``ValueError``.
    """
    if "/" in text:
        base = parse_address(text.partition("/")[0])
        if not _PREFIX.fullmatch(text.partition("/")[2]):
            # 10.0.0.0/0.0.0.255 is a netmask to some and a wildcard mask to others.
            raise ValueError(f"{text!r} needs a prefix length after the slash, such as /24")
        try:
            network: IPv4Network | IPv6Network = ip_network(text)
        except ValueError:
            try:
                wider = ip_network(text, strict=False)
            except ValueError:
                raise ValueError(f"{text!r} is not a network") from None
            raise ValueError(
                f"{text!r} has bits set beyond its prefix length; write {wider} for the network "
                f"or {base} for the address"
            ) from None
        return number_of(network.network_address), number_of(network.broadcast_address)
    if "-" in text:
        left, _, right = text.partition("-")
        first = parse_address(left.strip())
        right = right.strip()
        if first.version == 4 and re.fullmatch(r"[0-9]{1,3}", right):
            right = f"{str(first).rpartition('.')[0]}.{right}"
        last = parse_address(right)
        if first.version != last.version:
            raise ValueError(f"{text!r} begins in one address family and ends in another")
        if int(first) > int(last):
            raise ValueError(f"{text!r} ends before it begins")
        return number_of(first), number_of(last)
    address = number_of(parse_address(text))
    return address, address


def _first_reaching(ranges: tuple[tuple[int, int], ...], number: int, place: int) -> int:
    """The first range from ``place`` on that ends at a number or after it.

    Bisects only where it is far away: of two sets that are alike it is one of the next.
    """
    near = min(place + _NEAR, len(ranges))
    while place < near:
        if ranges[place][1] >= number:
            return place
        place += 1
    if place < len(ranges):
        place = max(place, bisect_right(ranges, (number, _LAST), place) - 1)
        place += ranges[place][1] < number
    return place


@dataclass(frozen=True, slots=True)
class AddressSet:
    """A set of addresses. ``ranges`` are inclusive, sorted, disjoint and not adjacent."""

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> AddressSet:
        """Build a set from inclusive number ranges in any order, overlapping or not."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            end = merged[-1][1] if merged else -2
            # Never across the families: 255.255.255.255 and :: are neighbours on the line only.
            if first <= end or (first == end + 1 and first != _V6_OFFSET):
                merged[-1] = (merged[-1][0], max(last, end))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    @classmethod
    def parse(cls, texts: Iterable[str]) -> AddressSet:
        """Build a set from texts as ``parse_range`` takes them. Raises ``ValueError``."""
        return cls.of(parse_range(text) for text in texts)

    @classmethod
    def from_addresses(cls, addresses: Iterable[Address]) -> AddressSet:
        """Build a set from single addresses."""
        return cls.of((n, n) for n in map(number_of, addresses))

    def __contains__(self, address: Address) -> bool:
        return self.has_number(number_of(address))

    def has_number(self, number: int) -> bool:
        """Membership of a place on the number line; O(log ranges)."""
        place = bisect_right(self.ranges, (number, _LAST)) - 1
        return place >= 0 and number <= self.ranges[place][1]

    def __len__(self) -> int:
        return self.size

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __iter__(self) -> Iterator[Address]:
        for first, last in self.ranges:
            for number in range(first, last + 1):
                yield address_at(number)

    @property
    def size(self) -> int:
        """How many addresses; may exceed what ``len`` can return when IPv6 networks are in."""
        return sum(last - first + 1 for first, last in self.ranges)

    def __or__(self, other: AddressSet) -> AddressSet:
        return AddressSet.of(self.ranges + other.ranges)

    def __sub__(self, other: AddressSet) -> AddressSet:
        kept: list[tuple[int, int]] = []
        holes = other.ranges
        place = 0
        for first, last in self.ranges:
            place = _first_reaching(holes, first, place)
            hole = place
            while first <= last and hole < len(holes) and holes[hole][0] <= last:
                if holes[hole][0] > first:
                    kept.append((first, holes[hole][0] - 1))
                first = holes[hole][1] + 1
                hole += 1
            if first <= last:
                kept.append((first, last))
        return AddressSet(tuple(kept))

    def __and__(self, other: AddressSet) -> AddressSet:
        few, many = sorted((self.ranges, other.ranges), key=len)
        kept: list[tuple[int, int]] = []
        place = 0
        for first, last in few:
            place = _first_reaching(many, first, place)
            at = place
            while at < len(many) and many[at][0] <= last:
                kept.append((max(first, many[at][0]), min(last, many[at][1])))
                at += 1
        return AddressSet(tuple(kept))

    def __le__(self, other: AddressSet) -> bool:
        return not (self - other)

    def family(self, version: int) -> AddressSet:
        """The addresses of one family, 4 or 6."""
        line = (0, _V6_OFFSET - 1) if version == 4 else (_V6_OFFSET, _LAST)
        return self & AddressSet((line,))

    def texts(self) -> tuple[str, ...]:
        """The ranges as tools and people read them: an address, or ``first-last``."""
        return tuple(
            str(address_at(first)) if first == last else f"{address_at(first)}-{address_at(last)}"
            for first, last in self.ranges
        )

    def networks(self) -> tuple[str, ...]:
        """The same addresses as the fewest networks in CIDR notation."""
        found: list[str] = []
        for first, last in self.ranges:
            low, high = address_at(first), address_at(last)
            # One family per range is what `of` guarantees; the overloads want to see it.
            if isinstance(low, IPv4Address) and isinstance(high, IPv4Address):
                found.extend(map(str, _summarize(low, high)))
            elif isinstance(low, IPv6Address) and isinstance(high, IPv6Address):
                found.extend(map(str, _summarize(low, high)))
        return tuple(found)

    def slices(self, size: int) -> Iterator[AddressSet]:
        """Cut into consecutive sets of at most ``size`` addresses, in numeric order."""
        if size < 1:
            raise ValueError("a slice needs at least one address")
        current: list[tuple[int, int]] = []
        room = size
        for first, last in self.ranges:
            while first <= last:
                end = min(last, first + room - 1)
                current.append((first, end))
                room -= end - first + 1
                first = end + 1
                if room == 0:
                    yield AddressSet(tuple(current))
                    current, room = [], size
        if current:
            yield AddressSet(tuple(current))


def network_at(number: int, prefixes: tuple[int, int]) -> tuple[int, int]:
    """First and last place of the network around a place, by the prefix lengths of both families.

    All places are on the common number line.
    """
    base, bits = (0, 32 - prefixes[0]) if number < _V6_OFFSET else (_V6_OFFSET, 128 - prefixes[1])
    first = base + ((number - base) >> bits << bits)
    return first, first + (1 << bits) - 1


def widened(addresses: AddressSet, prefixes: tuple[int, int]) -> AddressSet:
    """The whole networks around these addresses."""
    return AddressSet.of(
        (network_at(first, prefixes)[0], network_at(last, prefixes)[1])
        for first, last in addresses.ranges
    )


def in_busiest_network(addresses: AddressSet, prefixes: tuple[int, int]) -> int:
    """How many of the addresses share a network at most. Takes no longer for large ranges."""
    found: dict[int, int] = {}
    for first, last in addresses.ranges:
        (low, low_end), (high, high_end) = (network_at(n, prefixes) for n in (first, last))
        if low_end + 1 < high:
            return high_end - high + 1  # a whole network lies between the first and the last
        for start, end in {(low, low_end), (high, high_end)}:
            found[start] = found.get(start, 0) + min(last, end) - max(first, start) + 1
    return max(found.values(), default=0)


EVERY_IPV6: Final = AddressSet(((_V6_OFFSET, _LAST),))
"""The whole of the IPv6 address space."""
