"""What of a run goes to a destination, piece by piece, each with an identifier of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pipeline.decide.risk_rules import Severity
from pipeline.deliveries.settings import Form
from pipeline.render.defectdojo import defectdojo_findings
from pipeline.render.document import RunDocument
from pipeline.render.exports.cef import render_cef
from pipeline.render.exports.ecs import render_ecs
from pipeline.render.exports.entries import entries
from pipeline.render.exports.ocsf import render_ocsf

MOST: Final = 500
"""Items that are handed over together …"""
LARGEST: Final = 512 * 1024
"""… and their characters, unless one alone is larger: below what a proxy usually lets through."""
_RENDERERS: Final[Mapping[Form, Callable[[RunDocument], str]]] = MappingProxyType(
    {Form.CEF: render_cef, Form.ECS: render_ecs, Form.OCSF: render_ocsf}
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


def events_of(document: RunDocument, form: Form) -> tuple[Item, ...]:
    """The run and its findings as the export tells them, one line each."""
    lines = _RENDERERS[form](document).split("\n")[:-1]
    ended = document.started if document.ended is None else document.ended
    heads = [(document.run, ended, Severity.INFO, "run")]
    heads += [
        (f"{document.run} {entry.uid}", entry.seen(document)[1], entry.severity, "finding")
        for entry in entries(document)
    ]
    return tuple(
        Item(id=id_, time=time, severity=severity, text=line, kind=kind)
        for (id_, time, severity, kind), line in zip(heads, lines, strict=True)
    )


def findings_of(document: RunDocument) -> tuple[Item, ...]:
    """The findings in the words of DefectDojo."""
    told = zip(entries(document), defectdojo_findings(document), strict=True)
    return tuple(
        Item(
            id=f"{document.run} {entry.uid}",
            time=entry.seen(document)[1],
            severity=entry.severity,
            text=json.dumps(finding, separators=(",", ":")),
        )
        for entry, finding in told
    )


def digest(items: Iterable[Item]) -> str:
    """The same as long as the same items are to be delivered in the same order."""
    return hashlib.sha256("\n".join(item.id for item in items).encode()).hexdigest()


def parcels(items: Sequence[Item], places: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """The places in their order, in portions that are handed over together."""
    parcel: list[int] = []
    size = 0
    for place in places:
        length = len(items[place].text)
        if parcel and (len(parcel) == MOST or size + length > LARGEST):
            yield tuple(parcel)
            parcel, size = [], 0
        parcel.append(place)
        size += length
    if parcel:
        yield tuple(parcel)
