"""A comparison as one HTML page, in the style of the report and under the same kind of policy."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline import __version__
from pipeline.decide.reasons import EXPLANATIONS
from pipeline.render.difference import (
    Diff,
    details,
    in_order,
    sections,
    totals,
)
from pipeline.render.text import counted, instant, iso, visible
from pipeline.render.words import CHANGES, confidence_text, service_text
from pipeline.resources import folder, read_text

_TOLD: Final = 5000
"""Rows of changes on a page that a browser bears; the other formats have all."""


def diff_html(diff: Diff) -> str:
    """The page. Same comparison, same text; no script, and one style whose hash is allowed."""
    style = read_text("templates", "report/report.css")
    source = b64encode(sha256(style.encode()).digest()).decode()
    told = in_order(diff.found.told)
    old, new = dict(diff.before.particulars), dict(diff.after.particulars)
    context: dict[str, Any] = {
        "diff": diff,
        "policy": f"default-src 'none'; style-src 'sha256-{source}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        "style": Markup(style),  # noqa: S704 -- our own file
        "version": __version__,
        "totals": totals(diff),
        "particulars": [(n, old.get(n, ""), new.get(n, "")) for n in dict.fromkeys((*old, *new))],
        "groups": [
            (kind, meaning, members)
            for kind, meaning in CHANGES.items()
            if (members := [change for change in told[:_TOLD] if change.kind is kind])
        ],
        "left_out": len(told[_TOLD:]),
        "reasons": EXPLANATIONS,
        "sections": sections(diff),
    }
    return _environment().get_template("difference.html.j2").render(context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder("templates") / "difference"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(cut=visible, instant=instant, iso=iso, confidence=confidence_text)
    environment.globals.update(
        counted=counted,
        details=details,
        service_text=service_text,
    )
    return environment


def _shown(value: Any) -> Any:
    """Nothing invisible reaches the page, whatever the template forgets."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
