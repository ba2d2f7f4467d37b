"""The course of one run: which stage asked when, where it paused, and at what rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from pipeline.render.language import figure, say
from pipeline.render.pictures.svg import INKS, Picture, block, drawing, label, number, rule
from pipeline.render.text import counted, duration, minute

WIDTH: Final = 720
LEFT: Final = 132
RIGHT: Final = 712
ROW: Final = 22
RATE: Final = 70
BUCKETS: Final = 200

Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """When anything of a stage was asked, as spans of time that do not overlap, in order."""

    name: str
    tasks: int
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A run from its beginning to its end.

    ``shares`` are (from, to, packets per second) of every task that had a share of the rate,
    ``limit`` is what all of them together may send; ``None`` where it is not known.
    """

    began: float
    ended: float
    lanes: tuple[Lane, ...]
    pauses: tuple[Span, ...]
    shares: tuple[tuple[float, float, float], ...]
    limit: int | None


def merged(spans: Sequence[Span], apart: float = 0.0) -> tuple[Span, ...]:
    """The spans without overlaps; those no further ``apart`` than this become one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1] + apart:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return tuple(found)


def rates(course: Course) -> list[float]:
    """The mean of all shares together in each of the equal parts of the run."""
    width = (course.ended - course.began) / BUCKETS
    found = [0.0] * BUCKETS
    for start, end, rate in course.shares:
        first = max(0, int((start - course.began) / width))
        for place in range(first, BUCKETS):
            left = course.began + place * width
            overlap = min(end, left + width) - max(start, left)
            if overlap <= 0 and place > first:
                break
            found[place] += rate * max(0.0, overlap) / width
    return found


def run_course(course: Course) -> Picture:
    """A lane for each stage, one for pauses, and the rate below, against its limit."""
    title = say("The course of this run")
    if not any(lane.spans for lane in course.lanes) or course.ended <= course.began:
        told = say("Nothing was sent, so there is no course to show.")
        nothing = label(4, 20, told, ink="soft", width=WIDTH)
        return drawing("course", title, [told], WIDTH, 30, [nothing])
    lanes = [lane for lane in course.lanes if lane.spans]
    below = 8 + ROW * (len(lanes) + bool(course.pauses))
    shows_rate = bool(course.shares)
    height = below + (RATE + 24 if shows_rate else 0) + 24
    parts = [*_lanes(course, lanes)]
    if shows_rate:
        parts += _rate(course, below + 16)
    parts += [
        label(LEFT, height - 6, minute(course.began), ink="soft"),
        label(RIGHT, height - 6, minute(course.ended), ink="soft", anchor="end"),
    ]
    return drawing("course", title, _words(course, lanes), WIDTH, height, parts)


def _x(course: Course, time: float) -> float:
    share = (time - course.began) / (course.ended - course.began)
    return LEFT + (RIGHT - LEFT) * min(1.0, max(0.0, share))


def _lanes(course: Course, lanes: Sequence[Lane]) -> Iterator[Markup]:
    apart = (course.ended - course.began) / (RIGHT - LEFT)
    rows = [(lane.name, lane.spans, "confirmed") for lane in lanes]
    if course.pauses:
        rows.append((say("paused"), course.pauses, "transient"))
    for place, (name, spans, ink) in enumerate(rows):
        y = 8 + place * ROW
        yield label(LEFT - 10, y + 13, name, anchor="end", width=LEFT - 10)
        yield rule(LEFT, y + ROW - 3, RIGHT, y + ROW - 3)
        for start, end in merged(spans, apart):
            x = _x(course, start)
            told = say(
                "{name}: {time} from {begin}",
                name=name,
                time=duration(end - start),
                begin=minute(start),
            )
            yield block(x, y + 2, max(1.0, _x(course, end) - x), ROW - 7, ink, told)


def _rate(course: Course, top: float) -> Iterator[Markup]:
    found = rates(course)
    most = max(*found, float(course.limit or 0), 1.0)
    bottom = top + RATE
    points = [f"{LEFT},{number(bottom)}"]
    step = (RIGHT - LEFT) / BUCKETS
    for place, rate in enumerate(found):
        y = number(bottom - RATE * rate / most)
        points += [f"{number(LEFT + place * step)},{y}", f"{number(LEFT + (place + 1) * step)},{y}"]
    points.append(f"{RIGHT},{number(bottom)}")
    yield label(LEFT - 10, bottom, "0", ink="soft", anchor="end")
    yield Markup('<polygon points="{}" class="i-likely" fill="{}"/>').format(
        " ".join(points), INKS["likely"]
    )
    yield rule(LEFT, bottom, RIGHT, bottom)
    if course.limit is not None:
        line = bottom - RATE * course.limit / most
        yield rule(LEFT, line, RIGHT, line, ink="gap", dash="6 4")
        yield label(
            LEFT - 10, line + 4, f"{figure(course.limit)}/s", ink="gap", anchor="end", width=98
        )


def _words(course: Course, lanes: Sequence[Lane]) -> Iterator[str]:
    yield say("The run took {time}.", time=duration(course.ended - course.began))
    for lane in lanes:
        asked = sum(end - start for start, end in lane.spans)
        yield say(
            "{stage} asked {tasks} in {time}.",
            stage=lane.name[:1].upper() + lane.name[1:],
            tasks=counted(lane.tasks, "task"),
            time=duration(asked),
        )
    if course.pauses:
        paused = sum(end - start for start, end in course.pauses)
        times = counted(len(course.pauses), "time")
        yield say("It paused {times}, for {time} in all.", times=times, time=duration(paused))
    if course.shares:
        most = max(rates(course))
        known = course.limit is not None
        yield say(
            "The shares of the rate given to commands came to {most} packets per second at "
            "most{limit}, each time taken over {time}.",
            most=figure(most),
            limit=say(", of {n} that are allowed", n=course.limit) if known else "",
            time=duration((course.ended - course.began) / BUCKETS),
        )
