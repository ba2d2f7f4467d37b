"""What is known about whole hosts and networks, beside the verdicts on their endpoints.

A reader who is to believe a verdict wants to know who gave the answers: how many ports of the host
were asked, refused or kept silent, what its control ports said, and whether it was a witness all
the time. Much of that shows only in many endpoints at once: the same banner everywhere, a network
that turned away whoever asked too fast, a limit that a sweep ran into and a slower look did not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pipeline.addresses import Address, AddressSet
from pipeline.decide.standing import (
    Mood,
    Standing,
)
from pipeline.decide.verdict import HostFacts
from pipeline.model import (
    Protocol,
)
from pipeline.ports import PortSet

AT_ONCE: Final = 1.0
"""Seconds within which a whole host's open ports answer the sweep only if one box answers them."""
_MOST: Final = 0.5
"""The share of a host's ports from which on so many open ones are remarkable."""
_MANY_ASKED: Final = 16
_MANY_WAVER: Final = 10
"""Ports of one host that were both open and refused, from which on one device is likelier to have
done that than as many services that come and go."""


class Suspicion(StrEnum):
    """What may have kept from the sweep what later looks found."""

    RATE_LIMIT = "rate-limit"
    """The looks that found it asked more slowly."""
    PICKY_FILTER = "picky-filter"
    """They did not: something drops the sweep's kind of packet."""


class Doubt(StrEnum):
    """Why a host could not be believed, or not all the time."""

    ANSWERS_FOR_EVERYTHING = "answers-for-everything"
    """Its control ports are open, too."""
    DECEIVED_US = "deceived-us"
    """For a time it answered for ports that had refused before."""
    TURNED_US_AWAY = "turned-us-away"
    """For a time it refused on ports that had been open before."""
    DROPPED_US = "dropped-us"
    """For a time it kept silent on ports that had answered before."""
    CHANGED_TOGETHER = "changed-together"
    """Many of its ports were open at one time and refused at another, all of them alike."""
    MOSTLY_OPEN = "mostly-open"
    """Most of its ports answer as if open, whatever its control ports say."""


_DOUBT_OF: Final[Mapping[Mood, Doubt]] = {
    Mood.DECEIVING: Doubt.DECEIVED_US,
    Mood.REFUSING: Doubt.TURNED_US_AWAY,
    Mood.SILENT: Doubt.DROPPED_US,
}


PRETENDING: Final = frozenset(
    {Doubt.ANSWERS_FOR_EVERYTHING, Doubt.MOSTLY_OPEN, Doubt.DECEIVED_US, Doubt.CHANGED_TOGETHER}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord:
    """One host, by one protocol. Every asked port is open, refused or silent, in that order.

    ``opened`` were heard open at some time, believed or not; ``refused`` and ``silent`` are counts.
    ``banner`` is what every endpoint said that said anything, if several did and all the same.
    ``answered_within`` is how many seconds lay between the first and the last open port that the
    sweep heard; ``None`` where that means nothing.
    """

    address: Address
    protocol: Protocol
    asked: int
    opened: PortSet
    refused: int
    silent: int
    controls: HostFacts
    standing: Standing
    answer_ttls: tuple[int, ...] = ()
    refusal_ttls: tuple[int, ...] = ()
    banner: str = ""
    answered_within: float | None = None
    wavering: int = 0
    """How many ports were open at some time and refused at another."""

    @property
    def open_share(self) -> float:
        """The share of the asked ports that were heard open, from 0 to 1."""
        return len(self.opened) / self.asked if self.asked else 0.0

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """Why it cannot be believed without reserve, in the order of :class:`Doubt`."""
        found = {_DOUBT_OF[e.mood] for e in self.standing.episodes}
        if self.wavering >= _MANY_WAVER and Doubt.DECEIVED_US not in found:
            found.add(Doubt.CHANGED_TOGETHER)
        if self.controls.answers_for_everything or self.standing.pretends:
            found.add(Doubt.ANSWERS_FOR_EVERYTHING)
        elif self.asked >= _MANY_ASKED and self.open_share > _MOST:
            found.add(Doubt.MOSTLY_OPEN)
        return tuple(doubt for doubt in Doubt if doubt in found)

    @property
    def at_once(self) -> bool:
        """True when all its open ports answered the sweep within :data:`AT_ONCE`."""
        return self.answered_within is not None and self.answered_within <= AT_ONCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A network that ceased to answer as before.

    The ``hosts`` were sound ``after`` (``None``: never seen before) and found otherwise at
    ``noticed``; ``until`` is when the last of them was back, ``None`` while one is not. ``rate`` is
    the highest rate (packets per second) that a task was leased which asked this network in
    between, ``rate_here`` the share of it that went to this network.
    """

    mood: Mood
    hosts: tuple[Address, ...]
    after: float | None
    noticed: float
    until: float | None
    ports: PortSet
    """What searches asked this network in between."""
    rate: float | None
    rate_here: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What one pass over a network found: the sweep is number 0, then the looks.

    ``found`` open endpoints are new in this pass; ``missed`` are those that a later one found.
    ``rate_here`` is the highest rate (packets per second) at which it asked this network.
    """

    number: int
    found: int
    missed: int
    rate_here: float | None

    @property
    def share_missed(self) -> float:
        """Of what there was left to find, as far as it is known: the share missed, 0 to 1."""
        there = self.found + self.missed
        return self.missed / there if there else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRecord:
    """A neighbourhood (/24, or /120 of IPv6) in which somebody answered.

    ``hosts`` are those that did; the counts are sums over them. ``gentle`` is how many tasks asked
    it at a gentle pace, ``pace`` the highest of these paces (probes per second).
    """

    network: AddressSet
    protocol: Protocol
    hosts: tuple[Address, ...]
    asked: int
    opened: int
    refused: int
    silent: int
    turns: tuple[Turn, ...] = ()
    searches: tuple[Search, ...] = ()
    suspicion: Suspicion | None = None
    """Set where the sweep missed what looks found, and much more than elsewhere."""
    gentle: int = 0
    pace: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhoods:
    """Everything that is known about hosts and networks, in numeric order."""

    hosts: tuple[HostRecord, ...] = ()
    networks: tuple[NetworkRecord, ...] = ()

    def by_host(self) -> Mapping[tuple[Address, Protocol], HostRecord]:
        """The records of the hosts by address and protocol."""
        return {(record.address, record.protocol): record for record in self.hosts}

    def around(self, record: HostRecord) -> NetworkRecord | None:
        """The record of the network that a host stands in."""
        for network in self.networks:
            if network.protocol is record.protocol and record.address in network.network:
                return network
        return None
