"""When scanning is allowed, as intervals of UTC: windows minus blackout.

A rule speaks of the clock on the wall: an instant is inside when that clock, at that instant, shows
a time that the rule names. An hour that a change of the clocks leaves out is then in no interval,
one that comes twice may be in two, and midnight is nothing special: what is taken away is taken
from the intervals, not from the evenings on which they open.

All intervals are (first second, end), seconds since the epoch, the end exclusive.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

Span = tuple[float, float]

MINUTES_OF_A_DAY: Final = 1440
STOPPING: Final = 2.0
"""Seconds before a close at which what runs is stopped: that is how long stopping may take."""
HORIZON: Final = 400 * 86400.0
"""Seconds ahead for which openings are computed; beyond it nothing is open until they are again."""
_STEP: Final = 6 * 3600
"""Seconds between two looks at a zone's offset; no zone changes it and back within a day."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekly:
    """Hours of some days of the week, 0 for Monday; in minutes from midnight.

    An ``end`` that is not after ``begin`` lies on the next day: 22:00-05:00 is of the day on which
    it begins.
    """

    days: frozenset[int]
    begin: int = 0
    end: int = MINUTES_OF_A_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When scanning is allowed, in the words of an engagement.

    Without anything that opens (``everything``) all the time is open but for what closes. Local
    spans are pairs of naive datetimes in ``zone``; days are whole days there.
    """

    zone: tzinfo = UTC
    everything: bool = True
    weekly: tuple[Weekly, ...] = ()
    open_days: frozenset[date] = frozenset()
    open_spans: tuple[Span, ...] = ()
    closed_days: frozenset[date] = frozenset()
    closed_local: tuple[tuple[datetime, datetime], ...] = ()
    closed_spans: tuple[Span, ...] = ()


def openings(rules: Rules, begin: float, end: float) -> tuple[Span, ...]:
    """All intervals between two instants in which scanning is allowed: sorted and disjoint."""
    stretches = tuple(_stretches(rules.zone, begin, end))

    def on_the_wall(spans: Iterable[tuple[datetime, datetime]]) -> Iterator[Span]:
        for opens, closes in spans:
            yield from _instants(_seconds(opens), _seconds(closes), stretches)

    if rules.everything:
        opened: list[Span] = [(begin, end)]
    else:
        weekly = on_the_wall(_evenings(rules, begin, end))
        days = on_the_wall(_whole(rules.open_days))
        opened = [*weekly, *days, *rules.open_spans]
    closed = [
        *on_the_wall(_whole(rules.closed_days)),
        *on_the_wall(rules.closed_local),
        *rules.closed_spans,
    ]
    return clipped(_minus(_joined(opened), _joined(closed)), begin, end)


def clipped(spans: Iterable[Span], begin: float, end: float) -> tuple[Span, ...]:
    """What of the spans lies between two instants."""
    cut = ((max(opens, begin), min(closes, end)) for opens, closes in spans)
    return tuple((opens, closes) for opens, closes in cut if opens < closes)


def without(spans: Iterable[Span], closed: Iterable[Span]) -> tuple[Span, ...]:
    """What is left of some sorted, disjoint spans."""
    return tuple(_minus(spans, _joined(closed)))


@dataclass(frozen=True, slots=True)
class Openings:
    """Sorted, disjoint intervals, and where an instant stands among them."""

    spans: tuple[Span, ...]

    def now(self, at: float) -> Span | None:
        """The interval that an instant lies in; ``None`` when it is not allowed then."""
        place = bisect_right(self.spans, (at, float("inf"))) - 1
        if place >= 0 and self.spans[place][0] <= at < self.spans[place][1]:
            return self.spans[place]
        return None

    def after(self, at: float) -> tuple[Span, ...]:
        """The intervals that begin later than an instant."""
        return self.spans[bisect_right(self.spans, (at, float("inf"))) :]

    def longest_after(self, at: float) -> float:
        """Seconds of the longest one that begins later; 0 when none does."""
        return max((closes - opens for opens, closes in self.after(at)), default=0.0)

    def may_start(self, seconds: float, at: float) -> bool:
        """True when something that takes so long may begin now.

        It has to end before the close. What would fit into none of the later intervals either
        begins where most of one is left, or where none follows: it is better cut off than never
        tried.
        """
        current = self.now(at)
        if current is None:
            return False
        left = current[1] - STOPPING - at
        later = self.longest_after(at) - STOPPING
        return left > 0 and (seconds <= left or (seconds > later and left >= 0.9 * later))

    def finish(self, seconds: float, at: float) -> float | None:
        """When so many seconds of work would be done; ``None`` when they do not fit in."""
        current = self.now(at)
        for opens, closes in (*([(at, current[1])] if current else []), *self.after(at)):
            if seconds <= closes - opens:
                return opens + seconds
            seconds -= closes - opens
        return None


ALWAYS: Final = Openings(((float("-inf"), float("inf")),))


def _seconds(local: datetime) -> float:
    """A time on the wall, counted as if it were UTC."""
    return local.replace(tzinfo=UTC).timestamp()


def _stretches(zone: tzinfo, begin: float, end: float) -> Iterator[tuple[float, float, float]]:
    """(first second, end, offset in seconds): between them the zone's offset stays the same."""
    since, at, offset = begin, begin, _offset(zone, begin)
    while at < end:
        ahead = min(at + _STEP, end)
        if _offset(zone, ahead) != offset:
            changes = _change(zone, at, ahead, offset)
            yield since, changes, offset
            since, ahead, offset = changes, changes, _offset(zone, changes)
        at = ahead
    yield since, end, offset


