"""The checklist of an engagement, ticked from what a run has on file, and never by hand.

An item is met or not met where a fact of the run decides it. Where no fact does, it is not
recorded: somebody may have kept it all the same, and this page cannot say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, assert_never

from pipeline.addresses import AddressSet
from pipeline.model import Purpose, StageName, TaskRecord, TaskState, VerdictKind
from pipeline.plan import EvidenceKept
from pipeline.render.completeness import completeness_told
from pipeline.render.coverage import uncovered
from pipeline.render.document import Conduct, RunDocument
from pipeline.render.language import Phrases, figure, say
from pipeline.render.recorded import recorded
from pipeline.render.text import counted, listed, minute, visible
from pipeline.render.words import OPEN_VERDICTS

_ESTIMATES: Final = Phrases({"Two passes": "two passes", "A random sample": "a random sample"})
CLOSING: Final = 15.0
"""Seconds after the close of a window in which what was stopped there may still be settled."""


class Standing(StrEnum):
    """Whether an item was kept, as far as the run has it on file."""

    MET = "met"
    NOT_MET = "not met"
    NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One item of the checklist, and the ``fact`` that it rests on."""

    item: str
    standing: Standing
    fact: str

    @property
    def mark(self) -> str:
        """The class of its mark on a page."""
        return self.standing.value.replace(" ", "-")


def checklist(document: RunDocument) -> tuple[Check, ...]:
    """All items, always the same ones and in the same order."""
    sent = tuple(record for record in document.tasks if record.started is not None)
    return (
        _authorisation(document),
        _validity(document.conduct, sent),
        _scope(document, sent),
        _schedule(document.conduct, sent),
        _gentle_first(document.conduct, sent),
        _fragile(document.conduct, sent),
        _rates(document.conduct, sent),
        _corroboration(document),
        _asked(
            say("Answers of devices that answer for everything told apart"),
            document,
            Purpose.CONTROL,
            say("control ports, which nobody named"),
        ),
        _asked(
            say("Watched whether the scanner was blocked"),
            document,
            Purpose.CANARY,
            say("canaries, which had answered before"),
        ),
        _coverage(document),
        _completeness(document),
        _logging(document),
        _minimisation(document.conduct),
        _third_parties(document, sent),
    )


def _check(item: str, met: bool | None, fact: str) -> Check:
    if met is None:
        return Check(item=item, standing=Standing.NOT_RECORDED, fact=fact)
    return Check(item=item, standing=Standing.MET if met else Standing.NOT_MET, fact=fact)


def _authorisation(document: RunDocument) -> Check:
    item = say("Written authorisation")
    told = {name.replace("_", " ").lower(): value for name, value in document.authorisation}
    reference, digest = told.get("reference", ""), told.get("document sha-256", "")
    if digest:
        name = visible(told.get("document", ""), 120)
        fact = say(
            "The document {name} was on file; its SHA-256 is {digest}.", name=name, digest=digest
        )
        return _check(item, True, fact)
    if reference:
        fact = say(
            "The engagement refers to {reference}, and names no document.",
            reference=visible(reference, 120),
        )
        return _check(item, None, fact)
    return _check(item, None, say("No authorisation is on file."))


def _validity(conduct: Conduct | None, sent: tuple[TaskRecord, ...]) -> Check:
    item = say("Nothing sent outside the validity of the authorisation")
    if conduct is None:
        return _check(item, None, say("The run was imported, without an authorisation."))
    late = sum(
        not conduct.authorised_from <= (r.started or 0) < conduct.authorised_until for r in sent
    )
    span = {
        "begin": minute(conduct.authorised_from),
        "end": minute(conduct.authorised_until),
        "tasks": counted(late or len(sent), "task"),
    }
    if late:
        fact = "It was valid from {begin} until {end} UTC; {tasks} began outside."
    else:
        fact = "It was valid from {begin} until {end} UTC; all of {tasks} began within."
    return _check(item, not late, say(fact, **span))


def _scope(document: RunDocument, sent: tuple[TaskRecord, ...]) -> Check:
    item = say("Nothing sent outside the scope")
    if document.imported:
        return _check(item, None, say("The run was imported; what was sent is not on file."))
    inside = AddressSet.parse(document.scope_included) - AddressSet.parse(document.scope_excluded)
    astray = sum(not record.task.targets.addresses <= inside for record in sent)
    if astray:
        fact = say("{tasks} asked addresses outside of it.", tasks=counted(astray, "task"))
        return _check(item, False, fact)
    if document.scope_excluded:
        fact = "All of {tasks} asked addresses of the scope, and none that is excluded."
    else:
        fact = "All of {tasks} asked addresses of the scope."
    return _check(item, True, say(fact, tasks=_tasks(sent)))


