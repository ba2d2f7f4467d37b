"""How an engagement develops from run to run, and how long its ports stay open: from spells alone.

A port is open for a *period*: from a run that calls it open to the run that no longer does. Of most
periods one end is not seen: the port was open when it was first looked at, or it still is. To
average only those with both ends would favour the short ones. So two means are told: of the periods
seen from end to end, and, from all periods, the time that ports were open in sum divided by how
often one was seen to go (the maximum-likelihood estimate under right censoring when a port goes as
readily late as early, that is for exponential lifetimes).

Between two looks nobody knows when a port opened or went: the middle between them counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.decide.history import IN_DOUBT, OPEN, Spells
from pipeline.model import VerdictKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """A run that counts: its number, what people call it, and when it began."""

    number: int
    id: str
    started: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTrend:
    """One run among the others, in endpoints.

    ``new`` were not there when last looked at, ``newly_covered`` had never been looked at before.
    ``gone`` were open when last looked at and are not any more. ``not_covered`` were open when last
    looked at, and this run did not look.
    """

    run: str
    started: float
    confirmed: int
    likely: int
    new: int
    newly_covered: int
    gone: int
    not_covered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """How long ports stay open; times are seconds.

    Of all ``periods``, ``ended`` were seen to end, ``still_open`` were open when last looked at,
    and ``begun_before`` were open when first looked at; ``whole`` were seen from end to end.
    ``mean_whole`` is the mean of these; ``mean`` is ``open_time``, the time for which ports were
    seen open in sum, divided by ``ended``; each is ``None`` when there is nothing to divide by.
    """

    periods: int
    whole: int
    ended: int
    still_open: int
    begun_before: int
    open_time: float
    mean_whole: float | None
    mean: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trends:
    """All runs of an engagement up to one of them, the oldest first."""

    runs: tuple[RunTrend, ...]
    stays: Stays


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The places of runs between which a port was open.

    ``after`` is the last run before that found it not open, ``ended`` the first that no longer
    did; ``None`` where no run says so.
    """

    first: int
    last: int
    after: int | None
    ended: int | None


def trends(histories: Iterable[Spells], occasions: Sequence[Occasion]) -> Trends:
    """The trends over these runs, in the order of their times; spells name no other run."""
    tally = _Tally(occasions)
    for spells in histories:
        tally.add(spells)
    return tally.result()


def periods(spells: Spells, places: Mapping[int, int]) -> Iterator[Period]:
    """The periods in which an endpoint was open. A doubt neither begins nor ends one."""
    first = last = after = None
    for spell in spells:
        if spell.kind in OPEN:
            first = places[spell.first] if first is None else first
            last = places[spell.last]
        elif spell.kind not in IN_DOUBT:
            if first is not None and last is not None:
                yield Period(first=first, last=last, after=after, ended=places[spell.first])
            first, after = None, places[spell.last]
    if first is not None and last is not None:
        yield Period(first=first, last=last, after=after, ended=None)


class _Tally:
    """Counts of one pass over the spells; steps at a run's place are summed up at the end."""

    def __init__(self, occasions: Sequence[Occasion]) -> None:
        self._occasions = occasions
        self._places = {occasion.number: place for place, occasion in enumerate(occasions)}
        self._times = [occasion.started for occasion in occasions]
        size = len(occasions) + 1
        self._steps = {kind: [0] * size for kind in (VerdictKind.CONFIRMED, VerdictKind.LIKELY)}
        self._unseen = [0] * size
        self._new, self._covered, self._gone = [0] * size, [0] * size, [0] * size
        self._count = self._whole = self._ended = self._still = self._before = 0
        self._open_time = self._whole_time = 0.0

    def add(self, spells: Spells) -> None:
        """One endpoint."""
        places = self._places
        for number, spell in enumerate(spells):
            steps = self._steps.get(spell.kind) if spell.kind is not None else None
            if steps is None:
                continue
            end = places[spell.last] + 1
            steps[places[spell.first]] += 1
            steps[end] -= 1
            for run in spell.missed:
                place = places[run]
                for counts, step in ((steps, -1), (self._unseen, 1)):
                    counts[place] += step
                    counts[place + 1] -= step
            following = number + 1 < len(spells)
            self._unseen[end] += 1
            self._unseen[places[spells[number + 1].first] if following else len(places)] -= 1
        for period in periods(spells, places):
            self._add_period(period)

    def _add_period(self, period: Period) -> None:
        times = self._times
        begin, end = times[period.first], times[period.last]
        self._count += 1
        if period.after is None:
            self._before += 1
            self._covered[period.first] += 1
        else:
            begin = (begin + times[period.after]) / 2
            self._new[period.first] += 1
        if period.ended is None:
            self._still += 1
        else:
            end = (end + times[period.ended]) / 2
            self._ended += 1
            self._gone[period.ended] += 1
        self._open_time += end - begin
        if period.after is not None and period.ended is not None:
            self._whole += 1
            self._whole_time += end - begin

    def result(self) -> Trends:
        """What the counts add up to."""
        confirmed, likely = map(_summed, self._steps.values())
        unseen = _summed(self._unseen)
        return Trends(
            runs=tuple(
                RunTrend(
                    run=occasion.id,
                    started=occasion.started,
                    confirmed=confirmed[place],
                    likely=likely[place],
                    new=self._new[place],
                    newly_covered=self._covered[place],
                    gone=self._gone[place],
                    not_covered=unseen[place],
                )
                for place, occasion in enumerate(self._occasions)
            ),
            stays=Stays(
                periods=self._count,
                whole=self._whole,
                ended=self._ended,
                still_open=self._still,
                begun_before=self._before,
                open_time=self._open_time,
                mean_whole=self._whole_time / self._whole if self._whole else None,
                mean=self._open_time / self._ended if self._ended else None,
            ),
        )


def _summed(steps: Sequence[int]) -> list[int]:
    found, level = [], 0
    for step in steps:
        level += step
        found.append(level)
    return found
