"""Refusals that searches heard: too many to be observations, until one of them contradicts.

A sweep keeps what refused as sets of ports. That is enough to know what need not be asked again;
but of a port that the same kind of packet found open at another time, a refusal is evidence like
any other, and becomes an observation here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from pipeline.addresses import Address
from pipeline.decide.standing import Episode, Mood, Standings
from pipeline.model import (
    Endpoint,
    Evidence,
    Method,
    Observation,
    PortState,
    Protocol,
    TaskRecord,
)
from pipeline.ports import PortSet

SAME_PACKET: Mapping[Method, Method] = {Method.NMAP_VERSION: Method.NMAP_SYN}
"""Methods that begin as another one does ask the same question."""


def kin(method: Method) -> Method:
    """One of the methods whose first packet is the same."""
    return SAME_PACKET.get(method, method)


def during(episode: Episode, record: TaskRecord) -> bool:
    """True when a part of a task lies in a time of which nobody knows."""
    if episode.is_void:
        return False
    began, ended = record.started or 0.0, record.ended or 0.0
    return ended > episode.after and (episode.until is None or began < episode.until)


def believed_refusals(evidence: Evidence, known: Standings) -> dict[Address, PortSet]:
    """What refused a search by a host that was not turning everybody away meanwhile."""
    by_task = {record.number: record for record in evidence.tasks}
    found: dict[Address, PortSet] = {}
    for number, refusals in evidence.refusals:
        if _believed(refusals.address, by_task[number], known, Mood.REFUSING):
            found[refusals.address] = found.get(refusals.address, PortSet()) | refusals.ports
    return found


def contradicting(
    evidence: Evidence, known: Standings, endpoints: Iterable[Endpoint]
) -> dict[Endpoint, list[Observation]]:
    """Refusals of these endpoints by the kind of packet that also found them open.

    A refusal of another kind may be a matter of taste: some hosts reset what looks like no
    operating system's SYN.
    """
    if not evidence.refusals:
        return {}
    by_task = {record.number: record for record in evidence.tasks}
    of_host: dict[Address, list[tuple[TaskRecord, PortSet]]] = defaultdict(list)
    for number, refusals in evidence.refusals:
        of_host[refusals.address].append((by_task[number], refusals.ports))
    found: dict[Endpoint, list[Observation]] = {}
    for endpoint in endpoints:
        if endpoint.protocol is not Protocol.TCP or endpoint.address not in of_host:
            continue
        openers = {
            kin(o.method)
            for o in evidence.observations.get(endpoint, ())
            if o.state is PortState.OPEN and known.trusts(o)
        }
        refused = (
            _observation(endpoint, record)
            for record, ports in of_host[endpoint.address]
            if endpoint.port in ports
            and kin(record.task.method) in openers
            and _believed(endpoint.address, record, known, Mood.REFUSING, Mood.DECEIVING)
        )
        if trusted := [o for o in refused if known.trusts(o)]:
            found[endpoint] = trusted
    return found


def _believed(address: Address, record: TaskRecord, known: Standings, *moods: Mood) -> bool:
    episodes = known.of(address).episodes
    return not any(e.mood in moods and during(e, record) for e in episodes)


def _observation(endpoint: Endpoint, record: TaskRecord) -> Observation:
    task = record.task
    return Observation(
        endpoint=endpoint,
        method=task.method,
        purpose=task.purpose,
        state=PortState.CLOSED,
        reason="reset",
        time=record.ended or 0.0,
        round=task.round,
        task=record.number,
    )
