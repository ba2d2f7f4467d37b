"""A tool that does not end is ended at its deadline, and what it was asked counts as unanswered."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.addresses import AddressSet
from pipeline.budget import Budget, Lease
from pipeline.cli.conduct import make_plan
from pipeline.engagement import load
from pipeline.executor import Executor
from pipeline.model import Answer, Method, Protocol, Purpose, StageName, Task
from pipeline.process import Command
from pipeline.vantage import survey
from tests.cli.ground import an_address, engage
from tests.faults.fakes import Fake


class Impatient(Executor):
    """Gives every command half a second."""

    def command(self, task: Task, lease: Lease) -> Command | None:
        command = super().command(task, lease)
        return replace(command, deadline=0.5) if command else None


def ask(path: Path, method: Method, folder: Path) -> Answer:
    """Sweep one port of the engagement with an impatient executor."""
    plan = make_plan(load(path), None, now=time.time())
    task = Task(
        batch=1,
        stage=StageName.DISCOVER,
        method=method,
        purpose=Purpose.SWEEP,
        targets=plan.scope.targets(),
        protocol=Protocol.TCP,
        ports=plan.policy.ports,
    )
    executor = Impatient(
        policy=plan.policy,
        scope=lambda: plan.scope,
        programs=survey().programs,
        excluded=AddressSet(),
        seed=1,
    )
    lease = Budget(plan.policy.ceilings, time.monotonic).lease(executor.demand(task))
    assert lease is not None

    async def carry_out() -> Answer:
        stop = asyncio.Event()
        return await executor.carry_out(task, lease, folder, stop=stop, on_progress=lambda _: None)

    return asyncio.run(carry_out())


@pytest.mark.parametrize("method", [Method.NMAP_SYN, Method.MASSCAN_SYN])
def test_a_tool_that_hangs_is_stopped_at_its_deadline(
    tmp_path: Path, fake: Fake, method: Method
) -> None:
    name = "masscan" if method is Method.MASSCAN_SYN else "nmap"
    # It has found something by then, and its exit code claims that all is well.
    fake(
        name,
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(0))\n"
        "hit(targets()[0], 80) if NAME == 'masscan' else None\n"
        "time.sleep(60)",
    )
    began = time.monotonic()
    answer = ask(engage(tmp_path / "w", [an_address()], [80]), method, tmp_path / "task")
    assert time.monotonic() - began < 10
    assert not answer.complete
    assert answer.problem == f"{name} did not end before its deadline and was stopped"
    assert len(answer.observations) == (method is Method.MASSCAN_SYN)
