"""A run in plain sentences: what was scanned, found and changed, and what to do first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.addresses import AddressSet, number_of
from pipeline.decide.facts import Doubt
from pipeline.decide.risk import Risk
from pipeline.decide.risk_rules import Severity
from pipeline.model import ChangeKind, Endpoint, RunState, TaskState, VerdictKind
from pipeline.render.completeness import completeness_sentence
from pipeline.render.coverage import Uncovered, in_question, uncovered
from pipeline.render.document import Comparison, Finding, RunDocument
from pipeline.render.hosts import DOUBTS
from pipeline.render.risks import risk_counts, risk_entries, risk_sentence
from pipeline.render.text import counted, duration, listed, minute, shortened
from pipeline.render.words import DISPUTED_VERDICTS, OPEN_VERDICTS

_IDLE_NAMED: Final = 8
_RISKS_NAMED: Final = 5
_URGENT: Final = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do, and the endpoints that it is about; of a ``risk`` the entry says how."""

    text: str
    endpoints: tuple[Endpoint, ...] = ()
    risk: Risk | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """``notice`` is empty for a complete run; ``first`` is never empty.

    ``doubted`` and ``idle``, empty where there are none, are about hosts that could not be believed
    and hosts without an open port; ``missing`` is what was not asked, ``missed`` what was asked in
    vain as far as that can be estimated.
    """

    notice: str
    scanned: str
    found: tuple[str, ...]
    risks: str
    doubted: str
    idle: str
    changed: str
    missing: str
    missed: str
    first: tuple[Step, ...]


def summarise(document: RunDocument) -> Summary:
    """Say what the run adds up to."""
    gaps = uncovered(document)
    return Summary(
        notice=_notice(document),
        scanned=_scanned(document),
        found=_found(document.findings),
        risks=risk_sentence(risk_counts(document.findings)),
        doubted=_doubted(document),
        idle=_idle(document),
        changed=_changed(document.comparison),
        missing=_missing(gaps),
        missed=completeness_sentence(document),
        first=tuple(_first(document, gaps)),
    )


def on_hosts(findings: Sequence[Finding]) -> str:
    """``12 ports on 3 hosts``."""
    hosts = len({finding.verdict.endpoint.address for finding in findings})
    return f"{counted(len(findings), 'port')} on {counted(hosts, 'host')}"


def _notice(document: RunDocument) -> str:
    if document.state is RunState.COMPLETE:
        return ""
    settled = sum(record.state is TaskState.SETTLED for record in document.tasks)
    progress = f"{settled:,} of {counted(len(document.tasks), 'planned task')} had been settled"
    if document.state is RunState.RUNNING:
        return f"This run had not ended when this report was written: {progress} so far."
    return (
        f"This run was cut short: {progress}. What follows is what they prove; "
        "the rest is listed under what was not covered."
    )


def _scanned(document: RunDocument) -> str:
    if document.ended is None:
        when = f"Since {minute(document.started)} UTC"
    else:
        took = duration(document.ended - document.started)
        when = f"From {minute(document.started)} to {minute(document.ended)} UTC ({took})"
    where = f", seen from {document.vantage}" if document.vantage else ""
    return (
        f"{when}: {counted(document.addresses, 'address', 'addresses')} with "
        f"{counted(document.port_count, 'port')} each, "
        f"{counted(in_question(document), 'endpoint')} in all{where}."
    )


def _found(findings: Sequence[Finding]) -> tuple[str, ...]:
    by_kind = {kind: [f for f in findings if f.verdict.kind is kind] for kind in VerdictKind}
    confirmed, likely = by_kind[VerdictKind.CONFIRMED], by_kind[VerdictKind.LIKELY]
    disputed = [f for kind in DISPUTED_VERDICTS for f in by_kind[kind]]
    artefacts, refuted = by_kind[VerdictKind.ARTEFACT], by_kind[VerdictKind.REFUTED]
    told: list[str] = []
    if confirmed:
        told.append(
            f"{on_hosts(confirmed)} {_are(confirmed)} confirmed open: independent methods agree, "
            "and somebody was there after the handshake."
        )
    elif likely or disputed:
        told.append("No port is confirmed open.")
    else:
        told.append("No open port was found among those that were asked.")
    if likely:
        told.append(f"{on_hosts(likely)} {_are(likely)} likely open, without the full proof.")
    if disputed:
        told.append(
            f"{on_hosts(disputed)} {_are(disputed)} disputed: not open every time they were asked."
        )
    if artefacts:
        told.append(
            f"{on_hosts(artefacts)} only seemed to be open: something on the path answers there, "
            "not a service."
        )
    if refuted:
        told.append(
            f"{on_hosts(refuted)} {_were(refuted)} named or expected to be open, and refused."
        )
    return tuple(told)


