"""The record is written line by line, survives every crash, and is one chain from end to end."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.audit import telling
from pipeline.audit.chain import Head, canonical, genesis, read_chain
from pipeline.audit.trail import (
    SYNC_EVERY,
    TASK_ENDED,
    TASK_STARTED,
    Operator,
    Trail,
    opened,
    this_operator,
)
from pipeline.errors import DiskFull, Error, WorkspaceBusy
from pipeline.ledger import Ledger
from pipeline.model import Method, Purpose, StageName, TaskState
from pipeline.store.runs import Store
from tests.decide.making import PLAN, START, batch, task

WHO = Operator(user="alice", uid=1000, host="scanner", sudo="bob")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


Record = Callable[[], contextlib.AbstractContextManager[Trail]]


@pytest.fixture
def heads() -> list[Head]:
    """Every head that was kept."""
    return []


@pytest.fixture
def record(tmp_path: Path, clock: Clock, heads: list[Head]) -> Record:
    """Opens the record of one run."""

    def open_() -> contextlib.AbstractContextManager[Trail]:
        return opened(
            tmp_path / "run",
            run="one",
            plan_sha256="ab",
            operator=WHO,
            now=clock,
            keep_head=heads.append,
        )

    return open_


def data(tmp_path: Path) -> bytes:
    return (tmp_path / "run" / "audit.jsonl").read_bytes()


def test_the_first_line_follows_the_run_and_each_other_one_the_line_before_it(
    tmp_path: Path, record: Record
) -> None:
    with record() as trail:
        trail.add("begun", {"run": "one", "plan_sha256": "ab"})
        trail.add("event", {"text": "Grüße\n\u2028"})
    chain = read_chain(data(tmp_path))
    assert chain.problems == ()
    assert chain.heads[0] == genesis("one", "ab") != genesis("two", "ab")
    first, second = chain.lines
    assert first is not None
    assert second is not None
    assert (first.previous, second.previous) == (chain.heads[0], chain.heads[1])
    assert second.facts == {"text": "Grüße\n\u2028"}
    assert second.operator == {"host": "scanner", "uid": 1000, "user": "alice", "sudo": "bob"}
    assert second.time == "2026-11-03T02:00:00.000000Z"
    assert data(tmp_path).isascii()


def test_a_record_that_is_opened_again_is_gone_on_with(tmp_path: Path, record: Record) -> None:
    for kind in ("begun", "resumed", "reported"):
        with record() as trail:
            trail.add(kind, {"run": "one", "plan_sha256": "ab"})
    chain = read_chain(data(tmp_path))
    assert chain.problems == ()
    assert [line and line.kind for line in chain.lines] == ["begun", "resumed", "reported"]


@pytest.mark.parametrize("left", [1, 40, 200])
def test_half_a_line_that_a_crash_left_is_cut_off_and_told(
    tmp_path: Path, record: Record, left: int
) -> None:
    with record() as trail:
        trail.add("begun", {"run": "one", "plan_sha256": "ab"})
        trail.add("event", {"text": "x" * 100})
    path = tmp_path / "run" / "audit.jsonl"
    first, second = data(tmp_path).splitlines(keepends=True)
    path.write_bytes(first + second[:left])
    assert read_chain(data(tmp_path)).torn == second[:left]
    with record() as trail:
        assert trail.torn["bytes"] == left
        assert second.startswith(str(trail.torn["text"]).encode())
        trail.add("resumed", {})
    chain = read_chain(data(tmp_path))
    assert (chain.problems, chain.torn, len(chain.lines)) == ((), b"", 2)


def test_two_processes_do_not_write_one_record(record: Record) -> None:
    with record(), pytest.raises(WorkspaceBusy), record():
        pass


def test_where_the_record_stands_is_kept_once_it_is_on_the_disk_and_not_at_every_line(
    record: Record, clock: Clock, heads: list[Head]
) -> None:
    with record() as trail:
        for _ in range(5):
            trail.add("event", {})
            trail.settle()
        assert [head.lines for head in heads] == [1]
        clock.time += SYNC_EVERY
        trail.settle()
        assert [head.lines for head in heads] == [1, 5]
        clock.time -= 3600  # somebody sets the clock
        trail.add("event", {})
        trail.settle()
        assert [head.lines for head in heads] == [1, 5, 6]
        trail.add("event", {})
    assert heads[-1] == trail.head
    assert heads[-1].lines == 7


@pytest.fixture
def small_files() -> Iterator[Callable[[int], None]]:
    """Sets how large a file may become."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_line_that_cannot_be_written_leaves_no_half_of_it(
    tmp_path: Path, record: Record, small_files: Callable[[int], None]
) -> None:
    with record() as trail:
        trail.add("begun", {"run": "one", "plan_sha256": "ab"})
        before = data(tmp_path)
        small_files(len(before) + 10)
        with pytest.raises(Error, match=os.strerror(errno.EFBIG)) as caught:
            trail.add("event", {"text": "x" * 100})
        assert not isinstance(caught.value, DiskFull)
        assert data(tmp_path) == before
        small_files(1 << 20)
        trail.add("event", {})
    assert read_chain(data(tmp_path)).problems == ()


