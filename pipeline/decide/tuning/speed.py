"""Whether to ask more slowly: what sweeps lose, and who blocks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from pipeline.decide.pace import PACKETS_PER_SWEEP_PROBE, Ceilings, sweep_rate_over
from pipeline.decide.tuning.proposal import (
    LEAST_TRIALS,
    PACKETS_A_QUESTION,
    Because,
    Change,
    Decision,
    Effect,
    Grounds,
    Kept,
    Key,
    Now,
    Past,
    Proposal,
    mean,
    span,
    too_little,
    turned,
)
from pipeline.decide.tuning.shares import Share, together
from pipeline.decide.tuning.tally import Settings, Tally
from pipeline.model import Purpose

TOLERATED_LOSS: Final = 0.01
"""The share of open endpoints that a sweep may lose: later looks find these."""
TOLERATED_BLOCKS: Final = 0.02
"""The share of hosts that may block: some do whatever the rate."""
STEPS: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {"rate": (10_000, 1_000, 300), "rate_per_host": (200, 100, 20)}
)
"""The limits of the profiles fast, balanced and careful, which measurements have chosen."""
CHEAPER: Final = (10_000, 5_000, 2_000, 1_000, 700, 500, 400, 300, 200, 100, 50, 20, 10)
"""Rates that are tried where hosts turn against us."""
_TURNING: Final = "hosts fall silent, turn us away or pretend for a while"
_NAMES: Final = ("rate", "rate_per_host", "rate_per_network")


def ceilings(past: Past, now: Now) -> tuple[Decision, ...]:
    """Lower ``limits.rate`` where all hosts lose, and ``limits.rate_per_host`` where some do or
    turn against us. A rate is never raised: that nothing is lost at this one says nothing about
    another."""
    runs = past.with_settings(now, *_NAMES)
    lost, hosts = _lost(runs)
    blocks = Grounds(
        share=turned(runs), of="hosts that were asked canaries turned against us", runs=len(runs)
    )
    losses = Grounds(
        share=lost, of="open endpoints were lost by the sweep, and found later", runs=len(runs)
    )
    everywhere = hosts.trials > 0 and hosts.hits * 2 >= hosts.trials
    by_rate = _binds(now) and everywhere
    in_sum = _in_sum(past, now, runs, losses, blocks, lossy=by_rate)
    per_host = _per_host(past, now, runs, None if by_rate else losses, blocks)
    if isinstance(in_sum, Proposal) and isinstance(per_host, Proposal):
        # What both save together is told once.
        per_host = replace(per_host, effect=Effect(note=f"told with {Key.RATE}"))
    return in_sum, per_host


def _in_sum(
    past: Past, now: Now, runs: Sequence[Tally], losses: Grounds, blocks: Grounds, *, lossy: bool
) -> Decision:
    found: list[tuple[int, str, Grounds]] = []
    kept = _kept(Key.RATE, losses, TOLERATED_LOSS)
    if lossy and kept is None:
        value, how = _slower(past, now, Key.RATE, losses.share, runs)
        found.append((value, f"answers of most hosts are lost: {how}", losses))
    free = _for_free(now, runs) if _kept(Key.RATE, blocks, TOLERATED_BLOCKS) is None else None
    if free is not None:
        waited = span(round(mean([t.turned.waited for t in runs])))
        how = f"this adds no more time than the {waited} a run for which they were waited for"
        found.append((free, f"{_TURNING}: {how}", blocks))
    if found:
        wanted = min(value for value, _, _ in found)
        why = "; ".join(why for _, why, _ in found)
        return _proposal(now, Key.RATE, wanted, why, runs, *(grounds for _, _, grounds in found))
    if kept is not None:
        return kept
    text = "answers are lost, but of few hosts, or at what one host may get: see rate_per_host"
    return Kept(key=Key.RATE, because=Because.SOUND, text=text, grounds=(losses,))


def _per_host(
    past: Past, now: Now, runs: Sequence[Tally], losses: Grounds | None, blocks: Grounds
) -> Decision:
    key = Key.RATE_PER_HOST
    against = [
        (grounds, why)
        for grounds, bound, why in (
            (losses, TOLERATED_LOSS, "answers are lost"),
            (blocks, TOLERATED_BLOCKS, _TURNING),
        )
        if grounds is not None and _kept(key, grounds, bound) is None
    ]
    if not against:
        told = losses if losses is not None and losses.share.trials else blocks
        return _kept(key, told, TOLERATED_LOSS if told is losses else TOLERATED_BLOCKS) or Kept(
            key=key,
            because=Because.SOUND,
            text="few hosts lose or turn against us",
            grounds=(told,),
        )
    worst = max((grounds.share for grounds, _ in against), key=lambda share: share.low)
    wanted, how = _slower(past, now, key, worst, runs)
    why = f"{' and '.join(why for _, why in against)}: {how}"
    return _proposal(now, key, wanted, why, runs, *(grounds for grounds, _ in against))


def _kept(key: Key, grounds: Grounds, bound: float) -> Kept | None:
    """That the setting stays, unless surely more than ``bound`` is the matter."""
    if grounds.share.low > bound:
        return too_little(key, grounds)
    kept = too_little(key, grounds)
    if kept is not None:
        return kept
    text = f"no more than {bound:.0%} is tolerated, and it may be less"
    return Kept(key=key, because=Because.SOUND, text=text, grounds=(grounds,))


def _lost(runs: Sequence[Tally]) -> tuple[Share, Share]:
    return together(t.lost.endpoints for t in runs), together(t.lost.hosts for t in runs)


def _slower(past: Past, now: Now, key: Key, share: Share, runs: Sequence[Tally]) -> tuple[int, str]:
    """The fastest setting on file at which surely less went wrong; else the next slower step."""
    present = _present(now, key)
    by_value: dict[int, list[Tally]] = defaultdict(list)
    for tally in past.tallies:
        by_value[getattr(tally.settings, _name(key))].append(tally)
    for value in sorted(by_value, reverse=True):
        others = by_value[value]
        found, _ = _lost(others)
        worst = max(one.high for one in (found, turned(others)) if one.trials or one is found)
        if value < present and worst < share.low:
            grounds = Grounds(share=found, of="open endpoints were lost", runs=len(others))
            return value, f"at {value:,} packets a second it was surely less: {grounds}"
    half = max(1, present // 2)
    steps = [value for value in STEPS[_name(key)] if value <= half]
    step = next((value for value in steps if _slows(now, key, value, runs)), half)
    whose = "that of a slower profile" if step in steps else "half of it"
    return step, f"{whose}; no lower value is on file that is surely better"


def _slows(now: Now, key: Key, value: int, runs: Sequence[Tally]) -> bool:
    """False where sweeps go at more than half of their real rate all the same, for another
    ceiling or their own shortness bounds them. What one host gets is more than its sweep."""
    real = _real_rate(runs)
    if key is not Key.RATE or not real or not now.hosts:
        return True
    return _probes_a_second(now, _ceilings(now.settings, key, value), real) <= real / 2


def _for_free(now: Now, runs: Sequence[Tally]) -> int | None:
    """The lowest rate that adds no more time than was waited for hosts that turned against us, and
    no lower than what the same hosts surely bore later; ``None`` where none is so cheap.

    Everything is slowed down for the sake of a few, so it must not cost more than they do.
    """
    if not now.hosts:
        return None
    real, again = _real_rate(runs), together(t.turned.again for t in runs)
    bore = 0.0
    if again.trials >= LEAST_TRIALS and again.high < turned(runs).low:
        bore = max(t.turned.pace for t in runs)
    most = mean([t.turned.waited for t in runs])
    before = _sweep_seconds(now, _ceilings(now.settings), real)
    found = None
    for value in CHEAPER:
        allowed = _ceilings(now.settings, Key.RATE, value)
        if value >= now.settings.rate or not _slows(now, Key.RATE, value, runs):
            continue
        if _sweep_seconds(now, allowed, real) - before > most:
            break
        found = value
        if _of_a_network(now, allowed, real) <= bore:
            break
    return found


def _of_a_network(now: Now, allowed: Ceilings, real: float) -> float:
    """Probes a second that the busiest network of the scope gets in a sweep."""
    return _probes_a_second(now, allowed, real) * allowed.in_busiest(now.hosts) / now.hosts.size


def _proposal(
    now: Now, key: Key, wanted: int, why: str, runs: Sequence[Tally], *grounds: Grounds
) -> Decision:
    settings, present, real = now.settings, _present(now, key), _real_rate(runs)
    if wanted >= present:
        return Kept(key=key, because=Because.BOUND, text="it cannot be lower", grounds=grounds)
    before, after = _ceilings(settings), _ceilings(settings, key, wanted)
    again = mean([t.asked.get(Purpose.SECOND_LOOK, 0) for t in runs])
    provoked = mean([t.rescanned.provoked for t in runs])
    note = f"the sweep sends as many packets; of the {again:,.0f} endpoints a run that were "
    note += "looked at again, fewer"
    if provoked:
        note += f"; at best none of the {provoked:,.0f} questions of re-scans to hosts that turned"
    return Proposal(
        key=key,
        change=Change.SET,
        before=present,
        after=wanted,
        why=why,
        grounds=grounds,
        effect=Effect(
            seconds=_sweep_seconds(now, after, real) - _sweep_seconds(now, before, real),
            packets=-provoked * PACKETS_A_QUESTION,
            note=note,
        ),
    )


def _name(key: Key) -> str:
    return key.value.rpartition(".")[2]


def _present(now: Now, key: Key) -> int:
    return int(getattr(now.settings, _name(key)))


def _real_rate(runs: Sequence[Tally]) -> float:
    """Probes a second at which sweeps really went; 0 where there were none."""
    return mean([t.lost.rate for t in runs if t.lost.rate]) / PACKETS_PER_SWEEP_PROBE


def _probes_a_second(now: Now, allowed: Ceilings, real: float) -> float:
    """That of a sweep of the scope; ``real`` is what bounds it besides the ceilings, if known."""
    return min(sweep_rate_over(now.hosts, allowed), real or math.inf)


def _ceilings(settings: Settings, key: Key | None = None, value: int = 0) -> Ceilings:
    rate = value if key is Key.RATE else settings.rate
    per_host = value if key is Key.RATE_PER_HOST else settings.rate_per_host
    network = settings.rate_per_network
    return Ceilings(
        rate=rate,
        rate_per_host=min(per_host, rate),
        rate_per_network=None if network is None else min(network, rate),
    )


def _sweep_seconds(now: Now, allowed: Ceilings, real: float) -> float:
    if not now.hosts:
        return 0.0
    probes = now.hosts.size * now.ports * (now.retries + 1)
    return probes / _probes_a_second(now, allowed, real)


def _binds(now: Now) -> bool:
    """True where the rate in sum, and not that of a host, decides how fast a sweep is."""
    if not now.hosts:
        return True
    settings = now.settings
    half = _ceilings(settings, Key.RATE, max(1, settings.rate // 2))
    return sweep_rate_over(now.hosts, half) < 0.9 * sweep_rate_over(now.hosts, _ceilings(settings))


def fitting(decisions: Sequence[Decision], now: Now) -> tuple[Decision, ...]:
    """With the ceilings that must not exceed a lowered rate."""
    lowered = next((d for d in decisions if isinstance(d, Proposal) and d.key is Key.RATE), None)
    if lowered is None:
        return tuple(decisions)
    rate = lowered.after
    assert isinstance(rate, int)
    found = list(decisions)
    for key, present in (
        (Key.RATE_PER_NETWORK, now.settings.rate_per_network),
        (Key.RATE_PER_HOST, now.settings.rate_per_host),
    ):
        taken = next((d for d in found if isinstance(d, Proposal) and d.key is key), None)
        wanted = present if taken is None else taken.after
        if present is None or not isinstance(wanted, int) or wanted <= rate:
            continue
        found = [d for d in found if d.key is not key]
        found.append(
            Proposal(
                key=key,
                change=Change.SET,
                before=present,
                after=rate,
                why="it must not exceed limits.rate",
                grounds=lowered.grounds,
            )
        )
    return tuple(found)
