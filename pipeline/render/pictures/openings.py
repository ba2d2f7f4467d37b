"""What opened and what went, run by run: up and down from one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from pipeline.render.language import figure, say
from pipeline.render.pictures.svg import CHARACTER, Picture, block, drawing, label, rule
from pipeline.render.text import counted, minute

WIDTH: Final = 720
LEFT: Final = 56
RIGHT: Final = 712
MIDDLE: Final = 90
REACH: Final = 64
HEIGHT: Final = 188
WIDEST: Final = 28
RUNS: Final = 60
"""At most so many runs are drawn, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnover:
    """One run: when it began, and how many endpoints opened, were first looked at, and went."""

    started: float
    opened: int
    first_looked_at: int
    gone: int


def opens_and_closes(runs: Sequence[Turnover]) -> Picture:
    """All runs at equal distances, the oldest first, to one scale up and down."""
    title = say("What opened and what went, run by run")
    shown = runs[-RUNS:]
    if len(shown) < 2:
        told = say("There is only one run, so nothing has opened or gone since.")
        nothing = label(4, 20, told, ink="soft", width=WIDTH)
        return drawing("openings", title, [told], WIDTH, 30, [nothing])
    words = [
        say(
            "{time}: {opened} opened, {looked} first looked at, {gone} gone.",
            time=minute(run.started),
            opened=counted(run.opened, "endpoint"),
            looked=run.first_looked_at,
            gone=run.gone,
        )
        for run in shown
    ]
    return drawing("openings", title, words, WIDTH, HEIGHT, _bars(shown))


def _bars(runs: Sequence[Turnover]) -> Iterator[Markup]:
    most = max(1, *(max(run.opened + run.first_looked_at, run.gone) for run in runs))
    apart = (RIGHT - LEFT) / len(runs)
    wide = min(WIDEST, apart * 0.7)
    yield label(LEFT - 8, MIDDLE - REACH + 10, f"+{figure(most)}", ink="soft", anchor="end")
    yield label(LEFT - 8, MIDDLE + 4, "0", ink="soft", anchor="end")
    yield label(LEFT - 8, MIDDLE + REACH, f"-{figure(most)}", ink="soft", anchor="end")
    for place, run in enumerate(runs):
        x = LEFT + apart * (place + 0.5) - wide / 2
        up, first, down = (REACH * n / most for n in (run.opened, run.first_looked_at, run.gone))
        when = minute(run.started)
        if run.opened:
            yield block(x, MIDDLE - up, wide, up, "changed", _told(when, run.opened, say("opened")))
        if run.first_looked_at:
            told = _told(when, run.first_looked_at, say("first looked at"))
            yield block(x, MIDDLE - up - first, wide, first, "info", told)
        if run.gone:
            yield block(x, MIDDLE, wide, down, "gap", _told(when, run.gone, say("gone")))
    yield rule(LEFT, MIDDLE, RIGHT, MIDDLE, ink="soft")
    yield label(LEFT, HEIGHT - 6, minute(runs[0].started), ink="soft")
    yield label(RIGHT, HEIGHT - 6, minute(runs[-1].started), ink="soft", anchor="end")
    x = float(LEFT)
    for ink, name in (
        ("changed", say("opened")),
        ("info", say("first looked at")),
        ("gap", say("gone")),
    ):
        yield block(x, 4, 11, 11, ink)
        yield label(x + 16, 14, name, ink="soft")
        x += max(130, 30 + CHARACTER * len(name))


def _told(when: str, number: int, what: str) -> str:
    return f"{when}: {figure(number)} {what}"
