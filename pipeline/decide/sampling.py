"""A random sample of what nobody called open, asked once more by another tool.

What it finds open was missed by the search, and how much of it bounds how much was missed in all.
Hosts that pretend and networks that turned against us are left out: their silence is known to mean
nothing, and the report says so in another place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from pipeline.addresses import AddressSet
from pipeline.decide.completeness import (
    Bound,
    Estimate,
    NoEstimate,
    sample_bound,
    two_passes,
)
from pipeline.decide.negatives import Negatives
from pipeline.decide.questions import hosts_of, tasks_for
from pipeline.decide.standing import SEARCHES, Standings, standings
from pipeline.model import (
    Endpoint,
    Evidence,
    Method,
    Observation,
    PortState,
    Purpose,
    Rectangle,
    StageName,
    Task,
    TaskState,
)
from pipeline.plan import Policy


def sample(evidence: Evidence, policy: Policy) -> Iterator[Task]:
    """The sample of a batch, once; the same one whenever it is planned."""
    batch = evidence.batch
    count = math.ceil(policy.sample_share * batch.targets.addresses.size * len(batch.ports))
    if not count or any(r.task.purpose is Purpose.SAMPLE for r in evidence.tasks):
        return
    drawn = negatives(evidence, standings(evidence)).sample(count, policy.seed + batch.number)
    yield from tasks_for(
        evidence,
        policy,
        set(drawn),
        stage=StageName.DISCOVER,
        method=Method.HANDSHAKE,
        purpose=Purpose.SAMPLE,
    )


def negatives(evidence: Evidence, known: Standings) -> Negatives:
    """What was swept and not called open, where silence and refusals mean something."""
    doubtful = known.shy | AddressSet.from_addresses(
        address for address, standing in known.hosts.items() if standing.pretends
    )
    swept = [
        Rectangle(
            method=record.task.method,
            protocol=record.task.protocol,
            addresses=record.task.targets.addresses - doubtful,
            ports=record.task.ports,
        )
        for record in evidence.tasks
        if record.task.purpose is Purpose.SWEEP and record.state is TaskState.SETTLED
    ]
    return Negatives([r for r in swept if r.addresses], without=_called_open(evidence))


def _called_open(evidence: Evidence) -> set[Endpoint]:
    """What was named before the sample was drawn: the sample may name more."""
    before = {
        endpoint
        for endpoint, heard in evidence.observations.items()
        if any(o.purpose in SEARCHES and o.state is PortState.OPEN for o in heard)
    }
    return before | set(evidence.batch.expected)


def sampled(evidence: Evidence) -> Bound | NoEstimate:
    """What the sample says about everything that was swept and not called open."""
    settled = [
        observation
        for heard in evidence.observations.values()
        for observation in heard
        if observation.purpose is Purpose.SAMPLE
    ]
    return sample_bound(
        len(settled),
        sum(o.state is PortState.OPEN for o in settled),
        max(len(settled), negatives(evidence, standings(evidence)).size),
    )


def passes(evidence: Evidence) -> Estimate | NoEstimate:
    """How many open endpoints there are, from the sweep and from nmap's looks and questions.

    Two passes over hosts that answer: masscan's sweep, and nmap, which was asked about what the
    sweep named and about what it did not. Where nmap swept alone there is only one, and what is
    there does not count.
    """
    known = standings(evidence)
    swept = hosts_of(r.task for r in evidence.tasks if r.task.method is Method.MASSCAN_SYN)
    first, second = set(), set()
    for endpoint, heard in evidence.observations.items():
        address = endpoint.address
        if address not in swept or address in known.shy or known.of(address).pretends:
            continue
        opened = [o for o in heard if o.state is PortState.OPEN]
        if any(o.method is Method.MASSCAN_SYN for o in opened):
            first.add(endpoint)
        if any(map(_in_second_pass, opened)):
            second.add(endpoint)
    swept_by = {r.task.method for r in evidence.tasks if r.task.purpose is Purpose.SWEEP}
    looked = any(r.task.purpose is Purpose.SECOND_LOOK for r in evidence.tasks)
    return two_passes(
        len(first),
        len(second),
        len(first & second),
        independent=looked and Method.MASSCAN_SYN in swept_by,
    )


def _in_second_pass(observation: Observation) -> bool:
    return observation.method is Method.NMAP_SYN and observation.purpose in (
        Purpose.NAMED,
        Purpose.SECOND_LOOK,
    )
