"""When runs begin: days of the week and a time on the clock of a zone."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from pipeline.engagement.fields import WEEKDAYS, parse_weekdays, parse_zone
from pipeline.engagement.values import Hours
from pipeline.windows import Rules, Weekly, openings

_START: Final = re.compile(r"(?:([A-Za-z-]+) +)?([01]?[0-9]|2[0-3]):([0-5][0-9])")
_MOST: Final = 50
EVERY_DAY: Final = frozenset(range(7))


@dataclass(frozen=True, slots=True, order=True)
class Start:
    """A time on some days of the week, 0 for Monday; ``minute`` counts from midnight."""

    minute: int
    days: tuple[int, ...]

    @property
    def clock(self) -> str:
        """``22:00``."""
        return f"{self.minute // 60:02}:{self.minute % 60:02}"

    def __str__(self) -> str:
        return f"{days_text(self.days, '-', ',')} {self.clock}".replace("mon-sun ", "")


@dataclass(frozen=True, slots=True)
class Schedule:
    """When runs begin, on the clock of ``zone``."""

    starts: tuple[Start, ...]
    zone: tzinfo

    def __str__(self) -> str:
        """``mon-thu 22:00; sat 06:30 Europe/Berlin``, as :func:`parse_schedule` reads it."""
        return f"{'; '.join(map(str, self.starts))} {self.zone}"


def days_text(days: Iterable[int], through: str, between: str) -> str:
    """``mon-thu`` or ``mon,wed``: stretches of three days and more in short."""
    parts: list[list[int]] = []
    for day in sorted(days):
        if parts and parts[-1][-1] == day - 1:
            parts[-1].append(day)
        else:
            parts.append([day])
    names = [day[:3] for day in WEEKDAYS]
    texts = [
        f"{names[part[0]]}{through}{names[part[-1]]}"
        if len(part) > 2
        else between.join(names[day] for day in part)
        for part in parts
    ]
    return between.join(texts)


def parse_starts(text: str) -> tuple[Start, ...]:
    """Read ``22:00``, ``mon-thu 22:00`` or several with ``;`` between them.

    Raises ``ValueError`` with a sentence.
    """
    found: dict[int, set[int]] = {}
    for part in text.split(";"):
        days, clock = _days_and_clock(part.strip())
        found.setdefault(clock, set()).update(days)
    return _starts(found)


def _days_and_clock(text: str) -> tuple[Iterable[int], int]:
    days, _, clock = text.rpartition(" ")
    matched = _START.fullmatch(clock)
    if not matched:
        raise ValueError(f"is no time to begin; write 22:00, or mon-thu 22:00 (got {text[:80]!r})")
    minute = int(matched[2]) * 60 + int(matched[3])
    if not days.strip():
        return EVERY_DAY, minute
    return frozenset().union(*(parse_weekdays(part) for part in days.split(","))), minute


def _starts(found: dict[int, set[int]]) -> tuple[Start, ...]:
    if sum(map(len, found.values())) > _MOST:
        raise ValueError(f"begins more than {_MOST} times a week")
    return tuple(sorted(Start(minute, tuple(sorted(days))) for minute, days in found.items()))


def parse_schedule(text: str) -> Schedule:
    """Read what ``str`` of a schedule writes. Raises ``ValueError`` with a sentence."""
    starts, _, zone = text.strip().rpartition(" ")
    if not starts or ":" in zone:
        raise ValueError(f"ends in no time zone; write mon 22:00 Europe/Berlin (got {text[:80]!r})")
    return Schedule(parse_starts(starts), parse_zone(zone))


def schedule_of(hours: Hours | None) -> Schedule | None:
    """A run whenever a window opens; ``None`` where nothing opens by the week."""
    if hours is None or not hours.weekly:
        return None
    found: dict[int, set[int]] = {}
    for weekly in hours.weekly:
        for day in weekly.days:
            if not _open_before(hours.weekly, day, weekly.begin):
                found.setdefault(weekly.begin, set()).add(day)
    if not found:  # open all week long
        found = {0: {0}}
    return Schedule(_starts(found), hours.zone)


def earlier(schedule: Schedule, seconds: float) -> Schedule:
    """The same runs, begun so much earlier on the clock of the wall; whole minutes, rounded up."""
    less = math.ceil(seconds / 60)
    found: dict[int, set[int]] = {}
    for start in schedule.starts:
        for day in start.days:
            at = (day * 1440 + start.minute - less) % (7 * 1440)
            found.setdefault(at % 1440, set()).add(at // 1440)
    return Schedule(_starts(found), schedule.zone)


def _open_before(weekly: Iterable[Weekly], day: int, minute: int) -> bool:
    """True when it is open already in the minute before: no window opens then."""
    at = (day * 1440 + minute - 1) % (7 * 1440)
    for hours in weekly:
        length = (hours.end - hours.begin - 1) % 1440 + 1
        for first in hours.days:
            if (at - first * 1440 - hours.begin) % (7 * 1440) < length:
                return True
    return False


def due(schedule: Schedule, begin: float, end: float) -> tuple[float, ...]:
    """When runs should have begun, after ``begin`` and until ``end``, as epoch seconds.

    A time that a change of the clocks leaves out is none; of one that comes twice the first counts.
    """
    weekly = tuple(
        Weekly(days=frozenset(start.days), begin=start.minute, end=start.minute + 1)
        for start in schedule.starts
    )
    found = openings(
        Rules(zone=schedule.zone, everything=False, weekly=weekly), begin - 7200, end + 60
    )
    instants: dict[object, float] = {}
    for opens, _ in found:
        on_the_wall = datetime.fromtimestamp(opens, schedule.zone).replace(tzinfo=None, fold=0)
        instants.setdefault(on_the_wall, opens)
    return tuple(instant for instant in instants.values() if begin < instant <= end)
