"""A run is complete when its report is delivered, and not a moment before."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Portproof
from tests.cli.ground import Service, ask, engage, the_report, the_run, verdicts
from tests.faults.fakes import Fake

STANDS_IN_THE_WAY = "(Path.cwd().parents[1] / 'report.html').mkdir(exist_ok=True)\nreal()"


def test_a_run_whose_report_cannot_be_written_is_not_complete_and_can_be_resumed(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    fake("nmap", STANDS_IN_THE_WAY)
    path = engage(tmp_path / "w", [service.address], [service.port])
    said = portproof("run", path)
    assert said.code == 2
    report = the_run(path.parent) / "report.html"
    assert f"{report}: cannot write: Is a directory" in said.err
    assert ask(path.parent, "SELECT state FROM runs") == [("incomplete",)]
    report.rmdir()
    again = portproof("resume", "--workspace", path.parent)
    assert again.code == 1
    assert verdicts(the_report(path.parent)) == {service.endpoint: "confirmed"}
    assert the_report(path.parent)["run"]["state"] == "complete"
    assert ask(path.parent, "SELECT state, stopped_because FROM runs") == [("complete", "")]
    assert ask(path.parent, "SELECT max(attempt) FROM tasks") == [(1,)], "nothing is asked twice"


def test_a_half_written_file_of_a_killed_run_is_no_evidence(
    portproof: Portproof, finished: Path
) -> None:
    half = the_run(finished) / ".report.html.x7f3"
    half.write_text("<html>")
    assert portproof("report", "last", "--workspace", finished).code == 0
    assert half.name not in (the_run(finished) / "manifest.json").read_text()


def test_reporting_again_changes_neither_the_run_nor_a_byte_of_its_report(
    portproof: Portproof, finished: Path
) -> None:
    rows = "SELECT state, started, ended, stopped_because FROM runs"
    before = ask(finished, rows), files(the_run(finished))
    assert portproof("report", "last", "--workspace", finished).code == 0
    assert (ask(finished, rows), files(the_run(finished))) == before


def test_reporting_an_unfinished_run_keeps_why_it_stopped(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    fake("nmap", "os.kill(portproof(), signal.SIGINT)\nreal()")
    path = engage(tmp_path / "w", [service.address], [service.port])
    assert portproof("run", path).code == 4
    before = ask(path.parent, "SELECT state, ended, stopped_because FROM runs")
    assert before[0][::2] == ("incomplete", "interrupted")
    assert portproof("report", "last", "--workspace", path.parent).code == 0
    assert ask(path.parent, "SELECT state, ended, stopped_because FROM runs") == before


def files(folder: Path) -> dict[str, bytes]:
    """The content of every file in a folder, but for the record, which hears of everything."""
    record = ("audit.jsonl", "manifest.json", "seal.json")
    found = (p for p in folder.rglob("*.*") if p.name not in record)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}
