"""An address that is excluded while a run goes on is sent nothing more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Portproof
from tests.cli.ground import Service, engage, the_report, verdicts
from tests.faults.fakes import Fake

WHEN_NAMED = """
if method() == "nmap-syn" and not sweeps():
    path = Path(FILE)
    path.write_text(path.read_text().replace(BEFORE, AFTER, 1))
real()
"""
"""Edits a file while the SYN scan runs; the connect scan and the handshake come after it."""


def edit(file: Path, before: str, after: str) -> str:
    return f"FILE, BEFORE, AFTER = {str(file)!r}, {before!r}, {after!r}\n{WHEN_NAMED}"


def test_an_address_that_is_excluded_during_a_run_is_not_asked_any_more(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    with Service(service.address.rpartition(".")[0] + ".251", service.port) as other:
        path = engage(tmp_path / "w", [service.address, other.address], [service.port])
        fake("nmap", edit(path, "exclude: []", f"exclude: [{service.address}]"))
        said = portproof("run", path)
        assert service.visitors == 0
        assert other.visitors > 0
    assert said.code == 1
    report = the_report(path.parent)
    events = [(event["kind"], event["text"]) for event in report["events"]]
    assert ("engagement", "excludes 1 more addresses than before") in events
    assert any(service.address in gap["what"] for gap in report["coverage"]["gaps"])
    left_out = {hole["address"] for hole in report["coverage"]["holes"]}
    assert left_out == {service.address}
    assert verdicts(report) == {service.endpoint: "likely", other.endpoint: "confirmed"}


@pytest.mark.parametrize("also", ["", "canaries: [CANARY]\n"], ids=["empty", "canary"])
def test_an_exclusion_counts_even_if_the_file_has_mistakes_with_it(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake, also: str
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    path.write_text(path.read_text() + also.replace("CANARY", service.endpoint))
    after = f"exclude: [nonsense/99, {service.address}]\nwrong: key"
    fake("nmap", edit(path, "exclude: []", after))
    said = portproof("run", path)
    assert service.visitors == 0
    assert f"refused: task 3 was not sent: {service.address} is excluded" in said.err
    assert "engagement: cannot be read as it is now" in said.err
    assert "wrong: is not a key here" in said.err
    assert said.code == 1


def test_an_exclusion_counts_that_is_added_to_a_list_beside_the_engagement(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    path.write_text(path.read_text().replace("exclude: []", "exclude: [{file: out.txt}]"))
    out = path.with_name("out.txt")
    out.write_text("# never\n127.1.2.3\n")
    fake("nmap", edit(out, "# never\n", f"# never\n{service.address}\n"))
    said = portproof("run", path)
    assert service.visitors == 0
    assert f"refused: task 3 was not sent: {service.address} is excluded" in said.err


def test_while_the_file_is_no_engagement_at_all_the_last_good_one_holds(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    fake("nmap", edit(path, path.read_text(), "half an edi: ["))
    said = portproof("run", path)
    assert said.code == 1
    assert "engagement: cannot be read as it is now" in said.err
    assert service.visitors > 0
    assert verdicts(the_report(path.parent)) == {service.endpoint: "confirmed"}


def test_a_name_that_is_excluded_during_a_run_is_told_to_be_of_no_effect(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    fake("nmap", edit(path, "exclude: []", "exclude: [www.example.com]"))
    said = portproof("run", path)
    assert "excludes www.example.com by name: names are looked up when a run starts" in said.err
