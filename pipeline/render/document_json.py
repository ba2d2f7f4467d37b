"""A run as one JSON document, for other programs.

``{"format": 1, "run": {…}, "risk": {"policy", "counts", "rules": […], …} or null, "endpoints":
[{"address", "protocol", "port", "verdict", "reason", "confidence", "service", "severity", "risks",
…}], "hosts": […], "networks": […], "completeness": {…} or null, "coverage": {…}, "changes": {…} or
null, "trends": {…} or null, "checklist": […], "tasks": […], "events": […]}``; for single endpoints
also ``"stories": […]``, and where there is one ``"baseline": {…}``. Times are RFC 3339 texts in UTC
with milliseconds, durations are seconds, rates are packets per second, addresses are texts;
endpoints are in numeric order. ``service`` is a label for people or null, ``service_details`` what
it was made of.

Texts are complete and as they came. Nothing in the document can disturb a terminal: control
characters, C1 and bidirectional ones included, are written as JSON escapes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pipeline.decide.completeness import Bound, Estimate, NoEstimate
from pipeline.decide.facts import HostRecord, NetworkRecord, Turn
from pipeline.decide.risk import Risk
from pipeline.decide.suppression import Suppressed, Suppression
from pipeline.decide.third_parties import ThirdParties
from pipeline.model import Change, Hole, Observation, Service, TaskRecord, Verdict
from pipeline.plan import ImportedFile
from pipeline.render.assets import asset_json, assets_json
from pipeline.render.checklist import checklist_json
from pipeline.render.document import AuditHead, Comparison, Completeness, Finding, RunDocument
from pipeline.render.known import known_json, others_json
from pipeline.render.risks import risk_counts
from pipeline.render.story import Story, story_json
from pipeline.render.text import iso
from pipeline.render.trends import trends_json

FORMAT: Final = 1
"""Grows when a key changes its meaning or goes; new keys do not count."""

_HIDDEN: Final = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"
    "\U000e0000-\U000e0fff]"
)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def render_json(document: RunDocument, *, stories: Iterable[Story] = ()) -> str:
    """The document, one endpoint, task and event per line, UTF-8 when encoded."""
    told = [story_json(story) for story in stories]
    return laid_out(
        {
            "format": FORMAT,
            "run": _run(document),
            "risk": _risk_policy(document),
            **({"stories": told} if told else {}),
            "endpoints": [_endpoint(finding) for finding in _ordered(document)],
            "hosts": [_host(record) for record in document.neighbourhoods.hosts],
            "networks": [_network(record) for record in document.neighbourhoods.networks],
            "completeness": _completeness(document.completeness),
            "coverage": {
                "gaps": [
                    {"what": gap.what, "why": gap.why, "endpoints": gap.endpoints}
                    for gap in document.gaps
                ],
                "holes": [_hole(task, hole) for task, hole in document.holes],
            },
            "changes": _comparison(document.comparison) if document.comparison else None,
            "trends": trends_json(document.trends),
            "checklist": checklist_json(document),
            **({"baseline": _baseline(document)} if _has_baseline(document) else {}),
            **({"assets": assets_json(document.assets)} if document.assets else {}),
            **({"vulnerabilities": others_json(document.others)} if document.others else {}),
            "tasks": [_task(record) for record in document.tasks],
            "events": [
                {"time": iso(event.time), "kind": event.kind, "text": event.text}
                for event in document.events
            ],
        }
    )


def _ordered(document: RunDocument) -> list[Finding]:
    return sorted(document.findings, key=lambda finding: finding.verdict.endpoint)


def _run(document: RunDocument) -> dict[str, Any]:
    return {
        "id": document.run,
        "client": document.client,
        "engagement": document.engagement,
        "state": document.state,
        "started": iso(document.started),
        "ended": _iso(document.ended),
        "portproof": document.portproof_version,
        "authorisation": dict(document.authorisation),
        "scope": {
            "included": document.scope_included,
            "excluded": document.scope_excluded,
            "addresses": document.addresses,
        },
        "ports": document.ports,
        "port_count": document.port_count,
        "vantage": document.vantage,
        "profile": document.profile,
        "limits": dict(document.limits),
        "rescan_delays": document.rescan_delays,
        "tools": dict(document.tools),
        "packets": document.packets,
        "audit": _audit(document.audit),
        **(
            {"third_parties": _third_parties(document.third_parties)}
            if document.third_parties.files
            else {}
        ),
        **(
            {"imported": [_imported(file) for file in document.imported]}
            if document.imported
            else {}
        ),
    }


def _third_parties(found: ThirdParties) -> dict[str, Any]:
    return {
        "files": [
            {
                "name": file.name,
                "sha256": file.sha256,
                "format": file.format,
                "providers": file.providers,
                "prefixes": file.prefixes,
                "dated": iso(file.dated),
                "date_from": file.date_from,
            }
            for file in found.files
        ],
        "refused": [
            {
                "addresses": each.addresses.texts(),
                "provider": each.provider,
                "file": each.file,
                "why": each.why,
                "names": each.names,
            }
            for each in found.refused
        ],
        "acknowledged": [
            {
                "addresses": each.addresses.texts(),
                "provider": each.provider,
                "policy": each.policy,
                "acknowledged_on": each.since,
                "approval": each.approval,
            }
            for each in found.cleared
        ],
    }


def _imported(file: ImportedFile) -> dict[str, Any]:
    return {
        "name": file.name,
        "sha256": file.sha256,
        "size": file.size,
        "format": file.format,
        "tool": file.tool,
        "version": file.version,
        "arguments": file.arguments,
        "started": _iso(file.started),
        "ended": _iso(file.ended),
        "problem": file.problem,
    }


def _audit(head: AuditHead | None) -> dict[str, Any] | None:
    if head is None:
        return None
    return {"lines": head.lines, "sha256": head.sha256, "signed": head.signed}


def _endpoint(finding: Finding) -> dict[str, Any]:
    return {
        **_verdict(finding.verdict),
        "service_details": _service(finding.verdict.service),
        "names": finding.names,
        "change": finding.change.kind if finding.change else None,
        **({"known": [known_json(line) for line in finding.known]} if finding.known else {}),
        **({"asset": asset_json(finding.asset)} if finding.asset else {}),
        "first_seen": _iso(finding.first_seen),
        "severity": finding.severity,
        "risks": [_risk(risk) for risk in finding.risks],
        "observations": finding.verdict.observations,
        "evidence": [_observation(observation) for observation in finding.observations],
    }


def _risk(risk: Risk) -> dict[str, Any]:
    """What differs from endpoint to endpoint; the rest is under ``risk`` of the document."""
    return {
        "rule": risk.rule,
        "severity": risk.severity,
        "base_severity": risk.base,
        "concern": risk.concern,
        "zone": risk.zone,
        "zone_assumed": risk.assumed,
        "open": risk.proof,
        "by_port_alone": risk.guessed,
        "because": risk.because,
        "remarks": risk.remarks,
    }


def _risk_policy(document: RunDocument) -> dict[str, Any] | None:
    """The policy's version, and the rules that decided, once for all endpoints."""
    if not document.risk_policy:
        return None
    used = {risk.rule: risk for finding in document.findings for risk in finding.risks}
    return {
        "policy": document.risk_policy,
        "note": document.risk_note or None,
        "counts": {
            count.severity.value: count.endpoints for count in risk_counts(document.findings)
        },
        "rules": [_rule(used[name]) for name in sorted(used)],
    }


