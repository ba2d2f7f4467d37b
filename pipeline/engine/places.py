"""How many tasks run at once, and which of them not beside each other."""

from __future__ import annotations

from typing import Final

from pipeline.decide.standing import network_of
from pipeline.model import Method, Task

HANDSHAKE_TASKS_AT_ONCE: Final = 32
_WITHOUT_COMMAND: Final = frozenset({Method.HANDSHAKE, Method.DATAGRAM})


class Places:
    """The places for so many ``commands``, and those for what needs no command."""

    def __init__(self, commands: int) -> None:
        self._left = {False: commands, True: HANDSHAKE_TASKS_AT_ONCE}
        self._running: list[Task] = []

    @property
    def running(self) -> tuple[Task, ...]:
        """The tasks that have a place."""
        return tuple(self._running)

    @property
    def full(self) -> bool:
        """True when nothing may start, whatever it is."""
        return not any(left > 0 for left in self._left.values())

    def has_one_for(self, task: Task) -> bool:
        """True when a task may start beside what runs."""
        if self._left[task.method in _WITHOUT_COMMAND] <= 0:
            return False
        return not (task.pace and self._gently_asked(task))

    def take(self, task: Task) -> None:
        """A task starts."""
        self._left[task.method in _WITHOUT_COMMAND] -= 1
        self._running.append(task)

    def leave(self, task: Task) -> None:
        """A task has ended."""
        self._left[task.method in _WITHOUT_COMMAND] += 1
        self._running.remove(task)

    def _gently_asked(self, task: Task) -> bool:
        """True while the network of a gentle task is being asked: two would be twice as fast."""
        network = network_of(next(iter(task.targets.addresses)))
        return any(other.pace and other.targets.addresses & network for other in self._running)
