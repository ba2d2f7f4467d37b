"""Changes that need not be told, for a reason and until a day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.addresses import AddressSet
from pipeline.model import Change, ChangeKind, Protocol
from pipeline.ports import PortSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """Changes that need not be told, why, and until when (epoch seconds, exclusive).

    What is not given matches everything: addresses, a protocol, ports, kinds of change.
    """

    reason: str
    until: float
    until_text: str
    addresses: AddressSet | None = None
    protocol: Protocol | None = None
    ports: PortSet | None = None
    kinds: frozenset[ChangeKind] = frozenset()

    def matches(self, change: Change) -> bool:
        """True for a change that this is about."""
        where = change.endpoint
        return (
            (self.addresses is None or where.address in self.addresses)
            and (self.protocol is None or where.protocol is self.protocol)
            and (self.ports is None or where.port in self.ports)
            and (not self.kinds or change.kind in self.kinds)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """A change that is not told, and by what."""

    change: Change
    by: Suppression


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """Changes to tell, those that are suppressed, and what matches a change but holds no more."""

    told: tuple[Change, ...]
    suppressed: tuple[Suppressed, ...] = ()
    expired: tuple[Suppression, ...] = ()


def sift(changes: Iterable[Change], suppressions: Sequence[Suppression], *, now: float) -> Sifted:
    """Part the changes that are told from those that are not. ``now`` ends suppressions."""
    told: list[Change] = []
    suppressed: list[Suppressed] = []
    expired: dict[Suppression, None] = {}
    for change in changes:
        matching = [each for each in suppressions if each.matches(change)]
        expired.update((each, None) for each in matching if each.until <= now)
        valid = next((each for each in matching if now < each.until), None)
        if valid is None:
            told.append(change)
        else:
            suppressed.append(Suppressed(change=change, by=valid))
    return Sifted(told=tuple(told), suppressed=tuple(suppressed), expired=tuple(expired))
