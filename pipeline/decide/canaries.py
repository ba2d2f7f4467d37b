"""Which canaries to ask, and when: before a sweep, after it, and while a network is waited for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from pipeline.addresses import Address, AddressSet
from pipeline.decide.grouping import exact_groups
from pipeline.decide.memo import once
from pipeline.decide.questions import (
    hosts_of,
    rounds_unsound,
    unanswered,
    waited_for,
    with_purpose,
)
from pipeline.decide.standing import (
    SEARCHES,
    Mood,
    Standings,
    by_network,
    living,
    networks,
    standings,
)
from pipeline.model import (
    Endpoint,
    Evidence,
    Method,
    Observation,
    PortState,
    Purpose,
    StageName,
    Task,
    TaskRecord,
)
from pipeline.plan import Policy
from pipeline.ports import PortSet

WORTH_IT: Final = 16
"""Ports in a batch from which on a canary for every address costs little beside the sweep."""
OPEN_ONES: Final = 3
"""Open endpoints of one host that serve as canaries: one may have closed by itself."""


def baseline(evidence: Evidence, policy: Policy) -> Iterator[Task]:
    """One port that nobody named, on every address, gently: network by network."""
    batch = evidence.batch
    if not policy.canary_ports or len(batch.ports) < WORTH_IT:
        return
    for addresses in networks(batch.targets.addresses):
        yield baseline_task(evidence, policy, addresses, policy.canary_ports)


def baseline_task(
    evidence: Evidence, policy: Policy, addresses: AddressSet, ports: PortSet
) -> Task:
    """Ports that nobody named, on the addresses of one network."""
    return Task(
        batch=evidence.batch.number,
        stage=StageName.DISCOVER,
        method=Method.HANDSHAKE,
        purpose=Purpose.CANARY,
        targets=evidence.batch.targets.only(addresses),
        protocol=evidence.batch.protocol,
        ports=ports,
        vantage=policy.vantage,
        pace=policy.gentle_pace,
    )


@once
def canaries_due(evidence: Evidence, policy: Policy) -> tuple[Task, ...]:
    """The next canaries of hosts that were searched since their last one, or are waited for."""
    return tuple(_canaries_due(evidence, policy))


def _canaries_due(evidence: Evidence, policy: Policy) -> Iterator[Task]:
    if not policy.canary_ports:
        return
    known = standings(evidence)
    searched = _searched(evidence)
    rounds: dict[tuple[int, float, int], list[Endpoint]] = defaultdict(list)
    endpoints = _canaries(evidence, known)
    under_way = unanswered(evidence, Purpose.CANARY)
    before = _rounds_before(evidence)
    for network, addresses in by_network(sorted(endpoints, key=int)).items():
        dues = {
            address: when
            for address in addresses
            if address not in under_way
            and (when := _due(known, address, searched.get(address, 0.0), policy)) is not None
            and not _in_vain(evidence, known, address, searched.get(address, 0.0))
        }
        # In step: whether a network turns us away shows in the same round of all its hosts.
        for address in dues:
            rounds[before.get(network, 0) + 1, max(dues.values()), network] += endpoints[address]
    for (number, due, _), some in rounds.items():
        shy = any(endpoint.address in known.shy for endpoint in some)
        for group, ports in exact_groups(some):
            yield Task(
                batch=evidence.batch.number,
                stage=StageName.DISCOVER,
                method=Method.HANDSHAKE,
                purpose=Purpose.CANARY,
                targets=evidence.batch.targets.only(group),
                protocol=evidence.batch.protocol,
                ports=ports,
                vantage=policy.vantage,
                round=number,
                not_before=due,
                pace=policy.gentle_pace if shy else 0.0,
            )


def _in_vain(evidence: Evidence, known: Standings, address: Address, searched: float) -> bool:
    """True when a canary has ended since, and nobody could be asked: excluded, or it failed."""
    checks = known.of(address).checks
    last = checks[-1].round if checks else 0
    return any(
        record.task.round > last
        and (record.ended or 0.0) >= searched
        and address in record.task.targets
        for record in with_purpose(evidence, Purpose.CANARY)
    )


def _rounds_before(evidence: Evidence) -> dict[int, int]:
    """Network -> the number of its last round of canaries, answered or not."""
    found: dict[int, int] = {}
    for record in with_purpose(evidence, Purpose.CANARY):
        # A task with canaries is about one network only.
        (network,) = by_network([next(iter(record.task.targets.addresses))])
        found[network] = max(found.get(network, 0), record.task.round)
    return found


def _due(known: Standings, address: Address, searched: float, policy: Policy) -> float | None:
    checks = known.of(address).checks
    last = checks[-1] if checks else None
    if last is not None and last.mood is not Mood.SOUND:
        tried = rounds_unsound(known, address)
        if tried <= len(policy.canary_waits):
            return last.time + policy.canary_waits[tried - 1]
        return None
    return 0.0 if searched and (last is None or last.time < searched) else None


_TRYING: Final = frozenset({Purpose.SWEEP, Purpose.SECOND_LOOK})
"""What is asked for of so many ports that a network may turn against us for it."""


def _searched(evidence: Evidence) -> dict[Address, float]:
    """When each living host was last asked in a way that could have turned it against us.

    That is a sweep; a second look, which comes to one network at a time where the sweep spread over
    all, so that a limit of the network may only notice it then; and whatever a network is asked
    that turned before. For the rest a canary is only needed where a host has fallen silent.
    """
    found: dict[Address, float] = {}
    alive = living(evidence, standings(evidence))
    for record in with_purpose(evidence, *SEARCHES, Purpose.NAMED):
        if record.task.purpose in _TRYING or record.task.pace:
            for address in _inside(alive, record):
                found[address] = max(found.get(address, 0.0), record.ended or 0.0)
    for address, time in _fell_silent(evidence).items():
        found[address] = max(found.get(address, 0.0), time)
    return found


def _fell_silent(evidence: Evidence) -> dict[Address, float]:
    """Hosts on which the newest round of handshakes met nobody, and when it ended."""
    rounds: dict[Address, dict[int, list[Observation]]] = defaultdict(lambda: defaultdict(list))
    for endpoint, heard in evidence.observations.items():
        for o in heard:
            if o.method is Method.HANDSHAKE and o.purpose is Purpose.NAMED:
                rounds[endpoint.address][o.round].append(o)
    newest = {address: of_host[max(of_host)] for address, of_host in rounds.items()}
    return {
        address: max(o.time for o in last)
        for address, last in newest.items()
        if all(o.state is not PortState.OPEN for o in last)
    }


def _inside(alive: frozenset[Address], record: TaskRecord) -> Iterator[Address]:
    targets = record.task.targets
    return (address for address in alive if address in targets)


def _canaries(evidence: Evidence, known: Standings) -> dict[Address, list[Endpoint]]:
    """What to ask each living host: what it answered before, open endpoints preferred.

    A port that nobody named and that kept silent is asked again, too: if it is open now, the host
    deceives.
    """
    alive = living(evidence, known)
    answering: set[Address] = set()
    found: dict[Address, list[Endpoint]] = defaultdict(list)
    for endpoint, heard in evidence.observations.items():
        if endpoint.address not in alive:
            continue
        baseline_port = any(o.purpose is Purpose.CANARY and o.round == 0 for o in heard)
        searched = any(o.purpose in SEARCHES and o.state is PortState.OPEN for o in heard)
        if baseline_port or searched:
            found[endpoint.address].append(endpoint)
            if any(o.state in (PortState.OPEN, PortState.CLOSED) for o in heard):
                answering.add(endpoint.address)
    chosen = {address: _few(endpoints, evidence) for address, endpoints in found.items()}
    for _, refusals in evidence.refusals:
        address = refusals.address
        if address not in answering:
            port = next(iter(refusals.ports))
            refused = Endpoint(address, evidence.batch.protocol, port)
            chosen[address] = [*chosen.get(address, ()), refused]
            answering.add(address)
    return chosen


def _few(endpoints: list[Endpoint], evidence: Evidence) -> list[Endpoint]:
    in_scope = [e for e in endpoints if e.port in evidence.batch.ports]
    return [e for e in endpoints if e.port not in evidence.batch.ports] + in_scope[:OPEN_ONES]


@once
def held(evidence: Evidence, policy: Policy) -> AddressSet:
    """Hosts that must not be asked now: their canaries are being asked, or they are waited for."""
    return (
        unanswered(evidence, Purpose.CANARY)
        | hosts_of(canaries_due(evidence, policy))
        | AddressSet.from_addresses(waited_for(standings(evidence), policy))
    )
