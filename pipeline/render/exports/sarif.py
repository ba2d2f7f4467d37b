"""A run as a SARIF log, for what gathers findings of many tools.

Objects and properties are those of SARIF 2.1.0 (OASIS standard, sections 3.14 to 3.49). There are
no files, so endpoints are logical locations (3.33). ``partialFingerprints`` are the same in every
run: by them a viewer knows a result again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from pipeline.decide.risk import Risk
from pipeline.decide.risk_rules import Severity
from pipeline.model import ChangeKind, RunState
from pipeline.render.document import Gap, RunDocument
from pipeline.render.exports.entries import LABEL, TEXT, Entry, entries, known
from pipeline.render.text import iso, visible

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
LEVELS: Final[Mapping[Severity, str]] = MappingProxyType(
    {
        Severity.CRITICAL: "error",
        Severity.HIGH: "error",
        Severity.MEDIUM: "warning",
        Severity.LOW: "note",
        Severity.INFO: "note",
    }
)
RANKS: Final[Mapping[Severity, float]] = MappingProxyType(
    {
        Severity.CRITICAL: 95.0,
        Severity.HIGH: 80.0,
        Severity.MEDIUM: 55.0,
        Severity.LOW: 25.0,
        Severity.INFO: 5.0,
    }
)
"""``rank``, 0 to 100: what sorts results across tools (3.27.25)."""
FINGERPRINT: Final = "portproofFinding/v1"

_NEW: Final = frozenset({ChangeKind.OPENED, ChangeKind.REAPPEARED, ChangeKind.NEWLY_COVERED})
_GAPS: Final = 100


def render_sarif(document: RunDocument) -> str:
    """The whole log, with one run in it; results in the order of endpoints."""
    told = list(entries(document))
    rules = {entry.rule: _rule(entry) for entry in told}
    places = {name: place for place, name in enumerate(rules)}
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(document, rules.values())},
                "automationDetails": {
                    "id": f"portproof/{visible(document.engagement, LABEL)}/{document.run}"
                },
                "invocations": [_invocation(document)],
                "columnKind": "unicodeCodePoints",
                "results": [_result(entry, places, document) for entry in told],
                "properties": known(
                    client=visible(document.client, LABEL),
                    engagement=visible(document.engagement, LABEL),
                    run=document.run,
                    vantage=visible(document.vantage, LABEL),
                    riskPolicy=visible(document.risk_policy, LABEL),
                ),
            }
        ],
    }
    return json.dumps(log, indent=1, allow_nan=False) + "\n"


def message_of(text: str) -> dict[str, str]:
    """A plain text message; nothing in it is a placeholder or a link (3.11.5, 3.11.6)."""
    text = text.replace("{", "{{").replace("}", "}}")
    if "](" in text:
        for character in "\\[]":
            text = text.replace(character, f"\\{character}")
    return {"text": text}


def _driver(document: RunDocument, rules: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": "portproof",
        "version": document.portproof_version,
        "rules": list(rules),
    }


def _rule(entry: Entry) -> dict[str, Any]:
    risk = entry.risk
    described = {"id": visible(entry.rule, LABEL), "shortDescription": message_of(entry.label)}
    if risk is None:
        return {**described, "defaultConfiguration": {"level": "none"}}
    return {
        **described,
        "fullDescription": message_of(visible(risk.why, TEXT, newlines=True)),
        **({"help": message_of(entry.steps)} if entry.steps else {}),
        "defaultConfiguration": {"level": LEVELS[risk.base]},
        "properties": known(concern=str(risk.concern), tags=list(_tags(risk))),
    }


def _tags(risk: Risk) -> Iterator[str]:
    yield "security"
    for name in risk.references.cwe:
        yield f"external/cwe/{visible(name, LABEL).lower()}"
    yield from (f"cis-{visible(name, LABEL)}" for name in risk.references.cis)
    yield from (f"nist-{visible(name, LABEL)}" for name in risk.references.nist)


def _result(entry: Entry, places: Mapping[str, int], document: RunDocument) -> dict[str, Any]:
    finding, verdict = entry.finding, entry.finding.verdict
    first, last = entry.seen(document)
    risky = entry.risk is not None
    asset = finding.asset
    return {
        "ruleId": visible(entry.rule, LABEL),
        "ruleIndex": places[entry.rule],
        "kind": "fail" if risky else "informational",
        "level": LEVELS[entry.severity] if risky else "none",
        "rank": RANKS[entry.severity] if risky else 0.0,
        "message": message_of(entry.title),
        "locations": [{"logicalLocations": [_location(entry)]}],
        "partialFingerprints": {FINGERPRINT: hashlib.sha256(entry.uid.encode()).hexdigest()},
        **({"baselineState": _baseline(entry)} if document.comparison is not None else {}),
        "properties": known(
            verdict=str(verdict.kind),
            reason=visible(verdict.reason, LABEL),
            confidence=round(verdict.confidence, 4),
            severity=str(entry.severity) if risky else "",
            zone=str(entry.risk.zone) if entry.risk else "",
            service=entry.service_name,
            product=visible(entry.service.product, LABEL) if entry.service else "",
            version=visible(entry.service.version, LABEL) if entry.service else "",
            owner=visible(asset.owner, LABEL) if asset else "",
            firstObserved=iso(first),
            lastObserved=iso(last),
            seen=entry.text,
        ),
    }


def _location(entry: Entry) -> dict[str, str]:
    endpoint = entry.finding.verdict.endpoint
    return known(
        name=f"{endpoint.port}/{endpoint.protocol}",
        fullyQualifiedName=str(endpoint),
        decoratedName=entry.host,
        kind="endpoint",
    )


def _baseline(entry: Entry) -> str:
    """Against the earlier run that the report compares with (3.27.24)."""
    change = entry.finding.change
    if change is None:
        return "unchanged"
    return "new" if change.kind in _NEW else "updated"


def _invocation(document: RunDocument) -> dict[str, Any]:
    return {
        "executionSuccessful": document.state is RunState.COMPLETE,
        "startTimeUtc": iso(document.started),
        **({"endTimeUtc": iso(document.ended)} if document.ended is not None else {}),
        "toolExecutionNotifications": list(_notifications(document.gaps)),
    }


def _notifications(gaps: tuple[Gap, ...]) -> Iterator[dict[str, Any]]:
    """What was not looked at: that a result is missing says nothing there."""
    for gap in gaps[:_GAPS]:
        text = f"Not covered: {visible(gap.what, LABEL)}: {visible(gap.why, LABEL)}"
        yield {"level": "warning", "message": message_of(text)}
    if len(gaps) > _GAPS:
        yield {
            "level": "warning",
            "message": message_of(f"Not covered: {len(gaps) - _GAPS} more areas"),
        }
