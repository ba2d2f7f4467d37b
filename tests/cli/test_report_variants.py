"""report --variant: another report than the engagement names, beside it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Portproof
from tests.cli.past import file_run, found, past


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
