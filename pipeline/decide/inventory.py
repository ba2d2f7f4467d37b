"""An inventory of assets as it was read: entries, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.addresses import AddressSet
from pipeline.decide.risk_rules import Criticality, Ports, Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of an inventory; what it says nothing about is empty or ``None``.

    ``hosts`` are names by which it is found where it has no ``networks``: a run knows the addresses
    of the names of its scope. ``source`` is the place of its source in the inventory.
    """

    networks: AddressSet = field(default_factory=AddressSet)
    hosts: tuple[str, ...] = ()
    name: str = ""
    owner: str = ""
    environment: str = ""
    zone: Zone | None = None
    criticality: Criticality | None = None
    expected: Ports | None = None
    source: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetSource:
    """Where entries come from. ``note`` is what of it could not be used; texts are hostile."""

    name: str
    kind: str
    sha256: str
    entries: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All entries of all sources, in the order in which they were given."""

    sources: tuple[AssetSource, ...] = ()
    entries: tuple[Entry, ...] = ()


Listed = tuple[AssetSource, tuple[Entry, ...]]
"""A source, and the entries that it has."""
