"""When runs begin, and what is said of those that did not."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from pipeline.engagement.values import Hours
from pipeline.model import RunState
from pipeline.scheduling.missed import troubles
from pipeline.scheduling.standing import standing, standing_metrics
from pipeline.scheduling.times import Schedule, Start, due, earlier, parse_schedule, schedule_of
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from pipeline.windows import Weekly
from tests.cli.ground import Said

Portproof = Callable[..., Said]
WEEKLY = parse_schedule("mon 22:00 UTC")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def hours(*weekly: Weekly) -> Hours:
    zone = ZoneInfo("Europe/Berlin")
    return Hours(zone=zone, weekly=weekly, blackout=(), holidays=None, calendar=None)


@pytest.fixture
def run(finished: Path) -> RunRecord:
    """A run that began on Monday the 2nd at 22:00, and took an hour."""
    with Store(finished / "portproof.db") as store:
        found = store.run("last")
    return replace(found, started=at("2026-11-02T22:00:03"), ended=at("2026-11-02T23:00"))


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.integers(0, 1439), st.sets(st.integers(0, 6), min_size=1), min_size=1, max_size=6
    )
)
def test_a_schedule_is_read_as_it_was_written(found: dict[int, set[int]]) -> None:
    starts = tuple(sorted(Start(minute, tuple(sorted(days))) for minute, days in found.items()))
    schedule = Schedule(starts, ZoneInfo("Europe/Berlin"))
    assert parse_schedule(str(schedule)) == schedule


@pytest.mark.parametrize("text", ["", "22:00", "mon UTC", "mon 24:00 UTC", "x 10:00 UTC", "9 UTC"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|is no"):
        parse_schedule(text)


def test_a_run_begins_when_a_window_opens_and_not_when_one_goes_on() -> None:
    week = frozenset(range(4))
    found = schedule_of(
        hours(Weekly(days=week, begin=1320, end=300), Weekly(days=frozenset({5, 6})))
    )
    assert str(found) == "sat 00:00; mon-thu 22:00 Europe/Berlin"
    assert str(schedule_of(hours(Weekly(days=frozenset(range(7)))))) == "mon 00:00 Europe/Berlin"
    assert schedule_of(None) is None
    assert schedule_of(hours()) is None


def test_runs_that_wait_after_their_notice_begin_so_much_earlier() -> None:
    found = parse_schedule("mon,thu 00:30; sat 06:00 Europe/Berlin")
    assert str(earlier(found, 3600)) == "sat 05:00; wed,sun 23:30 Europe/Berlin"
    assert str(earlier(found, 61)) == "mon,thu 00:28; sat 05:58 Europe/Berlin"
    assert earlier(found, 7 * 86400) == earlier(found, 0) == found


def test_a_change_of_the_clocks_neither_adds_a_run_nor_moves_one() -> None:
    night = parse_schedule("sun 02:30 Europe/Berlin")
    autumn = due(night, at("2026-10-24T00:00"), at("2026-10-26T00:00"))
    assert autumn == (at("2026-10-25T00:30"),)
    assert due(night, at("2027-03-27T12:00"), at("2027-03-28T12:00")) == ()  # there is no 02:30
    evening = parse_schedule("22:00 Europe/Berlin")
    found = due(evening, at("2026-10-24T12:00"), at("2026-10-26T12:00"))
    assert found == (at("2026-10-24T20:00"), at("2026-10-25T21:00"))


def test_a_run_that_is_on_time_has_nothing_to_tell(run: RunRecord) -> None:
    assert troubles([run], WEEKLY, at("2026-11-09T22:00:02")) == ()
    assert troubles([run], WEEKLY, at("2026-11-05T10:00")) == ()
    assert troubles([], WEEKLY, at("2026-11-05T10:00")) == ()


def test_a_missed_run_is_told_by_the_next(run: RunRecord) -> None:
    found = troubles([run], WEEKLY, at("2026-11-23T22:00:01"))
    assert found == ("2 scheduled runs did not take place: 2026-11-09 22:00, 2026-11-16 22:00 UTC",)


def test_a_late_run_says_so(run: RunRecord) -> None:
    found = troubles([run], WEEKLY, at("2026-11-10T06:00"))
    assert found == ("this run was due 2026-11-09 22:00 UTC, and began 8 h later",)


def test_a_run_that_was_passed_over_by_a_long_one_is_not_called_missed(run: RunRecord) -> None:
    long = replace(run, ended=at("2026-11-10T03:00"))
    found = troubles([long], WEEKLY, at("2026-11-16T22:00"))
    assert len(found) == 1
    assert found[0].startswith(f"1 scheduled run passed over while run {run.id} was going on")


def test_a_run_that_failed_is_told_by_the_next(run: RunRecord) -> None:
    failed = replace(run, state=RunState.INCOMPLETE, stopped_because="the \x1b disk is full")
    found = troubles([failed], WEEKLY, at("2026-11-09T22:00"))
    assert len(found) == 1
    assert "did not come to its end: the \\x1b disk is full" in found[0]


def test_a_recent_and_complete_run_is_well_and_nothing_else_is(run: RunRecord) -> None:
    def problem(*runs: RunRecord, now: str, going_on: bool = False) -> str:
        found = standing(runs, now=at(now), max_age=8 * 86400, going_on=going_on)
        assert found is not None
        return found.problem

    running = replace(run, state=RunState.RUNNING, ended=None, started=at("2026-11-09T22:00"))
    assert problem(run, now="2026-11-09T23:00") == ""
    assert "old" in problem(run, now="2026-11-12T00:00")
    assert problem(run, running, now="2026-11-09T23:00", going_on=True) == ""
    assert "killed" in problem(run, running, now="2026-11-09T23:00")
    assert "no run has been complete" in problem(running, now="2026-11-09T23:00", going_on=True)
    assert "future" in problem(run, now="2026-11-01T00:00")


def test_a_name_cannot_break_out_of_a_label(run: RunRecord) -> None:
    plan = replace(run.plan, engagement='a"} 1\nevil{x="\\')
    found = standing([replace(run, plan=plan)], now=run.started + 7200, max_age=1e9, going_on=False)
    assert found is not None
    lines = standing_metrics([found]).splitlines()
    assert not any(line.startswith("evil") for line in lines)
    assert 'portproof_well{engagement="a\\"} 1\\nevil{x=\\"\\\\"} 1' in lines


def test_status_tells_people_and_machines(portproof: Portproof, finished: Path) -> None:
    metrics = finished / "metrics" / "portproof.prom"
    said = portproof("status", "--workspace", finished, "--prometheus", metrics)
    assert said.code == 0
    assert said.out.startswith("well")
    assert metrics.stat().st_mode & 0o777 == 0o644
    families = text_string_to_metric_families(metrics.read_text())
    assert "portproof_well" in {family.name for family in families}
    late = portproof("status", "--workspace", finished, "--max-age", "1ms", "--format", "json")
    assert late.code == 1
    assert json.loads(late.out)["well"] is False
    assert portproof("status", "--workspace", finished, "--engagement", "x").code == 2


def test_schedule_writes_checks_and_says_when(portproof: Portproof, finished: Path) -> None:
    file = finished / "engagement.yml"
    without = portproof("schedule", file)
    assert without.code == 2
    assert "--at" in without.err
    for kind in ("systemd", "cron", "github", "gitlab", "kubernetes"):
        said = portproof(
            *("schedule", file, "--as", kind, "--at", "mon 22:00", "--timezone", "Europe/Berlin"),
            *("--output", finished / kind, "--image", "example/portproof:1"),
            *("--command", "/bin/true"),
        )
        assert said.code == 0, said.err
        assert "runs begin mon 22:00 Europe/Berlin" in said.out
        assert list((finished / kind).iterdir())


def test_the_wait_after_a_notice_costs_no_window_its_first_hour(
    portproof: Portproof, finished: Path
) -> None:
    file = finished / "engagement.yml"
    window = "windows: {timezone: Europe/Berlin, open: [{days: mon-fri, hours: 22:00-05:00}]}\n"
    mail = "{server: localhost, sender: a@example.com, to: [b@example.com]}"
    notices = f"notices: {{mail: {mail}, lead: 1h}}\n"
    file.write_text(file.read_text() + window + notices)
    how = ("schedule", file, "--as", "cron", "--output", finished / "out")
    said = portproof(*how)
    assert "runs begin mon-fri 21:00 Europe/Berlin" in said.out, said.err
    assert "each sends nothing for 1 h after its notice, and then its window opens" in said.out
    said = portproof(*how, "--at", "mon 22:00")
    assert "runs begin mon 22:00 Europe/Berlin" in said.out
    assert "see that its window is still open then" in said.out
    said = portproof("check", file)
    assert "a run sends nothing for 1 h after it, so begin it so much before" in said.out
    file.write_text(file.read_text().replace("lead: 1h", "lead: 1h, on: [finished]"))
    assert "runs begin mon-fri 22:00 Europe/Berlin" in portproof(*how).out


def test_a_run_has_what_was_missed_in_report_and_record(
    portproof: Portproof, finished: Path
) -> None:
    with sqlite3.connect(finished / "portproof.db") as database:
        database.execute("update runs set started = started - 1e6, ended = ended - 1e6")
    database.close()
    file = finished / "engagement.yml"
    said = portproof("run", file, "--scheduled", "daily 1:00 UTC", "--quiet")
    assert said.code == 2
    said = portproof("run", file, "--scheduled", "00:00 UTC", "--quiet", "--format", "json")
    assert said.code in (0, 1), said.err
    newest = max((finished / "runs").iterdir())
    for name in ("report.html", "report.json", "audit.jsonl"):
        assert "scheduled runs did not take place" in (newest / name).read_text(), name
