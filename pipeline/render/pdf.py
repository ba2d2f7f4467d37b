"""A run in short on paper: summary, what was not covered, risks, findings, changes, method.

The page is made of texts and one style of ours, and nothing is ever fetched for it: not an address
in a banner, not a file of this machine.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline.render.document import RunDocument
from pipeline.render.extras import needed
from pipeline.render.language import Language, language, say, speaking, word
from pipeline.render.outlining import outline
from pipeline.render.pictured import pictures_of
from pipeline.render.text import iso, typed_parts, visible
from pipeline.resources import folder, read_text


def render_pdf(document: RunDocument) -> bytes:
    """The PDF. Same document, same fonts, same bytes. Raises :class:`Error` without WeasyPrint."""
    logo = document.branding.logo
    return on_paper(printed(document), logo.uri if logo else None)


def on_paper(html: str, picture: str | None = None) -> bytes:
    """A page as a PDF; whatever it refers to is left out, but for one ``picture`` of ours."""
    weasyprint = needed("pdf")
    # Whatever it would say about the page goes to a log that nobody asked for.
    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)
    page = weasyprint.HTML(string=html, url_fetcher=_fetcher(weasyprint, picture))
    made: bytes = page.write_pdf(pdf_tags=True)
    return made


def printed(document: RunDocument, *, spoken_in: Language | None = None) -> str:
    """The page before it becomes a PDF, in ``spoken_in`` or else the language of the branding."""
    template = _environment().get_template("report.html.j2")
    brand = document.branding
    style = Markup(read_text("templates", "print/print.css"))  # noqa: S704 -- our own file
    if brand.link:
        # The colour of links was held against white paper when the engagement was read.
        style += Markup("\n:root {{ --accent: {}; }}").format(brand.link)
    when = iso(document.started)[:19] + "Z"
    spoken = spoken_in or language(brand.language)
    with speaking(spoken):
        return template.render(
            told=outline(document, spoken_in=spoken),
            pictures=pictures_of(document),
            risks_judged=bool(document.risk_policy),
            trends=document.trends,
            brand=brand,
            style=style,
            when=when,
        )


def _fetcher(weasyprint: Any, picture: str | None) -> Any:
    class Nothing(weasyprint.urls.URLFetcher):  # type: ignore[misc]  # only known when it is there
        """Refuses every address; the picture comes with the page."""

        def fetch(self, url: str, headers: object = None) -> Any:
            if picture is not None and url == picture:
                return super().fetch(url, headers)
            raise ValueError(f"nothing is fetched for a report: {url}")

    return Nothing()


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(folder("templates") / "print"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(typed=_typed, word=word)
    made.globals["say"] = say
    return made


def _typed(text: str) -> Markup:
    """What stands between backticks, as something to type."""
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if typed else escape(part)
        for part, typed in typed_parts(visible(text))
    )


def _shown(value: Any) -> Any:
    """Nothing invisible reaches the page, whatever the template forgets."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
