"""The findings in the order in which a reader should care, with crowds gathered into one line.

A tarpit answers on thousands of ports, and a phantom host is refuted on as many. Told one by one
they bury everything else, so from a certain number on a host's endpoints with such a verdict are
one entry with the list of its ports.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.addresses import Address, number_of
from pipeline.model import Change, Endpoint, Protocol, VerdictKind
from pipeline.ports import PortSet
from pipeline.render.document import Finding
from pipeline.render.words import CHANGES, VERDICTS

CROWD: Final = 20
"""More endpoints of one host than this, with the same verdict or change, are one entry."""

_NEVER_GATHERED: Final = frozenset({VerdictKind.CONFIRMED})
_CHANGE_ORDER: Final = {kind: place for place, kind in enumerate(CHANGES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Many findings with the same verdict on one host. ``reasons`` are (code, how many) pairs."""

    address: Address
    protocol: Protocol
    kind: VerdictKind
    ports: PortSet
    reasons: tuple[tuple[str, int], ...]
    example: Finding

    @property
    def size(self) -> int:
        """How many endpoints."""
        return len(self.ports)


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


def group(findings: Iterable[Finding], *, at_most: int) -> tuple[Group, ...]:
    """The findings by verdict, in the order of attention; empty groups are left out.

    At most ``at_most`` findings are told one by one, all groups together, and as many crowds; the
    rest is counted.
    """
    by_kind: dict[VerdictKind, list[Finding]] = {kind: [] for kind in VERDICTS}
    for finding in findings:
        by_kind[finding.verdict.kind].append(finding)
    groups: list[Group] = []
    room = at_most
    for kind, members in by_kind.items():
        if members:
            found = _group(kind, members, room)
            room -= len(found.single)
            groups.append(found)
    return tuple(groups)


def _group(kind: VerdictKind, members: Sequence[Finding], room: int) -> Group:
    single, crowds = gather(kind, members)
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


def gather(kind: VerdictKind, members: Sequence[Finding]) -> tuple[list[Finding], list[Crowd]]:
    """Split findings with one verdict into the ones to be told singly and the crowds."""
    if kind in _NEVER_GATHERED:
        return list(members), []
    by_host: dict[tuple[Address, Protocol], list[Finding]] = {}
    for member in members:
        endpoint = member.verdict.endpoint
        by_host.setdefault((endpoint.address, endpoint.protocol), []).append(member)
    single = [one for crowd in by_host.values() if len(crowd) <= CROWD for one in crowd]
    crowds = [_crowd(kind, crowd) for crowd in by_host.values() if len(crowd) > CROWD]
    return single, sorted(crowds, key=lambda crowd: (number_of(crowd.address), crowd.protocol))


def _crowd(kind: VerdictKind, members: Sequence[Finding]) -> Crowd:
    first = min(members, key=lambda member: member.verdict.endpoint)
    counts = Counter(member.verdict.reason for member in members)
    return Crowd(
        address=first.verdict.endpoint.address,
        protocol=first.verdict.endpoint.protocol,
        kind=kind,
        ports=PortSet.of(member.verdict.endpoint.port for member in members),
        reasons=tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        example=first,
    )


def _by_attention(finding: Finding) -> tuple[int, Endpoint]:
    """What changed since the last run comes first, then the order of endpoints."""
    place = len(CHANGES) if finding.change is None else change_place(finding.change)
    return place, finding.verdict.endpoint


def change_place(change: Change) -> int:
    """Where a change stands in the order in which a reader should care."""
    return _CHANGE_ORDER[change.kind]
