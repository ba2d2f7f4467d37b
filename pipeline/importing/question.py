"""What a file asked in one way, and whoever takes what was answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from pipeline.addresses import Address, AddressSet, number_of
from pipeline.errors import UsageError
from pipeline.model import (
    Endpoint,
    Hole,
    Method,
    Observation,
    Purpose,
    Refusals,
    StageName,
    Task,
    TaskState,
    Verdict,
)
from pipeline.model import Protocol as Transport
from pipeline.ports import PortSet, parse_ports
from pipeline.scope import Targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One way of asking in one file: what becomes a task of the run.

    ``file`` is the place of the file among those of its occasion, from 1; ``part`` tells apart what
    is the same in everything else.
    """

    file: int
    method: Method
    protocol: Transport
    purpose: Purpose
    round: int = 0
    part: int = 0

    def task(self, targets: Targets, ports: PortSet) -> Task:
        """The task that this question is in a run."""
        stage = StageName.DISCOVER
        if self.purpose is Purpose.NAMED:
            stage = StageName.CORROBORATE
        elif self.purpose is Purpose.VERSION:
            stage = StageName.PROBE
        return Task(
            batch=self.file,
            stage=stage,
            method=self.method,
            purpose=self.purpose,
            targets=targets,
            protocol=self.protocol,
            ports=ports,
            round=self.round,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a file says of one question when it was read: whom it asked, about what, and when.

    ``ports`` are what every one of the ``addresses`` was asked, less the holes; without any the
    question covers nothing but its answers. A ``FAILED`` one was begun and cut off.
    """

    question: Question
    addresses: AddressSet
    ports: PortSet
    state: TaskState = TaskState.SETTLED
    started: float | None = None
    ended: float | None = None
    outcome: str = ""


class Taker(Protocol):
    """Whoever keeps what comes out of the files, in memory or in the store."""

    def observe(self, question: Question, observation: Observation) -> int:
        """An answer about one endpoint; returns its number."""

    def decide(self, verdict: Verdict) -> None:
        """A verdict that somebody made of the observations before."""

    def refuse(self, question: Question, refusals: Refusals) -> None:
        """Ports of one address that refused, and that nobody named."""

    def give_up(self, question: Question, hole: Hole) -> None:
        """What the tool gave up on."""

    def end(self, ended: Ended) -> None:
        """All that was asked by a question; at most once for each."""


@dataclass(frozen=True, slots=True)
class Named:
    """Endpoints that somebody named, by host: of these every answer counts, refusals included."""

    ports: Mapping[tuple[int, Transport], frozenset[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, endpoints: Iterable[Endpoint]) -> Named:
        """The endpoints, gathered by host."""
        found: dict[tuple[int, Transport], set[int]] = {}
        for endpoint in endpoints:
            key = number_of(endpoint.address), endpoint.protocol
            found.setdefault(key, set()).add(endpoint.port)
        return cls({key: frozenset(ports) for key, ports in found.items()})

    def at(self, address: Address, protocol: Transport) -> frozenset[int]:
        """The ports that were named on one host."""
        if not self.ports:
            return NOBODY
        return self.ports.get((number_of(address), protocol), NOBODY)

    def __or__(self, other: Named) -> Named:
        keys = self.ports.keys() | other.ports.keys()
        return Named(
            {key: self.ports.get(key, NOBODY) | other.ports.get(key, NOBODY) for key in keys}
        )


NOBODY: Final[frozenset[int]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """What is to be known of a file beyond its open ports.

    Of the ``expected`` every answer is kept. The ``earlier`` ones were called open by a file of the
    same occasion that began before: an answer about them is a second opinion.
    """

    expected: Named = field(default_factory=Named)
    earlier: Named = field(default_factory=Named)


@dataclass(frozen=True, slots=True)
class Scanned:
    """What somebody says was scanned, where the files cannot know it."""

    addresses: AddressSet
    protocol: Transport
    ports: PortSet


def parse_scanned(text: str) -> tuple[Scanned, ...]:
    """Read ``10.0.0.0/24,10.1.0.0/24 1-1000,U:53``: networks, a space, ports.

    Raises :class:`UsageError`.
    """
    networks, _, ports = text.strip().rpartition(" ")
    try:
        if not networks:
            raise ValueError("networks and ports are needed, with a space between them")
        addresses = AddressSet.parse(part.strip() for part in networks.split(",") if part.strip())
        asked = parse_ports(ports)
        if asked.tcp.top or asked.udp.top:
            raise ValueError("write the ports themselves: top means other ports to each tool")
    except ValueError as problem:
        raise UsageError(
            f"--scanned {text!r}: {problem}", hint='write it like "10.0.0.0/24 1-1000,8080"'
        ) from None
    by_protocol = ((Transport.TCP, asked.tcp), (Transport.UDP, asked.udp))
    return tuple(
        Scanned(addresses, protocol, spec.explicit) for protocol, spec in by_protocol if spec
    )


_YEAR_2100: Final = 4_102_444_800.0
_KEPT: Final = 1 << 16
"""Addresses that are gathered before they are merged into ranges."""


def sane(time: float | None) -> float | None:
    """The time, unless no scanner can have been at work then: before 1970 or after 2099."""
    return time if time is not None and 0 < time < _YEAR_2100 else None


class Places:
    """Addresses that come one by one, kept as ranges."""

    def __init__(self) -> None:
        self._merged = AddressSet()
        self._new: set[int] = set()
        self._newest: Address | None = None

    def add(self, address: Address) -> None:
        """Remember an address."""
        if address is self._newest:
            return
        self._newest = address
        self._new.add(number_of(address))
        if len(self._new) >= _KEPT:
            self.addresses()

    def addresses(self) -> AddressSet:
        """All of them."""
        if self._new:
            self._merged = self._merged | AddressSet.of((n, n) for n in self._new)
            self._new.clear()
        return self._merged
