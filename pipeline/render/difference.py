"""Two runs beside each other as one value: everything that any rendering of it may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pipeline.decide.identity import IdentityKind, IdentityNote
from pipeline.decide.noise import Fold, FoldKind, Sorted
from pipeline.decide.services import service_differences
from pipeline.decide.suppression import Suppression
from pipeline.model import Change, ChangeKind, Verdict
from pipeline.ports import PortSet
from pipeline.render.text import counted, listed, minute, visible
from pipeline.render.words import CHANGES, service_text

_VALUE: Final = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One of the two sides: a run or a file, and how it was made.

    ``particulars`` are (name, value) pairs: scope, ports, methods, rate, vantage, tools.
    ``problem`` says why it does not tell everything, and is empty when it does.
    """

    name: str
    started: float | None
    particulars: tuple[tuple[str, str], ...]
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """What became of each endpoint between two sides, and whether they can be compared at all."""

    before: Origin
    after: Origin
    differences: tuple[str, ...]
    found: Sorted
    identities: tuple[IdentityNote, ...] = ()

    @property
    def comparable(self) -> bool:
        """True when nothing about how the two were made makes changes of its own."""
        return not self.differences and not self.before.problem and not self.after.problem

    @property
    def reservations(self) -> tuple[str, ...]:
        """What to keep in mind, as sentences."""
        sides = (("before", self.before), ("after", self.after))
        problems = (f"{which}: {side.problem}" for which, side in sides if side.problem)
        return (*problems, *self.differences)


def in_order(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """The changes in the order in which a reader should care, then by endpoint."""
    order = {kind: place for place, kind in enumerate(CHANGES)}
    return tuple(sorted(changes, key=lambda c: (order[c.kind], c.endpoint.sort_key)))


def details(change: Change) -> tuple[str, ...]:
    """Why nothing is known, and what is another about the service; fit to be shown."""
    old = change.before.service if change.before else None
    new = change.after.service if change.after else None
    note = (visible(change.note, _VALUE),) if change.note else ()
    return note + tuple(
        f"{difference.what}: {_quoted(difference.before)} → {_quoted(difference.after)}"
        for difference in service_differences(old, new)
    )


def _quoted(text: str) -> str:
    return visible(text, _VALUE) if text else "none"


def side_text(verdict: Verdict | None, limit: int) -> str:
    """``confirmed, ssh OpenSSH 9.2``; ``no verdict`` where there is none."""
    if verdict is None:
        return "no verdict"
    service = service_text(verdict.service, limit)
    return f"{verdict.kind}, {service}" if service else str(verdict.kind)


FOLDS: Final[Mapping[FoldKind, str]] = MappingProxyType(
    {
        FoldKind.FLAPPING: "comes and goes from run to run",
        FoldKind.EPHEMERAL: "ports that systems hand out for a while",
        FoldKind.CROWD: "the same on many ports",
    }
)
"""Why changes are folded, in words."""


def fold_text(fold: Fold) -> str:
    """What happened to the ports of a fold: ``12 opened and 3 closed: 40001-40015``, and more."""
    kinds = [
        f"{sum(change.kind is kind for change in fold.changes)} {kind}"
        for kind in ChangeKind
        if any(change.kind is kind for change in fold.changes)
    ]
    return f"{listed(kinds)}: {ports_text(fold.ports)}; {FOLDS[fold.kind]}{history_text(fold)}"


def history_text(fold: Fold) -> str:
    """``, opened or closed 3 to 7 times on record``; empty where no more is known than this."""
    turns = [history.turns for history in fold.histories]
    if max(turns, default=0) < 2:
        return ""
    least, most = min(turns), max(turns)
    times = str(most) if least == most else f"{least} to {most}"
    return f", opened or closed {times} times on record"


def ports_text(ports: PortSet) -> str:
    """The ports as people read them, cut where there are too many ranges."""
    return visible(str(ports), _VALUE)


def identity_text(note: IdentityNote) -> str:
    """One sentence about the machine behind an address."""
    where = listed([f"{endpoint.port}/{endpoint.protocol}" for endpoint in note.endpoints[:6]])
    if note.kind is IdentityKind.MOVED:
        return f"{note.address} is the machine that was {note.came_from}: the host key of {where}"
    return f"{note.address} is another machine than before: host keys or certificates of {where}"


def suppression_text(suppression: Suppression) -> str:
    """``no answer by design, until 2027-01-31``."""
    return f"{visible(suppression.reason, 200)} (until {suppression.until_text})"


def title(diff: Diff) -> str:
    """``20261122T020000Z-3f9a (2026-11-22 02:00) → …``."""
    return " → ".join(_origin(side) for side in (diff.before, diff.after))


def _origin(side: Origin) -> str:
    when = f" ({minute(side.started)} UTC)" if side.started is not None else ""
    return visible(side.name, 200) + when


def totals(diff: Diff) -> str:
    """``3 changes: 2 opened and 1 closed``, and how many are suppressed or not asked for."""
    changes = diff.found.changes
    kinds = [
        f"{sum(change.kind is kind for change in changes)} {kind}"
        for kind in CHANGES
        if any(change.kind is kind for change in changes)
    ]
    said = f"{counted(len(changes), 'change')}: {listed(kinds)}" if changes else "nothing changed"
    more = []
    if diff.found.suppressed:
        more.append(f"{len(diff.found.suppressed):,} suppressed")
    if diff.found.unwanted:
        more.append(f"{diff.found.unwanted:,} of other kinds")
    return said + (f"; {' and '.join(more)}" if more else "")


def sections(diff: Diff) -> tuple[tuple[str, str, list[str]], ...]:
    """(name, heading, sentences) of what is told beside the changes; only what there is."""
    found = diff.found
    every = (
        (
            "folded",
            "Folded",
            [f"{fold.address}/{fold.protocol}: {fold_text(fold)}" for fold in found.folds],
        ),
        ("machines", "Machines", [identity_text(note) for note in diff.identities]),
        (
            "suppressed",
            "Suppressed",
            [
                f"{each.change.endpoint} {each.change.kind}: {suppression_text(each.by)}"
                for each in found.suppressed
            ],
        ),
        (
            "expired",
            "Suppressions that have expired and hold no more",
            [suppression_text(each) for each in found.expired],
        ),
    )
    return tuple(section for section in every if section[2])
