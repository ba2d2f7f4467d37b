"""What a handshake needs of this machine: a source of its family, and a descriptor."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from pipeline.addresses import AddressSet
from pipeline.budget import Lease
from pipeline.cli.conduct import FILES_OF_A_COMMAND, FILES_OF_A_RUN
from pipeline.decide.pace import Ceilings
from pipeline.engine import HANDSHAKE_TASKS_AT_ONCE
from pipeline.executor import HANDSHAKES_AT_ONCE, Executor
from pipeline.model import Answer, Method, PortState, Protocol, Purpose, StageName, Task
from pipeline.ports import PortSet
from pipeline.scope import Scope
from tests.cli.ground import ROOT, Said, Service, an_address, ended, engage, spawn, the_report
from tests.decide.making import policy

NOBODY = AddressSet()


def shake_hands(
    source: IPv4Address | IPv6Address, addresses: AddressSet, port: int, folder: Path
) -> Answer:
    """One task of handshakes from this source, to addresses of both families."""
    scope = Scope(included=addresses, excluded=NOBODY)
    executor = Executor(
        policy=policy(
            ceilings=Ceilings(rate=1000, rate_per_host=500),
            connect_timeout=1.0,
            listen=0.05,
            source_address=source,
        ),
        scope=lambda: scope,
        programs={},
        excluded=NOBODY,
        seed=1,
    )
    task = Task(
        batch=1,
        stage=StageName.CORROBORATE,
        method=Method.HANDSHAKE,
        purpose=Purpose.NAMED,
        targets=scope.targets(),
        protocol=Protocol.TCP,
        ports=PortSet.of([port]),
    )
    lease = Lease(NOBODY, 1000, 500, lambda: 0.0)
    return asyncio.run(
        executor.carry_out(task, lease, folder, stop=asyncio.Event(), on_progress=lambda _: None)
    )


@pytest.mark.parametrize("source", [IPv4Address("127.0.0.9"), IPv6Address("::1")])
def test_a_source_address_is_for_the_targets_of_its_own_family(
    source: IPv4Address | IPv6Address, tmp_path: Path
) -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        port = listener.getsockname()[1]
        listener.settimeout(5)
        answer = shake_hands(source, AddressSet.parse(["127.0.0.1", "::1"]), port, tmp_path)
        came_from = set()
        for _ in range(2):
            connection, (address, *_) = listener.accept()
            connection.close()
            came_from.add(address)
    assert answer.holes == ()
    assert [o.state for o in answer.observations] == [PortState.OPEN, PortState.OPEN]
    other = "::1" if source.version == 4 else "::ffff:127.0.0.1"
    assert came_from == {other, "::ffff:127.0.0.9" if source.version == 4 else "::1"}


def run_with_limits(path: Path, soft: int, hard: int) -> Said:
    """A run in a process that may open so many files."""
    return ended(spawn("run", path, prefix=("prlimit", f"--nofile={soft}:{hard}")), within=60)


def test_no_handshake_fails_for_want_of_a_descriptor(tmp_path: Path) -> None:
    here = an_address()
    silent = [Service(here, banner=b"") for _ in range(40)]
    path = engage(tmp_path, [here], [service.port for service in silent])
    profile = tmp_path / "quick.yml"
    profile.write_text(
        profile.read_text()
        .replace("rate: 5000, rate_per_host: 2000", "rate: 50000, rate_per_host: 50000")
        .replace("handshake_listen: 100ms", "handshake_listen: 500ms")
    )
    # More handshakes would be under way than this, were the limit not raised.
    said = run_with_limits(path, 48, 400)
    for service in silent:
        service.close()
    assert said.code == 1, said.err
    report = the_report(tmp_path)
    assert report["coverage"]["holes"] == []
    assert len(report["endpoints"]) == 40
    heard = [o["method"] for e in report["endpoints"] for o in e["evidence"]]
    assert heard.count("handshake") == 40


PLACES = """
import resource
from pipeline.cli.conduct import handshakes_at_once
for limit in (20000, 4096, 1024, 600):
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    print(limit, *(handshakes_at_once(commands) for commands in (1, 4, 63)))
"""


def test_all_sockets_together_stay_below_the_limit_with_room_for_the_tools() -> None:
    out = subprocess.run(
        (sys.executable, "-c", PLACES), cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    rows = [[int(word) for word in line.split()] for line in out.splitlines()]
    assert rows[0] == [20000, *[HANDSHAKES_AT_ONCE] * 3]
    for limit, *places in rows[1:]:
        for commands, each in zip((1, 4, 63), places, strict=True):
            others = FILES_OF_A_RUN + FILES_OF_A_COMMAND * commands
            assert 1 <= each <= (limit - others) / HANDSHAKE_TASKS_AT_ONCE


def test_a_limit_that_leaves_no_socket_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    with Service(an_address()) as service:
        said = run_with_limits(engage(tmp_path, [service.address], [service.port]), 100, 100)
        assert service.visitors == 0
    assert (said.code, said.out) == (2, "")
    assert "100 open files and sockets are the limit" in said.err
    assert "ulimit -n" in said.err
