"""``portproof history``: what became of an endpoint, over all runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.ledger import Ledger
from pipeline.model import Endpoint, RunState, Service, VerdictKind
from pipeline.store.runs import Store
from tests.cli.conftest import Portproof
from tests.decide.making import PLAN, PROBED, START, batch, endpoints, sweep, verdict

WEEK = 7 * 86_400
SSH, WEB, OTHER = endpoints("192.0.2.7:22", "192.0.2.7:80", "192.0.2.9:22")
HOSTILE = Service(name="\x1b[2J<b>\u202e", product="\x07bell\nline", method="probed")
CONFIRMED, LIKELY = VerdictKind.CONFIRMED, VerdictKind.LIKELY
Found = dict[Endpoint, tuple[VerdictKind, Service | None]]


def week(store: Store, place: int, found: Found, asked: Sequence[str] = ("192.0.2.7",)) -> None:
    """A complete run."""
    run = store.create_run(PLAN, run_id=f"week-{place}", now=START + place * WEEK)
    ledger = Ledger(store, run)
    ledger.add_batches([batch("192.0.2.0/28")])
    if asked:
        ledger.file([sweep(*asked)])
        (record,) = ledger.tasks()
        attempt = ledger.start(record.number, argv=(), rate=None, evidence="", now=START)
        assert ledger.settle(record.number, attempt, observations=(), now=START)
    said = [verdict(kind, where, service=service) for where, (kind, service) in found.items()]
    store.save_verdicts(run.number, said)
    store.set_state(run.number, RunState.COMPLETE, now=START + place * WEEK)


def cells(line: str) -> list[str]:
    """What stands in the columns of a row, without the empty ones."""
    return re.split(" {2,}", line.strip())


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Five weeks: SSH throughout, though week 1 did not look; the web came, and went."""
    with Store(tmp_path / "portproof.db") as store:
        week(store, 0, {SSH: (LIKELY, None)})
        week(store, 1, {}, asked=())
        week(store, 2, {SSH: (LIKELY, None), WEB: (CONFIRMED, HOSTILE)})
        week(store, 3, {SSH: (CONFIRMED, PROBED)})
        week(store, 4, {}, asked=())
    return tmp_path


def test_an_endpoint_is_shown_spell_by_spell_with_the_runs_that_did_not_look(
    portproof: Portproof, workspace: Path
) -> None:
    said = portproof("history", "192.0.2.7:22", "--workspace", workspace)
    assert (said.code, said.err) == (0, "")
    first, columns, *rows, _ = said.out.splitlines()
    assert first == "weekly-perimeter: 5 complete runs, 2026-11-03 02:00 to 2026-12-01 02:00 UTC"
    assert cells(columns) == ["endpoint", "from", "to", "found", "service", "looks", "not covered"]
    begin, end = "2026-11-03 02:00", "2026-11-17 02:00"
    assert list(map(cells, rows)) == [
        ["192.0.2.7:22/tcp", begin, end, "likely", "2 of 3", "2026-11-10 02:00"],
        ["2026-11-24 02:00", "2026-11-24 02:00", "confirmed", "ssh OpenSSH 9.2", "1 of 1"],
        ["2026-12-01 02:00", "2026-12-01 02:00", "not covered", "0 of 1"],
    ]


@pytest.mark.parametrize("name", ["192.0.2.7", "www.example.test"])
def test_a_host_is_shown_with_all_its_endpoints(
    portproof: Portproof, workspace: Path, name: str
) -> None:
    said = portproof("history", name, "--workspace", workspace)
    assert said.code == 0
    rows = said.out.splitlines()[2:]
    assert [row.split()[0] for row in rows if row.startswith("192")] == [
        "192.0.2.7:22/tcp",
        "192.0.2.7:80/tcp",
    ]
    assert sum("not open" in row for row in rows) == 1


def test_the_history_as_json_names_the_runs(portproof: Portproof, workspace: Path) -> None:
    told = portproof("history", "192.0.2.7:80", "--workspace", workspace, "--format", "json").json
    assert (told["format"], told["asked"]) == (1, "192.0.2.7:80")
    (engagement,) = told["engagements"]
    assert [run["run"] for run in engagement["runs"]] == [f"week-{place}" for place in range(5)]
    (found,) = engagement["endpoints"]
    assert found["first_seen"] == "2026-11-17T02:00:00.000Z"
    opened, shut = found["spells"]
    assert (opened["verdict"], opened["service"]) == ("confirmed", HOSTILE.label)
    assert (opened["from"]["run"], opened["to"]["run"], opened["looks"]) == ("week-2", "week-2", 1)
    assert (shut["verdict"], shut["from"]["run"]) == (None, "week-3")
    assert shut["not_covered_after"] == ["week-4"]
    ssh = portproof("history", "192.0.2.7:22", "--workspace", workspace, "--format", "json").json
    assert ssh["engagements"][0]["endpoints"][0]["spells"][0]["not_covered"] == ["week-1"]


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_hostile_service_cannot_disturb_a_terminal(
    portproof: Portproof, workspace: Path, output: str
) -> None:
    said = portproof("history", "192.0.2.7", "--workspace", workspace, "--format", output)
    assert said.code == 0
    assert all(character.isprintable() or character == "\n" for character in said.out)
    assert "bell" in said.out


def test_what_nobody_called_open_is_told_with_who_asked(
    portproof: Portproof, workspace: Path
) -> None:
    said = portproof("history", "192.0.2.7:443", "--workspace", workspace)
    assert (said.code, said.out) == (
        0,
        "192.0.2.7:443/tcp\n  weekly-perimeter: asked by 3 of 5 complete runs, and nobody ever "
        "called it open\n",
    )
    machine = portproof("history", "192.0.2.7:443", "--workspace", workspace, "--format", "json")
    assert (machine.code, machine.json["engagements"]) == (0, [])
    assert machine.err == said.out


def test_what_nobody_asked_about_is_an_error_that_says_so(
    portproof: Portproof, workspace: Path
) -> None:
    said = portproof("history", "192.0.2.9", "--workspace", workspace)
    assert (said.code, said.out) == (2, "")
    assert "no complete run on file has asked about '192.0.2.9'" in said.err


def test_only_the_engagement_that_is_wanted_is_shown(portproof: Portproof, workspace: Path) -> None:
    with Store(workspace / "portproof.db") as store:
        other = store.create_run(replace(PLAN, engagement="other"), run_id="o", now=START)
        store.save_verdicts(other.number, [verdict(CONFIRMED, SSH)])
        store.set_state(other.number, RunState.COMPLETE, now=START)
    here = ("history", "192.0.2.7:22", "--workspace", workspace)
    both = portproof(*here)
    assert both.out.count("endpoint ") == 2
    one = portproof(*here, "--engagement", "other")
    assert one.out.startswith("other: 1 complete run, ")
    missing = portproof(*here, "--engagement", "third")
    assert missing.code == 2
    assert "write one of: weekly-perimeter, other" in missing.err
