"""What is told of many runs together: how much is open, new and gone, and for how long."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given, settings

from pipeline.decide.history import OPEN, Look, Spell, Spells
from pipeline.decide.trends import Occasion, Trends, trends
from pipeline.model import VerdictKind
from tests.decide.making import START
from tests.decide.test_history_laws import engagements, rebuilt

WEEK = 7 * 86_400.0
CONFIRMED, LIKELY, REFUTED = VerdictKind.CONFIRMED, VerdictKind.LIKELY, VerdictKind.REFUTED


def weeks(*numbers: int) -> list[Occasion]:
    return [
        Occasion(number=number, id=f"run-{number}", started=START + place * WEEK)
        for place, number in enumerate(numbers)
    ]


def spell(first: int, last: int, kind: VerdictKind | None, *missed: int) -> Spell:
    return Spell(first=first, last=last, kind=kind, missed=missed)


def column(found: Trends, name: str) -> list[int]:
    return [asdict(run)[name] for run in found.runs]


def of(*histories: Spells, runs: int = 5) -> Trends:
    return trends(histories, weeks(*range(1, runs + 1)))


def test_a_port_that_opens_and_goes_is_new_once_and_gone_once() -> None:
    found = of((spell(1, 1, None), spell(2, 3, CONFIRMED), spell(4, 5, None)))
    assert column(found, "confirmed") == [0, 1, 1, 0, 0]
    assert column(found, "new") == [0, 1, 0, 0, 0]
    assert column(found, "gone") == [0, 0, 0, 1, 0]
    assert column(found, "newly_covered") == [0] * 5
    assert (found.stays.whole, found.stays.ended) == (1, 1)
    # From the middle of the first week to the middle of the third.
    assert found.stays.mean_whole == found.stays.mean == 2 * WEEK


def test_what_was_never_asked_before_is_not_new() -> None:
    found = of((spell(3, 5, CONFIRMED),))
    assert column(found, "new") == [0] * 5
    assert column(found, "newly_covered") == [0, 0, 1, 0, 0]
    assert (found.stays.begun_before, found.stays.still_open) == (1, 1)


def test_a_run_that_did_not_look_does_not_make_a_port_gone() -> None:
    found = of((spell(1, 4, CONFIRMED, 2, 3),))
    assert column(found, "confirmed") == [1, 0, 0, 1, 0]
    assert column(found, "gone") == [0] * 5
    assert column(found, "not_covered") == [0, 1, 1, 0, 1]


def test_another_verdict_or_service_does_not_end_the_time_a_port_is_open() -> None:
    found = of((spell(1, 2, LIKELY), spell(3, 3, CONFIRMED), spell(4, 5, LIKELY)))
    assert (found.stays.periods, found.stays.ended) == (1, 0)
    assert column(found, "likely") == [1, 1, 0, 1, 1]
    assert (found.stays.mean, found.stays.mean_whole) == (None, None)
    assert found.stays.open_time == 4 * WEEK


@pytest.mark.parametrize("kind", [VerdictKind.TRANSIENT, VerdictKind.UNRESOLVED])
def test_a_doubt_neither_begins_nor_ends_the_time_a_port_is_open(kind: VerdictKind) -> None:
    found = of((spell(1, 1, kind), spell(2, 2, CONFIRMED), spell(3, 3, kind), spell(4, 5, LIKELY)))
    assert (found.stays.periods, found.stays.ended) == (1, 0)
    assert column(found, "gone") == [0] * 5


def test_periods_of_which_an_end_was_not_seen_count_for_as_long_as_they_were() -> None:
    whole = (spell(1, 1, None), spell(2, 2, CONFIRMED), spell(3, 5, REFUTED))
    long_ = (spell(1, 5, CONFIRMED),)
    found = of(whole, long_)
    assert found.stays.mean_whole == WEEK
    assert found.stays.mean == 5 * WEEK
    assert found.stays.begun_before == found.stays.still_open == 1


def test_no_history_gives_no_mean() -> None:
    found = of()
    assert (found.stays.periods, found.stays.mean, found.stays.open_time) == (0, None, 0.0)
    assert column(found, "confirmed") == [0] * 5


@given(engagements())
@settings(max_examples=60)
def test_the_counts_of_a_run_are_those_of_its_own_verdicts(
    runs: list[Look],
) -> None:
    histories = rebuilt(runs)
    found = trends(histories.values(), weeks(*(look.run for look in runs)))
    for look, told in zip(runs, found.runs, strict=True):
        kinds = [state[0] for where in histories if (state := look.state(where)) is not None]
        assert (told.confirmed, told.likely) == (kinds.count(CONFIRMED), kinds.count(LIKELY))
        assert told.new + told.newly_covered <= told.confirmed + told.likely


@given(engagements())
@settings(max_examples=60)
def test_what_is_open_came_and_has_not_gone(runs: list[Look]) -> None:
    histories = rebuilt(runs)
    found = trends(histories.values(), weeks(*(look.run for look in runs)))
    came = sum(run.new + run.newly_covered for run in found.runs)
    gone = sum(run.gone for run in found.runs)
    assert came == found.stays.periods
    assert gone == found.stays.ended == came - found.stays.still_open
    last = [s[-1] for s in histories.values() if s]
    assert found.stays.still_open >= sum(each.kind in OPEN for each in last)
    assert found.stays.open_time >= 0
