"""A run in short on paper: summary, what was not covered, risks, findings, changes, method.

The page is made of texts and one style of ours, and nothing is ever fetched for it: not an address
in a banner, not a file of this machine.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.render.document import RunDocument
from pipeline.render.extras import needed
from pipeline.render.outline import outline
from pipeline.render.text import iso, visible
from pipeline.resources import folder, read_text


def render_pdf(document: RunDocument) -> bytes:
    """The PDF. Same document, same fonts, same bytes. Raises :class:`Error` without WeasyPrint."""
    return on_paper(printed(document))


def on_paper(html: str) -> bytes:
    """A page as a PDF; whatever it refers to is left out."""
    weasyprint = needed("pdf")
    # Whatever it would say about the page goes to a log that nobody asked for.
    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)
    page = weasyprint.HTML(string=html, url_fetcher=_fetcher(weasyprint))
    made: bytes = page.write_pdf(pdf_tags=True)
    return made


def printed(document: RunDocument) -> str:
    """The page before it becomes a PDF."""
    template = _environment().get_template("report.html.j2")
    style = Markup(read_text("templates", "print/print.css"))  # noqa: S704 -- our own file
    when = iso(document.started)[:19] + "Z"
    return template.render(told=outline(document), style=style, when=when)


def _fetcher(weasyprint: Any) -> Any:
    class Nothing(weasyprint.urls.URLFetcher):  # type: ignore[misc]  # only known when it is there
        """Refuses every address."""

        def fetch(self, url: str, headers: object = None) -> Any:
            raise ValueError(f"nothing is fetched for a report: {url}")

    return Nothing()


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(folder("templates") / "print"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    """Nothing invisible reaches the page, whatever the template forgets."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
