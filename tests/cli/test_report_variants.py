"""report: variants beside the report, and templates of one's own that fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.cli.conftest import Portproof
from tests.cli.past import file_run, found, past
from tests.decide.making import PLAN


def test_the_command_writes_a_variant_and_leaves_the_report_alone(
    portproof: Portproof, tmp_path: Path
) -> None:
    with past(tmp_path) as store:
        file_run(store, "one", [found("192.0.2.7:443")])
    here = ("--workspace", tmp_path)
    said = portproof("report", "--variant", "executive", *here)
    assert said.code == 2
    assert "--variant is for a report that is written somewhere" in said.err
    out = tmp_path / "executive.html"
    said = portproof("report", "--variant", "executive", "--output", out, *here)
    assert said.code == 0, said.err
    assert "executive: without evidence and inventory" in out.read_text()
    whole = (tmp_path / "runs" / "one" / "report.html").read_text()
    assert "inventory-data" in whole
    assert "executive:" not in whole


def test_a_template_that_fails_is_told_and_the_report_is_written_in_ours(
    portproof: Portproof, tmp_path: Path
) -> None:
    (tmp_path / "ours").mkdir()
    page = '{% extends "report.html.j2" %}\n{% block footer %}{{ misspelt }}{% endblock %}'
    (tmp_path / "ours" / "report.html.j2").write_text(page)
    path = tmp_path / "engagement.yml"
    path.write_text(f"engagement: {PLAN.engagement}\nbranding: {{templates: ours}}\n")
    with past(tmp_path) as store:
        plan = replace(PLAN, engagement_file=str(path))
        file_run(store, "one", [found("192.0.2.7:443")], plan=plan)
    said = portproof("report", "--workspace", tmp_path)
    assert said.code == 0, said.err
    assert "ours/report.html.j2:2: 'misspelt' is undefined" in said.err
    whole = (tmp_path / "runs" / "one" / "report.html").read_text()
    assert "All times are UTC" in whole
    assert "ours/report.html.j2:2:" in whole
