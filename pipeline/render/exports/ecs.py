"""A run as events of the Elastic Common Schema, one JSON object a line.

Fields and allowed values are those of ECS 9.0 (its field reference and the categorization fields).
The first line is the run, the others are its findings. ``event.id`` is the same whenever the run
is exported, ``labels.finding`` is the same in every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pipeline.decide.risk import Proof, proof
from pipeline.decide.risk_rules import Severity
from pipeline.model import RunState
from pipeline.render.document import RunDocument
from pipeline.render.exports.entries import (
    LABEL,
    TEXT,
    Entry,
    Wording,
    json_line,
    known,
    milliseconds,
)
from pipeline.render.text import counted, iso, visible

VERSION: Final = "9.0.0"
SEVERITIES: Final[Mapping[Severity, int]] = MappingProxyType(
    {
        Severity.CRITICAL: 99,
        Severity.HIGH: 73,
        Severity.MEDIUM: 47,
        Severity.LOW: 21,
        Severity.INFO: 1,
    }
)
"""``event.severity``: for all but ``info`` the numbers of Elastic's own detection rules."""


def render_ecs(document: RunDocument) -> str:
    """The run and its findings, in the order of endpoints."""
    return ECS.render(document)


def _run(document: RunDocument, findings: int) -> dict[str, Any]:
    event: dict[str, Any] = {
        "kind": "event",
        "category": ["network"],
        "type": ["info"],
        "action": "port-scan",
        "outcome": "success" if document.state is RunState.COMPLETE else "unknown",
        "id": document.run,
        "start": iso(document.started),
        "dataset": "portproof.run",
    }
    if document.ended is not None:
        event["end"] = iso(document.ended)
        # Through milliseconds, as the two instants are told: ECS wants nanoseconds between them.
        event["duration"] = (milliseconds(document.ended) - milliseconds(document.started)) * 10**6
    ended = document.started if document.ended is None else document.ended
    return {
        **_common(document, ended, event),
        "message": f"Run {document.run} is {document.state}: {counted(findings, 'finding')}",
        "labels": {"run": document.run, "state": str(document.state)},
    }


def _finding(entry: Entry, document: RunDocument) -> dict[str, Any]:
    finding, verdict = entry.finding, entry.finding.verdict
    first, last = entry.seen(document)
    proven = proof(verdict.kind) is Proof.PROVEN
    event = {
        "kind": "alert" if entry.risk else "event",
        "category": ["network", "vulnerability"] if entry.risk else ["network"],
        "type": ["info"],
        "action": "risk-found" if entry.risk else "open-port-found",
        "outcome": "success" if proven else "unknown",
        "id": f"{document.run} {entry.uid}",
        "start": iso(first),
        "end": iso(last),
        "severity": SEVERITIES[entry.severity],
        "dataset": "portproof.finding",
    }
    address = str(verdict.endpoint.address)
    risk = entry.risk
    return {
        **_common(document, last, event),
        "message": entry.title,
        "destination": {"ip": address, "port": verdict.endpoint.port},
        "network": {
            "transport": str(verdict.endpoint.protocol),
            "type": f"ipv{verdict.endpoint.address.version}",
        },
        "host": known(ip=[address], name=entry.host),
        **known(service=_service(entry)),
        "rule": known(
            id=entry.rule,
            name=entry.label,
            category=str(risk.concern) if risk else "",
            ruleset=visible(risk.policy, LABEL) if risk else "",
            description=visible(risk.why, TEXT) if risk else "",
        ),
        "labels": known(
            run=document.run,
            finding=entry.uid,
            verdict=str(verdict.kind),
            reason=visible(verdict.reason, LABEL),
            confidence=f"{verdict.confidence:.4f}",
            severity=str(entry.severity),
            owner=visible(finding.asset.owner, LABEL) if finding.asset else "",
        ),
    }


def _common(document: RunDocument, time: float, event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@timestamp": iso(time),
        "ecs": {"version": VERSION},
        "event": {**event, "module": "portproof"},
        "observer": known(
            vendor="portproof",
            product="portproof",
            type="scanner",
            version=document.portproof_version,
            name=visible(document.vantage, LABEL),
        ),
        **known(organization=known(name=visible(document.client, LABEL))),
    }


def _service(entry: Entry) -> dict[str, Any]:
    service = entry.service
    if service is None:
        return {}
    return known(
        type=entry.service_name,
        name=visible(service.product, LABEL),
        version=visible(service.version, LABEL),
    )


ECS: Final = Wording(
    run=lambda document, findings: json_line(_run(document, findings)),
    finding=lambda entry, document: json_line(_finding(entry, document)),
)
