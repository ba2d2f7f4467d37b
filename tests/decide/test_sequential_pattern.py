"""Telling a service that comes and goes from several that take turns."""

from __future__ import annotations

from itertools import combinations, pairwise
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.decide.pattern import (
    FASTEST_PERIOD,
    GAP_LEVEL,
    RUNS_LEVEL,
    PatternKind,
    chance_of_few_runs,
    pattern,
)

BALANCED, FLAPPING, UNCLEAR = PatternKind
PERIODS = (4.0, 7.0, 15.0, 40.0, 120.0)
DUTIES = (0.1, 0.25, 0.5, 0.75, 0.9)
BURST = [0.1 * place for place in range(16)]
"""Sixteen asks within two seconds: what it takes to see back ends take turns."""


def wave(times: list[float], period: float, duty: float, phase: float) -> list[tuple[float, bool]]:
    """What a listener says that is open for ``duty`` of every ``period`` seconds."""
    return [(time, (time + phase) % period < duty * period) for time in times]


def bursts(chance: Random, count: int, asks: int, within: float) -> list[float]:
    starts = [chance.uniform(0.0, 600.0) for _ in range(count)]
    return sorted(start + chance.uniform(0.0, within) for start in starts for _ in range(asks))


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("duty", DUTIES)
def test_what_flaps_is_hardly_ever_taken_for_load_balanced(period: float, duty: float) -> None:
    chance = Random(f"{period} {duty}")
    mistaken = 0
    for _ in range(300):
        times = BURST if chance.random() < 0.5 else bursts(chance, 8, 4, 0.8)
        found = pattern(wave(times, period, duty, chance.uniform(0.0, period)))
        mistaken += found is not None and found.kind is BALANCED
    assert mistaken <= 300 * GAP_LEVEL


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("duty", DUTIES)
def test_what_flaps_and_is_watched_closely_is_found_with_its_period_and_duty(
    period: float, duty: float
) -> None:
    chance = Random(f"{period} {duty} close")
    step = min(duty, 1.0 - duty) * period / 4.0
    for _ in range(8):
        phase = chance.uniform(0.0, period)
        asks = round(5.0 * period / step)
        times = [step * (place + chance.uniform(-0.3, 0.3)) for place in range(asks)]
        found = pattern(wave(times, period, duty, phase))
        assert found is not None
        assert found.kind is FLAPPING
        assert found.period == pytest.approx(period, rel=0.1)
        assert found.duty == pytest.approx(duty, abs=0.1)


@given(
    st.floats(FASTEST_PERIOD, 120.0),
    st.floats(0.1, 0.9),
    st.floats(0.0, 1.0),
    st.floats(0.05, 60.0),
    st.integers(2, 120),
)
def test_a_period_is_named_only_where_it_is_about_right(
    period: float, duty: float, phase: float, step: float, asks: int
) -> None:
    times = [step * n for n in range(asks)]
    # An ask in the very moment of a change gets either answer, by the rounding of floats.
    moments = [(time / period + phase) % 1.0 for time in times]
    assume(all(min(at, 1.0 - at, abs(at - duty)) > 1e-6 for at in moments))
    found = pattern(wave(times, period, duty, phase * period))
    if found is not None and found.period is not None:
        assert found.kind is FLAPPING
        assert found.period == pytest.approx(period, rel=0.5)


@given(
    st.floats(FASTEST_PERIOD, 120.0),
    st.floats(0.1, 0.9),
    st.floats(2.0, 30.0),
    st.integers(10, 80),
    st.integers(0, 10_000),
)
def test_a_period_from_uneven_asks_is_about_right_however_rare_they_are(
    period: float, duty: float, step: float, asks: int, seed: int
) -> None:
    chance = Random(seed)
    times = sorted(chance.uniform(0.0, step * asks) for _ in range(asks))
    found = pattern(wave(times, period, duty, chance.uniform(0.0, period)))
    if found is not None and found.period is not None:
        assert found.period == pytest.approx(period, rel=0.5)


def test_the_period_of_a_slow_change_is_found_from_uneven_asks() -> None:
    chance = Random(8)
    found = []
    for _ in range(15):
        times = sorted(chance.uniform(0.0, 600.0) for _ in range(120))
        found.append(pattern(wave(times, 120.0, 0.5, chance.uniform(0.0, 120.0))))
    named = [one.period for one in found if one is not None and one.period is not None]
    assert len(named) > 10
    assert all(period == pytest.approx(120.0, rel=0.15) for period in named)


