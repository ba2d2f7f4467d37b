"""Render the run: one self-contained HTML page, and JSON for machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from pipeline.render.document import RunDocument
from pipeline.render.document_json import render_json
from pipeline.render.html import render_html

RENDERERS: Final[Mapping[str, tuple[str, Callable[[RunDocument], str]]]] = MappingProxyType(
    {
        "html": ("report.html", render_html),
        "json": ("report.json", render_json),
    }
)
"""Format, file name, and the function that renders it."""


def report(document: RunDocument, formats: tuple[str, ...]) -> dict[str, str]:
    """The texts of the report, by file name. Raises ``KeyError`` for an unknown format."""
    return {name: render(document) for name, render in (RENDERERS[kind] for kind in formats)}
