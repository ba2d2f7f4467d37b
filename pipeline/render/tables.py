"""A run as four tables, for spreadsheets: findings, endpoints, changes, and what was not covered.

Numbers are numbers, everything else is text that shows what does not show itself. A renderer still
has to see to it that no text is taken for a formula.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pipeline.decide.risk import Risk
from pipeline.decide.risk_rules import SEVERITIES, SEVERITY_PLACE
from pipeline.model import Change, Endpoint, Verdict, VerdictKind
from pipeline.ports import PortSet
from pipeline.render.coverage import uncovered
from pipeline.render.document import Finding, RunDocument
from pipeline.render.findings import Crowd, gather
from pipeline.render.hosts import deceivers
from pipeline.render.inventory import evidence_in_short
from pipeline.render.references import citation
from pipeline.render.text import iso, shortened, visible
from pipeline.render.words import CHANGES, VERDICTS, service_text

Cell = str | int | float | None
"""``None`` where there is nothing to say."""

CELL: Final = 1_000
"""Characters of a text that a cell shows; the rest is counted."""
_RANGES: Final = 60
_PLACES: Final = MappingProxyType({kind: place for place, kind in enumerate(VERDICTS)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """``columns`` are names in lower case with underscores; every row has a cell for each."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def endpoint_table(document: RunDocument) -> Table:
    """Every endpoint with a verdict, in numeric order."""
    ordered = sorted(document.findings, key=lambda finding: finding.verdict.endpoint)
    return _table("endpoints", (_endpoint(finding) for finding in ordered), _ENDPOINT)


def finding_table(document: RunDocument) -> Table:
    """What asks for attention, the severest first: a row for each risk of an endpoint.

    What has no risk is told after that, by verdict, and crowds of it are one row.
    """
    judged = [finding for finding in document.findings if finding.risks]
    rows = [(_risk_place(f, risk), _single(f, risk)) for f in judged for risk in f.risks]
    by_kind: dict[VerdictKind, list[Finding]] = {kind: [] for kind in VERDICTS}
    for finding in document.findings:
        if not finding.risks:
            by_kind[finding.verdict.kind].append(finding)
    liars = deceivers(document.neighbourhoods)
    for kind, members in by_kind.items():
        single, crowds = gather(kind, members, liars)
        rows += [(_risk_place(one, None), _single(one, None)) for one in single]
        rows += [(_risk_place(crowd.example, None), _crowd(crowd)) for crowd in crowds]
    rows.sort(key=lambda row: row[0])
    return _table("findings", (row for _, row in rows), _FINDING)


def change_table(document: RunDocument) -> Table:
    """What changed since the earlier run, and what deviates from the list of expected ports."""
    found: list[tuple[str, Change]] = []
    if document.comparison is not None:
        found += [(document.comparison.against, change) for change in document.comparison.changes]
    if document.deviations is not None:
        found += [(document.deviations.file, change) for change in document.deviations.changes]
    order = list(CHANGES)
    found.sort(key=lambda one: (order.index(one[1].kind), one[1].endpoint, one[0]))
    return _table("changes", (_change(against, change) for against, change in found), _CHANGE)


def coverage_table(document: RunDocument) -> Table:
    """What is not known, and why: never asked, given up, excluded, outside the question."""
    return _table("coverage", _coverage(document), _COVERAGE)


def tables(document: RunDocument) -> tuple[Table, ...]:
    """All of them, in the order in which they are read."""
    return (
        finding_table(document),
        endpoint_table(document),
        change_table(document),
        coverage_table(document),
    )


_ENDPOINT: Final = (
    *("address", "protocol", "port", "names", "verdict", "reason", "confidence", "severity"),
    *("risks", "service", "product", "version", "banner", "owner", "change", "first_seen"),
    "evidence",
)
_FINDING: Final = (
    *("severity", "risk", "where", "ports", "endpoints", "names", "verdict", "reason"),
    *("confidence", "service", "zone", "owner", "change", "first_seen", "why", "remediation"),
    "references",
)
_CHANGE: Final = (
    *("change", "address", "protocol", "port", "meaning", "reason", "confidence", "against"),
    *("verdict_before", "service_before", "verdict_after", "service_after"),
)
_COVERAGE: Final = ("kind", "what", "ports", "endpoints", "method", "why")


def _table(name: str, rows: Iterable[Mapping[str, Cell]], columns: tuple[str, ...]) -> Table:
    return Table(
        name=name,
        columns=columns,
        rows=tuple(tuple(_shown(row[column]) for column in columns) for row in rows),
    )


def _shown(cell: Cell) -> Cell:
    return (visible(cell, CELL) or None) if isinstance(cell, str) else cell


