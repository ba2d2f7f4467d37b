"""nmap: SYN, connect and version scans of exact groups, and sweeps where masscan cannot go."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pipeline.addresses import Address
from pipeline.budget import Demand, Lease
from pipeline.decide.pace import MARGIN
from pipeline.decide.scripts import MEASURED
from pipeline.model import (
    Answer,
    Endpoint,
    Hole,
    Method,
    Observation,
    PortState,
    Purpose,
    Refusals,
    Task,
)
from pipeline.parse import ParseError
from pipeline.parse.nmap_xml import HostResult, PortResult, read_nmap_xml
from pipeline.plan import Policy
from pipeline.ports import PortSet
from pipeline.process import Command, Finished

OUTPUT: Final = "nmap.xml"
SEARCHES: Final = frozenset({Purpose.SWEEP, Purpose.SECOND_LOOK, Purpose.RESWEEP})
"""Tasks that look for open ports: their refusals are kept as sets, their silence not at all."""
PACKETS_PER_SYN: Final = 2
"""A SYN, and the kernel's reset when a SYN-ACK comes back."""
PACKETS_PER_CONNECT: Final = 4
"""SYN, ACK, the acknowledgement of a greeting, and the reset that ends the connection."""
SWEEP_TIMEOUT: Final = 2.3
"""Seconds that a SYN sweep waits for each of two probes: together as long as slow paths take."""
SWEEP_PARALLELISM: Final = 200
"""Probes under way at once in a sweep. Where nobody answers nmap falls back to ten a second for all
hosts together; with this many under way it goes on at about as many a second (measured)."""
SILENT_RATE: Final = 10
"""Probes a second, for all hosts together, to which nmap falls back where nobody answers."""
LIGHT_INTENSITY: Final = 2
PACKETS_PER_LIGHT_VERSION_PROBE: Final = 15
PACKETS_PER_VERSION_PROBE: Final = 50
"""In the worst second, without scripts: measured 4 to 12 at intensity 2 and up to 48 at 7. nmap
cannot slow version probes and scripts down, so a task has few of them per host."""
PACKETS_OF_SCRIPTS: Final = 20
PACKETS_OF_SSH_HOSTKEY: Final = 55
"""ssh-hostkey opens a connection for each kind of key: 55 packets in one second were measured,
its version probe included, and up to 28 for the other scripts together."""


def version_packets(intensity: int, scripts: Sequence[str]) -> int:
    """Packets that one host may get in the worst second of one version probe."""
    base = (
        PACKETS_PER_LIGHT_VERSION_PROBE
        if intensity <= LIGHT_INTENSITY
        else PACKETS_PER_VERSION_PROBE
    )
    # What was not measured counts like the most expensive one that was.
    base += PACKETS_OF_SSH_HOSTKEY * sum(name not in MEASURED for name in scripts)
    if "ssh-hostkey" in scripts:
        return base + PACKETS_OF_SSH_HOSTKEY
    return base + PACKETS_OF_SCRIPTS if scripts else base


def affordable_scripts(intensity: int, scripts: tuple[str, ...], ceiling: int) -> tuple[str, ...]:
    """As many of the scripts as stay below ``ceiling`` packets to a host in a second."""
    without_hostkey = tuple(name for name in scripts if name != "ssh-hostkey")
    measured = tuple(name for name in without_hostkey if name in MEASURED)
    for some in (scripts, without_hostkey, measured):
        if version_packets(intensity, some) <= ceiling:
            return some
    return ()


def packets_per_probe(method: Method, policy: Policy) -> int:
    """Packets that leave for one probe of an open port."""
    if method is Method.NMAP_VERSION:
        return version_packets(policy.version_intensity, policy.scripts)
    return PACKETS_PER_CONNECT if method is Method.NMAP_CONNECT else PACKETS_PER_SYN


