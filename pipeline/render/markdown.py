"""A run in short as Markdown, for wikis and tickets: CommonMark with the tables of GitHub.

Whatever is not our own sentence is escaped, so that it stays text in whatever reads the file: no
element, no link, no picture, no emphasis, and no expression of a site generator comes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pipeline.render.document import RunDocument
from pipeline.render.outline import EntryTold, Outline, RiskTold, outline

_SPECIAL: Final = re.compile(
    r"[\\`*_{}\[\]<>#!|~$&^@]|:(?=//)|(?<=www)\.", re.IGNORECASE | re.ASCII
)
"""CommonMark lets a backslash stand before any ASCII punctuation (section 2.4). GitHub makes links
of bare addresses as well."""


_AT_START: Final = re.compile(r"^(\d*)([-+=.)])")
"""What makes a list or a heading of a line."""


def render_markdown(document: RunDocument) -> str:
    """The report in short. Same document, same text."""
    told = outline(document)
    return "\n".join(_lines(told)).rstrip("\n") + "\n"


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
    yield from (f"Written by portproof {escaped(told.portproof)}. All times are UTC.", "")


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
    yield from ("## Summary", "")
    if told.notice:
        yield from (f"**{escaped(told.notice)}**", "")
    yield from _paragraphs(told.summary)
    yield from _table(("figure", "what", "remark"), iter(told.figures))
    if told.severities:
        yield from _table(("severity", "open endpoints"), iter(told.severities))
    yield from ("### What to do first", "")
    for step in told.first:
        where = f" {escaped(step.where)}" if step.where else ""
        yield f"- {escaped(step.text)}{where}"
    yield ""


def _missing(told: Outline) -> Iterator[str]:
    yield from ("## What was not covered", "", escaped(told.missing), "")
    if told.gaps:
        rows = ((gap.what, gap.amount, gap.why) for gap in told.gaps)
        yield from _table(("what", "how much", "why"), rows)
    yield from _paragraphs(told.beyond)
    if told.doubted:
        yield from ("### Hosts that could not be believed", "")
        yield from _pairs(told.doubted)


def _risks(told: Outline) -> Iterator[str]:
    if told.risks or told.risks_note:
        yield from ("## Risks", "")
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
    yield from ("## Findings", "")
    if not told.groups:
        yield from ("No endpoint has a verdict.", "")
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
    yield from ("## Changes", "")
    yield from _paragraphs(told.changed)
    for change in told.changes:
        yield from (f"### {change.kind} ({change.count})", "", change.meaning, "")
        yield from (f"- {escaped(line)}" for line in change.lines)
        yield ""


def _method(told: Outline) -> Iterator[str]:
    yield from ("## Method and limits", "")
    yield from _pairs(told.method)
    if told.methods:
        rows = ((m.name, m.settled, m.failed, m.unfinished, m.endpoints) for m in told.methods)
        heading = ("method", "tasks settled", "failed", "not finished", "endpoints asked")
        yield from _table(heading, rows)
    yield from _paragraphs(told.completeness)
    if told.events:
        yield from ("### Events", "")
        yield from _table(("time (UTC)", "event"), iter(told.events))
