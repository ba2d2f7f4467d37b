"""What the engine is doing, for people: how far it is, and what a task asks in a few words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.decide.questions import verdicts
from pipeline.model import Evidence, Purpose, Task, VerdictKind

_PLAIN: Final = frozenset({Purpose.SWEEP, Purpose.NAMED, Purpose.VERSION})
_DISPUTED: Final = frozenset({VerdictKind.UNRESOLVED, VerdictKind.LIKELY, VerdictKind.TRANSIENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What the engine is doing, for people. Rates in packets per second, times as epoch seconds.

    ``found``, ``confirmed`` and ``disputed`` count endpoints as of each batch's last planning;
    ``seconds_left`` is extrapolated from the batches that are done, ``None`` before the first.
    ``paused_until`` is when the next window opens, while the run waits for it.
    """

    batches: int
    batches_done: int
    tasks_done: int
    tasks_waiting: int
    running: tuple[str, ...]
    waiting_until: float | None
    leased: float
    ceiling: float
    found: int
    confirmed: int
    disputed: int
    seconds_left: float | None
    paused_until: float | None = None


def count(evidence: Evidence) -> tuple[int, int, int]:
    """Endpoints found, confirmed and disputed so far."""
    decided = verdicts(evidence).values()
    confirmed = sum(verdict.kind is VerdictKind.CONFIRMED for verdict in decided)
    disputed = sum(verdict.kind in _DISPUTED for verdict in decided)
    return len(decided), confirmed, disputed


def describe(task: Task) -> str:
    """What a task asks, in a few words."""
    hosts, ports = task.targets.addresses.size, len(task.ports)
    some = next(iter(task.targets.addresses.texts()))
    more = "" if len(task.targets.addresses.ranges) == 1 else ", …"
    which = f"port {task.ports}" if ports == 1 else f"{ports} ports"
    again = f", round {task.round}" if task.round > 1 else ""
    why = "" if task.purpose in _PLAIN else f", {task.purpose}"
    return f"{which} of {hosts} host{'s' if hosts != 1 else ''} ({some}{more}){why}{again}"
