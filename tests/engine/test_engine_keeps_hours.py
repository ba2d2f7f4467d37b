"""The engine keeps the windows: it starts what fits, stops what runs, waits and goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.addresses import AddressSet
from pipeline.budget import Demand
from pipeline.errors import Incomplete, NotAdmitted, NotAuthorised, OutsideWindow, Refused
from pipeline.model import Answer, Method, Purpose, Task, TaskState
from pipeline.store.runs import Store
from pipeline.windows import STOPPING, Openings
from tests.decide.making import START, batch, policy
from tests.engine.playing import Asked, Playing, new_run
from tests.engine.test_engine_at_work import BATCHES, EXPECTED, HOSTS, NETWORK, outcome, states
from tests.stages.simulator import network

HOUR = 3600.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "portproof.db") as opened:
        yield opened


def windows(*spans: tuple[float, float]) -> Openings:
    """Windows from and until, in seconds after the start of the run."""
    return Openings(tuple((START + opens, START + closes) for opens, closes in spans))


def inside(asked: Sequence[Asked], openings: Openings) -> bool:
    """True when all that was sent was sent inside windows."""
    return all(
        any(a <= one.start and one.end is not None and one.end <= b for a, b in openings.spans)
        for one in asked
    )


def test_a_run_pauses_when_its_window_closes_and_goes_on_in_the_next_one(store: Store) -> None:
    hours = windows((0, 20), (HOUR, 2 * HOUR))
    playing = Playing(
        store,
        new_run(store, BATCHES),
        NETWORK,
        seconds=lambda task: 12.0 if task.purpose is Purpose.SWEEP else 3.0,
        openings=lambda: hours,
        waits=True,
    )
    assert playing.work() is True
    assert outcome(playing) == EXPECTED
    assert inside(playing.executor.asked, hours)
    assert ("paused", "no window is open; the next one opens 2026-11-03 03:00 UTC") in (
        playing.events
    )
    assert ("continued", "a window is open again") in playing.events
    told = [p.paused_until for p in playing.progress if p.paused_until is not None]
    assert set(told) == {START + HOUR}
    assert playing.progress[-1].paused_until is None


def test_a_run_that_may_not_go_on_in_the_next_window_sends_nothing_there(store: Store) -> None:
    hours = windows((0, 20), (HOUR, 2 * HOUR))

    def moved() -> None:
        raise NotAdmitted("names have other addresses than before")

    playing = Playing(
        store,
        new_run(store, BATCHES),
        NETWORK,
        seconds=lambda task: 12.0 if task.purpose is Purpose.SWEEP else 3.0,
        openings=lambda: hours,
        reopened=moved,
        waits=True,
    )
    with pytest.raises(NotAdmitted, match="other addresses"):
        playing.work()
    assert max(one.start for one in playing.executor.asked) < START + 20
    assert "continued" not in playing.kinds()


def test_a_run_that_does_not_wait_ends_as_incomplete_and_is_resumed_in_the_next_window(
    store: Store,
) -> None:
    run = new_run(store, BATCHES)
    hours = windows((0, 20), (HOUR, 2 * HOUR))
    first = Playing(store, run, NETWORK, seconds=lambda _: 6.0, openings=lambda: hours)
    with pytest.raises(Incomplete, match="the next one opens 2026-11-03 03:00 UTC"):
        first.work()
    assert inside(first.executor.asked, hours)
    settled = {r.number for r in first.ledger.tasks() if r.state is TaskState.SETTLED}
    assert settled
    again = Playing(store, run, NETWORK, openings=lambda: hours, began=START + HOUR)
    assert again.work() is True
    assert outcome(again) == EXPECTED
    assert inside(again.executor.asked, hours)


def test_what_runs_at_the_close_is_stopped_before_it_and_has_not_failed(store: Store) -> None:
    hours = [windows((0, 10 * HOUR)), windows((0, 30), (HOUR, 10 * HOUR))]
    playing = Playing(
        store,
        new_run(store, BATCHES[:1]),
        NETWORK,
        policy=policy(attempts=1),
        seconds=lambda task: 100.0 if task.purpose is Purpose.SWEEP else 1.0,
        openings=lambda: hours[0],
        waits=True,
    )
    # Somebody shortens the window while a sweep runs that fitted into it.
    playing.work(at=[(10.0, lambda: hours.reverse())])
    sweeps = playing.executor.of(Method.MASSCAN_SYN)
    assert [round((one.end or 0) - START, 1) for one in sweeps][:1] == [30 - STOPPING]
    (record,) = [r for r in playing.ledger.tasks() if r.task.method is Method.MASSCAN_SYN]
    assert (record.state, record.attempt, record.failures) == (TaskState.SETTLED, 2, 0)
    assert states(playing) == {TaskState.SETTLED}


def test_a_task_that_could_not_end_before_the_close_waits_for_the_next_window(
    store: Store,
) -> None:
    hours = windows((0, 60), (HOUR, 10 * HOUR))
    playing = Playing(
        store,
        new_run(store, BATCHES[:1]),
        NETWORK,
        longest=lambda task: 300.0 if task.purpose is Purpose.SWEEP else 1.0,
        openings=lambda: hours,
        waits=True,
    )
    assert playing.work() is True
    (sweep,) = playing.executor.of(Method.MASSCAN_SYN)
    assert sweep.start >= START + HOUR


def test_the_lease_of_a_task_that_was_not_started_does_not_cool_down(store: Store) -> None:
    playing = Playing(store, new_run(store, []), NETWORK)
    demand = Demand(
        hosts=AddressSet.parse(["192.0.2.1"]), packets=950, packets_to_a_host=50, burst=True
    )
    first = playing.budget.lease(demand)
    assert first is not None
    assert playing.budget.lease(demand) is None
    first.never_used()
    assert playing.budget.leased == 0
    assert playing.budget.lease(demand) is not None


def test_what_is_too_long_for_every_window_fails_with_that_reason(store: Store) -> None:
    hours = windows(*((n * HOUR, n * HOUR + 120) for n in range(40)))
    playing = Playing(
        store,
        new_run(store, BATCHES[:1]),
        NETWORK,
        policy=policy(attempts=2),
        seconds=lambda task: 900.0 if task.purpose is Purpose.SWEEP else 1.0,
        openings=lambda: hours,
        waits=True,
    )
    assert playing.work() is True
    assert inside(playing.executor.asked, hours)
    (record,) = [r for r in playing.ledger.tasks() if r.task.method is Method.MASSCAN_SYN]
    assert (record.state, record.attempt) == (TaskState.FAILED, 2)
    assert "no window is long enough for it" in record.outcome


def test_outside_of_every_window_nothing_is_sent_until_one_opens(store: Store) -> None:
    hours = windows((HOUR, 2 * HOUR))
    playing = Playing(
        store, new_run(store, BATCHES[:1]), NETWORK, openings=lambda: hours, waits=True
    )
    assert playing.work() is True
    assert playing.executor.asked[0].start >= START + HOUR


def test_where_no_further_window_opens_the_run_is_refused(store: Store) -> None:
    playing = Playing(
        store,
        new_run(store, BATCHES),
        NETWORK,
        seconds=lambda _: 20.0,
        openings=lambda: windows((0, 30)),
        waits=True,
    )
    with pytest.raises(OutsideWindow, match="no further window opens"):
        playing.work()
    assert TaskState.RUNNING not in states(playing)


def test_the_authorisation_ends_a_run_that_waits_for_its_window(store: Store) -> None:
    def permitted(now: float) -> None:
        if now >= START + 600:
            raise NotAuthorised("over")

    playing = Playing(
        store,
        new_run(store, BATCHES),
        NETWORK,
        permitted=permitted,
        openings=lambda: windows((HOUR, 2 * HOUR)),
        waits=True,
    )
    with pytest.raises(NotAuthorised):
        playing.work()
    assert playing.executor.asked == []


def test_an_order_to_stop_is_seen_within_a_quarter_of_a_second(store: Store) -> None:
    orders: list[str] = []

    def permitted(_now: float) -> None:
        if orders:
            raise Refused("everything is stopped here")

    playing = Playing(
        store, new_run(store, BATCHES), NETWORK, seconds=lambda _: 60.0, permitted=permitted
    )
    with pytest.raises(Refused):
        playing.work(at=[(10.1, lambda: orders.append("stop"))])
    assert max(one.end or 0 for one in playing.executor.asked) <= START + 10.1 + 0.25
    assert TaskState.RUNNING not in states(playing)


def test_an_order_to_stop_holds_while_what_runs_is_brought_to_its_end(store: Store) -> None:
    stopped: list[str] = []

    def permitted(_now: float) -> None:
        if stopped:
            raise Refused("everything is stopped here")

    run = new_run(store, BATCHES[:1])
    playing = Playing(store, run, NETWORK, seconds=lambda _: 100.0, permitted=permitted)
    with pytest.raises(Refused, match="stopped"):
        playing.work(at=[(10.0, playing.engine.drain), (20.0, lambda: stopped.append("now"))])
    ends = [(one.end or 0) - START for one in playing.executor.asked]
    assert ends
    assert max(ends) <= 20.5
    assert states(playing) == {TaskState.PLANNED}


def test_a_window_closes_on_time_while_what_runs_is_brought_to_its_end(store: Store) -> None:
    hours = [windows((0, 10 * HOUR)), windows((0, 30))]
    run = new_run(store, BATCHES[:1])
    playing = Playing(store, run, NETWORK, seconds=lambda _: 100.0, openings=lambda: hours[0])
    assert not playing.work(at=[(10.0, playing.engine.drain), (12.0, hours.reverse)])
    assert [(one.end or 0) - START for one in playing.executor.asked] == [30 - STOPPING]
    assert states(playing) == {TaskState.PLANNED}


def test_looks_that_came_due_during_a_pause_keep_their_distance(store: Store) -> None:
    hours = [windows((0, 10 * HOUR)), windows((0, 60), (HOUR, 10 * HOUR))]
    playing = Playing(
        store,
        new_run(store, [batch("192.0.2.0-7")]),
        network(HOSTS),
        policy=policy(watch_looks=6, rescan_delays=(600.0,)),
        openings=lambda: hours[0],
        waits=True,
    )
    playing.work(at=[(50.0, lambda: hours.reverse())])
    looks = [one for one in playing.executor.asked if one.task.purpose is Purpose.WATCH]
    starts = sorted({one.task.round: one.start for one in looks}.values())
    later = [start for start in starts if start >= START + HOUR]
    assert len(later) >= 5
    planned = sorted({r.task.round: r.task.not_before for r in playing.ledger.tasks()}.values())
    assert min(b - a for a, b in pairwise(later)) > 5
    assert planned[-1] >= START + HOUR


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nothing_is_ever_sent_outside_a_window(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    gaps = st.integers(5, 200)
    spans, at = [], 0.0
    for _ in range(data.draw(st.integers(1, 5))):
        opens = at + data.draw(gaps)
        at = opens + data.draw(gaps)
        spans.append((opens, at))
    hours = windows(*spans, (at + 100, at + 50 * HOUR))
    lengths = data.draw(st.lists(st.floats(0.5, 120), min_size=1, max_size=5))

    def seconds(task: Task) -> float:
        return lengths[task.round % len(lengths)]

    def late(_task: Task, attempt: int) -> Answer | None:
        return Answer(complete=False, problem="bad luck") if attempt == 1 else None

    with Store(tmp_path_factory.mktemp("hours") / "portproof.db") as opened:
        playing = Playing(
            opened,
            new_run(opened, BATCHES[:1]),
            NETWORK,
            seconds=seconds,
            script=late if data.draw(st.booleans()) else lambda _task, _attempt: None,
            openings=lambda: hours,
            waits=True,
        )
        assert playing.work() is True
        assert inside(playing.executor.asked, hours)
        assert TaskState.RUNNING not in states(playing)
