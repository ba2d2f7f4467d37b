"""A closer look at hosts on which something comes and goes.

A few looks tell of most endpoints that they are steady. Where one endpoint was open and then
refused, its neighbours are suspects: a schedule, a restart, or a load that cannot be borne seldom
concerns one of them alone. So what is believed in that network is looked at many times more. The
host itself is also swept again and again, because what is open for a tenth of the time was most
likely closed when the first sweep came by; and so are its living neighbours, who share as many
probes among them.

Hosts that pretend are left out: what they change is known to be no service. Networks that turned
against us are looked at gently, and not swept again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Final

from pipeline.addresses import Address, AddressSet, number_of
from pipeline.decide import reasons
from pipeline.decide.questions import asked, hosts_of, pretending_hosts, tasks_for, with_purpose
from pipeline.decide.rescan import watch_times
from pipeline.decide.standing import Standings, by_network, living, network_number
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
"""What all further sweeps of one host may send: 30 sweeps of 100 ports, three of a thousand; and
as many for all its neighbours together."""


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
) -> Iterator[Task]:
    """All further looks around unsteady hosts, each at its own time; none that was filed before.

    They are spread over the time of the rescans once more: what shows late deserves as close a
    look as what shows at once.
    """
    hosts = unsteady_hosts(evidence, known, found)
    if not policy.closer_looks or not hosts:
        return
    since = max(
        observation.time
        for endpoint, heard in evidence.observations.items()
        if endpoint.address in hosts
        for observation in heard
    )
    span = sum(policy.rescan_delays)
    near = {network_number(address) for address in hosts}
    pretending = pretending_hosts(evidence, known)
    # A round of their own: those of the first looks may be under way.
    round_ = policy.watch_looks + 1
    looked = asked(evidence, Method.HANDSHAKE, Purpose.WATCH, round_)
    watched = {
        endpoint
        for endpoint in believed - looked
        if network_number(endpoint.address) in near and endpoint.address not in pretending
    }
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
    out = known.shy | pretending
    alive = [address for address in living(evidence, known) if address not in out]
    yield from _sweeps(evidence, policy, hosts, alive, since)


def _sweeps(
    evidence: Evidence,
    policy: Policy,
    hosts: Set[Address],
    alive: Iterable[Address],
    since: float,
) -> Iterator[Task]:
    """Further sweeps of these hosts, and fewer of those that live beside them."""
    swept = hosts_of(record.task for record in with_purpose(evidence, Purpose.RESWEEP))
    for addresses in by_network(sorted(alive, key=number_of)).values():
        unsteady = [a for a in addresses if a in hosts and a not in swept]
        beside = [a for a in addresses if a not in hosts and a not in swept]
        if not unsteady:
            continue
        most = _most_sweeps(evidence, policy, len(unsteady) + len(beside))
        each = MOST_PROBES // len(evidence.batch.ports)
        yield from _swept(evidence, policy, unsteady, min(most, each), since)
        fewer = each * len(unsteady) // max(1, len(beside))
        yield from _swept(evidence, policy, beside, min(most, each, fewer), since)


def _swept(
    evidence: Evidence, policy: Policy, addresses: list[Address], times: int, since: float
) -> Iterator[Task]:
    targets = evidence.batch.targets.only(AddressSet.from_addresses(addresses))
    span = sum(policy.rescan_delays)
    for number, after in enumerate(watch_times(times, span), start=1):
        for version in (4, 6):
            some = targets.family(version)
            if some:
                yield Task(
                    batch=evidence.batch.number,
                    stage=StageName.RESCAN,
                    method=policy.methods[0],
                    purpose=Purpose.RESWEEP,
                    targets=some,
                    protocol=evidence.batch.protocol,
                    ports=evidence.batch.ports,
                    vantage=policy.vantage,
                    round=number,
                    not_before=since + after,
                )


def _most_sweeps(evidence: Evidence, policy: Policy, hosts: int) -> int:
    """As often as looks are wanted, unless the budget of the run's re-scans ends before."""
    if policy.rescan_packets_share is None:
        return policy.closer_looks
    share = policy.rescan_packets_share * evidence.batch.targets.addresses.size / hosts
    return min(policy.closer_looks, int(share))
