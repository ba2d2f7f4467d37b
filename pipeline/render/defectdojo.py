"""A run as DefectDojo's "Generic Findings Import" takes it: each risk of an open endpoint.

DefectDojo refuses keys that it does not know (its parser ``generic``), so there are few here.
``unique_id_from_tool`` stays the same from run to run, so that a re-import knows its findings
again. Findings of other scanners are left out: DefectDojo has readers of its own for those.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.decide.risk import Risk, proof
from pipeline.decide.risk_rules import Severity
from pipeline.render.assets import asset_text
from pipeline.render.document import Finding, RunDocument
from pipeline.render.references import citation
from pipeline.render.text import visible
from pipeline.render.words import service_text

_TITLE: Final = 400
_TEXT: Final = 2000


def render_defectdojo(document: RunDocument) -> str:
    """``{"findings": […]}``, in the order of endpoints."""
    ordered = sorted(document.findings, key=lambda finding: finding.verdict.endpoint)
    findings = [told for finding in ordered for told in _findings(finding, document)]
    return json.dumps({"findings": findings}, indent=1) + "\n"


def _findings(finding: Finding, document: RunDocument) -> Iterator[dict[str, Any]]:
    if proof(finding.verdict.kind) is None:
        return
    for risk in finding.risks:
        yield {
            **_common(finding, document, risk.rule),
            "title": visible(f"{risk.title} ({finding.verdict.endpoint})", _TITLE),
            "severity": risk.severity.capitalize(),
            "description": visible(f"{risk.why}\n\n{_what(finding)}", _TEXT, newlines=True),
            "mitigation": visible("\n".join(_steps(risk)), _TEXT, newlines=True),
            "references": visible(citation(risk.references), _TEXT),
        }
    if not finding.risks:
        yield {
            **_common(finding, document, "open"),
            "title": visible(f"Open port ({finding.verdict.endpoint})", _TITLE),
            "severity": Severity.INFO.capitalize(),
            "description": visible(_what(finding), _TEXT, newlines=True),
        }


def _common(finding: Finding, document: RunDocument, rule: str) -> dict[str, Any]:
    endpoint = finding.verdict.endpoint
    day = datetime.fromtimestamp(document.started, UTC).strftime("%Y-%m-%d")
    return {
        "date": day,
        "unique_id_from_tool": f"portproof {endpoint} {rule}",
        "vuln_id_from_tool": rule,
        "endpoints": [str(endpoint).partition("/")[0]],
        "service": visible(service_text(finding.verdict.service, 160), 160),
        "tags": ["portproof", str(finding.verdict.kind)],
    }


def _what(finding: Finding) -> str:
    verdict = finding.verdict
    service = service_text(verdict.service, 160)
    told = [
        f"{verdict.endpoint} is {verdict.kind} ({verdict.reason}), confidence "
        f"{verdict.confidence:.2f}.",
        f"Service: {service}" if service else "",
        f"Asset: {asset_text(finding.asset)}" if finding.asset else "",
    ]
    return "\n".join(filter(None, told))


def _steps(risk: Risk) -> Iterator[str]:
    for number, step in enumerate(risk.remediation, start=1):
        yield f"{number}. {step}"
