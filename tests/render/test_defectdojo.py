"""The file for DefectDojo has the keys that it knows, and nothing of what only pretends."""

from __future__ import annotations

import json

from pipeline.model import VerdictKind
from pipeline.render.defectdojo import render_defectdojo
from tests.render import documents
from tests.render.judged import judged

REQUIRED = {"title", "severity", "description"}
KNOWN = REQUIRED | {
    *("date", "mitigation", "references", "unique_id_from_tool", "vuln_id_from_tool"),
    *("endpoints", "service", "tags"),
}


def test_every_finding_has_what_defectdojo_requires_and_only_what_it_knows() -> None:
    findings = json.loads(render_defectdojo(judged(documents.small())))["findings"]
    assert findings
    for finding in findings:
        assert finding.keys() >= REQUIRED
        assert finding.keys() <= KNOWN
        assert finding["severity"] in ("Critical", "High", "Medium", "Low", "Info")
    ids = [finding["unique_id_from_tool"] for finding in findings]
    assert len(ids) == len(set(ids))


def test_what_is_not_open_is_no_finding() -> None:
    document = documents.small()
    told = {
        endpoint
        for finding in json.loads(render_defectdojo(document))["findings"]
        for endpoint in finding["endpoints"]
    }
    closed = (VerdictKind.ARTEFACT, VerdictKind.REFUTED, VerdictKind.FILTERED, VerdictKind.UNKNOWN)
    for finding in document.findings:
        where = str(finding.verdict.endpoint).partition("/")[0]
        if finding.verdict.kind in closed:
            assert where not in told


def test_a_hostile_banner_leaves_no_hidden_character() -> None:
    text = "".join(
        str(value)
        for finding in json.loads(render_defectdojo(judged(documents.hostile())))["findings"]
        for value in finding.values()
    )
    assert "\x1b" not in text
    assert "\u202e" not in text
