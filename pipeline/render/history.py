"""What became of endpoints over all runs: rows of a table for people, and JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.decide.history import Spell, Spells, first_open
from pipeline.decide.trends import Occasion
from pipeline.model import Endpoint
from pipeline.render.document_json import laid_out
from pipeline.render.text import counted, iso, minute, visible

FORMAT: Final = 1
COLUMNS: Final = ("endpoint", "from", "to", "found", "service", "looks", "not covered")
NOT_OPEN: Final = "not open"
"""What a run found that asked, and in which nobody called the endpoint open."""
_SERVICE: Final = 60
_GAPS_TOLD: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The history of some endpoints of one engagement: ``runs`` are all that count."""

    engagement: str
    runs: tuple[Occasion, ...]
    endpoints: Mapping[Endpoint, Spells]

    def between(self, first: int, last: int) -> tuple[Occasion, ...]:
        """The runs from one number to the other, both included, in the order of their times."""
        places = {run.number: place for place, run in enumerate(self.runs)}
        return self.runs[places[first] : places[last] + 1]

    def following(self, spells: Spells, place: int) -> tuple[Occasion, ...]:
        """The runs right after the spell at ``place``, until the next one, that did not look."""
        ahead = spells[place + 1].first if place + 1 < len(spells) else self.runs[-1].number
        runs = self.between(spells[place].last, ahead)[1:]
        return runs[:-1] if place + 1 < len(spells) else runs


def heading(past: Past) -> str:
    """One line: which engagement, how many runs, and from when to when."""
    span = f"{minute(past.runs[0].started)} to {minute(past.runs[-1].started)} UTC"
    return f"{visible(past.engagement, 80)}: {counted(len(past.runs), 'complete run')}, {span}"


def rows(past: Past) -> Iterator[tuple[str, ...]]:
    """A row for each spell and each gap between them, as :data:`COLUMNS` names the cells."""
    for endpoint, spells in sorted(past.endpoints.items(), key=lambda item: item[0].sort_key):
        name = str(endpoint)
        for place, spell in enumerate(spells):
            yield _row(name, spell, past)
            name = ""
            gap = past.following(spells, place)
            if gap:
                span = (minute(gap[0].started), minute(gap[-1].started))
                yield ("", *span, "not covered", "", f"0 of {len(gap)}", "")


def _row(name: str, spell: Spell, past: Past) -> tuple[str, ...]:
    runs = past.between(spell.first, spell.last)
    missed = frozenset(spell.missed)
    return (
        name,
        minute(runs[0].started),
        minute(runs[-1].started),
        spell.kind.value if spell.kind is not None else NOT_OPEN,
        visible(spell.service, _SERVICE),
        f"{len(runs) - len(missed)} of {len(runs)}",
        _some(minute(run.started) for run in runs if run.number in missed),
    )


def _some(times: Iterable[str]) -> str:
    every = list(times)
    rest = len(every) - _GAPS_TOLD
    return ", ".join(every[:_GAPS_TOLD]) + (f" and {rest:,} more" if rest > 0 else "")


def history_json(asked: str, pasts: Sequence[Past]) -> str:
    """``{"format": 1, "asked", "engagements": [{"engagement", "runs", "endpoints": […]}]}``.

    ``not_covered`` of a spell are the runs within it that did not look, ``not_covered_after`` those
    between it and the next spell, or the newest run.
    """
    told = [
        {
            "engagement": past.engagement,
            "runs": [{"run": run.id, "started": iso(run.started)} for run in past.runs],
            "endpoints": [
                _endpoint(endpoint, spells, past)
                for endpoint, spells in sorted(
                    past.endpoints.items(), key=lambda item: item[0].sort_key
                )
            ],
        }
        for past in pasts
    ]
    return laid_out({"format": FORMAT, "asked": asked, "engagements": told})


def _endpoint(endpoint: Endpoint, spells: Spells, past: Past) -> dict[str, Any]:
    opened = first_open(spells)
    return {
        "address": str(endpoint.address),
        "protocol": endpoint.protocol,
        "port": endpoint.port,
        "first_seen": None if opened is None else iso(past.between(opened, opened)[0].started),
        "spells": [
            {
                **_spell(spell, past),
                "not_covered_after": [run.id for run in past.following(spells, place)],
            }
            for place, spell in enumerate(spells)
        ],
    }


def _spell(spell: Spell, past: Past) -> dict[str, Any]:
    runs = past.between(spell.first, spell.last)
    missed = frozenset(spell.missed)
    return {
        "verdict": spell.kind,
        "service": spell.service or None,
        "from": {"run": runs[0].id, "started": iso(runs[0].started)},
        "to": {"run": runs[-1].id, "started": iso(runs[-1].started)},
        "looks": len(runs) - len(missed),
        "not_covered": [run.id for run in runs if run.number in missed],
    }
