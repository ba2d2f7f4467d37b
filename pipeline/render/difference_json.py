"""A comparison as one JSON document, for other programs.

``{"format": 1, "comparable": true or false, "differences": [sentence, …], "before": {…},
"after": {…}, "changes": [{"address", "protocol", "port", "kind", "reason", "confidence", "before",
"after", "note", "details", "folded"}, …], "machines": […], "suppressed": […], "expired": […],
"unwanted": 0}``. ``changes`` has all that are told, folded ones included: ``folded`` says why, or
is null. ``details`` name what is another about the service, ``note`` says why nothing is
known.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.decide.services import service_differences
from pipeline.model import Change
from pipeline.render.difference import Diff, Origin
from pipeline.render.document_json import change_json, laid_out, suppression_json
from pipeline.render.text import iso

FORMAT: Final = 1
"""Grows when a key changes its meaning or goes; new keys do not count."""


def diff_json(diff: Diff) -> str:
    """The document, one change per line, in the order of endpoints."""
    found = diff.found
    folded = {c.endpoint: fold.kind for fold in found.folds for c in fold.changes}
    return laid_out(
        {
            "format": FORMAT,
            "comparable": diff.comparable,
            "differences": list(diff.reservations),
            "before": _origin(diff.before),
            "after": _origin(diff.after),
            "changes": [
                {**_change(change), "folded": folded.get(change.endpoint)}
                for change in found.changes
            ],
            "machines": [
                {
                    "address": str(note.address),
                    "what": note.kind,
                    "came_from": None if note.came_from is None else str(note.came_from),
                    "endpoints": [str(endpoint) for endpoint in note.endpoints],
                }
                for note in diff.identities
            ],
            "suppressed": [
                {**_change(each.change), "suppression": suppression_json(each.by)}
                for each in found.suppressed
            ],
            "expired": [suppression_json(each) for each in found.expired],
            "unwanted": found.unwanted,
        }
    )


def _change(change: Change) -> dict[str, Any]:
    old = change.before.service if change.before else None
    new = change.after.service if change.after else None
    return {
        **change_json(change),
        "note": change.note or None,
        "details": [
            {"what": each.what, "before": each.before, "after": each.after}
            for each in service_differences(old, new)
        ],
    }


def _origin(side: Origin) -> dict[str, Any]:
    return {
        "name": side.name,
        "started": None if side.started is None else iso(side.started),
        **{name.replace(" ", "_"): value for name, value in side.particulars},
        "problem": side.problem or None,
    }
