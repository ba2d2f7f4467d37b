"""What an authorisation permits besides its validity, and whether a task lies inside of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

from pipeline.addresses import AddressSet
from pipeline.errors import NotAuthorised
from pipeline.model import Method, Protocol, Task
from pipeline.ports import PortSet

_Set = TypeVar("_Set", AddressSet, PortSet)


class Technique(StrEnum):
    """What people who sign an authorisation call a method."""

    SYN = "syn"
    """Half-open TCP connections: masscan, and nmap's SYN scan."""
    CONNECT = "connect"
    """Whole TCP connections: nmap's connect scan, and portproof's own handshakes and canaries."""
    UDP = "udp"
    """Questions by UDP, of nmap and of portproof itself."""
    VERSION = "version"
    """nmap asks an open port which service it is."""
    SCRIPTS = "scripts"
    """nmap's scripts that read what a service says to everybody."""


TECHNIQUES: Final[Mapping[Method, Technique]] = MappingProxyType(
    {
        Method.MASSCAN_SYN: Technique.SYN,
        Method.NMAP_SYN: Technique.SYN,
        Method.NMAP_CONNECT: Technique.CONNECT,
        Method.HANDSHAKE: Technique.CONNECT,
        Method.NMAP_UDP: Technique.UDP,
        Method.DATAGRAM: Technique.UDP,
        Method.NMAP_VERSION: Technique.VERSION,
    }
)
"""The technique of each method that sends something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permits:
    """What may be done. ``None`` is where the authorisation sets no bound of its own.

    ``rate`` and ``rate_per_host`` are packets per second; ``tcp`` and ``udp`` are ports.
    """

    techniques: frozenset[Technique] | None = None
    tcp: PortSet | None = None
    udp: PortSet | None = None
    rate: int | None = None
    rate_per_host: int | None = None
    targets: AddressSet | None = None

    def allow(self, technique: Technique) -> bool:
        """True when this may be used."""
        return self.techniques is None or technique in self.techniques

    def ports(self, protocol: Protocol) -> PortSet | None:
        """The ports of a protocol that may be asked; ``None`` for all of them."""
        return self.tcp if protocol is Protocol.TCP else self.udp

    def require(self, task: Task, *, rate: float, rate_per_host: float, scripts: bool) -> None:
        """Raise :class:`NotAuthorised` unless a task of a run with these ceilings may be sent.

        The rates are what all tasks of the run together may send: one that stays below a bound
        keeps it only if those beside it do. ``scripts``: nmap runs scripts with it. Targets are
        for the scope to judge.
        """
        problem = next(self._breaches(task, rate, rate_per_host, scripts), None)
        if problem is not None:
            raise NotAuthorised(
                f"the authorisation does not permit {problem}: it was not sent",
                hint="correct authorisation.permits if the signed document says otherwise",
            )

    def _breaches(
        self, task: Task, rate: float, rate_per_host: float, scripts: bool
    ) -> Iterator[str]:
        technique = TECHNIQUES.get(task.method)
        if technique is None or not self.allow(technique):
            yield f"{technique or task.method} ({task.method})"
        if scripts and not self.allow(Technique.SCRIPTS):
            yield "scripts"
        permitted = self.ports(task.protocol)
        if permitted is not None and (beyond := task.ports - permitted):
            yield f"{task.protocol.upper()} ports {beyond}"
        if self.rate is not None and rate > self.rate:
            yield f"{rate:g} packets per second, which this run may send"
        if self.rate_per_host is not None and rate_per_host > self.rate_per_host:
            yield f"{rate_per_host:g} packets per second to a host, which this run may send"

    def narrowed(self, other: Permits) -> Permits:
        """What both permit."""
        return Permits(
            techniques=_both(self.techniques, other.techniques),
            tcp=_common(self.tcp, other.tcp),
            udp=_common(self.udp, other.udp),
            rate=_lower(self.rate, other.rate),
            rate_per_host=_lower(self.rate_per_host, other.rate_per_host),
            targets=_common(self.targets, other.targets),
        )


def _both(
    one: frozenset[Technique] | None, other: frozenset[Technique] | None
) -> frozenset[Technique] | None:
    return (one if other is None else other) if one is None or other is None else one & other


def _common(one: _Set | None, other: _Set | None) -> _Set | None:
    return (one if other is None else other) if one is None or other is None else one & other


def _lower(one: int | None, other: int | None) -> int | None:
    return min((rate for rate in (one, other) if rate is not None), default=None)
