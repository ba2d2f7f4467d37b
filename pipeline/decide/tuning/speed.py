"""Whether to ask more slowly: what sweeps lose, and who blocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from pipeline.decide.pace import Ceilings, sweep_rate_over
from pipeline.decide.tuning.proposal import (
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
    blocked,
    mean,
    too_little,
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
_NAMES: Final = ("rate", "rate_per_host", "rate_per_network")


def ceilings(past: Past, now: Now) -> tuple[Decision, ...]:
    """Lower ``limits.rate`` where all hosts lose, and ``limits.rate_per_host`` where some do or
    block. A rate is never raised: that nothing is lost at this one says nothing about another."""
    runs = past.with_settings(now, *_NAMES)
    lost, hosts = _lost(runs)
    blocks = Grounds(
        share=blocked(runs), of="hosts that were asked canaries blocked us", runs=len(runs)
    )
    losses = Grounds(
        share=lost, of="open endpoints were lost by the sweep, and found later", runs=len(runs)
    )
    everywhere = hosts.trials > 0 and hosts.hits * 2 >= hosts.trials
    by_rate = _binds(now) and everywhere
    return (
        _in_sum(past, now, losses, concerned=by_rate),
        _per_host(past, now, None if by_rate else losses, blocks),
    )


def _in_sum(past: Past, now: Now, losses: Grounds, *, concerned: bool) -> Decision:
    kept = _kept(Key.RATE, losses, TOLERATED_LOSS)
    if kept is not None:
        return kept
    if not concerned:
        text = "answers are lost, but of few hosts, or at what one host may get: see rate_per_host"
        return Kept(key=Key.RATE, because=Because.SOUND, text=text, grounds=(losses,))
    wanted, how = _slower(past, now, losses.share, "rate")
    return _proposal(past, now, Key.RATE, wanted, f"answers of most hosts are lost: {how}", losses)


def _per_host(past: Past, now: Now, losses: Grounds | None, blocks: Grounds) -> Decision:
    key = Key.RATE_PER_HOST
    against = [
        (grounds, why)
        for grounds, bound, why in (
            (losses, TOLERATED_LOSS, "answers are lost"),
            (blocks, TOLERATED_BLOCKS, "hosts fall silent or turn us away"),
        )
        if grounds is not None and _kept(key, grounds, bound) is None
    ]
    if not against:
        told = losses if losses is not None and losses.share.trials else blocks
        return _kept(key, told, TOLERATED_LOSS if told is losses else TOLERATED_BLOCKS) or Kept(
            key=key, because=Because.SOUND, text="few hosts lose or block", grounds=(told,)
        )
    worst = max((grounds.share for grounds, _ in against), key=lambda share: share.low)
    wanted, how = _slower(past, now, worst, "rate_per_host")
    why = f"{' and '.join(why for _, why in against)}: {how}"
    return _proposal(past, now, key, wanted, why, *(grounds for grounds, _ in against))


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


def _slower(past: Past, now: Now, share: Share, name: str) -> tuple[int, str]:
    """The fastest setting on file at which surely less went wrong; else that of the next slower
    profile, or half of the present where none is as slow."""
    present = int(getattr(now.settings, name))
    by_value: dict[int, list[Tally]] = defaultdict(list)
    for tally in past.tallies:
        by_value[getattr(tally.settings, name)].append(tally)
    for value in sorted(by_value, reverse=True):
        runs = by_value[value]
        found, _ = _lost(runs)
        worst = max(one.high for one in (found, blocked(runs)) if one.trials or one is found)
        if value < present and worst < share.low:
            grounds = Grounds(share=found, of="open endpoints were lost", runs=len(runs))
            return value, f"at {value:,} packets a second it was surely less: {grounds}"
    half = max(1, present // 2)
    step = next((value for value in STEPS[name] if value <= half), half)
    whose = "half of it" if step == half else "that of the next slower profile"
    return step, f"{whose}; no lower value is on file that is surely better"


def _proposal(past: Past, now: Now, key: Key, wanted: int, why: str, *grounds: Grounds) -> Decision:
    settings = now.settings
    present = settings.rate if key is Key.RATE else settings.rate_per_host
    if wanted >= present:
        return Kept(key=key, because=Because.BOUND, text="it cannot be lower", grounds=grounds)
    before, after = _ceilings(settings), _ceilings(settings, key, wanted)
    again = mean([t.asked.get(Purpose.SECOND_LOOK, 0) for t in past.tallies])
    return Proposal(
        key=key,
        change=Change.SET,
        before=present,
        after=wanted,
        why=why,
        grounds=grounds,
        effect=Effect(
            seconds=_sweep_seconds(now, after) - _sweep_seconds(now, before),
            note="the sweep sends as many packets; of the "
            f"{again:,.0f} endpoints a run that were looked at again, fewer",
        ),
    )


def _ceilings(settings: Settings, key: Key | None = None, value: int = 0) -> Ceilings:
    rate = value if key is Key.RATE else settings.rate
    per_host = value if key is Key.RATE_PER_HOST else settings.rate_per_host
    network = settings.rate_per_network
    return Ceilings(
        rate=rate,
        rate_per_host=min(per_host, rate),
        rate_per_network=None if network is None else min(network, rate),
    )


def _sweep_seconds(now: Now, allowed: Ceilings) -> float:
    if not now.hosts:
        return 0.0
    probes = now.hosts.size * now.ports * (now.retries + 1)
    return probes / sweep_rate_over(now.hosts, allowed)


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
