"""Whether to wait longer and look more often: re-scans, blocks, looks, time-outs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

from pipeline.decide.tuning.proposal import (
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
    spans,
    too_little,
)
from pipeline.decide.tuning.shares import Share, together
from pipeline.decide.tuning.tally import Tally, Trouble
from pipeline.model import Purpose

UNSETTLED: Final = 0.05
"""The share of doubts that re-scans may leave: some cannot be settled."""
WASTED: Final = 0.1
"""A re-scan that surely settles less than this share of its questions is in vain."""
LONGEST_DELAY: Final = 86_400.0
MOST_DELAYS: Final = 10
LONGER: Final = 4
"""The factor of a longer delay: doubts last from seconds to hours, so steps are factors."""
_LEAST_LONG: Final = 30.0
"""Seconds that a longer delay has at least: a lost packet is settled before."""
_USUAL: Final = (30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0, LONGEST_DELAY)
"""Durations that people choose."""
_TWICE: Final = 2
"""A delay that was too short is exceeded by this factor at least."""
LONGEST_WAIT: Final = 3600.0
STAYS_AWAY: Final = 0.1
TAKEN_IN: Final = 0.01
"""The share of looks at hosts that pretend which may take them for real."""
LEAST_PRETENDERS: Final = 10
"""Looks at such hosts that are enough: each is decided by ten endpoints or more."""
MOST_CONTROLS: Final = 20
LAST_LOOK: Final = 0.005
"""What may be missed after the second looks, as they have it themselves."""
OVERLOOKED: Final = 0.01
"""The share of looks at what is there all the time that may hear nothing of it."""
LOOKING: Final = ("second_looks", "rate", "rate_per_host")
"""What decides how much is heard: runs that had other values of these do not count."""
MOST_SECOND_LOOKS: Final = 8
WAVERING: Final = 0.1
MOST_WATCH_LOOKS: Final = 60
FIRST_WATCH_LOOKS: Final = 7
TOO_SHORT: Final = 0.05
LONGEST_TIMEOUT: Final = 10.0
LONGEST_LISTEN: Final = 10.0
_PACKETS_A_LOOK: Final = 6


def delays(past: Past, now: Now) -> Decision:
    """Drop the rounds that settle next to nothing; append a longer one where doubts remain."""
    key, present = Key.DELAYS, now.settings.delays
    runs = past.with_settings(now, "delays")
    left = Grounds(
        share=together(t.rescanned.open_ended for t in runs),
        of="endpoints in doubt were left unsettled",
        runs=len(runs),
    )
    kept = too_little(key, left)
    if kept is not None:
        return kept
    rounds = settled_by(runs)
    useless = [n for n, share in rounds.items() if n - 2 < len(present) and share.high < WASTED]
    wanted = [delay for place, delay in enumerate(present) if place + 2 not in useless]
    why = [f"of round {n}, after {span(present[n - 2])}, next to nothing came" for n in useless]
    if left.share.low > UNSETTLED:
        longest = max(present, default=0.0)
        given_up = median([s for t in runs for s in t.rescanned.given_up] or [0.0])
        beyond = next((s for s in _USUAL if s >= _TWICE * given_up), LONGEST_DELAY)
        longer = min(LONGEST_DELAY, max(_LEAST_LONG, LONGER * longest, beyond))
        tried = _tried(past, longest, left.share)
        if longer > longest and len(wanted) < MOST_DELAYS:
            wanted.append(tried or longer)
            why.append(
                f"doubts are left when the delays are used up, and {span(tried)} settled more"
                if tried
                else f"doubts are left when the delays are used up: half of them had lasted more "
                f"than {span(round(given_up))} then, and nothing beyond {span(longest)} was tried"
            )
    if tuple(wanted) == present or not wanted:
        text = "what is in doubt gets settled, and every round does its part"
        return Kept(key=key, because=Because.SOUND, text=text, grounds=(left,))
    return Proposal(
        key=key,
        change=Change.SET,
        before=spans(present),
        after=spans(wanted),
        why="; ".join(why),
        grounds=(
            left,
            *(
                Grounds(share=rounds[n], of=f"questions of round {n} were settled", runs=len(runs))
                for n in useless
            ),
        ),
        effect=_effect_of_delays(runs, present, wanted, useless, rounds),
    )


def settled_by(runs: Sequence[Tally]) -> dict[int, Share]:
    """Round to the share of its questions that it settled."""
    found: dict[int, Share] = defaultdict(Share)
    for tally in runs:
        for number, share in tally.rescanned.rounds.items():
            found[number] += share
    return dict(sorted(found.items()))


def _tried(past: Past, longest: float, left: Share) -> float | None:
    """The shortest longer delay of other runs of this engagement that surely left fewer doubts."""
    by_delay: dict[float, Share] = defaultdict(Share)
    for tally in past.tallies:
        by_delay[max(tally.settings.delays, default=0.0)] += tally.rescanned.open_ended
    better = [d for d, share in by_delay.items() if d > longest and share.high < left.low]
    return min(better, default=None)


def _effect_of_delays(
    runs: Sequence[Tally],
    before: Sequence[float],
    after: Sequence[float],
    useless: Sequence[int],
    rounds: Mapping[int, Share],
) -> Effect:
    dropped = sum(rounds[n].trials for n in useless)
    unsettled = together(t.rescanned.open_ended for t in runs).hits
    added = unsettled if len(after) > len(before) - len(useless) else 0
    return Effect(
        seconds=sum(after) - sum(before),
        packets=(added - dropped) / len(runs) * PACKETS_A_QUESTION,
        note="the time counts where something stays in doubt to the end",
    )


def canary_waits(past: Past, now: Now) -> Decision:
    """Wait longer for hosts that block, where many were not back."""
    key, present = Key.CANARY_WAITS, now.settings.canary_waits
    runs = past.with_settings(now, "canary_waits")
    away = Share(
        sum(len(t.hosts(Trouble.NEVER_BACK)) for t in runs),
        sum(len(t.hosts(Trouble.BLOCKS)) for t in runs),
    )
    grounds = Grounds(share=away, of="hosts that blocked were not back in the end", runs=len(runs))
    kept = too_little(key, grounds)
    if kept is not None:
        return kept
    if away.low <= STAYS_AWAY or not present:
        text = "most hosts that block are back before the waits are used up"
        return Kept(key=key, because=Because.SOUND, text=text, grounds=(grounds,))
    more = min(LONGEST_WAIT, 2 * max(present))
    if len(present) >= MOST_DELAYS or more <= max(present):
        text = "there are as many waits, and as long ones, as there can be"
        return Kept(key=key, because=Because.BOUND, text=text, grounds=(grounds,))
    return Proposal(
        key=key,
        change=Change.SET,
        before=spans(present),
        after=spans((*present, more)),
        why="hosts that block stay away longer than they are waited for",
        grounds=(grounds,),
        effect=Effect(
            seconds=more,
            packets=away.hits / len(runs) * PACKETS_A_QUESTION,
            note="the time counts in runs in which a host stays away",
        ),
    )


def control_ports(past: Past, now: Now) -> Decision:
    """Ask more control ports where hosts that answer for everything were taken for real.

    Which hosts do, other runs found out. They are counted, and not their endpoints: whoever is
    taken in by a host is so by all of its ports.
    """
    key, present = Key.CONTROL_PORTS, now.settings.control_ports
    runs = past.with_settings(now, "control_ports")
    pretend = {host for tally in past.tallies for host in tally.found_out}
    taken = sum(len(tally.trusted & pretend) for tally in runs)
    found_out = sum(len(tally.found_out) for tally in runs)
    grounds = Grounds(
        share=Share(taken, taken + found_out),
        of="looks at hosts that pretend took them for real",
        runs=len(runs),
    )
    kept = too_little(key, grounds, LEAST_PRETENDERS)
    if kept is not None:
        return kept
    if grounds.share.low <= TAKEN_IN:
        text = "hosts that pretend are mostly found out"
        return Kept(key=key, because=Because.SOUND, text=text, grounds=(grounds,))
    wanted = min(MOST_CONTROLS, max(2, 2 * present))
    if wanted <= present:
        return Kept(
            key=key, because=Because.BOUND, text="there can be no more of them", grounds=(grounds,)
        )
    asked = mean([t.asked.get(Purpose.CONTROL, 0) for t in runs]) / max(1, present)
    return Proposal(
        key=key,
        change=Change.SET,
        before=present,
        after=wanted,
        why="control ports kept silent on hosts that answer for everything at other times",
        grounds=(grounds,),
        effect=Effect(packets=(wanted - present) * asked * PACKETS_A_QUESTION, note="at most"),
    )


def second_looks(past: Past, now: Now) -> Decision:
    """One more look where the last that is allowed still finds something, or whole runs overlook
    what others confirm."""
    key, present = Key.SECOND_LOOKS, now.settings.second_looks
    runs = past.with_settings(now, *LOOKING)
    last = Grounds(
        share=together(t.last_look for t in runs),
        of="open endpoints were found by the last look only",
        runs=len(runs),
    )
    overlooked = Grounds(
        share=past.overlooked,
        of="looks between two that confirmed an endpoint heard nothing of it",
        runs=past.overlooked_runs,
    )
    against = [
        (grounds, why)
        for grounds, bound, why in (
            (last, LAST_LOOK, "the last look that is allowed still finds something"),
            (overlooked, OVERLOOKED, "runs overlook what the runs before and after them confirm"),
        )
        if grounds.share.low > bound and too_little(key, grounds) is None
    ]
    kept = too_little(key, last)
    if not against and kept is not None:
        return kept
    if not against or (not present and not past.overlooked.hits):
        text = "the last look finds next to nothing, or there is none, and little is overlooked"
        return Kept(key=key, because=Because.SOUND, text=text, grounds=(last, overlooked))
    grounds = tuple(each for each, _ in against)
    if present >= MOST_SECOND_LOOKS:
        return Kept(
            key=key, because=Because.BOUND, text="there can be no more looks", grounds=grounds
        )
    asked = mean([t.asked.get(Purpose.SECOND_LOOK, 0) for t in runs]) / max(1, present)
    return Proposal(
        key=key,
        change=Change.SET,
        before=present,
        after=present + 1,
        why="; ".join(why for _, why in against),
        grounds=grounds,
        effect=Effect(
            seconds=asked * 2 ** (present + 1) / max(1, now.settings.rate),
            packets=2 * asked,
            note="at most: a look is left out where the one before heard nothing new",
        ),
    )


def watch_looks(past: Past, now: Now) -> Decision:
    """Watch more closely what some runs call transient and others confirmed."""
    key, present = Key.WATCH_LOOKS, now.settings.watch_looks
    grounds = Grounds(
        share=past.wavering,
        of="verdicts on endpoints that come and go call them confirmed",
        runs=past.wavering_runs,
    )
    kept = too_little(key, grounds)
    if kept is not None:
        return kept
    if past.wavering.low <= WAVERING:
        text = "what comes and goes is mostly found out"
        return Kept(key=key, because=Because.SOUND, text=text, grounds=(grounds,))
    wanted = min(MOST_WATCH_LOOKS, 2 * present or FIRST_WATCH_LOOKS)
    if wanted <= present:
        return Kept(
            key=key, because=Because.BOUND, text="there can be no more looks", grounds=(grounds,)
        )
    believed = mean([t.believed for t in past.with_settings(now, "watch_looks")])
    return Proposal(
        key=key,
        change=Change.SET,
        before=present,
        after=wanted,
        why="runs take for steady what others saw come and go",
        grounds=(grounds,),
        effect=Effect(
            packets=(wanted - present) * believed * _PACKETS_A_LOOK,
            note="no time: the looks lie within that of the re-scans",
        ),
    )


def connect_timeout(past: Past, now: Now) -> Decision:
    """Wait longer for a handshake where what is confirmed did not answer the first one."""
    runs = past.with_settings(now, "connect_timeout")
    return _longer(
        Key.CONNECT_TIMEOUT,
        now.settings.connect_timeout,
        LONGEST_TIMEOUT,
        Grounds(
            share=together(t.silent for t in runs),
            of="confirmed endpoints did not answer the first handshake",
            runs=len(runs),
        ),
        times=mean([t.unanswered for t in runs]) / max(1, now.concurrency),
        why="handshakes are given up before the answer comes",
    )


def listen(past: Past, now: Now) -> Decision:
    """Listen longer where services that speak were not heard the first time."""
    runs = past.with_settings(now, "listen")
    return _longer(
        Key.LISTEN,
        now.settings.listen,
        LONGEST_LISTEN,
        Grounds(
            share=together(t.mute for t in runs),
            of="services that speak were not heard when first listened to",
            runs=len(runs),
        ),
        times=mean([t.believed for t in runs]) / max(1, now.concurrency),
        why="services begin to speak after we have stopped to listen",
    )


def _longer(
    key: Key, present: float, longest: float, grounds: Grounds, *, times: float, why: str
) -> Decision:
    kept = too_little(key, grounds)
    if kept is not None:
        return kept
    if grounds.share.low <= TOO_SHORT:
        return Kept(key=key, because=Because.SOUND, text="it is long enough", grounds=(grounds,))
    wanted = min(longest, 2 * present)
    if wanted <= present:
        return Kept(
            key=key, because=Because.BOUND, text="it is as long as can be", grounds=(grounds,)
        )
    return Proposal(
        key=key,
        change=Change.SET,
        before=span(present),
        after=span(wanted),
        why=why,
        grounds=(grounds,),
        effect=Effect(seconds=(wanted - present) * times, note="at most"),
    )
