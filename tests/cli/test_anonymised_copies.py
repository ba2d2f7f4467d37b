"""report --anonymised: a copy under pseudonyms, beside a report that stays as it is."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Portproof
from tests.cli.past import file_run, found, past


def test_the_command_writes_copies_that_agree_and_leaves_the_report_alone(
    portproof: Portproof, tmp_path: Path
) -> None:
    with past(tmp_path) as store:
        file_run(store, "one", [found("192.0.2.7:443")])
    here = ("--workspace", tmp_path)
    for missing in ((), ("--output", tmp_path / "x.docx", "--format", "docx", "--template", "t")):
        said = portproof("report", "--anonymised", *missing, *here)
        assert said.code == 2
        assert "--anonymised writes a copy somewhere" in said.err
    ours = []
    for name in ("a", "b"):
        out = tmp_path / name
        said = portproof("report", "--anonymised", "--format", "json", "--output", out, *here)
        assert said.code == 0, said.err
        ours.append(out.read_text())
    assert ours[0] == ours[1]
    assert not (tmp_path / "portproof.lock").exists()
    assert "192.0.2." not in ours[0]
    assert "Example Ltd" not in ours[0]
    assert "Example Ltd" in (tmp_path / "runs" / "one" / "report.json").read_text()
