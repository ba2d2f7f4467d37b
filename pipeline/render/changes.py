"""What changed since an earlier run, most pressing first, with crowds gathered into one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.addresses import Address
from pipeline.model import Change, ChangeKind, Protocol
from pipeline.ports import PortSet
from pipeline.render.document import Comparison
from pipeline.render.findings import CROWD
from pipeline.render.words import CHANGES


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCrowd:
    """Many endpoints of one host to which the same happened."""

    address: Address
    protocol: Protocol
    ports: PortSet


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeGroup:
    """All changes of one kind: one by one, gathered by host, and how many only counted."""

    kind: ChangeKind
    total: int
    single: tuple[Change, ...]
    crowds: tuple[ChangeCrowd, ...]
    left_out: int


def group_changes(comparison: Comparison, *, at_most: int) -> tuple[ChangeGroup, ...]:
    """The changes by kind; at most ``at_most`` of each kind are told, the rest is counted."""
    by_kind: dict[ChangeKind, list[Change]] = {kind: [] for kind in CHANGES}
    for change in sorted(comparison.changes, key=lambda change: change.endpoint):
        by_kind[change.kind].append(change)
    return tuple(_group(kind, found, at_most) for kind, found in by_kind.items() if found)


def _group(kind: ChangeKind, changes: Sequence[Change], at_most: int) -> ChangeGroup:
    by_host: dict[tuple[Address, Protocol], list[Change]] = {}
    for change in changes:
        key = change.endpoint.address, change.endpoint.protocol
        by_host.setdefault(key, []).append(change)
    single = [one for found in by_host.values() if len(found) <= CROWD for one in found]
    crowds = [
        ChangeCrowd(
            address=address,
            protocol=protocol,
            ports=PortSet.of(change.endpoint.port for change in found),
        )
        for (address, protocol), found in by_host.items()
        if len(found) > CROWD
    ]
    left_out = len(single[at_most:]) + sum(len(crowd.ports) for crowd in crowds[at_most:])
    return ChangeGroup(
        kind=kind,
        total=len(changes),
        single=tuple(single[:at_most]),
        crowds=tuple(crowds[:at_most]),
        left_out=left_out,
    )
