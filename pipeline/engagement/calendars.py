"""Public holidays and the client's calendar, as days and instants.

The packages that know them are heavy and are imported where an engagement asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final

from pipeline.engagement.fields import WEEKDAYS
from pipeline.engagement.source import Door, read_limited
from pipeline.engagement.values import Calendar, Engagement, Holidays, Hours
from pipeline.engagement.wording import did_you_mean, shown
from pipeline.errors import Error
from pipeline.windows import HORIZON, MINUTES_OF_A_DAY, Rules, Span, Weekly, clipped, openings

if TYPE_CHECKING:
    from icalendar import Calendar as Components

LARGEST_CALENDAR: Final = 1 << 20
"""Bytes of an iCalendar file."""
_MOST_SERIES: Final = 500
"""Events that repeat: each may come on every day of a year."""
_LOOK_BACK: Final = 2 * 86400.0
_DAY: Final = timedelta(days=1)
_FINE: Final = ("BYHOUR", "BYMINUTE", "BYSECOND")


def require_country(country: str) -> None:
    """Raise ``ValueError`` unless public holidays of the country are known."""
    from holidays import list_supported_countries

    known = list_supported_countries()
    if country not in known:
        raise ValueError(
            f"is no country whose holidays are known; write a code of ISO 3166-1 such as DE "
            f"(got {shown(country)})"
        )


def require_subdivision(country: str, subdivision: str) -> None:
    """Raise ``ValueError`` unless the country has this part."""
    from holidays import list_supported_countries

    known = list_supported_countries().get(country, [])
    if subdivision not in known:
        hint = did_you_mean(subdivision, known) if known else "; no part of it is"
        raise ValueError(f"is not known as a part of {country}{hint} (got {shown(subdivision)})")


def read_calendar(name: str, door: Door) -> Calendar:
    """Read an iCalendar file (RFC 5545) beside the engagement.

    Raises ``ValueError`` with a sentence when it is none, is cut off, or cannot be expanded.
    """
    path = door.folder / name
    data = read_limited(path, LARGEST_CALENDAR)
    if len(data) > LARGEST_CALENDAR:
        raise ValueError(f"is larger than {LARGEST_CALENDAR >> 20} MiB (got {shown(name)})")
    text = door.admit(path, data)
    found = Calendar(path=path.absolute(), text=text)
    # A file that was cut off must not pass for one that forbids nothing.
    if not text.rstrip().endswith("END:VCALENDAR"):
        raise ValueError(f"does not end as a calendar does, with END:VCALENDAR (got {shown(name)})")
    events = list(_components(found).walk("VEVENT"))
    if not events:
        raise ValueError(f"holds no events at all (got {shown(name)})")
    series = [rule for event in events for rule in _rules_of(event)]
    for rule in series:
        if rule.get("FREQ", [""])[0] in ("SECONDLY", "MINUTELY", "HOURLY") or any(
            len(rule.get(part, [])) > 1 for part in _FINE
        ):
            raise ValueError(f"has an event that repeats within a day (got {shown(name)})")
    if len(series) > _MOST_SERIES:
        raise ValueError(f"has more than {_MOST_SERIES} events that repeat (got {shown(name)})")
    return found


def _components(calendar: Calendar) -> Components:
    from icalendar import Calendar as Components

    try:
        found = Components.from_ical(calendar.text)
    except Exception as problem:  # a foreign file can make the reader raise anything
        raise ValueError(
            f"is no calendar that can be read: {shown(str(problem))} (got "
            f"{shown(calendar.path.name)})"
        ) from None
    if not isinstance(found, Components):
        raise ValueError(f"is no calendar (got {shown(calendar.path.name)})")
    return found


def _rules_of(event: Any) -> list[Any]:
    rules = event.get("RRULE")
    return rules if isinstance(rules, list) else [rules] if rules is not None else []


def openings_of(engagement: Engagement, now: float) -> tuple[Span, ...] | None:
    """When the engagement allows scanning, from two days ago on; ``None``: at any time.

    All of it lies within the authorisation. Raises :class:`Error` when the calendar cannot be
    expanded.
    """
    if engagement.hours is None:
        return None
    allowed = engagement.authorisation
    begin = max(allowed.valid_from, now - _LOOK_BACK)
    end = min(allowed.valid_until, now + HORIZON)
    return openings(rules_of(engagement.hours, begin, end), begin, end) if begin < end else ()


def rules_of(hours: Hours, begin: float, end: float) -> Rules:
    """The rules with every holiday and every event between two instants."""
    first, last = (datetime.fromtimestamp(at, hours.zone).date() for at in (begin, end))
    holidays = frozenset(_holidays(hours.holidays, first.year, last.year))
    days, spans = _busy(hours.calendar, hours.zone, begin, end)
    holidays_open = hours.holidays is not None and hours.holidays.opens
    calendar_opens = hours.calendar is not None and hours.calendar.opens
    none: frozenset[date] = frozenset()
    return Rules(
        zone=hours.zone,
        everything=not (hours.weekly or holidays_open or calendar_opens),
        weekly=hours.weekly,
        open_days=(holidays if holidays_open else none) | (days if calendar_opens else none),
        open_spans=spans if calendar_opens else (),
        closed_days=(none if holidays_open else holidays) | (none if calendar_opens else days),
        closed_local=hours.blackout,
        closed_spans=() if calendar_opens else spans,
    )


def _holidays(wanted: Holidays | None, first: int, last: int) -> Iterator[date]:
    if wanted is not None:
        from holidays import country_holidays

        years = range(first - 1, last + 2)
        yield from country_holidays(wanted.country, subdiv=wanted.subdivision, years=years)


def _busy(
    calendar: Calendar | None, zone: tzinfo, begin: float, end: float
) -> tuple[frozenset[date], tuple[Span, ...]]:
    """Whole days, and spans of instants, in which the calendar has a busy event."""
    if calendar is None:
        return frozenset(), ()
    import recurring_ical_events

    around = [datetime.fromtimestamp(at, UTC) for at in (begin - 86400, end + 86400)]
    days: set[date] = set()
    spans: list[Span] = []
    try:
        for event in recurring_ical_events.of(_components(calendar)).between(*around):
            if _is_free(event):
                continue
            opens, closes = event["DTSTART"].dt, event["DTEND"].dt
            if isinstance(opens, datetime):
                spans.append((_instant(opens, zone), _instant(closes, zone)))
            else:
                days |= set(_days(opens, closes, around[0].date(), around[1].date()))
    except Exception as problem:  # as above
        raise Error(
            f"the calendar cannot be expanded: {shown(str(problem))}",
            where=str(calendar.path),
            hint="have it exported again",
        ) from None
    return frozenset(days), clipped(spans, begin, end)


def _is_free(event: Any) -> bool:
    """RFC 5545, 3.8.2.7 and 3.8.1.11, and what Outlook writes besides."""
    return (
        str(event.get("TRANSP", "")).upper() == "TRANSPARENT"
        or str(event.get("STATUS", "")).upper() == "CANCELLED"
        or str(event.get("X-MICROSOFT-CDO-BUSYSTATUS", "")).upper() == "FREE"
    )


def _instant(moment: datetime, zone: tzinfo) -> float:
    # A time without a zone is everybody's own; whose it is here, the engagement says.
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()


def _days(opens: date, closes: date, first: date, last: date) -> Iterator[date]:
    day = max(opens, first)
    while day < min(max(closes, opens + _DAY), last):
        yield day
        day += _DAY


def described(hours: Hours | None) -> tuple[str, ...]:
    """The windows in words, a line for each rule."""
    if hours is None:
        return ()
    days, busy = hours.holidays, hours.calendar
    lines = [_weekly(weekly) for weekly in hours.weekly]
    if days is not None:
        where = f"{days.country}-{days.subdivision}" if days.subdivision else days.country
        lines.append(f"{'on' if days.opens else 'not on'} public holidays of {where}")
    if busy is not None:
        lines.append(f"{'in' if busy.opens else 'not in'} busy events of {busy.path.name}")
    lines += [f"not from {a:%Y-%m-%d %H:%M} until {b:%Y-%m-%d %H:%M}" for a, b in hours.blackout]
    return (*lines, f"on the clock of {hours.zone}")


def _weekly(weekly: Weekly) -> str:
    days = sorted(weekly.days)
    in_a_row = len(days) > 2 and days == list(range(days[0], days[-1] + 1))
    names = [WEEKDAYS[day][:3].capitalize() for day in days]
    which = f"{names[0]}-{names[-1]}" if in_a_row else ", ".join(names)
    begin, end = (f"{m // 60:02}:{m % 60:02}" for m in (weekly.begin, weekly.end))
    whole = (weekly.begin, weekly.end) == (0, MINUTES_OF_A_DAY)
    return which if whole else f"{which} {begin}-{end}"
