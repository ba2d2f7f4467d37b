"""Runs that are measured by a baseline: a run that was set, or a list of expected ports."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Portproof
from tests.cli.ground import Service, a_free_port, ask, engage, the_run


def add(path: Path, text: str) -> None:
    """Add keys to an engagement."""
    path.write_text(path.read_text() + text)


def newest(workspace: Path) -> Path:
    return sorted((workspace / "runs").iterdir())[-1]


@pytest.fixture
def confirmed(finished: Path) -> str:
    """The endpoint that the finished run confirmed; by now nobody listens there."""
    ((packed, port),) = ask(finished, "SELECT address, port FROM verdicts")
    return f"{'.'.join(map(str, packed))}:{port}"


def test_a_run_is_set_as_the_baseline_and_shown_and_cleared(
    portproof: Portproof, finished: Path
) -> None:
    here = ("--workspace", finished)
    assert portproof("baseline", "show", *here).out == "no run has been set as a baseline\n"
    run = the_run(finished).name
    said = portproof("baseline", "set", "last", *here)
    assert (said.code, said.out) == (0, f"{run}\n")
    assert run in portproof("baseline", "show", *here).out
    (row,) = portproof("baseline", "show", *here, "--format", "json").json
    assert (row["engagement"], row["run"]) == ("weekly", run)
    assert portproof("baseline", "clear", *here).out == "weekly\n"
    assert portproof("baseline", "show", *here, "--format", "json").json == []
    said = portproof("baseline", "clear", *here)
    assert (said.code, "no run has been set as a baseline" in said.err) == (2, True)


def test_a_run_that_is_not_complete_is_no_baseline(portproof: Portproof, finished: Path) -> None:
    with closing(sqlite3.connect(finished / "portproof.db")) as connection, connection:
        connection.execute("UPDATE runs SET state = 'incomplete'")
    said = portproof("baseline", "set", "last", "--workspace", finished)
    assert said.code == 2
    assert "is not complete" in said.err


def test_where_no_baseline_was_set_nothing_is_compared_with_it(
    portproof: Portproof, finished: Path
) -> None:
    said = portproof("diff", "baseline", "last", "--workspace", finished)
    assert said.code == 2
    assert "no run has been set as a baseline" in said.err


def test_without_any_baseline_a_run_against_it_asks_nobody(
    portproof: Portproof, finished: Path
) -> None:
    said = portproof("run", finished / "engagement.yml", "--baseline")
    assert said.code == 2
    assert "has no baseline" in said.err
    assert len(ask(finished, "SELECT * FROM runs")) == 1
    assert portproof("report", "--baseline", "--workspace", finished).code == 2


def test_a_run_against_a_run_is_compared_with_that_one_and_not_with_the_one_before(
    portproof: Portproof, finished: Path, confirmed: str
) -> None:
    engagement = finished / "engagement.yml"
    assert portproof("baseline", "set", "last", "--workspace", finished).code == 0
    first = the_run(finished).name
    for _ in range(2):  # the second one differs from the baseline, and not from the first
        said = portproof("run", engagement, "--baseline", "--quiet", "--format", "json")
        assert said.code == 1
        assert said.json["changes"]["against"] == said.json["baseline"]["run"] == first
        (change,) = said.json["changes"]["changes"]
        assert (f"{change['address']}:{change['port']}", change["kind"]) == (confirmed, "closed")
    assert "Compared with the baseline, run" in (newest(finished) / "report.html").read_text()
    said = portproof("run", engagement, "--quiet", "--format", "json")
    assert (said.code, said.json["changes"]["changes"]) == (0, [])
    said = portproof("diff", "baseline", "last~1", "--workspace", finished, "--format", "json")
    assert said.code == 1, said.err
    assert [change["kind"] for change in said.json["changes"]] == ["closed"]
    purged = portproof("purge", "--older-than", "0s", "--workspace", finished, "--format", "json")
    assert first not in [run["run"] for run in purged.json["runs"]]
    assert purged.json["runs"]


def test_a_run_against_a_list_acts_on_what_the_engagement_cares_about(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    refused, unasked = a_free_port(service.address), 9
    path = engage(tmp_path, [service.address], [service.port, refused])
    add(path, "baseline: expected.csv\n")
    (tmp_path / "expected.csv").write_text(
        f'address,ports\n{service.address},"{service.port},{refused},{unasked}"\n'
    )
    said = portproof("run", path, "--baseline", "--quiet", "--format", "json")
    assert said.code == 1
    told = {c["port"]: (c["kind"], c["reason"]) for c in said.json["baseline"]["changes"]}
    assert told == {refused: ("closed", "refused"), unasked: ("not-covered", "not-asked")}
    assert said.json["baseline"]["expected"]["file"] == "expected.csv"
    assert "deviation: expected.csv: 1 closed, 1 not-covered" in said.err
    assert f"{service.address}:{refused}/tcp closed: expected; refused" in said.err
    page = (newest(tmp_path) / "report.html").read_text()
    assert "expected; refused" in page
    add(path, "act_on: [opened, reappeared]\n")
    assert portproof("run", path, "--baseline", "--quiet").code == 0
    assert portproof("run", path, "--quiet").code == 0


def test_a_stored_run_is_held_against_a_list_that_was_written_later(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    refused = a_free_port(service.address)
    path = engage(tmp_path, [service.address], [service.port, refused])
    assert portproof("run", path, "--quiet").code == 1
    assert "baseline" not in json.loads((newest(tmp_path) / "report.json").read_text())
    add(path, "baseline: expected.yml\n")
    (tmp_path / "expected.yml").write_text(
        f"expected:\n  - {{address: {service.address}, ports: {refused}}}\n"
    )
    said = portproof("report", "last", "--baseline", "--workspace", tmp_path)
    assert said.code == 0, said.err
    report = json.loads((newest(tmp_path) / "report.json").read_text())
    told = {c["port"]: (c["kind"], c["reason"]) for c in report["baseline"]["changes"]}
    # The sweep was refused there; nobody had expected anything then, so there is no verdict.
    assert told[refused] == ("closed", "refused")
    assert told[service.port][0] == "opened"
    assert "open, and not expected" in (newest(tmp_path) / "report.html").read_text()
