"""Where a network drops what is too fast, the run slows down, and finds what is there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pipeline.decide.pace import PACKETS_PER_SWEEP_PROBE, Ceilings
from pipeline.decide.questions import verdicts
from pipeline.model import Answer, Observation, Purpose, Refusals, Task, VerdictKind
from pipeline.ports import PortSet
from pipeline.store.runs import Store
from tests.decide.making import batch, policy
from tests.engine.playing import Playing, new_run
from tests.stages.simulator import Deaf, Honest, Network, network

BORNE = 15.0
"""SYNs that the line takes in a second, for all hosts together."""
SERVICES = {22: "SSH-2.0-OpenSSH_9.2", 80: "", 1700: "hello"}
HOSTS = [f"192.0.2.{last}" for last in range(2)]
NETWORK = network({text: Honest(SERVICES) for text in HOSTS})
HEEDING = policy(
    ports=PortSet.parse("1-3500"),
    ceilings=Ceilings(rate=100, rate_per_host=100),
    masscan_retries=0,
    second_looks=2,
    version_probe=False,
    slow_start=0.125,
    recover=60.0,
)


@dataclass
class Line:
    """Drops what a sweep sends beyond ``BORNE``; all else is asked slowly enough. ``rates`` are
    the SYNs per second of the sweeps."""

    network: Network
    rates: list[float] = field(default_factory=list)
    playing: Playing | None = None
    chance: random.Random = field(default_factory=lambda: random.Random(5))

    def __call__(self, task: Task, _attempt: int) -> Awaitable[Answer] | None:
        if task.purpose is not Purpose.SWEEP:
            return None
        assert self.playing is not None
        rate = self.playing.executor.asked[-1].lease.rate / PACKETS_PER_SWEEP_PROBE
        self.rates.append(rate)
        return self._swept(task, rate)

    async def _swept(self, task: Task, rate: float) -> Answer:
        await asyncio.sleep(task.endpoints / rate)
        assert self.playing is not None
        opened = self.network.answer(task, self.playing.clock()).observations
        found: list[Observation] = []
        refusals = []
        for address in task.targets.addresses:
            through = PortSet.of(p for p in task.ports if self.chance.random() < BORNE / rate)
            here = [o for o in opened if o.endpoint.address == address]
            found += [o for o in here if o.endpoint.port in through]
            closed = through - PortSet.of(o.endpoint.port for o in here)
            refusals.append(Refusals(address=address, ports=closed))
        return Answer(observations=tuple(found), refusals=tuple(refusals))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Playing, list[float]]]:
    """A run over one network behind such a line, and the rates of its sweeps."""
    line = Line(NETWORK)
    with Store(tmp_path_factory.mktemp("line") / "portproof.db") as store:
        whole = replace(batch("192.0.2.0/31"), ports=HEEDING.ports)
        run = new_run(store, [whole])
        line.playing = Playing(store, run, NETWORK, policy=HEEDING, script=line)
        assert line.playing.work()
        yield line.playing, line.rates


def test_a_run_that_loses_answers_slows_down_until_they_come(
    played: tuple[Playing, list[float]],
) -> None:
    playing, rates = played
    told = [text for kind, text in playing.events if kind == "throttle"]
    assert [text for text in told if text.startswith("answers are lost")] == [
        "answers are lost: 50% of the rate from now on",
        "answers are lost: 25% of the rate from now on",
    ]
    assert max(rates) > 2 * BORNE, "it never was too fast: this shows nothing"
    assert rates[-1] <= BORNE


def test_what_is_there_is_found_although_its_answers_were_lost_at_first(
    played: tuple[Playing, list[float]],
) -> None:
    playing, _ = played
    found = verdicts(playing.ledger.everything())
    confirmed = {str(e) for e, v in found.items() if v.kind is VerdictKind.CONFIRMED}
    assert confirmed == {f"{host}:{port}/tcp" for host in HOSTS for port in SERVICES}


def test_a_block_is_told_once_also_when_the_run_is_resumed(tmp_path: Path) -> None:
    blocked = Deaf(Honest(SERVICES), lambda _, now: 2 < now < 200)
    world = network(dict.fromkeys(HOSTS, blocked))
    by = policy(canary_ports=PortSet.parse("31001"), canary_waits=(20.0, 60.0, 120.0, 300.0))
    with Store(tmp_path / "portproof.db") as store:
        run = new_run(store, [batch("192.0.2.0/31")])
        first = Playing(store, run, world, policy=by)
        first.work(at=[(30, first.engine.stop_now)])
        assert first.kinds().count("blocked") == 1
        told = first.clock()
        again = Playing(store, run, world, policy=by, began=told, blocks_told=told)
        assert again.work()
        assert "blocked" not in again.kinds()
        # Who was killed before it could be told tells it now.
    with Store(tmp_path / "other.db") as store:
        run = new_run(store, [batch("192.0.2.0/31")])
        first = Playing(store, run, world, policy=by)
        first.work(at=[(30, first.engine.stop_now)])
        again = Playing(store, run, world, policy=by, began=told, blocks_told=first.began)
        assert again.work()
        assert again.kinds().count("blocked") == 1
