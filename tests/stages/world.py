"""A network in which time passes: hosts that block, turn, deceive, limit, lose, come and go.

Nothing is sent. Every SYN of a task has its own time and is repeated as the tool would repeat it;
what stands before a network counts them. The loop starts what is due and lets the stages plan when
the answers are in, as the engine does, with a ledger that is a dictionary.
"""

from __future__ import annotations

import heapq
import itertools
import random
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from pipeline.addresses import Address, AddressSet, parse_address
from pipeline.decide.questions import verdicts
from pipeline.decide.standing import network_of
from pipeline.model import (
    Aftermath,
    Batch,
    Endpoint,
    Evidence,
    Hole,
    Method,
    Observation,
    PortState,
    Purpose,
    Refusals,
    Task,
    TaskRecord,
    TaskState,
    Verdict,
)
from pipeline.plan import Policy
from pipeline.ports import PortSet
from pipeline.tools.handshake import VOTES, count_votes
from stages import NETWORK_STAGES
from tests.decide.making import START, evidence
from tests.stages.simulator import SYN_METHODS, Host, Reply, accepted, refused

BY_THE_WAY: Final = frozenset({Purpose.VERSION, Purpose.WATCH, Purpose.RESWEEP, Purpose.VOTE})
TRIES: Final = {Method.MASSCAN_SYN: 1, Method.NMAP_SYN: 3, Method.NMAP_CONNECT: 3}
"""SYNs until a method gives up, a second apart; two of others, and one of a second look."""
BY_NMAP: Final = frozenset({Method.NMAP_SYN, Method.NMAP_CONNECT, Method.NMAP_VERSION})
"""Methods that do not tell when an answer came, only when the command ended."""
RATES: Final = {Purpose.SWEEP: 200.0, Purpose.SECOND_LOOK: 60.0, Purpose.RESWEEP: 60.0}
ONCE: Final = (Purpose.SECOND_LOOK, Purpose.RESWEEP)
"""Probes per second of a task without a pace of its own; ten where nothing else is said."""
TRIP_WIRE: Final = 23


class Guard(Protocol):
    """What stands before a network, sees every SYN and may answer for the hosts behind it."""

    def turns(self, port: int, now: float) -> Callable[[Method], Reply | None] | None:
        """How it answers this SYN itself; ``None`` lets the host answer."""


@dataclass
class Crowd:
    """Times of SYNs, to be counted by the second."""

    times: list[float] = field(default_factory=list)

    def one_more(self, now: float) -> int:
        """How many there were in the second up to now, this one included."""
        insort(self.times, now)
        return bisect_left(self.times, now + 1e-9) - bisect_left(self.times, now - 1.0)


@dataclass
class Detector:
    """Turns after ``limit`` SYNs in a second, or after one to the trip wire, for some seconds."""

    answer: Callable[[Method], Reply | None]
    limit: int | None
    seconds: float
    crowd: Crowd = field(default_factory=Crowd)
    until: float = 0.0
    turned: int = 0

    def turns(self, port: int, now: float) -> Callable[[Method], Reply | None] | None:
        too_many = self.limit is not None and self.crowd.one_more(now) > self.limit
        if now >= self.until and (too_many or (self.limit is None and port == TRIP_WIRE)):
            self.until = now + self.seconds
            self.turned += 1
        return self.answer if now < self.until else None


def dropped(method: Method) -> Reply | None:
    """No answer at all."""
    return None


def taken_in(method: Method) -> Reply | None:
    """An open port of something that only wants to be scanned."""
    return accepted(method, Aftermath.DATA, "welcome")


def blocker(limit: int = 20, seconds: float = 60.0) -> Detector:
    """Drops a scanner that is too fast."""
    return Detector(dropped, limit, seconds)


def trip_wire(seconds: float = 60.0) -> Detector:
    """Refuses everything after a probe of the trip wire."""
    return Detector(refused, None, seconds)


def deceiver(limit: int = 30, seconds: float = 60.0) -> Detector:
    """Answers for everything once it has noticed a scan."""
    return Detector(taken_in, limit, seconds)


@dataclass
class Limited:
    """Answers only so many SYNs a second; with ``only`` refusals, its services are not limited."""

    host: Host
    per_second: int
    only_refusals: bool = False
    crowd: Crowd = field(default_factory=Crowd)

    def reply(self, method: Method, port: int, now: float) -> Reply | None:
        answer = self.host.reply(method, port, now)
        if answer is None or (self.only_refusals and answer.state is PortState.OPEN):
            return answer
        return answer if self.crowd.one_more(now) <= self.per_second else None


@dataclass
class Greylisting:
    """Drops the first SYN to a port, and answers those that come within five minutes of it."""

    host: Host
    seen: dict[int, float] = field(default_factory=dict)

    def reply(self, method: Method, port: int, now: float) -> Reply | None:
        known = self.seen.setdefault(port, now)
        return self.host.reply(method, port, now) if known < now < known + 300 else None


