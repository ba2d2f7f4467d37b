"""The manual check of one endpoint: a handshake, then nmap's version probe, told to a person."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pipeline.budget import Budget, Demand, Lease
from pipeline.cli.conduct import make_plan
from pipeline.cli.edge import printing
from pipeline.cli.endpoints import read_endpoint
from pipeline.cli.options import Format, workspace_of
from pipeline.cli.renewing import require_window
from pipeline.decide import reasons, udp, udp_tasks
from pipeline.decide.fragile import is_fragile
from pipeline.decide.questions import tasks_for
from pipeline.decide.verdict import HostFacts, decide
from pipeline.engagement import load
from pipeline.engine import LOOK_EVERY
from pipeline.errors import Error, ExitCode
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
    Verdict,
    VerdictKind,
)
from pipeline.orders import require_not_stopped
from pipeline.plan import Policy, RunPlan
from pipeline.ports import PortSet
from pipeline.redact import Redactor
from pipeline.render.document import Finding
from pipeline.render.terminal import endpoint_story
from pipeline.render.text import iso, visible
from pipeline.render.words import METHODS
from pipeline.tools import nmap
from pipeline.vantage import survey
from pipeline.workspace import Workspace

_EXPLANATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        reasons.REFUSED: "It was refused, and no method found it open.",
        reasons.NO_ANSWER: "No method got an answer.",
        reasons.OPEN_OR_FILTERED: "Nothing came back: by UDP a service that keeps silent and a "
        "filter look alike.",
        reasons.METHODS_DISAGREE: "The methods disagree.",
        reasons.CLOSED_WHEN_ASKED_AGAIN: "The first scan found it open; then it was refused.",
        reasons.NO_CONTROL: "The handshake completes. A manual check asks no control ports, so a "
        "device that answers for every port is not ruled out.",
    }
)
"""Where a manual check has to say it otherwise than a run: nobody expected anything, nothing is
asked twice, and no control ports are asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What came of all questions. ``holes`` are (method, reason); ``raw`` is nmap's last answer."""

    observations: tuple[Observation, ...]
    holes: tuple[tuple[Method, str], ...]
    raw: dict[str, Any]


def verify_endpoint(text: str, file: Path, workspace: Path | None, output: Format) -> int:
    """Ask one endpoint by several methods and print the story; the exit code says whether it is
    open.

    Raises ``NotAdmitted`` when the engagement does not admit it.
    """
    now = time.time()
    engagement = load(file, now=now)
    place = workspace_of(file, workspace)
    require_not_stopped(place)
    plan = make_plan(engagement, None, now=now, workspace=place)
    require_window(plan, now=now)
    endpoint = read_endpoint(text, dict(plan.names))
    plan.scope.admit(endpoint.address)
    # Two runs at a time would add up their rates; a manual check is no exception.
    with place.lock(now=now) as lock:
        heard = asyncio.run(_unless_stopped(place, _ask(endpoint, plan, lock)))
    decide_by = udp.decide if endpoint.protocol is Protocol.UDP else decide
    verdict = decide_by(endpoint, heard.observations, HostFacts(), gave_up=bool(heard.holes))
    with printing():
        if output is Format.JSON:
            print(json.dumps(_document(verdict, heard, plan), indent=1))
        else:
            print("\n".join(_story(verdict, heard, plan)))
    believed = verdict.kind in (VerdictKind.CONFIRMED, VerdictKind.LIKELY)
    return ExitCode.ACTION_NEEDED if believed else ExitCode.NOTHING_TO_DO


def _explained(verdict: Verdict) -> str:
    return _EXPLANATIONS.get(verdict.reason, reasons.explain(verdict.reason))


def _story(verdict: Verdict, heard: _Heard, plan: RunPlan) -> list[str]:
    names = tuple(name for name, at in plan.names if str(verdict.endpoint.address) in at)
    finding = Finding(verdict=verdict, observations=heard.observations, names=names)
    lines = endpoint_story(finding, explanation=_explained(verdict))
    lines += [
        f"     {METHODS[method]}: gave up ({visible(reason, 160)})"
        for method, reason in heard.holes
    ]
    return lines


def _document(verdict: Verdict, heard: _Heard, plan: RunPlan) -> dict[str, Any]:
    """The same for programs, in the words of ``report.json``; ``nmap`` is python-nmap's."""
    return {
        "endpoint": str(verdict.endpoint),
        "verdict": verdict.kind,
        "reason": verdict.reason,
        "explanation": _explained(verdict),
        "confidence": verdict.confidence,
        "service": (verdict.service.label or None) if verdict.service else None,
        "observations": [
            {
                "method": observation.method,
                "state": observation.state,
                "reason": observation.reason,
                "time": iso(observation.time),
                "ttl": observation.ttl,
                "aftermath": observation.aftermath,
                "banner": observation.banner,
                "service": (observation.service.label or None) if observation.service else None,
            }
            for observation in heard.observations
        ],
        "holes": [{"method": method, "reason": reason} for method, reason in heard.holes],
        "portproof": plan.portproof_version,
        "tools": dict(plan.tools),
        "nmap": heard.raw,
    }


async def _unless_stopped(place: Workspace, asking: Coroutine[Any, Any, _Heard]) -> _Heard:
    """Ask, and stop at once when everything is stopped in the workspace."""
    work = asyncio.create_task(asking)
    try:
        while not work.done():
            await asyncio.wait([work], timeout=LOOK_EVERY)
            require_not_stopped(place)
        return work.result()
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def _ask(endpoint: Endpoint, plan: RunPlan, lock: int) -> _Heard:
    executor = Executor(
        policy=plan.policy,
        scope=lambda: plan.scope,
        permits=lambda: plan.permits,
        programs=survey().programs,
        excluded=plan.left_out,
        seed=plan.seed,
        keep_open=(lock,),
        redactor=Redactor.of(plan.privacy.redact),
    )
    target = plan.scope.targets()
    batch = Batch(
        number=1, targets=target, protocol=endpoint.protocol, ports=PortSet.of([endpoint.port])
    )
    methods = list(_methods(endpoint, plan.policy))
    budget = Budget(plan.policy.ceilings, time.monotonic)
    seen: list[Observation] = []
    holes: list[tuple[Method, str]] = []
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
            holes += [(method, hole.reason) for hole in answer.holes]
            if method not in (Method.HANDSHAKE, Method.DATAGRAM):
                raw = _as_python_nmap(folder / nmap.OUTPUT)
    return _Heard(observations=tuple(seen), holes=tuple(holes), raw=raw)


def _methods(endpoint: Endpoint, policy: Policy) -> Iterator[tuple[Method, Purpose]]:
    by_udp = endpoint.protocol is Protocol.UDP
    fragile = is_fragile(endpoint.address, endpoint.port, policy)
    guesses = by_udp and endpoint.port in policy.no_guess_ports
    asked_by = udp_tasks.methods(policy) if by_udp else (policy.methods[0], Method.HANDSHAKE)
    for method in asked_by:
        if method is not Method.NMAP_UDP or not (guesses or fragile):
            yield method, Purpose.NAMED
    # By UDP even a version probe needs raw packets.
    possible = policy.version_probe and (policy.privileged or not by_udp) and not guesses
    if possible and not fragile:
        yield Method.NMAP_VERSION, Purpose.VERSION


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
