"""The evidence of one endpoint over time: a row for each method, a mark for each answer.

Answers come within seconds and then hours later, so the distance from the first is drawn by its
cube root.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from pipeline.render.language import Phrases, say
from pipeline.render.pictures.svg import INKS, number, shown
from pipeline.render.text import counted, duration, visible

LEFT: Final = 176
RIGHT: Final = 468
WIDTH: Final = 480
ROW: Final = 20

OPEN: Final = "open"
REFUSED: Final = "refused"
SILENT: Final = "silent"
_ANSWERS: Final = (OPEN, REFUSED, SILENT)
_HALF: Final = 4
_HEARD: Final = Phrases({OPEN: "open", REFUSED: "refused", SILENT: "silent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LookRow:
    """What one method heard: (time, ``open``, ``refused`` or ``silent``), in order."""

    name: str
    answers: tuple[tuple[float, str], ...]


def looks(rows: Sequence[LookRow], *, over: str) -> Markup:
    """A small drawing about the endpoint that ``over`` names; empty for fewer than two answers."""
    times = [time for row in rows for time, _ in row.answers]
    if len(times) < 2:
        return Markup("")
    first, last = min(times), max(times)
    height = ROW * len(rows) + 20
    parts = Markup("").join((*_around(rows, last - first), *_marks(rows, first, last)))
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="drawn looks" width="{0}" '
        'viewBox="0 0 {0} {1}" role="img" font-family="sans-serif" font-size="12">'
        "<title>{2}</title>{3}</svg>"
    ).format(WIDTH, height, visible(f"{over}: {told(rows)}", 600), parts)


def told(rows: Iterable[LookRow]) -> str:
    """``nmap SYN scan: open 2 times, then silent; handshake: open.``"""
    return "; ".join(f"{row.name} {_sequence(row)}" for row in rows) + "."


def _sequence(row: LookRow) -> str:
    groups: list[tuple[str, int]] = []
    for _, answer in row.answers:
        if groups and groups[-1][0] == answer:
            groups[-1] = (answer, groups[-1][1] + 1)
        else:
            groups.append((answer, 1))
    named = [_HEARD[answer] + (f" {counted(n, 'time')}" if n > 1 else "") for answer, n in groups]
    if len(named) > 8:
        named = [*named[:7], say("{n} more turns", n=len(named) - 7)]
    return say(", then ").join(named)


def place(time: float, first: float, last: float) -> float:
    """Where a time stands; grows with it, the first at the left edge, the last at the right."""
    if last <= first:
        return LEFT
    return LEFT + (RIGHT - LEFT) * math.cbrt((time - first) / (last - first))


def _around(rows: Sequence[LookRow], span: float) -> Iterator[Markup]:
    """The names of the rows, their lines, and what the ends stand for. A page has a thousand of
    these drawings, so what they have in common is said once in each."""
    lines = Markup("").join(
        Markup("M{} {}H{}").format(LEFT, _height_of(row), RIGHT) for row in range(len(rows))
    )
    yield Markup('<path d="{}" class="l-rule" stroke="{}"/>').format(lines, INKS["rule"])
    yield Markup('<g class="i-soft" fill="{}">').format(INKS["soft"])
    for number_of_row, row in enumerate(rows):
        name = shown(row.name, LEFT - 8)
        yield Markup('<text y="{}">{}</text>').format(_height_of(number_of_row) + 4, name)
    bottom = ROW * len(rows) + 14
    later = say("{time} later", time=duration(span))
    yield Markup('<text x="{}" y="{}">{}</text>').format(LEFT, bottom, say("first answer"))
    yield Markup('<text x="{}" y="{}" text-anchor="end">{}</text></g>').format(RIGHT, bottom, later)


def _height_of(row: int) -> int:
    return ROW * row + 11


def _marks(rows: Sequence[LookRow], first: float, last: float) -> Iterator[Markup]:
    for number_of_row, row in enumerate(rows):
        y = _height_of(number_of_row)
        drawn = set()
        for time, answer in row.answers:
            spot = round(place(time, first, last)), answer
            if spot not in drawn:  # what lies on top of the same is seen once
                drawn.add(spot)
                yield _mark(spot[0], y, answer)


def _mark(x: float, y: float, answer: str) -> Markup:
    if answer == OPEN:
        return Markup('<circle cx="{}" cy="{}" r="4" class="i-confirmed" fill="{}"/>').format(
            number(x), y, INKS["confirmed"]
        )
    if answer == REFUSED:
        made = Markup('<path d="M{a} {c}L{b} {d}M{a} {d}L{b} {c}" class="l-gap" stroke="{ink}" ')
        return (made + Markup('stroke-width="2" fill="none"/>')).format(
            a=number(x - _HALF),
            b=number(x + _HALF),
            c=number(y - _HALF),
            d=number(y + _HALF),
            ink=INKS["gap"],
        )
    return Markup(
        '<circle cx="{}" cy="{}" r="4" class="o-soft" fill="#ffffff" stroke="{}"/>'
    ).format(number(x), y, INKS["soft"])