@dataclass
class Balanced:
    """Every other connection reaches a back end on which the port is closed."""

    host: Host
    turn: Iterator[int] = field(default_factory=itertools.count)

    def reply(self, method: Method, port: int, now: float) -> Reply | None:
        answer = self.host.reply(method, port, now)
        open_ = answer is not None and answer.state is PortState.OPEN
        return refused(method) if open_ and next(self.turn) % 2 else answer


@dataclass(frozen=True, slots=True)
class Rhythmic:
    """Open for a share of each period, closed for the rest of it."""

    ports: frozenset[int]
    period: float
    duty: float
    phase: float

    def reply(self, method: Method, port: int, now: float) -> Reply | None:
        here = ((now - START) / self.period + self.phase) % 1.0 < self.duty
        if port in self.ports and here:
            return accepted(method, Aftermath.DATA, "220 ready")
        return refused(method)


@dataclass(frozen=True, slots=True)
class Street:
    """A network (a /24): who stands before it, and its hosts by the last number of an address."""

    prefix: str
    hosts: Mapping[int, Host]
    guard: Guard | None = None


@dataclass(order=True)
class _Syn:
    time: float
    order: int
    record: int = field(compare=False)
    where: Endpoint = field(compare=False)
    tries_left: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """One SYN that left."""

    time: float
    where: Endpoint
    task: Task


