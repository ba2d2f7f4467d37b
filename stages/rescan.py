"""Ask again, after a while, every endpoint on which the methods disagree.

Hosts that answer for every port are only shaken hands with: their other answers prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.decide.questions import (
    corroborated,
    ended,
    pretending_hosts,
    tasks_for,
    verdicts,
    with_purpose,
)
from pipeline.decide.rescan import round_due, worth_asking_again
from pipeline.model import Evidence, Method, Purpose, StageName, Task, TaskRecord
from pipeline.plan import Policy


def plan(evidence: Evidence, policy: Policy) -> Iterable[Task]:
    """The next round for the endpoints still in doubt, not before its delay has passed."""
    rounds = with_purpose(evidence, Purpose.NAMED)
    if not rounds or not corroborated(evidence, policy) or not ended(rounds):
        return
    last = max(record.task.round for record in rounds)
    due = round_due(last, _end_of(rounds, last), policy.rescan_delays)
    if due is None:
        return
    in_doubt = {
        endpoint
        for endpoint, verdict in verdicts(evidence).items()
        if worth_asking_again(verdict, evidence.observations.get(endpoint, ()))
    }
    pretending = pretending_hosts(evidence)
    honest = {endpoint for endpoint in in_doubt if endpoint.address not in pretending}
    for method in policy.methods:
        yield from tasks_for(
            evidence,
            policy,
            in_doubt if method is Method.HANDSHAKE else honest,
            stage=StageName.RESCAN,
            method=method,
            purpose=Purpose.NAMED,
            round_=last + 1,
            not_before=due,
        )


def _end_of(records: Iterable[TaskRecord], round_: int) -> float:
    return max(record.ended or 0.0 for record in records if record.task.round == round_)
