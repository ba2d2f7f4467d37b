"""What is told of runs that are over: the list, the evidence, the report again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Portproof
from tests.cli.ground import ask, the_run

KEYS = {"address", "protocol", "port", "verdict", "reason", "confidence", "service"}


@pytest.fixture
def endpoint(finished: Path) -> str:
    """The one that the finished run confirmed."""
    ((packed, port),) = ask(finished, "SELECT address, port FROM verdicts")
    return f"{'.'.join(map(str, packed))}:{port}"


def test_runs_are_listed_for_people_and_for_programs(portproof: Portproof, finished: Path) -> None:
    said = portproof("runs", "--workspace", finished)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0].split() == ["run", "state", "started", "engagement", "note"]
    (run,) = portproof("runs", "--workspace", finished, "--format", "json").json
    assert run["run"] == the_run(finished).name
    assert (run["client"], run["state"], run["stopped_because"]) == ("Example Ltd", "complete", "")
    assert run["run"] in said.out


def test_show_tells_the_evidence_in_order_and_what_it_adds_up_to(
    portproof: Portproof, finished: Path, endpoint: str
) -> None:
    said = portproof("show", "last", "--workspace", finished)
    assert (said.code, said.err) == (0, "")
    places = [
        said.out.index(word)
        for word in (endpoint, "(discovery)", "nmap connect scan", "handshake, ", "=> confirmed")
    ]
    assert places == sorted(places)
    address = endpoint.partition(":")[0]
    for one in (endpoint, f"{endpoint}/tcp", address):
        assert portproof("show", "last", one, "--workspace", finished).out == said.out


def test_show_prints_one_json_document_over_every_endpoint(
    portproof: Portproof, finished: Path, endpoint: str
) -> None:
    said = portproof("show", "last", "--workspace", finished, "--format", "json")
    assert said.code == 0
    assert said.json == json.loads((the_run(finished) / "report.json").read_text())
    assert said.json["run"]["id"] == the_run(finished).name
    (found,) = said.json["endpoints"]
    assert found.keys() >= KEYS
    assert f"{found['address']}:{found['port']}" == endpoint
    assert (found["protocol"], found["verdict"], found["service"]) == ("tcp", "confirmed", None)
    assert 0.9 < found["confidence"] <= 1


def test_show_of_one_endpoint_as_json_has_that_one_alone(
    portproof: Portproof, finished: Path, endpoint: str
) -> None:
    here = ("--workspace", finished, "--format", "json")
    assert len(portproof("show", "last", endpoint, *here).json["endpoints"]) == 1
    said = portproof("show", "last", "127.9.9.9:1", *here)
    assert (said.code, said.out) == (2, "")
    assert "has no verdict on 127.9.9.9:1" in said.err


@pytest.mark.parametrize("reference", ["last~1", "last~x", "20260101T000000Z-0000", "~"])
def test_a_run_that_is_not_there_is_named_with_those_that_are(
    portproof: Portproof, finished: Path, reference: str
) -> None:
    for command in ("show", "report", "resume"):
        said = portproof(command, reference, "--workspace", finished)
        assert (said.code, said.out) == (2, "")
        assert f"there is no run '{reference}'" in said.err
        assert f"write last, last~1 or one of: {the_run(finished).name}" in said.err


def test_report_writes_the_files_of_a_run_again_and_names_them(
    portproof: Portproof, finished: Path
) -> None:
    folder = the_run(finished)
    for name in ("report.html", "report.json", "manifest.json"):
        (folder / name).unlink()
    said = portproof("report", "last", "--workspace", finished)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        str(folder / name) for name in ("report.html", "report.json", "manifest.json")
    ]
    assert all(Path(line).is_file() for line in said.out.splitlines())


def test_report_writes_the_page_elsewhere_when_it_is_told_to(
    portproof: Portproof, finished: Path, tmp_path: Path
) -> None:
    page = tmp_path / "to the client" / "page.html"
    said = portproof("report", "-o", page, "--workspace", finished)
    assert (said.code, said.out) == (0, f"{page}\n")
    assert page.read_bytes() == (the_run(finished) / "report.html").read_bytes()
