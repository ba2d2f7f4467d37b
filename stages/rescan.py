"""Ask again, after a while, every endpoint on which the methods disagree; watch the others.

Hosts that answer for every port are only shaken hands with: their other answers prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pipeline.addresses import AddressSet
from pipeline.decide import reasons, udp_tasks
from pipeline.decide.canaries import canaries_due
from pipeline.decide.questions import (
    asked,
    corroborated,
    ended,
    pretending_hosts,
    tasks_for,
    verdicts,
    waited_for,
    with_purpose,
)
from pipeline.decide.rescan import (
    LOSS_DELAY,
    may_be_a_loss,
    round_due,
    watch_times,
    worth_asking_again,
)
from pipeline.decide.standing import standings
from pipeline.model import (
    Endpoint,
    Evidence,
    Method,
    Protocol,
    Purpose,
    StageName,
    Task,
    TaskRecord,
    Verdict,
    VerdictKind,
)
from pipeline.plan import Policy

_WATCHED = frozenset({VerdictKind.CONFIRMED, VerdictKind.LIKELY, VerdictKind.UNRESOLVED})


def plan(evidence: Evidence, policy: Policy) -> Iterable[Task]:
    """The next round for the endpoints still in doubt, the next look at those believed."""
    if evidence.batch.protocol is Protocol.UDP:
        yield from udp_tasks.again(evidence, policy)
        return
    rounds = with_purpose(evidence, Purpose.NAMED)
    if not rounds or not corroborated(evidence, policy) or list(canaries_due(evidence, policy)):
        return
    found = verdicts(evidence)
    held = AddressSet.from_addresses(waited_for(standings(evidence), policy))
    open_to_asking = {e: v for e, v in found.items() if e.address not in held}
    yield from _votes(evidence, policy, open_to_asking)
    yield from _watch(evidence, policy, open_to_asking, rounds)
    if ended(rounds):
        yield from _again(evidence, policy, open_to_asking, rounds)


def _again(
    evidence: Evidence,
    policy: Policy,
    found: Mapping[Endpoint, Verdict],
    rounds: Iterable[TaskRecord],
) -> Iterator[Task]:
    last = max(record.task.round for record in rounds)
    due = round_due(
        last,
        _end_of(rounds, last),
        policy.rescan_delays,
        first_asked_at=_end_of(rounds, 1),
        until_settled=policy.until_settled,
    )
    if due is None:
        return
    heard = evidence.observations
    in_doubt = {e for e, v in found.items() if worth_asking_again(v, heard.get(e, ()))}
    lost = {e for e in in_doubt if last == 1 and may_be_a_loss(heard.get(e, ()))}
    soon = min(due, _end_of(rounds, last) + LOSS_DELAY)
    for some, when in ((lost, soon), (in_doubt - lost, due)):
        yield from _round(evidence, policy, some, last + 1, when)


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
    found: Mapping[Endpoint, Verdict],
    rounds: Iterable[TaskRecord],
) -> Iterator[Task]:
    """All looks at endpoints that are believed and not watched yet, each at its own time."""
    believed = {endpoint for endpoint, verdict in found.items() if verdict.kind in _WATCHED}
    new = believed - asked(evidence, Method.HANDSHAKE, Purpose.WATCH)
    if not new:
        return
    since = max(record.ended or 0.0 for record in rounds)
    shy = standings(evidence).shy
    for number, after in enumerate(watch_times(policy.watch_looks, policy.rescan_delays), start=1):
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


def _end_of(records: Iterable[TaskRecord], round_: int) -> float:
    return max(record.ended or 0.0 for record in records if record.task.round == round_)
