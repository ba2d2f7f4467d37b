"""A run as one HTML page that needs nothing but itself.

The page carries a content security policy with the hashes of its one style and its one script,
so nothing else can run in it, whatever a banner contains; and nothing in a banner gets that far:
every value passes :func:`~pipeline.render.text.visible` and Jinja's escaping on its way out.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from markupsafe import Markup

from pipeline.decide.reasons import EXPLANATIONS
from pipeline.model import Endpoint, RunState, VerdictKind
from pipeline.render.branding import OwnTemplates
from pipeline.render.changes import group_changes
from pipeline.render.checklist import checklist
from pipeline.render.completeness import completeness_told
from pipeline.render.coverage import planned, uncovered
from pipeline.render.document import Event, RunDocument
from pipeline.render.findings import Group, group
from pipeline.render.hosts import deceivers, unbelieved
from pipeline.render.inventory import contents_told, embedded
from pipeline.render.language import ENGLISH, Language, language, say, speaking, spoken
from pipeline.render.method import methods_used
from pipeline.render.own import FAILURES, PAGE, PREFIX, failure, own_environment
from pipeline.render.pictured import pictures_of
from pipeline.render.risks import assumed_sentence, risk_counts, risk_entries
from pipeline.render.summary import summarise
from pipeline.render.templating import environment
from pipeline.render.text import counted
from pipeline.render.trends import HEIGHT, WIDTH, line, stays_told
from pipeline.render.variants import VARIANTS, Variant, at_most, shown
from pipeline.render.words import DISPUTED_VERDICTS, NAMES
from pipeline.render.would_change import WOULD_CHANGE
from pipeline.resources import read_text

_STYLES: Final = ("report.css", "pictures.css", "inventory.css")
_SCRIPTS: Final = ("language.js", "endpoints.js", "inventory.js", "theme.js", "report.js")
_FINDINGS_TOLD: Final = 1000
_FINDINGS_AT_ONCE: Final = 200
"""Of more than that, a browser that runs scripts reads the evidence when it is unfolded."""
_CHANGES_TOLD: Final = 200
_ROWS_TOLD: Final = 200
_RISKS_TOLD: Final = 10_000
_RISK_ENDPOINTS: Final = 60
_SAID: Final = re.compile(r'said\("((?:[^"\\]|\\.)*)"')
"""A fixed text in a script."""


def render_html(
    document: RunDocument,
    *,
    explanations: Mapping[str, str] = EXPLANATIONS,
    spoken_in: Language | None = None,
) -> str:
    """The report. Same document, same text; ``explanations`` are sentences by reason code.

    ``spoken_in`` is its language; without one it is that of the branding.
    """
    with speaking(spoken_in or language(document.branding.language)):
        own = document.branding.templates
        if own is not None:
            try:
                return _in_own(own, _context(document, explanations))
            except FAILURES as problem:
                document = _told_why(document, failure(own, problem))
        return environment().get_template(PAGE).render(_context(document, explanations))


def template_failure(document: RunDocument) -> str:
    """Why the report is written without the engagement's own templates; empty where it is not."""
    own = document.branding.templates
    if own is not None:
        with speaking(language(document.branding.language)):
            try:
                _in_own(own, _context(document, EXPLANATIONS))
            except FAILURES as problem:
                return failure(own, problem)
    return ""


def _in_own(own: OwnTemplates, context: Mapping[str, Any]) -> str:
    return own_environment(own).get_template(f"{PREFIX}{PAGE}").render(context)


def _told_why(document: RunDocument, why: str) -> RunDocument:
    """The document without its own templates, and with an event that says so."""
    branding = replace(document.branding, templates=None)
    text = f"the report is written without the engagement's own templates: {why}"
    event = Event(time=document.started, kind="note", text=text)
    return replace(document, branding=branding, events=(event, *document.events))


