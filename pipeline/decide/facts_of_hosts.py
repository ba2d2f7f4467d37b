"""What the evidence says about whole hosts: who was asked what, and who answered how."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import or_
from typing import Final

from pipeline.addresses import Address, AddressSet, number_of
from pipeline.decide.facts import HostRecord
from pipeline.decide.questions import facts_by_host
from pipeline.decide.standing import (
    SEARCHES,
    Standing,
    Standings,
)
from pipeline.decide.verdict import HostFacts
from pipeline.model import (
    Aftermath,
    Evidence,
    Hole,
    Method,
    Observation,
    PortState,
    Purpose,
    TaskState,
)
from pipeline.ports import PortSet

_SEVERAL: Final = 5
"""Endpoints of one host from which on it means something that all are alike."""
_ASKING: Final = SEARCHES | {
    *(Purpose.NAMED, Purpose.SAMPLE, Purpose.WATCH, Purpose.RESWEEP, Purpose.VERSION)
}
"""Purposes of tasks that ask ports of the engagement, not control ports."""


def host_records(evidence: Evidence, known: Standings) -> Iterator[HostRecord]:
    """Everybody who answered, in numeric order."""
    heard: dict[Address, list[Observation]] = defaultdict(list)
    for endpoint, observations in evidence.observations.items():
        heard[endpoint.address].extend(observations)
    refusals: dict[Address, list[PortSet]] = defaultdict(list)
    for _, refused in evidence.refusals:
        refusals[refused.address].append(refused.ports)
    answered = sorted(
        refusals.keys() | {a for a, some in heard.items() if any(map(_is_answer, some))},
        key=number_of,
    )
    asked = _asked(evidence, answered)
    facts = facts_by_host(evidence, known)
    for address in answered:
        yield _host(
            address,
            evidence,
            asked=asked[address],
            heard=heard.get(address, ()),
            refused=reduce(or_, refusals.get(address, ()), PortSet()),
            controls=facts.get(address, HostFacts()),
            standing=known.of(address),
        )


def _host(
    address: Address,
    evidence: Evidence,
    *,
    asked: PortSet,
    heard: Sequence[Observation],
    refused: PortSet,
    controls: HostFacts,
    standing: Standing,
) -> HostRecord:
    about = [o for o in heard if o.endpoint.port in asked and o.purpose is not Purpose.CONTROL]
    believed = [o for o in about if standing.trusts(o)]
    changing = _ports(believed, PortState.OPEN) & _ports(believed, PortState.CLOSED)
    opened = _ports(about, PortState.OPEN)
    refusing = (refused | _ports(about, PortState.CLOSED)) & asked - opened
    return HostRecord(
        address=address,
        protocol=heard[0].endpoint.protocol if heard else evidence.batch.protocol,
        asked=len(asked),
        opened=opened,
        refused=len(refusing),
        silent=len(asked) - len(opened) - len(refusing),
        controls=controls,
        standing=standing,
        answer_ttls=_ttls(heard, PortState.OPEN),
        refusal_ttls=_ttls(heard, PortState.CLOSED),
        banner=_same_banner(heard),
        answered_within=_answered_within(about),
        wavering=len(changing),
    )


def _ports(heard: Iterable[Observation], state: PortState) -> PortSet:
    return PortSet.of({o.endpoint.port for o in heard if o.state is state})


def _is_answer(observation: Observation) -> bool:
    return observation.state in (PortState.OPEN, PortState.CLOSED)


def _ttls(heard: Iterable[Observation], state: PortState) -> tuple[int, ...]:
    return tuple(sorted({o.ttl for o in heard if o.state is state and o.ttl is not None}))


def _same_banner(heard: Iterable[Observation]) -> str:
    said = {o.endpoint: o.banner for o in heard if o.aftermath is Aftermath.DATA and o.banner}
    return next(iter(said.values())) if len(said) >= _SEVERAL and len({*said.values()}) == 1 else ""


def _answered_within(heard: Iterable[Observation]) -> float | None:
    # Only masscan tells when each answer came; nmap's have the time at which the command ended.
    times = [
        o.time
        for o in heard
        if o.method is Method.MASSCAN_SYN
        and o.purpose is Purpose.SWEEP
        and o.state is PortState.OPEN
    ]
    return max(times) - min(times) if len(times) >= _SEVERAL else None


def _asked(evidence: Evidence, addresses: Sequence[Address]) -> dict[Address, PortSet]:
    """The ports that settled tasks asked each host, less what the tools gave up on.

    ``addresses`` in numeric order. Many hosts were asked by the same tasks, so that each
    combination of port sets is added up once.
    """
    holes: dict[tuple[int, Address], Hole] = {(n, h.address): h for n, h in evidence.holes}
    numbers = [number_of(address) for address in addresses]
    parts: dict[Address, set[PortSet]] = {address: set() for address in addresses}
    for record in evidence.tasks:
        if record.state is TaskState.SETTLED and record.task.purpose in _ASKING:
            for address in within(record.task.targets.addresses, addresses, numbers):
                hole = holes.get((record.number, address))
                if hole is None:
                    parts[address].add(record.task.ports)
                elif hole.ports is not None:
                    parts[address].add(record.task.ports - hole.ports)
    sums: dict[frozenset[PortSet], PortSet] = {}
    found = {}
    for address, some in parts.items():
        key = frozenset(some)
        if key not in sums:
            sums[key] = reduce(or_, some, PortSet())
        found[address] = sums[key]
    return found


def within(
    targets: AddressSet, addresses: Sequence[Address], numbers: Sequence[int]
) -> Iterator[Address]:
    """Those of the addresses that are targets; ``numbers`` are theirs, in order."""
    for first, last in targets.ranges:
        yield from addresses[bisect_left(numbers, first) : bisect_right(numbers, last)]
