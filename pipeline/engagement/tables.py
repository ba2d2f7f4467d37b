"""Tables in text: CSV with a heading, separated by a comma, a semicolon or a tab."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence

Check = Callable[[Sequence[str]], None]
"""Takes the heading in lower case. Raises ``ValueError`` for one that will not do."""


def table_rows(text: str, check: Check) -> Iterator[tuple[int, Sequence[str], Sequence[str]]]:
    """The line on which each row begins, the heading, and the row's cells.

    Lines that are empty or begin with # are passed over. The separator is the heading's. Raises
    what ``check`` raises, and ``csv.Error``.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    heading: list[str] = []
    begins = 1
    for row in reader:
        cells = [cell.strip() for cell in row]
        if any(cells) and not cells[0].startswith("#"):
            if heading:
                yield begins, heading, cells
            else:
                heading = [cell.lower() for cell in cells]
                check(heading)
        begins = reader.line_num + 1
    if not heading:
        check(heading)


def _separator(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    heading = next((line for line in lines if line and not line.startswith("#")), "")
    return next((mark for mark in ";\t" if mark in heading), ",")
