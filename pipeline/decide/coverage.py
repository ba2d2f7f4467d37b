"""Which endpoints were really asked: settled tasks, less what the tools gave up on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from pipeline.addresses import Address, AddressSet
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
        self._tasks = [record for record in tasks if record.state is TaskState.SETTLED]
        self._holes: Mapping[tuple[int, Address], list[PortSet | None]] = defaultdict(list)
        for task, hole in holes:
            self._holes[task, hole.address].append(hole.ports)

    def asked(self, endpoint: Endpoint) -> bool:
        """True when a settled task asked about the endpoint and did not give up on it."""
        refused = self._refused.get((endpoint.protocol, endpoint.address), ())
        return any(endpoint.port in ports for ports in refused) or any(
            record.task.protocol is endpoint.protocol
            and endpoint.port in record.task.ports
            and endpoint.address in record.task.targets
            and not self._gave_up(record.number, endpoint)
            for record in self._tasks
        )

    def _gave_up(self, task: int, endpoint: Endpoint) -> bool:
        holes = self._holes.get((task, endpoint.address), ())
        return any(ports is None or endpoint.port in ports for ports in holes)


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
