"""What is fragile hears no word of ours, whatever the profile says of others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.addresses import AddressSet, parse_address
from pipeline.budget import Budget
from pipeline.decide.pace import Ceilings
from pipeline.executor import Executor
from pipeline.model import Method, Protocol, Purpose, StageName, Task
from pipeline.plan import Fragile
from pipeline.ports import PortSet
from pipeline.scope import Scope
from tests.decide.making import POLICY
from tests.wire.peers import hearing, peer

HERE = AddressSet.from_addresses([parse_address("127.0.0.1")])


@pytest.mark.parametrize("by", ["port", "host"])
def test_a_handshake_speaks_to_nothing_that_is_fragile_and_to_what_is_beside_it(
    tmp_path: Path, by: str
) -> None:
    async def ask() -> None:
        said: dict[str, list[bytes]] = {"fragile": [], "other": []}
        async with peer(hearing(said["fragile"])) as fragile, peer(hearing(said["other"])) as other:
            policy = replace(
                POLICY,
                ceilings=Ceilings(rate=1000, rate_per_host=500),
                listen=0.3,
                fragile_ports=PortSet.of([fragile] if by == "port" else []),
                fragile=Fragile(hosts=HERE if by == "host" else AddressSet()),
            )
            scope = Scope(included=HERE)
            executor = Executor(
                policy=policy, scope=lambda: scope, programs={}, excluded=AddressSet(), seed=1
            )
            task = Task(
                batch=1,
                stage=StageName.CORROBORATE,
                method=Method.HANDSHAKE,
                purpose=Purpose.NAMED,
                targets=scope.admit_all(HERE),
                protocol=Protocol.TCP,
                ports=PortSet.of([fragile, other]),
            )
            lease = Budget(policy.ceilings, lambda: 0.0).lease(executor.demand(task))
            assert lease is not None
            answer = await executor.carry_out(
                task, lease, tmp_path, stop=asyncio.Event(), on_progress=lambda _: None
            )
            assert {one.endpoint.port for one in answer.observations} == {fragile, other}
        words = {which: b"".join(heard) for which, heard in said.items()}
        assert words["fragile"] == b""
        assert words["other"] == (b"" if by == "host" else b"\r\n")

    asyncio.run(ask())
