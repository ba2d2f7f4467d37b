"""Stop, exclude and windows: given while a run goes on, and kept by whoever comes next."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from pipeline.addresses import AddressSet
from pipeline.budget import Budget
from pipeline.cli.conduct import make_plan
from pipeline.engagement import load
from pipeline.executor import NOT_IN_SCOPE, Executor
from pipeline.model import Answer, Method, Protocol, Purpose, StageName, Task
from pipeline.vantage import survey
from tests.cli.conftest import Portproof
from tests.cli.ground import (
    Service,
    ask,
    ended,
    engage,
    run_process,
    spawn,
    the_report,
    verdicts,
    wait_until,
)
from tests.faults.fakes import Fake

HANGS = "(Path.cwd().parents[3] / 'running').touch()\ntime.sleep(60)"


def ics(*spans: tuple[datetime, datetime]) -> str:
    """A calendar with an event for each span."""
    body = "".join(
        f"BEGIN:VEVENT\nUID:{n}\nDTSTAMP:20260101T000000Z\nDTSTART:{a:%Y%m%dT%H%M%SZ}\n"
        f"DTEND:{b:%Y%m%dT%H%M%SZ}\nEND:VEVENT\n"
        for n, (a, b) in enumerate(spans)
    )
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example Ltd//EN\n{body}END:VCALENDAR\n"


def keep_calendar(path: Path, *spans: tuple[float, float]) -> None:
    """Make these spans, in seconds from now, the windows of an engagement."""
    now = datetime.now(UTC)
    moments = [(now + timedelta(seconds=a), now + timedelta(seconds=b)) for a, b in spans]
    part = path.with_name("client.ics.part")
    part.write_text(ics(*moments))
    part.rename(path.with_name("client.ics"))
    if "windows:" not in path.read_text():
        path.write_text(
            path.read_text() + "windows: {calendar: {file: client.ics, are: windows}}\n"
        )


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask the database of a run that may be about to make it."""
    with contextlib.suppress(sqlite3.OperationalError):
        return ask(path.parent, query)
    return []


# --- stop --------------------------------------------------------------------------------------


