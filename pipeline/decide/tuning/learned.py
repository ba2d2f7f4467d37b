"""What the history of an engagement comes to: figures, proposals, and what is not known."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.addresses import Address, number_of
from pipeline.decide.suppression import Suppression
from pipeline.decide.tuning.patience import settled_by
from pipeline.decide.tuning.proposal import Fired, Now, Past, turned
from pipeline.decide.tuning.proposing import Advice, advise
from pipeline.decide.tuning.shares import Share, together
from pipeline.decide.tuning.tally import Cell, Tally, Told, Trouble, add_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Which runs there are: ``counted`` have their evidence, ``purged`` only their history;
    ``left_out`` were imported or are not complete; ``others`` are of other engagements."""

    counted: int
    purged: int = 0
    left_out: int = 0
    older: int = 0
    others: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Runs of one setting: what their sweeps lost at the ``mean_rate`` at which they really went,
    and how many hosts turned against us; packets a second."""

    rate: int
    rate_per_host: int
    runs: int
    mean_rate: float
    lost: Share
    turned: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of re-scans, with the delay before it in seconds."""

    number: int
    delay: float | None
    settled: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """How disagreements ended, in the runs with one list of delays; ``lasted`` in seconds, sorted.

    ``given_up`` is how long those had lasted that were never settled, and ``repeated`` counts the
    questions that were asked only to hear the same twice."""

    delays: tuple[float, ...]
    runs: int
    rounds: tuple[Round, ...]
    open_ended: Share
    lasted: tuple[float, ...]
    given_up: tuple[float, ...]
    repeated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubled:
    """A host, what it did, and in how many of the runs."""

    address: Address
    trouble: Trouble
    runs: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Everything that is told. ``told`` is of this engagement, ``elsewhere`` of the others of the
    workspace; ``flapping`` has, by the history, how many endpoints of a host come and go."""

    engagement: str
    sources: Sources
    told: Mapping[Cell, Told]
    elsewhere: Mapping[Cell, Told]
    speeds: tuple[Speed, ...]
    doubts: tuple[Doubts, ...]
    troubled: tuple[Troubled, ...]
    flapping: Mapping[Address, int]
    suppressions: tuple[tuple[Suppression, Fired], ...]
    advice: Advice


def learn(
    engagement: str,
    past: Past,
    now: Now,
    sources: Sources,
    *,
    others: Sequence[Tally] = (),
    flapping: Mapping[Address, int] | None = None,
) -> Learned:
    """Draw the conclusions, and collect the figures behind them."""
    return Learned(
        engagement=engagement,
        sources=sources,
        told=add_up(past.tallies),
        elsewhere=add_up(others),
        speeds=_speeds(past.tallies),
        doubts=_doubts(past.tallies),
        troubled=_troubled(past.tallies),
        flapping=dict(sorted((flapping or {}).items(), key=lambda item: number_of(item[0]))),
        suppressions=tuple(zip(now.suppressions, past.fired, strict=True)),
        advice=advise(past, now),
    )


def _speeds(tallies: Sequence[Tally]) -> tuple[Speed, ...]:
    by_setting: dict[tuple[int, int], list[Tally]] = defaultdict(list)
    for tally in tallies:
        by_setting[tally.settings.rate, tally.settings.rate_per_host].append(tally)
    return tuple(
        Speed(
            rate=rate,
            rate_per_host=per_host,
            runs=len(runs),
            mean_rate=sum(t.lost.rate for t in runs) / len(runs),
            lost=together(t.lost.endpoints for t in runs),
            turned=turned(runs),
        )
        for (rate, per_host), runs in sorted(by_setting.items())
    )


def _doubts(tallies: Sequence[Tally]) -> tuple[Doubts, ...]:
    by_delays: dict[tuple[float, ...], list[Tally]] = defaultdict(list)
    for tally in tallies:
        by_delays[tally.settings.delays].append(tally)
    return tuple(
        Doubts(
            delays=delays,
            runs=len(runs),
            rounds=tuple(
                Round(
                    number=number,
                    delay=delays[number - 2] if number - 2 < len(delays) else None,
                    settled=share,
                )
                for number, share in settled_by(runs).items()
            ),
            open_ended=together(t.rescanned.open_ended for t in runs),
            lasted=tuple(sorted(seconds for t in runs for seconds in t.rescanned.lasted)),
            given_up=tuple(sorted(seconds for t in runs for seconds in t.rescanned.given_up)),
            repeated=sum(t.rescanned.repeated for t in runs),
        )
        for delays, runs in sorted(by_delays.items())
    )


def _troubled(tallies: Sequence[Tally]) -> tuple[Troubled, ...]:
    counts = Counter(
        (address, trouble)
        for tally in tallies
        for trouble, hosts in tally.troubles.items()
        for address in hosts
    )
    order = list(Trouble)
    return tuple(
        Troubled(address=address, trouble=trouble, runs=Share(count, len(tallies)))
        for (address, trouble), count in sorted(
            counts.items(), key=lambda item: (number_of(item[0][0]), order.index(item[0][1]))
        )
    )