def _where(endpoint: Endpoint) -> dict[str, Cell]:
    return {
        "address": str(endpoint.address),
        "protocol": str(endpoint.protocol),
        "port": endpoint.port,
    }


def _verdict(finding: Finding) -> dict[str, Cell]:
    """What both tables of findings say of one endpoint."""
    verdict = finding.verdict
    return {
        "names": ", ".join(finding.names),
        "verdict": str(verdict.kind),
        "reason": verdict.reason,
        "confidence": round(verdict.confidence, 4),
        "service": service_text(verdict.service, CELL),
        "owner": finding.asset.owner if finding.asset else None,
        "change": str(finding.change.kind) if finding.change else None,
        "first_seen": None if finding.first_seen is None else iso(finding.first_seen),
    }


def _endpoint(finding: Finding) -> dict[str, Cell]:
    service = finding.verdict.service
    said = [o.banner for o in finding.observations if o.banner]
    return {
        **_where(finding.verdict.endpoint),
        **_verdict(finding),
        "severity": str(finding.severity) if finding.severity else None,
        "risks": "; ".join(risk.title for risk in finding.risks),
        "product": service.product if service else None,
        "version": service.version if service else None,
        "banner": said[0] if said else None,
        "evidence": evidence_in_short(finding.observations),
    }


def _risk_place(finding: Finding, risk: Risk | None) -> tuple[int, int, Endpoint]:
    severity = len(SEVERITIES) if risk is None else SEVERITY_PLACE[risk.severity]
    return severity, _PLACES[finding.verdict.kind], finding.verdict.endpoint


def _single(finding: Finding, risk: Risk | None) -> dict[str, Cell]:
    endpoint = finding.verdict.endpoint
    return {
        **_told(risk),
        **_verdict(finding),
        "where": str(endpoint.address),
        "ports": f"{endpoint.port}/{endpoint.protocol}",
        "endpoints": 1,
    }


def _crowd(crowd: Crowd) -> dict[str, Cell]:
    return {
        **_told(None),
        # What is said of the example holds for it alone.
        **dict.fromkeys(("names", "confidence", "service", "owner", "change", "first_seen")),
        "where": crowd.name,
        # With the protocol, so that no spreadsheet takes 1-2 for a day in January.
        "ports": f"{port_ranges(crowd.ports)}/{crowd.protocol}",
        "endpoints": crowd.size,
        "verdict": str(crowd.kind),
        "reason": ", ".join(code for code, _ in crowd.reasons),
    }


def port_ranges(ports: PortSet) -> str:
    """The ports as ranges, and how many ranges more where they are very many."""
    return shortened(str(ports).split(","), _RANGES)


def _told(risk: Risk | None) -> dict[str, Cell]:
    if risk is None:
        return dict.fromkeys(("severity", "risk", "zone", "why", "remediation", "references"))
    return {
        "severity": str(risk.severity),
        "risk": risk.title,
        "zone": str(risk.zone),
        "why": risk.why,
        "remediation": " ".join(risk.remediation),
        "references": citation(risk.references),
    }


def _change(against: str, change: Change) -> dict[str, Cell]:
    return {
        **_where(change.endpoint),
        **_side("before", change.before),
        **_side("after", change.after),
        "change": str(change.kind),
        "meaning": CHANGES[change.kind],
        "reason": change.reason,
        "confidence": round(change.confidence, 4),
        "against": against,
    }


def _side(name: str, verdict: Verdict | None) -> dict[str, Cell]:
    return {
        f"verdict_{name}": None if verdict is None else str(verdict.kind),
        f"service_{name}": None if verdict is None else service_text(verdict.service, CELL),
    }


def _coverage(document: RunDocument) -> Iterator[Mapping[str, Cell]]:
    found = uncovered(document)
    for gap in found.gaps:
        yield _uncovered("not asked", gap.what, endpoints=gap.endpoints, why=gap.why)
    for given in found.given_up:
        yield _uncovered(
            "given up",
            _addresses(given.addresses.texts()),
            ports=given.ports or "all that were asked",
            method=given.method,
            why=given.reason,
        )
    if found.excluded:
        yield _uncovered("excluded", _addresses(found.excluded), why="the engagement excludes it")
    if found.beyond:
        yield _uncovered("outside the question", found.beyond, why="the engagement does not ask it")


def _addresses(texts: Sequence[str]) -> str:
    return shortened(texts, _RANGES)


def _uncovered(kind: str, what: str, **known: Cell) -> Mapping[str, Cell]:
    return dict.fromkeys(_COVERAGE) | {"kind": kind, "what": what} | known
