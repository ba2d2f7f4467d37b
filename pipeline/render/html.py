"""A run as one HTML page that needs nothing but itself.

The page carries a content security policy with the hashes of its one style and its one script,
so nothing else can run in it, whatever a banner contains; and nothing in a banner gets that far:
every value passes :func:`~pipeline.render.text.visible` and Jinja's escaping on its way out.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline.decide.reasons import EXPLANATIONS
from pipeline.model import Endpoint, RunState, VerdictKind
from pipeline.render.assets import LISTINGS, asset_text, source_notes, sources_text
from pipeline.render.changes import group_changes
from pipeline.render.checklist import checklist, standings
from pipeline.render.completeness import completeness_told
from pipeline.render.coverage import percentage, planned, uncovered
from pipeline.render.deviations import DEVIATIONS
from pipeline.render.document import Finding, RunDocument
from pipeline.render.findings import Group, group
from pipeline.render.hosts import deceivers, unbelieved
from pipeline.render.inventory import contents_told, embedded
from pipeline.render.known import GONE, file_text, known_count, known_text, seen_by
from pipeline.render.method import methods_used
from pipeline.render.overview import (
    course_of,
    funnel_steps,
    heat_of,
    look_rows,
    network_rows,
    turnovers,
)
from pipeline.render.pictures.course import run_course
from pipeline.render.pictures.funnel import funnel
from pipeline.render.pictures.heat import heat_map
from pipeline.render.pictures.looks import looks
from pipeline.render.pictures.networks import risk_by_network
from pipeline.render.pictures.openings import opens_and_closes
from pipeline.render.references import citation, cited
from pipeline.render.risks import (
    SEVERITY_MEANINGS,
    assumed_sentence,
    risk_anchor,
    risk_counts,
    risk_entries,
)
from pipeline.render.story import WOULD_CHANGE
from pipeline.render.summary import summarise
from pipeline.render.text import counted, duration, instant, iso, listed, minute, shortened, visible
from pipeline.render.trends import HEIGHT, WIDTH, line, stays_told
from pipeline.render.words import (
    CHANGES,
    DISPUTED_VERDICTS,
    METHODS,
    VERDICTS,
    anchor,
    confidence_text,
    facts,
    round_name,
    service_text,
)
from pipeline.resources import folder, read_text

_STYLES: Final = ("report.css", "pictures.css", "inventory.css")
_SCRIPTS: Final = ("endpoints.js", "inventory.js", "report.js")
_FINDINGS_TOLD: Final = 1000
_CHANGES_TOLD: Final = 200
_ROWS_TOLD: Final = 200
_RISK_ENDPOINTS: Final = 60
_BANNER: Final = 400
_OUTPUT: Final = 4000
_OUTPUT_LINES: Final = 60


def render_html(document: RunDocument, *, explanations: Mapping[str, str] = EXPLANATIONS) -> str:
    """The report. Same document, same text; ``explanations`` are sentences by reason code."""
    style, script = _joined(_STYLES) + document.branding.style, _joined(_SCRIPTS)
    groups = group(
        document.findings,
        at_most=_FINDINGS_TOLD,
        deceivers=deceivers(document.neighbourhoods),
    )
    comparison = document.comparison
    context: dict[str, Any] = {
        "document": document,
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
        "told": _told(groups),
        "changes": group_changes(comparison, at_most=_CHANGES_TOLD) if comparison else (),
        **_trends(document),
        "pictures": _pictures(document),
        "checklist": checklist(document),
        "methods": methods_used(document.tasks),
        "inventory": embedded(document.findings),
        "inventory_told": contents_told(document.findings),
        "reasons": _reasons(document, explanations),
        "documented": explanations.keys(),
        "would_change": {c: w for c, w in WOULD_CHANGE.items() if c in explanations},
        "risks": risk_entries(document.findings),
        "zones_assumed": assumed_sentence(document.findings),
        "risk_counts": risk_counts(document.findings),
        "rows_told": _ROWS_TOLD,
        "complete": document.state is RunState.COMPLETE,
    }
    return _environment().get_template("report.html.j2").render(context)


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


def _pictures(document: RunDocument) -> dict[str, Any]:
    findings = document.findings
    return {
        "funnel": funnel(funnel_steps(findings)),
        "networks": risk_by_network(network_rows(findings)),
        "heat": heat_map(heat_of(findings)),
        "openings": opens_and_closes(turnovers(document.trends)),
        "course": None if document.imported else run_course(course_of(document)),
    }


def _looks(finding: Finding) -> Markup:
    return looks(look_rows(finding.observations), over=str(finding.verdict.endpoint))


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
        ("confirmed open", "confirmed", len(confirmed), f"on {counted(hosts, 'host')}"),
        ("disputed", "unresolved", len(disputed), "the methods do not agree"),
        (
            "changed",
            "changed",
            len(changes),
            "since the last run" if document.comparison else "no earlier run",
        ),
        ("not covered", "gap", gaps.endpoints, f"{gaps.share} of the plan"),
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
    return {**explanations, **unknown}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder("templates") / "report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    environment.filters.update(
        cut=visible,
        output=_output,
        instant=instant,
        minute=minute,
        iso=iso,
        duration=duration,
        percentage=percentage,
        anchor=anchor,
        confidence=confidence_text,
        label=_label,
        number=_number,
        prose=_prose,
        risk_anchor=risk_anchor,
    )
    environment.globals.update(
        counted=counted,
        listed=listed,
        shortened=shortened,
        citation=citation,
        cited=cited,
        severity_meanings=SEVERITY_MEANINGS,
        facts=facts,
        looks=_looks,
        disputed_verdicts=DISPUTED_VERDICTS,
        standings=standings,
        round_name=round_name,
        service_text=service_text,
        verdicts=VERDICTS,
        change_meanings=CHANGES,
        deviation_meanings=DEVIATIONS,
        asset_text=asset_text,
        listings=LISTINGS,
        source_notes=source_notes,
        gone_meanings=GONE,
        known_text=known_text,
        known_count=known_count,
        file_text=file_text,
        seen_by=seen_by,
        sources_text=sources_text,
        method_names=METHODS,
        banner_limit=_BANNER,
        risk_endpoints=_RISK_ENDPOINTS,
    )
    return environment


def _shown(value: Any) -> Any:
    """Nothing invisible reaches the page, whatever a template forgets."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _output(text: str) -> Markup:
    """Several lines from the network, cut to a size that a reader bears."""
    lines = visible(text, _OUTPUT, newlines=True).strip("\n").split("\n")
    if len(lines) > _OUTPUT_LINES:
        rest = len(lines) - _OUTPUT_LINES
        lines = [*lines[:_OUTPUT_LINES], f"… (+{counted(rest, 'line')})"]
    return Markup("\n").join(map(escape, lines))


def _prose(text: str) -> Markup:
    """Text of a rule, in which what stands between backticks is to be typed."""
    parts = visible(text).split("`")
    if len(parts) % 2 == 0:  # one is left alone: it is a backtick
        return escape("`".join(parts))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def _label(name: str) -> str:
    """``valid_from`` as people write it: ``Valid from``."""
    words = name.replace("_", " ").replace("-", " ")
    return words[:1].upper() + words[1:]


def _number(value: float) -> str:
    return f"{value:,.0f}"
