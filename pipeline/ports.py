"""Sets of ports, in nmap's syntax.

``22,80,8000-8100`` and ``-100`` as in nmap(1); ``top:1000`` the ports that are found
open most often, by the frequencies in nmap's own ``nmap-services``; ``all`` is 1-65535. ``U:`` and
``T:`` in front say of which protocol this port is, and all that follow it. Port 0 is refused:
masscan and nmap disagree about it, and no service listens there.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class PortSet:
    """A set of port numbers. ``ranges`` are inclusive, sorted, disjoint and not adjacent."""

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, ports: Iterable[int]) -> PortSet:
        """Build a set from port numbers in any order."""
        return cls.from_ranges((port, port) for port in ports)

    @classmethod
    def from_ranges(cls, ranges: Iterable[tuple[int, int]]) -> PortSet:
        """Build a set from inclusive ranges in any order, overlapping or not."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    @classmethod
    def parse(cls, text: str) -> PortSet:
        """Read a plain list such as ``22,80,8000-8100``. Raises ``ValueError``."""
        return cls.from_ranges(_parse_part(part.strip()) for part in text.split(","))

    def __contains__(self, port: int) -> bool:
        place = bisect_right(self.ranges, (port, LAST_PORT)) - 1
        return place >= 0 and port <= self.ranges[place][1]

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __or__(self, other: PortSet) -> PortSet:
        return PortSet.from_ranges(self.ranges + other.ranges)

    def __sub__(self, other: PortSet) -> PortSet:
        kept: list[tuple[int, int]] = []
        holes = other.ranges
        place = 0
        for first, last in self.ranges:
            while place < len(holes) and holes[place][1] < first:
                place += 1
            hole = place
            while first <= last and hole < len(holes) and holes[hole][0] <= last:
                if holes[hole][0] > first:
                    kept.append((first, holes[hole][0] - 1))
                first = holes[hole][1] + 1
                hole += 1
            if first <= last:
                kept.append((first, last))
        return PortSet(tuple(kept))

    def __and__(self, other: PortSet) -> PortSet:
        return self - (self - other)

    def __str__(self) -> str:
        return ",".join(
            str(first) if first == last else f"{first}-{last}" for first, last in self.ranges
        )


ALL_PORTS = PortSet(((1, LAST_PORT),))


@dataclass(frozen=True, slots=True, kw_only=True)
class PortSpec:
    """What the engagement asks for of one protocol, before the frequency table is known.

    ``explicit`` ports, and the ``top`` most frequent ones (0 for none).
    """

    explicit: PortSet
    top: int = 0

    def __bool__(self) -> bool:
        return bool(self.explicit) or self.top > 0

    def __or__(self, other: PortSpec) -> PortSpec:
        return PortSpec(explicit=self.explicit | other.explicit, top=max(self.top, other.top))

    def __str__(self) -> str:
        if self.explicit == ALL_PORTS:
            return "all"
        parts = [f"top:{self.top}"] if self.top else []
        return ",".join(parts + ([str(self.explicit)] if self.explicit else []))

    def resolve(self, by_frequency: Sequence[int]) -> PortSet:
        """The ports meant; ``by_frequency`` lists port numbers, the most frequent first."""
        return self.explicit | PortSet.of(by_frequency[: self.top])


NO_PORTS = PortSpec(explicit=PortSet())


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolPorts:
    """What the engagement asks for of each protocol."""

    tcp: PortSpec = NO_PORTS
    udp: PortSpec = NO_PORTS

    def __or__(self, other: ProtocolPorts) -> ProtocolPorts:
        return ProtocolPorts(tcp=self.tcp | other.tcp, udp=self.udp | other.udp)

    def __str__(self) -> str:
        parts = [str(self.tcp)] if self.tcp else []
        return ",".join(parts + ([f"U:{self.udp}"] if self.udp else []))


def parse_ports(text: str) -> ProtocolPorts:
    """Read what an engagement may say about ports. Raises ``ValueError`` with a sentence.

    As in nmap(1), ``U:`` and ``T:`` hold until the next of them. What stands before the first is of
    TCP; nmap would ask it of both protocols.
    """
    parts: dict[str, list[str]] = {"T": [], "U": []}
    letter = "T"
    for part in (part.strip() for part in text.split(",")):
        name, colon, rest = part.partition(":")
        if colon and name.upper() in parts:
            letter, part = name.upper(), rest.strip()
        parts[letter].append(part)
    return ProtocolPorts(tcp=_parse_parts(parts["T"]), udp=_parse_parts(parts["U"]))


def parse_spec(text: str) -> PortSpec:
    """Read ports of one protocol, which somebody else names. Raises ``ValueError``."""
    for part in text.split(","):
        if re.match(r"\s*[TtUu]:", part):
            raise ValueError(f"{part.strip()!r}: here only the port is written, not its protocol")
    return _parse_parts([part.strip() for part in text.split(",")])


def _parse_parts(parts: Iterable[str]) -> PortSpec:
    explicit: list[tuple[int, int]] = []
    top = 0
    for part in parts:
        name, colon, rest = part.partition(":")
        if part.lower() == "all":
            explicit.append((1, LAST_PORT))
        elif colon and name.lower() == "top":
            if not re.fullmatch(r"[1-9][0-9]{0,4}", rest) or int(rest) > LAST_PORT:
                raise ValueError(f"{part!r}: write top: and a number from 1 to {LAST_PORT}")
            top = max(top, int(rest))
        elif colon:
            raise ValueError(f"{part!r}: only T (TCP), U (UDP) and top stand before a colon")
        else:
            explicit.append(_parse_part(part))
    return PortSpec(explicit=PortSet.from_ranges(explicit), top=top)


def _parse_part(part: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{0,5})(?:(-)([0-9]{0,5}))?", part)
    if not found or not (found[1] or found[3]):
        raise ValueError(
            f"{part!r} is not a port or a range of ports" if part else "a port is missing"
        )
    if not found[2]:
        first = last = int(found[1])
    elif not found[3]:
        # nmap takes `80-` for 80-65535; a typing slip that asks 65,456 ports must be said in full.
        raise ValueError(f"{part!r} has no end; write {found[1]}-{LAST_PORT} to go up to the last")
    else:
        first, last = int(found[1] or 1), int(found[3])
    for port in (first, last):
        if not 1 <= port <= LAST_PORT:
            raise ValueError(f"port {port} does not exist; ports go from 1 to {LAST_PORT}")
    if first > last:
        raise ValueError(f"{part!r} ends before it begins")
    return first, last
