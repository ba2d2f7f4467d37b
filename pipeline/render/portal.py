"""The portal: all runs of a workspace as static pages, in the style of the report and its policy.

No page needs a server or a script. Files are called by the ids of runs alone, whatever an
engagement is called: ``index.html``, ``engagement-<its first run>.html``, ``diff-<a>-<b>.html``.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline import __version__
from pipeline.decide.trends import Trends
from pipeline.render.risks import RiskCount, RiskEntry, risk_anchor
from pipeline.render.summary import Summary
from pipeline.render.text import counted, instant, iso, minute, visible
from pipeline.render.trends import HEIGHT, WIDTH, line
from pipeline.resources import folder, read_text

_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,79}")
_RISKS: Final = 12
_RUNS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run. ``state`` is a word, ``note`` what else is to be known of it.

    ``counts`` are (verdict, endpoints), ``changes`` (kind, endpoints); ``None`` where nothing was
    compared. ``report`` and ``diff`` are links, empty where there is none.
    """

    id: str
    started: float
    state: str
    note: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    changes: tuple[tuple[str, int], ...] | None = None
    report: str = ""
    diff: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """What the newest complete run of an engagement adds up to."""

    run: str
    report: str
    summary: Summary
    risk_counts: tuple[RiskCount, ...]
    risks: tuple[RiskEntry, ...]
    trends: Trends | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """One engagement, its runs with the newest first; ``problem`` says why there is no latest."""

    page: str
    client: str
    engagement: str
    rows: tuple[Row, ...]
    latest: Latest | None = None
    problem: str = ""


def fit_for_a_name(run_id: str) -> bool:
    """Whether the id of a run can be a part of a file's name, as all that we give can."""
    return _ID.fullmatch(run_id) is not None


def index_html(books: tuple[Book, ...]) -> str:
    """The page of all engagements."""
    return _page("index.html.j2", books=[(book, _drawn(book)) for book in books])


def book_html(book: Book) -> str:
    """The page of one engagement."""
    return _page(
        "engagement.html.j2",
        book=book,
        trend=_drawn(book),
        rows=book.rows[:_RUNS],
        left_out=len(book.rows[_RUNS:]),
        risks=book.latest.risks[:_RISKS] if book.latest else (),
        more_risks=len(book.latest.risks[_RISKS:]) if book.latest else 0,
    )


def _drawn(book: Book) -> dict[str, Any] | None:
    runs = book.latest.trends.runs if book.latest and book.latest.trends else ()
    drawn = line(runs)
    if drawn is None:
        return None
    first, last = runs[0].started, runs[-1].started
    return {"line": drawn, "width": WIDTH, "height": HEIGHT, "first": first, "last": last}


def _page(name: str, **context: Any) -> str:
    style = read_text("templates", "report/report.css")
    source = b64encode(sha256(style.encode()).digest()).decode()
    return (
        _environment()
        .get_template(name)
        .render(
            policy=f"default-src 'none'; style-src 'sha256-{source}'; img-src data:; "
            "base-uri 'none'; form-action 'none'",
            style=Markup(style),  # noqa: S704 -- our own file
            version=__version__,
            **context,
        )
    )


@cache
def _environment() -> Environment:
    places = folder("templates")
    environment = Environment(
        loader=FileSystemLoader([places / "portal", places / "report"]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        cut=visible, instant=instant, minute=minute, iso=iso, risk_anchor=risk_anchor, path=quote
    )
    environment.filters["number"] = lambda value: f"{value:,.0f}"
    environment.globals.update(counted=counted)
    return environment


def _shown(value: Any) -> Any:
    """Nothing invisible reaches a page, whatever a template forgets."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
