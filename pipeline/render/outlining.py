"""Make the outline of a run: all its texts, cut and shown, in the language of the report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pipeline.render.completeness import completeness_told
from pipeline.render.coverage import Uncovered, planned, uncovered
from pipeline.render.document import RunDocument
from pipeline.render.hosts import unbelieved
from pipeline.render.language import (
    Language,
    figure,
    language,
    say,
    speaking,
    spoken,
    word,
)
from pipeline.render.method import methods_used
from pipeline.render.outline import GapTold, MethodTold, Outline, StepTold
from pipeline.render.outlining_findings import (
    SHORT,
    WORDS,
    changed_told,
    changes_told,
    groups_told,
    label,
    named,
    pairs,
    risk_told,
    risks_note,
)
from pipeline.render.recorded import recorded
from pipeline.render.risks import risk_counts, risk_entries
from pipeline.render.summary import Step, Summary, summarise
from pipeline.render.text import counted, instant, minute, shortened, visible
from pipeline.render.variants import VARIANTS, Variant, at_most, shown
from pipeline.render.words import (
    DISPUTED_VERDICTS,
    OPEN_VERDICTS,
)

_CHANGES_TOLD: Final = 50
_RISKS_TOLD: Final = 150
_ROWS_TOLD: Final = 100


def outline(document: RunDocument, *, spoken_in: Language | None = None) -> Outline:
    """The document in short. Same document, same texts.

    ``spoken_in`` is its language; without one it is that of the branding.
    """
    with speaking(spoken_in or language(document.branding.language)):
        return _outline(document)


def _outline(document: RunDocument) -> Outline:
    summary = summarise(document)
    variant = document.branding.variant
    shows = shown(variant)
    missing = uncovered(document)
    risks = risk_entries(document.findings)
    return Outline(
        language=spoken().code,
        title=visible(
            say(
                "Port scan of {client}: {engagement}",
                client=document.client,
                engagement=recorded(document.engagement),
            ),
            2 * SHORT,
        ),
        client=visible(document.client, SHORT),
        engagement=visible(recorded(document.engagement), SHORT),
        run=visible(document.run, SHORT),
        began=f"{minute(document.started)} UTC",
        portproof=visible(document.portproof_version, SHORT),
        consultant=visible(document.branding.consultant, SHORT),
        cover=pairs(_cover(document)),
        authorisation=pairs(
            (label(n), recorded(text)) for n, text in document.authorisation if text
        ),
        notice=visible(summary.notice),
        summary=tuple(
            visible(told, 4 * WORDS) for told in _sentences(summary) if "sentences" in shows
        ),
        figures=_figures(document, missing),
        severities=tuple(
            (label(count.severity), figure(count.endpoints))
            for count in risk_counts(document.findings)
            if count.endpoints
        ),
        levels=tuple(
            count.severity.value for count in risk_counts(document.findings) if count.endpoints
        ),
        first=tuple(_step(step) for step in summary.first),
        missing=visible(summary.missing),
        gaps=tuple(_gaps(missing, at_most(variant, _ROWS_TOLD))),
        beyond=tuple(_beyond(missing)),
        doubted=pairs(
            (
                (each.title, " ".join(each.sentences))
                for each in unbelieved(document.neighbourhoods)
            ),
            limit=3 * WORDS,
        )[: _ROWS_TOLD if "hosts" in shows else 0],
        risks=tuple(risk_told(entry) for entry in risks[: at_most(variant, _RISKS_TOLD)]),
        risks_note=visible(risks_note(document, len(risks) - at_most(variant, _RISKS_TOLD))),
        groups=tuple(groups_told(document)) if "findings" in shows else (),
        changed=tuple(visible(told, 2 * WORDS) for told in changed_told(document)),
        changes=tuple(changes_told(document, at_most(variant, _CHANGES_TOLD))),
        method=pairs(_method(document)),
        methods=tuple(
            MethodTold(
                name=use.name,
                settled=figure(use.settled),
                failed=figure(use.failed),
                unfinished=figure(use.unfinished),
                endpoints=figure(use.endpoints),
            )
            for use in methods_used(document.tasks)
        ),
        completeness=tuple(_completeness(document)),
        events=tuple(_events(document)) if "events" in shows else (),
        findings_told="findings" in shows,
    )


# --- the beginning -------------------------------------------------------------------------------


def _cover(document: RunDocument) -> Iterator[tuple[str, str]]:
    yield say("Run"), document.run
    yield say("Began"), f"{instant(document.started)} UTC"
    yield (
        say("Ended"),
        say("not yet") if document.ended is None else f"{instant(document.ended)} UTC",
    )
    yield say("State"), word(document.state)
    if document.branding.variant is not Variant.FULL:
        yield say("Variant"), VARIANTS[document.branding.variant]
    if document.risk_policy:
        yield say("Risk policy"), recorded(document.risk_policy)
    for file in document.imported:
        problem = f": {recorded(file.problem)}" if file.problem else ""
        yield (
            say("Imported from"),
            f"{file.name} ({file.format}, SHA-256 {recorded(file.sha256)}){problem}",
        )
    if document.audit is not None:
        signed = say(", signed") if document.audit.signed else ""
        lines = counted(document.audit.lines, "line")
        yield say("Record"), f"{lines}, SHA-256 {recorded(document.audit.sha256)}{signed}"


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
        (figure(sum(k in OPEN_VERDICTS for k in kinds)), say("open"), say("confirmed or likely")),
        (
            figure(sum(k in DISPUTED_VERDICTS for k in kinds)),
            say("disputed"),
            say("the methods disagree"),
        ),
        (
            figure(len(changes)),
            say("changed"),
            say("since the last run") if document.comparison else say("no earlier run"),
        ),
        (
            figure(missing.endpoints),
            say("not covered"),
            say("{share} of the plan", share=missing.share),
        ),
    )


def _step(step: Step) -> StepTold:
    return StepTold(text=visible(step.text, WORDS), where=named(step.endpoints))


# --- what is not known ---------------------------------------------------------------------------


def _gaps(missing: Uncovered, rows: int) -> Iterator[GapTold]:
    for gap in missing.gaps[:rows]:
        yield GapTold(
            what=visible(recorded(gap.what), WORDS),
            amount=counted(gap.endpoints, "endpoint"),
            why=say("Not asked: {why}", why=visible(recorded(gap.why), WORDS)),
        )
    for given in missing.given_up[:rows]:
        ports = (
            say("ports {ports}", ports=given.ports)
            if given.ports
            else say("all ports that were asked")
        )
        yield GapTold(
            what=visible(f"{shortened(given.addresses.texts(), 8)}, {ports}", WORDS),
            amount=counted(given.addresses.size, "address", "addresses"),
            why=say(
                "Given up by {method}: {why}",
                method=given.method,
                why=visible(recorded(given.reason), WORDS),
            ),
        )
    rest = len(missing.gaps[rows:]) + len(missing.given_up[rows:])
    if rest:
        yield GapTold(
            what=say("{n} more", n=rest),
            amount="",
            why=say("The JSON document has all of them."),
        )


def _beyond(missing: Uncovered) -> Iterator[str]:
    if missing.excluded:
        where = visible(shortened(missing.excluded, 40), 3 * WORDS)
        yield say("Excluded by the engagement, and never touched: {where}.", where=where)
    if missing.beyond:
        yield say("Not part of this engagement: {what}.", what=missing.beyond)


# --- method --------------------------------------------------------------------------------------


def _method(document: RunDocument) -> Iterator[tuple[str, str]]:
    yield say("Vantage"), document.vantage or say("not named")
    yield say("Profile"), document.profile
    yield say("Scope"), shortened(document.scope_included, 40) or say("empty")
    yield (
        say("Ports"),
        f"{document.ports} ({say('{n} of {all}', n=document.port_count, all=65535)})",
    )
    yield say("Planned"), counted(planned(document), "endpoint")
    for name, value in document.limits:
        yield label(name), figure(int(value)) if value.isdigit() else value
    yield from document.tools


def _completeness(document: RunDocument) -> Iterator[str]:
    for told in completeness_told(document):
        parts = (
            told.sentence,
            *((say("It assumes:"), *told.assumptions) if told.assumptions else ()),
        )
        yield " ".join(parts)


def _events(document: RunDocument) -> Iterator[tuple[str, str]]:
    for event in document.events[:_ROWS_TOLD]:
        kind = visible(recorded(event.kind), 40)
        text = visible(recorded(event.text), WORDS)
        yield instant(event.time), f"{kind}: {text}"
    rest = len(document.events) - _ROWS_TOLD
    if rest > 0:
        yield "", say("{events} more are in the JSON document.", events=counted(rest, "event"))
