"""A closer look at hosts on which something comes and goes.

A few looks tell of most endpoints that they are steady. Where one endpoint was open and then
refused, its neighbours are suspects: a schedule, a restart, or a load that cannot be borne seldom
concerns one of them alone. So what is believed in that network is looked at many times more. The
host itself is also swept again as often, because what is open for a tenth of the time was most
likely closed when the first sweep came by.

Hosts that pretend are left out: what they change is known to be no service. Networks that turned
against us are looked at gently, and not swept again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Set
from typing import Final

from pipeline.addresses import Address, AddressSet
from pipeline.decide import reasons
from pipeline.decide.questions import asked, pretending_hosts, tasks_for, with_purpose
from pipeline.decide.rescan import watch_times
from pipeline.decide.standing import Standings, network_of
from pipeline.model import (
    Endpoint,
    Evidence,
    Method,
    Purpose,
    StageName,
    Task,
    Verdict,
    VerdictKind,
)
from pipeline.plan import Policy

MOST_PROBES: Final = 3000
"""What all further sweeps of one host may send: 24 sweeps of 125 ports, three of a thousand."""


def unsteady_hosts(
    evidence: Evidence, known: Standings, found: Mapping[Endpoint, Verdict]
) -> frozenset[Address]:
    """Hosts with an endpoint that was open and then refused, and no better reason for it."""
    pretending = pretending_hosts(evidence, known)
    return frozenset(
        endpoint.address
        for endpoint, verdict in found.items()
        if verdict.kind is VerdictKind.TRANSIENT
        and verdict.reason == reasons.OPEN_THEN_CLOSED
        and endpoint.address not in pretending
    )


def closer_looks(
    evidence: Evidence,
    policy: Policy,
    known: Standings,
    found: Mapping[Endpoint, Verdict],
    believed: Set[Endpoint],
    *,
    first_round: float,
) -> Iterator[Task]:
    """All further looks around unsteady hosts, each at its own time; none that was filed before.

    They fill what is left of the time of the rescans, which began at ``first_round``, and at least
    half as much time as that: what shows late deserves as close a look.
    """
    hosts = unsteady_hosts(evidence, known, found)
    if not policy.closer_looks or not hosts:
        return
    span = sum(policy.rescan_delays)
    since = max(
        observation.time
        for endpoint, heard in evidence.observations.items()
        if endpoint.address in hosts
        for observation in heard
    )
    span = max(span / 2, first_round + span - since)
    # A round of their own: those of the first looks may be under way.
    round_ = policy.watch_looks + 1
    looked = asked(evidence, Method.HANDSHAKE, Purpose.WATCH, round_)
    around = AddressSet()
    for address in hosts:
        around = around | network_of(address)
    pretending = pretending_hosts(evidence, known)
    watched = {e for e in believed - looked if e.address in around and e.address not in pretending}
    for number, after in enumerate(watch_times(policy.closer_looks, span)):
        yield from tasks_for(
            evidence,
            policy,
            watched,
            stage=StageName.RESCAN,
            method=Method.HANDSHAKE,
            purpose=Purpose.WATCH,
            round_=round_ + number,
            not_before=since + after,
            shy=known.shy,
        )
    bold = AddressSet.from_addresses(hosts) - known.shy
    yield from _sweeps(evidence, policy, bold, since, span)


def _sweeps(
    evidence: Evidence, policy: Policy, hosts: AddressSet, since: float, span: float
) -> Iterator[Task]:
    swept = AddressSet()
    for record in with_purpose(evidence, Purpose.RESWEEP):
        swept = swept | record.task.targets.addresses
    new = evidence.batch.targets.only(hosts - swept)
    times = watch_times(_how_many(evidence, policy, new.addresses.size), span)
    for number, after in enumerate(times, start=1):
        for version in (4, 6):
            targets = new.family(version)
            if targets:
                yield Task(
                    batch=evidence.batch.number,
                    stage=StageName.RESCAN,
                    method=policy.methods[0],
                    purpose=Purpose.RESWEEP,
                    targets=targets,
                    protocol=evidence.batch.protocol,
                    ports=evidence.batch.ports,
                    vantage=policy.vantage,
                    round=number,
                    not_before=since + after,
                )


def _how_many(evidence: Evidence, policy: Policy, hosts: int) -> int:
    if not hosts:
        return 0
    ports = len(evidence.batch.ports)
    of_batch = sys.maxsize
    if policy.rescan_packets_share is not None:
        endpoints = evidence.batch.targets.addresses.size * ports
        of_batch = int(policy.rescan_packets_share * endpoints / (hosts * ports))
    return min(policy.closer_looks, MOST_PROBES // ports, of_batch)
