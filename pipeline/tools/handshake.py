"""How a handshake is held for each purpose, and what it costs.

Corroboration listens and may say a newline; canaries, watches and votes only want to know whether
somebody accepts, and leave at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from pipeline import wire
from pipeline.budget import Demand, Lease
from pipeline.decide.verdict import SOME_REFUSED
from pipeline.model import Observation, PortState, Purpose, Task
from pipeline.plan import Policy

BASELINE_TIMEOUT: Final = 2.2
"""Seconds: one SYN and two repetitions. Most addresses have nobody to answer, but who drops a first
SYN, and has the second one lost on the way, would not be asked anything else in the whole run."""
SAMPLE_TIMEOUT: Final = 1.2
"""Seconds: one SYN and its repetition. Nearly all of what is drawn keeps silent."""
VOTES: Final = 10
"""Connections of one vote, within about a second."""
_CHANGES: Final = 3
"""Changes between accepted and refused in one vote that no flapping makes: a service that comes
and goes every four seconds changes at most once in a second, or twice around a short gap."""
_ACK, _NEWLINES, _FINS, _RESET, _ANSWER = 1, 4, 3, 1, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """Seconds to wait for the handshake and to listen after it; ``times`` in a row.

    ``expected``: somebody was there a while ago, and most likely still is.
    """

    connect_timeout: float
    listen: float
    speaks: bool
    times: int = 1
    expected: bool = False

    @property
    def packets(self) -> int:
        """What leaves for one handshake, with the worst luck at every step."""
        syns = min(math.floor(self.connect_timeout) + 1, math.ceil(wire.CONNECT_TIMEOUT_LIMIT))
        farewell = _FINS if self.listen or self.speaks else _RESET
        return syns + _ACK + (_NEWLINES if self.speaks else 0) + farewell + _ANSWER


def manner(task: Task, policy: Policy) -> Manner:
    """How this task's handshakes are held."""
    match task.purpose:
        case Purpose.CANARY if task.round == 0:
            return Manner(connect_timeout=BASELINE_TIMEOUT, listen=0.0, speaks=False)
        case Purpose.CANARY:
            # Who is slow to answer is not silent.
            return Manner(
                connect_timeout=wire.CONNECT_TIMEOUT_LIMIT,
                listen=0.0,
                speaks=False,
                expected=True,
            )
        case Purpose.SAMPLE:
            # Most of what nobody called open keeps silent, and silence costs a SYN each second.
            return Manner(connect_timeout=SAMPLE_TIMEOUT, listen=0.0, speaks=False)
        case Purpose.WATCH:
            return Manner(
                connect_timeout=policy.connect_timeout, listen=0.0, speaks=False, expected=True
            )
        case Purpose.VOTE:
            return Manner(
                connect_timeout=policy.connect_timeout,
                listen=0.0,
                speaks=False,
                times=VOTES,
                expected=True,
            )
        case _:
            # Asked again, a slow host needs more patience, not more probes.
            patience = wire.CONNECT_TIMEOUT_LIMIT if task.round > 1 else policy.connect_timeout
            return Manner(connect_timeout=patience, listen=policy.listen, speaks=policy.speaks)


def demand(task: Task, policy: Policy) -> Demand:
    """Packets that a task would send, worst case."""
    how = manner(task, policy)
    to_a_host = len(task.ports) * how.packets * how.times
    return Demand(
        hosts=task.targets.addresses,
        packets=task.targets.addresses.size * to_a_host,
        packets_to_a_host=to_a_host,
        most=_most(task, how),
        spread=True,
    )


def pacer(task: Task, policy: Policy, lease: Lease) -> wire.Pacer:
    """Turns for this task's handshakes within a lease."""
    how = manner(task, policy)
    # The pacer counts every handshake as the most expensive one.
    scale = wire.PACKETS_PER_HANDSHAKE / how.packets
    return wire.Pacer(
        min(lease.rate, _most(task, how)) * scale,
        lease.rate_per_host * scale,
        rate_per_network=lease.rate_per_network * scale if lease.networks else None,
        network=policy.ceilings.network,
    )


def _most(task: Task, how: Manner) -> float:
    """Packets per second at which a gentle task begins as many handshakes a second as its pace.

    Where nobody answers that are twice as many SYNs: firewalls that block count about twenty.
    """
    return task.pace * how.packets if task.pace else math.inf


def count_votes(observations: Iterable[Observation]) -> tuple[Observation, ...]:
    """One observation for each endpoint: the last vote, and whether they kept changing."""
    by_endpoint: dict[object, list[Observation]] = {}
    for observation in sorted(observations, key=lambda o: o.time):
        by_endpoint.setdefault(observation.endpoint, []).append(observation)
    return tuple(_counted(votes) for votes in by_endpoint.values())


def _counted(votes: list[Observation]) -> Observation:
    changes = sum(
        {before.state, after.state} == {PortState.OPEN, PortState.CLOSED}
        for before, after in pairwise(votes)
    )
    last = votes[-1]
    if changes < _CHANGES:
        return last
    return Observation(
        endpoint=last.endpoint,
        method=last.method,
        purpose=last.purpose,
        state=PortState.OPEN,
        reason=SOME_REFUSED,
        time=last.time,
        round=last.round,
    )
