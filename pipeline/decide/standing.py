"""Whether a host could be believed, and when.

A scanner is not a neutral observer: firewalls drop everybody who asks too fast, trip wires turn
every port into a refusal, and some devices answer for every port once they have noticed a scan. So
canaries are asked: before the sweep a port that nobody named, afterwards that one and what the
sweep called open. Between two canaries that answered as they should, the host is a witness;
between a good one and a bad one nobody knows when it ceased to be, and what it said, or did not
say, is set aside.

Hosts that were turned against us are *shy* from then on, with all their network (/24, or /120 of
IPv6): whoever blocks us usually stands in front of more than one host.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from pipeline.addresses import Address, AddressSet, number_of
from pipeline.decide.memo import once
from pipeline.model import Endpoint, Evidence, Observation, PortState, Purpose

SEARCHES: Final = frozenset({Purpose.SWEEP, Purpose.SECOND_LOOK})
"""Purposes of tasks that look for open ports where nobody named one."""
_NETWORK_BITS: Final = 8
_TURNED_AT_LEAST: Final = 3
"""Canaries of one network that must have turned before a refusal counts as a block: one or two
endpoints may simply have closed."""

_TURNED_AWAY: Final = (
    frozenset({PortState.CLOSED}),
    frozenset({PortState.CLOSED, PortState.FILTERED}),
)
"""States of what was open on a host that is turned away, or of which a packet was lost."""


_Place = tuple[int, int]
"""A batch, and a network of it."""


class Mood(StrEnum):
    """How a host answered its canaries in one round."""

    SOUND = "sound"
    """As before, or there is nothing to compare with."""
    SILENT = "silent"
    """Nothing that answered before answers now: it drops us."""
    REFUSING = "refusing"
    """All that was open in its network refuses now: it turns us away."""
    DECEIVING = "deceiving"
    """A port that nobody named, and that refused or kept silent before, answers as if open now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One round of canaries. ``time`` is when the last of them was answered, or given up."""

    round: int
    time: float
    mood: Mood


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A time in which a host was no witness; ``until`` is ``None`` while nobody saw it end."""

    mood: Mood
    after: float
    until: float | None

    def holds(self, time: float) -> bool:
        """True for times of which nobody knows whether the host could be believed."""
        return self.after < time and (self.until is None or time < self.until)

    @property
    def is_void(self) -> bool:
        """True for a host that answers for everything and never stopped.

        It is judged by its control ports. Whoever turns us away and never stops is not believed.
        """
        return self.until is None and self.mood is Mood.DECEIVING


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the canaries of one host told. ``checks`` are in order, the baseline first."""

    checks: tuple[Check, ...] = ()
    answered_before: bool = False
    """It answered before the sweep began."""
    pretends: bool = False
    """A port that nobody named was open before the sweep began."""

    @property
    def mood(self) -> Mood:
        """As of the last canary."""
        return self.checks[-1].mood if self.checks else Mood.SOUND

    @property
    def episodes(self) -> tuple[Episode, ...]:
        """The times in which the host was no witness, in order."""
        return tuple(_episodes(self.checks))

    def trusts(self, observation: Observation) -> bool:
        """False for what was heard, or not heard, while the host was no witness."""
        return not any(
            episode.holds(observation.time) and _taints(episode, observation.state)
            for episode in self.episodes
        )


def _episodes(checks: Iterable[Check]) -> Iterator[Episode]:
    after, bad = float("-inf"), None
    for check in checks:
        if check.mood is not Mood.SOUND:
            # The first thing that went wrong names the episode: what follows may be its end.
            bad = bad or check.mood
            continue
        if bad is not None:
            yield Episode(mood=bad, after=after, until=check.time)
        after, bad = check.time, None
    if bad is not None:
        yield Episode(mood=bad, after=after, until=None)


def _taints(episode: Episode, state: PortState) -> bool:
    if episode.is_void:
        return False
    match episode.mood:
        case Mood.DECEIVING:
            return True
        case Mood.REFUSING:
            return state is not PortState.OPEN
        case _:
            # Whoever drops us cannot refuse.
            return state not in (PortState.OPEN, PortState.CLOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standings:
    """The standing of every host of a batch that was asked a canary."""

    hosts: Mapping[Address, Standing] = field(default_factory=dict)
    shy: AddressSet = field(default_factory=AddressSet)
    """Networks that were turned against us at some time."""

    def of(self, address: Address) -> Standing:
        """The standing of one host."""
        return self.hosts.get(address, _UNKNOWN)

    def trusts(self, observation: Observation) -> bool:
        """True when the host was a witness when this was observed."""
        standing = self.hosts.get(observation.endpoint.address)
        return standing is None or standing.trusts(observation)

    def unsound(self, addresses: Iterable[Address]) -> frozenset[Address]:
        """Those of the addresses whose last canary was not answered as it should."""
        return frozenset(a for a in addresses if self.of(a).mood is not Mood.SOUND)


_UNKNOWN: Final = Standing()


def network_of(address: Address) -> AddressSet:
    """The neighbourhood of an address: its /24, or its /120 of IPv6."""
    first = number_of(address) >> _NETWORK_BITS << _NETWORK_BITS
    return AddressSet(((first, first + (1 << _NETWORK_BITS) - 1),))


def network_number(address: Address) -> int:
    """What all addresses of a neighbourhood have in common, as a number."""
    return number_of(address) >> _NETWORK_BITS


def by_network(addresses: Iterable[Address]) -> dict[int, list[Address]]:
    """Addresses gathered by neighbourhood, in the order given."""
    found: dict[int, list[Address]] = defaultdict(list)
    for address in addresses:
        found[network_number(address)].append(address)
    return found


@once
def standings(evidence: Evidence) -> Standings:
    """Read the canaries of a batch."""
    rounds: dict[Address, dict[int, list[Observation]]] = defaultdict(lambda: defaultdict(list))
    batch_of = {record.number: record.task.batch for record in evidence.tasks}
    place: dict[Address, _Place] = {}
    was_open: set[Endpoint] = set()
    for endpoint, heard in evidence.observations.items():
        for observation in heard:
            if observation.purpose is Purpose.CANARY:
                rounds[endpoint.address][observation.round].append(observation)
                network = number_of(endpoint.address) >> _NETWORK_BITS
                # Batches go their own ways, also those that share a network.
                place[endpoint.address] = batch_of.get(observation.task, 0), network
            elif observation.purpose in SEARCHES and observation.state is PortState.OPEN:
                was_open.add(endpoint)
    if not rounds:
        return Standings()
    turned = _turned(rounds, place, was_open)
    hosts = {
        address: _standing(
            of_host, _turned_to(of_host, turned.get(place[address], frozenset()), was_open)
        )
        for address, of_host in rounds.items()
    }
    return Standings(hosts=hosts, shy=_shy(hosts))


def as_of(evidence: Evidence, time: float) -> Evidence:
    """What had been heard by a time, in epoch seconds."""
    heard = (
        (endpoint, tuple(o for o in observations if o.time <= time))
        for endpoint, observations in evidence.observations.items()
    )
    return replace(evidence, observations={where: some for where, some in heard if some})


def _shy(hosts: Mapping[Address, Standing]) -> AddressSet:
    shy = AddressSet()
    for address, standing in hosts.items():
        if standing.episodes and address not in shy:
            shy = shy | network_of(address)
    return shy


def _turned(
    rounds: Mapping[Address, Mapping[int, list[Observation]]],
    place: Mapping[Address, _Place],
    was_open: Collection[Endpoint],
) -> dict[_Place, frozenset[int]]:
    """Place -> rounds in which everything that had been open there refused."""
    heard: dict[tuple[_Place, int], set[tuple[Endpoint, PortState]]] = defaultdict(set)
    for address, of_host in rounds.items():
        for number, observations in of_host.items():
            if number > 0:
                key = place[address], number
                heard[key] |= {
                    (o.endpoint, o.state) for o in observations if o.endpoint in was_open
                }
    found: dict[_Place, set[int]] = defaultdict(set)
    for (where, number), answers in heard.items():
        states = [state for _, state in answers]
        refused = states.count(PortState.CLOSED)
        if refused >= _TURNED_AT_LEAST and PortState.OPEN not in states:
            found[where].add(number)
    return {where: frozenset(numbers) for where, numbers in found.items()}


def _turned_to(
    rounds: Mapping[int, list[Observation]], turned: frozenset[int], was_open: Collection[Endpoint]
) -> frozenset[int]:
    """The rounds in which its network turned one host away.

    A network may begin or cease to do so in the midst of a round, when some of its hosts have been
    asked. So what was open and refuses in the round before or after is turned away as well.
    """
    return turned | {
        number
        for number, heard in rounds.items()
        if number > 0
        and turned & {number - 1, number + 1}
        and {o.state for o in heard if o.endpoint in was_open} in _TURNED_AWAY
    }


def _standing(rounds: Mapping[int, list[Observation]], turned: frozenset[int]) -> Standing:
    baseline = {o.endpoint: o.state for o in rounds.get(0, ())}
    checks = tuple(
        Check(
            round=number,
            time=max(o.time for o in rounds[number]),
            mood=_mood(rounds[number], baseline, number in turned),
        )
        for number in sorted(rounds)
    )
    states = baseline.values()
    return Standing(
        checks=checks,
        answered_before=any(s in (PortState.OPEN, PortState.CLOSED) for s in states),
        pretends=PortState.OPEN in states,
    )


def _mood(
    observations: Iterable[Observation], baseline: Mapping[Endpoint, PortState], turned: bool
) -> Mood:
    states = {o.endpoint: o.state for o in observations}
    if any(
        state is PortState.OPEN and baseline.get(endpoint, state) is not state
        for endpoint, state in states.items()
    ):
        return Mood.DECEIVING
    if turned:
        return Mood.REFUSING
    answered = any(state in (PortState.OPEN, PortState.CLOSED) for state in states.values())
    is_baseline = all(
        endpoint in baseline and baseline[endpoint] is state for endpoint, state in states.items()
    )
    # The baseline itself, and a port that never answered, have nothing to be compared with.
    return Mood.SOUND if answered or is_baseline else Mood.SILENT


@once
def living(evidence: Evidence, known: Standings) -> frozenset[Address]:
    """Hosts that answered anything: a canary, or a search for open ports."""
    found = {address for address, standing in known.hosts.items() if standing.answered_before}
    found.update(refusals.address for _, refusals in evidence.refusals)
    found.update(
        endpoint.address
        for endpoint, heard in evidence.observations.items()
        if any(o.state is PortState.OPEN and o.purpose is not Purpose.CONTROL for o in heard)
    )
    return frozenset(found)


def networks(addresses: AddressSet) -> Iterator[AddressSet]:
    """A set of addresses cut into its neighbourhoods, in numeric order."""
    pieces: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for first, last in addresses.ranges:
        for network in range(first >> _NETWORK_BITS, (last >> _NETWORK_BITS) + 1):
            low, high = network << _NETWORK_BITS, (network + 1 << _NETWORK_BITS) - 1
            pieces[network].append((max(first, low), min(last, high)))
    for network in sorted(pieces):
        yield AddressSet.of(pieces[network])
