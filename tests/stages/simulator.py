"""A network of a few lines: hosts that answer tasks, and a notebook in place of the ledger.

Nothing is sent. What each kind of host says to each method follows the measured table of what
fools whom: SYN proxies and catch-all listeners answer every scan, and only what follows the
handshake tells them from services.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol as Shape

from pipeline.addresses import Address, parse_address
from pipeline.decide.questions import verdicts
from pipeline.model import (
    Aftermath,
    Answer,
    Batch,
    Endpoint,
    Evidence,
    Hole,
    Method,
    Observation,
    PortState,
    Purpose,
    Service,
    Task,
    TaskRecord,
    TaskState,
    Verdict,
)
from pipeline.plan import Policy
from stages import NETWORK_STAGES
from tests.decide.making import START, evidence

SSH = Service(name="ssh", product="OpenSSH", version="9.2", method="probed")
FRAGILE = range(9100, 9108)
SYN_METHODS = (Method.MASSCAN_SYN, Method.NMAP_SYN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back from one port; silence is ``None``."""

    state: PortState
    reason: str
    aftermath: Aftermath | None = None
    banner: str = ""
    service: Service | None = None
    ttl: int | None = None


class Host(Shape):
    """Anything that answers."""

    def reply(self, method: Method, port: int, now: float) -> Reply | None:
        """The answer of one port to one probe at a time."""


def accepted(method: Method, aftermath: Aftermath, banner: str = "") -> Reply:
    """An open port, as each method sees it."""
    return Reply(
        state=PortState.OPEN,
        reason="syn-ack",
        aftermath=aftermath if method is Method.HANDSHAKE else None,
        banner=banner if method is Method.HANDSHAKE else "",
        service=SSH if method is Method.NMAP_VERSION and banner else None,
    )


def refused(method: Method) -> Reply:
    """A closed port, as each method sees it."""
    raw = method in (*SYN_METHODS, Method.NMAP_VERSION)
    return Reply(state=PortState.CLOSED, reason="reset" if raw else "conn-refused")


@dataclass(frozen=True, slots=True)
class Honest:
    """Services and what they say (nothing: silent); every other port refuses, or is dropped."""

    services: Mapping[int, str]
    refuses: bool = True

    def reply(self, method: Method, port: int, now: float) -> Reply | None:
        banner = self.services.get(port)
        if banner is not None:
            # Nobody speaks to a fragile port, so nothing can be acknowledged there.
            quiet = Aftermath.SILENCE if port in FRAGILE else Aftermath.ACKNOWLEDGED
            return accepted(method, Aftermath.DATA if banner else quiet, banner)
        return refused(method) if self.refuses else None


@dataclass(frozen=True, slots=True)
class Pretending:
    """Answers on every port, and this is what follows; real services stand behind some."""

    aftermath: Aftermath
    services: Mapping[int, str] = field(default_factory=dict)

    def reply(self, method: Method, port: int, now: float) -> Reply | None:
        if port in self.services:
            return accepted(method, Aftermath.DATA, self.services[port])
        return accepted(method, self.aftermath)


TARPIT = Pretending(Aftermath.UNACKNOWLEDGED)
CATCH_ALL = Pretending(Aftermath.ACKNOWLEDGED)


@dataclass(frozen=True, slots=True)
class Flapping:
    """Its ports are open for ``period`` seconds, and then closed for as long."""

    ports: frozenset[int]
    period: float

    def reply(self, method: Method, port: int, now: float) -> Reply | None:
        if port in self.ports and (now - START) // self.period % 2 == 0:
            return accepted(method, Aftermath.DATA, "220 ready")
        return refused(method)


@dataclass(frozen=True, slots=True)
class Changing:
    """One host until a time, and another one from then on."""

    before: Host
    after: Host
    at: float

    def reply(self, method: Method, port: int, now: float) -> Reply | None:
        return (self.before if now < START + self.at else self.after).reply(method, port, now)


@dataclass(frozen=True, slots=True)
class Deaf:
    """Does not hear some methods at some times (seconds from the start): a filter, a block."""

    host: Host
    to: Callable[[Method, float], bool]

    def reply(self, method: Method, port: int, now: float) -> Reply | None:
        return None if self.to(method, now - START) else self.host.reply(method, port, now)


