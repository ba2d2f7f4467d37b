"""Windows minus blackout, as intervals of UTC: by example, and against the clock on the wall."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.windows import STOPPING, Openings, Rules, Span, Weekly, clipped, openings

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = 60
DAY = 86400.0


def at(text: str) -> float:
    """An instant: ``2026-11-05 22:00`` in UTC, or with its offset."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def told(spans: tuple[Span, ...]) -> list[str]:
    return [
        f"{datetime.fromtimestamp(a, UTC):%m-%d %H:%M} {datetime.fromtimestamp(b, UTC):%m-%d %H:%M}"
        for a, b in spans
    ]


def nights(*days: int, begin: int = 22 * 60, end: int = 5 * 60) -> Weekly:
    return Weekly(days=frozenset(days), begin=begin, end=end)


# --- by example --------------------------------------------------------------------------------


def test_a_thursday_night_does_not_run_into_a_friday_holiday() -> None:
    rules = Rules(
        zone=BERLIN,
        everything=False,
        weekly=(nights(3),),
        closed_days=frozenset({date(2026, 12, 25)}),
    )
    found = openings(rules, at("2026-12-14 00:00"), at("2027-01-02 00:00"))
    assert told(found) == [
        "12-17 21:00 12-18 04:00",
        "12-24 21:00 12-24 23:00",
        "12-31 21:00 01-01 04:00",
    ]


def test_in_the_night_that_loses_an_hour_the_window_is_an_hour_shorter() -> None:
    rules = Rules(zone=BERLIN, everything=False, weekly=(nights(5),))
    found = openings(rules, at("2026-03-28 12:00"), at("2026-03-29 12:00"))
    assert told(found) == ["03-28 21:00 03-29 03:00"]


def test_in_the_night_that_has_an_hour_twice_the_window_is_an_hour_longer() -> None:
    rules = Rules(zone=BERLIN, everything=False, weekly=(nights(5),))
    found = openings(rules, at("2026-10-24 12:00"), at("2026-10-25 12:00"))
    assert told(found) == ["10-24 20:00 10-25 04:00"]


def test_an_end_inside_the_hour_that_comes_twice_holds_both_times() -> None:
    rules = Rules(zone=BERLIN, everything=False, weekly=(nights(5, end=150),))
    found = openings(rules, at("2026-10-24 12:00"), at("2026-10-25 12:00"))
    assert told(found) == ["10-24 20:00 10-25 00:30", "10-25 01:00 10-25 01:30"]


def test_hours_that_do_not_exist_are_no_window() -> None:
    rules = Rules(zone=BERLIN, everything=False, weekly=(nights(6, begin=120, end=180),))
    assert openings(rules, at("2026-03-28 12:00"), at("2026-03-29 12:00")) == ()


def test_without_anything_that_opens_all_is_open_but_the_blackout() -> None:
    rules = Rules(closed_local=((datetime(2026, 11, 3), datetime(2026, 11, 4, 6)),))
    found = openings(rules, at("2026-11-01 00:00"), at("2026-11-08 00:00"))
    assert told(found) == ["11-01 00:00 11-03 00:00", "11-04 06:00 11-08 00:00"]


def test_nothing_is_open_where_only_a_calendar_opens_and_it_is_empty() -> None:
    assert openings(Rules(everything=False), 0.0, DAY) == ()


def test_windows_that_touch_are_one() -> None:
    rules = Rules(everything=False, weekly=(nights(3), nights(4, begin=300, end=600)))
    found = openings(rules, at("2026-11-05 00:00"), at("2026-11-07 00:00"))
    assert told(found) == ["11-05 22:00 11-06 10:00"]


def test_a_window_that_began_before_is_there_from_the_first_second() -> None:
    rules = Rules(everything=False, weekly=(nights(3),))
    found = openings(rules, at("2026-11-06 01:00"), at("2026-11-06 12:00"))
    assert told(found) == ["11-06 01:00 11-06 05:00"]


# --- against the clock on the wall -------------------------------------------------------------

