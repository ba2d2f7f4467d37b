"""Which changes are noise: folded into one line with their history, or suppressed for a reason.

Nothing is lost: what is folded is counted as a change, and what is suppressed is listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Final

from pipeline.addresses import Address, number_of
from pipeline.decide.compare import OPEN
from pipeline.decide.suppression import Suppressed, Suppression, sift
from pipeline.model import Change, ChangeKind, Endpoint, Protocol, VerdictKind
from pipeline.ports import PortSet

EPHEMERAL: Final = PortSet(((32768, 65535),))
"""Ports that systems hand out for a while: 49152 and up by RFC 6335, 32768 and up on Linux."""
EPHEMERAL_CROWD: Final = 5
"""So many ephemeral ports of one host that come and go are one thing to tell."""
CROWD: Final = 20
"""More changes of one kind than this on one host are one thing to tell."""
TURNS: Final = 3
"""An endpoint that opened and closed this often within its history is one that flaps."""

_COMES_AND_GOES: Final = frozenset(
    {
        ChangeKind.OPENED,
        ChangeKind.REAPPEARED,
        ChangeKind.CLOSED,
        ChangeKind.NOW_FILTERED,
        ChangeKind.FLAPPING,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The states of one endpoint over the runs up to now, one for each spell, the oldest first.

    ``None`` stands for runs that asked while nobody called it open.
    """

    kinds: tuple[VerdictKind | None, ...] = ()

    @property
    def turns(self) -> int:
        """How often it went from open to not open or back."""
        states = [kind in OPEN for kind in self.kinds]
        return sum(then is not now for then, now in pairwise(states))


class FoldKind(StrEnum):
    """Why several changes are told as one."""

    FLAPPING = "flapping"
    """Endpoints of one host that opened and closed again and again over the runs."""
    EPHEMERAL = "ephemeral"
    """Many ports of one host from the range that systems hand out for a while."""
    CROWD = "crowd"
    """The same happened to many ports of one host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Changes of one host that are told in one line, with what earlier runs said of them."""

    kind: FoldKind
    address: Address
    protocol: Protocol
    changes: tuple[Change, ...]
    histories: tuple[History, ...] = ()

    @property
    def ports(self) -> PortSet:
        """The ports that are folded."""
        return PortSet.of(change.endpoint.port for change in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """The changes of a comparison: told one by one, folded, suppressed, or not wanted.

    ``expired`` are the suppressions that match a change but hold no more; ``unwanted`` counts what
    is of other kinds than those asked for.
    """

    told: tuple[Change, ...] = ()
    folds: tuple[Fold, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    expired: tuple[Suppression, ...] = ()
    unwanted: int = 0

    @property
    def changes(self) -> tuple[Change, ...]:
        """All that changed and is neither suppressed nor unwanted, in the order of endpoints."""
        folded = (change for fold in self.folds for change in fold.changes)
        return tuple(sorted((*self.told, *folded), key=lambda change: change.endpoint.sort_key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a reader wants to see: these kinds of change (none: all), folded or one by one."""

    only: frozenset[ChangeKind] = frozenset()
    fold: bool = True
    suppressions: tuple[Suppression, ...] = field(default=())


def sort_out(
    changes: Iterable[Change],
    wishes: Wishes,
    *,
    histories: Mapping[Endpoint, History] | None = None,
    now: float,
) -> Sorted:
    """Sort changes into those to tell, to fold and to suppress. ``now`` ends suppressions."""
    changes = tuple(changes)
    asked_for = [c for c in changes if not wishes.only or c.kind in wishes.only]
    found = sift(asked_for, wishes.suppressions, now=now)
    folds = _folds(found.told, histories or {}) if wishes.fold else ()
    folded = {change.endpoint for fold in folds for change in fold.changes}
    return Sorted(
        told=tuple(change for change in found.told if change.endpoint not in folded),
        folds=folds,
        suppressed=found.suppressed,
        expired=found.expired,
        unwanted=len(changes) - len(asked_for),
    )


def _folds(changes: Sequence[Change], histories: Mapping[Endpoint, History]) -> tuple[Fold, ...]:
    by_host: dict[tuple[Address, Protocol], list[Change]] = {}
    for change in changes:
        where = change.endpoint
        by_host.setdefault((where.address, where.protocol), []).append(change)
    folds = []
    for (address, protocol), found in by_host.items():
        for kind, members in _crowds(found, histories):
            folds.append(
                Fold(
                    kind=kind,
                    address=address,
                    protocol=protocol,
                    changes=tuple(members),
                    histories=tuple(
                        histories.get(change.endpoint, History()) for change in members
                    ),
                )
            )
    return tuple(sorted(folds, key=lambda f: (number_of(f.address), f.protocol, f.kind)))


def _crowds(
    changes: Sequence[Change], histories: Mapping[Endpoint, History]
) -> Iterable[tuple[FoldKind, list[Change]]]:
    """The crowds of one host; a change is in the first that takes it."""
    if not histories and len(changes) < EPHEMERAL_CROWD:
        return
    flapping = [c for c in changes if histories.get(c.endpoint, History()).turns >= TURNS]
    if flapping:
        yield FoldKind.FLAPPING, flapping
    taken = {change.endpoint for change in flapping}
    rest = [change for change in changes if change.endpoint not in taken]
    passing = [
        change
        for change in rest
        if change.endpoint.port in EPHEMERAL and change.kind in _COMES_AND_GOES
    ]
    if len(passing) >= EPHEMERAL_CROWD:
        yield FoldKind.EPHEMERAL, passing
        taken = {change.endpoint for change in passing}
        rest = [change for change in rest if change.endpoint not in taken]
    by_kind: dict[ChangeKind, list[Change]] = {}
    for change in rest:
        by_kind.setdefault(change.kind, []).append(change)
    for members in by_kind.values():
        if len(members) > CROWD:
            yield FoldKind.CROWD, members
