"""masscan: one sweep of a batch, or of a slice of its ports."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Final

from pipeline.addresses import Address, AddressSet
from pipeline.budget import Demand, Lease
from pipeline.decide.pace import (
    MARGIN,
    PACKETS_PER_SWEEP_PROBE,
    Ceilings,
    masscan_probes,
    masscan_rate,
    sweep_rate_over,
)
from pipeline.model import Answer, Endpoint, Observation, PortState, Refusals, Task
from pipeline.parse.masscan import Hit, read_masscan_ndjson
from pipeline.plan import Policy
from pipeline.ports import PortSet
from pipeline.process import Command, Finished

OUTPUT: Final = "hits.ndjson"
PAUSED: Final = "paused.conf"
"""masscan leaves this when it was interrupted, although it then exits with 0."""
OVERHEAD: Final = 8.0
"""Seconds that a call takes besides sending and waiting: finding the router, starting to listen."""


def demand(task: Task, policy: Policy) -> Demand:
    """Packets that a sweep would send, worst case: every port open, every SYN-ACK reset."""
    allowed = sweep_rate_over(task.targets.addresses, policy.ceilings)
    rate = masscan_rate(task.endpoints, allowed, policy.masscan_retries)
    probes = masscan_probes(task.endpoints, rate, policy.masscan_retries)
    return Demand(
        hosts=task.targets.addresses,
        packets=probes * PACKETS_PER_SWEEP_PROBE,
        packets_to_a_host=probes * PACKETS_PER_SWEEP_PROBE,
        most=rate * PACKETS_PER_SWEEP_PROBE,
        sweep=True,
        spread=True,
    )


def seconds(task: Task, rate: float, policy: Policy) -> float:
    """How long a call takes that sends ``rate`` SYNs per second."""
    probes = masscan_probes(task.endpoints, rate, policy.masscan_retries)
    return probes / rate + policy.masscan_wait + OVERHEAD


def command(
    task: Task, policy: Policy, lease: Lease, program: Path, excluded: AddressSet, seed: int
) -> Command:
    """The call. The exclusions go along as a second belt: no target lies in them."""
    # The lease may leave less of the other ceilings than the whole of them.
    ceilings = replace(
        policy.ceilings,
        rate_per_host=max(1, int(lease.rate_per_host)),
        rate_per_network=_left_for_a_network(policy.ceilings, lease),
    )
    allowed = min(
        lease.rate / PACKETS_PER_SWEEP_PROBE,
        sweep_rate_over(task.targets.addresses, ceilings),
    )
    rate = max(0.1, masscan_rate(task.endpoints, allowed, policy.masscan_retries))
    options: list[tuple[str, str | None]] = [
        ("--includefile", "targets.txt"),
        ("--ports", str(task.ports)),
        # Rounded down: at small rates half a hundredth is worth counting.
        ("--rate", f"{math.floor(rate * 100) / 100:.2f}"),
        ("--retries", str(policy.masscan_retries)),
        ("--wait", str(policy.masscan_wait)),
        ("--seed", str(seed)),
        # Refusals tell that a host answers, and with it what its silence means.
        ("--show", "all"),
        # masscan resets whatever answers, refusals included. The kernel resets what is open, as it
        # does for nmap, and a refusal needs no answer.
        ("--noreset", None),
        ("--output-format", "ndjson"),
        ("--output-filename", OUTPUT),
    ]
    if excluded:
        options.insert(1, ("--excludefile", "exclude.txt"))
    if policy.interface:
        options.append(("--interface", policy.interface))
    if policy.source_address:
        options.append(("--source-ip", str(policy.source_address)))
    return Command(
        program=str(program),
        options=tuple(options),
        targets=task.targets,
        deadline=seconds(task, rate, policy) * 1.3 + 20,
        excluded=excluded or None,
        target_format="ranges",
        progress_from="stderr",
    )


def _left_for_a_network(ceilings: Ceilings, lease: Lease) -> int | None:
    # The lease is below the ceiling by its margin, which sweep_rate takes off again.
    if ceilings.rate_per_network is None:
        return None
    return max(1, int(lease.rate_per_network / MARGIN))


def answer(task: Task, folder: Path, finished: Finished) -> Answer:
    """Read what masscan wrote. An empty file after a proper end is a complete, empty answer."""
    seen: list[Observation] = []
    foreign: list[Endpoint] = []
    refused: dict[Address, set[int]] = defaultdict(set)

    def take(hit: Hit) -> None:
        endpoint = Endpoint(hit.address, hit.protocol, hit.port)
        asked = hit.address in task.targets and hit.port in task.ports
        if not asked or hit.protocol is not task.protocol:
            foreign.append(endpoint)
            return
        if hit.state is not PortState.OPEN:
            refused[hit.address].add(hit.port)
            return
        seen.append(
            Observation(
                endpoint=endpoint,
                method=task.method,
                purpose=task.purpose,
                state=hit.state,
                reason=hit.reason,
                time=hit.time,
                ttl=hit.ttl,
                banner=hit.banner,
            )
        )

    output = folder / OUTPUT
    if not output.exists():
        return Answer(complete=False, problem=_problem(finished) or "masscan wrote no output")
    with output.open("rb") as stream:
        run = read_masscan_ndjson(stream, take)
    problem = _problem(finished)
    if (folder / PAUSED).exists():
        problem = problem or "masscan was interrupted before it had sent everything"
    if run.truncated:
        problem = problem or "masscan's output is cut off"
    return Answer(
        observations=tuple(seen),
        refusals=tuple(
            Refusals(address=address, ports=PortSet.of(ports)) for address, ports in refused.items()
        ),
        complete=not problem,
        problem=problem,
        foreign=tuple(foreign),
    )


def _problem(finished: Finished) -> str:
    if finished.timed_out:
        return "masscan did not end before its deadline and was stopped"
    if finished.stopped:
        return "masscan was stopped"
    if finished.signal is not None:
        return f"masscan was ended by signal {finished.signal}"
    if finished.exit_code != 0:
        said = finished.stderr_tail.strip().splitlines()
        # The first complaint names the cause; what follows are hints.
        blamed = [line for line in said if line.startswith(("[-]", "FAIL"))] or said[-1:]
        return f"masscan exited with {finished.exit_code}: {blamed[0] if blamed else 'no message'}"
    return ""
