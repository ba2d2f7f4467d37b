"""What kind of unsteady: a service that comes and goes, or several that take turns.

From the answers that one method got at one endpoint, in time. Two tests, either exact:

* *Gaps.* Nothing flaps faster than ``FASTEST_PERIOD``, so within a gap of g seconds between two
  asks it changes with a chance of at most 2 g / period. Were that all, the number of changes would
  be a sum of such chances (a Poisson-binomial distribution). Where it is larger than that explains,
  at the level ``GAP_LEVEL``, connections reach different back ends: *load-balanced*. Changes of
  one flapping port exclude each other within a period, so the test errs on the side of silence.
* *Runs.* A service that comes and goes is open for a while and then closed for a while: fewer runs
  of equal answers than a random order of the same answers would have. (A. Wald and J. Wolfowitz,
  "On a Test Whether Two Samples are from the Same Population", Annals of Mathematical Statistics
  11, 1940.) With too few runs, at the level ``RUNS_LEVEL``: *flapping*.

Where neither speaks, the pattern is *unclear*: asks that lie far apart cannot tell the two. A burst
of sixteen connections at once, or 0.1 s apart, is enough to see two back ends that take turns. To
learn a period, ask at uneven intervals: evenly spaced asks see a fast change as a slow one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

FASTEST_PERIOD: Final = 4.0
"""Seconds: what flaps takes at least this long from one opening to the next."""
CLOSE: Final = 0.5
"""Seconds: asks farther apart tell nothing about back ends that take turns."""
GAP_LEVEL: Final = 0.01
RUNS_LEVEL: Final = 0.05

_RESOLUTION: Final = 0.05
_SHORTEST_RUN: Final = 2
_FOLDINGS_PER_CYCLE: Final = 16
_MOST_FOLDINGS: Final = 10_000


class PatternKind(StrEnum):
    """In what manner an endpoint is unsteady."""

    LOAD_BALANCED = "load-balanced"
    FLAPPING = "flapping"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """The manner in which an endpoint is open and closed in turn.

    ``duty`` is its share of open answers where it is load-balanced or unclear, of open time where
    it flaps; ``period`` is seconds from one opening to the next, ``None`` where it does not flap
    or was not watched closely enough. ``runs`` counts runs of equal answers; ``by_gaps`` and
    ``by_runs`` are the chances of what was seen, had it flapped and had the order been random.
    """

    kind: PatternKind
    asks: int
    runs: int
    duty: float
    period: float | None
    by_gaps: float
    by_runs: float


def pattern(
    answers: Iterable[tuple[float, bool]], *, resolution: float = _RESOLUTION
) -> Pattern | None:
    """What the answers of one method over time look like; ``None`` where they are all the same.

    ``answers`` are (seconds, open) in any order; ``resolution`` says to how many seconds the times
    are known. Of answers at the same time the closed ones count as first.
    """
    heard = sorted(answers)
    states = [is_open for _, is_open in heard]
    if len(set(states)) < 2:
        return None
    by_gaps = _chance_had_it_flapped(heard, resolution)
    by_runs = chance_of_few_runs(_runs(states), sum(states), len(states) - sum(states))
    kind = PatternKind.UNCLEAR
    if by_gaps <= GAP_LEVEL:
        kind = PatternKind.LOAD_BALANCED
    elif by_runs <= RUNS_LEVEL:
        kind = PatternKind.FLAPPING
    flaps = kind is PatternKind.FLAPPING
    return Pattern(
        kind=kind,
        asks=len(heard),
        runs=_runs(states),
        duty=_inside(_open_time(heard), len(heard)) if flaps else sum(states) / len(states),
        period=_period(heard) if flaps else None,
        by_gaps=by_gaps,
        by_runs=by_runs,
    )


def _inside(share: float, asks: int) -> float:
    """A share of time that leaves room for both: it was seen open, and it was seen closed."""
    least = 0.5 / asks
    return min(max(share, least), 1.0 - least)


def chance_of_few_runs(runs: int, open_: int, closed: int) -> float:
    """The chance of at most ``runs`` runs when ``open_`` and ``closed`` answers come in any order.

    Exact (Wald and Wolfowitz 1940): of the C(n, open) orders, 2 C(open-1, k-1) C(closed-1, k-1)
    have 2 k runs, and C(open-1, k) C(closed-1, k-1) + C(open-1, k-1) C(closed-1, k) have 2 k + 1.
    """
    if min(open_, closed) < 1:
        raise ValueError("runs are counted among answers of both kinds")
    ways = 0
    for count in range(2, runs + 1):
        k, odd = divmod(count, 2)
        if odd:
            ways += math.comb(open_ - 1, k) * math.comb(closed - 1, k - 1)
            ways += math.comb(open_ - 1, k - 1) * math.comb(closed - 1, k)
        else:
            ways += 2 * math.comb(open_ - 1, k - 1) * math.comb(closed - 1, k - 1)
    return ways / math.comb(open_ + closed, open_)


def _runs(states: Sequence[bool]) -> int:
    return 1 + sum(one is not other for one, other in pairwise(states))


def _chance_had_it_flapped(heard: Sequence[tuple[float, bool]], resolution: float) -> float:
    """The chance of at least so many changes between close asks, had it flapped at the fastest."""
    chances: list[float] = []
    changes = 0
    for (before, was_open), (after, is_open) in pairwise(heard):
        gap = after - before
        if gap < CLOSE:
            chances.append(min(1.0, 2.0 * (gap + resolution) / FASTEST_PERIOD))
            changes += was_open is not is_open
    return _tail(chances, changes)


def _tail(chances: Sequence[float], least: int) -> float:
    """The chance that at least ``least`` of independent events happen."""
    # happened[k]: the chance of k events so far; the last place collects `least` and more.
    happened = [1.0] + [0.0] * least
    for chance in chances:
        for k in range(least, 0, -1):
            stays = happened[k] if k == least else happened[k] * (1.0 - chance)
            happened[k] = stays + happened[k - 1] * chance
        if least:
            happened[0] *= 1.0 - chance
    return happened[least]


def _open_time(heard: Sequence[tuple[float, bool]]) -> float:
    """The share of the watched time in which it was open; a change lies halfway between two."""
    span = heard[-1][0] - heard[0][0]
    if span <= 0.0:
        return sum(is_open for _, is_open in heard) / len(heard)
    open_ = sum(
        (after - before) * (was_open + is_open) / 2.0
        for (before, was_open), (after, is_open) in pairwise(heard)
    )
    return open_ / span


def _period(heard: Sequence[tuple[float, bool]]) -> float | None:
    """Seconds from one opening (or closing) to the next, averaged.

    ``None`` unless a whole period was watched, and closely: no run between the first change and
    the last is a single ask (else there may be more of them between two asks), and no shorter
    period explains the same answers.
    """
    edges: dict[bool, list[float]] = {True: [], False: []}
    lengths: list[int] = []
    length = 1
    for (before, was_open), (after, is_open) in pairwise(heard):
        if was_open is is_open:
            length += 1
            continue
        edges[is_open].append((before + after) / 2.0)
        lengths.append(length)
        length = 1
    # The first run began before we looked, so it may be of any length.
    if any(length < _SHORTEST_RUN for length in lengths[1:]):
        return None
    watched = [times for times in edges.values() if len(times) > 1]
    periods = sum(len(times) - 1 for times in watched)
    if not periods:
        return None
    period = sum(times[-1] - times[0] for times in watched) / periods
    return None if _shorter_explains(heard, period) else period


def _shorter_explains(heard: Sequence[tuple[float, bool]], period: float) -> bool:
    """True when a clearly shorter period would give the same answers, or might."""
    if max(after - before for (before, _), (after, _) in pairwise(heard)) <= FASTEST_PERIOD / 2.0:
        return False
    start, span = heard[0][0], heard[-1][0] - heard[0][0]
    slowest, fastest = 1.25 / period, 1.0 / FASTEST_PERIOD
    foldings = math.ceil((fastest - slowest) * span * _FOLDINGS_PER_CYCLE)
    if foldings > _MOST_FOLDINGS:
        return True
    step = (fastest - slowest) / max(1, foldings)
    return any(_one_arc_each(heard, start, slowest + step * place) for place in range(foldings + 1))


def _one_arc_each(heard: Sequence[tuple[float, bool]], start: float, frequency: float) -> bool:
    """True when a wave of this frequency, in hertz, could have given all answers."""
    folded = sorted(((time - start) * frequency % 1.0, is_open) for time, is_open in heard)
    return sum(folded[n - 1][1] is not folded[n][1] for n in range(len(folded))) == 2
