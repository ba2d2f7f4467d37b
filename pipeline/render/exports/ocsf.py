"""A run as events of the Open Cybersecurity Schema Framework, one JSON object a line.

Classes, attributes and numbers are those of OCSF 1.8: the run is a Scan Activity (6007), and each
finding a Detection Finding (2004). ``metadata.uid`` is the same whenever the run is exported,
``finding_info.uid`` is the same in every run. Times are milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final, assert_never

from pipeline.decide.risk_rules import Severity
from pipeline.model import Protocol, RunState
from pipeline.render.document import RunDocument
from pipeline.render.exports.entries import LABEL, Entry, Wording, json_line, known, milliseconds
from pipeline.render.text import counted, visible

VERSION: Final = "1.8.0"
SEVERITIES: Final[Mapping[Severity, int]] = MappingProxyType(
    {
        Severity.INFO: 1,
        Severity.LOW: 2,
        Severity.MEDIUM: 3,
        Severity.HIGH: 4,
        Severity.CRITICAL: 5,
    }
)
"""``severity_id``."""

_CREATE: Final = 1
_NEW: Final = 1
_RULE: Final = 1
_UNKNOWN: Final = 0
_OTHER: Final = 99
_SURE: Final = 99
"""No verdict is 100 % sure."""
_PROTOCOLS: Final[Mapping[Protocol, int]] = MappingProxyType({Protocol.TCP: 6, Protocol.UDP: 17})
"""The numbers that IANA gave them."""


class _Class(IntEnum):
    """``class_uid``; the thousands are ``category_uid``."""

    DETECTION_FINDING = 2004
    SCAN_ACTIVITY = 6007


def render_ocsf(document: RunDocument) -> str:
    """The run and its findings, in the order of endpoints."""
    return OCSF.render(document)


def _run(document: RunDocument, findings: int) -> dict[str, Any]:
    start = milliseconds(document.started)
    ended = {} if document.ended is None else {"end_time": milliseconds(document.ended)}
    return {
        **_common(document, _Class.SCAN_ACTIVITY, _activity(document.state), document.run),
        "time": ended.get("end_time", start),
        "start_time": start,
        **ended,
        **({"duration": ended["end_time"] - start} if ended else {}),
        "severity_id": SEVERITIES[Severity.INFO],
        "message": f"Run {document.run} is {document.state}: {counted(findings, 'finding')}",
        "scan": known(
            uid=document.run,
            name=visible(document.engagement, LABEL),
            type="Ports",
            type_id=_OTHER,
        ),
        "num_detections": findings,
        "num_skipped_items": sum(gap.endpoints for gap in document.gaps),
    }


def _activity(state: RunState) -> int:
    match state:
        case RunState.RUNNING:
            return 1  # Started
        case RunState.COMPLETE:
            return 2  # Completed
        case RunState.INCOMPLETE:
            return 7  # Paused: it can be resumed
        case _:
            assert_never(state)


def _finding(entry: Entry, document: RunDocument) -> dict[str, Any]:
    verdict = entry.finding.verdict
    first, last = entry.seen(document)
    uid = f"{document.run} {entry.uid}"
    return {
        **_common(document, _Class.DETECTION_FINDING, _CREATE, uid),
        "time": milliseconds(last),
        "start_time": milliseconds(first),
        "end_time": milliseconds(last),
        "severity_id": SEVERITIES[entry.severity],
        "status_id": _NEW,
        "confidence_score": min(_SURE, round(100 * verdict.confidence)),
        "message": entry.title,
        "finding_info": _info(entry, last),
        "resources": [_resource(entry)],
        "evidences": [_evidence(entry)],
        **known(remediation=known(desc=entry.steps)),
    }


def _info(entry: Entry, last: float) -> dict[str, Any]:
    since, risk = entry.finding.first_seen, entry.risk
    return known(
        uid=entry.uid,
        title=entry.title,
        desc=entry.text,
        types=["Open port"],
        first_seen_time=None if since is None else milliseconds(since),
        last_seen_time=milliseconds(last),
        analytic=known(
            uid=entry.rule,
            name=entry.label,
            type_id=_RULE,
            category=str(risk.concern) if risk else "",
            version=visible(risk.policy, LABEL) if risk else "",
        ),
    )


def _resource(entry: Entry) -> dict[str, Any]:
    asset = entry.finding.asset
    owner = visible(asset.owner, LABEL) if asset else ""
    return known(
        uid=str(entry.finding.verdict.endpoint.address),
        name=entry.host,
        type="Host",
        criticality=str(asset.criticality) if asset and asset.criticality else "",
        owner=known(name=owner),
    )


def _evidence(entry: Entry) -> dict[str, Any]:
    verdict = entry.finding.verdict
    endpoint = verdict.endpoint
    return {
        "dst_endpoint": known(
            ip=str(endpoint.address),
            port=endpoint.port,
            hostname=entry.host,
            svc_name=entry.service_name,
        ),
        "connection_info": {
            "direction_id": _UNKNOWN,
            "protocol_name": str(endpoint.protocol),
            "protocol_num": _PROTOCOLS[endpoint.protocol],
            "protocol_ver_id": endpoint.address.version,
        },
        "data": known(
            verdict=str(verdict.kind),
            reason=visible(verdict.reason, LABEL),
            confidence=round(verdict.confidence, 4),
        ),
    }


def _common(document: RunDocument, kind: _Class, activity: int, uid: str) -> dict[str, Any]:
    return {
        "class_uid": int(kind),
        "category_uid": kind // 1000,
        "activity_id": activity,
        "type_uid": kind * 100 + activity,
        "metadata": {
            "version": VERSION,
            "uid": uid,
            "product": {
                "name": "portproof",
                "vendor_name": "portproof",
                "version": document.portproof_version,
            },
        },
    }


OCSF: Final = Wording(
    run=lambda document, findings: json_line(_run(document, findings)),
    finding=lambda entry, document: json_line(_finding(entry, document)),
)
