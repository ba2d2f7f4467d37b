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
from pipeline.render.text import counted, listed, minute, visible
from pipeline.render.words import OPEN_VERDICTS

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
            "Answers of devices that answer for everything told apart",
            document,
            Purpose.CONTROL,
            "control ports, which nobody named",
        ),
        _asked(
            "Watched whether the scanner was blocked",
            document,
            Purpose.CANARY,
            "canaries, which had answered before",
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
    item = "Written authorisation"
    told = {name.replace("_", " ").lower(): value for name, value in document.authorisation}
    reference, digest = told.get("reference", ""), told.get("document sha-256", "")
    if digest:
        name = visible(told.get("document", ""), 120)
        return _check(item, True, f"The document {name} was on file; its SHA-256 is {digest}.")
    if reference:
        fact = f"The engagement refers to {visible(reference, 120)}, and names no document."
        return _check(item, None, fact)
    return _check(item, None, "No authorisation is on file.")


def _validity(conduct: Conduct | None, sent: tuple[TaskRecord, ...]) -> Check:
    item = "Nothing sent outside the validity of the authorisation"
    if conduct is None:
        return _check(item, None, "The run was imported, without an authorisation.")
    late = sum(
        not conduct.authorised_from <= (r.started or 0) < conduct.authorised_until for r in sent
    )
    until = minute(conduct.authorised_until)
    span = f"from {minute(conduct.authorised_from)} until {until} UTC"
    if late:
        return _check(item, False, f"It was valid {span}; {counted(late, 'task')} began outside.")
    return _check(item, True, f"It was valid {span}; all of {_tasks(sent)} began within.")


def _scope(document: RunDocument, sent: tuple[TaskRecord, ...]) -> Check:
    item = "Nothing sent outside the scope"
    if document.imported:
        return _check(item, None, "The run was imported; what was sent is not on file.")
    inside = AddressSet.parse(document.scope_included) - AddressSet.parse(document.scope_excluded)
    astray = sum(not record.task.targets.addresses <= inside for record in sent)
    if astray:
        return _check(item, False, f"{counted(astray, 'task')} asked addresses outside of it.")
    excluded = ", and none that is excluded" if document.scope_excluded else ""
    return _check(item, True, f"All of {_tasks(sent)} asked addresses of the scope{excluded}.")


def _schedule(conduct: Conduct | None, sent: tuple[TaskRecord, ...]) -> Check:
    item = "Only within the agreed windows"
    if conduct is None or conduct.openings is None:
        return _check(item, None, "The engagement names no windows.")
    openings = conduct.openings
    astray = sum(
        not any(
            opens <= (r.started or 0) < closes and (r.ended or 0) <= closes + CLOSING
            for opens, closes in openings
        )
        for r in sent
    )
    if astray:
        return _check(item, False, f"{counted(astray, 'task')} ran outside of them.")
    return _check(item, True, f"All of {_tasks(sent)} ran within them, each in its last attempt.")


def _gentle_first(conduct: Conduct | None, sent: tuple[TaskRecord, ...]) -> Check:
    item = "Non-intrusive first"
    if conduct is None:
        return _check(item, None, "The run was imported.")
    asked: dict[int, float] = {}
    for record in sent:
        if record.task.stage is not StageName.PROBE and record.ended is not None:
            batch = record.task.batch
            asked[batch] = min(record.ended, asked.get(batch, record.ended))
    probes = [record for record in sent if record.task.stage is StageName.PROBE]
    if not probes:
        return _check(item, True, "No version probe was sent.")
    early = sum(asked.get(r.task.batch, float("inf")) > (r.started or 0) for r in probes)
    if early:
        return _check(item, False, f"{counted(early, 'version probe')} had nothing before it.")
    scripts = f"; scripts: {listed(conduct.scripts)}" if conduct.scripts else "; no scripts"
    return _check(item, True, f"Every version probe came after plain questions{scripts}.")


def _fragile(conduct: Conduct | None, sent: tuple[TaskRecord, ...]) -> Check:
    item = "Fragile ports left alone"
    if conduct is None:
        return _check(item, None, "The run was imported.")
    if not conduct.fragile_ports:
        return _check(item, None, "The profile names no fragile ports.")
    probed = sum(
        record.task.stage is StageName.PROBE and bool(record.task.ports & conduct.fragile_ports)
        for record in sent
    )
    fact = f"Of {counted(len(conduct.fragile_ports), 'fragile port')} of the profile, "
    if probed:
        return _check(item, False, fact + f"some were in {counted(probed, 'version probe')}.")
    return _check(item, True, fact + "none was in a version probe.")


def _third_parties(document: RunDocument, sent: tuple[TaskRecord, ...]) -> Check:
    item = "Rules of providers and third parties kept"
    known = document.third_parties
    if document.imported:
        return _check(item, None, "The run was imported.")
    if not known.files:
        return _check(item, None, "The engagement names no files of providers' ranges.")
    foreign = known.foreign
    asked = sum(bool(record.task.targets.addresses & foreign) for record in sent)
    cleared = AddressSet.of(r for each in known.cleared for r in each.addresses.ranges)
    fact = (
        f"{counted(foreign.size, 'address', 'addresses')} of others without an acknowledged "
        f"policy, {counted(cleared.size, 'address', 'addresses')} with one, by "
        f"{counted(len(known.files), 'file')} of ranges; "
    )
    if asked:
        return _check(item, False, fact + f"{counted(asked, 'task')} asked the former.")
    return _check(item, True, fact + "none of the former was asked.")


def _rates(conduct: Conduct | None, sent: tuple[TaskRecord, ...]) -> Check:
    item = "Rate limits"
    shares = [record.rate for record in sent if record.rate is not None]
    if conduct is None or not shares:
        return _check(item, None, "No rate is on file.")
    fact = (
        f"The limit is {conduct.rate:,} packets per second in all and {conduct.rate_per_host:,} to "
        f"one host; the largest share that a command was given is {max(shares):,.0f}."
    )
    return _check(item, max(shares) <= conduct.rate, fact)


def _corroboration(document: RunDocument) -> Check:
    item = "Every open port corroborated"
    opened = [f for f in document.findings if f.verdict.kind in OPEN_VERDICTS]
    if not opened:
        return _check(item, True, "No port was open.")
    confirmed = sum(f.verdict.kind is VerdictKind.CONFIRMED for f in opened)
    alone = sum(
        f.verdict.kind is not VerdictKind.CONFIRMED and len({o.method for o in f.observations}) < 2
        for f in opened
    )
    fact = f"Of {counted(len(opened), 'open endpoint')}, {confirmed:,} are confirmed"
    if alone:
        return _check(item, False, f"{fact}, and {alone:,} were asked by one method only.")
    return _check(item, True, f"{fact}, and all others were asked by at least two methods.")


def _asked(item: str, document: RunDocument, purpose: Purpose, what: str) -> Check:
    tasks = [
        record
        for record in document.tasks
        if record.task.purpose is purpose and record.state is TaskState.SETTLED
    ]
    if not tasks:
        return _check(item, None, f"No task asked {what}.")
    return _check(item, True, f"{counted(len(tasks), 'task')} asked {what}.")


def _coverage(document: RunDocument) -> Check:
    item = "Everything asked that was planned"
    gaps = uncovered(document)
    if gaps.endpoints:
        fact = f"{counted(gaps.endpoints, 'endpoint')} ({gaps.share}) were not asked."
        return _check(item, False, fact)
    if gaps.given_up:
        return _check(item, True, "Everything was asked; on some of it a tool gave up.")
    return _check(item, True, "Everything was asked, and no tool gave up.")


def _completeness(document: RunDocument) -> Check:
    item = "What was missed, estimated"
    told = completeness_told(document)
    numbers = [each.name.lower() for each in told if each.is_number]
    if not numbers:
        return _check(item, None, told[0].sentence)
    return _check(item, True, f"Estimated from: {listed(numbers)}.")


def _logging(document: RunDocument) -> Check:
    item = "Logged"
    head = document.audit
    if head is None:
        return _check(item, None, "The run has no record, or had not ended.")
    fact = f"The record has {counted(head.lines, 'line')}; its SHA-256 is {head.sha256}"
    signed = ", and its seal was to be signed." if head.signed else "; nobody signs its seal."
    return _check(item, True, fact + signed)


def _minimisation(conduct: Conduct | None) -> Check:
    item = "Data minimised"
    if conduct is None:
        return _check(item, None, "The run was imported; what was kept of it is not on file.")
    own = counted(conduct.redactions, "rule") + " of the engagement's own"
    fact = f"Secrets are redacted by the rules of this version and {own}; evidence of the tools: "
    match conduct.evidence:
        case EvidenceKept.NONE:
            return _check(item, True, fact + "not kept.")
        case EvidenceKept.REDACTED:
            return _check(item, True, fact + "kept redacted.")
        case EvidenceKept.RAW:
            ends = "until it expires" if conduct.raw_expires else "without an end"
            return _check(item, conduct.raw_expires, fact + f"kept raw, {ends}.")
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