def _rule(risk: Risk) -> dict[str, Any]:
    references = risk.references
    return {
        "id": risk.rule,
        "concern": risk.concern,
        "title": risk.title,
        "why": risk.why,
        "remediation": risk.remediation,
        "references": {
            "cis": references.cis,
            "nist": references.nist,
            "cwe": references.cwe,
        },
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "address": str(verdict.endpoint.address),
        "protocol": verdict.endpoint.protocol,
        "port": verdict.endpoint.port,
        **_told(verdict),
    }


def _told(verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": verdict.kind,
        "reason": verdict.reason,
        "confidence": round(verdict.confidence, 4),
        "service": (verdict.service.label or None) if verdict.service else None,
    }


def _service(service: Service | None) -> dict[str, Any] | None:
    if service is None:
        return None
    return {
        "name": service.name,
        "product": service.product,
        "version": service.version,
        "extra": service.extra,
        "tunnel": service.tunnel,
        "hostname": service.hostname,
        "confidence": service.confidence,
        "method": service.method,
        "cpes": service.cpes,
        "scripts": [{"id": name, "output": output} for name, output in service.scripts],
        "banner": service.banner,
    }


def _observation(observation: Observation) -> dict[str, Any]:
    return {
        "number": observation.number,
        "task": observation.task,
        "time": iso(observation.time),
        "method": observation.method,
        "purpose": observation.purpose,
        "round": observation.round,
        "state": observation.state,
        "reason": observation.reason,
        "ttl": observation.ttl,
        "source_port": observation.source_port,
        "aftermath": observation.aftermath,
        "banner": observation.banner,
        "service": (observation.service.label or None) if observation.service else None,
    }


