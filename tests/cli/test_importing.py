"""import: other tools' files become runs that are shown, reported and compared like any other."""

from __future__ import annotations

import json
from pathlib import Path

from fixtures.captures import HERE
from tests.cli.conftest import Portproof
from tests.cli.ground import ask, changes, the_report, the_run, verdicts

HAND = tuple(HERE / f"hand-{n}" for n in ("masscan.list", "syn.xml", "connect.xml", "version.xml"))


def test_files_become_one_run_with_verdicts(portproof: Portproof, tmp_path: Path) -> None:
    said = portproof("import", *HAND, "--workspace", tmp_path, "--format", "json")
    assert said.code == 0
    assert said.json["verdicts"] == {"likely": 6}
    assert said.json["addresses"] == 3
    assert {file["tool"] for file in said.json["files"]} == {"masscan", "nmap"}
    (run,) = portproof("runs", "--workspace", tmp_path, "--format", "json").json
    assert (run["run"], run["state"]) == (said.json["run"], "complete")
    assert run["engagement"] == "imported"
    assert set(run["imported"]) == {path.name for path in HAND}
    assert "imported from hand-masscan.list" in portproof("runs", "--workspace", tmp_path).out


def test_an_imported_run_is_shown_and_reported(portproof: Portproof, tmp_path: Path) -> None:
    portproof("import", *HAND, "--workspace", tmp_path)
    said = portproof("show", "last", "10.80.1.7:80", "--workspace", tmp_path)
    assert said.code == 0
    assert "masscan sent a SYN" in said.out
    assert "nginx" in said.out
    assert portproof("report", "last", "--workspace", tmp_path).code == 0
    page = (the_run(tmp_path) / "report.html").read_text()
    assert "Imported from" in page
    assert "Authorisation</h2>" not in page
    report = the_report(tmp_path)
    assert set(verdicts(report).values()) == {"likely"}
    assert report["run"]["imported"][0]["name"] == "hand-masscan.list"
    assert report["run"]["authorisation"] == {}


def test_provenance_is_kept_with_the_run_and_with_each_task(
    portproof: Portproof, tmp_path: Path
) -> None:
    portproof("import", HERE / "nmap-syn.xml", "--workspace", tmp_path)
    ((argv, evidence, digest),) = ask(tmp_path, "SELECT argv, evidence, evidence_sha256 FROM tasks")
    assert json.loads(argv)[:4] == ["nmap", "-n", "-Pn", "-sS"]
    assert evidence == "nmap-syn.xml"
    assert len(digest) == 64


def test_imports_of_one_engagement_are_compared(portproof: Portproof, tmp_path: Path) -> None:
    here = ("--workspace", tmp_path, "--engagement", "weekly")
    earlier = tmp_path / "earlier.list"
    earlier.write_text(
        "#masscan\nopen tcp 22 10.80.1.7 1795740000\nopen tcp 80 10.80.1.7 1795740000\n"
        "open tcp 9 10.80.1.7 1795740000\nopen tcp 80 10.9.9.9 1795740000\n# end\n"
    )
    portproof("import", earlier, *here)
    portproof("import", HERE / "hand-syn.xml", *here)
    portproof("report", "last", "--workspace", tmp_path)
    found = changes(the_report(tmp_path))
    assert found["10.80.1.7:22"] == "closed"
    assert found["10.80.1.7:9"] == "not-covered"
    assert found["10.9.9.9:80"] == "not-covered"
    assert found["10.80.1.7:11211"] == "newly-covered"
    assert "10.80.1.7:80" not in found


def test_what_was_scanned_can_be_said(portproof: Portproof, tmp_path: Path) -> None:
    here = ("--workspace", tmp_path, "--engagement", "weekly")
    portproof("import", HERE / "hand-syn.xml", *here)
    later = tmp_path / "later.list"
    later.write_text("#masscan\nopen tcp 80 10.80.1.7 1795750000\n# end\n")
    portproof("import", later, *here, "--scanned", "10.80.1.0/28 1-10000")
    portproof("report", "last", "--workspace", tmp_path)
    found = changes(the_report(tmp_path))
    # It was asked and kept silent: nobody can call that closed.
    assert found["10.80.1.1:1080"] == "unreachable"
    assert found["10.80.1.7:11211"] == "not-covered"


def test_without_an_engagement_an_import_is_compared_with_nothing(
    portproof: Portproof, tmp_path: Path
) -> None:
    for name in ("nmap-syn.xml", "hand-syn.xml"):
        portproof("import", HERE / name, "--workspace", tmp_path)
    portproof("report", "last", "--workspace", tmp_path)
    assert the_report(tmp_path)["changes"] is None


def test_a_run_of_ours_is_compared_with_an_import(portproof: Portproof, finished: Path) -> None:
    ((packed, port),) = ask(finished, "SELECT address, port FROM verdicts")
    address = ".".join(map(str, packed))
    later = finished / "later.xml"
    later.write_text(
        '<nmaprun scanner="nmap" args="nmap -sS" start="1800000000" version="7.93">'
        f'<scaninfo type="syn" protocol="tcp" services="{port}"/>'
        f'<host endtime="1800000001"><status state="up"/><address addr="{address}"/><ports>'
        f'<port protocol="tcp" portid="{port}"><state state="closed" reason="reset"/></port>'
        '</ports></host><runstats><finished time="1800000002" exit="success"/></runstats></nmaprun>'
    )
    portproof("import", later, "--engagement", "weekly", "--workspace", finished)
    portproof("report", "last", "--workspace", finished)
    assert changes(the_report(finished)) == {f"{address}:{port}": "closed"}
    assert the_report(finished)["run"]["client"] == "Example Ltd"


def test_nothing_is_sent_for_an_imported_run(portproof: Portproof, tmp_path: Path) -> None:
    portproof("import", HERE / "nmap-sigint.xml", "--workspace", tmp_path)
    run = the_run(tmp_path).name
    said = portproof("resume", run, "--workspace", tmp_path)
    assert said.code == 2
    assert "is complete" in said.err


def test_what_a_file_does_not_tell_is_told(portproof: Portproof, tmp_path: Path) -> None:
    said = portproof("import", HERE / "nmap-sigint.xml", "--workspace", tmp_path)
    assert said.code == 0
    assert "cut off" in said.err
    said = portproof("import", HERE / "masscan-hits.json", "--workspace", tmp_path, "--quiet")
    assert said.err == ""


def test_a_file_that_cannot_be_read_leaves_the_workspace_as_it_was(
    portproof: Portproof, tmp_path: Path
) -> None:
    portproof("import", HERE / "nmap-syn.xml", "--workspace", tmp_path)
    before = ask(tmp_path, "SELECT count(*) FROM observations")
    bomb = tmp_path / "bomb.xml"
    bomb.write_text(
        '<!DOCTYPE nmaprun [<!ENTITY a "aaaa">]>'
        '<nmaprun><host><address addr="10.0.0.1"/></host></nmaprun>'
    )
    for files in ([bomb], [HERE / "nmap-syn.xml", bomb], [tmp_path / "missing.xml"]):
        said = portproof("import", *files, "--workspace", tmp_path)
        assert said.code == 2
        assert str(files[-1]) in said.err
    assert ask(tmp_path, "SELECT count(*) FROM observations") == before
    assert len(ask(tmp_path, "SELECT * FROM runs")) == 1


def test_a_workspace_in_use_takes_no_import(portproof: Portproof, other_run: Path) -> None:
    said = portproof("import", HERE / "nmap-syn.xml", "--workspace", other_run)
    assert said.code == 3
    assert "another run" in said.err
