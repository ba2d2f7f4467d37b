"""What an inventory of assets says about addresses, and where a run does not agree with it.

Several entries may have an address: the one with the fewest addresses goes first, then the one
that was given first, and each answers only what it says something about. So a list of leases may
give the name of a host, and a line about its network the owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pipeline.addresses import Address, AddressSet, number_of
from pipeline.decide.along import Along
from pipeline.decide.compare import GONE, Side
from pipeline.decide.deviations import deviating
from pipeline.decide.inventory import Entry, Inventory
from pipeline.decide.risk_rules import Criticality, Ports, Zone
from pipeline.model import Change, Endpoint, Protocol, VerdictKind


class Listing(StrEnum):
    """How well an inventory knows an address."""

    LISTED = "listed"
    """It has an entry of its own."""
    UNLISTED = "unlisted"
    """Only its network has one, in which other hosts are listed one by one."""
    NETWORK = "network"
    """Only its network has one, in which no host is listed."""
    UNKNOWN = "unknown"
    """No entry has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """What all entries together say about one address; ``sources`` are their names.

    ``must``: the expected ports are those of this very address, and must be open.
    """

    listing: Listing
    name: str = ""
    owner: str = ""
    environment: str = ""
    zone: Zone | None = None
    criticality: Criticality | None = None
    expected: Ports | None = None
    must: bool = False
    sources: tuple[str, ...] = ()


_UNKNOWN: Final = Asset(listing=Listing.UNKNOWN)


class Assets:
    """An inventory, asked address by address; ``names`` are host names with their addresses."""

    def __init__(
        self, inventory: Inventory, names: Mapping[str, Iterable[Address]] | None = None
    ) -> None:
        self._sources = tuple(source.name for source in inventory.sources)
        known = {_plain(name): tuple(found) for name, found in (names or {}).items()}
        self._spans = [_spans(entry, known) for entry in inventory.entries]
        # Each range by itself: of a host with two addresses, the entry is about both.
        self._line = Along(
            (AddressSet((span,)), (span[1] - span[0] + 1, place, entry))
            for place, entry in enumerate(inventory.entries)
            for span in self._spans[place]
        )
        self.listed = AddressSet.of(
            span for spans in self._spans for span in spans if span[0] == span[1]
        )
        """The addresses that have an entry of their own."""
        self._crowded: dict[int, bool] = {}
        self._found: dict[Address, Asset] = {}

    def of(self, address: Address) -> Asset:
        """What is known about an address."""
        if address not in self._found:
            self._found[address] = self._merged(address)
        return self._found[address]

    def _merged(self, address: Address) -> Asset:
        held = sorted(self._line.at(address), key=lambda found: found[:2])
        if not held:
            return _UNKNOWN
        entries = [entry for _, _, entry in held]
        size, place, _ = held[0]
        stated = next(((n, e) for n, _, e in held if e.expected is not None), None)
        return Asset(
            listing=Listing.LISTED if size == 1 else self._of_network(place),
            name=next((entry.name for entry in entries if entry.name), ""),
            owner=next((entry.owner for entry in entries if entry.owner), ""),
            environment=next((entry.environment for entry in entries if entry.environment), ""),
            zone=next((entry.zone for entry in entries if entry.zone is not None), None),
            criticality=next(
                (entry.criticality for entry in entries if entry.criticality is not None), None
            ),
            expected=stated[1].expected if stated else None,
            must=stated is not None and stated[0] == 1,
            sources=tuple(dict.fromkeys(self._sources[entry.source] for entry in entries)),
        )

    def _of_network(self, place: int) -> Listing:
        if place not in self._crowded:
            self._crowded[place] = bool(AddressSet.of(self._spans[place]) & self.listed)
        return Listing.UNLISTED if self._crowded[place] else Listing.NETWORK


def _spans(entry: Entry, names: Mapping[str, tuple[Address, ...]]) -> tuple[tuple[int, int], ...]:
    if entry.networks:
        return entry.networks.ranges
    numbers = {
        number_of(address) for host in entry.hosts for address in names.get(_plain(host), ())
    }
    return tuple((number, number) for number in sorted(numbers))


def _plain(host: str) -> str:
    """A host name as names are compared (RFC 4343)."""
    return host.lower().removesuffix(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A host that answers, and that the inventory does not list; ``open_`` are its endpoints."""

    address: Address
    listing: Listing
    open_: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreements:
    """Where a run and the inventory do not agree, each in numeric order.

    ``ports`` are changes against what is expected: *opened* is unexpected, the others are missing.
    ``untold``: how many hosts with something open have no expected ports to be held against.
    """

    strangers: tuple[Stranger, ...]
    ports: tuple[Change, ...]
    untold: int


def disagreements(assets: Assets, after: Side, *, within: AddressSet) -> Disagreements:
    """Hold the verdicts of a run on the addresses ``within`` against the inventory."""
    there: dict[Address, list[Endpoint]] = {}
    for endpoint, verdict in after.verdicts.items():
        if verdict.kind not in GONE and verdict.kind is not VerdictKind.ARTEFACT:
            there.setdefault(endpoint.address, []).append(endpoint)
    strangers = (
        Stranger(address=address, listing=assets.of(address).listing, open_=tuple(sorted(open_)))
        for address, open_ in sorted(there.items(), key=lambda found: number_of(found[0]))
        if assets.of(address).listing in (Listing.UNKNOWN, Listing.UNLISTED)
    )

    def told(endpoint: Endpoint) -> bool:
        return assets.of(endpoint.address).expected is not None

    def allowed(endpoint: Endpoint) -> bool:
        expected = assets.of(endpoint.address).expected
        return expected is not None and endpoint in expected

    side = Side(
        verdicts={e: v for e, v in after.verdicts.items() if told(e)},
        asked=after.asked,
        refused=after.refused,
        why=after.why,
    )
    return Disagreements(
        strangers=tuple(strangers),
        ports=deviating(_required(assets, within), allowed, side),
        untold=sum(assets.of(address).expected is None for address in there),
    )


def _required(assets: Assets, within: AddressSet) -> Iterator[Endpoint]:
    for address in assets.listed & within:
        asset = assets.of(address)
        if asset.expected is not None and asset.must:
            yield from (Endpoint(address, Protocol.TCP, port) for port in asset.expected.tcp)
            yield from (Endpoint(address, Protocol.UDP, port) for port in asset.expected.udp)
