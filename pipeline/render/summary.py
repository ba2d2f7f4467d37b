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
from pipeline.render.language import figure, forms, say, say_many, word
from pipeline.render.risks import URGENCY, risk_counts, risk_entries, risk_sentence
from pipeline.render.text import counted, duration, listed, minute, shortened
from pipeline.render.words import DISPUTED_VERDICTS, OPEN_VERDICTS

_IDLE_NAMED: Final = 8
_RISKS_NAMED: Final = 5
_LIKELY: Final = forms(
    "{where} is likely open, without the full proof.",
    "{where} are likely open, without the full proof.",
)
_DISPUTED: Final = forms(
    "{where} is disputed: not open every time they were asked.",
    "{where} are disputed: not open every time they were asked.",
)
_SEEMED: Final = forms(
    "{where} only seemed to be open: something on the path answers there, not a service.",
    "{where} only seemed to be open: something on the path answers there, not a service.",
)
_REFUSED: Final = forms(
    "{where} was named or expected to be open, and refused.",
    "{where} were named or expected to be open, and refused.",
)
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
    return say(
        "{ports} on {hosts}", ports=counted(len(findings), "port"), hosts=counted(hosts, "host")
    )


def _notice(document: RunDocument) -> str:
    if document.state is RunState.COMPLETE:
        return ""
    settled = sum(record.state is TaskState.SETTLED for record in document.tasks)
    tasks = counted(len(document.tasks), "planned task")
    if document.state is RunState.RUNNING:
        return say(
            "This run had not ended when this report was written: {settled} of {tasks} had been "
            "settled so far.",
            settled=settled,
            tasks=tasks,
        )
    return say(
        "This run was cut short: {settled} of {tasks} had been settled. What follows is what they "
        "prove; the rest is listed under what was not covered.",
        settled=settled,
        tasks=tasks,
    )


def _scanned(document: RunDocument) -> str:
    if document.ended is None:
        when = say("Since {began} UTC", began=minute(document.started))
    else:
        when = say(
            "From {began} to {ended} UTC ({took})",
            began=minute(document.started),
            ended=minute(document.ended),
            took=duration(document.ended - document.started),
        )
    return say(
        "{when}: {addresses} with {ports} each, {endpoints} in all{where}.",
        when=when,
        addresses=counted(document.addresses, "address", "addresses"),
        ports=counted(document.port_count, "port"),
        endpoints=counted(in_question(document), "endpoint"),
        where=say(", seen from {vantage}", vantage=document.vantage) if document.vantage else "",
    )


def _found(findings: Sequence[Finding]) -> tuple[str, ...]:
    by_kind = {kind: [f for f in findings if f.verdict.kind is kind] for kind in VerdictKind}
    confirmed, likely = by_kind[VerdictKind.CONFIRMED], by_kind[VerdictKind.LIKELY]
    disputed = [f for kind in DISPUTED_VERDICTS for f in by_kind[kind]]
    artefacts, refuted = by_kind[VerdictKind.ARTEFACT], by_kind[VerdictKind.REFUTED]
    told: list[str] = []
    if confirmed:
        told.append(
            say_many(
                len(confirmed),
                "{where} is confirmed open: independent methods agree, and somebody was there "
                "after the handshake.",
                "{where} are confirmed open: independent methods agree, and somebody was there "
                "after the handshake.",
                where=on_hosts(confirmed),
            )
        )
    elif likely or disputed:
        told.append(say("No port is confirmed open."))
    else:
        told.append(say("No open port was found among those that were asked."))
    for found, texts in (
        (likely, _LIKELY),
        (disputed, _DISPUTED),
        (artefacts, _SEEMED),
        (refuted, _REFUSED),
    ):
        if found:
            told.append(say_many(len(found), *texts, where=on_hosts(found)))
    return tuple(told)


def _doubted(document: RunDocument) -> str:
    """How many hosts did what; a host may have done several things."""
    counts = Counter(doubt for r in document.neighbourhoods.hosts for doubt in r.doubts)
    if not counts:
        return ""
    hosts = len({r.address for r in document.neighbourhoods.hosts if r.doubts})
    parts = [f"{figure(counts[doubt])}: {DOUBTS[doubt]}" for doubt in Doubt if counts[doubt]]
    return say_many(
        hosts,
        "{n} host could not be believed, or not all the time ({doubts}).",
        "{n} hosts could not be believed, or not all the time ({doubts}).",
        doubts="; ".join(parts),
    )


def _idle(document: RunDocument) -> str:
    """The hosts that answered, and on which nothing was ever open."""
    hosts = document.neighbourhoods.hosts
    busy = {record.address for record in hosts if record.opened}
    idle = {record.address for record in hosts} - busy
    if not idle:
        return ""
    return say_many(
        len(idle),
        "{n} host answers and has nothing open: {where}.",
        "{n} hosts answer and have nothing open: {where}.",
        where=shortened([str(a) for a in sorted(idle, key=number_of)], _IDLE_NAMED),
    )


