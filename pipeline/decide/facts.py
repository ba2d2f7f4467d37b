"""What is known about whole hosts and networks, beside the verdicts on their endpoints.

A reader who is to believe a verdict wants to know who gave the answers: how many ports of the host
were asked, refused or kept silent, what its control ports said, and whether it was a witness all
the time. Much of that shows only in many endpoints at once: the same banner everywhere, a network
that turned away whoever asked too fast, a limit that a sweep ran into and a slower look did not.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import Final

from pipeline.addresses import Address, AddressSet, number_of
from pipeline.decide.questions import by_protocol, facts_by_host
from pipeline.decide.standing import (
    SEARCHES,
    Episode,
    Mood,
    Standing,
    Standings,
    by_network,
    network_of,
    standings,
)
from pipeline.decide.verdict import HostFacts
from pipeline.model import (
    Aftermath,
    Endpoint,
    Evidence,
    Hole,
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    TaskRecord,
    TaskState,
)
from pipeline.ports import PortSet

AT_ONCE: Final = 1.0
"""Seconds within which a whole host's open ports answer the sweep only if one box answers them."""
_SEVERAL: Final = 5
"""Endpoints of one host from which on it means something that all are alike."""
_MOST: Final = 0.5
"""The share of a host's ports from which on so many open ones are remarkable."""
_MANY_ASKED: Final = 16
_MANY_WAVER: Final = 10
"""Ports of one host that were both open and refused, from which on one device is likelier to have
done that than as many services that come and go."""
_MISSED_AT_LEAST: Final = 3
_MISSED_SHARE: Final = 0.1
_MISSED_MORE_THAN_ELSEWHERE: Final = 3.0

_ASKING: Final = SEARCHES | {
    *(Purpose.NAMED, Purpose.SAMPLE, Purpose.WATCH, Purpose.RESWEEP, Purpose.VERSION)
}
"""Purposes of tasks that ask ports of the engagement, not control ports."""


class Suspicion(StrEnum):
    """What may have kept from the sweep what later looks found."""

    RATE_LIMIT = "rate-limit"
    """The looks that found it asked more slowly."""
    PICKY_FILTER = "picky-filter"
    """They did not: something drops the sweep's kind of packet."""


class Doubt(StrEnum):
    """Why a host could not be believed, or not all the time."""

    ANSWERS_FOR_EVERYTHING = "answers-for-everything"
    """Its control ports are open, too."""
    DECEIVED_US = "deceived-us"
    """For a time it answered for ports that had refused before."""
    TURNED_US_AWAY = "turned-us-away"
    """For a time it refused on ports that had been open before."""
    DROPPED_US = "dropped-us"
    """For a time it kept silent on ports that had answered before."""
    CHANGED_TOGETHER = "changed-together"
    """Many of its ports were open at one time and refused at another, all of them alike."""
    MOSTLY_OPEN = "mostly-open"
    """Most of its ports answer as if open, whatever its control ports say."""


_DOUBT_OF: Final[Mapping[Mood, Doubt]] = {
    Mood.DECEIVING: Doubt.DECEIVED_US,
    Mood.REFUSING: Doubt.TURNED_US_AWAY,
    Mood.SILENT: Doubt.DROPPED_US,
}