@settings(max_examples=30)
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_there_is_one_way_to_write_a_line(facts: dict[str, object]) -> None:
    once = canonical(facts)
    assert canonical(json.loads(once)) == once
    assert b"\n" not in once


def test_the_operator_is_who_runs_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "carol")
    who = this_operator()
    assert (who.uid, who.host, who.sudo) == (os.getuid(), os.uname().nodename, "carol")


def test_what_a_crash_kept_out_of_the_record_is_told_again_from_the_ledger(
    tmp_path: Path, record: Record
) -> None:
    with Store(tmp_path / "portproof.db") as store:
        run = store.create_run(PLAN, run_id="one", now=START)
        before = Ledger(store, run)
        before.add_batches([batch()])
        before.file([task(Method.NMAP_SYN)])
        before.start(1, argv=("nmap", "-n"), rate=1.0, evidence="000001-1", now=START)
        before.settle(1, 1, observations=(), evidence_sha256="cd", now=START)
        for _ in range(2):
            with record() as trail:
                trail.add("resumed", {})
                telling.tell_again(trail, before.tasks())
        chain = read_chain(data(tmp_path))
    told = [line for line in chain.lines if line and line.facts.get("retold")]
    assert [line.kind for line in told] == [TASK_STARTED, TASK_ENDED], "and only once"
    assert told[0].facts["argv"] == ["nmap", "-n"]
    assert told[1].facts["evidence_sha256"] == "cd"


def test_what_a_power_failure_took_from_the_database_is_asked_again_under_a_new_number(
    tmp_path: Path, record: Record
) -> None:
    database = tmp_path / "portproof.db"
    with Store(database) as store:
        run = store.create_run(PLAN, run_id="one", now=START)
        before = Ledger(store, run)
        before.add_batches([batch()])
        before.file([task(Method.NMAP_SYN)])
    safe = database.read_bytes()
    with Store(database) as store, record() as trail:
        ledger = Ledger(store, run, trail=trail)
        ledger.start(1, argv=(), rate=1.0, evidence="000001-1", now=START)
        ledger.settle(1, 1, observations=(), evidence_sha256="cd", now=START)
    database.write_bytes(safe)
    with Store(database) as store, record() as trail:
        ledger = Ledger(store, run, trail=trail)
        assert [found.attempt for found in ledger.tasks()] == [1], "its folder has that number"
        assert ledger.start(1, argv=(), rate=1.0, evidence="000001-2", now=START) == 2
        assert not ledger.settle(1, 1, observations=(), now=START)
        assert ledger.settle(1, 2, observations=(), evidence_sha256="ef", now=START)
        chain = read_chain(data(tmp_path))
    ended = [line.facts for line in chain.lines if line and line.kind == TASK_ENDED]
    assert [(facts["attempt"], facts["evidence_sha256"]) for facts in ended] == [
        *((1, "cd"), (2, "ef")),
    ]


def test_the_ledger_tells_the_record_what_becomes_of_every_task(
    tmp_path: Path, record: Record
) -> None:
    with Store(tmp_path / "portproof.db") as store, record() as trail:
        run = store.create_run(PLAN, run_id="one", now=START)
        ledger = Ledger(store, run, trail=trail)
        ledger.add_batches([batch()])
        ledger.file([task(Method.NMAP_SYN)])
        ledger.start(1, argv=("nmap",), rate=2.0, evidence="e", now=START, packets=7)
        ledger.put_back(1, 1, why="cut, mail joe@example.com", not_before=START)
        ledger.start(1, argv=(), rate=None, evidence="e", now=START)
        assert ledger.recover() == 1
        ledger.start(1, argv=(), rate=None, evidence="e", now=START)
        assert not ledger.settle(1, 2, observations=(), now=START), "comes too late"
        ledger.settle(1, 3, observations=(), now=START, failed=True, outcome="gone")
        chain = read_chain(data(tmp_path))
    kinds = [line.kind for line in chain.lines if line]
    assert kinds == [
        *(TASK_STARTED, "task-put-back", TASK_STARTED, "recovered", TASK_STARTED, TASK_ENDED),
    ]
    facts = [dict(line.facts) for line in chain.lines if line]
    assert facts[0]["packets_at_most"] == 7
    assert facts[0]["method"] == Method.NMAP_SYN
    assert facts[0]["purpose"] in list(Purpose)
    assert facts[0]["stage"] in list(StageName)
    assert facts[1]["why"] == "cut, mail [redacted:email]"
    assert (facts[5]["attempt"], facts[5]["state"]) == (3, TaskState.FAILED)
