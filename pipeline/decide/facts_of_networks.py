"""What the evidence says about networks: when they turned us away, and what searches missed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Final

from pipeline.addresses import Address, AddressSet, number_of
from pipeline.decide.facts import (
    PRETENDING,
    HostRecord,
    NetworkRecord,
    Search,
    Suspicion,
    Turn,
)
from pipeline.decide.facts_of_hosts import within
from pipeline.decide.standing import (
    SEARCHES,
    Episode,
    Mood,
    Standing,
    Standings,
    by_network,
    network_of,
)
from pipeline.model import (
    Endpoint,
    Evidence,
    PortState,
    Purpose,
    TaskRecord,
    TaskState,
)
from pipeline.ports import PortSet

_MISSED_AT_LEAST: Final = 3
_MISSED_SHARE: Final = 0.1
_MISSED_MORE_THAN_ELSEWHERE: Final = 3.0


def network_records(
    evidence: Evidence, known: Standings, hosts: Sequence[HostRecord]
) -> list[NetworkRecord]:
    """The networks around these hosts, in numeric order."""
    records = {record.address: record for record in hosts}
    found = _found_by(evidence, known, records)
    tasks = _tasks_by_network(evidence, records)
    networks = []
    for key, addresses in by_network(records).items():
        some = [records[address] for address in addresses]
        gentle = [r.task.pace for r in tasks[key] if _is_gentle(r)]
        network = network_of(addresses[0])
        searches = _searches(found[key], network, tasks[key])
        turns = tuple(_turns(some, network, tasks[key]))
        networks.append(
            NetworkRecord(
                network=network,
                protocol=some[0].protocol,
                hosts=tuple(addresses),
                asked=sum(record.asked for record in some),
                opened=sum(len(record.opened) for record in some),
                refused=sum(record.refused for record in some),
                silent=sum(record.silent for record in some),
                turns=turns,
                searches=searches,
                # What a network missed that dropped us needs no further explanation.
                suspicion=None if turns else _suspicion(searches, _missed_elsewhere(found, key)),
                gentle=len(gentle),
                pace=max(gentle, default=0.0),
            )
        )
    return networks


def _is_gentle(record: TaskRecord) -> bool:
    # The first canaries are gentle everywhere.
    baseline = record.task.purpose is Purpose.CANARY and record.task.round == 0
    return bool(record.task.pace) and not baseline and record.started is not None


def _network_number(address: Address) -> int:
    return next(iter(by_network((address,))))


def _tasks_by_network(
    evidence: Evidence, records: Mapping[Address, HostRecord]
) -> dict[int, list[TaskRecord]]:
    addresses = sorted(records, key=number_of)
    numbers = [number_of(address) for address in addresses]
    found: dict[int, list[TaskRecord]] = defaultdict(list)
    for record in evidence.tasks:
        inside = within(record.task.targets.addresses, addresses, numbers)
        for key in by_network(inside):
            found[key].append(record)
    return found


_Turned = tuple[Address, Episode, float]
"""A host, when it was no witness, and when that was noticed."""


def _turns(
    records: Sequence[HostRecord], network: AddressSet, tasks: Sequence[TaskRecord]
) -> Iterator[Turn]:
    turned = [
        (record.address, episode, noticed)
        for record in records
        for episode, noticed in _noticed(record.standing)
    ]
    for some in sorted(_together(turned), key=lambda some: some[0][2]):
        yield _turn(some, network, tasks)


def _together(turned: Iterable[_Turned]) -> Iterator[list[_Turned]]:
    """Episodes of the same mood that overlap are one turn of the network."""
    endless = float("inf")
    some: list[_Turned] = []
    until = endless
    for one in sorted(turned, key=lambda one: (one[1].mood, one[1].after, one[2])):
        _, episode, _ = one
        if some and (some[-1][1].mood is not episode.mood or episode.after >= until):
            yield some
            some = []
        end = endless if episode.until is None else episode.until
        until = max(until, end) if some else end
        some.append(one)
    if some:
        yield some


def _turn(some: Sequence[_Turned], network: AddressSet, tasks: Sequence[TaskRecord]) -> Turn:
    after = min(episode.after for _, episode, _ in some)
    noticed = min(noticed for _, _, noticed in some)
    ends = [episode.until for _, episode, _ in some]
    then = [r for r in tasks if _ran_between(r, after, noticed)]
    rates = [(r.rate, _rate_here(r, network)) for r in then if r.rate is not None]
    searched = (r.task.ports for r in then if r.task.purpose in SEARCHES)
    return Turn(
        mood=some[0][1].mood,
        hosts=tuple(sorted({address for address, _, _ in some}, key=number_of)),
        after=after if after > float("-inf") else None,
        noticed=noticed,
        until=None if None in ends else max(end for end in ends if end is not None),
        ports=reduce(or_, searched, PortSet()),
        rate=max((rate for rate, _ in rates), default=None),
        rate_here=max((here for _, here in rates), default=None),
    )


def _noticed(standing: Standing) -> Iterator[tuple[Episode, float]]:
    for episode in standing.episodes:
        bad = (c.time for c in standing.checks if c.mood is not Mood.SOUND)
        yield episode, next(time for time in bad if time > episode.after)


def _ran_between(record: TaskRecord, after: float, before: float) -> bool:
    if record.started is None or record.task.purpose is Purpose.CANARY:
        return False
    return record.started < before and (record.ended is None or record.ended > after)


def _rate_here(record: TaskRecord, network: AddressSet) -> float:
    addresses = record.task.targets.addresses
    return (record.rate or 0.0) * (addresses & network).size / addresses.size


def _found_by(
    evidence: Evidence, known: Standings, records: Mapping[Address, HostRecord]
) -> dict[int, dict[Endpoint, int]]:
    """Network -> open endpoint -> number of the first search that heard it.

    Without hosts that pretend: they have as many open ports as anybody asks for.
    """
    found: dict[int, dict[Endpoint, int]] = defaultdict(dict)
    for endpoint, heard in evidence.observations.items():
        record = records.get(endpoint.address)
        if record is None or PRETENDING & {*record.doubts}:
            continue
        numbers = [
            0 if o.purpose is Purpose.SWEEP else o.round
            for o in heard
            if o.purpose in SEARCHES and o.state is PortState.OPEN and known.trusts(o)
        ]
        if numbers:
            found[_network_number(endpoint.address)][endpoint] = min(numbers)
    return found


def _searches(
    found: Mapping[Endpoint, int], network: AddressSet, tasks: Iterable[TaskRecord]
) -> tuple[Search, ...]:
    rates: dict[int, float] = {}
    asked: set[int] = set()
    for record in tasks:
        if record.task.purpose in SEARCHES and record.state is TaskState.SETTLED:
            number = 0 if record.task.purpose is Purpose.SWEEP else record.task.round
            asked.add(number)
            if record.rate is not None:
                here = _rate_here(record, network)
                rates[number] = max(rates.get(number, 0.0), here)
    return tuple(
        Search(
            number=number,
            found=sum(first == number for first in found.values()),
            missed=sum(first > number for first in found.values()),
            rate_here=rates.get(number),
        )
        for number in sorted(asked)
    )


def _missed_elsewhere(found: Mapping[int, Mapping[Endpoint, int]], key: int) -> float:
    """The share of all open endpoints of the other networks that the sweep missed."""
    others = [first for other, some in found.items() if other != key for first in some.values()]
    return sum(first > 0 for first in others) / len(others) if others else 0.0


def _suspicion(searches: Sequence[Search], elsewhere: float) -> Suspicion | None:
    """Why a sweep missed so much here, and so little elsewhere, that loss is no reason."""
    sweep = next((search for search in searches if search.number == 0), None)
    if sweep is None or sweep.missed < _MISSED_AT_LEAST:
        return None
    if sweep.share_missed < max(_MISSED_SHARE, _MISSED_MORE_THAN_ELSEWHERE * elsewhere):
        return None
    rates = [search.rate_here for search in searches if search.number and search.found]
    slower = all(
        r is not None and sweep.rate_here is not None and r < sweep.rate_here for r in rates
    )
    return Suspicion.RATE_LIMIT if slower else Suspicion.PICKY_FILTER
