"""Which endpoints were really asked: settled tasks, less what the tools gave up on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from pipeline.addresses import Address
from pipeline.model import Endpoint, Hole, TaskRecord, TaskState
from pipeline.ports import PortSet


class Coverage:
    """Answers for one run whether an endpoint was asked by anybody who finished asking."""

    def __init__(self, tasks: Iterable[TaskRecord], holes: Iterable[tuple[int, Hole]]) -> None:
        self._tasks = [record for record in tasks if record.state is TaskState.SETTLED]
        self._holes: Mapping[tuple[int, Address], list[PortSet | None]] = defaultdict(list)
        for task, hole in holes:
            self._holes[task, hole.address].append(hole.ports)

    def asked(self, endpoint: Endpoint) -> bool:
        """True when a settled task asked about the endpoint and did not give up on it."""
        return any(
            record.task.protocol is endpoint.protocol
            and endpoint.port in record.task.ports
            and endpoint.address in record.task.targets
            and not self._gave_up(record.number, endpoint)
            for record in self._tasks
        )

    def _gave_up(self, task: int, endpoint: Endpoint) -> bool:
        holes = self._holes.get((task, endpoint.address), ())
        return any(ports is None or endpoint.port in ports for ports in holes)
