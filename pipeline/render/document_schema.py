"""The JSON Schema (draft 2020-12) of the JSON form, for other programs.

``python -m pipeline.render.document_schema`` prints it; ``configs/report.schema.json`` is the
published copy. Within one format keys may be added, so a reader bears keys that it does not know.
"""

from __future__ import annotations

import json
import sys
from enum import EnumType
from typing import Any, Final

from pipeline.decide.assets import Listing
from pipeline.decide.completeness import Why
from pipeline.decide.facts import Doubt, Suspicion
from pipeline.decide.risk import Proof
from pipeline.decide.risk_rules import Concern, Criticality, Severity, Zone
from pipeline.decide.standing import Mood
from pipeline.model import (
    Aftermath,
    ChangeKind,
    Method,
    PortState,
    Protocol,
    Purpose,
    RunState,
    StageName,
    TaskState,
    VerdictKind,
)
from pipeline.render import checklist
from pipeline.render.document_json import FORMAT
from pipeline.render.story import Part

_TIME: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$"
_PLAIN: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": "string"},
    "whole": {"type": "integer"},
    "count": {"type": "integer", "minimum": 0},
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "time": {"type": "string", "pattern": _TIME},
    "port": {"type": "integer", "minimum": 0, "maximum": 65_535},
    "share": {"type": "number", "minimum": 0, "maximum": 1},
    "texts by name": {"type": "object", "additionalProperties": {"type": "string"}},
    "counts by name": {"type": "object", "additionalProperties": {"type": "integer"}},
    "shares by name": {"type": "object", "additionalProperties": {"type": "number"}},
}
# A kind is the name of a plain one or of a record below, an enum, a record, or a list of one kind;
# in a pair with None it may be null. A key that ends in a question mark may be missing.
_WHERE: Final = {"address": "text", "protocol": Protocol, "port": "port"}
_SIDE: Final = {
    "verdict": VerdictKind,
    "reason": "text",
    "confidence": "share",
    "service": ("text", None),
}
_CHANGE: Final = {
    **_WHERE,
    "kind": ChangeKind,
    "reason": "text",
    "confidence": "share",
    "before": ("side", None),
    "after": ("side", None),
}
_SUPPRESSION: Final = {"reason": "text", "until": "text"}
_NO_ESTIMATE: Final = {"none_because": Why, "sentence": "text"}
_NOT_TOLD: Final = {
    "suppressed": [{**_CHANGE, "suppression": _SUPPRESSION}],
    "expired": [_SUPPRESSION],
}
_RECORDS: Final[dict[str, dict[str, Any]]] = {
    "run": {
        **dict.fromkeys(("id", "client", "engagement", "portproof", "ports", "vantage"), "text"),
        "profile": "text",
        "state": RunState,
        "started": "time",
        "ended": ("time", None),
        "authorisation": "texts by name",
        "scope": {"included": ["text"], "excluded": ["text"], "addresses": "count"},
        "port_count": "count",
        "limits": "texts by name",
        "rescan_delays": ["number"],
        "tools": "texts by name",
        "packets": ("count", None),
        "audit": ({"lines": "count", "sha256": "text", "signed": "flag"}, None),
        "imported?": ["imported"],
    },
    "imported": {
        **dict.fromkeys(("name", "sha256", "format", "tool", "version", "arguments"), "text"),
        "size": "count",
        "started": ("time", None),
        "ended": ("time", None),
        "problem": "text",
    },
    "endpoint": {
        **_WHERE,
        **_SIDE,
        "service_details": ("service", None),
        "names": ["text"],
        "change": (ChangeKind, None),
        "asset?": "asset",
        "first_seen": ("time", None),
        "severity": (Severity, None),
        "risks": ["risk"],
        "observations": ["count"],
        "evidence": ["observation"],
    },
    "side": _SIDE,
    "service": {
        **dict.fromkeys(("name", "product", "version", "extra", "tunnel", "hostname"), "text"),
        "confidence": "whole",
        "method": "text",
        "cpes": ["text"],
        "scripts": [{"id": "text", "output": "text"}],
        "banner": "text",
    },
    "observation": {
        "number": "count",
        "task": "count",
        "time": "time",
        "method": Method,
        "purpose": Purpose,
        "round": "count",
        "state": PortState,
        "reason": "text",
        "ttl": ("count", None),
        "source_port": ("port", None),
        "aftermath": (Aftermath, None),
        "banner": "text",
        "service": ("text", None),
    },
    "asset": {
        "listing": Listing,
        **dict.fromkeys(("name", "owner", "environment"), ("text", None)),
        "zone": (Zone, None),
        "criticality": (Criticality, None),
        "sources": ["text"],
    },
    "risk": {
        "rule": "text",
        "severity": Severity,
        "base_severity": Severity,
        "concern": Concern,
        "zone": Zone,
        "zone_assumed": "flag",
        "open": Proof,
        "by_port_alone": "flag",
        "because": ["text"],
        "remarks": ["text"],
    },
    "rule": {
        "id": "text",
        "concern": Concern,
        "title": "text",
        "why": "text",
        "remediation": ["text"],
        "references": {"cis": ["text"], "nist": ["text"], "cwe": ["text"]},
    },
    "host": {
        "address": "text",
        "protocol": Protocol,
        **dict.fromkeys(("asked", "open", "refused", "silent", "canaries"), "count"),
        "doubts": [Doubt],
        "controls": dict.fromkeys(("asked", "open", "refused"), "count"),
        "episodes": [
            {"mood": Mood, "after": ("time", None), "until": ("time", None), "void": "flag"}
        ],
        "answer_ttls": ["count"],
        "refusal_ttls": ["count"],
        "same_banner": ("text", None),
        "answered_within": ("number", None),
        "wavering": "count",
    },
    "network": {
        "network": ["text"],
        "protocol": Protocol,
        "hosts": ["text"],
        **dict.fromkeys(("asked", "open", "refused", "silent", "gentle_tasks"), "count"),
        "turns": ["turn"],
        "searches": [
            {"number": "count", "found": "count", "missed": "count", "rate": ("number", None)}
        ],
        "suspicion": (Suspicion, None),
        "gentle_pace": "number",
    },
    "turn": {
        "mood": Mood,
        "hosts": ["text"],
        "after": ("time", None),
        "noticed": "time",
        "until": ("time", None),
        "searched_ports": "text",
        "rate": ("number", None),
        "rate_to_network": ("number", None),
    },
    "sample": {
        **dict.fromkeys(("sampled", "found", "negatives", "open_at_most"), "count"),
        "share_at_most": "share",
        "level": "share",
        "assumptions": ["text"],
    },
    "passes": {
        **dict.fromkeys(("first", "second", "both", "found", "low", "high"), "count"),
        "total": "number",
        "level": "share",
        "assumptions": ["text"],
    },
    "none": _NO_ESTIMATE,
    "hole": {"task": "count", "address": "text", "ports": ("text", None), "reason": "text"},
    "change": _CHANGE,
    "comparison": {
        "against": "text",
        "against_started": "time",
        "differences": ["text"],
        "changes": ["change"],
        **_NOT_TOLD,
    },
    "baseline": {
        "measured_by_it": "flag",
        "run": ("text", None),
        "act_on": [ChangeKind],
        "expected": ({"file": "text", "sha256": "text"}, None),
        "changes": ["change"],
        **_NOT_TOLD,
    },
    "assets": {
        "sha256": "text",
        "sources": [
            {
                **dict.fromkeys(("name", "kind", "sha256"), "text"),
                "entries": "count",
                "note": ("text", None),
            }
        ],
        "unknown_hosts": ([{"address": "text", "kind": "text", "open": ["text"]}], None),
        "ports": (["assets_port"], None),
        "hosts_without_expected_ports": ("count", None),
    },
    "assets_port": {
        **_WHERE,
        "kind": "text",
        "change": ChangeKind,
        "reason": "text",
        "now": (VerdictKind, None),
    },
    "trends": {
        "runs": [
            {
                "run": "text",
                "started": "time",
                **dict.fromkeys(("confirmed", "likely", "newly_covered", "not_covered"), "count"),
                **dict.fromkeys(("new", "gone"), ("count", None)),
            }
        ],
        "open_periods": {
            **dict.fromkeys(
                ("periods", "seen_whole", "ended", "still_open", "begun_before"), "count"
            ),
            "open_time": "number",
            "mean_of_whole": ("number", None),
            "mean": ("number", None),
        },
    },
    "check": {"item": "text", "standing": checklist.Standing, "fact": "text"},
    "task": {
        **dict.fromkeys(("number", "batch", "round", "attempt"), "count"),
        **dict.fromkeys(("key", "vantage", "ports", "outcome"), "text"),
        "stage": StageName,
        "method": Method,
        "purpose": Purpose,
        "addresses": ["text"],
        "protocol": Protocol,
        "not_before": ("time", None),
        "state": TaskState,
        "started": ("time", None),
        "ended": ("time", None),
        "arguments": ["text"],
        "rate": ("number", None),
        "evidence": "text",
        "evidence_sha256": "text",
    },
    "event": {"time": "time", "kind": "text", "text": "text"},
    "story": {
        **_WHERE,
        "hypotheses": "shares by name",
        "lines": [
            {
                "part": Part,
                "time": ("time", None),
                "until": ("time", None),
                "text": "text",
                "observations": ["count"],
                "counts": "flag",
            }
        ],
    },
}
_DOCUMENT: Final[dict[str, Any]] = {
    "format": {},
    "run": "run",
    "risk": (
        {
            "policy": "text",
            "note": ("text", None),
            "counts": "counts by name",
            "rules": ["rule"],
        },
        None,
    ),
    "stories?": ["story"],
    "endpoints": ["endpoint"],
    "hosts": ["host"],
    "networks": ["network"],
    "completeness": ({"sample": ("sample", "none"), "passes": ("passes", "none")}, None),
    "coverage": {
        "gaps": [{"what": "text", "why": "text", "endpoints": "count"}],
        "holes": ["hole"],
    },
    "changes": ("comparison", None),
    "trends": ("trends", None),
    "checklist": ["check"],
    "baseline?": "baseline",
    "assets?": "assets",
    "tasks": ["task"],
    "events": ["event"],
}


def report_schema() -> dict[str, Any]:
    """The schema. Whatever the renderer writes is in it."""
    found = _schema(_DOCUMENT)
    found["properties"]["format"] = {"const": FORMAT}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Run of portproof, format {FORMAT}",
        "$defs": {name: _schema(record) for name, record in _RECORDS.items()},
        **found,
    }


def _schema(kind: Any) -> dict[str, Any]:
    match kind:
        case None:
            return {"type": "null"}
        case str():
            return _PLAIN.get(kind) or {"$ref": f"#/$defs/{kind}"}
        case EnumType():
            members: list[Any] = list(kind)
            return {"enum": [member.value for member in members]}
        case [*_] if isinstance(kind, tuple):
            return {"anyOf": [_schema(each) for each in kind]}
        case [item]:
            return {"type": "array", "items": _schema(item)}
        case _:
            return {
                "type": "object",
                "properties": {name.rstrip("?"): _schema(inner) for name, inner in kind.items()},
                "required": [name for name in kind if not name.endswith("?")],
            }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(report_schema(), indent=1) + "\n")
