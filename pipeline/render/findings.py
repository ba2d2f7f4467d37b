"""The findings in the order in which a reader should care, with crowds gathered into one entry.

A tarpit answers on thousands of ports, a box in front of a network answers for all its hosts, and
whoever deceived us left phantoms on every port. Told one by one they bury everything else, so they
are one entry for each host, or for the hosts of a network that pretend alike, with the list of all
ports. Whatever has another verdict is gathered only where there are very many of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Final

from pipeline.addresses import Address, number_of
from pipeline.decide.standing import network_of
from pipeline.model import Change, Protocol, VerdictKind
from pipeline.ports import PortSet
from pipeline.render.document import Finding
from pipeline.render.language import say
from pipeline.render.risks import by_risk
from pipeline.render.text import listed
from pipeline.render.words import CHANGES, VERDICTS

CROWD: Final = 20
"""More endpoints of one host than this, with the same verdict or change, are one entry."""
FEW: Final = 2
"""The same for artefacts, and for whatever is left of a host that could not be believed."""

_NEVER_GATHERED: Final = frozenset({VerdictKind.CONFIRMED})
_LEFTOVERS: Final = frozenset(
    {VerdictKind.TRANSIENT, VerdictKind.REFUTED, VerdictKind.FILTERED, VerdictKind.UNKNOWN}
)
"""What remains of phantoms once they are asked again, or could not be."""
_CHANGE_ORDER: Final = {kind: place for place, kind in enumerate(CHANGES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Many findings with the same verdict on one host, or on several hosts of one network.

    ``hosts`` are the ports of each, in numeric order; ``reasons`` are (code, how many) pairs.
    """

    hosts: tuple[tuple[Address, PortSet], ...]
    protocol: Protocol
    kind: VerdictKind
    reasons: tuple[tuple[str, int], ...]
    example: Finding
    deceived: bool = False
    """Their hosts deceived us for a time: these are what they pretended."""

    @property
    def size(self) -> int:
        """How many endpoints."""
        return sum(len(ports) for _, ports in self.hosts)

    @property
    def ports(self) -> PortSet:
        """All ports of all its hosts."""
        return reduce(or_, (ports for _, ports in self.hosts), PortSet())

    @property
    def name(self) -> str:
        """The host, or the network and how many hosts of it."""
        first = self.hosts[0][0]
        if len(self.hosts) == 1:
            return str(first)
        network = listed(network_of(first).networks())
        return say("{network} ({n} hosts)", network=network, n=len(self.hosts))

    @property
    def alike(self) -> bool:
        """True when all its hosts have the same ports."""
        return len({ports for _, ports in self.hosts}) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """All findings with one verdict: one by one, gathered by host, and how many only counted."""

    kind: VerdictKind
    total: int
    hosts: int
    single: tuple[Finding, ...]
    crowds: tuple[Crowd, ...]
    left_out: int = 0

    @property
    def changed(self) -> int:
        """How many of the ones told one by one changed since the last run."""
        return sum(finding.change is not None for finding in self.single)


def group(
    findings: Iterable[Finding], *, at_most: int, deceivers: Collection[Address] = ()
) -> tuple[Group, ...]:
    """The findings by verdict, in the order of attention; empty groups are left out.

    ``deceivers`` are hosts that answered for ports that refuse otherwise. At most ``at_most``
    findings are told one by one, all groups together, and as many crowds; the rest is counted.
    """
    by_kind: dict[VerdictKind, list[Finding]] = {kind: [] for kind in VERDICTS}
    for finding in findings:
        by_kind[finding.verdict.kind].append(finding)
    groups: list[Group] = []
    room = at_most
    for kind, members in by_kind.items():
        if members:
            found = _group(kind, members, room, deceivers)
            room -= len(found.single)
            groups.append(found)
    return tuple(groups)


def _group(
    kind: VerdictKind, members: Sequence[Finding], room: int, deceivers: Collection[Address]
) -> Group:
    single, crowds = gather(kind, members, deceivers)
    single.sort(key=_by_attention)
    left_out = sum(crowd.size for crowd in crowds[room:]) + len(single[room:])
    return Group(
        kind=kind,
        total=len(members),
        hosts=len({member.verdict.endpoint.address for member in members}),
        single=tuple(single[:room]),
        crowds=tuple(crowds[:room]),
        left_out=left_out,
    )


def gather(
    kind: VerdictKind, members: Sequence[Finding], deceivers: Collection[Address] = ()
) -> tuple[list[Finding], list[Crowd]]:
    """Split findings with one verdict into the ones to be told singly and the crowds.

    What changed since the last run is told singly as long as it is not too much.
    """
    if kind in _NEVER_GATHERED:
        return list(members), []
    by_host: dict[tuple[Address, Protocol], list[Finding]] = {}
    for member in members:
        endpoint = member.verdict.endpoint
        by_host.setdefault((endpoint.address, endpoint.protocol), []).append(member)
    single: list[Finding] = []
    gathered: dict[tuple[object, ...], list[list[Finding]]] = defaultdict(list)
    for (address, protocol), found in by_host.items():
        doubted = kind is VerdictKind.ARTEFACT or (kind in _LEFTOVERS and address in deceivers)
        if len(found) <= CROWD:
            single += [one for one in found if one.change is not None or not doubted]
            found = [one for one in found if one.change is None and doubted]
        if found:
            place: object = network_of(address) if doubted else address
            alike = _likeness(found) if doubted else ()
            gathered[place, protocol, alike, address in deceivers].append(found)
    crowds = []
    for (_, _, _, deceived), hosts in gathered.items():
        if sum(map(len, hosts)) > FEW:
            crowds.append(_crowd(kind, hosts, deceived=bool(deceived)))
        else:
            single += [one for found in hosts for one in found]
    return single, sorted(crowds, key=lambda crowd: (number_of(crowd.hosts[0][0]), crowd.protocol))


def _likeness(members: Sequence[Finding]) -> tuple[object, ...]:
    """What hosts must have in common to be told together: the main reason, and of a few ports
    which they are (a web proxy answers for the same two on every host)."""
    counts = Counter(member.verdict.reason for member in members)
    main = min(counts, key=lambda code: (-counts[code], code))
    few = PortSet.of(member.verdict.endpoint.port for member in members)
    return main, few if len(few) <= FEW else None


def _crowd(kind: VerdictKind, hosts: Sequence[Sequence[Finding]], *, deceived: bool) -> Crowd:
    members = [member for found in hosts for member in found]
    first = min(members, key=lambda member: member.verdict.endpoint)
    counts = Counter(member.verdict.reason for member in members)
    ports = {
        found[0].verdict.endpoint.address: PortSet.of(m.verdict.endpoint.port for m in found)
        for found in hosts
    }
    return Crowd(
        hosts=tuple(sorted(ports.items(), key=lambda item: number_of(item[0]))),
        protocol=first.verdict.endpoint.protocol,
        kind=kind,
        reasons=tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        example=first,
        deceived=deceived,
    )


def _by_attention(finding: Finding) -> tuple[int, int, tuple[int, str, int]]:
    """The severest risk comes first, then what changed since the last run, then by endpoint."""
    place = len(CHANGES) if finding.change is None else change_place(finding.change)
    return by_risk(finding), place, finding.verdict.endpoint.sort_key


def change_place(change: Change) -> int:
    """Where a change stands in the order in which a reader should care."""
    return _CHANGE_ORDER[change.kind]
