"""A run as DefectDojo's "Generic Findings Import" takes it: each risk of an open endpoint.

DefectDojo refuses keys that it does not know (its parser ``generic``), so there are few here.
``unique_id_from_tool`` stays the same from run to run, so that a re-import knows its findings
again. Findings of other scanners are left out: DefectDojo has readers of its own for those.
"""

from __future__ import annotations

import json
from typing import Any

from pipeline.render.document import RunDocument
from pipeline.render.exports.entries import LABEL, TEXT, Entry, entries
from pipeline.render.references import citation
from pipeline.render.text import day, visible
from pipeline.render.words import service_text


def render_defectdojo(document: RunDocument) -> str:
    """``{"findings": […]}``, in the order of endpoints."""
    findings = [defectdojo_finding(entry, document) for entry in entries(document)]
    return json.dumps({"findings": findings}, indent=1) + "\n"


def defectdojo_finding(entry: Entry, document: RunDocument) -> dict[str, Any]:
    """One of them."""
    verdict = entry.finding.verdict
    told = {
        "date": day(document.started),
        "unique_id_from_tool": entry.uid,
        "vuln_id_from_tool": entry.rule,
        "endpoints": [str(verdict.endpoint).partition("/")[0]],
        "service": visible(service_text(verdict.service, LABEL), LABEL),
        "tags": ["portproof", str(verdict.kind)],
        "title": entry.title,
        "severity": entry.severity.capitalize(),
        "description": entry.text,
    }
    if entry.risk is None:
        return told
    references = visible(citation(entry.risk.references), TEXT)
    return {**told, "mitigation": entry.steps, "references": references}