def _changed(comparison: Comparison | None) -> str:
    if comparison is None:
        return say("There is no earlier run to compare with.")
    run = {"run": comparison.against, "time": minute(comparison.against_started)}
    counts = Counter(change.kind for change in comparison.changes)
    parts = [
        f"{figure(counts[kind])} {word(kind).replace('-', ' ')}"
        for kind in ChangeKind
        if counts[kind]
    ]
    if parts:
        told = say("Since run {run} of {time} UTC: {changes}.", changes=listed(parts), **run)
    else:
        told = say("Nothing changed since run {run} of {time} UTC.", **run)
    if comparison.suppressed:
        more = counted(len(comparison.suppressed), "change")
        told += " " + say("{changes} more need not be told.", changes=more)
    if comparison.differences:
        told += " " + say(
            "The two runs were not made alike, which the section on changes explains."
        )
    return told


def _missing(gaps: Uncovered) -> str:
    if gaps.nothing:
        return say("Everything that was planned was asked.")
    parts: list[str] = []
    if gaps.endpoints:
        parts.append(
            say_many(
                gaps.endpoints,
                "{n} endpoint ({share} of the plan) was not asked: nothing is known there, and "
                "nothing is said.",
                "{n} endpoints ({share} of the plan) were not asked: nothing is known there, and "
                "nothing is said.",
                share=gaps.share,
            )
        )
    if gaps.given_up:
        addresses = AddressSet.of(r for given in gaps.given_up for r in given.addresses.ranges).size
        where = counted(addresses, "address", "addresses")
        parts.append(say("On {where} a tool gave up before it was done.", where=where))
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
                text=say(
                    "Decide about the {endpoints} that nobody looked at: until asked, they are "
                    "unknown, not closed.",
                    endpoints=counted(gaps.endpoints, "endpoint"),
                )
            )
        )
    return tuple(steps) or (Step(text=say("Nothing: no finding of this run asks for attention.")),)


def _about_the_run(document: RunDocument) -> Iterator[Step]:
    if document.state is not RunState.COMPLETE:
        yield Step(
            text=say("Let the run finish before relying on it: a part of it is still missing.")
        )


def _about_the_first_run(document: RunDocument) -> Iterator[Step]:
    if document.comparison is None:
        confirmed = _of_kind(document.findings, VerdictKind.CONFIRMED)
        if confirmed:
            where = document.vantage and say(" from {vantage}", vantage=document.vantage)
            yield Step(
                text=say(
                    "Check that every confirmed port ({n}) is meant to be reachable{where}; the "
                    "next run then tells what is new.",
                    n=len(confirmed),
                    where=where,
                )
            )


def _about_risks(findings: Sequence[Finding]) -> Iterator[Step]:
    """The severest; medium ones only where nothing is worse, and what is less never."""
    entries = [e for e in risk_entries(findings) if e.risk.severity in _URGENT]
    worst = [e for e in entries if e.risk.severity is not Severity.MEDIUM] or entries
    for entry in worst[:_RISKS_NAMED]:
        risk = entry.risk
        yield Step(
            text=f"{URGENCY[risk.severity]}: {word(risk.title)}.",
            endpoints=entry.endpoints,
            risk=risk,
        )
    if len(worst) > _RISKS_NAMED:
        rest = len(worst) - _RISKS_NAMED
        yield Step(
            text=say_many(
                rest,
                "Then the {n} risk that follow these in the list of risks.",
                "Then the {n} risks that follow these in the list of risks.",
            )
        )


def _about_changes(findings: Sequence[Finding]) -> Iterator[Step]:
    opened = _changed_to_open(findings, ChangeKind.OPENED, ChangeKind.REAPPEARED)
    if opened:
        yield Step(
            text=say(
                "Find out who opened {ports} since the last run, and whether that was intended.",
                ports=counted(len(opened), "port"),
            ),
            endpoints=opened,
        )
    changed = _changed_to_open(findings, ChangeKind.SERVICE_CHANGED)
    if changed:
        yield Step(
            text=say(
                "Find out why another service answers on {ports}.",
                ports=counted(len(changed), "port"),
            ),
            endpoints=changed,
        )
    gone = _changed_to(findings, ChangeKind.CLOSED, ChangeKind.NOW_FILTERED)
    if gone:
        yield Step(
            text=say("Check that {ports} went away on purpose.", ports=counted(len(gone), "port")),
            endpoints=gone,
        )
    lost = _changed_to(findings, ChangeKind.UNREACHABLE)
    if lost:
        hosts = len({endpoint.address for endpoint in lost})
        yield Step(
            text=say(
                "Find out what became of {hosts}: nothing answers there now.",
                hosts=counted(hosts, "host"),
            ),
            endpoints=lost,
        )
    covered = _changed_to_open(findings, ChangeKind.NEWLY_COVERED)
    if covered:
        yield Step(
            text=say(
                "Check {ports} that no earlier run had asked about.",
                ports=counted(len(covered), "open port"),
            ),
            endpoints=covered,
        )


def _about_verdicts(findings: Sequence[Finding]) -> Iterator[Step]:
    disputed = tuple(e for kind in DISPUTED_VERDICTS for e in _of_kind(findings, kind))
    if disputed:
        yield Step(
            text=say(
                "Look at {ports} on the hosts themselves: asking over the network did not settle "
                "them.",
                ports=counted(len(disputed), "disputed port"),
            ),
            endpoints=disputed,
        )
    answering = {e.address for e in _of_kind(findings, VerdictKind.ARTEFACT)}
    if answering:
        yield Step(
            text=say_many(
                len(answering),
                "Find out what answers in the name of {n} host: what is open on that host cannot "
                "all be seen from here.",
                "Find out what answers in the name of {n} hosts: what is open on those hosts "
                "cannot all be seen from here.",
            )
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
