"""Two belts: what an executor hands over is redacted, and so is whatever the ledger is to file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pipeline.addresses import AddressSet
from pipeline.budget import Budget
from pipeline.executor import Executor
from pipeline.ledger import Ledger
from pipeline.model import (
    Answer,
    Hole,
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    StageName,
    Task,
)
from pipeline.ports import PortSet
from pipeline.redact import Redactor
from pipeline.store.runs import Store
from tests.decide.making import POLICY, SCOPE, START, WHERE, batch
from tests.engine.playing import new_run

SECRET = "joe@example.com"
SAYS_IT = f"""\
#!/bin/sh
cat >nmap.xml <<'END'
<?xml version="1.0"?>
<nmaprun scanner="nmap" start="1793671200"><host endtime="1793671201"><status state="up"/>
<address addr="{WHERE.address}" addrtype="ipv4"/><ports><port protocol="tcp" portid="{WHERE.port}">
<state state="open" reason="syn-ack" reason_ttl="64"/>
<service name="ssh" product="of {SECRET}" method="probed" conf="10"/></port></ports></host>
<runstats><finished time="1793671201" exit="success"/><hosts up="1" down="0" total="1"/></runstats>
</nmaprun>
END
"""
TASK = Task(
    batch=1,
    stage=StageName.PROBE,
    method=Method.NMAP_VERSION,
    purpose=Purpose.VERSION,
    targets=SCOPE.admit_all(AddressSet.from_addresses([WHERE.address])),
    protocol=Protocol.TCP,
    ports=PortSet.of([WHERE.port]),
)

SEEN = Observation(
    endpoint=WHERE,
    method=Method.HANDSHAKE,
    purpose=Purpose.NAMED,
    state=PortState.OPEN,
    reason="syn-ack",
    time=START,
    banner=f"220 {SECRET}",
)


def test_no_answer_of_a_tool_comes_back_with_a_secret(tmp_path: Path) -> None:
    nmap = tmp_path / "nmap"
    nmap.write_text(SAYS_IT)
    nmap.chmod(0o700)
    executor = Executor(
        policy=POLICY,
        scope=lambda: SCOPE,
        programs={"nmap": nmap},
        excluded=AddressSet(),
        seed=1,
    )
    lease = Budget(POLICY.ceilings, lambda: 0.0).lease(executor.demand(TASK))
    assert lease is not None

    async def asked() -> str:
        answer = await executor.carry_out(
            TASK, lease, tmp_path / "task", stop=asyncio.Event(), on_progress=lambda _: None
        )
        assert answer.complete, answer.problem
        ((service),) = [one.service for one in answer.observations]
        assert service is not None
        return service.product

    assert asyncio.run(asked()) == "of [redacted:email]"


def test_an_answer_has_no_secret_in_any_of_its_words() -> None:
    told = Redactor().answer(
        Answer(
            complete=False,
            problem=f"{SECRET} complained",
            holes=(Hole(address=WHERE.address, ports=None, reason=f"it said {SECRET}"),),
            observations=(SEEN,),
        )
    )
    assert SECRET not in repr(told)
    assert repr(told).count("[redacted:email]") == 3


def test_nothing_that_is_filed_has_a_secret_whoever_brings_it(tmp_path: Path) -> None:
    with Store(tmp_path / "portproof.db") as store:
        ledger = Ledger(store, new_run(store, [batch("192.0.2.0/29")]))
        ledger.file([TASK])
        (record,) = ledger.tasks()
        attempt = ledger.start(record.number, argv=(), rate=1.0, evidence="e", now=START)
        assert ledger.settle(
            record.number,
            attempt,
            observations=[SEEN],
            holes=[Hole(address=WHERE.address, ports=None, reason=f"it said {SECRET}")],
            outcome=f"{SECRET} complained",
            now=START,
        )
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("portproof.db*"))
    assert SECRET.encode() not in stored
    assert stored.count(b"[redacted:email]") >= 3
