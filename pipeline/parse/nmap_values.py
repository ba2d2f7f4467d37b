"""What nmap's XML says, as values. Every text in them is hostile input."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from operator import sub
from typing import Final

from pipeline.addresses import Address
from pipeline.model import PortState, Protocol, Service
from pipeline.ports import LAST_PORT, PortSet

MAX_SCRIPT: Final = 64 << 10
MAX_FIELD: Final = 4 << 10
MAX_REASON: Final = 64
STATES: Final = {state.value: state for state in PortState}
PROTOCOLS: Final = {protocol.value: protocol for protocol in Protocol}


@dataclass(frozen=True, slots=True, kw_only=True)
class PortResult:
    """What nmap says about one port; ``ttl`` is that of the answer, ``None`` without one."""

    protocol: Protocol
    port: int
    state: PortState
    reason: str
    ttl: int | None
    service: Service | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraReason:
    """Why some ports were collapsed; ``ports`` and ``protocol`` since nmap 7.93 or so."""

    reason: str
    count: int
    protocol: Protocol | None
    ports: PortSet | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraPorts:
    """Ports of one state that nmap counted instead of listing them."""

    state: PortState
    count: int
    reasons: tuple[ExtraReason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostResult:
    """What nmap says about one host. Every text is hostile input.

    ``timed_out``: nmap gave the host up and threw away what it had found; nothing is known.
    """

    address: Address
    up: bool
    reason: str
    started: float | None
    ended: float | None
    timed_out: bool
    ports: tuple[PortResult, ...]
    extra: tuple[ExtraPorts, ...]
    host_scripts: tuple[tuple[str, str], ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanInfo:
    """What was asked of every host, by one scan type: nmap writes one for each protocol."""

    type: str
    protocol: Protocol
    ports: PortSet


@dataclass(frozen=True, slots=True, kw_only=True)
class NmapRun:
    """What a file says about the run as a whole.

    ``complete`` only when nmap says that it ended in success *and* the document ends properly.
    ``truncated``: the file is cut off or damaged, and ``error`` says where; otherwise ``error`` is
    nmap's own message, if any. ``oddities`` counts what had to be left out (a port that does not
    exist, an unknown state, a host without an address), and ``oddity`` describes the first.
    ``scanner`` is the program that wrote the file: masscan writes this format, too.
    """

    scanner: str
    version: str
    arguments: str
    started: float | None
    ended: float | None
    scans: tuple[ScanInfo, ...]
    complete: bool
    error: str
    truncated: bool
    hosts_up: int | None
    hosts_down: int | None
    hosts_total: int | None
    hosts_read: int
    oddities: int
    oddity: str


def whole(text: str | None) -> int | None:
    """A whole number that is not negative, or ``None``; ``int`` alone would take ``1_0``."""
    return int(text) if text and len(text) <= 12 and text.isascii() and text.isdigit() else None


def seconds(text: str | None) -> float | None:
    """Whole seconds since the epoch, as nmap writes them."""
    number = whole(text)
    return None if number is None else float(number)


def port_list(text: str) -> PortSet | None:
    """nmap's list of ports; ``None`` when it is none. Port 0 is left out: it cannot be asked."""
    if not text:
        return PortSet()
    found = tuple(map(_port_range, text.split(",")))
    if None in found:
        return None
    ranges: tuple[tuple[int, int], ...] = found  # type: ignore[assignment]  # see above
    firsts, lasts = zip(*ranges, strict=True)
    # nmap writes them in order, and without neighbours: then they are a set as they stand.
    if lasts[0] and min(map(sub, firsts[1:], lasts), default=2) > 1:
        return PortSet(ranges)
    return PortSet.from_ranges(each for each in ranges if each[1])


@lru_cache(maxsize=8192)
def _port_range(part: str) -> tuple[int, int] | None:
    """First and last; 0 and 0 for port 0 alone."""
    first, dash, last = part.partition("-")
    low = whole(first)
    high = whole(last) if dash else low
    if low is None or high is None or not low <= high <= LAST_PORT:
        return None
    return (max(low, 1), high) if high else (0, 0)
