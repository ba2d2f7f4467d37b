"""What an artefact is likely called, by what it looks like. It names, and decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipeline.decide import reasons
from pipeline.decide.facts import HostRecord
from pipeline.model import Aftermath, Observation, Verdict
from pipeline.ports import PortSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What something looks like that answers where no service is.

    It supports verdicts with one of these ``reasons``. What is not given matches everything:
    ``aftermaths`` (one of them was seen), ``same_banner``, ``least`` of the ``ports`` open on the
    host, ``open_share`` of what was asked open there. ``sources`` say so.
    """

    id: str
    title: str
    what: str
    reasons: frozenset[str]
    sources: tuple[str, ...]
    aftermaths: frozenset[Aftermath] = frozenset()
    same_banner: bool = False
    ports: PortSet = field(default_factory=PortSet)
    least: int = 0
    open_share: float = 0.0

    def fits(self, seen: Appearance) -> bool:
        """True when it looks like this."""
        return (
            seen.reason in self.reasons
            and (not self.aftermaths or bool(self.aftermaths & seen.aftermaths))
            and (not self.same_banner or seen.same_banner)
            and len(self.ports & seen.opened) >= self.least
            and seen.open_share >= self.open_share
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """What an endpoint, or a host as a whole, looks like."""

    reason: str
    aftermaths: frozenset[Aftermath] = frozenset()
    same_banner: bool = False
    opened: PortSet = field(default_factory=PortSet)
    open_share: float = 0.0


def of_host(record: HostRecord) -> Appearance:
    """What a host looks like by its control ports."""
    everything = record.controls.answers_for_everything or record.standing.pretends
    return Appearance(
        reason=reasons.CONTROL_PORTS_ANSWER if everything else "",
        aftermaths=record.controls.aftermaths,
        same_banner=bool(record.banner),
        opened=record.opened,
        open_share=record.open_share,
    )


def of_endpoint(
    verdict: Verdict, heard: Iterable[Observation], record: HostRecord | None
) -> Appearance:
    """What an endpoint looks like by all that was heard of it."""
    return Appearance(
        reason=verdict.reason,
        aftermaths=frozenset(o.aftermath for o in heard if o.aftermath is not None),
        same_banner=record is not None and bool(record.banner),
        opened=record.opened if record is not None else PortSet(),
        open_share=record.open_share if record is not None else 0.0,
    )


def likely(known: Sequence[Signature], seen: Appearance) -> Signature | None:
    """The first signature that fits."""
    return next((signature for signature in known if signature.fits(seen)), None)
