"""A run in short, as texts in their order: what Markdown, PDF and DOCX are made of.

Every text is cut to what a reader bears, and shows what does not show itself; each form escapes it
for itself. The inventory is left to the forms that can be searched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.decide.reasons import explain
from pipeline.model import Change, Endpoint
from pipeline.render.changes import ChangeGroup, group_changes
from pipeline.render.completeness import completeness_told
from pipeline.render.coverage import Uncovered, planned, uncovered
from pipeline.render.deviations import deviation_count, deviation_text
from pipeline.render.document import Finding, RunDocument
from pipeline.render.findings import Crowd, Group, group
from pipeline.render.hosts import deceivers, unbelieved
from pipeline.render.inventory import evidence_in_short
from pipeline.render.method import methods_used
from pipeline.render.references import citation
from pipeline.render.risks import RiskEntry, assumed_sentence, risk_counts, risk_entries
from pipeline.render.summary import Step, Summary, summarise
from pipeline.render.tables import port_ranges
from pipeline.render.text import counted, instant, minute, shortened, visible
from pipeline.render.variants import VARIANTS, Variant, at_most, shown
from pipeline.render.words import (
    CHANGES,
    DISPUTED_VERDICTS,
    OPEN_VERDICTS,
    VERDICTS,
    confidence_text,
    service_text,
)

FINDINGS_TOLD: Final = 300
"""Findings told one by one; and as many crowds."""
_CHANGES_TOLD: Final = 50
_RISKS_TOLD: Final = 150
_ROWS_TOLD: Final = 100
_ENDPOINTS_NAMED: Final = 20
_WORDS: Final = 400
_SHORT: Final = 120
_SCRIPT_LINES: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTold:
    """One thing to do, and where; ``where`` is empty for what is about the whole run."""

    text: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GapTold:
    """Something that was not asked, or that a tool gave up on."""

    what: str
    amount: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskTold:
    """What is mended in one way."""

    severity: str
    title: str
    count: str
    where: str
    why: str
    remediation: tuple[str, ...]
    remarks: tuple[str, ...]
    references: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryTold:
    """A finding, or a crowd of them. ``facts`` are (name, text) pairs, ``notes`` what was said."""

    where: str
    names: str
    service: str
    severity: str
    confidence: str
    reasons: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTold:
    """All findings with one verdict; ``rest`` says how many are not told here."""

    verdict: str
    meaning: str
    count: str
    entries: tuple[EntryTold, ...]
    rest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesTold:
    """One kind of change."""

    kind: str
    meaning: str
    count: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodTold:
    """What became of the tasks of one method."""

    name: str
    settled: str
    failed: str
    unfinished: str
    endpoints: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A run in short. Pairs are (name, text); ``figures`` are (number, what, remark)."""

    title: str
    client: str
    engagement: str
    run: str
    began: str
    portproof: str
    consultant: str
    """Who scanned for the client; empty where nobody says so."""
    cover: tuple[tuple[str, str], ...]
    authorisation: tuple[tuple[str, str], ...]
    notice: str
    summary: tuple[str, ...]
    figures: tuple[tuple[str, str, str], ...]
    severities: tuple[tuple[str, str], ...]
    first: tuple[StepTold, ...]
    missing: str
    gaps: tuple[GapTold, ...]
    beyond: tuple[str, ...]
    doubted: tuple[tuple[str, str], ...]
    risks: tuple[RiskTold, ...]
    risks_note: str
    groups: tuple[GroupTold, ...]
    changed: tuple[str, ...]
    changes: tuple[ChangesTold, ...]
    method: tuple[tuple[str, str], ...]
    methods: tuple[MethodTold, ...]
    completeness: tuple[str, ...]
    events: tuple[tuple[str, str], ...]
    findings_told: bool = True
    """False in a variant without findings one by one, and without the method."""


