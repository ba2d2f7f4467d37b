"""import: other tools' files become runs that are shown, reported and compared like any other."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fixtures.captures import HERE
from pipeline.cli import edge
from tests.cli.conftest import Portproof
from tests.cli.ground import ask, changes, the_report, the_run, verdicts

HAND = tuple(HERE / f"hand-{n}" for n in ("masscan.list", "syn.xml", "connect.xml", "version.xml"))


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one import: a scan that somebody made by hand."""
    folder = tmp_path_factory.mktemp("by-hand")
    assert edge.run(["import", *map(str, HAND), "--workspace", str(folder)]) == 0
    return folder


def test_files_become_one_run_with_verdicts(portproof: Portproof, by_hand: Path) -> None:
    (run,) = portproof("runs", "--workspace", by_hand, "--format", "json").json
    assert (run["state"], run["engagement"]) == ("complete", "imported")
    assert set(run["imported"]) == {path.name for path in HAND}
    assert "imported from hand-masscan.list" in portproof("runs", "--workspace", by_hand).out
    assert ask(by_hand, "SELECT kind, count(*) FROM verdicts GROUP BY 1") == [("likely", 6)]
    tasks = ask(by_hand, "SELECT argv, evidence_sha256 FROM tasks WHERE evidence = 'hand-syn.xml'")
    assert {json.loads(argv)[3] for argv, _ in tasks} == {"-sS"}
    assert {len(digest) for _, digest in tasks} == {64}


def test_an_imported_run_is_shown_and_reported(portproof: Portproof, by_hand: Path) -> None:
    said = portproof("show", "last", "10.80.1.7:80", "--workspace", by_hand)
    assert said.code == 0
    assert "masscan sent a SYN" in said.out
    assert "nginx" in said.out
    assert portproof("report", "last", "--workspace", by_hand).code == 0
    page = (the_run(by_hand) / "report.html").read_text()
    assert "Imported from" in page
    assert "Authorisation</h2>" not in page
    report = the_report(by_hand)
    assert set(verdicts(report).values()) == {"likely"}
    assert report["run"]["imported"][0]["name"] == "hand-masscan.list"
    assert report["run"]["authorisation"] == {}
    # Without an engagement it is compared with nothing.
    assert report["changes"] is None


def test_what_no_file_tells_was_not_asked(portproof: Portproof, by_hand: Path) -> None:
    said = portproof("show", "last", "10.80.1.7:9", "--workspace", by_hand)
    assert said.code == 2
    assert "imported from" in said.err


def test_our_own_files_give_back_the_same_verdicts(
    portproof: Portproof, finished: Path, tmp_path: Path
) -> None:
    query = "SELECT address, protocol, port, kind, reason, confidence, service FROM verdicts"
    wanted = ask(finished, query)
    assert wanted
    exported = tmp_path / "run.xml"
    portproof("export", "last", "--workspace", finished, "--output", exported)
    for number, file in enumerate((the_run(finished) / "report.json", exported), 1):
        said = portproof("import", file, "--workspace", tmp_path, "--format", "json")
        assert said.json["files"][0]["tool"] == "portproof"
        # To make them again changes nothing.
        assert portproof("report", "last", "--workspace", tmp_path).code == 0
        assert ask(tmp_path, f"{query} WHERE run = {number}") == wanted


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


def test_what_is_imported_twice_is_told(portproof: Portproof, tmp_path: Path) -> None:
    def said(name: str, *more: str) -> str:
        file = HERE / name
        return portproof("import", file, "-e", "weekly", "--workspace", tmp_path, *more).err

    assert "imported before" not in said("hand-syn.xml")
    assert "imported before" not in said("hand-connect.xml")
    ((first,), _) = ask(tmp_path, "SELECT id FROM runs ORDER BY number")
    assert f"the same was imported before, as run {first}" in said("hand-syn.xml")
    assert said("hand-syn.xml", "--quiet") == ""
    # masscan leaves an empty file whenever it found nothing.
    for _ in range(2):
        assert "imported before" not in said("masscan-empty.ndjson")


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


def test_what_a_file_does_not_tell_is_told(portproof: Portproof, tmp_path: Path) -> None:
    said = portproof("import", HERE / "nmap-sigint.xml", "--workspace", tmp_path)
    assert said.code == 0
    assert "cut off" in said.err
    resumed = portproof("resume", the_run(tmp_path).name, "--workspace", tmp_path)
    assert (resumed.code, "is complete" in resumed.err) == (2, True)
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
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    missing = tmp_path / "missing.xml"
    for files in ([bomb], [HERE / "nmap-syn.xml", bomb], [missing], [pipe], [tmp_path]):
        said = portproof("import", *files, "--workspace", tmp_path)
        assert said.code == 2
        assert str(files[-1]) in said.err
    assert ask(tmp_path, "SELECT count(*) FROM observations") == before
    assert len(ask(tmp_path, "SELECT * FROM runs")) == 1


def test_a_name_that_is_no_text_is_told_all_the_same(portproof: Portproof, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"scan-\xff\x1b[2J.xml")
    odd.write_bytes((HERE / "nmap-syn.xml").read_bytes())
    assert portproof("import", odd, "--workspace", tmp_path).code == 0
    (run,) = portproof("runs", "--workspace", tmp_path, "--format", "json").json
    assert run["imported"] == ["scan-\ufffd\x1b[2J.xml"]
    assert "\x1b" not in portproof("runs", "--workspace", tmp_path).out
    for name in ("", " ", "a\x1b[2Jb"):
        said = portproof("import", odd, "--workspace", tmp_path, "--engagement", name)
        assert (said.code, "is no name" in said.err) == (2, True)


def test_a_workspace_in_use_takes_no_import(portproof: Portproof, other_run: Path) -> None:
    said = portproof("import", HERE / "nmap-syn.xml", "--workspace", other_run)
    assert said.code == 3
    assert "another run" in said.err
