"""What has been asked about a batch, what was named, and what is still to be asked.

The network stages plan with these; none of them knows a clock, a store or a tool.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace
from itertools import chain

from pipeline.addresses import Address, AddressSet
from pipeline.decide import reasons, udp
from pipeline.decide.confidence import CEILING
from pipeline.decide.grouping import exact_groups, order_of
from pipeline.decide.loss import searches
from pipeline.decide.memo import once
from pipeline.decide.refusals import contradicting
from pipeline.decide.standing import SEARCHES, Mood, Standings, by_network, standings
from pipeline.decide.verdict import HostFacts, decide, host_facts, is_open_baseline
from pipeline.model import (
    Endpoint,
    Evidence,
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    StageName,
    Task,
    TaskRecord,
    TaskState,
    Verdict,
    VerdictKind,
)
from pipeline.plan import Policy
from pipeline.ports import PortSet
from pipeline.scope import Targets

_ENDED = frozenset({TaskState.SETTLED, TaskState.FAILED})


_ANSWERS = frozenset({PortState.OPEN, PortState.CLOSED})
_TOGETHER = 10
"""Endpoints of one host that were open and closed, from which on a device is likelier that answers
for all of them at times than so many services that come and go."""
_NAMING = SEARCHES | {Purpose.SAMPLE, Purpose.RESWEEP}
TRIP_WIRES = PortSet.of((23,))
"""Ports that intrusion traps are tied to most: after them, every other answer is in doubt."""


def sweep_rounds(ports: PortSet) -> tuple[PortSet, PortSet]:
    """The ports of the two sweeps of a batch: harmless ones, then those with trip wires."""
    harmless = ports - TRIP_WIRES or ports
    return harmless, ports - harmless


def still_swept(evidence: Evidence) -> Targets:
    """What may be swept: not what turned against us, which is only asked gently from then on."""
    targets = evidence.batch.targets
    return targets.only(targets.addresses - standings(evidence).shy)


def swept(evidence: Evidence) -> bool:
    """True when both sweeps have been filed and answered, or there is nobody left to sweep."""
    sweeps = with_purpose(evidence, Purpose.SWEEP)
    rounds = {record.task.round for record in sweeps}
    wanted = sweep_rounds(evidence.batch.ports)
    left = any(some and n not in rounds for n, some in enumerate(wanted))
    return bool(sweeps) and ended(sweeps) and not (left and still_swept(evidence))


def ended(tasks: Iterable[TaskRecord]) -> bool:
    """True when none of these tasks is still to be answered."""
    return all(record.state in _ENDED for record in tasks)


def with_purpose(evidence: Evidence, *purposes: Purpose) -> tuple[TaskRecord, ...]:
    """The tasks that ask for one of these purposes."""
    return tuple(record for record in evidence.tasks if record.task.purpose in purposes)


def endpoints_of(task: Task) -> Iterator[Endpoint]:
    """Every endpoint that a task asks about. Not for sweeps: they have millions."""
    for address in task.targets.addresses:
        for port in task.ports:
            yield Endpoint(address, task.protocol, port)


def asked(
    evidence: Evidence, method: Method, purpose: Purpose, round_: int | None = None
) -> set[Endpoint]:
    """Endpoints that tasks of this kind ask about, answered or not."""
    found: set[Endpoint] = set()
    for record in evidence.tasks:
        task = record.task
        if task.method is method and task.purpose is purpose and round_ in (None, task.round):
            found.update(endpoints_of(task))
    return found


def unanswered(evidence: Evidence, *purposes: Purpose) -> AddressSet:
    """Addresses of the tasks for these purposes that have not ended yet."""
    open_ = (r.task for r in with_purpose(evidence, *purposes) if r.state not in _ENDED)
    return hosts_of(open_)


def hosts_of(tasks: Iterable[Task]) -> AddressSet:
    """The addresses that some tasks ask."""
    return AddressSet.of(chain.from_iterable(task.targets.addresses.ranges for task in tasks))


@once
def named(evidence: Evidence) -> set[Endpoint]:
    """Endpoints that a search or a sample called open, or that are expected to be."""
    found = {
        endpoint
        for endpoint, heard in evidence.observations.items()
        if any(o.purpose in _NAMING and o.state is PortState.OPEN for o in heard)
    }
    return found | set(evidence.batch.expected)


@once
def facts_by_host(
    evidence: Evidence, known: Standings | None = None
) -> Mapping[Address, HostFacts]:
    """What the control ports of each host said while it was a witness."""
    known = standings(evidence) if known is None else known
    controls: dict[Address, list[Observation]] = defaultdict(list)
    for endpoint, heard in evidence.observations.items():
        controls[endpoint.address].extend(
            o
            for o in heard
            if (o.purpose is Purpose.CONTROL or is_open_baseline(o)) and known.trusts(o)
        )
    loss = searches(evidence, known).loss_each_way
    return {
        address: replace(host_facts(seen), loss=loss) for address, seen in controls.items() if seen
    }


@once
def verdicts(evidence: Evidence) -> dict[Endpoint, Verdict]:
    """A verdict for every endpoint that was named, in the order of endpoints."""
    decided: dict[Endpoint, Verdict] = {}
    for part in by_protocol(evidence):
        decided |= _verdicts(part)
    return dict(sorted(decided.items(), key=lambda item: item[0].sort_key))


def by_protocol(evidence: Evidence) -> Iterator[Evidence]:
    """The evidence of each protocol apart: what a host does to one says nothing of the other."""
    protocols = {record.task.protocol for record in evidence.tasks}
    protocols |= {endpoint.protocol for endpoint in evidence.batch.expected}
    if len(protocols) < 2:
        yield evidence
        return
    of_task = {record.number: record.task.protocol for record in evidence.tasks}
    for protocol in sorted(protocols):
        expected = tuple(e for e in evidence.batch.expected if e.protocol is protocol)
        yield replace(
            evidence,
            batch=replace(evidence.batch, protocol=protocol, expected=expected),
            tasks=tuple(r for r in evidence.tasks if r.task.protocol is protocol),
            observations={e: o for e, o in evidence.observations.items() if e.protocol is protocol},
            holes=tuple(h for h in evidence.holes if of_task[h[0]] is protocol),
            refusals=tuple(r for r in evidence.refusals if of_task[r[0]] is protocol),
        )


def _verdicts(evidence: Evidence) -> dict[Endpoint, Verdict]:
    known = standings(evidence)
    facts = facts_by_host(evidence, known)
    dropped = _given_up(evidence)
    nothing = HostFacts()
    found: dict[Endpoint, Verdict] = {}
    ended_closed: set[Endpoint] = set()
    refused = contradicting(evidence, known, named(evidence))
    for endpoint in sorted(named(evidence), key=lambda e: e.sort_key):
        heard = tuple(
            o for o in evidence.observations.get(endpoint, ()) if o.purpose is not Purpose.CONTROL
        )
        heard += tuple(refused.get(endpoint, ()))
        gave_up = any(endpoint.port in ports for ports in dropped.get(endpoint.address, ()))
        decide_by = udp.decide if endpoint.protocol is Protocol.UDP else decide
        found[endpoint] = decide_by(
            endpoint,
            tuple(o for o in heard if known.trusts(o)),
            facts.get(endpoint.address, nothing),
            gave_up=gave_up,
            set_aside=tuple(o.number for o in heard if not known.trusts(o)),
        )
        trusted = (o for o in heard if known.trusts(o) and o.state in _ANSWERS)
        last = max(trusted, key=lambda o: (o.time, o.round, o.state), default=None)
        if last is not None and last.state is PortState.CLOSED:
            ended_closed.add(endpoint)
    return found | changed_together(found, ended_closed)


def changed_together(
    found: Mapping[Endpoint, Verdict], ended_closed: Set[Endpoint]
) -> dict[Endpoint, Verdict]:
    """Endpoints of hosts on which so many came and went that it was the host, and not they.

    Those of a host that was restarted come back, and remain what they are.
    """
    changed: dict[Address, list[Endpoint]] = defaultdict(list)
    for endpoint, verdict in found.items():
        if verdict.reason == reasons.OPEN_THEN_CLOSED and endpoint in ended_closed:
            changed[endpoint.address].append(endpoint)
    return {
        endpoint: replace(
            found[endpoint],
            kind=VerdictKind.ARTEFACT,
            reason=reasons.HOST_CHANGES,
            confidence=CEILING,
        )
        for endpoints in changed.values()
        if len(endpoints) >= _TOGETHER
        for endpoint in endpoints
    }


def _given_up(evidence: Evidence) -> Mapping[Address, list[PortSet]]:
    tasks = {record.number: record.task for record in evidence.tasks}
    found: dict[Address, list[PortSet]] = defaultdict(list)
    for number, hole in evidence.holes:
        found[hole.address].append(tasks[number].ports if hole.ports is None else hole.ports)
    return found


def tasks_for(
    evidence: Evidence,
    policy: Policy,
    endpoints: Set[Endpoint],
    *,
    stage: StageName,
    method: Method,
    purpose: Purpose,
    round_: int = 1,
    not_before: float = 0.0,
    shy: AddressSet | None = None,
) -> Iterator[Task]:
    """Tasks that together ask exactly these endpoints, address families apart.

    Networks that are ``shy`` are asked apart from the others, and at a gentle pace.
    """
    for some, pace in _by_pace(endpoints, shy or AddressSet(), policy.gentle_pace):
        # The large ones first: they take longest, and nothing else waits for them at the end.
        for addresses, ports in sorted(exact_groups(some), key=order_of):
            yield Task(
                batch=evidence.batch.number,
                stage=stage,
                method=method,
                purpose=purpose,
                targets=evidence.batch.targets.only(addresses),
                protocol=evidence.batch.protocol,
                ports=ports,
                vantage=policy.vantage,
                round=round_,
                not_before=not_before,
                pace=pace,
            )


def _by_pace(
    endpoints: Set[Endpoint], shy: AddressSet, gentle: float
) -> Iterator[tuple[list[Endpoint], float]]:
    bold = {e for e in endpoints if e.address not in shy}
    for version in (4, 6):
        some = [e for e in bold if e.address.version == version]
        if some:
            yield some, 0.0
    of_host: dict[Address, list[Endpoint]] = defaultdict(list)
    for endpoint in endpoints - bold:
        of_host[endpoint.address].append(endpoint)
    for _, addresses in sorted(by_network(of_host).items()):
        yield [e for address in addresses for e in of_host[address]], gentle


def pretending_hosts(evidence: Evidence, known: Standings | None = None) -> AddressSet:
    """Hosts whose control ports answer as if open."""
    return AddressSet.from_addresses(
        address
        for address, facts in facts_by_host(evidence, known).items()
        if facts.answers_for_everything
    )


@once
def phantoms(evidence: Evidence, known: Standings, policy: Policy) -> frozenset[Endpoint]:
    """Endpoints that were only called open by a host that deceived us, and refuse since.

    One refusal is enough for them: there may be as many as there are ports.
    """
    deceivers = {
        address
        for address, standing in known.hosts.items()
        if any(episode.mood is Mood.DECEIVING for episode in standing.episodes)
    }
    if not deceivers:
        return frozenset()
    found = set()
    for endpoint, heard in evidence.observations.items():
        if endpoint.address in deceivers:
            states = {o.state for o in heard if known.trusts(o) and o.method in policy.methods}
            if PortState.CLOSED in states and PortState.OPEN not in states:
                found.add(endpoint)
    return frozenset(found)


def waited_for(known: Standings, policy: Policy) -> frozenset[Address]:
    """Hosts that do not answer as they did, and that are still waited for."""
    return frozenset(
        address
        for address, standing in known.hosts.items()
        if standing.mood is not Mood.SOUND and rounds_unsound(known, address) <= _waits(policy)
    )


def rounds_unsound(known: Standings, address: Address) -> int:
    """How many canaries in a row a host has not answered as it should."""
    count = 0
    for check in reversed(known.of(address).checks):
        if check.mood is Mood.SOUND:
            break
        count += 1
    return count


def _waits(policy: Policy) -> int:
    return len(policy.canary_waits)


@once
def at_rest(evidence: Evidence, policy: Policy) -> dict[Endpoint, tuple[int, float]]:
    """Endpoints that every method of their last round has answered: that round, and its end.

    Round 1 is complete when the last method of the corroboration has been through; phantoms are
    left alone by the later methods.
    """
    last: dict[Endpoint, tuple[int, float]] = {}
    busy: set[Endpoint] = set()
    complete: set[Endpoint] = set(phantoms(evidence, standings(evidence), policy))
    for record in with_purpose(evidence, Purpose.NAMED):
        task = record.task
        endpoints = tuple(endpoints_of(task))
        if record.state not in _ENDED:
            busy.update(endpoints)
            continue
        if task.method is policy.methods[-1]:
            complete.update(endpoints)
        for endpoint in endpoints:
            known = last.get(endpoint, (0, 0.0))
            if task.round >= known[0]:
                ended = record.ended or 0.0
                later = max(ended, known[1]) if task.round == known[0] else ended
                last[endpoint] = task.round, later
    return {e: when for e, when in last.items() if e in complete and e not in busy}