# Zones and days on which their clocks change: by an hour or half of one, at night, at midnight;
# and one on which a whole day is left out.
CHANGES = (
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Africa/Cairo", date(2026, 4, 24)),
    ("America/Havana", date(2026, 11, 1)),
    ("America/Santiago", date(2026, 9, 6)),
    ("Pacific/Chatham", date(2026, 9, 27)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Asia/Kathmandu", date(2026, 6, 1)),
)

minutes = st.integers(0, 96).map(lambda quarters: quarters * 15)
_weekly = st.builds(
    Weekly,
    days=st.frozensets(st.integers(0, 6), min_size=1),
    begin=minutes.map(lambda found: found % 1440),
    end=minutes.map(lambda found: found or 1440),
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Rules, float, float]:
    """Rules around a change of the clocks, and a stretch of some days around it."""
    name, change = draw(st.sampled_from(CHANGES))
    zone = ZoneInfo(name)
    noon = datetime(change.year, change.month, change.day, 12, tzinfo=UTC).timestamp()
    begin = noon - 1.5 * DAY + MINUTE * draw(st.integers(0, 600))
    end = noon + 1.5 * DAY - MINUTE * draw(st.integers(0, 600))
    days = st.frozensets(st.integers(-2, 2).map(lambda n: change + timedelta(days=n)), max_size=2)
    hours = st.integers(-40, 40)

    def spans() -> tuple[Span, ...]:
        drawn = draw(st.lists(st.tuples(hours, st.integers(1, 9)), max_size=2))
        return tuple((noon + 1800 * a, noon + 1800 * (a + length)) for a, length in drawn)

    midnight = datetime(change.year, change.month, change.day)
    local = draw(st.lists(st.tuples(hours, st.integers(1, 9)), max_size=2))
    rules = Rules(
        zone=zone,
        everything=draw(st.booleans()),
        weekly=tuple(draw(st.lists(_weekly, max_size=3))),
        open_days=draw(days),
        open_spans=spans(),
        closed_days=draw(days),
        closed_local=tuple(
            (midnight + timedelta(minutes=30 * a), midnight + timedelta(minutes=30 * (a + length)))
            for a, length in local
        ),
        closed_spans=spans(),
    )
    return rules, begin, end


def _within(spans: tuple[Span, ...], instant: float) -> bool:
    return any(opens <= instant < closes for opens, closes in spans)


def _weekly_allows(weekly: Weekly, local: datetime) -> bool:
    minute = local.hour * 60 + local.minute
    if weekly.begin < weekly.end:
        return local.weekday() in weekly.days and weekly.begin <= minute < weekly.end
    yesterday = (local.weekday() - 1) % 7
    return (local.weekday() in weekly.days and minute >= weekly.begin) or (
        yesterday in weekly.days and minute < weekly.end
    )


def allowed(rules: Rules, instant: float) -> bool:
    """By looking at the clock on the wall."""
    local = datetime.fromtimestamp(instant, rules.zone).replace(tzinfo=None)
    opened = rules.everything or (
        any(_weekly_allows(weekly, local) for weekly in rules.weekly)
        or local.date() in rules.open_days
        or _within(rules.open_spans, instant)
    )
    closed = (
        local.date() in rules.closed_days
        or any(begin <= local < end for begin, end in rules.closed_local)
        or _within(rules.closed_spans, instant)
    )
    return opened and not closed


@settings(max_examples=60)
@given(cases())
def test_every_minute_is_as_the_clock_on_the_wall_says(case: tuple[Rules, float, float]) -> None:
    rules, begin, end = case
    found = openings(rules, begin, end)
    opens = {instant for instant, _ in found}
    for number in range(int((end - begin) // MINUTE)):
        instant = begin + number * MINUTE
        assert _within(found, instant) == allowed(rules, instant), instant
    # … and where they begin and end, to the second.
    for first, last in found:
        assert allowed(rules, first)
        assert allowed(rules, last - 1)
        assert first == begin or not allowed(rules, first - 1)
        assert last == end or last in opens or not allowed(rules, last)


@settings(max_examples=60)
@given(cases())
def test_intervals_are_sorted_apart_from_each_other_and_inside_of_what_is_asked(
    case: tuple[Rules, float, float],
) -> None:
    rules, begin, end = case
    found = openings(rules, begin, end)
    assert all(begin <= opens < closes <= end for opens, closes in found)
    assert all(one[1] < other[0] for one, other in pairwise(found))
    authorised = clipped(found, begin + DAY, end - DAY)
    assert all(begin + DAY <= opens < closes <= end - DAY for opens, closes in authorised)


@settings(max_examples=60)
@given(cases())
def test_nothing_is_open_that_would_be_closed_with_less_blackout(
    case: tuple[Rules, float, float],
) -> None:
    rules, begin, end = case
    whole = Rules(zone=rules.zone, closed_days=rules.closed_days, closed_spans=rules.closed_spans)
    for opens, closes in openings(rules, begin, end):
        around = openings(whole, begin, end)
        assert any(a <= opens and closes <= b for a, b in around)


# --- among the intervals -----------------------------------------------------------------------

THREE = Openings(((100.0, 200.0), (300.0, 400.0), (500.0, 900.0)))


@pytest.mark.parametrize(
    ("instant", "inside"),
    [(99.9, None), (100.0, 0), (199.9, 0), (200.0, None), (300.0, 1), (899.0, 2), (900.0, None)],
)
def test_an_interval_has_its_first_second_and_not_its_end(
    instant: float, inside: int | None
) -> None:
    assert THREE.now(instant) == (None if inside is None else THREE.spans[inside])


def test_what_comes_after_an_instant_begins_later() -> None:
    assert THREE.after(50.0) == THREE.spans
    assert THREE.after(100.0) == THREE.spans[1:]
    assert THREE.after(500.0) == ()


def test_a_task_begins_only_when_it_ends_before_the_close() -> None:
    assert THREE.may_start(99.0 - STOPPING, 101.0)
    assert not THREE.may_start(100.0 - STOPPING, 101.0)
    assert not THREE.may_start(1.0, 250.0)
    assert not THREE.may_start(1.0, 200.0 - STOPPING)


def test_what_fits_into_no_window_begins_where_most_of_one_is_left() -> None:
    equal = Openings(((0.0, 100.0), (200.0, 300.0)))
    assert equal.may_start(5000.0, 1.0)
    assert not equal.may_start(5000.0, 20.0)
    assert not THREE.may_start(350.0, 101.0), "a later window is long enough"
    assert THREE.may_start(5000.0, 890.0), "no window follows"


def test_work_is_finished_across_windows_or_not_at_all() -> None:
    assert THREE.finish(50.0, 100.0) == 150.0
    assert THREE.finish(50.0, 180.0) == 330.0
    assert THREE.finish(50.0, 0.0) == 150.0
    assert THREE.finish(250.0, 100.0) == 550.0
    assert THREE.finish(601.0, 100.0) is None


def test_seen_from_far_away_the_clocks_change_at_the_same_second() -> None:
    rules = Rules(zone=BERLIN, everything=False, weekly=(nights(*range(7)),))
    near = openings(rules, at("2026-10-24 00:00"), at("2026-10-27 00:00"))
    far = openings(rules, at("2026-01-01 00:13:07"), at("2027-01-01 00:00"))
    assert set(near[1:-1]) <= set(far)
    assert len(far) == 366
