"""The risks of a run as a reader wants them: one entry for what is mended in one way.

Forty hosts with the same open database have one cause and one remedy, so they are one entry with
forty endpoints; the severest entries come first, then those with the lowest address.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.decide.risk import Risk
from pipeline.decide.risk_rules import SEVERITIES, SEVERITY_PLACE, Severity
from pipeline.model import Endpoint
from pipeline.render.document import Finding
from pipeline.render.language import Phrases, figure, forms, say_many, word
from pipeline.render.text import listed

SEVERITY_MEANINGS: Final[Mapping[Severity, str]] = Phrases(
    {
        Severity.CRITICAL: "Whoever reaches it can take over the host or its data. Act today.",
        Severity.HIGH: "It is attacked often, or protects much too little. Act this week.",
        Severity.MEDIUM: "It widens what can be attacked. Plan it within weeks.",
        Severity.LOW: "Small by itself. Mend it with the next change.",
        Severity.INFO: "No risk by itself. Know that it is there, and why.",
    }
)
"""Every severity with its meaning, the severest first."""
URGENCY: Final[Mapping[Severity, str]] = Phrases(
    {
        Severity.CRITICAL: "Critical risk",
        Severity.HIGH: "High risk",
        Severity.MEDIUM: "Medium risk",
        Severity.LOW: "Low risk",
        Severity.INFO: "Info risk",
    }
)
"""How something that should be done begins."""
_FIRST: Final = {
    Severity.CRITICAL: forms(
        "{n} open endpoint is a critical risk",
        "{n} open endpoints are a critical risk",
    ),
    Severity.HIGH: forms(
        "{n} open endpoint is a high risk",
        "{n} open endpoints are a high risk",
    ),
    Severity.MEDIUM: forms(
        "{n} open endpoint is a medium risk",
        "{n} open endpoints are a medium risk",
    ),
    Severity.LOW: forms(
        "{n} open endpoint is a low risk",
        "{n} open endpoints are a low risk",
    ),
    Severity.INFO: forms(
        "{n} open endpoint is a matter of information",
        "{n} open endpoints are a matter of information",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskEntry:
    """What one rule says with one severity, and of which endpoints, in their order.

    ``remarks`` are sentences about how far it can be trusted, with how many they are about.
    """

    risk: Risk
    endpoints: tuple[Endpoint, ...]
    remarks: tuple[tuple[str, int], ...]

    @property
    def anchor(self) -> str:
        """Its deep link within a page."""
        return risk_anchor(self.risk)

    @property
    def hosts(self) -> int:
        """On how many hosts."""
        return len({endpoint.address for endpoint in self.endpoints})


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCount:
    """How many endpoints, and on how many hosts, come to a severity."""

    severity: Severity
    endpoints: int
    hosts: int


def risk_anchor(risk: Risk) -> str:
    """``risk-redis-critical``."""
    return f"risk-{risk.rule}-{risk.severity}"


def risk_entries(findings: Iterable[Finding]) -> tuple[RiskEntry, ...]:
    """All risks, gathered by rule and severity."""
    gathered: dict[tuple[str, Severity], list[tuple[Endpoint, Risk]]] = defaultdict(list)
    for finding in findings:
        for risk in finding.risks:
            gathered[risk.rule, risk.severity].append((finding.verdict.endpoint, risk))
    entries = [_entry(members) for members in gathered.values()]
    return tuple(sorted(entries, key=_by_severity))


def _entry(members: Sequence[tuple[Endpoint, Risk]]) -> RiskEntry:
    remarks = Counter(remark for _, risk in members for remark in risk.remarks)
    return RiskEntry(
        risk=members[0][1],
        endpoints=tuple(sorted((endpoint for endpoint, _ in members), key=_in_order)),
        remarks=tuple(sorted(remarks.items(), key=lambda item: (-item[1], item[0]))),
    )


def _in_order(endpoint: Endpoint) -> tuple[int, str, int]:
    """The same order as without it; but each of very many is turned into a key only once."""
    return endpoint.sort_key


def _by_severity(entry: RiskEntry) -> tuple[int, Endpoint, str]:
    return SEVERITY_PLACE[entry.risk.severity], entry.endpoints[0], entry.risk.rule


def risk_counts(findings: Iterable[Finding]) -> tuple[RiskCount, ...]:
    """By the severest risk of each endpoint; every severity, whether or not there is one."""
    endpoints: dict[Severity, list[Endpoint]] = {severity: [] for severity in SEVERITIES}
    for finding in findings:
        if finding.severity is not None:
            endpoints[finding.severity].append(finding.verdict.endpoint)
    return tuple(
        RiskCount(
            severity=severity,
            endpoints=len(found),
            hosts=len({endpoint.address for endpoint in found}),
        )
        for severity, found in endpoints.items()
    )


def risk_sentence(counts: Sequence[RiskCount]) -> str:
    """``2 endpoints are a critical risk, 5 high, 1 low.``; empty where there are none."""
    some = [count for count in counts if count.endpoints]
    if not some:
        return ""
    first, *rest = some
    parts = [say_many(first.endpoints, *_FIRST[first.severity])]
    parts += [f"{figure(count.endpoints)} {word(count.severity)}" for count in rest]
    return f"{', '.join(parts)}."


def assumed_sentence(findings: Iterable[Finding]) -> str:
    """How many endpoints lie in no zone of the engagement; empty where all do."""
    zones = Counter(f.risks[0].zone for f in findings if f.risks and f.risks[0].assumed)
    if not zones:
        return ""
    parts = [f"{word(zone)} ({figure(number)})" for zone, number in sorted(zones.items())]
    return say_many(
        zones.total(),
        "{n} open endpoint lies in no zone of the engagement; by its address it counts as {zones}.",
        "{n} open endpoints lie in no zone of the engagement; by their addresses they count as "
        "{zones}.",
        zones=word(next(iter(zones))) if zones.total() == 1 else listed(parts),
    )


def by_risk(finding: Finding) -> int:
    """A place in the order of severity, those without any risk last."""
    return len(SEVERITIES) if finding.severity is None else SEVERITY_PLACE[finding.severity]
