"""nmap by UDP: sweeps, scans of exact groups, and version probes; what it sends and what it costs.

nmap sends its own payloads to the ports that it knows, several at once to some of them, and the
kernel refuses each answer (ICMP), since no socket waits for it. A closed port is known by the
refusal of its host, and hosts limit those: Linux sends one a second and peer after the first six.
A sweep does not wait for them, because it looks for answers only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from pipeline.budget import Demand, Lease
from pipeline.decide.pace import MARGIN
from pipeline.decide.udp_pace import PACKETS_PER_PAYLOAD, payloads, payloads_per_second
from pipeline.model import Method, Purpose, Task
from pipeline.plan import Policy
from pipeline.process import Command
from pipeline.tools.nmap import OUTPUT, SILENT_RATE, SWEEP_PARALLELISM, version_packets


def packets_per_probe(task: Task, policy: Policy) -> int:
    """Packets that leave at most for one probe of one of these ports."""
    if task.method is Method.NMAP_VERSION:
        return version_packets(policy.version_intensity, ())
    return payloads(task.ports) * PACKETS_PER_PAYLOAD


def demand(task: Task, policy: Policy) -> Demand:
    """Packets that a call would send, worst case: every port answers, or none does."""
    hosts = task.targets.addresses.size
    to_a_host = len(task.ports) * packets_per_probe(task, policy) * _repeats(task, policy)
    return Demand(
        hosts=task.targets.addresses,
        packets=hosts * to_a_host,
        packets_to_a_host=to_a_host,
        sweep=task.purpose is Purpose.SWEEP,
        burst=task.method is Method.NMAP_VERSION,
    )


def _repeats(task: Task, policy: Policy) -> int:
    return 1 if task.method is Method.NMAP_VERSION else policy.nmap_max_retries + 1


def command(task: Task, policy: Policy, lease: Lease, program: Path) -> Command:
    """The call. ``--max-rate`` keeps the total, ``--scan-delay`` what one host gets."""
    rate = payloads_per_second(task.ports, lease.rate)
    version = 6 if task.targets.family(6) else 4
    options: list[tuple[str, str | None]] = [
        ("-n", None),
        ("-Pn", None),
        ("-p", str(task.ports)),
        ("-iL", "targets.txt"),
        ("-oX", OUTPUT),
        ("--stats-every", "5s"),
        ("-v", None),
        ("--max-retries", str(policy.nmap_max_retries)),
        ("-sU", None),
    ]
    if task.method is Method.NMAP_VERSION:
        options += [
            ("-sV", None),
            ("--version-intensity", str(policy.version_intensity)),
            ("--min-parallelism", str(max(1, min(100, task.endpoints)))),
            ("--min-hostgroup", str(max(1, min(256, task.targets.addresses.size)))),
        ]
    else:
        options += _pace(task, policy, lease, rate)
    if version == 6:
        options.append(("-6", None))
    if policy.interface:
        options.append(("-e", policy.interface))
        source = policy.source_address
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


def _pace(
    task: Task, policy: Policy, lease: Lease, rate: float
) -> Iterator[tuple[str, str | None]]:
    wanted, sweeping = demand(task, policy), task.purpose is Purpose.SWEEP
    if wanted.packets > lease.rate:
        yield "--max-rate", f"{rate:.2f}"
    if sweeping:
        # Silent ports are then called closed|filtered, and nobody waits for limited refusals.
        yield "--defeat-icmp-ratelimit", None
        yield "--min-parallelism", str(max(1, min(SWEEP_PARALLELISM, int(rate))))
    if wanted.packets_to_a_host > lease.rate_per_host:
        # With many probes under way nmap keeps a host's delay less exactly.
        slack = 2 if sweeping else 1
        per_probe = packets_per_probe(task, policy)
        delay = math.ceil(1000 * slack * per_probe / (lease.rate_per_host * MARGIN))
        yield "--scan-delay", f"{delay}ms"
        yield "--max-scan-delay", f"{delay}ms"


def _deadline(task: Task, policy: Policy, lease: Lease, rate: float) -> float:
    """Seconds after which the call is hopeless: its sending time thrice, and what silence costs."""
    ports = len(task.ports)
    if task.method is Method.NMAP_VERSION:
        return 300.0 + 200.0 * ports * math.ceil(task.targets.addresses.size / 50)
    repeats = _repeats(task, policy)
    in_silence = SWEEP_PARALLELISM if task.purpose is Purpose.SWEEP else SILENT_RATE
    sending = task.endpoints * repeats / min(rate / payloads(task.ports), in_silence)
    per_host = ports * repeats * packets_per_probe(task, policy) / lease.rate_per_host
    # Without the sweep's option nmap slows down to one probe a second where refusals are limited.
    limited = 0.0 if task.purpose is Purpose.SWEEP else 1.0 * ports * repeats
    return 120.0 + 3.0 * max(sending, per_host) + 2.0 * limited
