"""A run as comma-separated values (RFC 4180): a file of endpoints, and one of findings.

Whoever opens such a file in a spreadsheet lets it look for formulas. A cell that would be taken for
one begins with an apostrophe; the rest of it is as it was.
"""

from __future__ import annotations

import csv
import io
from typing import Final

from pipeline.render.document import RunDocument
from pipeline.render.tables import Cell, Table, endpoint_table, finding_table

_FORMULA: Final = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
"""Tab and return, and the full-width forms, which some spreadsheets take for the ASCII ones."""


def render_endpoints_csv(document: RunDocument) -> str:
    """Every endpoint with a verdict, one a line, in numeric order."""
    return _csv(endpoint_table(document))


def render_findings_csv(document: RunDocument) -> str:
    """What asks for attention, the severest first."""
    return _csv(finding_table(document))


def _csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(table.columns)
    writer.writerows([guarded(cell) for cell in row] for row in table.rows)
    return out.getvalue()


def guarded(cell: Cell) -> Cell:
    """The cell, which no spreadsheet takes for a formula; a number stays a number."""
    if isinstance(cell, str) and cell.lstrip().startswith(_FORMULA):
        return f"'{cell}"
    return cell
