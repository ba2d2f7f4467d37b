"""The engine plans, starts, settles and stops: with a fake executor and a clock that jumps."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import parse_address
from pipeline.decide.questions import endpoints_of, verdicts
from pipeline.engine import HANDSHAKE_TASKS_AT_ONCE, RETRY_AFTER, SWEEPING_AT_ONCE
from pipeline.errors import DiskFull, NotAdmitted, NotAuthorised, ToolError
from pipeline.model import (
    Aftermath,
    Answer,
    Batch,
    Endpoint,
    Method,
    PortState,
    Purpose,
    StageName,
    Task,
    TaskState,
    VerdictKind,
)
from pipeline.store.runs import Store
from tests.decide.making import POLICY, START, batch, endpoints, policy, seen
from tests.engine.playing import Playing, new_run
from tests.stages.simulator import (
    CATCH_ALL,
    TARPIT,
    Honest,
    Host,
    Notebook,
    Pretending,
    network,
)

SSH = {22: "SSH-2.0-OpenSSH_9.2"}
HOSTS: dict[str, Host] = {
    "192.0.2.1": Honest(SSH),
    "192.0.2.2": TARPIT,
    "192.0.2.9": Honest({22: "SSH-2.0-x", 80: ""}),
    "192.0.2.10": Pretending(Aftermath.RESET, SSH),
    "192.0.2.17": CATCH_ALL,
}
NETWORK = network(HOSTS)
EMPTY = network({})
BATCHES = [
    replace(batch(f"192.0.2.{first}-{first + 7}"), number=number)
    for number, first in enumerate((0, 8, 16, 24), start=1)
]
SYN, CONNECT, HANDSHAKE = POLICY.methods
MASSCAN, VERSION = Method.MASSCAN_SYN, Method.NMAP_VERSION


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "portproof.db") as opened:
        yield opened


def outcome(playing: Playing) -> dict[str, str]:
    found = verdicts(playing.ledger.everything())
    return {str(e): f"{v.kind} {v.reason}" for e, v in found.items()}


def states(playing: Playing) -> set[TaskState]:
    return {record.state for record in playing.ledger.tasks()}


EXPECTED = {
    "192.0.2.1:22/tcp": "confirmed service-spoke",
    "192.0.2.2:22/tcp": "artefact never-acknowledged",
    "192.0.2.2:80/tcp": "artefact never-acknowledged",
    "192.0.2.2:443/tcp": "artefact never-acknowledged",
    "192.0.2.9:22/tcp": "confirmed service-spoke",
    "192.0.2.9:80/tcp": "confirmed acknowledged",
    "192.0.2.10:22/tcp": "confirmed service-spoke",
    "192.0.2.10:80/tcp": "artefact control-ports-answer",
    "192.0.2.10:443/tcp": "artefact control-ports-answer",
    "192.0.2.17:22/tcp": "artefact control-ports-answer",
    "192.0.2.17:80/tcp": "artefact control-ports-answer",
    "192.0.2.17:443/tcp": "artefact control-ports-answer",
}


# --- working -----------------------------------------------------------------------------------


def test_a_run_goes_through_all_its_batches_and_gets_them_right(store: Store) -> None:
    playing = Playing(store, new_run(store, BATCHES), NETWORK)
    assert playing.work() is True
    assert outcome(playing) == EXPECTED
    assert states(playing) == {TaskState.SETTLED}
    assert playing.ledger.batches(unfinished_only=True) == ()
    last = playing.progress[-1]
    assert (last.batches, last.batches_done, last.tasks_waiting) == (4, 4, 0)
    assert (last.running, last.waiting_until) == ((), None)
    assert last.tasks_done == len(playing.executor.asked)
    assert (last.found, last.confirmed) == (12, 4)


def test_every_attempt_is_on_file_with_its_times_and_the_hash_of_its_evidence(
    store: Store,
) -> None:
    playing = Playing(store, new_run(store, BATCHES[:1]), NETWORK)
    playing.work()
    for record in playing.ledger.tasks():
        assert record.attempt == 1
        assert record.started is not None
        assert record.ended is not None
        assert record.ended > record.started
        assert record.evidence == f"{record.number:06d}-1-{record.task.method}"
        assert record.evidence_sha256 == "ab" * 32
        assert record.rate


def test_a_run_without_batches_is_done_at_once(store: Store) -> None:
    playing = Playing(store, new_run(store, []), EMPTY)
    assert playing.work() is True
    assert playing.executor.asked == []


def test_the_next_batch_is_discovered_while_the_first_is_corroborated(store: Store) -> None:
    playing = Playing(
        store,
        new_run(store, BATCHES),
        NETWORK,
        seconds=lambda task: 60.0 if task.purpose is Purpose.SWEEP else 20.0,
    )
    playing.work()
    ends = [one.end for one in playing.executor.of(HANDSHAKE, batch=1)]
    sweeps = [one.start for number in (3, 4) for one in playing.executor.of(MASSCAN, batch=number)]
    assert min(sweeps) < max(end for end in ends if end)


def test_no_more_than_two_batches_are_discovered_at_once(store: Store) -> None:
    playing = Playing(store, new_run(store, BATCHES), NETWORK, seconds=lambda _: 60.0)
    playing.work()
    assert playing.executor.most_at_once(MASSCAN) == SWEEPING_AT_ONCE


def shown_the_door(task: Task) -> Answer | None:
    """Every handshake is refused, whatever the scans say: a doubt that only time can settle."""
    if task.method is not HANDSHAKE:
        return None
    refused = [
        seen(HANDSHAKE, PortState.CLOSED, where=where, purpose=task.purpose, round_=task.round)
        for where in endpoints_of(task)
    ]
    return Answer(observations=tuple(refused))


def test_a_rescan_that_is_due_later_holds_nobody_up(store: Store) -> None:
    disputed = network({"192.0.2.1": Honest({22: "x"}), "192.0.2.9": Honest(SSH)})
    playing = Playing(
        store,
        new_run(store, BATCHES),
        disputed,
        policy=policy(rescan_delays=(3600.0,)),
        script=lambda task, _: shown_the_door(task) if task.batch == 1 else None,
    )
    playing.work()
    first = [one for one in playing.executor.of(batch=1) if one.task.round == 2]
    others = [one for number in (2, 3, 4) for one in playing.executor.of(batch=number)]
    assert min(one.start - playing.began for one in first) >= 3600
    assert max(one.start - playing.began for one in others) < 60
    waiting = [p.waiting_until for p in playing.progress if p.waiting_until is not None]
    assert min(waiting) - playing.began >= 3600


def test_what_is_left_of_a_later_stage_goes_before_the_sweeps_of_others(store: Store) -> None:
    playing = Playing(store, new_run(store, BATCHES), NETWORK, policy=policy(concurrency=1))
    playing.work()
    starts = {
        stage: min(one.start for one in playing.executor.asked if one.task.stage is stage)
        for stage in (StageName.DISCOVER, StageName.CORROBORATE, StageName.PROBE)
    }
    assert starts[StageName.DISCOVER] < starts[StageName.CORROBORATE] < starts[StageName.PROBE]
    last_sweep = max(one.start for one in playing.executor.of(MASSCAN))
    assert last_sweep > starts[StageName.CORROBORATE]


# --- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_commands_run_at_once_than_the_engagement_allows(store: Store, limit: int) -> None:
    playing = Playing(store, new_run(store, BATCHES), NETWORK, policy=policy(concurrency=limit))
    playing.work()
    assert playing.executor.most_at_once(MASSCAN, SYN, CONNECT, VERSION) == limit
    assert playing.executor.most_at_once(HANDSHAKE) <= HANDSHAKE_TASKS_AT_ONCE
    assert outcome(playing) == EXPECTED


def test_the_leases_of_what_runs_never_exceed_the_ceilings(store: Store) -> None:
    tight = policy(ceilings=replace(POLICY.ceilings, rate=100, rate_per_host=30))
    playing = Playing(store, new_run(store, BATCHES), NETWORK, policy=tight)
    leased: list[float] = []
    playing.executor.watch = lambda: leased.append(playing.budget.leased)
    playing.work()
    assert outcome(playing) == EXPECTED
    assert 0 < max(leased) <= 90
    for one in playing.executor.asked:
        together = [
            o
            for o in playing.executor.asked
            if o.start <= one.start < (o.end or 0) and o.lease.hosts & one.lease.hosts
        ]
        assert sum(o.lease.rate_per_host for o in together) <= 30


def test_a_sweep_that_only_listens_gives_its_share_to_others(store: Store) -> None:
    whole = policy(ceilings=replace(POLICY.ceilings, rate=54, rate_per_host=50), concurrency=8)
    playing = Playing(store, new_run(store, BATCHES[:2]), EMPTY, policy=whole)
    carry_out = playing.executor.carry_out

    async def listening(
        task: Task, lease: object, folder: Path, *, stop: object, on_progress: Callable[[str], None]
    ) -> Answer:
        asyncio.get_running_loop().call_later(2, on_progress, "rate: 0.0-kpps, waiting 9-secs")
        return await carry_out(task, lease, folder, stop=stop, on_progress=on_progress)  # type: ignore[arg-type]  # handed through

    playing.executor.carry_out = listening  # type: ignore[method-assign]  # a fake of a fake
    playing.executor.seconds = lambda _: 100.0
    playing.work()
    first, second = playing.executor.of(MASSCAN)
    assert 3 <= second.start - first.start < 5


# --- what goes wrong with one task -------------------------------------------------------------


def failing(method: Method, times: int) -> Callable[[Task, int], Answer | None]:
    def script(task: Task, attempt: int) -> Answer | None:
        if task.method is method and task.purpose is not Purpose.CONTROL and attempt <= times:
            return Answer(complete=False, problem="nmap exited with 1: no route")
        return None

    return script


def test_a_task_that_fails_is_asked_again_after_a_while(store: Store) -> None:
    playing = Playing(store, new_run(store, BATCHES), NETWORK, script=failing(CONNECT, 2))
    assert playing.work() is True
    assert outcome(playing) == EXPECTED
    assert states(playing) == {TaskState.SETTLED}
    for record in playing.ledger.tasks():
        if record.task.method is CONNECT:
            assert (record.attempt, record.failures) == (3, 2)
            attempts = [
                o for o in playing.executor.asked if o.task.key == record.task.key and o.end
            ]
            gaps = [later.start - (earlier.end or 0) for earlier, later in pairwise(attempts)]
            assert min(gaps) >= RETRY_AFTER
    assert "retry" in playing.kinds()


def test_a_task_that_fails_too_often_is_a_hole_and_the_run_goes_on(store: Store) -> None:
    playing = Playing(store, new_run(store, BATCHES), NETWORK, script=failing(CONNECT, 99))
    assert playing.work() is True
    failed = [r for r in playing.ledger.tasks() if r.state is TaskState.FAILED]
    assert {record.task.method for record in failed} == {CONNECT}
    assert {(r.attempt, r.failures, r.outcome) for r in failed} == {
        (POLICY.attempts, POLICY.attempts - 1, "nmap exited with 1: no route")
    }
    holes = playing.ledger.everything().holes
    assert {number for number, _ in holes} == {record.number for record in failed}
    assert {hole.reason for _, hole in holes} == {"nmap exited with 1: no route"}
    assert "failed" in playing.kinds()
    assert outcome(playing) == EXPECTED


def test_a_sweep_that_fails_is_no_empty_network(store: Store) -> None:
    run = new_run(store, [batch("192.0.2.0-7", expected=["192.0.2.1:22", "192.0.2.3:80"])])
    playing = Playing(store, run, NETWORK, script=failing(MASSCAN, 99))
    assert playing.work() is True
    assert outcome(playing) == {
        "192.0.2.1:22/tcp": "confirmed service-spoke",
        "192.0.2.3:80/tcp": "filtered no-answer",
    }
    (sweep,) = [r for r in playing.ledger.tasks() if r.task.purpose is Purpose.SWEEP]
    assert sweep.state is TaskState.FAILED


def test_a_tool_that_cannot_do_it_fails_like_one_that_did_not(store: Store) -> None:
    def script(task: Task, attempt: int) -> BaseException | None:
        return ToolError("nmap was not found") if task.method is SYN and attempt == 1 else None

    playing = Playing(store, new_run(store, BATCHES), NETWORK, script=script)
    assert playing.work() is True
    assert outcome(playing) == EXPECTED
    assert ("retry", "task 3 will be asked again: nmap was not found") in playing.events


def test_what_was_seen_before_a_task_failed_counts_and_its_silence_does_not(store: Store) -> None:
    def script(task: Task, _: int) -> Answer | None:
        if task.purpose is not Purpose.SWEEP:
            return None
        found = NETWORK.answer(task, 0.0)
        return replace(
            found, observations=found.observations[:1], complete=False, problem="cut off"
        )

    playing = Playing(store, new_run(store, BATCHES[:1]), NETWORK, script=script)
    playing.work()
    assert outcome(playing) == {"192.0.2.1:22/tcp": "confirmed service-spoke"}


def test_what_nobody_asked_about_is_dropped_and_put_on_record(store: Store) -> None:
    foreign: tuple[Endpoint, ...] = endpoints("203.0.113.1:22", "192.0.2.1:8080")

    def script(task: Task, _: int) -> Answer | None:
        found = NETWORK.answer(task, 0.0)
        return replace(found, foreign=foreign) if task.purpose is Purpose.SWEEP else None

    playing = Playing(store, new_run(store, BATCHES[:1]), NETWORK, script=script)
    playing.work()
    (said,) = [text for kind, text in playing.events if kind == "foreign"]
    assert "reported 2 endpoint(s) that nobody asked about" in said
    assert "203.0.113.1:22/tcp" in said
    assert not set(outcome(playing)) & {str(endpoint) for endpoint in foreign}


def test_what_is_no_longer_in_the_scope_is_not_sent_and_is_a_hole(store: Store) -> None:
    def script(task: Task, _: int) -> BaseException | None:
        refused = parse_address("192.0.2.1") in task.targets and task.method is CONNECT
        return NotAdmitted("192.0.2.1 is excluded by the engagement") if refused else None

    playing = Playing(store, new_run(store, BATCHES), NETWORK, script=script)
    assert playing.work() is True
    (refused,) = [r for r in playing.ledger.tasks() if r.state is TaskState.FAILED]
    assert (refused.attempt, refused.outcome) == (1, "192.0.2.1 is excluded by the engagement")
    holes = [(n, str(h.address), h.reason) for n, h in playing.ledger.everything().holes]
    assert holes == [(refused.number, "192.0.2.1", "no longer in the scope")]
    assert "refused" in playing.kinds()


# --- stopping ----------------------------------------------------------------------------------


def test_draining_lets_what_runs_end_and_starts_nothing_more(store: Store) -> None:
    run = new_run(store, BATCHES)
    playing = Playing(store, run, NETWORK, seconds=lambda _: 10.0)
    assert playing.work(at=[(15.0, lambda: playing.engine.drain())]) is False
    assert max(one.start for one in playing.executor.asked) <= playing.began + 15
    assert all(one.end for one in playing.executor.asked)
    assert states(playing) <= {TaskState.SETTLED, TaskState.PLANNED}
    assert playing.engine.running == 0
    again = Playing(store, run, NETWORK, began=playing.began + 1000)
    assert again.work() is True
    assert outcome(again) == EXPECTED
    asked = [one.task.key for one in (*playing.executor.asked, *again.executor.asked)]
    assert len(asked) == len(set(asked))


def test_draining_when_nothing_is_left_is_the_end_of_the_run(store: Store) -> None:
    playing = Playing(store, new_run(store, []), EMPTY)
    playing.engine.drain()
    assert playing.work() is True


def test_stopping_at_once_puts_back_what_was_running(store: Store) -> None:
    run = new_run(store, BATCHES)
    playing = Playing(store, run, NETWORK, seconds=lambda _: 100.0)
    assert playing.work(at=[(30.0, lambda: playing.engine.stop_now())]) is False
    records = playing.ledger.tasks()
    assert {r.state for r in records} == {TaskState.PLANNED}
    assert {r.failures for r in records} == {0}
    assert {r.outcome for r in records if r.attempt} == {"interrupted"}
    again = Playing(store, run, NETWORK, began=playing.began + 1000)
    assert again.work() is True
    assert outcome(again) == EXPECTED


def test_what_was_finished_while_stopping_is_kept(store: Store) -> None:
    async def finish_anyway(task: Task) -> Answer:
        await asyncio.sleep(40)
        return NETWORK.answer(task, 0.0)

    def script(task: Task, _: int) -> Awaitable[Answer] | None:
        return finish_anyway(task) if task.batch == 1 else None

    playing = Playing(store, new_run(store, BATCHES), NETWORK, script=script, seconds=lambda _: 99)
    assert playing.work(at=[(30.0, lambda: playing.engine.stop_now())]) is False
    by_batch = {r.task.batch: r.state for r in playing.ledger.tasks()}
    assert by_batch == {1: TaskState.SETTLED, 2: TaskState.PLANNED}


def test_what_breaks_in_one_task_stops_all_of_them_and_is_raised(store: Store) -> None:
    def script(task: Task, _: int) -> BaseException | None:
        return RuntimeError("a bug") if task.batch == 2 else None

    run = new_run(store, BATCHES)
    playing = Playing(
        store,
        run,
        NETWORK,
        script=script,
        seconds=lambda task: 1.0 if task.batch == 2 else 500.0,
    )
    with pytest.raises(RuntimeError, match="a bug"):
        playing.work()
    assert all(one.end and one.end < playing.began + 5 for one in playing.executor.asked)
    assert playing.engine.running == 0
    again = Playing(store, run, NETWORK, began=playing.began + 1000)
    assert again.work() is True
    assert outcome(again) == EXPECTED


def test_a_full_disk_stops_everything_and_can_be_gone_on_from(store: Store) -> None:
    def script(task: Task, _: int) -> BaseException | None:
        return OSError(errno.ENOSPC, "no space") if task.method is CONNECT else None

    run = new_run(store, BATCHES)
    playing = Playing(store, run, NETWORK, script=script)
    with pytest.raises(DiskFull, match="what was finished is kept"):
        playing.work()
    again = Playing(store, run, NETWORK, began=playing.began + 1000)
    assert again.work() is True
    assert outcome(again) == EXPECTED
    assert {record.failures for record in again.ledger.tasks()} == {0}


def test_when_the_authorisation_ends_everything_stops(store: Store) -> None:
    def permitted(now: float) -> None:
        if now > START + 30:
            raise NotAuthorised("the authorisation is not valid any more")

    run = new_run(store, BATCHES)
    playing = Playing(store, run, NETWORK, seconds=lambda _: 20.0, permitted=permitted)
    with pytest.raises(NotAuthorised):
        playing.work()
    assert all(one.end and one.end <= playing.began + 32 for one in playing.executor.asked)
    assert TaskState.RUNNING not in states(playing)


def test_a_program_that_is_missing_at_start_leaves_nothing_running(store: Store) -> None:
    run = new_run(store, BATCHES)
    playing = Playing(store, run, NETWORK)

    def command(task: Task, lease: object) -> None:
        if task.method is SYN:
            raise ToolError("nmap is needed to go on and is not installed")

    playing.executor.command = command  # type: ignore[method-assign]  # a fake of a fake
    with pytest.raises(ToolError, match="not installed"):
        playing.work()
    assert TaskState.RUNNING not in states(playing)
    again = Playing(store, run, NETWORK, began=playing.began + 100)
    assert again.work() is True
    assert outcome(again) == EXPECTED


def test_being_cancelled_puts_everything_back(store: Store) -> None:
    playing = Playing(store, new_run(store, BATCHES), NETWORK, seconds=lambda _: 100.0)

    def cancel() -> None:
        for one in asyncio.all_tasks():
            one.cancel()

    with pytest.raises(asyncio.CancelledError):
        playing.work(at=[(10.0, cancel)])
    assert states(playing) == {TaskState.PLANNED}


# --- crashes -----------------------------------------------------------------------------------


def test_after_a_crash_at_any_moment_a_run_comes_to_the_same_verdicts(
    store: Store, tmp_path: Path
) -> None:
    """The database is copied whenever something starts or ends, and each copy is gone on with."""
    copies: list[Path] = []

    def copy() -> None:
        place = tmp_path / f"copy-{len(copies)}" / "portproof.db"
        place.parent.mkdir()
        with closing(sqlite3.connect(store.path)) as here, closing(sqlite3.connect(place)) as there:
            here.backup(there)
        copies.append(place)

    playing = Playing(store, new_run(store, BATCHES), NETWORK, watch=copy)
    assert playing.work() is True
    assert outcome(playing) == EXPECTED
    undisturbed = playing.ledger.everything().observations
    assert len(copies) > 40
    for place in copies[::8]:
        with Store(place) as copied:
            again = Playing(copied, copied.run("one"), NETWORK, began=playing.began + 5000)
            assert again.work() is True
            assert outcome(again) == EXPECTED
            assert states(again) == {TaskState.SETTLED}
            everything = again.ledger.everything().observations
            assert {e: len(heard) for e, heard in everything.items()} == {
                e: len(heard) for e, heard in undisturbed.items()
            }


# --- any network -------------------------------------------------------------------------------

hosts = st.one_of(
    st.builds(
        Honest,
        st.dictionaries(st.sampled_from([22, 80, 443]), st.sampled_from(["", "x"])),
        st.booleans(),
    ),
    st.sampled_from([TARPIT, CATCH_ALL, Pretending(Aftermath.RESET, SSH)]),
)


@given(
    st.dictionaries(st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.5"]), hosts),
    st.sampled_from([1.0, 30.0, 400.0]),
    st.integers(1, 4),
    st.lists(st.integers(0, 60), max_size=3),
)
@settings(max_examples=12)
def test_the_engine_comes_to_the_verdicts_that_the_stages_alone_come_to(
    tmp_path_factory: pytest.TempPathFactory,
    found: dict[str, Host],
    seconds: float,
    limit: int,
    interruptions: Sequence[int],
) -> None:
    of: Batch = batch("192.0.2.0-7")
    by = policy(concurrency=limit)
    alone = Notebook(of, by, network(found)).play()
    with Store(tmp_path_factory.mktemp("run") / "portproof.db") as store:
        run = new_run(store, [of])
        began = 0.0
        for interruption in interruptions:
            playing = Playing(store, run, network(found), by, seconds=lambda _: seconds)
            playing.began += began
            playing.work(at=[(interruption * seconds / 10, playing.engine.stop_now)])
            began += 10_000
        last = Playing(store, run, network(found), by, seconds=lambda _: seconds)
        last.began += began
        assert last.work() is True
        together = verdicts(last.ledger.everything())
        assert {e: (v.kind, v.reason) for e, v in together.items()} == {
            e: (v.kind, v.reason) for e, v in alone.items()
        }
        assert VerdictKind.UNKNOWN not in {v.kind for v in together.values()}
        questions = [(r.task.key, r.state) for r in last.ledger.tasks()]
        assert len(questions) == len(set(questions))