class World:
    """Plays the network stages against streets of hosts, in a time of its own."""

    def __init__(
        self,
        batch: Batch,
        policy: Policy,
        streets: Sequence[Street],
        *,
        seed: int = 0,
        loss: float = 0.0,
        fails: Callable[[Task], bool] = lambda _: False,
        watch: Callable[[Evidence, Sequence[Task], float], None] = lambda *_: None,
    ) -> None:
        self.batch = batch
        self.policy = policy
        self.now = START
        self.plans = 0
        self.sent: list[Sent] = []
        self._hosts = {
            parse_address(f"{street.prefix}.{last}"): (street, host)
            for street in streets
            for last, host in street.hosts.items()
        }
        self._guards = {
            network_of(parse_address(f"{street.prefix}.0")): street.guard for street in streets
        }
        self._chance = random.Random(seed)
        self._loss = loss
        self._fails = fails
        self._watch = watch
        self._records: dict[str, TaskRecord] = {}
        self._heard: list[Observation] = []
        self._refused: list[tuple[int, Refusals]] = []
        self._holes: list[tuple[int, Hole]] = []
        self._syns: list[_Syn] = []
        self._order = itertools.count()
        self._open: dict[int, int] = {}
        self._said: dict[int, list[Observation]] = defaultdict(list)

    # --- what is known ---------------------------------------------------------------------------

    @property
    def evidence(self) -> Evidence:
        """All that is on file."""
        found = evidence(self.batch, self._records.values(), self._heard, self._holes)
        return replace(found, refusals=tuple(self._refused))

    @property
    def records(self) -> list[TaskRecord]:
        """Every task, in the order of filing."""
        return list(self._records.values())

    def tasks_of(self, *purposes: Purpose) -> list[Task]:
        """Every task with one of these purposes, or all of them."""
        return [r.task for r in self.records if not purposes or r.task.purpose in purposes]

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return self.now - START

    # --- the loop --------------------------------------------------------------------------------

    def play(self, *, hours: float = 12.0, plans: int = 3000) -> dict[Endpoint, Verdict]:
        """Until nothing is left to ask; the verdicts. Fails when that takes too long."""
        dirty = True
        while True:
            if dirty and not self._is_at_work():
                dirty = False
                if not self._plan() and not self._pending():
                    return verdicts(self.evidence)
            self._start_due()
            dirty |= self._step()
            assert self.seconds < hours * 3600, "the run does not come to an end"
            assert self.plans < plans, "the stages never come to an end"

    def _plan(self) -> bool:
        self.plans += 1
        known = self.evidence
        tasks = [task for stage in NETWORK_STAGES for task in stage(known, self.policy)]
        new = [task for task in tasks if task.key not in self._records]
        self._watch(known, new, self.now)
        for task in new:
            number = len(self._records) + 1
            record = TaskRecord(number=number, task=task, state=TaskState.PLANNED)
            self._records.setdefault(task.key, record)
        return bool(new)

    def _pending(self) -> bool:
        return any(r.state in (TaskState.PLANNED, TaskState.RUNNING) for r in self.records)

    def _is_at_work(self) -> bool:
        return any(
            record.task.purpose not in BY_THE_WAY
            and (
                record.state is TaskState.RUNNING
                or (record.state is TaskState.PLANNED and record.task.not_before <= self.now)
            )
            for record in self.records
        )

    def _start_due(self) -> None:
        for record in self.records:
            due = record.state is TaskState.PLANNED and record.task.not_before <= self.now
            if due and not self._gently_asked(record.task):
                self._start(record)

    def _gently_asked(self, task: Task) -> bool:
        if not task.pace:
            return False
        network = network_of(next(iter(task.targets.addresses)))
        return any(
            r.state is TaskState.RUNNING and r.task.pace and r.task.targets.addresses & network
            for r in self.records
        )

    def _start(self, record: TaskRecord) -> None:
        task = record.task
        state = TaskState.FAILED if self._fails(task) else TaskState.RUNNING
        self._put(replace(record, state=state, attempt=1, started=self.now))
        if state is TaskState.FAILED:
            self._put(replace(self._records[task.key], ended=self.now))
            if task.purpose is not Purpose.SWEEP:
                self._holes += [
                    (record.number, Hole(address=a, ports=None, reason="failed"))
                    for a in task.targets.addresses
                ]
            return
        pairs = [Endpoint(a, task.protocol, p) for a in task.targets.addresses for p in task.ports]
        self._chance.shuffle(pairs)
        times = VOTES if task.purpose is Purpose.VOTE else 1
        pairs = [pair for pair in pairs for _ in range(times)]
        rate = task.pace or RATES.get(task.purpose, 10.0)
        if task.purpose is Purpose.SECOND_LOOK and not task.pace:
            rate /= 2.0 ** (task.round - 1)
        self._open[record.number] = len(pairs)
        for place, where in enumerate(pairs):
            time = self.now + (place + self._chance.random()) / rate
            tries = 1 if task.purpose in ONCE else TRIES.get(task.method, 2)
            heapq.heappush(self._syns, _Syn(time, next(self._order), record.number, where, tries))

    def _step(self) -> bool:
        """Let the next SYN leave, or the time pass until something is due. True: a task ended."""
        due = [r.task.not_before for r in self.records if r.state is TaskState.PLANNED]
        later = min((time for time in due if time > self.now), default=None)
        if not self._syns:
            self.now = later if later is not None else self.now
            return True
        syn = heapq.heappop(self._syns)
        if later is not None and later < syn.time:
            heapq.heappush(self._syns, syn)
            self.now = later
            return False
        self.now = max(self.now, syn.time)
        return self._send(syn)

    def _send(self, syn: _Syn) -> bool:
        record = self.records[syn.record - 1]
        task = record.task
        self.sent.append(Sent(self.now, syn.where, task))
        reply = self._reply(task.method, syn.where)
        if reply is None and syn.tries_left > 1:
            again = _Syn(
                self.now + 1.0, next(self._order), syn.record, syn.where, syn.tries_left - 1
            )
            heapq.heappush(self._syns, again)
            return False
        self._said[record.number].append(self._observation(task, syn.where, reply))
        self._open[record.number] -= 1
        if self._open[record.number]:
            return False
        self._settle(record)
        return True

    def _reply(self, method: Method, where: Endpoint) -> Reply | None:
        guard = self._guards.get(network_of(where.address))
        turned = guard.turns(where.port, self.now) if guard else None
        if where.address not in self._hosts or self._chance.random() < self._loss:
            return None
        if turned is not None:
            return turned(method)
        return self._hosts[where.address][1].reply(method, where.port, self.now)

    def _observation(self, task: Task, where: Endpoint, reply: Reply | None) -> Observation:
        reply = reply or Reply(state=PortState.FILTERED, reason="no-response")
        listens = task.purpose in (Purpose.NAMED, Purpose.CONTROL)
        return Observation(
            endpoint=where,
            method=task.method,
            purpose=task.purpose,
            state=reply.state,
            reason=reply.reason,
            time=self.now,
            round=task.round,
            aftermath=reply.aftermath if listens else None,
            banner=reply.banner if listens else "",
            service=reply.service,
            ttl=reply.ttl,
            task=0,
        )

    def _settle(self, record: TaskRecord) -> None:
        task = record.task
        self.now += 0.01
        said = [self._timed(o) for o in self._said.pop(record.number)]
        if task.purpose is Purpose.VOTE:
            said = list(count_votes(said))
        if task.purpose in (Purpose.SWEEP, *ONCE):
            refusing: dict[Address, set[int]] = defaultdict(set)
            for o in said:
                if o.state is PortState.CLOSED:
                    refusing[o.endpoint.address].add(o.endpoint.port)
            self._refused += [
                (record.number, Refusals(address=a, ports=PortSet.of(ports)))
                for a, ports in sorted(refusing.items(), key=lambda item: int(item[0]))
            ]
            said = [o for o in said if o.state is PortState.OPEN]
        self._heard += [
            replace(o, number=len(self._heard) + place, task=record.number)
            for place, o in enumerate(said, start=1)
        ]
        self._put(replace(record, state=TaskState.SETTLED, ended=self.now))

    def _timed(self, heard: Observation) -> Observation:
        if heard.method in BY_NMAP:
            return replace(heard, time=self.now)
        # masscan's clock has no fractions of a second.
        return replace(heard, time=heard.time // 1) if heard.method in SYN_METHODS else heard

    def _put(self, record: TaskRecord) -> None:
        self._records[record.task.key] = record

    # --- what can be asked of it afterwards ------------------------------------------------------

    def most_in_a_second(self, network: AddressSet, *, after: float) -> int:
        """The most SYNs that went to a network within a second, from a time on."""
        times = sorted(s.time for s in self.sent if s.where.address in network and s.time > after)
        return max(
            (bisect_left(times, t + 1.0) - place for place, t in enumerate(times)), default=0
        )