@dataclass(frozen=True, slots=True)
class Lossy:
    """Loses probes at random, the same ones for the same seed."""

    host: Host
    share: float
    chance: random.Random

    def reply(self, method: Method, port: int, now: float) -> Reply | None:
        if self.chance.random() < self.share:
            return None
        return self.host.reply(method, port, now)


@dataclass(frozen=True, slots=True)
class Network:
    """Hosts by address; at other addresses there is nobody."""

    hosts: Mapping[Address, Host]

    def answer(self, task: Task, now: float) -> Answer:
        """What a tool that works would make of a task."""
        found = []
        for address in task.targets.addresses:
            host = self.hosts.get(address)
            for port in task.ports:
                where = Endpoint(address, task.protocol, port)
                reply = host.reply(task.method, port, now) if host else None
                found.append(_observation(task, where, reply, now))
        if task.purpose is Purpose.SWEEP:
            found = [o for o in found if o.state is PortState.OPEN]
        return Answer(observations=tuple(found))


def network(hosts: Mapping[str, Host]) -> Network:
    """A network from addresses as texts."""
    return Network({parse_address(text): host for text, host in hosts.items()})


def _observation(task: Task, where: Endpoint, reply: Reply | None, now: float) -> Observation:
    reply = reply or Reply(state=PortState.FILTERED, reason="no-response")
    return Observation(
        endpoint=where,
        method=task.method,
        purpose=task.purpose,
        state=reply.state,
        reason=reply.reason,
        time=now,
        round=task.round,
        aftermath=reply.aftermath,
        banner=reply.banner,
        service=reply.service,
    )


class Notebook:
    """Files, answers and settles the tasks of one batch, as the engine and the ledger would."""

    def __init__(
        self,
        batch: Batch,
        policy: Policy,
        hosts: Network,
        *,
        fails: Callable[[Task], bool] = lambda _: False,
    ) -> None:
        self.batch = batch
        self.policy = policy
        self.now = START
        self.steps = 0
        self._hosts = hosts
        self._fails = fails
        self._records: dict[str, TaskRecord] = {}
        self._heard: list[Observation] = []
        self._holes: list[tuple[int, Hole]] = []

    @property
    def evidence(self) -> Evidence:
        """All that is known by now."""
        return evidence(self.batch, self._records.values(), self._heard, self._holes)

    @property
    def tasks(self) -> list[Task]:
        """Everything that was asked, in order."""
        return [record.task for record in self._records.values()]

    def step(self, stages: Sequence[Callable[[Evidence, Policy], Iterable[Task]]]) -> bool:
        """Plan, then answer what is due. False when nothing is left to ask."""
        known = self.evidence
        for task in [task for plan in stages for task in plan(known, self.policy)]:
            record = TaskRecord(number=len(self._records) + 1, task=task, state=TaskState.PLANNED)
            self._records.setdefault(task.key, record)
        planned = [r for r in self._records.values() if r.state is TaskState.PLANNED]
        if not planned:
            return False
        self.steps += 1
        self.now = max(self.now + 1, min(record.task.not_before for record in planned))
        for record in planned:
            if record.task.not_before <= self.now:
                self._settle(record)
        return True

    def play(self, *, at_most: int = 100) -> dict[Endpoint, Verdict]:
        """Step until nothing is left to ask; the verdicts."""
        while self.step(NETWORK_STAGES):
            assert self.steps < at_most, "the stages never come to an end"
        return verdicts(self.evidence)

    def _settle(self, record: TaskRecord) -> None:
        failed = self._fails(record.task)
        state = TaskState.FAILED if failed else TaskState.SETTLED
        self._records[record.task.key] = replace(record, state=state, ended=self.now)
        if not failed:
            self._heard += [
                replace(observation, number=len(self._heard) + place, task=record.number)
                for place, observation in enumerate(
                    self._hosts.answer(record.task, self.now).observations, start=1
                )
            ]
        elif record.task.purpose is not Purpose.SWEEP:
            self._holes += [
                (record.number, Hole(address=address, ports=None, reason="failed"))
                for address in record.task.targets.addresses
            ]
