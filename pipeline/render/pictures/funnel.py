"""What was found, step by step: named by discovery, corroborated, confirmed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from pipeline.render.language import figure, say
from pipeline.render.pictures.svg import LEAST, Picture, block, drawing, label
from pipeline.render.text import counted

WIDTH: Final = 640
STEP: Final = 58
BAR: Final = 24
LEFT: Final = 4
RIGHT: Final = 636


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """``number`` endpoints came as far as here; ``lost`` is what became of those that did not
    come further, as (verdict, how many)."""

    name: str
    number: int
    ink: str
    lost: tuple[tuple[str, int], ...] = ()


def funnel(steps: Sequence[Step]) -> Picture:
    """Centred bars, as wide as there are endpoints."""
    most = max((step.number for step in steps), default=0)
    words = [
        f"{step.name}: {counted(step.number, 'endpoint')}."
        + (say(" Of these, {lost} went no further.", lost=_lost(step)) if step.lost else "")
        for step in steps
    ]
    if not most:
        words = [say("No endpoint ever looked open, so there is nothing to narrow down.")]
    height = STEP * len(steps) if most else 30
    return drawing(
        "funnel",
        say("From what looked open to what is confirmed"),
        words,
        WIDTH,
        height,
        _bars(steps, most) if most else [label(LEFT, 20, words[0], ink="soft", width=WIDTH)],
    )


def _bars(steps: Sequence[Step], most: int) -> Iterator[Markup]:
    for place, step in enumerate(steps):
        top = place * STEP
        wide = max((RIGHT - LEFT) * step.number / most, LEAST if step.number else 0)
        name = f"{step.name}: {figure(step.number)}"
        yield label(LEFT, top + 15, name)
        yield block(LEFT, top + 22, wide, BAR, step.ink, name)
        if step.lost:
            lost = say("no further: {lost}", lost=_lost(step))
            yield label(RIGHT, top + 15, lost, ink="soft", anchor="end", width=360)


def _lost(step: Step) -> str:
    return ", ".join(f"{figure(number)} {name}" for name, number in step.lost)
