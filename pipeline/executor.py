"""Carry out one task: the right tool, its command, its output as an answer.

The engine hands over a task and a lease, and gets an answer or an error; it does not know tools.
This executor works in its own process; others may take the task to another machine.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pipeline import wire
from pipeline.addresses import Address, AddressSet
from pipeline.budget import Demand, Lease, sending_time
from pipeline.decide.fragile import is_fragile
from pipeline.decide.permits import Permits
from pipeline.errors import NotAdmitted, ToolError
from pipeline.evidence import keep
from pipeline.files import make_private_folder, open_private
from pipeline.model import (
    Aftermath,
    Answer,
    Endpoint,
    Hole,
    Method,
    Observation,
    PortState,
    Protocol,
    Task,
)
from pipeline.parse import ParseError
from pipeline.plan import EvidenceKept, Policy
from pipeline.process import Command, Finished, run
from pipeline.redact import Redactor
from pipeline.scope import Scope
from pipeline.tools import datagram, handshake, masscan, nmap, nmap_udp
from pipeline.wire import HandshakeResult

NOT_IN_SCOPE: Final = "no longer in the scope"
"""The reason of a hole where an address was excluded after the task had been planned."""
HANDSHAKES: Final = "handshakes.jsonl"
DATAGRAMS: Final = "datagrams.jsonl"
HANDSHAKES_AT_ONCE: Final = 256
"""Of one task, unless this machine has too few descriptors for so many sockets."""
_PATIENCE: Final = 20.0
"""Seconds that the last question of a task of our own may take: connecting, listening, speaking."""
_EVIDENCE: Final = {
    Method.MASSCAN_SYN: masscan.OUTPUT,
    Method.HANDSHAKE: HANDSHAKES,
    Method.DATAGRAM: DATAGRAMS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """Carries out tasks on this machine.

    ``scope`` and ``permits`` are asked right before anything is sent; ``programs`` are the
    absolute paths of the tools; ``excluded`` goes along to masscan; ``keep_open`` are descriptors
    held by every tool's guard (the workspace's lock), which stops the tool when there is a file
    ``order``; ``at_once`` is how many sockets one task of handshakes may have.
    Answers come back without secrets, and of what was written ``evidence`` is what is kept.
    """

    policy: Policy
    scope: Callable[[], Scope]
    programs: Mapping[str, Path]
    excluded: AddressSet
    seed: int
    keep_open: tuple[int, ...] = ()
    order: Path | None = None
    at_once: int = HANDSHAKES_AT_ONCE
    redactor: Redactor = field(default_factory=Redactor)
    evidence: EvidenceKept = EvidenceKept.REDACTED
    now: Callable[[], float] = field(default=time.time)
    permits: Callable[[], Permits] = Permits

    def demand(self, task: Task) -> Demand:
        """What a task would send."""
        match task.method:
            case Method.MASSCAN_SYN:
                return masscan.demand(task, self.policy)
            case Method.HANDSHAKE:
                return handshake.demand(task, self.policy)
            case Method.DATAGRAM:
                return datagram.demand(task, self.policy)
            case _ if task.protocol is Protocol.UDP:
                return nmap_udp.demand(task, self.policy)
            case _:
                return nmap.demand(task, self.policy)

    def command(self, task: Task, lease: Lease) -> Command | None:
        """The command line of a task; ``None`` for what we do ourselves, which needs no tool."""
        match task.method:
            case Method.HANDSHAKE | Method.DATAGRAM:
                return None
            case Method.MASSCAN_SYN:
                return masscan.command(
                    task,
                    self.policy,
                    lease,
                    self._program("masscan"),
                    self.excluded,
                    # Another order for each batch, the same one when it is asked again.
                    (self.seed + task.batch) % 2**31,
                )
            case _ if task.protocol is Protocol.UDP:
                return nmap_udp.command(task, self.policy, lease, self._program("nmap"))
            case _:
                return nmap.command(task, self.policy, lease, self._program("nmap"))

    def deadline(self, task: Task, lease: Lease) -> float:
        """Seconds after which a task with this lease has ended, one way or the other."""
        command = self.command(task, lease)
        if command is not None:
            return command.deadline
        demand = self.demand(task)
        sending = sending_time(demand, lease, self.policy.ceilings)
        gently = task.endpoints / task.pace if task.pace else 0.0
        return max(sending, gently) + _PATIENCE

    async def carry_out(
        self,
        task: Task,
        lease: Lease,
        folder: Path,
        *,
        stop: asyncio.Event,
        on_progress: Callable[[str], None],
    ) -> Answer:
        """Ask, and read the answer.

        Raises :class:`ToolError`, ``DiskFull``, ``NotAdmitted``, or ``NotAuthorised`` for what the
        authorisation does not permit.

        What the scope excludes by now is left out, and a hole in the answer.
        """
        scripts = task.method is Method.NMAP_VERSION and bool(self.policy.scripts)
        may = self.policy.ceilings
        self.permits().require(
            task, rate=may.rate, rate_per_host=may.rate_per_host, scripts=scripts
        )
        out = task.targets.addresses - self.scope().admitted
        if out and out != task.targets.addresses:
            rest = replace(task, targets=task.targets.only(task.targets.addresses - out))
            answer = await self.carry_out(rest, lease, folder, stop=stop, on_progress=on_progress)
            left_out = tuple(Hole(address=a, ports=None, reason=NOT_IN_SCOPE) for a in out)
            return replace(answer, holes=(*answer.holes, *left_out))
        command = self.command(task, lease)
        if command is None:
            ask = self._datagrams if task.method is Method.DATAGRAM else self._handshakes
            return self.redactor.answer(await ask(task, lease, folder, stop))
        try:
            finished = await run(
                command,
                folder=folder,
                scope=self.scope,
                keep_open=self.keep_open,
                order=self.order,
                on_progress=on_progress,
                stop=stop,
            )
            answer = await asyncio.to_thread(_read, command, task, folder, finished)
        except NotAdmitted:
            # Some of it was excluded while the files were laid out: the rest may be sent.
            if task.targets.addresses & self.scope().admitted:
                return await self.carry_out(task, lease, folder, stop=stop, on_progress=on_progress)
            raise
        except BaseException:
            keep(folder, self.redactor, self.evidence)
            raise
        # From the raw text, so that what is kept of it changes no verdict.
        await asyncio.to_thread(keep, folder, self.redactor, self.evidence)
        return await asyncio.to_thread(self.redactor.answer, answer)

    def evidence_hash(self, task: Task, folder: Path) -> str:
        """SHA-256 of the file that a task's answer was read from; empty when there is none."""
        path = folder / _EVIDENCE.get(task.method, nmap.OUTPUT)
        if not path.exists():
            return ""
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def _program(self, name: str) -> Path:
        try:
            return self.programs[name]
        except KeyError:
            raise ToolError(
                f"{name} is needed to go on and is not installed",
                hint="install it, then go on with `portproof resume`",
            ) from None

    async def _handshakes(
        self, task: Task, lease: Lease, folder: Path, stop: asyncio.Event
    ) -> Answer:
        seen: list[Observation] = []
        holes: list[Hole] = []
        delays: list[tuple[Address, float]] = []

        def take(result: HandshakeResult | Hole) -> None:
            if isinstance(result, Hole):
                holes.append(result)
            else:
                if result.connect_seconds is not None:
                    delays.append((result.target.address, result.connect_seconds))
                seen.append(_observation(task, result, listened=how.listen > 0))

        policy = self.policy
        how = handshake.manner(task, policy)
        pace = handshake.pacer(task, policy, lease)
        for version, fragile in itertools.product((4, 6), (False, True)):
            pairs = [
                (target, port)
                for target in task.targets.family(version)
                for port in task.ports
                if is_fragile(target.address, port, policy) is fragile
                for _ in range(how.times)
            ]
            if not pairs:
                continue
            source = policy.source_address
            # A socket cannot be bound to an address of the other family.
            ours = str(source) if source is not None and source.version == version else None
            await wire.handshakes(
                pairs,
                pace=pace,
                at_most=self.at_once,
                stop=stop,
                on_result=take,
                scope=self.scope,
                connect_timeout=how.connect_timeout,
                listen=how.listen,
                speak=how.speaks and not fragile,
                source_address=ours,
                interface=policy.interface,
                expected=how.expected,
            )
        self._write_lines(folder, HANDSHAKES, seen, holes)
        return Answer(
            observations=handshake.count_votes(seen) if how.times > 1 else tuple(seen),
            holes=tuple(holes),
            delays=tuple(delays),
            complete=not stop.is_set(),
            problem="stopped" if stop.is_set() else "",
        )

    async def _datagrams(
        self, task: Task, lease: Lease, folder: Path, stop: asyncio.Event
    ) -> Answer:
        answer = await datagram.ask(
            task, self.policy, lease, scope=self.scope, at_once=self.at_once, stop=stop
        )
        self._write_lines(folder, DATAGRAMS, answer.observations, answer.holes)
        return answer

    def _write_lines(
        self, folder: Path, name: str, seen: Iterable[Observation], holes: Iterable[Hole]
    ) -> None:
        """What we asked ourselves as evidence, in the state that is to be kept."""
        if self.evidence is EvidenceKept.NONE:
            return
        if self.evidence is EvidenceKept.REDACTED:
            seen = map(self.redactor.observation, seen)
        lines = [_line(o) for o in sorted(seen, key=lambda o: o.endpoint.sort_key)]
        lines += [
            {"address": str(h.address), "ports": str(h.ports or ""), "gave_up": h.reason}
            for h in holes
        ]
        make_private_folder(folder)
        descriptor = open_private(folder / name, os.O_TRUNC | os.O_WRONLY)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.writelines(json.dumps(line) + "\n" for line in lines)


