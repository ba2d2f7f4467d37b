"""An engine without a network and without waiting: time passes only while nobody has work.

The loop's clock jumps to the next thing that is due, so that a run with rescans after an hour
takes milliseconds. A wait for something that can never happen is an error instead of a hang.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pipeline.budget import Budget, Demand, Lease, manners_of
from pipeline.engine import Engine, Plan, Progress
from pipeline.executor import Executor
from pipeline.ledger import Ledger
from pipeline.model import Answer, Batch, Method, Task
from pipeline.plan import Policy
from pipeline.process import Command
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from pipeline.windows import ALWAYS, Openings
from pipeline.wire import PACKETS_PER_HANDSHAKE
from stages import NETWORK_STAGES
from tests.decide.making import PLAN, POLICY, START
from tests.stages.simulator import Network

LIMIT = 50_000.0
"""Seconds of the loop's time after which a run counts as one that never ends."""


class _Jumping(selectors.SelectSelector):
    """Instead of waiting, moves the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits for something that can never happen")
        self.now += max(0.0, timeout)
        if self.now > LIMIT:
            raise RuntimeError("the run does not come to an end")
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


Script = Callable[[Task, int], Answer | BaseException | Awaitable[Answer] | None]


@dataclass
class Asked:
    """One attempt: what was asked, when it began and when it ended."""

    task: Task
    lease: Lease
    start: float
    end: float | None = None


@dataclass
class FakeExecutor:
    """Answers from a simulated network, a second after it was asked, unless the script says else.

    The script gets the task and how often it was asked; it returns an answer, something to wait
    for, an error to raise, or ``None`` to leave it to the network.
    """

    policy: Policy
    network: Network
    clock: Callable[[], float]
    script: Script = lambda _task, _attempt: None
    seconds: Callable[[Task], float] = lambda _task: 1.0
    longest: Callable[[Task], float] | None = None
    asked: list[Asked] = field(default_factory=list)
    watch: Callable[[], None] = lambda: None

    def demand(self, task: Task) -> Demand:
        each = {Method.HANDSHAKE: PACKETS_PER_HANDSHAKE, Method.NMAP_CONNECT: 4}
        to_a_host = len(task.ports) * each.get(task.method, 2)
        return Demand(
            hosts=task.targets.addresses,
            packets=to_a_host * task.targets.addresses.size,
            packets_to_a_host=to_a_host,
        )

    def command(self, task: Task, lease: Lease) -> Command | None:
        return None

    def deadline(self, task: Task, lease: Lease) -> float:
        return self.seconds(task) if self.longest is None else self.longest(task)

    async def carry_out(
        self,
        task: Task,
        lease: Lease,
        folder: Path,
        *,
        stop: asyncio.Event,
        on_progress: Callable[[str], None],
    ) -> Answer:
        attempt = 1 + sum(one.task.key == task.key for one in self.asked)
        asked = Asked(task, lease, self.clock())
        self.asked.append(asked)
        self.watch()
        scripted = self.script(task, attempt)
        try:
            if isinstance(scripted, Awaitable):
                return await scripted
            if await stopped_within(stop, self.seconds(task)):
                return Answer(complete=False, problem="stopped")
        finally:
            asked.end = self.clock()
            self.watch()
        if isinstance(scripted, BaseException):
            raise scripted
        if scripted is not None:
            return scripted
        return self.network.answer(task, self.clock())

    def evidence_hash(self, task: Task, folder: Path) -> str:
        return "ab" * 32

    def of(self, *methods: Method, batch: int | None = None) -> list[Asked]:
        return [
            one
            for one in self.asked
            if (not methods or one.task.method in methods)
            and (batch is None or one.task.batch == batch)
        ]

    def most_at_once(self, *methods: Method) -> int:
        """How many attempts with these methods overlapped at most."""
        some = self.of(*methods)
        return max(
            (sum(o.start <= one.start < (o.end or LIMIT + START) for o in some) for one in some),
            default=0,
        )


async def stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True


@dataclass
class Playing:
    """One engine on one ledger, with everything that it says."""

    store: Store
    run: RunRecord
    network: Network
    policy: Policy = POLICY
    stages: Sequence[Plan] = NETWORK_STAGES
    script: Script = lambda _task, _attempt: None
    seconds: Callable[[Task], float] = lambda _task: 1.0
    permitted: Callable[[float], None] = lambda _now: None
    watch: Callable[[], None] = lambda: None
    longest: Callable[[Task], float] | None = None
    openings: Callable[[], Openings] = lambda: ALWAYS
    reopened: Callable[[], None] = lambda: None
    waits: bool = False
    blocks_told: float = float("-inf")
    began: float = START
    events: list[tuple[str, str]] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.store, self.run)
        self._loop: Loop | None = None
        self.executor = FakeExecutor(
            self.policy, self.network, self.clock, self.script, self.seconds, self.longest
        )
        self.executor.watch = self.watch
        self.budget = Budget(self.policy.ceilings, self.clock, manners_of(self.policy))
        self.engine = Engine(
            ledger=self.ledger,
            executor=cast(Executor, self.executor),
            policy=self.policy,
            stages=self.stages,
            folder=self.store.path.parent / "tasks",
            budget=self.budget,
            clock=self.clock,
            permitted=self.permitted,
            on_event=lambda kind, text: self.events.append((kind, text)),
            on_progress=self.progress.append,
            openings=self.openings,
            reopened=self.reopened,
            waits=self.waits,
            blocks_told=self.blocks_told,
        )

    def clock(self) -> float:
        return self.began + (self._loop.time() if self._loop else 0.0)

    def work(self, *, at: Sequence[tuple[float, Callable[[], None]]] = ()) -> bool:
        """Recover, then work; ``at`` are things to do at times after the start, in seconds."""

        async def working() -> bool:
            loop = asyncio.get_running_loop()
            for seconds, action in at:
                loop.call_at(seconds, action)
            return await self.engine.work()

        self.ledger.recover()
        with asyncio.Runner(loop_factory=self._new_loop) as runner:
            return runner.run(working())

    def _new_loop(self) -> Loop:
        self._loop = Loop()
        return self._loop

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]


def new_run(store: Store, batches: Sequence[Batch], *, name: str = "one") -> RunRecord:
    """A run with its batches on file."""
    run = store.create_run(PLAN, run_id=name, now=START)
    Ledger(store, run).add_batches(batches)
    return run