def _schedule(conduct: Conduct | None, sent: tuple[TaskRecord, ...]) -> Check:
    item = say("Only within the agreed windows")
    if conduct is None or conduct.openings is None:
        return _check(item, None, say("The engagement names no windows."))
    openings = conduct.openings
    astray = sum(
        not any(
            opens <= (r.started or 0) < closes and (r.ended or 0) <= closes + CLOSING
            for opens, closes in openings
        )
        for r in sent
    )
    if astray:
        fact = say("{tasks} ran outside of them.", tasks=counted(astray, "task"))
        return _check(item, False, fact)
    fact = say("All of {tasks} ran within them, each in its last attempt.", tasks=_tasks(sent))
    return _check(item, True, fact)


def _gentle_first(conduct: Conduct | None, sent: tuple[TaskRecord, ...]) -> Check:
    item = say("Non-intrusive first")
    if conduct is None:
        return _check(item, None, say("The run was imported."))
    asked: dict[int, float] = {}
    for record in sent:
        if record.task.stage is not StageName.PROBE and record.ended is not None:
            batch = record.task.batch
            asked[batch] = min(record.ended, asked.get(batch, record.ended))
    probes = [record for record in sent if record.task.stage is StageName.PROBE]
    if not probes:
        return _check(item, True, say("No version probe was sent."))
    early = sum(asked.get(r.task.batch, float("inf")) > (r.started or 0) for r in probes)
    if early:
        fact = say("{probes} had nothing before it.", probes=counted(early, "version probe"))
        return _check(item, False, fact)
    if conduct.scripts:
        fact = say(
            "Every version probe came after plain questions; scripts: {scripts}.",
            scripts=listed(conduct.scripts),
        )
    else:
        fact = say("Every version probe came after plain questions; no scripts.")
    return _check(item, True, fact)


def _fragile(conduct: Conduct | None, sent: tuple[TaskRecord, ...]) -> Check:
    item = say("Fragile ports left alone")
    if conduct is None:
        return _check(item, None, say("The run was imported."))
    if not conduct.fragile_ports:
        return _check(item, None, say("The profile names no fragile ports."))
    probed = sum(
        record.task.stage is StageName.PROBE and bool(record.task.ports & conduct.fragile_ports)
        for record in sent
    )
    told = {
        "ports": counted(len(conduct.fragile_ports), "fragile port"),
        "probes": counted(probed, "version probe"),
    }
    if probed:
        fact = "Of {ports} of the profile, some were in {probes}."
    else:
        fact = "Of {ports} of the profile, none was in a version probe."
    return _check(item, not probed, say(fact, **told))


def _third_parties(document: RunDocument, sent: tuple[TaskRecord, ...]) -> Check:
    item = say("Rules of providers and third parties kept")
    known = document.third_parties
    if document.imported:
        return _check(item, None, say("The run was imported."))
    if not known.files:
        return _check(item, None, say("The engagement names no files of providers' ranges."))
    foreign = known.foreign
    asked = sum(bool(record.task.targets.addresses & foreign) for record in sent)
    cleared = AddressSet.of(r for each in known.cleared for r in each.addresses.ranges)
    fact = say(
        "{foreign} of others without an acknowledged policy, {cleared} with one, by {files} of "
        "ranges;",
        foreign=counted(foreign.size, "address", "addresses"),
        cleared=counted(cleared.size, "address", "addresses"),
        files=counted(len(known.files), "file"),
    )
    if asked:
        more = say("{tasks} asked the former.", tasks=counted(asked, "task"))
    else:
        more = say("none of the former was asked.")
    return _check(item, not asked, f"{fact} {more}")


def _rates(conduct: Conduct | None, sent: tuple[TaskRecord, ...]) -> Check:
    item = say("Rate limits")
    shares = [record.rate for record in sent if record.rate is not None]
    if conduct is None or not shares:
        return _check(item, None, say("No rate is on file."))
    fact = say(
        "The limit is {rate} packets per second in all and {per_host} to one host; the largest "
        "share that a command was given is {share}.",
        rate=conduct.rate,
        per_host=conduct.rate_per_host,
        share=figure(max(shares)),
    )
    return _check(item, max(shares) <= conduct.rate, fact)