def _doubted(document: RunDocument) -> str:
    """How many hosts did what; a host may have done several things."""
    counts = Counter(doubt for r in document.neighbourhoods.hosts for doubt in r.doubts)
    if not counts:
        return ""
    hosts = len({r.address for r in document.neighbourhoods.hosts if r.doubts})
    parts = [f"{counts[doubt]:,}: {DOUBTS[doubt]}" for doubt in Doubt if counts[doubt]]
    return (
        f"{counted(hosts, 'host')} could not be believed, or not all the time ({'; '.join(parts)})."
    )


def _idle(document: RunDocument) -> str:
    """The hosts that answered, and on which nothing was ever open."""
    hosts = document.neighbourhoods.hosts
    busy = {record.address for record in hosts if record.opened}
    idle = {record.address for record in hosts} - busy
    if not idle:
        return ""
    answer = "answers" if len(idle) == 1 else "answer"
    has = "has" if len(idle) == 1 else "have"
    where = shortened([str(a) for a in sorted(idle, key=number_of)], _IDLE_NAMED)
    return f"{counted(len(idle), 'host')} {answer} and {has} nothing open: {where}."


def _changed(comparison: Comparison | None) -> str:
    if comparison is None:
        return "There is no earlier run to compare with."
    since = f"run {comparison.against} of {minute(comparison.against_started)} UTC"
    counts = Counter(change.kind for change in comparison.changes)
    parts = [
        f"{counts[kind]:,} {kind.value.replace('-', ' ')}" for kind in ChangeKind if counts[kind]
    ]
    told = f"Since {since}: {listed(parts)}." if parts else f"Nothing changed since {since}."
    if comparison.suppressed:
        told += f" {counted(len(comparison.suppressed), 'change')} more need not be told."
    if comparison.differences:
        told += " The two runs were not made alike, which the section on changes explains."
    return told


def _missing(gaps: Uncovered) -> str:
    if gaps.nothing:
        return "Everything that was planned was asked."
    parts: list[str] = []
    if gaps.endpoints:
        are = "was" if gaps.endpoints == 1 else "were"
        parts.append(
            f"{counted(gaps.endpoints, 'endpoint')} ({gaps.share} of the plan) {are} not asked: "
            "nothing is known there, and nothing is said."
        )
    if gaps.given_up:
        addresses = AddressSet.of(r for given in gaps.given_up for r in given.addresses.ranges).size
        parts.append(
            f"On {counted(addresses, 'address', 'addresses')} a tool gave up before it was done."
        )
    return " ".join(parts)


def _first(document: RunDocument, gaps: Uncovered) -> tuple[Step, ...]:
    steps = [
        *_about_the_run(document),
        *_about_risks(document.findings),
        *_about_the_first_run(document),
        *_about_changes(document.findings),
        *_about_verdicts(document.findings),
    ]
    if gaps.endpoints:
        steps.append(
            Step(
                text=f"Decide about the {counted(gaps.endpoints, 'endpoint')} that nobody looked "
                "at: until asked, they are unknown, not closed."
            )
        )
    return tuple(steps) or (Step(text="Nothing: no finding of this run asks for attention."),)


def _about_the_run(document: RunDocument) -> Iterator[Step]:
    if document.state is not RunState.COMPLETE:
        yield Step(text="Let the run finish before relying on it: a part of it is still missing.")