def outline(document: RunDocument) -> Outline:
    """The document in short. Same document, same texts."""
    summary = summarise(document)
    variant = document.branding.variant
    shows = shown(variant)
    missing = uncovered(document)
    risks = risk_entries(document.findings)
    return Outline(
        title=visible(f"Port scan of {document.client}: {document.engagement}", 2 * _SHORT),
        client=visible(document.client, _SHORT),
        engagement=visible(document.engagement, _SHORT),
        run=visible(document.run, _SHORT),
        began=f"{minute(document.started)} UTC",
        portproof=visible(document.portproof_version, _SHORT),
        consultant=visible(document.branding.consultant, _SHORT),
        cover=_pairs(_cover(document)),
        authorisation=_pairs((_label(n), text) for n, text in document.authorisation if text),
        notice=visible(summary.notice),
        summary=tuple(
            visible(told, 4 * _WORDS) for told in _sentences(summary) if "sentences" in shows
        ),
        figures=_figures(document, missing),
        severities=tuple(
            (_label(count.severity), f"{count.endpoints:,}")
            for count in risk_counts(document.findings)
            if count.endpoints
        ),
        first=tuple(_step(step) for step in summary.first),
        missing=visible(summary.missing),
        gaps=tuple(_gaps(missing, at_most(variant, _ROWS_TOLD))),
        beyond=tuple(_beyond(missing)),
        doubted=_pairs(
            (
                (each.title, " ".join(each.sentences))
                for each in unbelieved(document.neighbourhoods)
            ),
            limit=3 * _WORDS,
        )[: _ROWS_TOLD if "hosts" in shows else 0],
        risks=tuple(_risk(entry) for entry in risks[: at_most(variant, _RISKS_TOLD)]),
        risks_note=visible(_risks_note(document, len(risks) - at_most(variant, _RISKS_TOLD))),
        groups=tuple(_groups(document)) if "findings" in shows else (),
        changed=tuple(visible(told, 2 * _WORDS) for told in _changed(document)),
        changes=tuple(_changes(document, at_most(variant, _CHANGES_TOLD))),
        method=_pairs(_method(document)),
        methods=tuple(
            MethodTold(
                name=use.name,
                settled=f"{use.settled:,}",
                failed=f"{use.failed:,}",
                unfinished=f"{use.unfinished:,}",
                endpoints=f"{use.endpoints:,}",
            )
            for use in methods_used(document.tasks)
        ),
        completeness=tuple(_completeness(document)),
        events=tuple(_events(document)) if "events" in shows else (),
        findings_told="findings" in shows,
    )


def _pairs(pairs: Iterable[tuple[str, str]], *, limit: int = _WORDS) -> tuple[tuple[str, str], ...]:
    return tuple((visible(name, _SHORT), visible(text, limit)) for name, text in pairs)


def _label(name: str) -> str:
    """``valid_from`` as people write it: ``Valid from``."""
    words = name.replace("_", " ").replace("-", " ")
    return words[:1].upper() + words[1:]


# --- the beginning -------------------------------------------------------------------------------


def _cover(document: RunDocument) -> Iterator[tuple[str, str]]:
    yield "Run", document.run
    yield "Began", f"{instant(document.started)} UTC"
    yield "Ended", "not yet" if document.ended is None else f"{instant(document.ended)} UTC"
    yield "State", str(document.state)
    if document.branding.variant is not Variant.FULL:
        yield "Variant", VARIANTS[document.branding.variant]
    if document.risk_policy:
        yield "Risk policy", document.risk_policy
    for file in document.imported:
        problem = f": {file.problem}" if file.problem else ""
        yield "Imported from", f"{file.name} ({file.format}, SHA-256 {file.sha256}){problem}"
    if document.audit is not None:
        signed = ", signed" if document.audit.signed else ""
        lines = counted(document.audit.lines, "line")
        yield "Record", f"{lines}, SHA-256 {document.audit.sha256}{signed}"


def _sentences(summary: Summary) -> tuple[str, ...]:
    told = (
        summary.scanned,
        " ".join(summary.found),
        summary.risks,
        summary.doubted,
        summary.idle,
        summary.changed,
        summary.missing,
        summary.missed,
    )
    return tuple(sentence for sentence in told if sentence)


def _figures(document: RunDocument, missing: Uncovered) -> tuple[tuple[str, str, str], ...]:
    kinds = [finding.verdict.kind for finding in document.findings]
    changes = document.comparison.changes if document.comparison else ()
    return (
        (f"{sum(k in OPEN_VERDICTS for k in kinds):,}", "open", "confirmed or likely"),
        (f"{sum(k in DISPUTED_VERDICTS for k in kinds):,}", "disputed", "the methods disagree"),
        (
            f"{len(changes):,}",
            "changed",
            "since the last run" if document.comparison else "no earlier run",
        ),
        (f"{missing.endpoints:,}", "not covered", f"{missing.share} of the plan"),
    )


def _step(step: Step) -> StepTold:
    return StepTold(text=visible(step.text, _WORDS), where=_named(step.endpoints))