def retries(task: Task, policy: Policy) -> int:
    """How often a call repeats a probe without an answer.

    A second look does not: the next look is slower, which tells a limit from a loss. Nor does a
    sweep of a host that will be swept again.
    """
    again = task.purpose in (Purpose.SECOND_LOOK, Purpose.RESWEEP)
    return 0 if again else policy.nmap_max_retries


def demand(task: Task, policy: Policy) -> Demand:
    """Packets that a call would send, worst case: nothing answers, or everything is open."""
    hosts, ports = task.targets.addresses.size, len(task.ports)
    version = task.method is Method.NMAP_VERSION
    repeats = 1 if version else retries(task, policy) + 1
    to_a_host = ports * packets_per_probe(task.method, policy) * repeats
    return Demand(
        hosts=task.targets.addresses,
        packets=hosts * to_a_host,
        packets_to_a_host=to_a_host,
        most=task.pace * packets_per_probe(task.method, policy) or math.inf,
        sweep=task.purpose is Purpose.SWEEP,
        burst=version,
    )


def command(task: Task, policy: Policy, lease: Lease, program: Path) -> Command:
    """The call. ``--max-rate`` keeps the total, ``--scan-delay`` what one host gets."""
    per_probe = packets_per_probe(task.method, policy)
    rate = max(0.1, lease.rate * MARGIN / per_probe)
    options: list[tuple[str, str | None]] = [
        ("-n", None),
        ("-Pn", None),
        ("-p", str(task.ports)),
        ("-iL", "targets.txt"),
        ("-oX", OUTPUT),
        ("--stats-every", "5s"),
        # With it nmap lists hosts on this link that did not answer to ARP: asked, and silent.
        ("-v", None),
        ("--max-retries", str(retries(task, policy))),
    ]
    if task.method is Method.NMAP_VERSION:
        options += _version_options(task, policy)
    else:
        options.append(("-sT" if task.method is Method.NMAP_CONNECT else "-sS", None))
        wanted = demand(task, policy)
        # A call that sends less than a second's share in all cannot exceed it, however fast.
        if wanted.packets > lease.rate or task.pace:
            options.append(("--max-rate", f"{rate:.2f}"))
        sweeping = task.purpose in SEARCHES
        if sweeping:
            options += _sweeping(task, rate)
        per_host = _rate_per_host(task, policy, lease)
        if wanted.packets_to_a_host > per_host:
            # With many probes under way nmap keeps a host's delay less exactly.
            slack = 2 if sweeping else 1
            delay = math.ceil(1000 * slack * per_probe / (per_host * MARGIN))
            options += [("--scan-delay", f"{delay}ms"), ("--max-scan-delay", f"{delay}ms")]
    version = 6 if task.targets.family(6) else 4
    if version == 6:
        options.append(("-6", None))
    if policy.interface:
        options.append(("-e", policy.interface))
        source = policy.source_address
        # nmap quits when it is given a source of the other family.
        if source is not None and source.version == version:
            options.append(("-S", str(source)))
    return Command(
        program=str(program),
        options=tuple(options),
        targets=task.targets,
        deadline=_deadline(task, policy, lease, rate),
        progress_from="stdout",
        privileged=policy.privileged,
    )


def _sweeping(task: Task, rate: float) -> Iterator[tuple[str, str | None]]:
    """How a search is kept at its rate where nobody answers, and hears who answers late.

    nmap waits no longer for an answer than its host's refusals took, and so misses whatever is
    slow to accept. A connect scan forgets a probe that it gave up on, and hears nobody late however
    long this is.
    """
    patient = task.method is Method.NMAP_SYN
    wait = SWEEP_TIMEOUT if patient else 1.0
    parallel = int(min(SWEEP_PARALLELISM, rate) * wait)
    yield "--min-parallelism", str(max(1, parallel))
    if patient:
        yield "--min-rtt-timeout", f"{SWEEP_TIMEOUT * 1000:.0f}ms"


