"""The part of an outline that is about risks, findings and changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pipeline.decide.reasons import explain
from pipeline.model import Change, Endpoint
from pipeline.render.changes import ChangeGroup, group_changes
from pipeline.render.deviations import deviation_count, deviation_text
from pipeline.render.document import Finding, RunDocument
from pipeline.render.findings import Crowd, Group, group
from pipeline.render.hosts import deceivers
from pipeline.render.inventory import evidence_in_short
from pipeline.render.language import FIRST, say, spoken, word
from pipeline.render.outline import ChangesTold, EntryTold, GroupTold, RiskTold
from pipeline.render.recorded import recorded
from pipeline.render.references import citation
from pipeline.render.risks import RiskEntry, assumed_sentence
from pipeline.render.summary import summarise
from pipeline.render.tables import port_ranges
from pipeline.render.text import counted, instant, ports_of, shortened, visible
from pipeline.render.words import (
    CHANGES,
    VERDICTS,
    confidence_text,
    service_text,
)

FINDINGS_TOLD: Final = 300
"""Findings told one by one; and as many crowds."""
_ENDPOINTS_NAMED: Final = 20
WORDS: Final = 400
SHORT: Final = 120
"""Characters of a text, and of a short one."""
_SCRIPT_LINES: Final = 6


def pairs(pairs: Iterable[tuple[str, str]], *, limit: int = WORDS) -> tuple[tuple[str, str], ...]:
    """Names and texts, cut and shown."""
    return tuple((visible(name, SHORT), visible(text, limit)) for name, text in pairs)


def label(name: str) -> str:
    """``valid_from`` as people write it: ``Valid from``."""
    words = recorded(name.replace("_", " ")).replace("-", " ")
    return words[:1].upper() + words[1:]


def named(endpoints: Sequence[Endpoint]) -> str:
    """The first of the endpoints, and how many more."""
    return shortened([str(endpoint) for endpoint in endpoints], _ENDPOINTS_NAMED)


# --- risks and findings --------------------------------------------------------------------------


def risk_told(entry: RiskEntry) -> RiskTold:
    """What is mended in one way."""
    risk = entry.risk
    return RiskTold(
        severity=label(risk.severity),
        level=risk.severity,
        title=visible(word(risk.title), WORDS),
        count=say(
            "{endpoints} on {hosts}",
            endpoints=counted(len(entry.endpoints), "endpoint"),
            hosts=counted(entry.hosts, "host"),
        ),
        where=named(entry.endpoints),
        why=visible(word(risk.why), 4 * WORDS),
        remediation=tuple(visible(word(step), 4 * WORDS) for step in risk.remediation),
        remarks=tuple(visible(recorded(remark), WORDS) for remark, _ in entry.remarks),
        references=visible(citation(risk.references), WORDS),
        english=spoken().code != FIRST and risk.why not in spoken(),
    )


def risks_note(document: RunDocument, more: int) -> str:
    """What is said of all risks together, ``more`` of which are not told."""
    told = [assumed_sentence(document.findings), recorded(document.risk_note[:WORDS])]
    if more > 0:
        told.append(
            say("{risks} more are in the JSON document.", risks=counted(more, "lesser risk"))
        )
    return " ".join(each for each in told if each)


def groups_told(document: RunDocument) -> Iterator[GroupTold]:
    """All findings by verdict."""
    found = group(
        document.findings,
        at_most=FINDINGS_TOLD,
        deceivers=deceivers(document.neighbourhoods),
    )
    for each in found:
        yield GroupTold(
            verdict=label(each.kind),
            meaning=VERDICTS[each.kind],
            count=say(
                "{endpoints} on {hosts}",
                endpoints=counted(each.total, "endpoint"),
                hosts=counted(each.hosts, "host"),
            ),
            entries=(*map(_crowd, each.crowds), *map(_single, each.single)),
            rest=_rest(each),
        )


def _rest(found: Group) -> str:
    if not found.left_out:
        return ""
    return say(
        "{endpoints} more with this verdict: the inventory has them.",
        endpoints=counted(found.left_out, "endpoint"),
    )


def _single(finding: Finding) -> EntryTold:
    verdict = finding.verdict
    facts = []
    if finding.risks:
        facts.append(
            (say("Risk"), "; ".join(f"{word(r.severity)}: {word(r.title)}" for r in finding.risks))
        )
    if finding.asset is not None and finding.asset.owner:
        facts.append((say("Owner"), finding.asset.owner))
    if finding.change is not None:
        facts.append(
            (say("Change"), f"{word(finding.change.kind)}: {CHANGES[finding.change.kind]}")
        )
    if finding.first_seen is not None:
        facts.append((say("First seen"), f"{instant(finding.first_seen)} UTC"))
    facts.append((say("Evidence"), evidence_in_short(finding.observations)))
    return EntryTold(
        where=str(verdict.endpoint),
        names=visible(", ".join(finding.names), SHORT),
        service=service_text(verdict.service, SHORT),
        severity=label(finding.severity) if finding.severity else "",
        level=finding.severity or "",
        confidence=confidence_text(verdict.confidence) if verdict.confidence else "",
        reasons=(_reason(verdict.reason),),
        facts=pairs(((n, text) for n, text in facts if text), limit=2 * WORDS),
        notes=tuple(_notes(finding)),
    )


def _reason(code: str) -> str:
    return visible(f"{code}: {word(explain(code))}", WORDS)


def _notes(finding: Finding) -> Iterator[tuple[str, str]]:
    """What the service said of itself, and what nmap's scripts read there."""
    said = next((o.banner for o in finding.observations if o.banner), "")
    if said:
        yield say("It said"), visible(said, WORDS)
    service = finding.verdict.service
    for name, output in service.scripts if service is not None else ():
        lines = [line.strip() for line in output.strip("\r\n").splitlines()]
        shown = [visible(line, WORDS) for line in lines[:_SCRIPT_LINES]]
        rest = len(lines) - len(shown)
        if rest:
            shown.append(f"… {counted(rest, 'more line')}")
        yield visible(name, SHORT), "; ".join(shown)