def _named(endpoints: Sequence[Endpoint]) -> str:
    return shortened([str(endpoint) for endpoint in endpoints], _ENDPOINTS_NAMED)


# --- what is not known ---------------------------------------------------------------------------


def _gaps(missing: Uncovered, rows: int) -> Iterator[GapTold]:
    for gap in missing.gaps[:rows]:
        yield GapTold(
            what=visible(gap.what, _WORDS),
            amount=counted(gap.endpoints, "endpoint"),
            why=f"Not asked: {visible(gap.why, _WORDS)}",
        )
    for given in missing.given_up[:rows]:
        ports = f"ports {given.ports}" if given.ports else "all ports that were asked"
        yield GapTold(
            what=visible(f"{shortened(given.addresses.texts(), 8)}, {ports}", _WORDS),
            amount=counted(given.addresses.size, "address", "addresses"),
            why=f"Given up by {given.method}: {visible(given.reason, _WORDS)}",
        )
    rest = len(missing.gaps[rows:]) + len(missing.given_up[rows:])
    if rest:
        yield GapTold(what=f"{rest:,} more", amount="", why="The JSON document has all of them.")


def _beyond(missing: Uncovered) -> Iterator[str]:
    if missing.excluded:
        where = visible(shortened(missing.excluded, 40), 3 * _WORDS)
        yield f"Excluded by the engagement, and never touched: {where}."
    if missing.beyond:
        yield f"Not part of this engagement: {missing.beyond}."


# --- risks and findings --------------------------------------------------------------------------


def _risk(entry: RiskEntry) -> RiskTold:
    risk = entry.risk
    return RiskTold(
        severity=_label(risk.severity),
        title=visible(risk.title, _WORDS),
        count=f"{counted(len(entry.endpoints), 'endpoint')} on {counted(entry.hosts, 'host')}",
        where=_named(entry.endpoints),
        why=visible(risk.why, 4 * _WORDS),
        remediation=tuple(visible(step, 4 * _WORDS) for step in risk.remediation),
        remarks=tuple(visible(remark, _WORDS) for remark, _ in entry.remarks),
        references=visible(citation(risk.references), _WORDS),
    )


def _risks_note(document: RunDocument, more: int) -> str:
    told = [assumed_sentence(document.findings), document.risk_note[:_WORDS]]
    if more > 0:
        told.append(f"{counted(more, 'lesser risk')} more are in the JSON document.")
    return " ".join(each for each in told if each)


def _groups(document: RunDocument) -> Iterator[GroupTold]:
    found = group(
        document.findings,
        at_most=FINDINGS_TOLD,
        deceivers=deceivers(document.neighbourhoods),
    )
    for each in found:
        yield GroupTold(
            verdict=_label(each.kind),
            meaning=VERDICTS[each.kind],
            count=f"{counted(each.total, 'endpoint')} on {counted(each.hosts, 'host')}",
            entries=(*map(_crowd, each.crowds), *map(_single, each.single)),
            rest=_rest(each),
        )


def _rest(found: Group) -> str:
    if not found.left_out:
        return ""
    return f"{counted(found.left_out, 'endpoint')} more with this verdict: the inventory has them."


def _single(finding: Finding) -> EntryTold:
    verdict = finding.verdict
    facts = []
    if finding.risks:
        facts.append(("Risk", "; ".join(f"{r.severity}: {r.title}" for r in finding.risks)))
    if finding.asset is not None and finding.asset.owner:
        facts.append(("Owner", finding.asset.owner))
    if finding.change is not None:
        facts.append(("Change", f"{finding.change.kind}: {CHANGES[finding.change.kind]}"))
    if finding.first_seen is not None:
        facts.append(("First seen", f"{instant(finding.first_seen)} UTC"))
    facts.append(("Evidence", evidence_in_short(finding.observations)))
    return EntryTold(
        where=str(verdict.endpoint),
        names=visible(", ".join(finding.names), _SHORT),
        service=service_text(verdict.service, _SHORT),
        severity=_label(finding.severity) if finding.severity else "",
        confidence=confidence_text(verdict.confidence) if verdict.confidence else "",
        reasons=(_reason(verdict.reason),),
        facts=_pairs(((n, text) for n, text in facts if text), limit=2 * _WORDS),
        notes=tuple(_notes(finding)),
    )


def _reason(code: str) -> str:
    return visible(f"{code}: {explain(code)}", _WORDS)


