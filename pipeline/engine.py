"""Plan what is missing, start what is due, settle what came back, until nothing is due.

Batches flow: while one is being corroborated the next is being discovered, and a rescan that is
due in an hour holds nobody up. A task starts when its time has come, a lease of the rate budget
covers what it sends, and a place is free for its tool. All of it happens inside windows: a task is
started when it ends before the close, and what runs at the close is stopped and asked again.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.addresses import AddressSet
from pipeline.budget import Budget, Lease
from pipeline.decide.questions import verdicts
from pipeline.decide.standing import as_of, network_of, standings
from pipeline.decide.throttle import Senses, Sign
from pipeline.errors import (
    Incomplete,
    NotAdmitted,
    NotAuthorised,
    OutsideWindow,
    Refused,
    ToolError,
)
from pipeline.executor import NOT_IN_SCOPE, Executor
from pipeline.ledger import Ledger
from pipeline.model import (
    Answer,
    Batch,
    Evidence,
    Hole,
    Method,
    Purpose,
    StageName,
    Task,
    TaskRecord,
    TaskState,
    VerdictKind,
)
from pipeline.plan import Policy
from pipeline.render.text import minute, shortened
from pipeline.store.database import disk_full
from pipeline.windows import ALWAYS, STOPPING, Openings

SWEEPING_AT_ONCE: Final = 2
HANDSHAKE_TASKS_AT_ONCE: Final = 32
PLAN_EVERY: Final = 3.0
"""Seconds between two plans of a batch while anything of it is running."""
PLANNING_SHARE: Final = 10.0
"""While anything runs, planning a large batch takes no more than a tenth of the time."""
RETRY_AFTER: Final = 5.0
"""Seconds before a task that failed by itself is asked again."""
LOOK_EVERY: Final = 0.25
"""Seconds between two looks, while anything runs, at whether it still may."""
BORNE_AFTER: Final = 10.0
"""Seconds that a sweep has to last to show that its rate is borne: a burst may pass."""
_TOO_LONG: Final = "it was stopped at the close of the window, and no window is long enough for it"
_URGENCY: Final = {
    StageName.PROBE: 0,
    StageName.RESCAN: 1,
    StageName.CORROBORATE: 2,
    StageName.DISCOVER: 3,
}
_BY_THE_WAY: Final = frozenset({Purpose.VERSION, Purpose.WATCH, Purpose.RESWEEP, Purpose.VOTE})
"""Purposes that take long or come late, and that nothing else waits for."""
_WITHOUT_COMMAND: Final = frozenset({Method.HANDSHAKE, Method.DATAGRAM})
_PLAIN: Final = frozenset({Purpose.SWEEP, Purpose.NAMED, Purpose.VERSION})
_DISPUTED: Final = frozenset({VerdictKind.UNRESOLVED, VerdictKind.LIKELY, VerdictKind.TRANSIENT})

Plan = Callable[[Evidence, Policy], Iterable[Task]]


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


@dataclass(slots=True, eq=False)
class _Active:
    """A batch that somebody is working on. ``dirty``: its stages have to plan again, but not
    before ``plan_again`` while anything of it is running. ``rested``: time has passed in which
    nothing could be asked."""

    batch: Batch
    waiting: dict[int, TaskRecord] = field(default_factory=dict)
    running: set[int] = field(default_factory=set)
    sweeping: bool = True
    dirty: bool = True
    rested: bool = True
    plan_again: float = float("-inf")


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
        self._senses = Senses()
        self._borne = not budget.starting
        self._clock = clock
        self._permitted = permitted
        self._on_event = on_event
        self._on_progress = on_progress
        self._openings = openings
        self._reopened = reopened
        self._waits = waits
        self._paused_until: float | None = None
        self._closed = False
        self._too_late: set[int] = set()
        self._active: dict[int, _Active] = {}
        self._ahead: list[Batch] = []
        self._done = 0
        self._done_here = 0
        self._tasks_done = 0
        self._began = clock()
        self._tally: dict[int, tuple[int, int, int]] = {}
        self._jobs: dict[asyncio.Task[None], TaskRecord] = {}
        self._draining = False
        self._shy = AddressSet()
        self._blocks_told = blocks_told
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
                if not self._draining:
                    self._permitted(self._clock())
                    self._activate()
                    self._plan()
                    if self._is_open():
                        self._start_due()
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

    def _is_open(self) -> bool:
        """Keep the hours: stop what runs when the window closes, and go on in the next one."""
        now = self._clock()
        openings = self._openings()
        current = openings.now(now)
        if current is None or now >= current[1] - STOPPING:
            if self._jobs or self._active:
                self._pause(openings, now)
            return False
        if self._paused_until is not None:
            self._reopened()
            self._on_event("continued", "a window is open again")
            self._paused_until = None
            self._closed = False
            self._stop_now = asyncio.Event()
            self._too_late.clear()
            for active in self._active.values():
                self._spread(active, now)
        return True

    def _pause(self, openings: Openings, now: float) -> None:
        later = openings.after(now)
        if not later:
            raise OutsideWindow(
                "no further window opens while the authorisation is valid: nothing more is sent",
                hint="have windows added to the engagement, then go on with `portproof resume`",
            )
        self._closed = True
        opens = f"the next one opens {minute(later[0][0])} UTC"
        if not self._waits:
            raise Incomplete(f"the window has closed; {opens}")
        if self._paused_until is None:
            self._on_event("paused", f"no window is open; {opens}")
        self._paused_until = later[0][0]
        self._stop_now.set()

    def _spread(self, active: _Active, now: float) -> None:
        """Looks that came due while nothing could be asked keep their distance in time."""
        active.rested = False
        looks = {n: r for n, r in active.waiting.items() if r.task.purpose is Purpose.WATCH}
        first = min((r.task.not_before for r in looks.values()), default=now)
        if first < now:
            self._ledger.postpone(looks, now - first)
            for record in self._ledger.tasks(active.batch.number):
                if record.number in looks:
                    active.waiting[record.number] = record

    def _finished(self) -> bool:
        if self._failure is not None or self._draining:
            return not self._jobs
        return not self._jobs and not self._active and not self._ahead

    def _activate(self) -> None:
        while self._ahead and sum(a.sweeping for a in self._active.values()) < SWEEPING_AT_ONCE:
            batch = self._ahead.pop(0)
            self._active[batch.number] = _Active(batch)

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

    def _is_at_work(self, active: _Active, now: float) -> bool:
        """True while answers are due that another question could depend on."""
        due = (r.task for r in active.waiting.values() if r.task.not_before <= now)
        running = (r.task for r in self._jobs.values() if r.task.batch == active.batch.number)
        return any(task.purpose not in _BY_THE_WAY for task in (*due, *running))

    def _plan_batch(self, active: _Active) -> None:
        active.dirty = False
        evidence = self._ledger.evidence(active.batch)
        self._tally[active.batch.number] = _count(evidence)
        if (sign := self._senses.of_canaries(standings(evidence))) is not Sign.GOOD:
            self._heed(sign)
        self._tell_of_blocks(evidence)
        new = [task for plan in self._stages for task in plan(evidence, self._policy)]
        self._ledger.file(new)
        records = self._ledger.tasks(active.batch.number) if new else evidence.tasks
        active.waiting = {r.number: r for r in records if r.state is TaskState.PLANNED}
        active.sweeping = any(_leads(r.task) for r in active.waiting.values())
        if active.rested:
            self._spread(active, self._clock())
        if not active.waiting and not active.running:
            self._ledger.finish_batch(active.batch.number)
            del self._active[active.batch.number]
            self._done += 1
            self._done_here += 1
            self._wake.set()

    def _tell_of_blocks(self, evidence: Evidence) -> None:
        """Say once of each network that it turns us away, or deceives us."""
        new = standings(evidence).shy - self._shy
        if new and self._blocks_told > float("-inf"):
            before = standings(as_of(evidence, self._blocks_told)).shy
            self._shy |= before
            new -= before
        if new:
            self._shy |= new
            text = f"canaries fell silent, or something answers for them, in {_some(new)}"
            self._on_event("blocked", f"{text}: it is waited for, and then asked gently")

    def _start_due(self) -> None:
        now = self._clock()
        due = [
            record
            for active in self._active.values()
            for record in active.waiting.values()
            if record.task.not_before <= now and record.number not in self._too_late
        ]
        due.sort(key=lambda r: (_URGENCY[r.task.stage], r.task.batch, r.number))
        for record in due:
            if not self._has_place(record.task):
                continue
            lease = self._budget.lease(self._executor.demand(record.task))
            if lease is None:
                continue
            seconds = self._executor.deadline(record.task, lease)
            if self._openings().may_start(seconds, now):
                self._start(record, lease, seconds)
            else:
                lease.never_used()
                self._too_late.add(record.number)

    def _has_place(self, task: Task) -> bool:
        ours = task.method in _WITHOUT_COMMAND
        taken = sum(
            (record.task.method in _WITHOUT_COMMAND) == ours for record in self._jobs.values()
        )
        if task.pace and self._gently_asked(task):
            return False
        if task.purpose is Purpose.SWEEP and self._waits_for_a_sweep(task):
            return False
        return taken < (HANDSHAKE_TASKS_AT_ONCE if ours else self._policy.concurrency)

    def _waits_for_a_sweep(self, task: Task) -> bool:
        """True while a sweep runs of which the answer decides how fast this one may go.

        In the slow start that is any, and one of the same hosts until such a sweep was borne.
        """
        running = (r.task for r in self._jobs.values() if r.task.purpose is Purpose.SWEEP)
        if self._budget.starting:
            return any(True for _ in running)
        hosts = task.targets.addresses
        return not self._borne and any(other.targets.addresses & hosts for other in running)

    def _gently_asked(self, task: Task) -> bool:
        """True while the network of a gentle task is being asked: two would be twice as fast."""
        network = network_of(next(iter(task.targets.addresses)))
        return any(
            record.task.pace and record.task.targets.addresses & network
            for record in self._jobs.values()
        )

    def _start(self, record: TaskRecord, lease: Lease, seconds: float) -> None:
        task = record.task
        name = f"{record.number:06d}-{record.attempt + 1}-{task.method}"
        folder = self._folder / name
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
        del active.waiting[record.number]
        active.running.add(record.number)
        current = self._openings().now(self._clock())
        fits = current is not None and self._clock() + seconds <= current[1]
        job = asyncio.create_task(self._attend(record, attempt, lease, folder, fits=fits))
        self._jobs[job] = record
        job.add_done_callback(self._ended)
        self._on_event("task", f"{task.method} {describe(task)}")

    def _ended(self, job: asyncio.Task[None]) -> None:
        record = self._jobs.pop(job)
        self._tasks_done += 1
        self._too_late.clear()  # with a larger share of the rate it may take less time
        active = self._active.get(record.task.batch)
        if active is not None:
            active.running.discard(record.number)
            active.sweeping = active.sweeping and any(
                _leads(r.task)
                for r in [*active.waiting.values(), *self._jobs.values()]
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
                self._settle_refused(record, attempt, error)
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
            if fits or not self._closed:
                # Who stops us may have stopped the tool, too (a service manager signals everybody).
                why = "the window closed" if self._closed else "interrupted"
                if self._ledger.release(record.number, attempt, why=why) and not self._draining:
                    self._requeue(record)
                return
            answer = Answer(complete=False, problem=_TOO_LONG)
        sign = self._senses.of_answer(record.task, answer)
        self._heed(sign)
        if sign is not Sign.GOOD:
            self._borne = False
        elif record.task.purpose is Purpose.SWEEP and self._clock() - began >= BORNE_AFTER:
            self._borne = True
        self._settle(record, attempt, answer, folder)

    def _heed(self, sign: Sign) -> None:
        """Slow down after a bad sign, and go faster where all is well; both are put on record."""
        if self._budget.heed(sign):
            self._on_event("throttle", f"{sign}: {self._budget.share:.0%} of the rate from now on")

    def _settle_refused(self, record: TaskRecord, attempt: int, error: Refused) -> None:
        """The scope got narrower since this was planned: nothing was sent, and nobody knows."""
        self._on_event("refused", f"task {record.number} was not sent: {error.what}")
        self._ledger.settle(
            record.number,
            attempt,
            observations=(),
            holes=_whole(
                record.task, NOT_IN_SCOPE if isinstance(error, NotAdmitted) else error.what
            ),
            outcome=error.what,
            now=self._clock(),
            failed=True,
        )

    def _settle(self, record: TaskRecord, attempt: int, answer: Answer, folder: Path) -> None:
        if answer.foreign:
            named = ", ".join(str(endpoint) for endpoint in answer.foreign[:3])
            self._on_event(
                "foreign",
                f"task {record.number}: {record.task.method} reported {len(answer.foreign)} "
                f"endpoint(s) that nobody asked about, dropped: {named}",
            )
        if not answer.complete and record.failures + 1 < self._policy.attempts:
            self._on_event("retry", f"task {record.number} will be asked again: {answer.problem}")
            not_before = self._clock() + RETRY_AFTER
            if self._ledger.put_back(
                record.number, attempt, why=answer.problem, not_before=not_before
            ):
                self._requeue(record)
            return
        holes: Iterable[Hole] = answer.holes
        if not answer.complete:
            self._on_event("failed", f"task {record.number} failed: {answer.problem}")
            holes = _whole(record.task, answer.problem)
        self._ledger.settle(
            record.number,
            attempt,
            observations=answer.observations,
            holes=holes,
            refusals=answer.refusals if answer.complete else (),
            evidence_sha256=self._executor.evidence_hash(record.task, folder),
            outcome=answer.problem,
            now=self._clock(),
            failed=not answer.complete,
        )

    def _requeue(self, record: TaskRecord) -> None:
        active = self._active[record.task.batch]
        for found in self._ledger.tasks(record.task.batch):
            if found.number == record.number:
                active.waiting[found.number] = found

    async def _sleep(self) -> None:
        """Until a task ends, a lease cools down, or a task becomes due."""
        now = self._clock()
        times = [
            record.task.not_before - now
            for active in self._active.values()
            for record in active.waiting.values()
            if record.task.not_before > now
        ]
        change = self._budget.next_change()
        if change is not None:
            times.append(self._budget.seconds_until(change))
        openings = self._openings()
        current = openings.now(now)
        changes = (
            [current[1] - STOPPING] if current else [opens for opens, _ in openings.after(now)]
        )
        times += [change - now for change in changes[:1] if change > now]
        # Once a second at least: the clock, the authorisation and the scope are looked at again.
        seconds = max(0.01, min([*times, 1.0]))
        step = LOOK_EVERY if self._jobs else seconds
        while seconds > 0 and not self._wake.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), min(seconds, step))
            seconds -= step
            if not self._draining:
                self._permitted(self._clock())

    async def _join(self) -> None:
        while self._jobs:
            await asyncio.wait(list(self._jobs))
            await asyncio.sleep(0)

    def _tell(self) -> None:
        now = self._clock()
        waits = [
            r.task.not_before
            for a in self._active.values()
            for r in a.waiting.values()
            if r.task.not_before > now
        ]
        self._on_progress(
            Progress(
                batches=self._done + len(self._active) + len(self._ahead),
                batches_done=self._done,
                running=tuple(f"{r.task.method} {describe(r.task)}" for r in self._jobs.values()),
                waiting_until=min(waits) if waits and not self._jobs else None,
                leased=self._budget.leased,
                ceiling=self._policy.ceilings.rate,
                tasks_done=self._tasks_done,
                tasks_waiting=sum(len(a.waiting) for a in self._active.values()),
                found=sum(tally[0] for tally in self._tally.values()),
                confirmed=sum(tally[1] for tally in self._tally.values()),
                disputed=sum(tally[2] for tally in self._tally.values()),
                seconds_left=self._seconds_left(now),
                paused_until=self._paused_until,
            )
        )

    def _seconds_left(self, now: float) -> float | None:
        if not self._done_here:
            return None
        each = (now - self._began) / self._done_here
        return each * (len(self._active) + len(self._ahead))


def _count(evidence: Evidence) -> tuple[int, int, int]:
    """Endpoints found, confirmed and disputed so far."""
    decided = verdicts(evidence).values()
    confirmed = sum(verdict.kind is VerdictKind.CONFIRMED for verdict in decided)
    disputed = sum(verdict.kind in _DISPUTED for verdict in decided)
    return len(decided), confirmed, disputed


def _some(networks: AddressSet) -> str:
    """The first three networks of a set."""
    return shortened(networks.networks(), 3)


def _leads(task: Task) -> bool:
    """True for what comes before everything else in a batch."""
    return task.purpose is Purpose.SWEEP or (task.purpose is Purpose.CANARY and task.round == 0)


def describe(task: Task) -> str:
    """What a task asks, in a few words."""
    hosts, ports = task.targets.addresses.size, len(task.ports)
    some = next(iter(task.targets.addresses.texts()))
    more = "" if len(task.targets.addresses.ranges) == 1 else ", …"
    which = f"port {task.ports}" if ports == 1 else f"{ports} ports"
    again = f", round {task.round}" if task.round > 1 else ""
    why = "" if task.purpose in _PLAIN else f", {task.purpose}"
    return f"{which} of {hosts} host{'s' if hosts != 1 else ''} ({some}{more}){why}{again}"


def _whole(task: Task, why: str) -> Iterable[Hole]:
    # A sweep that failed is known by its state; one hole for each of its addresses would say no
    # more and could be a million rows.
    if task.purpose is Purpose.SWEEP:
        return ()
    return [Hole(address=a, ports=None, reason=why) for a in task.targets.addresses]


@contextlib.contextmanager
def _room_on_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(folder) from error
        raise