def _read(command: Command, task: Task, folder: Path, finished: Finished) -> Answer:
    try:
        if task.method is Method.MASSCAN_SYN:
            return masscan.answer(task, folder, finished)
        return nmap.answer(task, folder, finished)
    except ParseError as error:
        # One command's nonsense is no reason to give up the run.
        problem = f"what {command.name} wrote cannot be read: {error.what}"
        return Answer(complete=False, problem=problem)


def _observation(task: Task, result: HandshakeResult, *, listened: bool) -> Observation:
    aftermath = result.aftermath
    if aftermath is Aftermath.RESET and result.spoke:
        aftermath = Aftermath.REJECTED
    return Observation(
        endpoint=Endpoint(result.target.address, task.protocol, result.port),
        method=task.method,
        purpose=task.purpose,
        state=result.state,
        reason=result.reason,
        time=result.ended,
        round=task.round,
        source_port=result.source_port,
        # Who left at once cannot tell what would have followed.
        aftermath=aftermath if result.state is PortState.OPEN and listened else None,
        banner=result.banner.decode("utf-8", "backslashreplace"),
    )


def _line(observation: Observation) -> dict[str, object]:
    return {
        "endpoint": str(observation.endpoint),
        "state": observation.state,
        "reason": observation.reason,
        "aftermath": observation.aftermath,
        "banner": observation.banner,
        "time": observation.time,
    }
