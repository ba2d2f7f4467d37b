"""The loop: plan, start, attend, and keep the hours, until nothing is due."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from pipeline.budget import Budget, Lease
from pipeline.engine.active import Active, Waiting, leads
from pipeline.engine.bearing import Bearing
from pipeline.engine.hours import Hours
from pipeline.engine.places import Places
from pipeline.engine.settling import Settling
from pipeline.engine.telling import Progress, count, describe
from pipeline.errors import (
    NotAdmitted,
    NotAuthorised,
    Refused,
    ToolError,
)
from pipeline.executor import Executor
from pipeline.ledger import Ledger
from pipeline.model import (
    Answer,
    Batch,
    Evidence,
    Method,
    Purpose,
    StageName,
    Task,
    TaskRecord,
    TaskState,
)
from pipeline.plan import Policy
from pipeline.store.database import disk_full
from pipeline.windows import ALWAYS, Openings

SWEEPING_AT_ONCE: Final = 2
PLAN_EVERY: Final = 3.0
"""Seconds between two plans of a batch while anything of it is running."""
PLANNING_SHARE: Final = 10.0
"""While anything runs, planning a large batch takes no more than a tenth of the time."""
LOOK_EVERY: Final = 0.25
"""Seconds between two looks, while anything runs, at whether it still may."""
_TOO_LONG: Final = "it was stopped at the close of the window, and no window is long enough for it"
_URGENCY: Final = {
    StageName.PROBE: 0,
    StageName.RESCAN: 1,
    StageName.CORROBORATE: 2,
    StageName.DISCOVER: 3,
}
_BY_THE_WAY: Final = frozenset({Purpose.VERSION, Purpose.WATCH, Purpose.RESWEEP, Purpose.VOTE})
"""Purposes that take long or come late, and that nothing else waits for."""

Plan = Callable[[Evidence, Policy], Iterable[Task]]


class Engine:
    """Works off one run. ``clock`` is epoch seconds, ``permitted`` raises when time is up.

    ``openings`` is asked before every start; where it has none, the run ``waits`` for the next one,
    or ends as incomplete; ``reopened`` raises when it may not go on in that one. What turned us
    away up to ``blocks_told`` was told by an earlier process.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        executor: Executor,
        policy: Policy,
        stages: Sequence[Plan],
        folder: Path,
        budget: Budget,
        clock: Callable[[], float],
        permitted: Callable[[float], None],
        on_event: Callable[[str, str], None],
        on_progress: Callable[[Progress], None],
        openings: Callable[[], Openings] = lambda: ALWAYS,
        reopened: Callable[[], None] = lambda: None,
        waits: bool = False,
        blocks_told: float = float("-inf"),
    ) -> None:
        self._ledger = ledger
        self._executor = executor
        self._policy = policy
        self._stages = stages
        self._folder = folder
        self._budget = budget
        self._bearing = Bearing(budget, on_event, blocks_told)
        self._settling = Settling(
            ledger=ledger,
            executor=executor,
            policy=policy,
            clock=clock,
            on_event=on_event,
            requeue=self._requeue,
        )
        self._clock = clock
        self._permitted = permitted
        self._on_event = on_event
        self._on_progress = on_progress
        self._hours = Hours(openings, reopened, on_event, waits=waits)
        self._places = Places(policy.concurrency)
        self._too_late: set[int] = set()
        self._active: dict[int, Active] = {}
        self._ahead: list[Batch] = []
        self._done = 0
        self._done_here = 0
        self._tasks_done = 0
        self._began = clock()
        self._tally: dict[int, tuple[int, int, int]] = {}
        self._jobs: dict[asyncio.Task[None], TaskRecord] = {}
        self._draining = False
        self._stop_now = asyncio.Event()
        self._wake = asyncio.Event()
        self._failure: BaseException | None = None

    def drain(self) -> None:
        """Start nothing more, and let what is running end."""
        self._draining = True
        self._wake.set()

    def stop_now(self) -> None:
        """Stop everything; what was running will be asked again on resume."""
        self._draining = True
        self._stop_now.set()
        self._wake.set()

    @property
    def draining(self) -> bool:
        """True when nothing more is started."""
        return self._draining

    @property
    def _stopping(self) -> bool:
        """True when all that runs is being stopped for good."""
        return self._draining and self._stop_now.is_set()

    @property
    def running(self) -> int:
        """How many tasks are being asked."""
        return len(self._jobs)

    async def work(self) -> bool:
        """Work until nothing is due. True when the run is done, False when it was drained.

        Raises what made it impossible to go on, after everything that runs has been stopped.
        """
        self._ahead = list(self._ledger.batches(unfinished_only=True))
        total = len(self._ledger.batches())
        self._done = total - len(self._ahead)
        try:
            while not self._finished():
                self._wake.clear()
                if not self._stopping:
                    self._go_on()
                self._tell()
                if self._finished():
                    break
                await self._sleep()
        except BaseException:
            self.stop_now()
            raise
        finally:
            await self._join()
        if self._failure is not None:
            raise self._failure
        return not self._active and not self._ahead

    def _go_on(self) -> None:
        """Do all that may be done now; who drains keeps the hours of what still runs."""
        self._permitted(self._clock())
        if not self._draining:
            self._activate()
            self._plan()
        if self._is_open() and not self._draining:
            self._start_due()

    def _is_open(self) -> bool:
        """Keep the hours: stop what runs when the window closes, and go on in the next one."""
        now = self._clock()
        if not self._hours.is_open(now):
            if self._draining:
                self._hours.closed = True
                self._stop_now.set()
            elif self._jobs or self._active:
                self._hours.pause(now)
                self._stop_now.set()
            return False
        if not self._draining and self._hours.go_on():
            self._stop_now = asyncio.Event()
            self._too_late.clear()
            for active in self._active.values():
                self._spread(active, now)
        return True

    def _spread(self, active: Active, now: float) -> None:
        """Looks that came due while nothing could be asked keep their distance in time."""
        active.rested = False
        looks = {r.number: r for r in active.waiting if r.task.purpose is Purpose.WATCH}
        first = min((r.task.not_before for r in looks.values()), default=now)
        if first < now:
            self._ledger.postpone(looks, now - first)
            for record in self._ledger.tasks(active.batch.number):
                if record.number in looks:
                    active.waiting.add(record)

    def _finished(self) -> bool:
        if self._failure is not None or self._draining:
            return not self._jobs
        return not self._jobs and not self._active and not self._ahead

    def _activate(self) -> None:
        while self._ahead and sum(a.sweeping for a in self._active.values()) < SWEEPING_AT_ONCE:
            batch = self._ahead.pop(0)
            self._active[batch.number] = Active(batch)

    def _plan(self) -> None:
        """Let the stages of every batch that is at rest say what is still missing."""
        now = self._clock()
        for active in list(self._active.values()):
            # What comes in by the way comes often, and seldom asks for more.
            too_soon = active.running and now < active.plan_again
            if active.dirty and not too_soon and not self._is_at_work(active, now):
                self._plan_batch(active)
                cost = self._clock() - now
                active.plan_again = now + max(PLAN_EVERY, PLANNING_SHARE * cost)
                now += cost

    def _is_at_work(self, active: Active, now: float) -> bool:
        """True while answers are due that another question could depend on."""
        due = (r.task for r in active.waiting.due(now))
        running = (r.task for r in self._jobs.values() if r.task.batch == active.batch.number)
        return any(task.purpose not in _BY_THE_WAY for task in (*due, *running))

    def _plan_batch(self, active: Active) -> None:
        active.dirty = False
        evidence = self._ledger.evidence(active.batch)
        self._tally[active.batch.number] = count(evidence)
        self._bearing.look_at(evidence)
        new = [task for plan in self._stages for task in plan(evidence, self._policy)]
        self._ledger.file(new)
        records = self._ledger.tasks(active.batch.number) if new else evidence.tasks
        active.waiting = Waiting(r for r in records if r.state is TaskState.PLANNED)
        active.sweeping = any(leads(r.task) for r in active.waiting)
        if active.rested:
            self._spread(active, self._clock())
        if not active.waiting and not active.running:
            self._ledger.finish_batch(active.batch.number)
            del self._active[active.batch.number]
            self._done += 1
            self._done_here += 1
            self._wake.set()

    def _start_due(self) -> None:
        now = self._clock()
        if self._places.full:
            return
        due = [
            record
            for active in self._active.values()
            for record in active.waiting.due(now)
            if record.number not in self._too_late
        ]
        due.sort(key=lambda r: (_URGENCY[r.task.stage], r.task.batch, r.number))
        for record in due:
            if not self._places.has_one_for(record.task):
                continue
            if self._bearing.must_wait(record.task, self._places.running):
                continue
            lease = self._budget.lease(self._executor.demand(record.task))
            if lease is None:
                continue
            seconds = self._executor.deadline(record.task, lease)
            if self._hours.may_start(seconds, now):
                self._start(record, lease, seconds)
            else:
                lease.never_used()
                self._too_late.add(record.number)

    def _start(self, record: TaskRecord, lease: Lease, seconds: float) -> None:
        task = record.task
        name = f"{record.number:06d}-{record.attempt + 1}-{task.method}"
        folder = self._folder / name
        # By the windows by which it may start: others may be told as soon as it has.
        fits = self._hours.fits(seconds, self._clock())
        try:
            command = self._executor.command(task, lease)
            attempt = self._ledger.start(
                record.number,
                argv=command.argv if command else (),
                rate=lease.rate,
                evidence=name,
                now=self._clock(),
                packets=math.ceil(self._executor.demand(task).packets),
            )
        except BaseException:
            lease.give_back()
            raise
        active = self._active[task.batch]
        active.waiting.remove(record.number)
        active.running.add(record.number)
        self._places.take(task)
        job = asyncio.create_task(self._attend(record, attempt, lease, folder, fits=fits))
        self._jobs[job] = record
        job.add_done_callback(self._ended)
        self._on_event("task", f"{task.method} {describe(task)}")

    def _ended(self, job: asyncio.Task[None]) -> None:
        record = self._jobs.pop(job)
        self._places.leave(record.task)
        self._tasks_done += 1
        self._too_late.clear()  # with a larger share of the rate it may take less time
        active = self._active.get(record.task.batch)
        if active is not None:
            active.running.discard(record.number)
            active.sweeping = active.sweeping and any(
                leads(r.task)
                for r in [*active.waiting, *self._jobs.values()]
                if r.task.batch == record.task.batch
            )
            active.dirty = True
        if not job.cancelled() and (error := job.exception()) is not None:
            self._failure = self._failure or error
            self.stop_now()
        self._wake.set()

    async def _attend(
        self, record: TaskRecord, attempt: int, lease: Lease, folder: Path, *, fits: bool
    ) -> None:
        """Carry out one attempt of one task and settle it.

        What does not fit into its window and is stopped at the close counts as failed.
        """
        stop, began = self._stop_now, self._clock()

        def progress(text: str) -> None:
            # masscan has sent everything and only listens: its share is free. Being wrong about
            # it is harmless, since the retries are sent before this word appears.
            if "waiting" in text and record.task.method is Method.MASSCAN_SYN:
                lease.give_back()
                self._wake.set()

        try:
            with _room_on_disk(folder):
                answer = await self._executor.carry_out(
                    record.task, lease, folder, stop=stop, on_progress=progress
                )
        except (NotAdmitted, NotAuthorised, ToolError) as error:
            answer = Answer(complete=False, problem=error.what)
            if isinstance(error, NotAdmitted | NotAuthorised):
                self._settling.refused(record, attempt, error)
                return
        except asyncio.CancelledError:
            self._ledger.release(record.number, attempt, why="interrupted")
            raise
        finally:
            lease.give_back()
        if not answer.complete and not self._draining:
            try:
                # On an order to stop the guards stop their tools by themselves.
                self._permitted(self._clock())
            except Refused:
                self._ledger.release(record.number, attempt, why="interrupted")
                raise
        if not answer.complete and (self._draining or stop.is_set()):
            if fits or not self._hours.closed:
                # Who stops us may have stopped the tool, too (a service manager signals everybody).
                why = "the window closed" if self._hours.closed else "interrupted"
                if self._ledger.release(record.number, attempt, why=why) and not self._draining:
                    self._requeue(record)
                return
            answer = Answer(complete=False, problem=_TOO_LONG)
        self._bearing.listen_to(record.task, answer, self._clock() - began)
        self._settling.settle(record, attempt, answer, folder)

    def _requeue(self, record: TaskRecord) -> None:
        self._active[record.task.batch].waiting.add(self._ledger.task(record.number))

    async def _sleep(self) -> None:
        """Until a task ends, a lease cools down, or a task becomes due."""
        now = self._clock()
        times = [when - now for when in self._next_due(now)]
        change = self._budget.next_change()
        if change is not None:
            times.append(self._budget.seconds_until(change))
        if (change := self._hours.next_change(now)) is not None:
            times.append(change - now)
        # Once a second at least: the clock, the authorisation and the scope are looked at again.
        seconds = max(0.01, min([*times, 1.0]))
        step = LOOK_EVERY if self._jobs else seconds
        while seconds > 0 and not self._wake.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), min(seconds, step))
            seconds -= step
            if not self._stopping:
                self._permitted(self._clock())

    def _next_due(self, now: float) -> list[float]:
        """When the next task of each batch is due."""
        dues = (active.waiting.next_due(now) for active in self._active.values())
        return [due for due in dues if due is not None]

    async def _join(self) -> None:
        while self._jobs:
            await asyncio.wait(list(self._jobs))
            await asyncio.sleep(0)

    def _tell(self) -> None:
        now = self._clock()
        waits = self._next_due(now) if not self._jobs else []
        self._on_progress(
            Progress(
                batches=self._done + len(self._active) + len(self._ahead),
                batches_done=self._done,
                running=tuple(f"{r.task.method} {describe(r.task)}" for r in self._jobs.values()),
                waiting_until=min(waits, default=None),
                leased=self._budget.leased,
                ceiling=self._policy.ceilings.rate,
                tasks_done=self._tasks_done,
                tasks_waiting=sum(len(a.waiting) for a in self._active.values()),
                found=sum(tally[0] for tally in self._tally.values()),
                confirmed=sum(tally[1] for tally in self._tally.values()),
                disputed=sum(tally[2] for tally in self._tally.values()),
                seconds_left=self._seconds_left(now),
                paused_until=self._hours.paused_until,
            )
        )

    def _seconds_left(self, now: float) -> float | None:
        if not self._done_here:
            return None
        each = (now - self._began) / self._done_here
        return each * (len(self._active) + len(self._ahead))


@contextlib.contextmanager
def _room_on_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(folder) from error
        raise
