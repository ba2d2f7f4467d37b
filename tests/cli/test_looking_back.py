"""What is told of runs that are over: the list, the evidence, the report again."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import time
from pathlib import Path

import pytest

from pipeline.workspace import Workspace
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
        for word in (endpoint, "(discovery)", "nmap made a connection", "confirmed, by the rule")
    ]
    assert places == sorted(places)
    for one in (endpoint, f"{endpoint}/tcp"):
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


@pytest.fixture
def closed(finished: Path, endpoint: str) -> str:
    """The endpoint that the finished run swept, and that refused."""
    ((ports,),) = ask(finished, "SELECT DISTINCT ports FROM batches")
    address, _, port = endpoint.partition(":")
    return f"{address}:{({*ports.split(',')} - {port}).pop()}"


def test_of_an_endpoint_that_was_asked_show_says_by_whom_and_that_nobody_called_it_open(
    portproof: Portproof, finished: Path, closed: str
) -> None:
    here = ("--workspace", finished)
    said = portproof("show", "last", closed, *here)
    assert (said.code, said.err) == (0, "")
    first, second = said.out.splitlines()
    assert first == f"{closed}/tcp"
    assert re.fullmatch(r"  asked by nmap \w+ scan, and nobody called it open", second)
    assert portproof("show", "last", f"{closed}/tcp", *here).out == said.out
    machine = portproof("show", "last", closed, *here, "--format", "json")
    assert (machine.code, machine.json["endpoints"]) == (0, [])
    assert "asked by nmap" in machine.err


def test_of_an_address_without_anything_open_show_says_how_much_of_it_was_asked(
    portproof: Portproof, finished: Path, endpoint: str
) -> None:
    with contextlib.closing(sqlite3.connect(finished / "portproof.db")) as database, database:
        database.execute("DELETE FROM verdicts")
    address = endpoint.partition(":")[0]
    said = portproof("show", "last", address, "--workspace", finished)
    assert said.code == 0
    assert re.search(
        rf"^{address}\n  asked on 2 TCP ports by .*, and nobody called any of them open$",
        said.out,
        re.MULTILINE,
    )


def test_what_a_tool_gave_up_on_does_not_count_as_asked(
    portproof: Portproof, finished: Path, closed: str
) -> None:
    packed = bytes(map(int, closed.partition(":")[0].split(".")))
    with contextlib.closing(sqlite3.connect(finished / "portproof.db")) as database, database:
        database.execute("DELETE FROM verdicts")
        database.execute(
            "INSERT INTO holes (task, address, reason) SELECT number, ?, 'timed out' FROM tasks",
            (packed,),
        )
    for asked in (closed, closed.partition(":")[0]):
        said = portproof("show", "last", asked, "--workspace", finished)
        assert (said.code, said.out) == (2, "")
        assert "did not ask\n  the tools gave up on it" in said.err


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("127.9.9.9:1", "127.9.9.9 is not in the scope of the engagement"),
        ("127.9.9.9", "127.9.9.9 is not in the scope of the engagement"),
        ("[2001:db8::1]:22/udp", "2001:db8::1 is not in the scope of the engagement"),
        ("HERE:1", "the run asks about ports "),
        ("HERE:PORT/udp", "the run asks about ports "),
    ],
)
def test_of_an_endpoint_that_was_not_asked_show_says_why(
    asked: str, why: str, portproof: Portproof, finished: Path, endpoint: str
) -> None:
    address, _, port = endpoint.partition(":")
    asked = asked.replace("HERE", address).replace("PORT", port)
    for format_ in ("text", "json"):
        said = portproof("show", "last", asked, "--workspace", finished, "--format", format_)
        assert (said.code, said.out) == (2, "")
        assert f"has no verdict on {asked}, and did not ask\n  {why}" in said.err


@pytest.mark.parametrize(
    ("asked", "code", "complaint"),
    [
        ("foo.invalid:80", 3, "foo.invalid is not a name of the engagement"),
        ("127.0.0.1:80-", 2, "'80-' is not a port"),
        ("nonsense", 2, "has no port"),
    ],
)
def test_show_says_what_is_wrong_with_an_endpoint(
    asked: str, code: int, complaint: str, portproof: Portproof, finished: Path
) -> None:
    said = portproof("show", "last", asked, "--workspace", finished)
    assert (said.code, said.out) == (code, "")
    assert complaint in said.err


def leave(workspace: Path, state: str, because: str) -> None:
    """Make the finished run one that stopped early."""
    with contextlib.closing(sqlite3.connect(workspace / "portproof.db")) as database, database:
        database.execute("UPDATE runs SET state = ?, stopped_because = ?", (state, because))


@pytest.mark.parametrize("command", ["show", "report"])
@pytest.mark.parametrize(
    ("state", "because", "told"),
    [
        ("incomplete", "the disk is full", "is not finished (the disk is full): this is as far"),
        ("running", "", "is not finished (it was killed, or this machine went down): this is as"),
    ],
)
def test_that_a_run_is_not_finished_is_said_with_how_to_go_on(
    command: str, state: str, because: str, told: str, portproof: Portproof, finished: Path
) -> None:
    leave(finished, state, because)
    said = portproof(command, "last", "--workspace", finished)
    name = the_run(finished).name
    assert said.code == 0
    assert f"run {name} {told}" in said.err
    assert f"  go on with `portproof resume {name} --workspace {finished}`\n" in said.err
    assert "not finished" not in said.out
    machine = portproof("show", "last", "--workspace", finished, "--format", "json")
    assert machine.json["run"]["state"] == state
    assert "is not finished" in machine.err


def test_that_a_run_is_still_running_is_said(portproof: Portproof, finished: Path) -> None:
    leave(finished, "running", "")
    with Workspace(finished).lock(now=time.time()):
        said = portproof("show", "last", "--workspace", finished)
        assert f"run {the_run(finished).name} is still running: this is as far" in said.err
        assert "resume" not in said.err


def test_an_unfinished_run_without_verdicts_is_not_said_to_have_found_nothing(
    portproof: Portproof, finished: Path
) -> None:
    leave(finished, "running", "")
    with contextlib.closing(sqlite3.connect(finished / "portproof.db")) as database, database:
        database.execute("DELETE FROM verdicts")
    assert portproof("show", "--workspace", finished).out == "nothing is decided yet\n"
    leave(finished, "complete", "")
    assert "nothing is known to be open" in portproof("show", "--workspace", finished).out


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