def test_stop_ends_everything_and_nobody_goes_on_until_it_is_lifted(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    nmap = fake("nmap", HANGS) / "nmap"
    path = engage(tmp_path / "w", [service.address], [service.port])
    where = ("--workspace", path.parent)
    running = spawn("run", path)
    wait_until((path.parent / "running").exists, "the sweep")
    began = time.monotonic()
    said = portproof("stop", "--because", "the client called", *where)
    took = time.monotonic() - began
    assert said.code == 0
    assert "what was running has ended" in said.out
    gone = ended(running)
    assert gone.code == 3
    assert "everything is stopped here: the client called" in gone.err
    # Two seconds for the tools; the rest is the report of what was finished.
    assert took < 15
    nmap.unlink()

    for command in (("run", path), ("resume", *where), ("verify", service.endpoint, "-e", path)):
        refused = portproof(*command)
        assert refused.code == 3, command
        assert "everything is stopped here: the client called" in refused.err
        assert "portproof stop --lift" in refused.err
    assert "the client called" in portproof("check", path).out
    assert service.visitors == 0
    ((state, because),) = ask(path.parent, "SELECT state, stopped_because FROM runs")
    assert (state, "the client called" in because) == ("incomplete", True)
    assert ask(path.parent, "SELECT DISTINCT failures FROM tasks") == [(0,)]

    lifted = portproof("stop", "--lift", "--because", "she called again", *where)
    assert "scanning is allowed again; it was stopped: the client called" in lifted.out
    assert portproof("resume", *where).code == 1
    report = the_report(path.parent)
    assert verdicts(report) == {service.endpoint: "confirmed"}
    assert any("lifted: she called again" in event["text"] for event in report["events"])


def test_a_manual_check_is_stopped_as_well(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    fake("nmap", f"Path({str(tmp_path / 'running')!r}).touch()\ntime.sleep(60)")
    path = engage(tmp_path / "w", [service.address], [service.port])
    running = spawn("verify", service.endpoint, "-e", path)
    wait_until((tmp_path / "running").exists, "the scan")
    path.with_name("portproof.stop").write_text("enough")
    began = time.monotonic()
    said = ended(running)
    assert said.code == 3
    assert "everything is stopped here: enough" in said.err
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("content", ["", "because I say so\nreally\n", "\x1b[31mred"])
def test_a_file_called_portproof_stop_is_enough_whatever_it_holds(
    portproof: Portproof, tmp_path: Path, service: Service, content: str
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    path.with_name("portproof.stop").write_text(content)
    said = portproof("run", path)
    assert said.code == 3
    assert (" ".join(content.split())[:7] or "nobody said why").replace("\x1b", "") in (
        said.err.replace("\\x1b", "")
    )
    assert "\x1b" not in said.err
    assert service.visitors == 0


def test_a_stop_that_cannot_be_read_stops_all_the_same(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    path.with_name("portproof.stop").symlink_to("nowhere")
    assert portproof("run", path).code == 3
    path.with_name("portproof.stop").unlink()
    path.with_name("portproof.stop").mkdir()
    assert portproof("run", path).code == 3


def test_stop_keeps_the_first_reason_and_lifting_nothing_is_a_mistake(
    portproof: Portproof, tmp_path: Path
) -> None:
    where = ("--workspace", tmp_path)
    assert portproof("stop", "--lift", *where).code == 2
    assert "nothing was running" in portproof("stop", "--because", "first", *where).out
    portproof("stop", "--because", "second", *where)
    assert (tmp_path / "portproof.stop").read_text().startswith("first (")
    assert "second (" in (tmp_path / "portproof.stop").read_text()
    assert portproof("stop", "--because", "two\nlines", *where).code == 2


# --- exclude -----------------------------------------------------------------------------------


def test_an_address_is_left_alone_from_the_next_task_on_and_in_later_runs(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    with Service(service.address.rpartition(".")[0] + ".252", service.port) as other:
        path = engage(tmp_path / "w", [service.address, other.address], [service.port])
        ready = path.with_name("excluded")
        waits = f"while not Path({str(ready)!r}).exists(): time.sleep(0.05)"
        fake("nmap", f"if not sweeps():\n    {waits}\nreal()")
        running = spawn("run", path)
        started = "SELECT 1 FROM tasks WHERE attempt > 0"
        wait_until(lambda: len(rows(path, started)) > 1, "the second task")
        said = portproof(
            "exclude", service.address, "--because", "it is a printer", "--workspace", path.parent
        )
        assert said.code == 0
        assert "is left alone from the next task on" in said.out
        ready.touch()
        assert ended(running, within=60).code == 1
        assert service.visitors == 0
        report = the_report(path.parent)
        assert verdicts(report)[other.endpoint] == "confirmed"
        assert verdicts(report)[service.endpoint] == "likely"
        assert any(service.address in gap["what"] for gap in report["coverage"]["gaps"])
        assert "it is a printer" in portproof("check", path).out
        assert portproof("run", path).code == 1
        assert service.visitors == 0
        assert service.endpoint not in verdicts(the_report(path.parent))
        assert any(
            f"excluded by `portproof exclude`: {service.address} (it is a printer" in e["text"]
            for e in the_report(path.parent)["events"]
        )


@pytest.mark.parametrize("wrong", ["www.example.com", "192.0.2.1/99", "", "192.0.2.0/24,1"])
def test_only_addresses_can_be_left_alone(portproof: Portproof, tmp_path: Path, wrong: str) -> None:
    assert portproof("exclude", wrong, "--workspace", tmp_path).code == 2
    assert not (tmp_path / "portproof.exclude").exists()


def test_exclusions_written_by_hand_count_and_mistakes_in_them_refuse_a_run(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    file = path.with_name("portproof.exclude")
    file.write_text("# by hand\nnot an address!")
    said = portproof("run", path)
    assert said.code == 2
    assert "portproof.exclude:2: is neither an address nor a host name" in said.err
    file.write_text(f"127.1.2.3\n{service.address}")
    said = portproof("run", path)
    assert said.code == 3
    assert "nothing is left to ask" in said.err
    portproof("exclude", "192.0.2.0/28", "--workspace", path.parent)
    assert [line.split(" #")[0] for line in file.read_text().splitlines() if line] == [
        "127.1.2.3", service.address, "192.0.2.0/28",
    ]  # fmt: skip
    assert service.visitors == 0


# --- windows -----------------------------------------------------------------------------------


def test_outside_of_the_windows_a_run_is_refused_with_the_time_of_the_next_one(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    opens = datetime.now(UTC) + timedelta(hours=5)
    keep_calendar(path, (5 * 3600, 9 * 3600))
    for command in (("run", path), ("verify", service.endpoint, "-e", path)):
        said = portproof(*command)
        assert said.code == 3
        assert "no window is open; the next one opens" in said.err
    assert f"opens {opens:%Y-%m-%d %H:%M} UTC" in portproof("run", path).err
    assert service.visitors == 0
    assert ask(path.parent, "SELECT count(*) FROM runs") == [(0,)]
    told = portproof("check", path)
    assert told.code == 0
    assert f"from {opens:%Y-%m-%d %H:%M} until" in told.out
    assert "fit into the first of them" in told.out
    document = portproof("check", path, "--format", "json").json
    assert document["windows"]["open"] is False
    assert document["windows"]["windows_needed"] == 1


def test_check_says_when_no_window_is_long_enough_for_a_sweep(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    path.write_text(path.read_text() + "windows: {open: [{hours: 02:00-02:01}]}\n")
    assert "and no window is that long" in portproof("check", path).out
    path.write_text(path.read_text().replace("02:00-02:01", "02:00-06:00"))
    told = portproof("check", path).out
    assert "and no window is that long" not in told
    assert "windows     Mon-Sun 02:00-06:00; on the clock of UTC" in told


def test_a_run_can_wait_for_its_window(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    keep_calendar(path, (1800, 3600))
    running = spawn("run", path, "--wait-for-window")
    wait_until(lambda: ("paused",) in rows(path, "SELECT kind FROM events"), "the pause")
    assert rows(path, "SELECT 1 FROM tasks WHERE attempt > 0") == []
    keep_calendar(path, (-60, 3600))
    said = ended(running)
    assert said.code == 1
    assert "paused: no window is open; the next one opens" in said.err
    assert "continued: a window is open again" in said.err
    report = the_report(path.parent)
    assert verdicts(report) == {service.endpoint: "confirmed"}
    assert report["run"]["limits"]["windows"] == "in busy events of client.ics; on the clock of UTC"


def test_a_window_that_is_shortened_stops_a_run_which_is_resumed_in_the_next(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    nmap = fake("nmap", HANGS) / "nmap"
    path = engage(tmp_path / "w", [service.address], [service.port])
    keep_calendar(path, (-60, 3600))
    running = spawn("run", path)
    wait_until((path.parent / "running").exists, "the sweep")
    keep_calendar(path, (-60, 4), (7200, 9000))
    began = time.monotonic()
    said = ended(running)
    assert time.monotonic() - began < 8
    assert said.code == 4
    assert "engagement: has other windows than before" in said.err
    assert "the window has closed; the next one opens" in said.err
    assert "go on with `portproof resume" in said.err
    assert ask(path.parent, "SELECT DISTINCT state, failures FROM tasks WHERE attempt > 0") == [
        ("planned", 0)
    ]
    nmap.unlink()
    resumed = run_process("resume", "--workspace", path.parent)
    assert resumed.code == 3
    assert "no window is open; the next one opens" in resumed.err
    keep_calendar(path, (-60, 3600))
    assert portproof("resume", "--workspace", path.parent).code == 1
    assert verdicts(the_report(path.parent)) == {service.endpoint: "confirmed"}


def test_blackout_counts_even_if_the_file_has_mistakes_with_it(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    fake("nmap", HANGS)
    path = engage(tmp_path / "w", [service.address], [service.port])
    running = spawn("run", path)
    wait_until((path.parent / "running").exists, "the sweep")
    now = datetime.now(UTC)
    days = f"{now - timedelta(days=1):%Y-%m-%d} to {now + timedelta(days=1):%Y-%m-%d}"
    path.write_text(path.read_text() + f"wrong: key\nwindows: {{blackout: [{days}]}}\n")
    said = ended(running)
    assert said.code == 4
    assert "wrong: is not a key here" in said.err
    assert "the window has closed" in said.err


@pytest.mark.parametrize(
    ("method", "looks"),
    [
        (Method.NMAP_CONNECT, 0),
        (Method.HANDSHAKE, 0),
        pytest.param(Method.NMAP_CONNECT, 1, id="while its files are laid out"),
    ],
)
def test_a_task_is_sent_without_what_was_excluded_after_it_had_been_planned(
    tmp_path: Path, service: Service, method: Method, looks: int
) -> None:
    with Service(service.address.rpartition(".")[0] + ".253", service.port) as other:
        path = engage(tmp_path / "w", [service.address, other.address], [service.port])
        plan = make_plan(load(path), None, now=time.time())
        out = AddressSet.parse([service.address])
        scopes = chain(repeat(plan.scope, looks), repeat(plan.scope.without([out])))
        executor = Executor(
            policy=plan.policy,
            scope=lambda: next(scopes),
            programs=survey().programs,
            excluded=plan.excluded,
            seed=1,
        )
        task = Task(
            batch=1,
            stage=StageName.CORROBORATE,
            method=method,
            purpose=Purpose.NAMED,
            targets=plan.scope.targets(),
            protocol=Protocol.TCP,
            ports=plan.policy.ports,
        )
        lease = Budget(plan.policy.ceilings, time.monotonic).lease(executor.demand(task))
        assert lease is not None

        async def ask_both() -> Answer:
            return await executor.carry_out(
                task, lease, tmp_path / "task", stop=asyncio.Event(), on_progress=lambda _: None
            )

        answer = asyncio.run(ask_both())
        assert answer.complete
        assert [str(o.endpoint.address) for o in answer.observations] == [other.address]
        assert [(str(h.address), h.reason) for h in answer.holes] == [
            (service.address, NOT_IN_SCOPE)
        ]
        assert service.visitors == 0
        assert other.visitors > 0
