"""Where which ports are open: ports across, networks down, and the shade says how many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from pipeline.render.language import figure, say
from pipeline.render.pictures.svg import INKS, Picture, drawing, label, number
from pipeline.render.text import counted, listed

LEFT: Final = 150
TOP: Final = 24
CELL: Final = 44
ROW: Final = 26
LEVELS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """``counts`` has a row for each of ``rows`` (networks), and in it a number of open endpoints
    for each of ``columns`` (ports). The last row or column may be the sum of all
    others: no shade belongs to it."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    summed_row: bool = False
    summed_column: bool = False


def level(count: int, most: int) -> int:
    """How dark: 0 for none, then 1 to 5 in steps that double, twice, and so on up to the most."""
    if not count:
        return 0
    for step in range(1, LEVELS):
        if count <= most ** (step / LEVELS):
            return step
    return LEVELS


def heat_map(heat: Heat) -> Picture:
    """A cell for each port and network, with its number in it."""
    title = say("Open ports by network")
    if not any(map(any, heat.counts)):
        told = say("No port is open, so there is nothing to map.")
        nothing = label(4, 20, told, ink="soft", width=460)
        return drawing("heat", title, [told], 480, 30, [nothing])
    width = max(300, LEFT + CELL * len(heat.columns) + 4)
    height = TOP + ROW * len(heat.rows) + 4
    return drawing("heat", title, _words(heat), width, height, _cells(heat))


def _cells(heat: Heat) -> Iterator[Markup]:
    rows, columns = len(heat.rows) - heat.summed_row, len(heat.columns) - heat.summed_column
    most = max(max(counts[:columns]) for counts in heat.counts[:rows])
    for place, name in enumerate(heat.columns):
        x = LEFT + CELL * (place + 0.5)
        yield label(x, TOP - 8, name, ink="soft", anchor="middle", width=CELL + 8)
    for row, (name, counts) in enumerate(zip(heat.rows, heat.counts, strict=True)):
        y = TOP + row * ROW
        yield label(LEFT - 8, y + 17, name, anchor="end", width=LEFT - 8)
        for place, count in enumerate(counts):
            shade = level(count, most) if row < rows and place < columns else 0
            yield _cell(LEFT + CELL * place, y, count, shade)


def _cell(x: float, y: float, count: int, shade: int) -> Markup:
    made = Markup(
        '<rect x="{}" y="{}" width="{}" height="{}" class="h-{}" fill="{}" fill-opacity="{}"/>'
    ).format(
        number(x + 1),
        number(y + 1),
        CELL - 2,
        ROW - 2,
        shade,
        INKS["confirmed"] if shade else INKS["shade"],
        ("1", "0.12", "0.26", "0.45", "0.8", "1")[shade],
    )
    if not count:
        return made
    text = Markup(
        '<text x="{}" y="{}" text-anchor="middle" class="t-{}" fill="{}">{}</text>'
    ).format(
        number(x + CELL / 2),
        number(y + 18),
        shade,
        "#ffffff" if shade >= LEVELS - 1 else INKS["ink"],
        figure(count) if count < 10_000 else f"{count // 1000}k",
    )
    return made + text


def _words(heat: Heat) -> Iterator[str]:
    for name, counts in zip(heat.rows, heat.counts, strict=True):
        told = [
            f"{port}: {figure(count)}"
            for port, count in zip(heat.columns, counts, strict=True)
            if count
        ]
        yield f"{name}: {counted(sum(counts), 'open endpoint')} ({listed(told)})."