def _host(record: HostRecord) -> dict[str, Any]:
    controls, standing = record.controls, record.standing
    return {
        "address": str(record.address),
        "protocol": record.protocol,
        "asked": record.asked,
        "open": len(record.opened),
        "refused": record.refused,
        "silent": record.silent,
        "doubts": list(record.doubts),
        "controls": {
            "asked": controls.asked,
            "open": controls.open_,
            "refused": controls.refused,
        },
        "canaries": len(standing.checks),
        "episodes": [
            {
                "mood": episode.mood,
                "after": _iso(None if episode.after == float("-inf") else episode.after),
                "until": _iso(episode.until),
                "void": episode.is_void,
            }
            for episode in standing.episodes
        ],
        "answer_ttls": list(record.answer_ttls),
        "refusal_ttls": list(record.refusal_ttls),
        "same_banner": record.banner or None,
        "answered_within": record.answered_within,
        "wavering": record.wavering,
    }


def _network(record: NetworkRecord) -> dict[str, Any]:
    return {
        "network": list(record.network.networks()),
        "protocol": record.protocol,
        "hosts": [str(address) for address in record.hosts],
        "asked": record.asked,
        "open": record.opened,
        "refused": record.refused,
        "silent": record.silent,
        "turns": [_turn(turn) for turn in record.turns],
        "searches": [
            {
                "number": search.number,
                "found": search.found,
                "missed": search.missed,
                "rate": _rounded(search.rate_here),
            }
            for search in record.searches
        ],
        "suspicion": record.suspicion,
        "gentle_tasks": record.gentle,
        "gentle_pace": record.pace,
    }


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "mood": turn.mood,
        "hosts": [str(address) for address in turn.hosts],
        "after": _iso(turn.after),
        "noticed": iso(turn.noticed),
        "until": _iso(turn.until),
        "searched_ports": str(turn.ports),
        "rate": _rounded(turn.rate),
        "rate_to_network": _rounded(turn.rate_here),
    }


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 3)


def _completeness(known: Completeness | None) -> dict[str, Any] | None:
    if known is None:
        return None
    return {"sample": _sample(known.sample), "passes": _passes(known.passes)}


def _sample(bound: Bound | NoEstimate) -> dict[str, Any]:
    if isinstance(bound, NoEstimate):
        return _no_estimate(bound)
    return {
        "sampled": bound.sampled,
        "found": bound.found,
        "negatives": bound.negatives,
        "share_at_most": bound.share,
        "open_at_most": bound.missed,
        "level": bound.level,
        "assumptions": list(bound.assumptions),
    }


def _passes(estimate: Estimate | NoEstimate) -> dict[str, Any]:
    if isinstance(estimate, NoEstimate):
        return _no_estimate(estimate)
    return {
        "first": estimate.first,
        "second": estimate.second,
        "both": estimate.both,
        "found": estimate.found,
        "total": estimate.total,
        "low": estimate.low,
        "high": estimate.high,
        "level": estimate.level,
        "assumptions": list(estimate.assumptions),
    }


