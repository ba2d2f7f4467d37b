"""How much of its rate a run uses: a beginning at a part of it, and less again after a bad sign.

A run begins at ``start`` of what its ceilings allow and doubles that with each good sign, at most
once a second. A bad sign (answers are lost, come late, or canaries fall silent) halves it, and
from then on it grows by an eighth for each ``recover`` seconds without another. No bad
sign takes it below ``LEAST``, so that a run comes to its end, and it never exceeds the whole.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from pipeline.addresses import Address
from pipeline.decide.standing import Mood, Standings
from pipeline.model import Answer, PortState, Protocol, Purpose, Task

LEAST: Final = 1 / 8
LEAST_AT_FIRST: Final = 1 / 16
"""A run may begin lower: it doubles that at once where all is well."""
STEP: Final = 1 / 8
DOUBLING: Final = 1.0
"""Seconds between two doublings."""
GRACE: Final = 2.0
"""Seconds that the slow start may add to what one task sends, while nothing has gone wrong."""
PART: Final = 0.25
"""Of the witnesses that must have something the matter: one sick host is no sign of ours."""
FEWEST: Final = 2
"""Witnesses that must have something the matter at least, where so many are known at all."""
LOST: Final = 0.1
"""Of the answers of a witness that must be missing."""
ENOUGH: Final = 8
"""Ports of which a host must have been asked, unless it is known by a connection of ours: who is
known only because it answered a few of them may have answered by chance."""
POOL: Final = 16
"""Ports of all hosts together of which the answers are compared."""
USUALLY_ASKED: Final = 10
USUALLY_LATE: Final = 1
"""What is taken for usual before anything is known: one host of so many answers late."""
RECENT: Final = 16
"""Hosts of the newest answers that are held against what was usual before: one task may ask one."""
FORGOTTEN: Final = 200
"""Hosts from which on what is usual is forgotten little by little."""
UNUSUAL: Final = 1e-4
"""Where packets are lost all the time, some answers are late all the time, whatever the rate: it is
a sign when so many are late by chance with no more than this probability. A run asks often."""
REPEATED: Final = 0.9
"""Seconds after which a first answer is late: a SYN was repeated, which takes one (RFC 6298)."""
LATE: Final = 0.25
"""Seconds by which an answer is late, if it also takes three times as long as the quickest."""


class Sign(StrEnum):
    """What a task told about how the network bears the run."""

    GOOD = "all is well"
    LOSS = "answers are lost"
    LATE = "answers come late"
    SILENT = "canaries fell silent or turned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """``start`` is the part of the rate that a run begins with; ``recover`` is in seconds."""

    start: float = 1.0
    recover: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """The share of its rate that a run may use, in (0, 1]; ``wary`` once something went wrong."""

    manners: Manners
    share: float
    since: float
    wary: bool = False
    heeded: float = float("-inf")
    """When a bad sign was heeded last."""

    @classmethod
    def at_first(cls, manners: Manners, now: float) -> Throttle:
        """How a run begins."""
        return cls(manners=manners, share=max(LEAST_AT_FIRST, min(1.0, manners.start)), since=now)

    def heed(self, sign: Sign, now: float, *, asked_at: float | None = None) -> Throttle:
        """What is allowed from now on.

        A bad sign of what was asked (``asked_at``, default ``now``) before the last one was heeded
        tells of a rate that is gone: like a congestion window, the share is halved once for all
        that was on its way (RFC 5681).
        """
        if sign is not Sign.GOOD:
            if self.wary and asked_at is not None and asked_at < self.heeded:
                return self
            less = min(self.share, max(LEAST, self.share / 2))
            return replace(self, share=less, since=now, heeded=now, wary=True)
        if self.share >= 1.0 or now - self.since < self._patience:
            return self
        more = self.share + STEP if self.wary else 2 * self.share
        return replace(self, share=min(1.0, more), since=now)

    @property
    def _patience(self) -> float:
        return self.manners.recover if self.wary else DOUBLING

    def below(self, allowed: float, ceiling: float, packets: float) -> float:
        """Of the packets a second that are ``allowed``, those that a task may use now.

        It is the share of the ``ceiling``; but in the slow start no task of so many packets takes
        :data:`GRACE` seconds longer than it would otherwise.
        """
        slow = ceiling * self.share
        if not self.wary and self.share < 1.0 and allowed > 0:
            slow = max(slow, packets / (packets / allowed + GRACE))
        return min(allowed, slow)


@dataclass(frozen=True, slots=True)
class _Count:
    """Ports of sweeps that were asked, and those that were answered."""

    asked: int = 0
    answered: int = 0

    def __add__(self, other: _Count) -> _Count:
        return _Count(self.asked + other.asked, self.answered + other.answered)

    @property
    def share(self) -> float:
        return self.answered / self.asked if self.asked else 0.0

    def of_at_most(self, asked: int) -> _Count:
        """The same share of no more than so many."""
        if self.asked <= asked:
            return self
        return _Count(asked, round(self.answered * asked / self.asked))

    def less_than(self, other: _Count) -> bool:
        """True when so many answers are missing that were there before."""
        return self.share < other.share * (1 - LOST)


def _chance(least: int, of: int, share: float) -> float:
    """That of so many at least ``least`` are late by chance, where that share usually is."""
    return sum(
        math.comb(of, late) * share**late * (1 - share) ** (of - late)
        for late in range(least, of + 1)
    )


class Senses:
    """What the answers of tasks tell about the network, compared with the best that was heard.

    It remembers, for each host, how quickly it answered a connection at best, and how many of the
    ports of sweeps it answered at best. The first short sweeps have few ports of each host, so they
    are taken together, and so are the hosts.
    """

    def __init__(self) -> None:
        self._quickest: dict[Address, float] = {}
        self._best: dict[Address, _Count] = {}
        self._checked = float("-inf")
        self._usual = _Count(asked=USUALLY_ASKED, answered=USUALLY_LATE)
        """Hosts that were asked, and (as ``answered``) how many of them answered late."""
        self._recent: deque[_Count] = deque()
        """The same of the newest answers, which are not usual yet."""

    def of_answer(self, task: Task, answer: Answer) -> Sign:
        """The sign that an answer gives. What is not complete tells nothing bad."""
        if not answer.complete:
            return Sign.GOOD
        if answer.delays:
            return self._late(answer.delays)
        if task.purpose is Purpose.SWEEP and task.protocol is Protocol.TCP:
            return self._lost(task, answer)
        return Sign.GOOD

    def _late(self, delays: Iterable[tuple[Address, float]]) -> Sign:
        slow: set[Address] = set()
        hosts: set[Address] = set()
        for address, seconds in delays:
            best = self._quickest.get(address)
            hosts.add(address)
            # A repeated SYN counts as late here, too: by it is seen how many are usual.
            if seconds > (REPEATED if best is None else max(3 * best, best + LATE)):
                slow.add(address)
            self._quickest[address] = seconds if best is None else min(best, seconds)
        self._recent.append(_Count(len(hosts), len(slow)))
        while sum(c.asked for c in self._recent) - self._recent[0].asked >= RECENT:
            self._get_used_to(self._recent.popleft())
        here = sum(self._recent, _Count())
        many = self._many(here.answered, here.asked, len(self._quickest))
        if not many or _chance(here.answered, here.asked, self._usual.share) >= UNUSUAL:
            return Sign.GOOD
        while self._recent:
            self._get_used_to(self._recent.popleft())
        return Sign.LATE

    def _get_used_to(self, count: _Count) -> None:
        self._usual = self._usual.of_at_most(FORGOTTEN) + count

    def _lost(self, task: Task, answer: Answer) -> Sign:
        now = self._counted(task, answer)
        told = [a for a in now if self._can_tell(a)]
        before = sum((self._best[a] for a in told), _Count())
        here = sum((now[a] for a in told), _Count())
        sick = sum(now[a].less_than(self._best[a]) for a in told)
        if (
            min(before.asked, here.asked) >= POOL
            and before.share > 1 - LOST
            and here.less_than(before)
            and self._many(sick, len(told), sum(map(self._can_tell, self._best)))
        ):
            return Sign.LOSS
        for address, count in now.items():
            best = self._best.get(address, _Count())
            if best.asked < ENOUGH:
                self._best[address] = best + count
            elif count.asked >= ENOUGH and count.share > best.share:
                self._best[address] = count
        return Sign.GOOD

    def _counted(self, task: Task, answer: Answer) -> dict[Address, _Count]:
        """What living hosts were asked in a sweep, and answered."""
        count: Counter[Address] = Counter()
        for refused in answer.refusals:
            count[refused.address] += len(refused.ports)
        for endpoint in {o.endpoint for o in answer.observations if o.state is PortState.OPEN}:
            count[endpoint.address] += 1
        known = (a for a in (*self._best, *self._quickest) if a in task.targets)
        return {a: _Count(len(task.ports), count[a]) for a in dict.fromkeys((*count, *known))}

    def _can_tell(self, address: Address) -> bool:
        best = self._best.get(address, _Count())
        return best.asked >= ENOUGH or (best.asked > 0 and address in self._quickest)

    def of_canaries(self, known: Standings) -> Sign:
        """The sign of canaries that were answered since this was asked last."""
        checked = [s for s in known.hosts.values() if s.answered_before and len(s.checks) > 1]
        new = [s for s in checked if s.checks[-1].time > self._checked]
        self._checked = max([self._checked, *(s.checks[-1].time for s in new)])
        sick = sum(s.mood is not Mood.SOUND for s in new)
        return Sign.SILENT if self._many(sick, len(new), len(checked)) else Sign.GOOD

    @staticmethod
    def _many(sick: int, asked: int, known: int) -> bool:
        """True when it is no single host's affair: a quarter of those asked, and two of many."""
        return sick > 0 and sick >= max(PART * asked, min(FEWEST, known))
