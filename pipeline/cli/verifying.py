"""The manual check of one endpoint: a handshake, then nmap's version probe, told to a person."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from pipeline.budget import Budget, Demand, Lease
from pipeline.cli.conduct import make_plan, resolver
from pipeline.cli.edge import printing
from pipeline.cli.options import Format, workspace_of
from pipeline.decide.questions import tasks_for
from pipeline.decide.verdict import HostFacts, decide
from pipeline.engagement import load
from pipeline.errors import Error, ExitCode, NotAdmitted, UsageError
from pipeline.executor import Executor
from pipeline.model import (
    Batch,
    Endpoint,
    Evidence,
    Method,
    Observation,
    Protocol,
    Purpose,
    StageName,
    VerdictKind,
)
from pipeline.plan import RunPlan
from pipeline.ports import PortSet
from pipeline.render.document import Finding
from pipeline.render.terminal import endpoint_story
from pipeline.tools import nmap
from pipeline.vantage import survey


def verify_endpoint(text: str, file: Path, workspace: Path | None, output: Format) -> int:
    """Ask one endpoint twice and print the story; the exit code says whether it is open.

    Raises ``NotAdmitted`` when the engagement does not admit it.
    """
    now = time.time()
    engagement = load(file, now=now)
    place = workspace_of(file, workspace)
    plan = make_plan(engagement, None, now=now)
    endpoint = _endpoint(text, plan)
    # Two runs at a time would add up their rates; a manual check is no exception.
    with place.lock(now=now) as lock:
        observations, raw = asyncio.run(_ask(endpoint, plan, lock))
    verdict = decide(endpoint, observations, HostFacts())
    with printing():
        if output is Format.JSON:
            found = {"verdict": verdict.kind, "reason": verdict.reason, "nmap": raw}
            print(json.dumps(found, indent=1))
        else:
            print("\n".join(endpoint_story(Finding(verdict=verdict, observations=observations))))
    believed = verdict.kind in (VerdictKind.CONFIRMED, VerdictKind.LIKELY)
    return ExitCode.ACTION_NEEDED if believed else ExitCode.NOTHING_TO_DO


def _endpoint(text: str, plan: RunPlan) -> Endpoint:
    host, _, port = text.rpartition(":")
    pinned = dict(plan.names).get(host)
    if pinned:
        text = f"{pinned[0]}:{port}" if ":" not in pinned[0] else f"[{pinned[0]}]:{port}"
    try:
        endpoint = Endpoint.parse(text)
    except ValueError as error:
        if host and resolver(host):
            raise NotAdmitted(
                f"{host} is not a name of the engagement",
                hint="add it to scope.include, or write its address",
            ) from None
        raise UsageError(str(error)) from None
    if endpoint.protocol is not Protocol.TCP:
        raise UsageError("only TCP endpoints can be verified by this version")
    plan.scope.admit(endpoint.address)
    return endpoint


async def _ask(
    endpoint: Endpoint, plan: RunPlan, lock: int
) -> tuple[tuple[Observation, ...], dict[str, Any]]:
    executor = Executor(
        policy=plan.policy,
        scope=lambda: plan.scope,
        programs=survey().programs,
        excluded=plan.excluded,
        seed=plan.seed,
        keep_open=(lock,),
    )
    target = plan.scope.targets()
    batch = Batch(
        number=1, targets=target, protocol=endpoint.protocol, ports=PortSet.of([endpoint.port])
    )
    methods = [(plan.policy.methods[0], Purpose.NAMED), (Method.HANDSHAKE, Purpose.NAMED)]
    if plan.policy.version_probe and endpoint.port not in plan.policy.fragile_ports:
        methods.append((Method.NMAP_VERSION, Purpose.VERSION))
    budget = Budget(plan.policy.ceilings, time.monotonic)
    seen: list[Observation] = []
    raw: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="portproof-") as name:
        for method, purpose in methods:
            (task,) = tasks_for(
                Evidence(batch=batch),
                plan.policy,
                {endpoint},
                stage=StageName.PROBE,
                method=method,
                purpose=purpose,
            )
            lease = await _lease(budget, executor.demand(task))
            folder = Path(name) / method
            answer = await executor.carry_out(
                task, lease, folder, stop=asyncio.Event(), on_progress=lambda _: None
            )
            lease.give_back()
            if not answer.complete:
                raise Error(answer.problem, where=str(endpoint), hint="try again, or see doctor")
            seen.extend(answer.observations)
            if method is not Method.HANDSHAKE:
                raw = _as_python_nmap(folder / nmap.OUTPUT)
    return tuple(seen), raw


async def _lease(budget: Budget, demand: Demand) -> Lease:
    """A share of the rate, once what was asked before does not count into this second any more."""
    while (lease := budget.lease(demand)) is None:
        change = budget.next_change()
        if change is None:
            raise Error(
                "limits.rate is too low for a version probe",
                hint="raise it, or use `portproof run`",
            )
        await asyncio.sleep(max(0.0, budget.seconds_until(change)))
    return lease


def _as_python_nmap(path: Path) -> dict[str, Any]:
    """What python-nmap's users know: its dictionary of this scan."""
    from nmap import PortScanner  # type: ignore[import-untyped,unused-ignore]

    # Its constructor starts nmap to ask for the version, past our own door; only the reader of
    # finished output is wanted, and that needs no state.
    scanner = PortScanner.__new__(PortScanner)
    scanner._nmap_last_output = ""
    result = scanner.analyse_nmap_xml_scan(path.read_text(encoding="utf-8", errors="replace"))
    return dict(result)