def _notes(finding: Finding) -> Iterator[tuple[str, str]]:
    """What the service said of itself, and what nmap's scripts read there."""
    said = next((o.banner for o in finding.observations if o.banner), "")
    if said:
        yield "It said", visible(said, _WORDS)
    service = finding.verdict.service
    for name, output in service.scripts if service is not None else ():
        lines = [line.strip() for line in output.strip("\r\n").splitlines()]
        shown = [visible(line, _WORDS) for line in lines[:_SCRIPT_LINES]]
        rest = len(lines) - len(shown)
        if rest:
            shown.append(f"… {counted(rest, 'more line')}")
        yield visible(name, _SHORT), "; ".join(shown)


def _crowd(crowd: Crowd) -> EntryTold:
    several = len(crowd.reasons) > 1
    hosts = [str(host) for host, _ in crowd.hosts]
    facts = [("Ports", port_ranges(crowd.ports))]
    if len(hosts) > 1:
        facts.insert(0, ("Hosts", shortened(hosts, _ENDPOINTS_NAMED)))
    example = crowd.example
    evidence = evidence_in_short(example.observations)
    facts.append((f"Evidence of {example.verdict.endpoint}", evidence))
    what = counted(crowd.size, f"{crowd.protocol.upper()} port")
    return EntryTold(
        where=crowd.name,
        names="",
        service=f"{what} of a host that deceived us" if crowd.deceived else what,
        severity="",
        confidence="",
        reasons=tuple(
            (f"{counted(number, 'port')}: " if several else "") + _reason(code)
            for code, number in crowd.reasons
        ),
        facts=_pairs(facts, limit=2 * _WORDS),
        notes=(),
    )


# --- changes -------------------------------------------------------------------------------------


def _changed(document: RunDocument) -> Iterator[str]:
    yield summarise(document).changed
    if document.comparison is not None:
        yield from document.comparison.differences
    if document.deviations is not None:
        yield f"Against the list of expected ports: {_deviating(document)}."


def _deviating(document: RunDocument) -> str:
    found = document.deviations
    if found is None or not found.changes:
        return "no deviation"
    told = [deviation_text(change) for change in found.changes[:_ENDPOINTS_NAMED]]
    rest = len(found.changes) - len(told)
    return "; ".join((deviation_count(found), *told, *((f"{rest:,} more",) if rest else ())))


def _changes(document: RunDocument, few: int) -> Iterator[ChangesTold]:
    if document.comparison is None:
        return
    for found in group_changes(document.comparison, at_most=few):
        yield ChangesTold(
            kind=_label(found.kind),
            meaning=CHANGES[found.kind],
            count=counted(found.total, "endpoint"),
            lines=tuple(_change_lines(found)),
        )


def _change_lines(found: ChangeGroup) -> Iterator[str]:
    for crowd in found.crowds:
        ports = port_ranges(crowd.ports)
        yield f"{crowd.address}: {counted(len(crowd.ports), 'port')} ({crowd.protocol}): {ports}"
    yield from map(_change_line, found.single)
    if found.left_out:
        yield f"{found.left_out:,} more"


def _change_line(change: Change) -> str:
    sides = [
        f"{side.kind}, {service_text(side.service, _SHORT)}".removesuffix(", ") if side else "none"
        for side in (change.before, change.after)
    ]
    return f"{change.endpoint}: {sides[0]} → {sides[1]}"


# --- method --------------------------------------------------------------------------------------


def _method(document: RunDocument) -> Iterator[tuple[str, str]]:
    yield "Vantage", document.vantage or "not named"
    yield "Profile", document.profile
    yield "Scope", shortened(document.scope_included, 40) or "empty"
    yield "Ports", f"{document.ports} ({document.port_count:,} of 65,535)"
    yield "Planned", counted(planned(document), "endpoint")
    for name, value in document.limits:
        yield _label(name), value
    yield from document.tools


def _completeness(document: RunDocument) -> Iterator[str]:
    for told in completeness_told(document):
        assumes = " It assumes: " + " ".join(told.assumptions) if told.assumptions else ""
        yield f"{told.sentence}{assumes}"


def _events(document: RunDocument) -> Iterator[tuple[str, str]]:
    for event in document.events[:_ROWS_TOLD]:
        kind, text = visible(event.kind, 40), visible(event.text, _WORDS)
        yield instant(event.time), f"{kind}: {text}"
    rest = len(document.events) - _ROWS_TOLD
    if rest > 0:
        yield "", f"{counted(rest, 'event')} more are in the JSON document."
