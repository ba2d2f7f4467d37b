"""What a run would do: the numbers and the exact command lines, without doing any of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.budget import Budget
from pipeline.decide.pace import PACKETS_PER_SWEEP_PROBE
from pipeline.executor import Executor
from pipeline.model import Batch, Evidence, Method, Purpose, StageName, Task
from pipeline.plan import Policy, RunPlan
from pipeline.ports import PortSet
from pipeline.render.text import duration
from pipeline.tools import masscan
from pipeline.tools.nmap import packets_per_probe
from pipeline.vantage import survey
from stages import discover
from stages.authorise import batches

_SHOWN = 8
_LISTED = 100

_Shape = tuple[int, ...]


def preview(plan: RunPlan) -> dict[str, Any]:
    """A run's plan as plain data. Packets and seconds are those of discovery alone.

    ``discovery_commands`` are the first hundred.
    """
    executor = _executor(plan)
    sweeps: list[str] = []
    packets, seconds, count, commands = 0.0, 0.0, 0, 0
    # A large scope has a million commands; batches of one shape differ in their addresses only.
    costs: dict[_Shape, tuple[int, float, float]] = {}
    for batch in batches(plan, ()):
        count += 1
        shape = _shape(batch, plan.policy)
        if shape not in costs or len(sweeps) < _LISTED:
            tasks = discover.plan(Evidence(batch=batch), plan.policy)
            found = [_sweep(task, plan, executor) for task in tasks]
            sweeps += [line for line, _, _ in found[: _LISTED - len(sweeps)]]
            costs[shape] = len(found), sum(f[1] for f in found), sum(f[2] for f in found)
        number, sent, took = costs[shape]
        commands, packets, seconds = commands + number, packets + sent, seconds + took
    admitted = plan.scope.admitted
    ceilings = plan.policy.ceilings
    return {
        "client": plan.client,
        "engagement": plan.engagement,
        "addresses": admitted.size,
        "networks": list(admitted.networks()[:_SHOWN]),
        "ports": len(plan.policy.ports),
        "endpoints": admitted.size * len(plan.policy.ports),
        "batches": count,
        "discovery_probes": round(packets),
        "discovery_seconds": round(seconds),
        "rate": ceilings.rate,
        "rate_per_host": ceilings.rate_per_host,
        "methods": [plan.policy.sweep, *plan.policy.methods],
        "rescan_delays": list(plan.policy.rescan_delays),
        "notes": list(plan.notes),
        "discovery_commands": sweeps,
        "discovery_command_count": commands,
        "follow_up_commands": list(_follow_ups(plan, executor)),
    }


def _shape(batch: Batch, policy: Policy) -> _Shape:
    """What the sweeps of a batch depend on besides its addresses."""
    near = batch.targets.addresses & policy.beyond_sweep
    far = batch.targets.addresses - near
    return tuple(part.family(version).size for part in (near, far) for version in (4, 6))


def _executor(plan: RunPlan) -> Executor:
    return Executor(
        policy=plan.policy,
        scope=lambda: plan.scope,
        programs=survey().programs,
        excluded=plan.excluded,
        seed=plan.seed,
    )


def _sweep(task: Task, plan: RunPlan, executor: Executor) -> tuple[str, float, float]:
    demand = executor.demand(task)
    lease = Budget(plan.policy.ceilings, time.monotonic).lease(demand)
    assert lease is not None, "an empty budget always covers one task"
    command = executor.command(task, lease)
    line = " ".join(command.argv) if command else "portproof handshake"
    per_probe = (
        PACKETS_PER_SWEEP_PROBE
        if task.method is Method.MASSCAN_SYN
        else packets_per_probe(task.method, plan.policy)
    )
    probes = demand.packets / per_probe
    if task.method is Method.MASSCAN_SYN:
        return line, probes, masscan.seconds(task, lease.rate / per_probe, plan.policy)
    slowest = max(demand.packets / lease.rate, demand.packets_to_a_host / lease.rate_per_host)
    return line, probes, slowest + 1.0


def _follow_ups(plan: RunPlan, executor: Executor) -> Iterator[str]:
    """The later commands as they would read for the first address and port of the scope."""
    batch: Batch | None = next(batches(plan, ()), None)
    if batch is None:
        return
    first = next(batch.targets.slices(1))
    port = PortSet.of([next(iter(plan.policy.ports))])
    methods = [(method, Purpose.NAMED) for method in plan.policy.methods]
    if plan.policy.version_probe:
        methods.append((Method.NMAP_VERSION, Purpose.VERSION))
    for method, purpose in methods:
        task = Task(
            batch=1,
            stage=StageName.CORROBORATE,
            method=method,
            purpose=purpose,
            targets=first,
            protocol=batch.protocol,
            ports=port,
        )
        lease = Budget(plan.policy.ceilings, time.monotonic).lease(executor.demand(task))
        assert lease is not None, "an empty budget always covers one task"
        command = executor.command(task, lease)
        if command is not None:
            yield " ".join(command.argv)
        else:
            yield "(a plain connection by portproof itself, which then listens)"


def preview_lines(found: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    yield f"{found['client']}, {found['engagement']}: the engagement is sound."
    yield ""
    yield f"addresses   {found['addresses']:,} in {', '.join(found['networks'])}"
    yield f"endpoints   {found['endpoints']:,} ({found['ports']:,} ports each)"
    yield f"batches     {found['batches']:,}"
    yield (
        f"discovery   about {found['discovery_probes']:,} probes in "
        f"{duration(found['discovery_seconds'])}; what follows depends on what is found"
    )
    yield (
        f"ceilings    {found['rate']:,} packets in any second, {found['rate_per_host']:,} to any "
        f"host"
    )
    yield f"methods     {', '.join(found['methods'])}"
    yield f"re-scans    after {', '.join(duration(delay) for delay in found['rescan_delays'])}"
    for note in found["notes"]:
        yield f"note        {note}"
    yield ""
    yield "discovery (targets.txt holds the admitted addresses of the batch):"
    for line in found["discovery_commands"][:_SHOWN]:
        yield f"  {_short(line)}"
    if found["discovery_command_count"] > _SHOWN:
        more = found["discovery_command_count"] - _SHOWN
        yield f"  … and {more:,} more (--format json has the first {_LISTED:,})"
    yield "then, with the hosts and ports that were named:"
    for line in found["follow_up_commands"]:
        yield f"  {line}"


def _short(line: str) -> str:
    """A command line with a very long port list cut; JSON has it whole."""
    words = [word if len(word) <= 120 else f"{word[:100]}…" for word in line.split(" ")]
    words[0] = str(Path(words[0]))
    return " ".join(words)
