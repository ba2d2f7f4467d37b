"""Render the run: one self-contained HTML page, JSON for machines, nmap's XML for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from pipeline.render.document import RunDocument
from pipeline.render.document_json import render_json
from pipeline.render.html import render_html
from pipeline.render.nmap_xml import render_nmap_xml

RENDERERS: Final[Mapping[str, tuple[str, Callable[[RunDocument], str]]]] = MappingProxyType(
    {
        "html": ("report.html", render_html),
        "json": ("report.json", render_json),
        "nmap-xml": ("report.xml", render_nmap_xml),
    }
)
"""Format, file name, and the function that renders it."""


def report(document: RunDocument, formats: tuple[str, ...]) -> dict[str, str]:
    """The texts of the report, by file name. Raises ``KeyError`` for an unknown format."""
    return {name: render(document) for name, render in (RENDERERS[kind] for kind in formats)}
