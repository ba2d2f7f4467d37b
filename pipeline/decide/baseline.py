"""What is expected to be open, and which changes somebody has to act on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.addresses import AddressSet
from pipeline.model import Change, ChangeKind, Endpoint, Protocol
from pipeline.ports import PortSet

ACT_ON: Final[tuple[ChangeKind, ...]] = tuple(
    kind for kind in ChangeKind if kind is not ChangeKind.NEWLY_COVERED
)
"""Changes that make a run exit with 1 where the engagement says nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Ports that may be open on some addresses; on a single address they must be."""

    addresses: AddressSet
    protocol: Protocol
    ports: PortSet
    note: str = ""

    @property
    def required(self) -> bool:
        """True for a single address: its ports are missed when they are not open."""
        return self.addresses.size == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedPorts:
    """A list of expected ports; ``file`` is its name and ``sha256`` that of what it held."""

    file: str
    sha256: str
    entries: tuple[Expected, ...]

    def required(self, within: AddressSet) -> Iterator[Endpoint]:
        """What must be open, of these addresses; an endpoint may come twice."""
        for entry in self.entries:
            if entry.required and entry.addresses <= within:
                (address,) = entry.addresses
                for port in entry.ports:
                    yield Endpoint(address, entry.protocol, port)

    def allowed(self, protocol: Protocol, port: int) -> AddressSet:
        """Where this port may be open."""
        return AddressSet.of(
            found
            for entry in self.entries
            if entry.protocol is protocol and port in entry.ports
            for found in entry.addresses.ranges
        )


def acted_on(changes: Iterable[Change], kinds: Iterable[ChangeKind]) -> bool:
    """True when somebody has to act on one of these changes."""
    wanted = frozenset(kinds)
    return any(change.kind in wanted for change in changes)