def _about_the_first_run(document: RunDocument) -> Iterator[Step]:
    if document.comparison is None:
        confirmed = _of_kind(document.findings, VerdictKind.CONFIRMED)
        if confirmed:
            where = f" from {document.vantage}" if document.vantage else ""
            yield Step(
                text=f"Check that every confirmed port ({len(confirmed):,}) is meant to be "
                f"reachable{where}; the next run then tells what is new."
            )


def _about_risks(findings: Sequence[Finding]) -> Iterator[Step]:
    """The severest; medium ones only where nothing is worse, and what is less never."""
    entries = [e for e in risk_entries(findings) if e.risk.severity in _URGENT]
    worst = [e for e in entries if e.risk.severity is not Severity.MEDIUM] or entries
    for entry in worst[:_RISKS_NAMED]:
        risk = entry.risk
        yield Step(
            text=f"{risk.severity.capitalize()} risk: {risk.title}.",
            endpoints=entry.endpoints,
            risk=risk,
        )
    if len(worst) > _RISKS_NAMED:
        rest = len(worst) - _RISKS_NAMED
        yield Step(text=f"Then the {counted(rest, 'risk')} that follow these in the list of risks.")


def _about_changes(findings: Sequence[Finding]) -> Iterator[Step]:
    opened = _changed_to_open(findings, ChangeKind.OPENED, ChangeKind.REAPPEARED)
    if opened:
        yield Step(
            text=f"Find out who opened {counted(len(opened), 'port')} since the last run, and "
            "whether that was intended.",
            endpoints=opened,
        )
    changed = _changed_to_open(findings, ChangeKind.SERVICE_CHANGED)
    if changed:
        yield Step(
            text=f"Find out why another service answers on {counted(len(changed), 'port')}.",
            endpoints=changed,
        )
    gone = _changed_to(findings, ChangeKind.CLOSED, ChangeKind.NOW_FILTERED)
    if gone:
        yield Step(
            text=f"Check that {counted(len(gone), 'port')} went away on purpose.", endpoints=gone
        )
    lost = _changed_to(findings, ChangeKind.UNREACHABLE)
    if lost:
        hosts = len({endpoint.address for endpoint in lost})
        yield Step(
            text=f"Find out what became of {counted(hosts, 'host')}: nothing answers there now.",
            endpoints=lost,
        )
    covered = _changed_to_open(findings, ChangeKind.NEWLY_COVERED)
    if covered:
        yield Step(
            text=f"Check {counted(len(covered), 'open port')} that no earlier run had asked about.",
            endpoints=covered,
        )


def _about_verdicts(findings: Sequence[Finding]) -> Iterator[Step]:
    disputed = tuple(e for kind in DISPUTED_VERDICTS for e in _of_kind(findings, kind))
    if disputed:
        yield Step(
            text=f"Look at {counted(len(disputed), 'disputed port')} on the hosts themselves: "
            "asking over the network did not settle them.",
            endpoints=disputed,
        )
    answering = {e.address for e in _of_kind(findings, VerdictKind.ARTEFACT)}
    if answering:
        them = "that host" if len(answering) == 1 else "those hosts"
        yield Step(
            text=f"Find out what answers in the name of {counted(len(answering), 'host')}: "
            f"what is open on {them} cannot all be seen from here."
        )


def _of_kind(findings: Sequence[Finding], kind: VerdictKind) -> tuple[Endpoint, ...]:
    return tuple(f.verdict.endpoint for f in findings if f.verdict.kind is kind)


def _changed_to(findings: Sequence[Finding], *kinds: ChangeKind) -> tuple[Endpoint, ...]:
    return tuple(
        finding.verdict.endpoint
        for finding in findings
        if finding.change is not None and finding.change.kind in kinds
    )


def _changed_to_open(findings: Sequence[Finding], *kinds: ChangeKind) -> tuple[Endpoint, ...]:
    return tuple(
        finding.verdict.endpoint
        for finding in findings
        if finding.change is not None
        and finding.change.kind in kinds
        and finding.verdict.kind in OPEN_VERDICTS
    )


def _are(findings: Sequence[Finding]) -> str:
    return "is" if len(findings) == 1 else "are"


def _were(findings: Sequence[Finding]) -> str:
    return "was" if len(findings) == 1 else "were"
