"""Render the run: a page for people, JSON for machines, and the same in the forms of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from pipeline.render.csv import render_endpoints_csv, render_findings_csv
from pipeline.render.document import RunDocument
from pipeline.render.document_json import render_json
from pipeline.render.docx import render_docx
from pipeline.render.html import render_html
from pipeline.render.markdown import render_markdown
from pipeline.render.nmap_xml import render_nmap_xml
from pipeline.render.pdf import render_pdf
from pipeline.render.xlsx import render_xlsx

RENDERERS: Final[Mapping[str, tuple[str, Callable[[RunDocument], str | bytes]]]] = MappingProxyType(
    {
        "html": ("report.html", render_html),
        "json": ("report.json", render_json),
        "nmap-xml": ("report.xml", render_nmap_xml),
        "markdown": ("report.md", render_markdown),
        "csv": ("endpoints.csv", render_endpoints_csv),
        "csv-findings": ("findings.csv", render_findings_csv),
        "xlsx": ("report.xlsx", render_xlsx),
        "pdf": ("report.pdf", render_pdf),
        "docx": ("report.docx", render_docx),
    }
)
"""Format, file name, and the function that renders it."""


def report(document: RunDocument, formats: tuple[str, ...]) -> dict[str, str | bytes]:
    """The contents of the report, by file name. Raises ``KeyError`` for an unknown format, and
    :class:`~pipeline.errors.Error` where the package behind one is missing.
    """
    return {name: render(document) for name, render in (RENDERERS[kind] for kind in formats)}