def _context(document: RunDocument, explanations: Mapping[str, str]) -> dict[str, Any]:
    style, script = _joined(_STYLES) + document.branding.style, _joined(_SCRIPTS)
    variant = document.branding.variant
    shows = shown(variant)
    groups = group(
        document.findings,
        at_most=_FINDINGS_TOLD,
        deceivers=deceivers(document.neighbourhoods),
    )
    comparison = document.comparison
    return {
        "document": document,
        "language": spoken().code,
        "texts": _script_texts(script),
        "policy": _policy(style, script),
        "style": Markup(style),  # noqa: S704 -- our own file
        "script": Markup(script),  # noqa: S704 -- our own file
        "summary": summarise(document),
        "figures": _figures(document),
        "uncovered": uncovered(document),
        "unbelieved": unbelieved(document.neighbourhoods),
        "completeness": completeness_told(document),
        "planned": planned(document),
        "groups": groups,
        "many": sum(len(found.single) for found in groups) > _FINDINGS_AT_ONCE,
        "told": _told(groups) if "findings" in shows else frozenset(),
        "shows": shows,
        "told_variant": "" if variant is Variant.FULL else VARIANTS[variant],
        "changes": group_changes(comparison, at_most=at_most(variant, _CHANGES_TOLD))
        if comparison
        else (),
        **_trends(document),
        "pictures": pictures_of(document),
        "checklist": checklist(document),
        "methods": methods_used(document.tasks),
        "inventory": embedded(document.findings),
        "inventory_told": contents_told(document.findings),
        "reasons": _reasons(document, explanations),
        "documented": explanations.keys(),
        "would_change": {
            code: tuple(map(say, would))
            for code, would in WOULD_CHANGE.items()
            if code in explanations
        },
        "risks": risk_entries(document.findings),
        "zones_assumed": assumed_sentence(document.findings),
        "risk_counts": risk_counts(document.findings),
        "rows_told": at_most(variant, _ROWS_TOLD),
        "risks_told": at_most(variant, _RISKS_TOLD),
        "risk_endpoints": at_most(variant, _RISK_ENDPOINTS),
        "complete": document.state is RunState.COMPLETE,
    }


def _trends(document: RunDocument) -> dict[str, Any]:
    told = document.trends
    drawn = line(told.runs) if told else None
    return {
        "trend_line": {"line": drawn, "width": WIDTH, "height": HEIGHT} if drawn else None,
        "stays": stays_told(told.stays) if told else (),
    }


def _joined(names: tuple[str, ...]) -> str:
    """Our own files as one text: one element, and so one hash."""
    return "\n".join(read_text("templates", f"report/{name}") for name in names)


def _script_texts(script: str) -> dict[str, str]:
    """What the script says, by its English text; nothing where that is the language."""
    if spoken() is ENGLISH:
        return {}
    names = [name.value for kind in NAMES for name in kind]
    return {text: say(text) for text in sorted({*_SAID.findall(script), *names})}


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    """The source expression that allows exactly this inline element (CSP Level 3, 2.3.1)."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _figures(document: RunDocument) -> tuple[tuple[str, str, int, str], ...]:
    """(name, class, number, remark): what a reader who has five seconds sees."""
    findings = document.findings
    confirmed = [f for f in findings if f.verdict.kind is VerdictKind.CONFIRMED]
    disputed = [f for f in findings if f.verdict.kind in DISPUTED_VERDICTS]
    changes = document.comparison.changes if document.comparison else ()
    gaps = uncovered(document)
    hosts = len({f.verdict.endpoint.address for f in confirmed})
    return (
        (
            say("confirmed open"),
            "confirmed",
            len(confirmed),
            say("on {hosts}", hosts=counted(hosts, "host")),
        ),
        (say("disputed"), "unresolved", len(disputed), say("the methods do not agree")),
        (
            say("changed"),
            "changed",
            len(changes),
            say("since the last run") if document.comparison else say("no earlier run"),
        ),
        (
            say("not covered"),
            "gap",
            gaps.endpoints,
            say("{share} of the plan", share=gaps.share),
        ),
    )


def _told(groups: tuple[Group, ...]) -> frozenset[Endpoint]:
    """The endpoints that have an entry, and so an anchor, of their own."""
    return frozenset(f.verdict.endpoint for found in groups for f in found.single)


def _reasons(document: RunDocument, explanations: Mapping[str, str]) -> dict[str, str]:
    """Every documented reason code, and whatever else the document names, with its sentence."""
    used = {finding.verdict.reason for finding in document.findings}
    if document.comparison:
        used |= {change.reason for change in document.comparison.changes}
    if document.deviations:
        used |= {change.reason for change in document.deviations.changes}
    if document.assets and document.assets.disagreements:
        used |= {change.reason for change in document.assets.disagreements.ports}
    unknown = dict.fromkeys(sorted(used - explanations.keys() - {""}), "")
    return {**{code: say(text) for code, text in explanations.items()}, **unknown}
