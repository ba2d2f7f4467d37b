"""The windows of an engagement: hours, blackout, public holidays, the client's calendar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engagement import Engagement
from pipeline.engagement.calendars import described, openings_of, read_calendar
from pipeline.engagement.source import Door, Reported
from pipeline.errors import EngagementError, Error

Engage = Callable[[str | bytes], Engagement]

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC).timestamp()


def calendar(*events: str) -> str:
    """An iCalendar file with these events; each is its lines without UID and DTSTAMP."""
    body = "".join(
        f"BEGIN:VEVENT\nUID:{number}\nDTSTAMP:20261101T000000Z\n{event}\nEND:VEVENT\n"
        for number, event in enumerate(events)
    )
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example Ltd//EN\n{body}END:VCALENDAR\n"


def told(engagement: Engagement, until: str = "2026-11-20") -> list[str]:
    """Openings from two days before the third of November, as texts in UTC."""
    spans = openings_of(engagement, NOON)
    assert spans is not None
    moments = [[datetime.fromtimestamp(at, UTC) for at in span] for span in spans]
    return [f"{a:%m-%d %H:%M} {b:%m-%d %H:%M}" for a, b in moments if f"{a:%Y-%m-%d}" < until]


@pytest.fixture
def windows(engage: Engage, sound: str, tmp_path: Path) -> Callable[..., Engagement]:
    """The sound engagement with these lines under ``windows``, and a calendar beside it."""

    def make(*lines: str, ics: str = "") -> Engagement:
        (tmp_path / "client.ics").write_text(ics)
        return engage(sound + "windows:\n" + "".join(f"  {line}\n" for line in lines))

    return make


Windows = Callable[..., Engagement]


def test_without_windows_there_is_nothing_to_keep(engage: Engage, sound: str) -> None:
    found = engage(sound)
    assert found.hours is None
    assert openings_of(found, NOON) is None
    assert described(found.hours) == ()


def test_hours_are_on_the_clock_of_the_windows(windows: Windows) -> None:
    found = windows("timezone: Europe/Berlin", "open: [{days: thu, hours: 22:00-05:00}]")
    assert told(found, "2026-11-15") == ["11-05 21:00 11-06 04:00", "11-12 21:00 11-13 04:00"]


def test_without_a_time_zone_it_is_the_clock_of_the_authorisation(
    engage: Engage, sound: str
) -> None:
    text = sound.replace("authorisation:\n", "authorisation:\n  timezone: Asia/Tokyo\n", 1)
    found = engage(text + "windows: {open: [{days: wed}]}\n")
    assert told(found, "2026-11-10") == ["11-03 15:00 11-04 15:00"]


def test_a_night_before_a_public_holiday_ends_at_midnight(windows: Windows) -> None:
    found = windows(
        "timezone: Europe/Berlin",
        "open: [{days: thu, hours: 22:00-05:00}]",
        "holidays: {country: DE, subdivision: BY}",
    )
    assert "12-24 21:00 12-24 23:00" in told(found, "2026-12-31")


def test_holidays_may_be_windows(windows: Windows) -> None:
    found = windows("holidays: {country: DE, are: windows}")
    assert told(found, "2026-12-31") == ["12-25 00:00 12-27 00:00"]


def test_blackout_days_count_in_full_and_times_to_the_minute(windows: Windows) -> None:
    found = windows("blackout: [2026-11-05, 2026-11-06 18:00 to 2026-11-07 06:00]")
    assert told(found) == [
        "11-01 12:00 11-05 00:00",
        "11-06 00:00 11-06 18:00",
        "11-07 06:00 " + told(found)[2][12:],
    ]


BUSY = calendar(
    "DTSTART:20261105T100000Z\nDTEND:20261105T120000Z",
    "DTSTART:20261106T100000Z\nDTEND:20261106T120000Z\nTRANSP:TRANSPARENT",
    "DTSTART:20261107T100000Z\nDTEND:20261107T120000Z\nSTATUS:CANCELLED",
    "DTSTART:20261108T100000Z\nDTEND:20261108T120000Z\nX-MICROSOFT-CDO-BUSYSTATUS:FREE",
    "DTSTART;TZID=America/New_York:20261109T200000\nDURATION:PT3H",
    "DTSTART;VALUE=DATE:20261111\nDTEND;VALUE=DATE:20261112",
    "DTSTART:20261113T080000\nDTEND:20261113T090000",
)


def test_busy_events_are_windows_and_free_ones_are_not(windows: Windows) -> None:
    found = windows(
        "timezone: Europe/Berlin", "calendar: {file: client.ics, are: windows}", ics=BUSY
    )
    assert told(found) == [
        "11-05 10:00 11-05 12:00",
        "11-10 01:00 11-10 04:00",
        "11-10 23:00 11-11 23:00",
        "11-13 07:00 11-13 08:00",
    ]


def test_busy_events_are_blackout_if_nothing_else_is_said(windows: Windows) -> None:
    found = windows("open: [{days: thu}]", "calendar: {file: client.ics}", ics=BUSY)
    assert told(found, "2026-11-10") == ["11-05 00:00 11-05 10:00", "11-05 12:00 11-06 00:00"]


def test_an_event_that_repeats_keeps_its_hour_when_the_clocks_change(windows: Windows) -> None:
    weekly = (
        "DTSTART;TZID=Europe/Berlin:20260105T220000\nDTEND;TZID=Europe/Berlin:20260106T050000\n"
        "RRULE:FREQ=WEEKLY;BYDAY=MO\nEXDATE;TZID=Europe/Berlin:20261109T220000"
    )
    found = windows("calendar: {file: client.ics, are: windows}", ics=calendar(weekly))
    assert told(found) == ["11-02 21:00 11-03 04:00", "11-16 21:00 11-17 04:00"]
    assert "03-29 20:00 03-30 03:00" in told(found, "2027-04-10")


def test_openings_lie_within_the_authorisation(windows: Windows) -> None:
    found = windows("open: [{days: mon-sun}]")
    spans = openings_of(found, NOON)
    assert spans is not None
    assert spans[0][0] >= found.authorisation.valid_from
    assert spans[-1][1] <= found.authorisation.valid_until


def test_the_windows_are_told_in_words(windows: Windows) -> None:
    found = windows(
        "timezone: Europe/Berlin",
        "open: [{days: mon-thu, hours: 22:00-05:00}, {days: [sat, sun]}]",
        "blackout: [2026-12-24]",
        "holidays: {country: DE, subdivision: BY}",
        "calendar: {file: client.ics, are: windows}",
        ics=BUSY,
    )
    assert described(found.hours) == (
        "Mon-Thu 22:00-05:00",
        "Sat, Sun",
        "not on public holidays of DE-BY",
        "in busy events of client.ics",
        "not from 2026-12-24 00:00 until 2026-12-25 00:00",
        "on the clock of Europe/Berlin",
    )


DAILY = "DTSTART:20261105T100000Z\nDTEND:20261105T120000Z\nRRULE:FREQ=DAILY"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("open: []", "must not be empty"),
        ("open: [{days: someday}]", "is no day of the week"),
        ("open: [{days: mo}]", "is no day of the week"),
        ("open: [{hours: 22-05}]", "is not a time such as 22:00-05:00"),
        ("open: [{hours: 25:00-26:00}]", "is no time of the day"),
        ("open: [{hours: 05:00-05:00}]", "is empty; the whole day is 00:00-24:00"),
        ("timezone: Mars", "is not a time zone"),
        ("blackout: [2026-13-01]", "is no day of the calendar"),
        ("blackout: [tomorrow]", "must be days such as 2026-12-24"),
        ("blackout: [2026-12-24T10:00]", "is a time without an end"),
        ("blackout: [2026-12-24 to 2026-12-23]", "ends before it begins"),
        ("blackout: [2026-12-24T10:00Z to 2026-12-25T10:00Z]", "on the clock of windows.timezone"),
        ("holidays: {country: XX}", "is no country whose holidays are known"),
        ("holidays: {country: DE, subdivision: BX}", "is not known as a part of DE"),
        ("holidays: {country: DE, are: holidays}", "windows.holidays.are"),
        ("holidays: {subdivision: BY}", "country: is missing"),
        ("calendar: {file: nobody.ics}", "there is no file"),
        ("timezone: Europe/Berlin", "must say something"),
    ],
)
def test_mistakes_are_told_with_their_place(windows: Windows, line: str, what: str) -> None:
    with pytest.raises(EngagementError) as caught:
        windows(line)
    assert what in str(caught.value)
    assert ": windows" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "does not end as a calendar does"),
        (calendar(DAILY)[:-20], "does not end as a calendar does"),
        (calendar(), "holds no events at all"),
        (calendar(DAILY.replace("DAILY", "SECONDLY")), "repeats within a day"),
        (calendar(DAILY + ";BYHOUR=1,2,3"), "repeats within a day"),
        (calendar(*[DAILY] * 501), "more than 500 events"),
        ("nonsense\nEND:VCALENDAR", "is no calendar"),
    ],
)
def test_a_calendar_that_cannot_be_kept_is_a_mistake(
    windows: Windows, text: str, what: str
) -> None:
    with pytest.raises(EngagementError, match=what):
        windows("calendar: {file: client.ics}", ics=text)


def test_a_calendar_that_cannot_be_expanded_says_so(windows: Windows) -> None:
    broken = calendar(
        "DTSTART:20261105T100000Z\nDTEND:20261105T120000Z\nRRULE:FREQ=DAILY;BYDAY=9XX"
    )
    with pytest.raises(Error, match="calendar"):
        openings_of(windows("calendar: {file: client.ics}", ics=broken), NOON)


@settings(max_examples=60)
@given(st.data())
def test_no_bytes_of_a_calendar_crash_the_reader(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    sound = bytearray(BUSY.encode())
    for place in data.draw(st.lists(st.integers(0, len(sound) - 1), max_size=6)):
        sound[place] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("calendar")
    (folder / "client.ics").write_bytes(bytes(sound))
    door = Door(folder=folder)
    try:
        found = read_calendar("client.ics", door)
    except (ValueError, Reported):
        return
    assert found.text.rstrip().endswith("END:VCALENDAR")