def _rate_per_host(task: Task, policy: Policy, lease: Lease) -> float:
    """Packets a second that one host may get from this call.

    Each further look at silent ports goes at half the rate of the one before: what was lost to a
    limit of the host answers then. An equal share of the task's pace is slow enough for anybody:
    the pieces of a network that turned against us are many rounds.
    """
    if task.purpose is not Purpose.SECOND_LOOK:
        return lease.rate_per_host
    halved = policy.ceilings.rate_per_host / 2.0 ** (task.round + 1)
    share = task.pace * packets_per_probe(task.method, policy) / task.targets.addresses.size
    return min(lease.rate_per_host, max(halved, share))


def _version_options(task: Task, policy: Policy) -> Iterator[tuple[str, str | None]]:
    yield ("-sS" if policy.privileged and policy.syn else "-sT"), None
    yield "-sV", None
    yield "--version-intensity", str(policy.version_intensity)
    # All hosts at once: each has few probes, and a silent service takes a minute and a half.
    yield "--min-parallelism", str(max(1, min(100, task.endpoints)))
    yield "--min-hostgroup", str(max(1, min(256, task.targets.addresses.size)))
    if policy.scripts:
        yield "--script", ",".join(policy.scripts)
        yield "--script-timeout", "30s"


def _deadline(task: Task, policy: Policy, lease: Lease, rate: float) -> float:
    """Seconds after which the call is hopeless: its sending time thrice, and what silence costs."""
    ports = len(task.ports)
    if task.method is Method.NMAP_VERSION:
        return 300.0 + 200.0 * ports * math.ceil(task.targets.addresses.size / 50)
    repeats = retries(task, policy) + 1
    in_silence = SWEEP_PARALLELISM if task.purpose in SEARCHES else SILENT_RATE
    sending = task.endpoints * repeats / min(rate, in_silence)
    per_probe = packets_per_probe(task.method, policy)
    per_host = ports * repeats * per_probe / _rate_per_host(task, policy, lease)
    return 120.0 + 3.0 * max(sending, per_host) + 2.0 * ports * repeats / 10


def answer(task: Task, folder: Path, finished: Finished) -> Answer:
    """Read what nmap wrote: observations, and a hole for all that it gave up on."""
    reading = _Reading(task, finished.ended)
    problem = _problem(finished)
    try:
        with (folder / OUTPUT).open("rb") as stream:
            run = read_nmap_xml(stream, reading.take)
    except FileNotFoundError:
        return Answer(complete=False, problem=problem or "nmap wrote no output")
    except ParseError as error:
        return Answer(complete=False, problem=problem or error.what)
    if not run.complete:
        # On one line: the error of a script comes with a stack trace.
        said = " ".join(run.error.split()) or "no end"
        problem = problem or f"nmap's output is not complete: {said}"
    return Answer(
        observations=tuple(reading.observations),
        holes=tuple(reading.holes()),
        refusals=tuple(reading.refusals()),
        complete=not problem,
        problem=problem,
        foreign=tuple(reading.foreign),
    )


def _problem(finished: Finished) -> str:
    if finished.timed_out:
        return "nmap did not end before its deadline and was stopped"
    if finished.stopped:
        return "nmap was stopped"
    if finished.signal is not None:
        return f"nmap was ended by signal {finished.signal}"
    if finished.exit_code != 0:
        said = finished.stderr_tail.strip().splitlines()
        return f"nmap exited with {finished.exit_code}: {said[-1] if said else 'no message'}"
    return ""


