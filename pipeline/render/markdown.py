"""A run in short as Markdown, for wikis and tickets: CommonMark with the tables of GitHub.

Whatever is not our own sentence is escaped, so that it stays text in whatever reads the file: no
element, no link, no picture, no emphasis, and no expression of a site generator comes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pipeline.render.document import RunDocument
from pipeline.render.language import Language, language, say, speaking
from pipeline.render.outline import EntryTold, Outline, RiskTold
from pipeline.render.outlining import outline

_SPECIAL: Final = re.compile(
    r"[\\`*_{}\[\]<>#!|~$&^@]|:(?=//)|(?<=www)\.", re.IGNORECASE | re.ASCII
)
"""CommonMark lets a backslash stand before any ASCII punctuation (section 2.4). GitHub makes links
of bare addresses as well."""


_AT_START: Final = re.compile(r"^(\d*)([-+=.)])")
"""What makes a list or a heading of a line."""


def render_markdown(document: RunDocument, *, spoken_in: Language | None = None) -> str:
    """The report in short, in ``spoken_in`` or else that of the branding.

    Same document, same text.
    """
    spoken = spoken_in or language(document.branding.language)
    with speaking(spoken):
        return "\n".join(_lines(outline(document, spoken_in=spoken))).rstrip("\n") + "\n"


def escaped(text: str) -> str:
    """A text in one line as Markdown that shows it to the letter; not for the start of a line."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def _lines(told: Outline) -> Iterator[str]:
    yield from (f"# {escaped(told.title)}", "")
    yield from _pairs((*told.cover, *told.authorisation))
    yield from _summary(told)
    yield from _missing(told)
    yield from _risks(told)
    if told.findings_told:
        yield from _findings(told)
    yield from _changes(told)
    if told.findings_told:
        yield from _method(told)
    written = say(
        "Written by portproof {version}. All times are UTC.", version=escaped(told.portproof)
    )
    yield from (written, "")


def _pairs(pairs: tuple[tuple[str, str], ...]) -> Iterator[str]:
    yield from (f"- **{escaped(name)}:** {escaped(text)}" for name, text in pairs)
    yield ""


def _paragraphs(texts: tuple[str, ...]) -> Iterator[str]:
    for text in texts:
        yield from (_AT_START.sub(r"\1\\\2", escaped(text)), "")


def _table(heading: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield "|---" * len(heading) + "|"
    yield from (f"| {' | '.join(map(escaped, row))} |" for row in rows)
    yield ""


def _summary(told: Outline) -> Iterator[str]:
    yield from (f"## {say('Summary')}", "")
    if told.notice:
        yield from (f"**{escaped(told.notice)}**", "")
    yield from _paragraphs(told.summary)
    yield from _table((say("figure"), say("what"), say("remark")), iter(told.figures))
    if told.severities:
        yield from _table((say("severity"), say("open endpoints")), iter(told.severities))
    yield from (f"### {say('What to do first')}", "")
    for step in told.first:
        where = f" {escaped(step.where)}" if step.where else ""
        yield f"- {escaped(step.text)}{where}"
    yield ""


def _missing(told: Outline) -> Iterator[str]:
    yield from (f"## {say('What was not covered')}", "", escaped(told.missing), "")
    if told.gaps:
        rows = ((gap.what, gap.amount, gap.why) for gap in told.gaps)
        yield from _table((say("what"), say("how much"), say("why")), rows)
    yield from _paragraphs(told.beyond)
    if told.doubted:
        yield from (f"### {say('Hosts that could not be believed')}", "")
        yield from _pairs(told.doubted)


def _risks(told: Outline) -> Iterator[str]:
    if told.risks or told.risks_note:
        yield from (f"## {say('Risks')}", "")
    if told.risks_note:
        yield from (escaped(told.risks_note), "")
    for risk in told.risks:
        yield from _risk(risk)


def _risk(risk: RiskTold) -> Iterator[str]:
    yield from (f"### {risk.severity}: {escaped(risk.title)}", "")
    yield from (f"{risk.count}: {escaped(risk.where)}", "")
    yield from _paragraphs((risk.why,))
    yield from (f"{number}. {escaped(step)}" for number, step in enumerate(risk.remediation, 1))
    yield ""
    yield from _paragraphs((*risk.remarks, risk.references) if risk.references else risk.remarks)


def _findings(told: Outline) -> Iterator[str]:
    yield from (f"## {say('Findings')}", "")
    if not told.groups:
        yield from (say("No endpoint has a verdict."), "")
    for group in told.groups:
        yield from (f"### {group.verdict} ({group.count})", "", group.meaning, "")
        for entry in group.entries:
            yield from _entry(entry)
        if group.rest:
            yield from (group.rest, "")


def _entry(entry: EntryTold) -> Iterator[str]:
    marks = (entry.names, entry.service, entry.severity, entry.confidence)
    head = ", ".join(escaped(mark) for mark in marks if mark)
    yield f"- **{escaped(entry.where)}**{f' {head}' if head else ''}"
    yield from (f"  - {escaped(reason)}" for reason in entry.reasons)
    for name, text in (*entry.facts, *entry.notes):
        yield f"  - {escaped(name)}: {escaped(text)}"
    yield ""


def _changes(told: Outline) -> Iterator[str]:
    yield from (f"## {say('Changes')}", "")
    yield from _paragraphs(told.changed)
    for change in told.changes:
        yield from (f"### {change.kind} ({change.count})", "", change.meaning, "")
        yield from (f"- {escaped(line)}" for line in change.lines)
        yield ""


def _method(told: Outline) -> Iterator[str]:
    yield from (f"## {say('Method and limits')}", "")
    yield from _pairs(told.method)
    if told.methods:
        rows = ((m.name, m.settled, m.failed, m.unfinished, m.endpoints) for m in told.methods)
        heading = (
            say("method"),
            say("tasks settled"),
            say("failed"),
            say("not finished"),
            say("endpoints asked"),
        )
        yield from _table(heading, rows)
    yield from _paragraphs(told.completeness)
    if told.events:
        yield from (f"### {say('Events')}", "")
        yield from _table((say("time (UTC)"), say("event")), iter(told.events))
