"""The picture of a run on a terminal: a bar that moves, and numbers that are those of the run."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cli import console as drawing
from pipeline.cli.console import Console
from pipeline.engine import Progress

START = Progress(
    batches=1,
    batches_done=0,
    tasks_done=0,
    tasks_waiting=0,
    running=(),
    waiting_until=None,
    leased=100,
    ceiling=1000,
    found=0,
    confirmed=0,
    disputed=0,
    seconds_left=None,
)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(
    monkeypatch: pytest.MonkeyPatch,
    *pictures: Progress,
    tasks_before: int = 0,
    after: float = 0.0,
) -> str:
    """What a terminal got after these pictures, ``after`` seconds into the run."""
    terminal = _Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("TERM", "xterm")
    now = [1000.0]
    console = Console(clock=lambda: now[0])
    with console.live("run 1", tasks_before=tasks_before):
        now[0] += after
        for picture in pictures:
            now[0] += 1
            console.progress(picture)
    return terminal.getvalue()


def test_the_picture_has_the_time_that_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "  1:02:04  " in drawn(monkeypatch, START, after=3723)


def test_tasks_of_a_resumed_run_are_counted_from_its_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    got = drawn(monkeypatch, replace(START, tasks_done=2), tasks_before=40)
    assert "tasks 42 done" in got


def test_what_runs_beyond_the_first_eight_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    running = tuple(f"command {n}" for n in range(11))
    got = drawn(monkeypatch, replace(START, running=running))
    assert "command 7" in got
    assert "command 8" not in got
    assert "  and 3 more" in got
    assert "more" not in drawn(monkeypatch, replace(START, running=running[:8]))


def test_the_tasks_of_a_single_batch_move_the_bar() -> None:
    bar = drawing._Bar(tasks_before=0)
    one = replace(START, running=("sweep",))
    shares = [
        bar.share(picture)
        for picture in (
            START,
            one,
            replace(one, tasks_done=1, tasks_waiting=3),
            replace(one, tasks_done=3, tasks_waiting=1),
            replace(one, tasks_done=5, running=()),
            replace(one, tasks_done=5, running=(), batches_done=1),
        )
    ]
    assert shares[0] == shares[1] == 0
    assert shares[1] < shares[2] < shares[3] < shares[4] < shares[5] == 1


pictures = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 30), st.integers(0, 9), st.integers(0, 9)),
    min_size=1,
    max_size=20,
)


@settings(deadline=None)
@given(pictures)
def test_the_bar_never_goes_back_and_is_full_only_at_the_end(
    steps: list[tuple[int, int, int, int]],
) -> None:
    bar, batches, tasks, last = drawing._Bar(tasks_before=7), 0, 0, 0.0
    for more_batches, more_tasks, running, waiting in steps:
        batches, tasks = min(10, batches + more_batches), tasks + more_tasks
        share = bar.share(
            replace(
                START,
                batches=10,
                batches_done=batches,
                tasks_done=tasks,
                tasks_waiting=waiting,
                running=("x",) * running,
            )
        )
        assert last <= share <= 1
        assert (share == 1) == (batches == 10)
        assert share >= batches / 10
        last = share