class _Reading:
    """Turns the hosts of one output into observations, and keeps count of what is missing."""

    def __init__(self, task: Task, ended: float) -> None:
        self._task = task
        self._ended = ended
        self._answered: dict[Address, set[int] | None] = {}
        self._timed_out: set[Address] = set()
        self._refused: dict[Address, list[int]] = defaultdict(list)
        self.observations: list[Observation] = []
        self.foreign: list[Endpoint] = []

    def take(self, host: HostResult) -> None:
        if host.address not in self._task.targets:
            self.foreign += [Endpoint(host.address, p.protocol, p.port) for p in host.ports]
            return
        if host.timed_out:
            self._timed_out.add(host.address)
            return
        time = host.ended or self._ended
        if not host.up:
            self._take_absent(host, time)
            return
        answered = self._answered.setdefault(host.address, set())
        for result in (*host.ports, *_collapsed(host, self._task)):
            endpoint = Endpoint(host.address, result.protocol, result.port)
            if result.port not in self._task.ports or result.protocol is not self._task.protocol:
                self.foreign.append(endpoint)
                continue
            if answered is not None:
                answered.add(result.port)
            if self._task.purpose in SEARCHES and result.state is not PortState.OPEN:
                if result.state is PortState.CLOSED:
                    self._refused[host.address].append(result.port)
                continue
            self.observations.append(self._observation(endpoint, result, time))

    def _take_absent(self, host: HostResult, time: float) -> None:
        """Nobody on this link has the address: every port was asked in vain."""
        self._answered[host.address] = set(self._task.ports)
        if self._task.purpose in SEARCHES:
            return
        for port in self._task.ports:
            endpoint = Endpoint(host.address, self._task.protocol, port)
            quiet = _quiet(self._task, port, PortState.FILTERED, "no-response")
            self.observations.append(self._observation(endpoint, quiet, time))

    def _observation(self, endpoint: Endpoint, result: PortResult, time: float) -> Observation:
        version = self._task.method is Method.NMAP_VERSION
        return Observation(
            endpoint=endpoint,
            method=self._task.method,
            purpose=self._task.purpose,
            state=result.state,
            reason=result.reason,
            time=time,
            round=self._task.round,
            ttl=result.ttl or None,
            service=result.service if version else None,
        )

    def refusals(self) -> Iterator[Refusals]:
        """What refused while open ports were looked for."""
        for address, ports in self._refused.items():
            yield Refusals(address=address, ports=PortSet.of(ports))

    def holes(self) -> Iterator[Hole]:
        """What was asked and is not in the answer: nmap gave up on it, or on its host."""
        for address in self._task.targets.addresses:
            if address in self._timed_out:
                yield Hole(address=address, ports=None, reason="host timed out")
                continue
            answered = self._answered.get(address)
            if answered is None:
                yield Hole(address=address, ports=None, reason="host missing in the output")
                continue
            missing = PortSet.of(port for port in self._task.ports if port not in answered)
            if missing:
                yield Hole(address=address, ports=missing, reason="nmap gave up on the port")


def _collapsed(host: HostResult, task: Task) -> Iterator[PortResult]:
    """The ports that nmap counted instead of listing them, one by one."""
    listed = {result.port for result in host.ports}
    for extra in host.extra:
        named = [reason for reason in extra.reasons if reason.ports is not None]
        for reason in named:
            for port in reason.ports or ():
                yield _quiet(task, port, extra.state, reason.reason)
        if not named and len(host.extra) == 1:
            # Before 7.93 nmap did not name them; with one state collapsed they are all the rest.
            rest = [port for port in task.ports if port not in listed]
            if len(rest) == extra.count:
                said = extra.reasons[0].reason if extra.reasons else ""
                for port in rest:
                    yield _quiet(task, port, extra.state, said)


def _quiet(task: Task, port: int, state: PortState, reason: str) -> PortResult:
    return PortResult(
        protocol=task.protocol,
        port=port,
        state=state,
        reason=singular(reason),
        ttl=None,
        service=None,
    )


def singular(reason: str) -> str:
    """nmap writes collapsed reasons in the plural: resets, no-responses, host-unreaches."""
    for plural, one in (("resets", "reset"), ("no-responses", "no-response")):
        if reason == plural:
            return one
    if reason.endswith("prohibiteds"):
        return reason[:-1]
    return reason.removesuffix("es") if reason.endswith("unreaches") else reason
