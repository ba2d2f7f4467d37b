"""What was not looked at, and why: as prominent in a report as what was found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.addresses import AddressSet
from pipeline.model import Hole, Protocol, TaskRecord
from pipeline.ports import LAST_PORT
from pipeline.render.document import Gap, RunDocument
from pipeline.render.language import fraction, say
from pipeline.render.text import ports_of
from pipeline.render.words import METHODS


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """What one method gave up on, for one reason, on the same ports of some addresses.

    ``ports`` is empty for all the ports that the task asked about; ``method`` is a name for people.
    """

    method: str
    reason: str
    ports: str
    addresses: AddressSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncovered:
    """``endpoints`` is the number in the gaps, ``share`` their part of what was planned."""

    gaps: tuple[Gap, ...]
    endpoints: int
    share: str
    given_up: tuple[GivenUp, ...]
    excluded: tuple[str, ...]
    beyond: str

    @property
    def nothing(self) -> bool:
        """True when everything that was planned was asked, and answered."""
        return not self.gaps and not self.given_up


def in_question(document: RunDocument) -> int:
    """How many endpoints the engagement asks about."""
    return document.addresses * (document.port_count + document.udp_port_count)


def planned(document: RunDocument) -> int:
    """The same, with those that it would ask about if they were not somebody else's."""
    foreign = document.third_parties.foreign.size
    return in_question(document) + foreign * (document.port_count + document.udp_port_count)


def uncovered(document: RunDocument) -> Uncovered:
    """Sum up what the run does not know, the largest gap first."""
    missing = sum(gap.endpoints for gap in document.gaps)
    return Uncovered(
        gaps=tuple(sorted(document.gaps, key=lambda gap: (-gap.endpoints, gap.what, gap.why))),
        endpoints=missing,
        share=percentage(missing, planned(document)),
        given_up=given_up(document.holes, document.tasks),
        excluded=document.scope_excluded,
        beyond=_beyond(document),
    )


def given_up(holes: Iterable[tuple[int, Hole]], tasks: Iterable[TaskRecord]) -> tuple[GivenUp, ...]:
    """The holes of all tasks, gathered by method, reason and ports."""
    methods = {record.number: METHODS[record.task.method] for record in tasks}
    gathered: dict[tuple[str, str, str], list[Hole]] = {}
    for number, hole in holes:
        ports = "" if hole.ports is None else str(hole.ports)
        key = methods.get(number) or say("task {n}", n=number), hole.reason, ports
        gathered.setdefault(key, []).append(hole)
    return tuple(
        GivenUp(
            method=method,
            reason=reason,
            ports=ports,
            addresses=AddressSet.from_addresses(hole.address for hole in found),
        )
        for (method, reason, ports), found in sorted(gathered.items())
    )


def percentage(part: int, whole: int) -> str:
    """``12 %``, ``0.3 %``, ``less than 0.1 %``; never rounded to 0 or 100 when it is neither."""
    if not whole or not part:
        return "0 %"
    share = 100 * part / whole
    if share < 0.1:
        return say("less than {share}", share=fraction("0.1 %"))
    if 99.9 < share < 100:
        return say("more than {share}", share=fraction("99.9 %"))
    return fraction(f"{share:.1f} %") if share < 10 else f"{share:.0f} %"


def _beyond(document: RunDocument) -> str:
    """What lay outside the question itself, whatever the answer."""
    asked = {record.task.protocol for record in document.tasks} or {Protocol.TCP}
    parts: list[str] = []
    for protocol, count in (
        (Protocol.TCP, document.port_count),
        (Protocol.UDP, document.udp_port_count),
    ):
        if protocol not in asked:
            parts.append(protocol.upper())
        elif count < LAST_PORT:
            others = ports_of(LAST_PORT - count, protocol)
            parts.append(say("the other {ports} of each address", ports=others))
    return say(" and ").join(parts)