def _corroboration(document: RunDocument) -> Check:
    item = say("Every open port corroborated")
    opened = [f for f in document.findings if f.verdict.kind in OPEN_VERDICTS]
    if not opened:
        return _check(item, True, say("No port was open."))
    confirmed = sum(f.verdict.kind is VerdictKind.CONFIRMED for f in opened)
    alone = sum(
        f.verdict.kind is not VerdictKind.CONFIRMED and len({o.method for o in f.observations}) < 2
        for f in opened
    )
    if alone:
        fact = "Of {open}, {n} are confirmed, and {alone} were asked by one method only."
    else:
        fact = "Of {open}, {n} are confirmed, and all others were asked by at least two methods."
    told = {"open": counted(len(opened), "open endpoint"), "n": confirmed, "alone": alone}
    return _check(item, not alone, say(fact, **told))


def _asked(item: str, document: RunDocument, purpose: Purpose, what: str) -> Check:
    tasks = [
        record
        for record in document.tasks
        if record.task.purpose is purpose and record.state is TaskState.SETTLED
    ]
    if not tasks:
        return _check(item, None, say("No task asked {what}.", what=what))
    fact = say("{tasks} asked {what}.", tasks=counted(len(tasks), "task"), what=what)
    return _check(item, True, fact)


def _coverage(document: RunDocument) -> Check:
    item = say("Everything asked that was planned")
    gaps = uncovered(document)
    if gaps.endpoints:
        endpoints = counted(gaps.endpoints, "endpoint")
        fact = say("{endpoints} ({share}) were not asked.", endpoints=endpoints, share=gaps.share)
        return _check(item, False, fact)
    if gaps.given_up:
        return _check(item, True, say("Everything was asked; on some of it a tool gave up."))
    return _check(item, True, say("Everything was asked, and no tool gave up."))


def _completeness(document: RunDocument) -> Check:
    item = say("What was missed, estimated")
    told = completeness_told(document)
    numbers = [_ESTIMATES[each.name] for each in told if each.is_number]
    if not numbers:
        return _check(item, None, told[0].sentence)
    return _check(item, True, say("Estimated from: {what}.", what=listed(numbers)))


def _logging(document: RunDocument) -> Check:
    item = say("Logged")
    head = document.audit
    if head is None:
        return _check(item, None, say("The run has no record, or had not ended."))
    if head.signed:
        fact = "The record has {lines}; its SHA-256 is {digest}, and its seal was to be signed."
    else:
        fact = "The record has {lines}; its SHA-256 is {digest}; nobody signs its seal."
    told = {"lines": counted(head.lines, "line"), "digest": recorded(head.sha256)}
    return _check(item, True, say(fact, **told))


def _minimisation(conduct: Conduct | None) -> Check:
    item = say("Data minimised")
    if conduct is None:
        return _check(item, None, say("The run was imported; what was kept of it is not on file."))
    fact = say(
        "Secrets are redacted by the rules of this version and {rules} of the engagement's own; "
        "evidence of the tools:",
        rules=counted(conduct.redactions, "rule"),
    )
    match conduct.evidence:
        case EvidenceKept.NONE:
            return _check(item, True, f"{fact} {say('not kept.')}")
        case EvidenceKept.REDACTED:
            return _check(item, True, f"{fact} {say('kept redacted.')}")
        case EvidenceKept.RAW:
            ends = conduct.raw_expires
            kept = say("kept raw, until it expires.") if ends else say("kept raw, without an end.")
            return _check(item, ends, f"{fact} {kept}")
        case _:
            assert_never(conduct.evidence)


def _tasks(sent: tuple[TaskRecord, ...]) -> str:
    return counted(len(sent), "task")


def checklist_json(document: RunDocument) -> list[dict[str, Any]]:
    """The checklist for programs."""
    return [
        {"item": check.item, "standing": check.standing, "fact": check.fact}
        for check in checklist(document)
    ]


def standings(checks: tuple[Check, ...]) -> Iterator[tuple[Standing, int]]:
    """How many items stand how; every standing, whether or not there is one."""
    for standing in Standing:
        yield standing, sum(check.standing is standing for check in checks)
