"""A comparison in lines for a terminal, and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pipeline.model import Change
from pipeline.render.difference import (
    Diff,
    Origin,
    details,
    in_order,
    sections,
    side_text,
    title,
    totals,
)
from pipeline.render.text import visible
from pipeline.render.words import confidence_text

_COLUMNS: Final = ("endpoint", "change", "before", "now", "confidence", "why")
_SERVICE: Final = 60
_MARKUP: Final = re.compile(r"[\\`*_\[\]|~$#]")
_ENTITIES: Final = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("@", "&#64;"))
_LINKS: Final = (("://", "&#58;//"), ("www.", "www&#46;"))


def diff_text(diff: Diff) -> str:
    """The header, a table of the changes, what is folded, suppressed or noted, and the sum."""
    lines = [title(diff)]
    lines += [f"  not the same: {visible(each, 300)}" for each in diff.reservations]
    if diff.found.told:
        rows = [_COLUMNS, *(_row(change) for change in in_order(diff.found.told))]
        lines += ["", *_laid_out(rows)]
    for _, heading, items in sections(diff):
        lines += ["", f"{heading}:", *(f"  {item}" for item in items)]
    return "\n".join([*lines, "", totals(diff)]) + "\n"


def _row(change: Change) -> tuple[str, ...]:
    why = "; ".join((visible(change.reason, _SERVICE), *details(change)))
    return (
        str(change.endpoint),
        str(change.kind),
        side_text(change.before, _SERVICE),
        side_text(change.after, _SERVICE),
        confidence_text(change.confidence),
        why,
    )


def _laid_out(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def diff_markdown(diff: Diff) -> str:
    """The same as Markdown (GitHub Flavored, for tables)."""
    lines = [f"# Changes: {_plain(title(diff))}", "", f"{_plain(totals(diff)).capitalize()}."]
    lines += ["", "## The two sides", "", *_sides(diff.before, diff.after)]
    if diff.reservations:
        lines += ["", "Not the same, so some changes may be changes of the scan:", ""]
        lines += [f"- {_plain(visible(each, 300))}" for each in diff.reservations]
    if diff.found.told:
        rows = [_row(change) for change in in_order(diff.found.told)]
        lines += ["", "## Changes", "", *_table(_COLUMNS, rows)]
    for _, heading, items in sections(diff):
        lines += ["", f"## {heading}", "", *(f"- {_plain(item)}" for item in items)]
    return "\n".join(lines) + "\n"


def _sides(before: Origin, after: Origin) -> list[str]:
    old, new = dict(before.particulars), dict(after.particulars)
    names = dict.fromkeys((*old, *new))
    rows = [(name, old.get(name, ""), new.get(name, "")) for name in names]
    return _table(("", "before", "now"), [tuple(visible(cell, 200) for cell in r) for r in rows])


def _table(headings: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [headings, *(tuple(map(_plain, row)) for row in rows)]
    told = [f"| {' | '.join(line)} |" for line in lines]
    return [told[0], "|" + "---|" * len(headings), *told[1:]]


def _plain(text: str) -> str:
    """Text that no Markdown reads as markup, a link, a mention or HTML."""
    text = _MARKUP.sub(r"\\\g<0>", text)
    for found, instead in (*_ENTITIES, *_LINKS):
        text = text.replace(found, instead)
    return text
