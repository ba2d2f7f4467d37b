"""How UDP ports are asked by nmap, what that costs, and what our own questions cost."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.budget import Budget, Lease
from pipeline.decide.pace import MARGIN, Ceilings
from pipeline.decide.udp_pace import by_payloads, payloads, payloads_per_second
from pipeline.model import Method, Protocol, Purpose, StageName, Task
from pipeline.plan import Policy
from pipeline.ports import PortSet
from pipeline.process import Command
from pipeline.tools import datagram, nmap_udp
from pipeline.wire import PACKETS_PER_EXCHANGE, SENDS
from tests.decide.making import POLICY, policy
from tests.decide.making import task as tcp_task

NMAP = Path("/usr/bin/nmap")
ALWAYS = "-iL=targets.txt -oX=nmap.xml --stats-every=5s -v --max-retries=2 -sU"


def task(
    method: Method = Method.NMAP_UDP,
    *,
    ports: str = "53",
    at: tuple[str, ...] = ("192.0.2.7",),
    purpose: Purpose = Purpose.NAMED,
) -> Task:
    stage = StageName.DISCOVER if purpose is Purpose.SWEEP else StageName.CORROBORATE
    found = tcp_task(method, ports=ports, at=at, purpose=purpose, stage=stage)
    return replace(found, protocol=Protocol.UDP)


def lease(one: Task, rate: int = 1000, per_host: int = 50) -> Lease:
    ceilings = Ceilings(rate=rate, rate_per_host=per_host)
    found = Budget(ceilings, lambda: 0.0).lease(nmap_udp.demand(one, POLICY))
    assert found is not None
    return found


def asked(one: Task, by: Policy = POLICY, **limits: int) -> Command:
    return nmap_udp.command(one, by, lease(one, **limits), NMAP)


def option(command: Command, name: str) -> str | None:
    return dict(command.options).get(name, "absent")


@pytest.mark.parametrize(
    ("one", "by", "argv"),
    [
        (task(), POLICY, f"-n -Pn -p53 {ALWAYS}"),
        (
            task(at=("2001:db8::7",)),
            policy(interface="eth0", source_address=IPv6Address("2001:db8::1")),
            f"-n -Pn -p53 {ALWAYS} -6 -eeth0 -S2001:db8::1",
        ),
        (
            task(purpose=Purpose.SWEEP, ports="1-1000", at=("192.0.2.0/24",)),
            POLICY,
            f"-n -Pn -p1-1000 {ALWAYS} --max-rate=321.00 --defeat-icmp-ratelimit "
            "--min-parallelism=200 --scan-delay=267ms --max-scan-delay=267ms",
        ),
        (
            replace(task(Method.NMAP_VERSION, purpose=Purpose.VERSION), stage=StageName.PROBE),
            POLICY,
            f"-n -Pn -p53 {ALWAYS} -sV --version-intensity=5 --min-parallelism=1 --min-hostgroup=1",
        ),
    ],
    ids=["named", "IPv6", "sweep", "version"],
)
def test_a_task_is_asked_with_these_arguments(one: Task, by: Policy, argv: str) -> None:
    command = asked(one, by)
    assert command.argv == (str(NMAP), *argv.split())


def test_no_scripts_run_by_udp() -> None:
    probe = task(Method.NMAP_VERSION, purpose=Purpose.VERSION)
    assert POLICY.scripts
    assert option(asked(probe), "--script") == "absent"


def test_only_a_sweep_does_without_refusals() -> None:
    assert option(asked(task()), "--defeat-icmp-ratelimit") == "absent"
    assert option(asked(task(purpose=Purpose.SWEEP)), "--defeat-icmp-ratelimit") is None


@given(
    ports=st.lists(st.integers(1, 65535), min_size=1, max_size=30).map(PortSet.of),
    rate=st.floats(1, 10_000),
)
def test_no_second_can_hold_more_packets_than_the_rate(ports: PortSet, rate: float) -> None:
    """nmap keeps the mean, and a probe with several payloads leaves whole at a second's edge."""
    mean, together = payloads_per_second(ports, rate), payloads(ports)
    if mean > 0.1:
        assert mean * together * 2 <= rate * MARGIN or (mean + together) * 2 <= rate * MARGIN + 1e-9


@given(st.lists(st.integers(1, 65535), max_size=40).map(PortSet.of))
def test_ports_are_parted_by_what_they_cost_and_none_is_lost(ports: PortSet) -> None:
    parts = list(by_payloads(ports))
    assert sorted(port for part in parts for port in part) == list(ports)
    costs = [payloads(part) for part in parts]
    assert costs == sorted(set(costs), reverse=True)
    assert all(payloads(PortSet.of([port])) == payloads(part) for part in parts for port in part)


@pytest.mark.parametrize(("ports", "packets"), [("514", 2), ("53", 4), ("137", 6), ("5353", 8)])
def test_a_demand_counts_payloads_refusals_and_repetitions(ports: str, packets: int) -> None:
    demand = nmap_udp.demand(task(ports=ports, at=("192.0.2.1", "192.0.2.2")), POLICY)
    assert demand.packets_to_a_host == packets * (POLICY.nmap_max_retries + 1)
    assert demand.packets == 2 * demand.packets_to_a_host


def test_our_own_questions_are_counted_with_every_send() -> None:
    demand = datagram.demand(task(Method.DATAGRAM, ports="53,123"), POLICY)
    assert demand.packets == demand.packets_to_a_host == 2 * PACKETS_PER_EXCHANGE
    assert PACKETS_PER_EXCHANGE > SENDS
    assert datagram.demand(task(Method.DATAGRAM, purpose=Purpose.SWEEP), POLICY).sweep


def test_a_host_that_limits_its_refusals_is_waited_for_where_refusals_count() -> None:
    """Linux refuses one closed port a second: 300 ports, three times, are fifteen minutes."""
    assert asked(task(ports="1000-1299")).deadline > 900
