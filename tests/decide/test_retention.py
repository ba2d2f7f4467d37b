"""Which runs a purge may touch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.decide.retention import Aged, purgeable, superfluous
from pipeline.model import RunState

NOW = 1_000.0


def aged(number: int, ended: float | None = None, **more: Any) -> Aged:
    run = Aged(
        number=number,
        engagement="weekly",
        state=RunState.COMPLETE,
        started=number * 10.0,
        ended=number * 10.0 + 5 if ended is None else ended,
        purged=False,
    )
    return replace(run, **more)


def test_old_complete_runs_may_go_and_the_newest_may_not() -> None:
    assert purgeable([aged(1), aged(2), aged(3)], before=NOW) == (1, 2)


def test_a_run_that_is_not_old_enough_stays() -> None:
    assert purgeable([aged(1), aged(2), aged(3)], before=20.0) == (1,)
    assert purgeable([aged(1), aged(2)], before=15.0) == ()


def test_each_engagement_keeps_its_newest_run() -> None:
    other = aged(1, engagement="monthly")
    assert purgeable([other, aged(2), aged(3)], before=NOW) == (2,)


def test_an_unfinished_run_stays_and_so_does_the_one_it_will_be_compared_with() -> None:
    runs = [aged(1), aged(2), aged(3, state=RunState.INCOMPLETE), aged(4), aged(5)]
    assert purgeable(runs, before=NOW) == (1, 4)
    running = [aged(1), aged(2, state=RunState.RUNNING)]
    assert purgeable(running, before=NOW) == ()


def test_an_imported_run_of_an_earlier_time_does_not_make_the_newest_one_old() -> None:
    assert purgeable([aged(1), aged(2), aged(3, started=5.0)], before=NOW) == (1,)


def test_what_is_purged_is_not_purged_again() -> None:
    assert purgeable([aged(1, purged=True), aged(2), aged(3)], before=NOW) == (2,)


def test_verdicts_stay_as_long_as_a_kept_run_shows_what_was_there_before() -> None:
    runs = [aged(1, purged=True), aged(2, purged=True, against=1), aged(3, against=2)]
    assert superfluous(runs) == (1,)


states = st.sampled_from(RunState)
runs = st.lists(
    st.builds(
        aged,
        st.integers(1, 20),
        ended=st.floats(0, 200),
        engagement=st.sampled_from(["weekly", "monthly"]),
        state=states,
        purged=st.booleans(),
        started=st.floats(0, 200),
    ),
    unique_by=lambda run: run.number,
    max_size=8,
)


@given(runs, st.floats(0, 300))
def test_the_run_that_the_next_one_is_compared_with_never_goes(
    some: list[Aged], before: float
) -> None:
    gone = set(purgeable(some, before=before))
    for run in some:
        if run.number in gone:
            assert run.state is RunState.COMPLETE
            assert not run.purged
            later = [
                each
                for each in some
                if each.engagement == run.engagement
                and each.state is RunState.COMPLETE
                and each.number > run.number
            ]
            assert later