_PRETENDING: Final = frozenset(
    {Doubt.ANSWERS_FOR_EVERYTHING, Doubt.MOSTLY_OPEN, Doubt.DECEIVED_US, Doubt.CHANGED_TOGETHER}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord:
    """One host, by one protocol. Every asked port is open, refused or silent, in that order.

    ``opened`` were heard open at some time, believed or not; ``refused`` and ``silent`` are counts.
    ``banner`` is what every endpoint said that said anything, if several did and all the same.
    ``answered_within`` is how many seconds lay between the first and the last open port that the
    sweep heard; ``None`` where that means nothing.
    """

    address: Address
    protocol: Protocol
    asked: int
    opened: PortSet
    refused: int
    silent: int
    controls: HostFacts
    standing: Standing
    answer_ttls: tuple[int, ...] = ()
    refusal_ttls: tuple[int, ...] = ()
    banner: str = ""
    answered_within: float | None = None
    wavering: int = 0
    """How many ports were open at some time and refused at another."""

    @property
    def open_share(self) -> float:
        """The share of the asked ports that were heard open, from 0 to 1."""
        return len(self.opened) / self.asked if self.asked else 0.0

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """Why it cannot be believed without reserve, in the order of :class:`Doubt`."""
        found = {_DOUBT_OF[e.mood] for e in self.standing.episodes if not _just_closed(e)}
        if self.wavering >= _MANY_WAVER and Doubt.DECEIVED_US not in found:
            found.add(Doubt.CHANGED_TOGETHER)
        if self.controls.answers_for_everything or self.standing.pretends:
            found.add(Doubt.ANSWERS_FOR_EVERYTHING)
        elif self.asked >= _MANY_ASKED and self.open_share > _MOST:
            found.add(Doubt.MOSTLY_OPEN)
        return tuple(doubt for doubt in Doubt if doubt in found)

    @property
    def at_once(self) -> bool:
        """True when all its open ports answered the sweep within :data:`AT_ONCE`."""
        return self.answered_within is not None and self.answered_within <= AT_ONCE


def _just_closed(episode: Episode) -> bool:
    return episode.is_void and episode.mood is Mood.REFUSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A network that ceased to answer as before.

    The ``hosts`` were sound ``after`` (``None``: never seen before) and found otherwise at
    ``noticed``; ``until`` is when the last of them was back, ``None`` while one is not. ``rate`` is
    the highest rate (packets per second) that a task was leased which asked this network in
    between, ``rate_here`` the share of it that went to this network.
    """

    mood: Mood
    hosts: tuple[Address, ...]
    after: float | None
    noticed: float
    until: float | None
    ports: PortSet
    """What searches asked this network in between."""
    rate: float | None
    rate_here: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What one pass over a network found: the sweep is number 0, then the looks.

    ``found`` open endpoints are new in this pass; ``missed`` are those that a later one found.
    ``rate_here`` is the highest rate (packets per second) at which it asked this network.
    """

    number: int
    found: int
    missed: int
    rate_here: float | None

    @property
    def share_missed(self) -> float:
        """Of what there was left to find, as far as it is known: the share missed, 0 to 1."""
        there = self.found + self.missed
        return self.missed / there if there else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRecord:
    """A neighbourhood (/24, or /120 of IPv6) in which somebody answered.

    ``hosts`` are those that did; the counts are sums over them. ``gentle`` is how many tasks asked
    it at a gentle pace, ``pace`` the highest of these paces (probes per second).
    """

    network: AddressSet
    protocol: Protocol
    hosts: tuple[Address, ...]
    asked: int
    opened: int
    refused: int
    silent: int
    turns: tuple[Turn, ...] = ()
    searches: tuple[Search, ...] = ()
    suspicion: Suspicion | None = None
    """Set where the sweep missed what looks found, and much more than elsewhere."""
    gentle: int = 0
    pace: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhoods:
    """Everything that is known about hosts and networks, in numeric order."""

    hosts: tuple[HostRecord, ...] = ()
    networks: tuple[NetworkRecord, ...] = ()

    def by_host(self) -> Mapping[tuple[Address, Protocol], HostRecord]:
        """The records of the hosts by address and protocol."""
        return {(record.address, record.protocol): record for record in self.hosts}

    def around(self, record: HostRecord) -> NetworkRecord | None:
        """The record of the network that a host stands in."""
        for network in self.networks:
            if network.protocol is record.protocol and record.address in network.network:
                return network
        return None


def neighbourhoods(evidence: Evidence) -> Neighbourhoods:
    """Sum up a batch, or a whole run, by host and by network."""
    hosts: list[HostRecord] = []
    networks: list[NetworkRecord] = []
    for part in by_protocol(evidence):
        known = standings(part)
        found = tuple(_hosts(part, known))
        hosts += found
        networks += _networks(part, known, found)
    return Neighbourhoods(hosts=tuple(hosts), networks=tuple(networks))


# --- hosts ---------------------------------------------------------------------------------------


def _hosts(evidence: Evidence, known: Standings) -> Iterator[HostRecord]:
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
            for address in _within(record.task.targets.addresses, addresses, numbers):
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


def _within(
    targets: AddressSet, addresses: Sequence[Address], numbers: Sequence[int]
) -> Iterator[Address]:
    for first, last in targets.ranges:
        yield from addresses[bisect_left(numbers, first) : bisect_right(numbers, last)]


# --- networks ------------------------------------------------------------------------------------


def _networks(
    evidence: Evidence, known: Standings, hosts: Sequence[HostRecord]
) -> list[NetworkRecord]:
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
        inside = _within(record.task.targets.addresses, addresses, numbers)
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
        if not _just_closed(episode)
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
        if record is None or _PRETENDING & {*record.doubts}:
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
