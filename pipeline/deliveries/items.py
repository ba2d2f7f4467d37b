"""What of a run goes to a destination, piece by piece, each with an identifier of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from pipeline.decide.risk_rules import Severity
from pipeline.deliveries.settings import Form
from pipeline.render.defectdojo import defectdojo_finding
from pipeline.render.document import RunDocument
from pipeline.render.exports.cef import CEF
from pipeline.render.exports.ecs import ECS
from pipeline.render.exports.entries import Entry, Wording, entries
from pipeline.render.exports.ocsf import OCSF

MOST: Final = 500
"""Items that are handed over together …"""
LARGEST: Final = 512 * 1024
"""… and their characters, unless one alone is larger: below what a proxy usually lets through."""
_WORDINGS: Final[Mapping[Form, Wording]] = MappingProxyType(
    {Form.CEF: CEF, Form.ECS: ECS, Form.OCSF: OCSF}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One event. ``id`` is the same whenever the run is delivered; ``time`` in epoch seconds."""

    id: str
    time: float
    severity: Severity
    text: str
    kind: str = "finding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An item that waits. Its text is written when its turn has come, and takes no room before."""

    id: str
    time: float
    severity: Severity
    write: Callable[[], str]
    kind: str = "finding"

    def item(self) -> Item:
        """It, written down."""
        return Item(
            id=self.id, time=self.time, severity=self.severity, text=self.write(), kind=self.kind
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is handed over together: items, and their places among all."""

    places: tuple[int, ...]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of items that were handed over together.

    ``owed`` are the places of those to send again; ``problem`` says why, and is empty when there
    are none. ``refused`` is how many the receiver will never take, and ``because`` of what.
    ``hopeless``: it is of no use to try again at once. ``wait``: what the receiver asked for, in
    seconds.
    """

    owed: tuple[int, ...] = ()
    problem: str = ""
    hopeless: bool = False
    wait: float = 0.0
    refused: int = 0
    because: str = ""


def nothing_taken(items: Sequence[Item], problem: str, *, hopeless: bool = False) -> Outcome:
    """None of the items arrived, as far as anybody knows."""
    return Outcome(owed=tuple(range(len(items))), problem=problem, hopeless=hopeless)


def events_of(document: RunDocument, form: Form) -> tuple[Draft, ...]:
    """The run and its findings as the export tells them, one line each."""
    wording, told = _WORDINGS[form], tuple(entries(document))
    run = Draft(
        id=document.run,
        time=document.started if document.ended is None else document.ended,
        severity=Severity.INFO,
        write=partial(wording.run, document, len(told)),
        kind="run",
    )
    return run, *(
        _draft(entry, document, partial(wording.finding, entry, document)) for entry in told
    )


def findings_of(document: RunDocument) -> tuple[Draft, ...]:
    """The findings in the words of DefectDojo."""
    return tuple(
        _draft(entry, document, partial(_for_defectdojo, entry, document))
        for entry in entries(document)
    )


def _draft(entry: Entry, document: RunDocument, write: Callable[[], str]) -> Draft:
    return Draft(
        id=f"{document.run} {entry.uid}",
        time=entry.seen(document)[1],
        severity=entry.severity,
        write=write,
    )


def _for_defectdojo(entry: Entry, document: RunDocument) -> str:
    return json.dumps(defectdojo_finding(entry, document), separators=(",", ":"))


def digest(items: Iterable[Item | Draft]) -> str:
    """The same as long as the same items are to be delivered in the same order."""
    return hashlib.sha256("\n".join(item.id for item in items).encode()).hexdigest()


def parcels(drafts: Sequence[Draft], places: Iterable[int]) -> Iterator[Parcel]:
    """The items at these places in their order, written down portion by portion."""
    parcel: dict[int, Item] = {}
    size = 0
    for place in places:
        item = drafts[place].item()
        length = len(item.text)
        if parcel and (len(parcel) == MOST or size + length > LARGEST):
            yield Parcel(places=tuple(parcel), items=tuple(parcel.values()))
            parcel, size = {}, 0
        parcel[place] = item
        size += length
    if parcel:
        yield Parcel(places=tuple(parcel), items=tuple(parcel.values()))
