"""How an engagement develops: sentences about how long ports stay open, and one line as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.decide.trends import RunTrend, Stays, Trends
from pipeline.render.language import say, say_many
from pipeline.render.text import counted, duration, iso

WIDTH: Final = 720
HEIGHT: Final = 140
_LEFT: Final = 48
_TOP: Final = 12
_BOTTOM: Final = 24
_RIGHT: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A drawing of how many endpoints were confirmed open in each run, in units of the view box.

    ``points`` is the ``points`` attribute of a ``polyline``, ``dots`` are (x, y) of each run.
    """

    points: str
    dots: tuple[tuple[int, int], ...]
    most: int


def line(runs: Sequence[RunTrend]) -> Line | None:
    """The drawing; ``None`` when there are fewer than two runs, or all began at one moment."""
    if len(runs) < 2 or runs[0].started == runs[-1].started:
        return None
    begin, span = runs[0].started, runs[-1].started - runs[0].started
    most = max(1, *(run.confirmed for run in runs))
    wide, high = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    dots = tuple(
        (
            _LEFT + round(wide * (run.started - begin) / span),
            _TOP + round(high * (1 - run.confirmed / most)),
        )
        for run in runs
    )
    return Line(points=" ".join(f"{x},{y}" for x, y in dots), dots=dots, most=most)


def stays_told(stays: Stays) -> tuple[str, ...]:
    """How long ports stay open, in sentences, and what of it nobody saw."""
    if not stays.periods:
        none = say("No port was ever confirmed or likely open, so there is nothing to measure.")
        return (none,)
    told = [
        say(
            "In all runs together, ports were open for {periods}. Of these, {before} had begun "
            "before the port was first looked at, and {open} had not ended when it was last looked "
            "at.",
            periods=counted(stays.periods, "period"),
            before=stays.begun_before,
            open=stays.still_open,
        )
    ]
    if stays.mean_whole is not None:
        told.append(
            say_many(
                stays.whole,
                "{n} period was seen from beginning to end: {mean} on average. Long periods are "
                "rarely among them, so this is too short.",
                "{n} periods were seen from beginning to end: {mean} on average. Long periods are "
                "rarely among them, so this is too short.",
                mean=duration(stays.mean_whole),
            )
        )
    if stays.mean is None:
        told.append(say("No port was seen to go, so how long they stay open cannot be said."))
    else:
        told.append(
            say(
                "With the others counted for as long as they were seen, a port stays open for "
                "{mean} on average, if it goes as readily late as early: {time} of open ports, and "
                "{ends}.",
                mean=duration(stays.mean),
                time=duration(stays.open_time),
                ends=counted(stays.ended, "end"),
            )
        )
    return tuple(told)


def trends_json(trends: Trends | None) -> dict[str, Any] | None:
    """The trends for programs; durations in seconds."""
    if trends is None:
        return None
    stays = trends.stays
    return {
        "runs": [
            {
                "run": run.run,
                "started": iso(run.started),
                "confirmed": run.confirmed,
                "likely": run.likely,
                "new": run.new,
                "newly_covered": run.newly_covered,
                "gone": run.gone,
                "not_covered": run.not_covered,
            }
            for run in trends.runs
        ],
        "open_periods": {
            "periods": stays.periods,
            "seen_whole": stays.whole,
            "ended": stays.ended,
            "still_open": stays.still_open,
            "begun_before": stays.begun_before,
            "open_time": round(stays.open_time, 3),
            "mean_of_whole": _rounded(stays.mean_whole),
            "mean": _rounded(stays.mean),
        },
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
