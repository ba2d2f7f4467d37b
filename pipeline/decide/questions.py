"""What has been asked about a batch, what was named, and what is still to be asked.

The network stages plan with these; none of them knows a clock, a store or a tool.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set

from pipeline.addresses import Address, AddressSet
from pipeline.decide.grouping import exact_groups, order_of
from pipeline.decide.verdict import HostFacts, decide, host_facts
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
    TaskState,
    Verdict,
)
from pipeline.plan import Policy
from pipeline.ports import PortSet

_ENDED = frozenset({TaskState.SETTLED, TaskState.FAILED})


def ended(tasks: Iterable[TaskRecord]) -> bool:
    """True when none of these tasks is still to be answered."""
    return all(record.state in _ENDED for record in tasks)


def with_purpose(evidence: Evidence, purpose: Purpose) -> tuple[TaskRecord, ...]:
    """The tasks that ask for this purpose."""
    return tuple(record for record in evidence.tasks if record.task.purpose is purpose)


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


def named(evidence: Evidence) -> set[Endpoint]:
    """Endpoints that discovery called open, or that are expected to be."""
    found = {
        endpoint
        for endpoint, heard in evidence.observations.items()
        if any(o.purpose is Purpose.SWEEP and o.state is PortState.OPEN for o in heard)
    }
    return found | set(evidence.batch.expected)


def facts_by_host(evidence: Evidence) -> Mapping[Address, HostFacts]:
    """What the control ports of each host said."""
    controls: dict[Address, list[Observation]] = defaultdict(list)
    for endpoint, heard in evidence.observations.items():
        controls[endpoint.address].extend(o for o in heard if o.purpose is Purpose.CONTROL)
    return {address: host_facts(seen) for address, seen in controls.items() if seen}


def verdicts(evidence: Evidence) -> dict[Endpoint, Verdict]:
    """A verdict for every endpoint that was named, in the order of endpoints."""
    facts = facts_by_host(evidence)
    dropped = _given_up(evidence)
    nothing = HostFacts()
    found: dict[Endpoint, Verdict] = {}
    for endpoint in sorted(named(evidence), key=lambda e: e.sort_key):
        heard = tuple(
            o for o in evidence.observations.get(endpoint, ()) if o.purpose is not Purpose.CONTROL
        )
        gave_up = any(endpoint.port in ports for ports in dropped.get(endpoint.address, ()))
        found[endpoint] = decide(
            endpoint, heard, facts.get(endpoint.address, nothing), gave_up=gave_up
        )
    return found


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
) -> Iterator[Task]:
    """Tasks that together ask exactly these endpoints, address families apart."""
    for version in (4, 6):
        family = [e for e in endpoints if e.address.version == version]
        # The large ones first: they take longest, and nothing else waits for them at the end.
        for addresses, ports in sorted(exact_groups(family), key=order_of):
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
            )


def pretending_hosts(evidence: Evidence) -> AddressSet:
    """Hosts whose control ports answer as if open."""
    return AddressSet.from_addresses(
        address
        for address, facts in facts_by_host(evidence).items()
        if facts.answers_for_everything
    )


def corroborated(evidence: Evidence, policy: Policy) -> bool:
    """True when every named endpoint has been through every method of corroboration."""
    if not ended(with_purpose(evidence, Purpose.SWEEP)):
        return False
    if not ended(with_purpose(evidence, Purpose.NAMED)):
        return False
    return named(evidence) <= asked(evidence, policy.methods[-1], Purpose.NAMED, 1)
