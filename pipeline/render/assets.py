"""The inventory of assets beside the findings, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from pipeline.decide.assets import Asset, Disagreements, Listing, Stranger
from pipeline.model import Change, ChangeKind
from pipeline.render.deviations import deviation_text
from pipeline.render.document import AssetsTold, RunDocument
from pipeline.render.language import Phrases, say, word
from pipeline.render.text import counted, listed, visible

LISTINGS: Final[Mapping[Listing, str]] = Phrases(
    {
        Listing.LISTED: "in the inventory",
        Listing.NETWORK: "only its network is in the inventory",
        Listing.UNLISTED: "only its network is in the inventory, beside hosts that are",
        Listing.UNKNOWN: "not in the inventory",
    }
)
"""How well the inventory knows an address."""
KINDS: Final[Mapping[Listing, str]] = MappingProxyType(
    {Listing.UNKNOWN: "unknown-host", Listing.UNLISTED: "unlisted-host"}
)
"""What a host is called that the inventory does not list."""

UNEXPECTED: Final = frozenset({ChangeKind.OPENED, ChangeKind.VERDICT_CHANGED, ChangeKind.FLAPPING})
_TOLD: Final = 20
_TEXT: Final = 80


def asset_text(asset: Asset | None) -> str:
    """``shop-1, of Web team, production, criticality high``; empty without an inventory."""
    if asset is None:
        return ""
    parts = [
        asset.name,
        say("of {owner}", owner=asset.owner) if asset.owner else "",
        asset.environment,
        say("zone {zone}", zone=word(asset.zone)) if asset.zone else "",
        say("criticality {level}", level=word(asset.criticality)) if asset.criticality else "",
    ]
    told = ", ".join(visible(part, _TEXT) for part in parts if part)
    if asset.listing in KINDS or not told:
        told = "; ".join(filter(None, (told, LISTINGS[asset.listing])))
    return told


def sources_text(told: AssetsTold) -> str:
    """``assets.csv (csv, 120 entries) and leases.csv (dhcp, 1 entry)``."""
    return listed(
        [
            f"{visible(s.name, _TEXT)} ({s.kind}, {counted(s.entries, 'entry', 'entries')})"
            for s in told.sources
        ]
    )


def source_notes(told: AssetsTold) -> tuple[str, ...]:
    """What of the sources could not be used."""
    return tuple(
        f"{visible(s.name, _TEXT)}: {visible(s.note, 400)}" for s in told.sources if s.note
    )


def deviation_kind(change: Change) -> str:
    """``unexpected-port``, ``missing-port``, or ``not-covered`` where nobody knows."""
    if change.kind in UNEXPECTED:
        return "unexpected-port"
    return change.kind.value if change.kind is ChangeKind.NOT_COVERED else "missing-port"


def asset_count(found: Disagreements) -> str:
    """``2 hosts are not in the inventory; 1 port is open and not expected``; empty if none is."""
    kinds = [deviation_kind(change) for change in found.ports]
    parts = [
        _some(len(found.strangers), "host is", "hosts are", "not listed in the inventory"),
        _some(kinds.count("unexpected-port"), "port is", "ports are", "open and not expected"),
        _some(kinds.count("missing-port"), "expected port is", "expected ports are", "missing"),
        _some(kinds.count("not-covered"), "expected port was", "expected ports were", "not asked"),
    ]
    return "; ".join(filter(None, parts))


def _some(number: int, one: str, several: str, what: str) -> str:
    return f"{number:,} {one if number == 1 else several} {what}" if number else ""


def asset_lines(document: RunDocument) -> Iterator[str]:
    """A line that counts, and one for each disagreement, up to twenty; none where there is none."""
    found = document.assets.disagreements if document.assets else None
    if found is None or not (found.strangers or found.ports):
        return
    yield asset_count(found)
    lines = [*map(stranger_text, found.strangers), *map(deviation_text, found.ports)]
    yield from lines[:_TOLD]
    if len(lines) > _TOLD:
        yield f"and {len(lines) - _TOLD:,} more in the report"


def stranger_text(stranger: Stranger) -> str:
    """``192.0.2.9 unknown-host: not in the inventory; 2 endpoints open``."""
    open_ = counted(len(stranger.open_), "endpoint")
    return (
        f"{stranger.address} {KINDS[stranger.listing]}: {LISTINGS[stranger.listing]}; {open_} open"
    )


def asset_json(asset: Asset) -> dict[str, Any]:
    """What the inventory says of an address."""
    return {
        "listing": asset.listing,
        "name": asset.name or None,
        "owner": asset.owner or None,
        "environment": asset.environment or None,
        "zone": asset.zone,
        "criticality": asset.criticality,
        "sources": asset.sources,
    }


def assets_json(told: AssetsTold) -> dict[str, Any]:
    """The sources, and where the run does not agree with them."""
    found = told.disagreements
    return {
        "sha256": told.sha256,
        "sources": [
            {
                "name": source.name,
                "kind": source.kind,
                "sha256": source.sha256,
                "entries": source.entries,
                "note": source.note or None,
            }
            for source in told.sources
        ],
        "unknown_hosts": [_stranger(stranger) for stranger in found.strangers] if found else None,
        "ports": [_port(change) for change in found.ports] if found else None,
        "hosts_without_expected_ports": found.untold if found else None,
    }


def _stranger(stranger: Stranger) -> dict[str, Any]:
    return {
        "address": str(stranger.address),
        "kind": KINDS[stranger.listing],
        "open": [f"{e.port}/{e.protocol}" for e in stranger.open_],
    }


def _port(change: Change) -> dict[str, Any]:
    return {
        "address": str(change.endpoint.address),
        "protocol": change.endpoint.protocol,
        "port": change.endpoint.port,
        "kind": deviation_kind(change),
        "change": change.kind,
        "reason": change.reason,
        "now": change.after.kind if change.after else None,
    }
