"""Which endpoints were really asked: settled tasks, less what the tools gave up on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from pipeline.addresses import Address, AddressSet
from pipeline.decide import reasons
from pipeline.decide.along import Along
from pipeline.model import (
    Endpoint,
    Hole,
    Method,
    Protocol,
    Rectangle,
    Refusals,
    TaskRecord,
    TaskState,
)
from pipeline.ports import ALL_PORTS, PortSet


class Coverage:
    """Answers for one run whether an endpoint was asked by anybody who finished asking.

    Who refused was asked, also where nobody knows what else was: pass the ``refusals`` of runs
    that may have been imported.
    """

    def __init__(
        self,
        tasks: Iterable[TaskRecord],
        holes: Iterable[tuple[int, Hole]],
        refusals: Iterable[tuple[int, Refusals]] = (),
    ) -> None:
        tasks = tuple(tasks)
        protocols = {record.number: record.task.protocol for record in tasks}
        self._refused: Mapping[tuple[Protocol, Address], list[PortSet]] = defaultdict(list)
        for task, refused in refusals:
            self._refused[protocols[task], refused.address].append(refused.ports)
        self._settled = _lines(tasks, TaskState.SETTLED)
        self._failed = _lines(tasks, TaskState.FAILED)
        self._holes: Mapping[tuple[int, Address], list[Hole]] = defaultdict(list)
        for task, hole in holes:
            self._holes[task, hole.address].append(hole)

    def asked(self, endpoint: Endpoint) -> bool:
        """True when a settled task asked about the endpoint and did not give up on it."""
        return self.refused(endpoint) or any(
            endpoint.port in record.task.ports and self._gave_up(record.number, endpoint) is None
            for record in self._settled[endpoint.protocol].at(endpoint.address)
        )

    def why(self, endpoint: Endpoint) -> tuple[str, str]:
        """Why an endpoint was not asked: a reason code, and words that may quote the tool's."""
        asked = self._settled[endpoint.protocol].at(endpoint.address)
        for record in asked:
            hole = self._gave_up(record.number, endpoint)
            if hole is not None and endpoint.port in record.task.ports:
                return reasons.GAVE_UP, hole.reason
        for record in self._failed[endpoint.protocol].at(endpoint.address):
            if endpoint.port in record.task.ports:
                return reasons.GAVE_UP, record.outcome
        return reasons.NOT_ASKED, f"its {'port' if asked else 'address'} was not asked"

    def refused(self, endpoint: Endpoint) -> bool:
        """True when the endpoint is among the refusals."""
        refused = self._refused.get((endpoint.protocol, endpoint.address), ())
        return any(endpoint.port in ports for ports in refused)

    def asked_any(self, address: Address) -> bool:
        """True when a settled task asked about anything on the address."""
        return any(address == refused for _, refused in self._refused) or any(
            all(hole.ports is not None for hole in self._holes.get((record.number, address), ()))
            for line in self._settled.values()
            for record in line.at(address)
        )

    def _gave_up(self, task: int, endpoint: Endpoint) -> Hole | None:
        for hole in self._holes.get((task, endpoint.address), ()):
            if hole.ports is None or endpoint.port in hole.ports:
                return hole
        return None


def _lines(tasks: Iterable[TaskRecord], state: TaskState) -> dict[Protocol, Along[TaskRecord]]:
    found = [record for record in tasks if record.state is state]
    return {
        protocol: Along(
            (record.task.targets.addresses, record)
            for record in found
            if record.task.protocol is protocol
        )
        for protocol in Protocol
    }


def rectangles(
    tasks: Iterable[TaskRecord],
    holes: Iterable[tuple[int, Hole]],
    refusals: Iterable[tuple[int, Refusals]] = (),
) -> tuple[Rectangle, ...]:
    """What each method asked in all, as few rectangles without any hole, in a fixed order.

    An endpoint lies in one of them exactly when :meth:`Coverage.asked` says that it was asked.
    """
    given_up: dict[int, dict[Address, PortSet]] = defaultdict(dict)
    for number, hole in holes:
        missing = ALL_PORTS if hole.ports is None else hole.ports
        known = given_up[number].get(hole.address, PortSet())
        given_up[number][hole.address] = known | missing
    asked: dict[tuple[Method, Protocol, PortSet], list[tuple[int, int]]] = defaultdict(list)
    records = {record.number: record for record in tasks}
    for record in records.values():
        if record.state is not TaskState.SETTLED:
            continue
        task, missed = record.task, given_up.get(record.number, {})
        whole = task.targets.addresses - AddressSet.from_addresses(missed)
        asked[task.method, task.protocol, task.ports] += whole.ranges
        for address in missed:
            _add(asked, record, address, _asked_of(record, address, missed))
    for number, refused in refusals:
        record, address = records[number], refused.address
        known = _asked_of(record, address, given_up.get(number, {}))
        _add(asked, record, address, refused.ports - known)
    found = (
        Rectangle(method, protocol, AddressSet.of(ranges), ports)
        for (method, protocol, ports), ranges in asked.items()
        if ranges
    )
    return tuple(
        sorted(found, key=lambda r: (r.protocol, list(Method).index(r.method), r.ports.ranges))
    )


def _asked_of(record: TaskRecord, address: Address, missed: Mapping[Address, PortSet]) -> PortSet:
    if record.state is not TaskState.SETTLED or address not in record.task.targets:
        return PortSet()
    return record.task.ports - missed.get(address, PortSet())


def _add(
    asked: dict[tuple[Method, Protocol, PortSet], list[tuple[int, int]]],
    record: TaskRecord,
    address: Address,
    ports: PortSet,
) -> None:
    if ports:
        alone = AddressSet.from_addresses((address,))
        asked[record.task.method, record.task.protocol, ports] += alone.ranges
