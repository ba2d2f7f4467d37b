"""The portal: all runs of a workspace as static pages, in the style of the report and its policy.

No page needs a server or a script. Files are called by the ids of runs alone, whatever an
engagement is called: ``index.html``, ``engagement-<its first run>.html``, ``diff-<a>-<b>.html``.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline import __version__
from pipeline.decide.trends import Trends
from pipeline.render.branding import Branding
from pipeline.render.language import Phrases, language, say, speaking, spoken
from pipeline.render.recorded import recorded
from pipeline.render.risks import RiskCount, RiskEntry
from pipeline.render.summary import Summary
from pipeline.render.templating import prepared, shown_value
from pipeline.render.trends import HEIGHT, WIDTH, line
from pipeline.resources import folder, read_text

_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,79}")
_RISKS: Final = 12
_RUNS: Final = 1000
_PLAIN: Final = Branding()
UNREADABLE: Final = "unreadable"
"""The state of a run that this version cannot read."""
_STATES: Final = Phrases(
    {UNREADABLE: "unreadable", "note": "this version of portproof cannot read the run"}
)


def unreadable_note() -> str:
    """What is to be known of such a run."""
    return _STATES["note"]


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
    """One engagement, its runs with the newest first; ``problem`` says why there is no latest.

    Its sentences are in the language of its ``branding``: they are made within :func:`in_words_of`.
    """

    page: str
    client: str
    engagement: str
    rows: tuple[Row, ...]
    latest: Latest | None = None
    problem: str = ""
    branding: Branding = _PLAIN


def fit_for_a_name(run_id: str) -> bool:
    """Whether the id of a run can be a part of a file's name, as all that we give can."""
    return _ID.fullmatch(run_id) is not None


def in_words_of(branding: Branding) -> AbstractContextManager[None]:
    """Within it sentences are in the language of the branding."""
    return speaking(language(branding.language))


def none_complete() -> str:
    """Why an engagement has no latest findings."""
    return say("No run of this engagement is complete.")


def evidence_gone(run_id: str) -> str:
    """The same, where the evidence of its newest complete run was purged."""
    return say("The evidence of run {run} was purged; its report tells what it found.", run=run_id)


def not_read(run_id: str, problem: BaseException) -> str:
    """The same, where that run cannot be read."""
    return say("Run {run} could not be read: {problem}", run=run_id, problem=problem)


def note_of(because: str, imported: Sequence[str], *, purged: bool) -> str:
    """What else is to be known of a run."""
    notes = (
        recorded(because),
        say("imported from {files}", files=", ".join(imported)) if imported else "",
        say("evidence purged") if purged else "",
    )
    return "; ".join(filter(None, notes))


def index_html(books: tuple[Book, ...]) -> str:
    """The page of all engagements: as they all look and speak, or else plain and in English."""
    looks = {book.branding for book in books}
    branding = looks.pop() if len(looks) == 1 else _PLAIN
    return _page("index.html.j2", branding, books=[(book, _drawn(book)) for book in books])


def book_html(book: Book) -> str:
    """The page of one engagement."""
    return _page(
        "engagement.html.j2",
        book.branding,
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


def _page(name: str, branding: Branding, **context: Any) -> str:
    # Own templates are for the report; what their style is about is not here.
    style = read_text("templates", "report/report.css") + replace(branding, templates=None).style
    source = b64encode(sha256(style.encode()).digest()).decode()
    with in_words_of(branding):
        return (
            _environment()
            .get_template(name)
            .render(
                policy=f"default-src 'none'; style-src 'sha256-{source}'; img-src data:; "
                "base-uri 'none'; form-action 'none'",
                style=Markup(style),  # noqa: S704 -- our own file, and colours that were checked
                version=__version__,
                language=spoken().code,
                brand=branding,
                **context,
            )
        )


@cache
def _environment() -> Environment:
    places = folder("templates")
    environment = prepared(
        Environment(
            loader=FileSystemLoader([places / "portal", places / "report"]),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=shown_value,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
    )
    environment.filters["path"] = quote
    return environment