def _change(zone: tzinfo, before: float, after: float, offset: float) -> float:
    """The first whole second at which the offset is another one."""
    low, high = int(before), int(-(-after // 1))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
    return float(high)


def _offset(zone: tzinfo, at: float) -> float:
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    return offset.total_seconds() if offset is not None else 0.0


def _instants(
    opens: float, closes: float, stretches: Iterable[tuple[float, float, float]]
) -> Iterator[Span]:
    """When the clock on the wall shows a time from ``opens`` to ``closes``."""
    for begin, end, offset in stretches:
        span = max(begin, opens - offset), min(end, closes - offset)
        if span[0] < span[1]:
            yield span


def _evenings(rules: Rules, begin: float, end: float) -> Iterator[tuple[datetime, datetime]]:
    first = datetime.fromtimestamp(begin, rules.zone).date() - 2 * _DAY
    last = datetime.fromtimestamp(end, rules.zone).date() + _DAY
    for number in range((last - first).days + 1):
        day = first + number * _DAY
        midnight = datetime.combine(day, time.min)
        for weekly in rules.weekly:
            if day.weekday() in weekly.days:
                closes = weekly.end + (MINUTES_OF_A_DAY if weekly.end <= weekly.begin else 0)
                yield (
                    midnight + timedelta(minutes=weekly.begin),
                    midnight + timedelta(minutes=closes),
                )


def _whole(days: Iterable[date]) -> Iterator[tuple[datetime, datetime]]:
    for day in days:
        midnight = datetime.combine(day, time.min)
        yield midnight, midnight + _DAY


def _joined(spans: Iterable[Span]) -> list[Span]:
    """The same, sorted, those that touch made one."""
    joined: list[Span] = []
    for opens, closes in sorted(span for span in spans if span[0] < span[1]):
        if joined and opens <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], closes)
        else:
            joined.append((opens, closes))
    return joined


def _minus(opened: Iterable[Span], closed: list[Span]) -> Iterator[Span]:
    place = 0
    for opens, closes in opened:
        while place < len(closed) and closed[place][1] <= opens:
            place += 1
        at = place
        while opens < closes and at < len(closed) and closed[at][0] < closes:
            if opens < closed[at][0]:
                yield opens, closed[at][0]
            opens = max(opens, closed[at][1])
            at += 1
        if opens < closes:
            yield opens, closes
