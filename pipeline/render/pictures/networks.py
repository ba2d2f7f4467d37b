"""Which networks are at risk: a bar for each, in parts by severity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from pipeline.decide.risk_rules import SEVERITIES
from pipeline.render.language import figure, say, word
from pipeline.render.pictures.svg import LEAST, Picture, block, drawing, label
from pipeline.render.text import counted

WIDTH: Final = 640
LEFT: Final = 170
RIGHT: Final = 590
ROW: Final = 26
TOP: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRow:
    """One network, or what is left of them; ``counts`` are endpoints by severity, as the
    severities are ordered."""

    name: str
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """Endpoints of every severity."""
        return sum(self.counts)


def risk_by_network(rows: Sequence[NetworkRow]) -> Picture:
    """The rows in the order in which they are given, to one scale."""
    most = max((row.total for row in rows), default=0)
    words = [f"{row.name}: {_by_severity(row)}." for row in rows]
    if not most:
        words = [say("Nothing that is open is at risk, so no network stands out.")]
    title = say("Endpoints at risk, by network and severity")
    if not most:
        nothing = label(4, 20, words[0], ink="soft", width=WIDTH)
        return drawing("risk-networks", title, words, WIDTH, 30, [nothing])
    height = TOP + ROW * len(rows)
    return drawing("risk-networks", title, words, WIDTH, height, _parts(rows, most))


def _parts(rows: Sequence[NetworkRow], most: int) -> Iterator[Markup]:
    for place, severity in enumerate(SEVERITIES):
        key = LEFT + place * 84
        yield block(key, 4, 11, 11, severity.value)
        yield label(key + 16, 14, word(severity), ink="soft")
    for place, row in enumerate(rows):
        top = TOP + place * ROW
        yield label(LEFT - 8, top + 15, row.name, anchor="end", width=LEFT - 8)
        x = float(LEFT)
        for severity, count in zip(SEVERITIES, row.counts, strict=True):
            if count:
                wide = max(LEAST, (RIGHT - LEFT) * count / most)
                yield block(
                    x, top + 3, wide, ROW - 9, severity.value, f"{figure(count)} {word(severity)}"
                )
                x += wide
        yield label(x + 6, top + 15, figure(row.total), ink="soft")


def _by_severity(row: NetworkRow) -> str:
    told = [f"{figure(n)} {word(s)}" for s, n in zip(SEVERITIES, row.counts, strict=True) if n]
    endpoints = counted(row.total, "endpoint")
    return say(
        "{endpoints} at risk ({severities})", endpoints=endpoints, severities=", ".join(told)
    )