def test_evenly_spaced_asks_name_no_period_that_a_faster_one_would_explain() -> None:
    """Every 58 s, a period of 14 s looks like one of 406 s."""
    found = pattern(wave([58.0 * place for place in range(14)], 14.0, 0.5, 0.0))
    assert found is not None
    assert found.period is None


def test_back_ends_that_take_turns_at_random_are_found_in_a_burst() -> None:
    chance = Random(5)
    found = [pattern([(time, chance.random() < 0.5) for time in BURST]) for _ in range(200)]
    assert sum(one is not None and one.kind is BALANCED for one in found) > 170
    assert sum(one is not None and one.kind is FLAPPING for one in found) <= 200 * RUNS_LEVEL


def test_back_ends_that_take_turns_one_after_the_other_are_found_in_a_burst() -> None:
    found = pattern([(time, bool(place % 2)) for place, time in enumerate(BURST)])
    assert found is not None
    assert found.kind is BALANCED
    assert (found.asks, found.runs, found.duty, found.period) == (16, 16, 0.5, None)


def test_one_back_end_of_four_that_is_closed_takes_more_asks_to_see() -> None:
    chance = Random(6)
    times = [0.1 * place for place in range(40)]
    found = [pattern([(time, chance.random() < 0.75) for time in times]) for _ in range(100)]
    assert sum(one is not None and one.kind is BALANCED for one in found) > 80


def test_asks_far_apart_do_not_tell_the_two_from_each_other() -> None:
    found = pattern([(60.0 * place, bool(place % 2)) for place in range(8)])
    assert found is not None
    assert found.kind is UNCLEAR
    assert found.period is None


def test_one_change_is_a_change_and_no_pattern() -> None:
    found = pattern([(0.0, True), (0.2, False)])
    assert found is not None
    assert found.kind is UNCLEAR


@pytest.mark.parametrize("answers", [[], [(0.0, True)], [(0.0, False), (1.0, False)]])
def test_where_nothing_changes_there_is_no_pattern(answers: list[tuple[float, bool]]) -> None:
    assert pattern(answers) is None


moments = st.lists(st.tuples(st.floats(0.0, 1e9), st.booleans()), max_size=40)


@given(moments, st.randoms(use_true_random=False))
def test_the_order_of_answers_does_not_matter(
    answers: list[tuple[float, bool]], chance: Random
) -> None:
    shuffled = list(answers)
    chance.shuffle(shuffled)
    assert pattern(shuffled) == pattern(answers)


@given(moments)
def test_a_pattern_is_made_of_shares(answers: list[tuple[float, bool]]) -> None:
    found = pattern(answers)
    if found is None:
        assert len({is_open for _, is_open in answers}) < 2
    else:
        assert 0.0 < found.duty < 1.0
        assert 0.0 <= found.by_gaps <= 1.0 + 1e-9
        assert 0.0 < found.by_runs <= 1.0
        assert 2 <= found.runs <= found.asks


@given(
    st.lists(st.tuples(st.integers(0, 500), st.booleans()), max_size=40), st.integers(0, 1 << 30)
)
def test_it_does_not_matter_when_the_watching_began(
    answers: list[tuple[int, bool]], later: int
) -> None:
    """In whole seconds, whose differences floats keep exactly."""
    now, then = (
        pattern([(float(time + start), is_open) for time, is_open in answers])
        for start in (0, later)
    )
    assert now == then


@pytest.mark.parametrize(("open_", "closed"), [(1, 1), (2, 5), (4, 4), (6, 3), (1, 8)])
def test_the_distribution_of_runs_is_what_counting_every_order_gives(
    open_: int, closed: int
) -> None:
    size = open_ + closed
    counts = []
    for places in combinations(range(size), open_):
        states = [place in places for place in range(size)]
        counts.append(1 + sum(a != b for a, b in pairwise(states)))
    for runs in range(size + 1):
        expected = sum(count <= runs for count in counts) / len(counts)
        assert chance_of_few_runs(runs, open_, closed) == pytest.approx(expected)


def test_runs_of_one_kind_of_answer_alone_are_not_counted() -> None:
    with pytest.raises(ValueError, match="both kinds"):
        chance_of_few_runs(1, 5, 0)
