"""A run as a workbook: findings, endpoints, changes, and what was not covered, for spreadsheets.

Every text is written as a text: nothing in a cell is a formula, a link or a guess at a number.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.render.document import RunDocument
from pipeline.render.extras import needed
from pipeline.render.language import ENGLISH
from pipeline.render.outline import Outline
from pipeline.render.outlining import outline
from pipeline.render.tables import Table, tables

ROWS: Final = 1_048_575
"""Rows of a sheet below its heading (ECMA-376 leaves it open; Excel has 2 to the 20th in all)."""
_AS_TEXT: Final = dict.fromkeys(
    ("strings_to_formulas", "strings_to_urls", "strings_to_numbers"), False
)
_WIDTHS: Final = {
    **dict.fromkeys(("port", "endpoints", "protocol", "confidence", "severity", "zone"), 10),
    **dict.fromkeys(("address", "where", "ports", "change", "verdict", "kind"), 18),
    **dict.fromkeys(("risk", "risks", "service", "what", "service_before", "service_after"), 36),
    **dict.fromkeys(("why", "remediation", "evidence", "banner", "meaning"), 60),
}
_WIDTH: Final = 22


def render_xlsx(document: RunDocument) -> bytes:
    """The workbook. Same document, same bytes. Raises :class:`Error` without XlsxWriter."""
    out = io.BytesIO()
    book = needed("xlsx").Workbook(out, {"in_memory": True, **_AS_TEXT})
    told = outline(document, spoken_in=ENGLISH)
    book.set_properties(
        {
            "title": told.title,
            "author": f"portproof {told.portproof}",
            "created": datetime.fromtimestamp(round(document.started), UTC),
        }
    )
    heading = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    found = tables(document)
    _about(book, told, found)
    for table in found:
        _sheet(book, table, heading)
    book.close()
    return out.getvalue()


def _about(book: Any, told: Outline, found: tuple[Table, ...]) -> None:
    """What whoever opens the workbook should read first."""
    bold, wrapped = book.add_format({"bold": True}), book.add_format({"text_wrap": True})
    sheet = book.add_worksheet("Run")
    sheet.set_column(0, 0, 22)
    sheet.set_column(1, 1, 100, wrapped)
    cut = [
        ("Not all rows", f"{table.name}: {len(table.rows) - ROWS:,} more are in the CSV")
        for table in found
        if len(table.rows) > ROWS
    ]
    pairs = [
        ("Report", told.title),
        *told.cover,
        *told.authorisation,
        *((("Notice", told.notice),) if told.notice else ()),
        *cut,
        *(("Summary", sentence) for sentence in told.summary),
        *(("First", f"{step.text} {step.where}".rstrip()) for step in told.first),
    ]
    for row, (name, text) in enumerate(pairs):
        sheet.write_string(row, 0, name, bold)
        sheet.write_string(row, 1, text)


def _sheet(book: Any, table: Table, heading: Any) -> None:
    sheet = book.add_worksheet(table.name.capitalize())
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(table.columns):
        sheet.set_column(column, column, _WIDTHS.get(name, _WIDTH))
        sheet.write_string(0, column, name.replace("_", " "), heading)
    rows = table.rows[:ROWS]
    for number, row in enumerate(rows, 1):
        for column, cell in enumerate(row):
            if isinstance(cell, str):
                sheet.write_string(number, column, cell)
            elif cell is not None:
                sheet.write_number(number, column, cell)
    sheet.autofilter(0, 0, len(rows), len(table.columns) - 1)
