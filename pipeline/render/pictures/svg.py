"""Pieces of SVG. Every text is made visible, cut and escaped here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from markupsafe import Markup

from pipeline.render.text import visible

INKS: Final = MappingProxyType(
    {
        "confirmed": "#0b4f7a",
        "likely": "#115e59",
        "transient": "#7c4a03",
        "unresolved": "#6d2a78",
        "artefact": "#5b4636",
        "quiet": "#4a5563",
        "gap": "#96290f",
        "changed": "#33419c",
        "critical": "#8f0f24",
        "high": "#b8470a",
        "medium": "#a87c00",
        "low": "#5574bd",
        "info": "#9aa5b1",
        "ink": "#1a222c",
        "soft": "#525d6b",
        "rule": "#d4dae1",
        "shade": "#f4f6f8",
    }
)
"""The colour of each class, on paper."""
LEAST: Final = 2.0
"""Nothing that is there is drawn narrower: one critical endpoint is seen among ten thousand."""
CHARACTER: Final = 6.6
"""How wide a character of a label is on average, in units of the drawing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A drawing; ``words`` are sentences that say what it shows to whoever does not see it."""

    svg: Markup
    title: str
    words: tuple[str, ...]


def number(value: float) -> str:
    """A coordinate: at most one decimal, and never ``-0``."""
    rounded = round(value, 1) + 0.0
    return f"{rounded:.1f}".removesuffix(".0")


def shown(text: str, width: float) -> str:
    """A label cut to so many units of the drawing."""
    text = visible(text)
    room = max(1, int(width / CHARACTER))
    return text if len(text) <= room else text[: max(1, room - 1)] + "…"


def label(
    x: float, y: float, text: str, *, ink: str = "ink", anchor: str = "start", width: float = 400
) -> Markup:
    """One line of text at its base line, cut to ``width``."""
    return Markup('<text x="{}" y="{}" text-anchor="{}" class="i-{}" fill="{}">{}</text>').format(
        number(x), number(y), anchor, ink, INKS[ink], shown(text, width)
    )


def block(x: float, y: float, width: float, height: float, ink: str, told: str = "") -> Markup:
    """A filled rectangle; ``told`` is what a pointer that rests on it reads."""
    inside = Markup("<title>{}</title>").format(visible(told, 200)) if told else ""
    return Markup(
        '<rect x="{}" y="{}" width="{}" height="{}" class="i-{}" fill="{}">{}</rect>'
    ).format(number(x), number(y), number(width), number(height), ink, INKS[ink], inside)


def rule(
    x1: float, y1: float, x2: float, y2: float, *, ink: str = "rule", dash: str = ""
) -> Markup:
    """A thin line."""
    dashed = Markup(' stroke-dasharray="{}"').format(dash) if dash else ""
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="l-{}" stroke="{}"{}/>').format(
        *map(number, (x1, y1, x2, y2)), ink, INKS[ink], dashed
    )


def drawing(
    name: str,
    title: str,
    words: Iterable[str],
    width: float,
    height: float,
    parts: Iterable[Markup],
) -> Picture:
    """The whole; ``name`` is unique within a page, and made of letters and hyphens."""
    told = tuple(visible(sentence, 600) for sentence in words)
    svg = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="drawn" width="{w}" '
        'viewBox="0 0 {w} {h}" role="img" aria-labelledby="{n}-title" '
        'aria-describedby="{n}-desc" font-family="sans-serif" font-size="13">'
        '<title id="{n}-title">{title}</title><desc id="{n}-desc">{desc}</desc>{parts}</svg>'
    ).format(
        w=number(width),
        h=number(height),
        n=name,
        title=visible(title, 200),
        desc=" ".join(told),
        parts=Markup("").join(parts),
    )
    return Picture(svg=svg, title=title, words=told)
