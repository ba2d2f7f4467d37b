"""Which endpoints were really asked: settled tasks, less what the tools gave up on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from pipeline.addresses import Address
from pipeline.model import Endpoint, Hole, Protocol, Refusals, TaskRecord, TaskState
from pipeline.ports import PortSet


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