def _no_estimate(reason: NoEstimate) -> dict[str, Any]:
    return {"none_because": reason.why, "sentence": reason.sentence}


def _hole(task: int, hole: Hole) -> dict[str, Any]:
    return {
        "task": task,
        "address": str(hole.address),
        "ports": None if hole.ports is None else str(hole.ports),
        "reason": hole.reason,
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "against": comparison.against,
        "against_started": iso(comparison.against_started),
        "differences": comparison.differences,
        "changes": [
            change_json(change)
            for change in sorted(comparison.changes, key=lambda change: change.endpoint)
        ],
        **_not_told(comparison.suppressed, comparison.expired),
    }


def _not_told(
    suppressed: tuple[Suppressed, ...], expired: tuple[Suppression, ...]
) -> dict[str, Any]:
    return {
        "suppressed": [
            {**change_json(each.change), "suppression": suppression_json(each.by)}
            for each in suppressed
        ],
        "expired": [suppression_json(each) for each in expired],
    }


def suppression_json(suppression: Suppression) -> dict[str, str]:
    """Why a change need not be told, and until when."""
    return {"reason": suppression.reason, "until": suppression.until_text}


def _has_baseline(document: RunDocument) -> bool:
    return document.against_baseline or document.deviations is not None


def _baseline(document: RunDocument) -> dict[str, Any]:
    found, comparison = document.deviations, document.comparison
    return {
        "measured_by_it": document.against_baseline,
        "run": comparison.against if document.baseline_run and comparison else None,
        "act_on": list(document.act_on),
        "expected": None if found is None else {"file": found.file, "sha256": found.sha256},
        "changes": [change_json(change) for change in found.changes] if found is not None else [],
        **_not_told(found.suppressed if found else (), found.expired if found else ()),
    }


def change_json(change: Change) -> dict[str, Any]:
    """One change with both of its sides."""
    return {
        "address": str(change.endpoint.address),
        "protocol": change.endpoint.protocol,
        "port": change.endpoint.port,
        "kind": change.kind,
        "reason": change.reason,
        "confidence": round(change.confidence, 4),
        "before": _side(change.before),
        "after": _side(change.after),
    }


def _side(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return _told(verdict)


def _task(record: TaskRecord) -> dict[str, Any]:
    task = record.task
    return {
        "number": record.number,
        "key": task.key,
        "batch": task.batch,
        "stage": task.stage,
        "method": task.method,
        "purpose": task.purpose,
        "vantage": task.vantage,
        "round": task.round,
        "addresses": task.targets.addresses.texts(),
        "protocol": task.protocol,
        "ports": str(task.ports),
        "not_before": iso(task.not_before) if task.not_before else None,
        "state": record.state,
        "attempt": record.attempt,
        "started": _iso(record.started),
        "ended": _iso(record.ended),
        "outcome": record.outcome,
        "arguments": record.argv,
        "rate": record.rate,
        "evidence": record.evidence,
        "evidence_sha256": record.evidence_sha256,
    }


def _iso(time: float | None) -> str | None:
    return None if time is None else iso(time)


def laid_out(document: Mapping[str, Any]) -> str:
    """Long lists one item a line: a million lines compare and page better than one."""
    parts = [f'"{name}":{_laid_out_value(value)}' for name, value in document.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _laid_out_value(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(map(_encoded, value)) + "\n]"
    if isinstance(value, dict) and any(isinstance(inner, list) for inner in value.values()):
        parts = [f'"{name}":{_laid_out_value(inner)}' for name, inner in value.items()]
        return "{" + ",\n".join(parts) + "}"
    return _encoded(value)


def _encoded(value: Any) -> str:
    text = _ENCODER.encode(value)
    # RFC 8259, section 8.2: a lone surrogate is something no two readers agree about.
    return _HIDDEN.sub(_json_escape, _SURROGATE.sub("\ufffd", text))


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
