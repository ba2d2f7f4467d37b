"""What a run would do: the numbers and the exact command lines, without doing any of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import wire
from pipeline.budget import Budget, Lease, sending_time
from pipeline.correlating import matching
from pipeline.decide import udp_tasks
from pipeline.decide.pace import PACKETS_PER_SWEEP_PROBE
from pipeline.decide.third_parties import RangeFile, told
from pipeline.executor import Executor
from pipeline.model import (
    Batch,
    Evidence,
    Method,
    Protocol,
    Purpose,
    StageName,
    Task,
    TaskRecord,
    TaskState,
)
from pipeline.plan import Policy, RunPlan
from pipeline.ports import PortSet
from pipeline.render.text import counted, duration, iso, listed, shortened, visible
from pipeline.tools import masscan
from pipeline.tools.nmap import packets_per_probe
from pipeline.vantage import survey
from pipeline.windows import STOPPING, Openings
from stages import discover
from stages.authorise import batches

_SHOWN = 8
_LISTED = 100
_WINDOWS = 3

_BY_ITSELF = "(a plain connection by portproof itself, which then listens)"
_ASKED_BY_ITSELF = "(questions by portproof itself, each in the protocol of its port)"

_Shape = tuple[Protocol, PortSet, tuple[int, ...]]


@dataclass(slots=True)
class _Estimate:
    """What discovery sends, added up over the batches; ``lines`` are the first hundred sweeps.

    ``longest`` is the longest deadline of a task, in seconds.
    """

    batches: int = 0
    commands: int = 0
    probes: float = 0.0
    seconds: float = 0.0
    longest: float = 0.0
    lines: list[str] = field(default_factory=list)
    methods: dict[Method, None] = field(default_factory=dict)
    canaries: PortSet = field(default_factory=PortSet)


def _estimate(plan: RunPlan, executor: Executor) -> _Estimate:
    found = _Estimate()
    # A large scope has a million commands; batches of one shape differ in their addresses only.
    costs: dict[_Shape, tuple[int, float, float]] = {}
    for batch in batches(plan, ()):
        found.batches += 1
        shape = _shape(batch, plan.policy)
        if shape not in costs or len(found.lines) < _LISTED:
            tasks = _discovery(batch, plan.policy)
            sweeps = [task for task in tasks if task.purpose is Purpose.SWEEP]
            found.methods |= dict.fromkeys(task.method for task in sweeps)
            room = _LISTED - len(found.lines)
            found.lines += [_line(task, plan, executor) for task in sweeps[:room]]
            for task in tasks:
                found.canaries |= task.ports if task.purpose is Purpose.CANARY else PortSet()
                longest = executor.deadline(task, _lease(task, plan, executor))
                found.longest = max(found.longest, longest)
            each = [_cost(task, plan, executor) for task in tasks]
            costs[shape] = len(sweeps), sum(n for n, _ in each), sum(took for _, took in each)
        commands, probes, seconds = costs[shape]
        found.commands += commands
        found.probes += probes
        found.seconds += seconds
    return found


def preview(
    plan: RunPlan, *, now: float, lead: float = 0.0, stopped: str | None = None
) -> dict[str, Any]:
    """A run's plan as plain data. Probes and seconds are those of discovery alone.

    ``discovery_commands`` are the first hundred. For ``lead`` seconds a run sends nothing.
    """
    executor = _executor(plan)
    discovery = _estimate(plan, executor)
    admitted = plan.scope.admitted
    ceilings = plan.policy.ceilings
    return {
        "client": plan.client,
        "engagement": plan.engagement,
        "addresses": admitted.size,
        "networks": list(admitted.networks()[:_SHOWN]),
        "ports": len(plan.policy.ports) + len(plan.policy.udp_ports),
        "udp_ports": len(plan.policy.udp_ports),
        "endpoints": admitted.size * (len(plan.policy.ports) + len(plan.policy.udp_ports)),
        "batches": discovery.batches,
        "discovery_probes": round(discovery.probes),
        "discovery_seconds": round(discovery.seconds),
        "rate": ceilings.rate,
        "rate_per_host": ceilings.rate_per_host,
        "rate_per_network": ceilings.rate_per_network,
        "discovery_methods": list(discovery.methods),
        "methods": list(dict.fromkeys((*discovery.methods, *_methods(plan.policy)))),
        "rescan_delays": list(plan.policy.rescan_delays),
        "notes": list(plan.notes),
        "permits": {name: value for name, value in plan.authorisation if "permitted" in name},
        "third_parties": {
            "files": [_file(file, now) for file in plan.third_parties.files],
            "refused": [told(each) for each in plan.third_parties.refused],
            "acknowledged": [
                f"{shortened(each.addresses.texts(), 3)} ({each.provider}): {each.policy}, "
                f"read on {each.since}"
                for each in plan.third_parties.cleared
            ],
        },
        "assets": [
            {"name": s.name, "kind": s.kind, "entries": s.entries, "note": s.note}
            for s in plan.assets
        ],
        "deliveries": [],
        "vulnerabilities": {
            pattern: len(matching(pattern, Path(plan.engagement_file).parent))
            for pattern in plan.vulnerabilities
        },
        "stopped": stopped,
        "lead": lead,
        "windows": _windows(plan, discovery, now, lead) if plan.windows else None,
        "canary_ports": str(discovery.canaries),
        "discovery_commands": discovery.lines,
        "discovery_command_count": discovery.commands,
        "follow_up_commands": list(_follow_ups(plan, executor)),
    }


def _file(file: RangeFile, now: float) -> str:
    prefixes = counted(file.prefixes, "range")
    age = counted(file.age(now), "day")
    return f"{file.name}: {listed(list(file.providers))}, {prefixes}, {age} old {file.date_from}"


def _windows(plan: RunPlan, discovery: _Estimate, now: float, lead: float) -> dict[str, Any]:
    """When the run may go on, and when it would be done if nothing had to be asked again.

    ``needs`` is discovery and the delays of the re-scans, ``longest_task`` the longest deadline of
    a task, ``longest_window`` what it has to fit into; in seconds.
    """
    openings = Openings(plan.openings or ())
    current = openings.now(now)
    needs = discovery.seconds + sum(plan.policy.rescan_delays)
    done = openings.finish(needs, now + lead)
    following = ([current] if current else []) + list(openings.after(now))
    used = sum(opens < done for opens, _ in following) if done else len(following)
    return {
        "rules": list(plan.windows),
        "open": current is not None,
        "next": [[iso(opens), iso(closes)] for opens, closes in following[:_WINDOWS]],
        "needs": round(needs),
        "windows_needed": used if done else None,
        "done": iso(done) if done else None,
        "longest_task": round(discovery.longest),
        "longest_window": round(max((b - max(a, now) for a, b in following), default=0.0)),
    }


def _methods(policy: Policy) -> tuple[Method, ...]:
    """What corroborates, in both protocols."""
    tcp = policy.methods if policy.ports else ()
    return (*tcp, *(udp_tasks.methods(policy) if policy.udp_ports else ()))


def _shape(batch: Batch, policy: Policy) -> _Shape:
    """What the sweeps of a batch depend on besides its addresses."""
    near = batch.targets.addresses & policy.beyond_sweep
    far = batch.targets.addresses - near
    sizes = tuple(part.family(version).size for part in (near, far) for version in (4, 6))
    return batch.protocol, batch.ports, sizes


def _discovery(batch: Batch, policy: Policy) -> list[Task]:
    """All that is asked of a batch on which nobody answers."""
    asked: list[Task] = []
    while True:
        settled = tuple(
            TaskRecord(number=number, task=task, state=TaskState.SETTLED, ended=0.0)
            for number, task in enumerate(asked, start=1)
        )
        more = list(discover.plan(Evidence(batch=batch, tasks=settled), policy))
        if not more:
            return asked
        asked += more


def _executor(plan: RunPlan) -> Executor:
    return Executor(
        policy=plan.policy,
        scope=lambda: plan.scope,
        programs=survey().programs,
        excluded=plan.left_out,
        seed=plan.seed,
    )


def _lease(task: Task, plan: RunPlan, executor: Executor) -> Lease:
    lease = Budget(plan.policy.ceilings, time.monotonic).lease(executor.demand(task))
    assert lease is not None, "an empty budget always covers one task"
    return lease


def _line(task: Task, plan: RunPlan, executor: Executor) -> str:
    command = executor.command(task, _lease(task, plan, executor))
    if command:
        return " ".join(command.argv)
    return _ASKED_BY_ITSELF if task.method is Method.DATAGRAM else _BY_ITSELF


def _cost(task: Task, plan: RunPlan, executor: Executor) -> tuple[float, float]:
    """Probes and seconds of one task."""
    demand, lease = executor.demand(task), _lease(task, plan, executor)
    slowest = sending_time(demand, lease, plan.policy.ceilings)
    match task.method:
        case Method.MASSCAN_SYN:
            rate = lease.rate / PACKETS_PER_SWEEP_PROBE
            probes = demand.packets / PACKETS_PER_SWEEP_PROBE
            return probes, masscan.seconds(task, rate, plan.policy)
        case Method.NMAP_SYN | Method.NMAP_CONNECT:
            return demand.packets / packets_per_probe(task.method, plan.policy), slowest + 1.0
        case Method.NMAP_UDP:
            return task.endpoints * (plan.policy.nmap_max_retries + 1), slowest + 1.0
        case Method.DATAGRAM:
            patience = wire.SENDS * wire.SECONDS_BETWEEN_SENDS
            return task.endpoints * wire.SENDS, slowest + patience
        case _:
            gently = task.endpoints / task.pace if task.pace else 0.0
            return task.endpoints, max(slowest, gently) + 1.0


def _follow_ups(plan: RunPlan, executor: Executor) -> Iterator[str]:
    """The later commands as they would read for one address, ``PORTS`` in the place of its ports.

    Which those will be is not known yet.
    """
    policy = plan.policy
    by_udp = (*udp_tasks.methods(policy), *([Method.NMAP_VERSION] if policy.privileged else []))
    for protocol, asked_by in (
        (Protocol.TCP, (*policy.methods, Method.NMAP_VERSION)),
        (Protocol.UDP, by_udp),
    ):
        batch = next((b for b in batches(plan, ()) if b.protocol is protocol), None)
        if batch is not None:
            yield from _follow_ups_of(batch, asked_by, plan, executor)


def _follow_ups_of(
    batch: Batch, asked_by: Iterable[Method], plan: RunPlan, executor: Executor
) -> Iterator[str]:
    first = next(batch.targets.slices(1))
    port = PortSet.of([next(iter(batch.ports))])
    for method in asked_by:
        version = method is Method.NMAP_VERSION
        if version and not plan.policy.version_probe:
            continue
        task = Task(
            batch=1,
            stage=StageName.CORROBORATE,
            method=method,
            purpose=Purpose.VERSION if version else Purpose.NAMED,
            targets=first,
            protocol=batch.protocol,
            ports=port,
        )
        words = _line(task, plan, executor).split(" ")
        yield " ".join("-pPORTS" if word == f"-p{port}" else word for word in words)


def preview_lines(found: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    yield f"{found['client']}, {found['engagement']}: the engagement is sound."
    yield ""
    tcp = counted(found["ports"] - found["udp_ports"], "TCP port")
    udp = counted(found["udp_ports"], "UDP port")
    ports = listed([text for text in (tcp, udp) if not text.startswith("0 ")])
    delays = [duration(delay) for delay in found["rescan_delays"]]
    yield f"addresses   {found['addresses']:,} in {', '.join(found['networks'])}"
    yield f"endpoints   {found['endpoints']:,} ({ports} each)"
    yield f"batches     {found['batches']:,}"
    yield (
        f"discovery   about {counted(found['discovery_probes'], 'probe')} in "
        f"{duration(found['discovery_seconds'])} by {listed(found['discovery_methods'])}; what "
        "follows depends on what is found"
    )
    yield (
        f"ceilings    {found['rate']:,} packets in any second, {found['rate_per_host']:,} to any "
        f"host{_to_a_network(found['rate_per_network'])}"
    )
    yield f"methods     {', '.join(found['methods'])}"
    yield f"re-scans    {'after ' + ', '.join(delays) if delays else 'none'}"
    yield from _window_lines(found)
    if found["lead"]:
        sooner = ", so begin it so much before a window opens" if found["windows"] else ""
        yield f"notice      a run sends nothing for {duration(found['lead'])} after it{sooner}"
    for source in found["assets"]:
        size = counted(source["entries"], "entry", "entries")
        note = f"; {visible(source['note'], 200)}" if source["note"] else ""
        yield f"assets      {visible(source['name'], 80)} ({source['kind']}): {size}{note}"
    for each in found["deliveries"]:
        yield f"delivery    {visible(each, 300)}"
    for pattern, files in found["vulnerabilities"].items():
        yield f"scans       {visible(pattern, 200)}: {counted(files, 'file')} now"
    for name, value in found["permits"].items():
        yield f"permitted   {name.removeprefix('permitted ')}: {value}"
    for file in found["third_parties"]["files"]:
        yield f"ranges      {visible(file, 300)}"
    for each in found["third_parties"]["acknowledged"]:
        yield f"cleared     {visible(each, 600)}"
    for each in found["third_parties"]["refused"]:
        yield f"refused     {visible(each, 600)}; never asked"
    for note in found["notes"]:
        yield f"note        {note}"
    if found["stopped"]:
        yield f"stopped     {found['stopped']}: nothing is sent until `portproof stop --lift`"
    yield ""
    if found["canary_ports"]:
        yield (
            "first, on each address, a plain connection by portproof itself to port "
            f"{found['canary_ports']}, which nobody named; then"
        )
    yield "discovery (targets.txt holds the admitted addresses of the batch):"
    for line in found["discovery_commands"][:_SHOWN]:
        yield f"  {_short(line)}"
    if found["discovery_command_count"] > _SHOWN:
        more = found["discovery_command_count"] - _SHOWN
        yield f"  … and {more:,} more (--format json has the first {_LISTED:,})"
    yield "then, with the hosts that were named in targets.txt and their ports for PORTS:"
    for line in found["follow_up_commands"]:
        yield f"  {line}"
    yield ""
    yield (
        "--rate and --max-rate are what one command may send to all its hosts together, in probes, "
        "each of which may cost several packets. No host gets more than its own limit: either the "
        "hosts of the batch share the rate, or --scan-delay holds it."
    )


def _to_a_network(rate: int | None) -> str:
    return "" if rate is None else f", {rate:,} to any network"


def _window_lines(found: dict[str, Any]) -> Iterator[str]:
    hours = found["windows"]
    if not hours:
        return
    yield f"windows     {'; '.join(hours['rules'])}"
    for number, (opens, closes) in enumerate(hours["next"]):
        when = "open since" if hours["open"] and number == 0 else "from"
        yield f"            {when} {_plain(opens)} until {_plain(closes)} UTC"
    if not hours["next"]:
        yield "            none opens while the authorisation is valid"
        return
    if hours["longest_task"] > hours["longest_window"] - STOPPING:
        yield (
            f"            a sweep may take {duration(hours['longest_task'])}, and no window is "
            "that long: it may be cut off each time, and fail"
        )
    needs = f"about {duration(hours['needs'])} of discovery and re-scan delays"
    match hours["windows_needed"]:
        case None:
            yield f"            {needs} do not fit into the windows that are left"
        case 1:
            first = "this one" if hours["open"] else "the first of them"
            yield f"            {needs} fit into {first}: done {_plain(hours['done'])} UTC"
        case several:
            yield f"            {needs} take {several} windows: done {_plain(hours['done'])} UTC"


def _plain(time: str) -> str:
    return f"{time[:10]} {time[11:16]}"


def _short(line: str) -> str:
    """A command line with a very long port list cut; JSON has it whole."""
    words = [word if len(word) <= 120 else f"{word[:100]}…" for word in line.split(" ")]
    words[0] = str(Path(words[0]))
    return " ".join(words)