def _crowd(crowd: Crowd) -> EntryTold:
    several = len(crowd.reasons) > 1
    hosts = [str(host) for host, _ in crowd.hosts]
    facts = [(say("Ports"), port_ranges(crowd.ports))]
    if len(hosts) > 1:
        facts.insert(0, (say("Hosts"), shortened(hosts, _ENDPOINTS_NAMED)))
    example = crowd.example
    evidence = evidence_in_short(example.observations)
    facts.append((say("Evidence of {endpoint}", endpoint=str(example.verdict.endpoint)), evidence))
    what = ports_of(crowd.size, crowd.protocol)
    return EntryTold(
        where=crowd.name,
        names="",
        service=say("{ports} of a host that deceived us", ports=what) if crowd.deceived else what,
        severity="",
        level="",
        confidence="",
        reasons=tuple(
            (f"{counted(number, 'port')}: " if several else "") + _reason(code)
            for code, number in crowd.reasons
        ),
        facts=pairs(facts, limit=2 * WORDS),
        notes=(),
    )


# --- changes -------------------------------------------------------------------------------------


def changed_told(document: RunDocument) -> Iterator[str]:
    """Sentences about what changed, and how the two runs can be compared."""
    yield summarise(document).changed
    if document.comparison is not None:
        yield from map(recorded, document.comparison.differences)
    if document.deviations is not None:
        yield say("Against the list of expected ports: {what}.", what=_deviating(document))


def _deviating(document: RunDocument) -> str:
    found = document.deviations
    if found is None or not found.changes:
        return say("no deviation")
    told = [deviation_text(change) for change in found.changes[:_ENDPOINTS_NAMED]]
    rest = len(found.changes) - len(told)
    return "; ".join((deviation_count(found), *told, *((say("{n} more", n=rest),) if rest else ())))


def changes_told(document: RunDocument, few: int) -> Iterator[ChangesTold]:
    """The changes by kind, at most ``few`` of each."""
    if document.comparison is None:
        return
    for found in group_changes(document.comparison, at_most=few):
        yield ChangesTold(
            kind=label(found.kind),
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
        yield say("{n} more", n=found.left_out)


def _change_line(change: Change) -> str:
    sides = [
        f"{word(side.kind)}, {service_text(side.service, SHORT)}".removesuffix(", ")
        if side
        else say("none")
        for side in (change.before, change.after)
    ]
    return f"{change.endpoint}: {sides[0]} → {sides[1]}"
