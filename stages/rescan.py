"""Ask again, after a while, every endpoint on which the methods disagree; watch the others.

Hosts that answer for every port are only shaken hands with: their other answers prove nothing.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from pipeline.decide import reasons, udp_tasks
from pipeline.decide.canaries import held
from pipeline.decide.closer import closer_looks
from pipeline.decide.loss import searches
from pipeline.decide.questions import (
    asked,
    at_rest,
    pretending_hosts,
    tasks_for,
    verdicts,
    with_purpose,
)
from pipeline.decide.rescan import (
    LOSS_DELAY,
    may_be_a_loss,
    round_due,
    watch_times,
    worth_asking_again,
)
from pipeline.decide.sequential import Budget, Cost
from pipeline.decide.standing import standings
from pipeline.model import (
    Endpoint,
    Evidence,
    Method,
    Protocol,
    Purpose,
    StageName,
    Task,
    Verdict,
    VerdictKind,
)
from pipeline.plan import Policy
from pipeline.tools.nmap import packets_per_probe
from pipeline.wire import PACKETS_PER_HANDSHAKE

_WATCHED = frozenset({VerdictKind.CONFIRMED, VerdictKind.LIKELY, VerdictKind.UNRESOLVED})


def plan(evidence: Evidence, policy: Policy) -> Iterable[Task]:
    """The next round for the endpoints still in doubt, the next look at those believed."""
    if evidence.batch.protocol is Protocol.UDP:
        yield from udp_tasks.again(evidence, policy)
        return
    resting = at_rest(evidence, policy)
    if not resting:
        return
    waiting = held(evidence, policy)
    found = {
        endpoint: verdict
        for endpoint, verdict in verdicts(evidence).items()
        if endpoint in resting and endpoint.address not in waiting
    }
    yield from _votes(evidence, policy, found)
    believed = {endpoint for endpoint, verdict in found.items() if verdict.kind in _WATCHED}
    yield from _watch(evidence, policy, believed, resting)
    yield from closer_looks(evidence, policy, standings(evidence), found, believed)
    yield from _again(evidence, policy, found, resting)


def _again(
    evidence: Evidence,
    policy: Policy,
    found: Mapping[Endpoint, Verdict],
    resting: Mapping[Endpoint, tuple[int, float]],
) -> Iterator[Task]:
    heard = evidence.observations
    budget = _Spending(evidence, policy)
    loss = searches(evidence, standings(evidence)).loss_each_way
    rounds: dict[tuple[int, bool], list[Endpoint]] = defaultdict(list)
    for endpoint, verdict in found.items():
        observations = heard.get(endpoint, ())
        number, _ = resting[endpoint]
        in_doubt = worth_asking_again(verdict, observations, error=policy.error, loss=loss)
        if in_doubt and budget.allows(number):
            rounds[number, number == 1 and may_be_a_loss(observations)].append(endpoint)
    for (number, lost), endpoints in sorted(rounds.items()):
        ended = max(resting[endpoint][1] for endpoint in endpoints)
        due = round_due(
            number,
            ended,
            policy.rescan_delays,
            first_asked_at=_first_round_of(evidence),
            until_settled=policy.until_settled,
        )
        if due is not None:
            when = min(due, ended + LOSS_DELAY) if lost else due
            yield from _round(evidence, policy, set(endpoints), number + 1, when)


class _Spending:
    """What re-scans have cost so far, and whether another round still fits the budget."""

    def __init__(self, evidence: Evidence, policy: Policy) -> None:
        endpoints = evidence.batch.targets.addresses.size * len(evidence.batch.ports)
        share = policy.rescan_packets_share
        of_batch = sys.maxsize if share is None else math.ceil(share * endpoints)
        self._each = sum(_packets(method, policy) for method in policy.methods)
        self._spent = self._each * sum(
            record.task.endpoints
            for record in evidence.tasks
            if record.task.stage is StageName.RESCAN
            and record.task.purpose is Purpose.NAMED
            and record.task.method is Method.HANDSHAKE
        )
        self._budget = Budget(
            endpoint=Cost(policy.rescan_packets_per_endpoint, math.inf),
            run=Cost(of_batch, math.inf),
        )

    def allows(self, rounds: int) -> bool:
        """True when one more round for an endpoint fits; it then counts as spent."""
        ask = Cost(self._each)
        if not self._budget.allows(
            ask, endpoint=Cost(self._each * (rounds - 1)), run=Cost(self._spent)
        ):
            return False
        self._spent += self._each
        return True


def _packets(method: Method, policy: Policy) -> int:
    if method is Method.HANDSHAKE:
        return PACKETS_PER_HANDSHAKE
    return packets_per_probe(method, policy) * (policy.nmap_max_retries + 1)


def _round(
    evidence: Evidence, policy: Policy, in_doubt: set[Endpoint], round_: int, when: float
) -> Iterator[Task]:
    known = standings(evidence)
    pretending = pretending_hosts(evidence, known)
    honest = {endpoint for endpoint in in_doubt if endpoint.address not in pretending}
    for method in policy.methods:
        yield from tasks_for(
            evidence,
            policy,
            in_doubt if method is Method.HANDSHAKE else honest,
            stage=StageName.RESCAN,
            method=method,
            purpose=Purpose.NAMED,
            round_=round_,
            not_before=when,
            shy=known.shy,
        )


def _votes(evidence: Evidence, policy: Policy, found: Mapping[Endpoint, Verdict]) -> Iterator[Task]:
    """Endpoints that were open and closed: do connections of the same moment agree?"""
    changing = {e for e, v in found.items() if v.reason == reasons.OPEN_THEN_CLOSED}
    yield from tasks_for(
        evidence,
        policy,
        changing - asked(evidence, Method.HANDSHAKE, Purpose.VOTE),
        stage=StageName.RESCAN,
        method=Method.HANDSHAKE,
        purpose=Purpose.VOTE,
        shy=standings(evidence).shy,
    )


def _watch(
    evidence: Evidence,
    policy: Policy,
    believed: set[Endpoint],
    resting: Mapping[Endpoint, tuple[int, float]],
) -> Iterator[Task]:
    """All looks at endpoints that are believed and not watched yet, each at its own time."""
    new = believed - asked(evidence, Method.HANDSHAKE, Purpose.WATCH)
    if not new:
        return
    since = max(resting[endpoint][1] for endpoint in new)
    shy = standings(evidence).shy
    times = watch_times(policy.watch_looks, sum(policy.rescan_delays))
    for number, after in enumerate(times, start=1):
        yield from tasks_for(
            evidence,
            policy,
            new,
            stage=StageName.RESCAN,
            method=Method.HANDSHAKE,
            purpose=Purpose.WATCH,
            round_=number,
            not_before=since + after,
            shy=shy,
        )


def _first_round_of(evidence: Evidence) -> float:
    """When the first round of corroboration ended."""
    rounds = with_purpose(evidence, Purpose.NAMED)
    return min((r.ended for r in rounds if r.task.round == 1 and r.ended), default=0.0)
