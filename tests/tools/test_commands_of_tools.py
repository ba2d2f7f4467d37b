"""How nmap and masscan are asked: golden argument vectors, and what no task can make of them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.addresses import AddressSet
from pipeline.budget import Budget, Demand, Lease
from pipeline.decide.pace import Ceilings, masscan_probes
from pipeline.model import Method, Purpose, StageName, Task
from pipeline.plan import Policy
from pipeline.ports import PortSet
from pipeline.process import Command
from pipeline.tools import masscan, nmap
from tests.decide.making import POLICY, SCOPE, policy, sweep, task

NMAP, MASSCAN = Path("/usr/bin/nmap"), Path("/usr/bin/masscan")
NOBODY = AddressSet()


def lease(rate: float, per_host: float) -> Lease:
    return Lease(NOBODY, rate, per_host, lambda: 0.0)


def asked(one: Task, by: Policy = POLICY, share: Lease | None = None) -> Command:
    """The command of a task, with the lease that an idle budget gives."""
    share = share or Budget(by.ceilings, lambda: 0.0).lease(demand_of(one, by))
    assert share is not None
    if one.method is Method.MASSCAN_SYN:
        return masscan.command(one, by, share, MASSCAN, SCOPE.excluded, 7)
    return nmap.command(one, by, share, NMAP)


def option(command: Command, flag: str) -> str | None:
    return dict(command.options).get(flag)


NMAP_ALWAYS = "-iL=targets.txt -oX=nmap.xml --stats-every=5s -v --max-retries=2"
GOLDEN = [
    ("syn", task(ports="22,80"), POLICY, f"nmap -n -Pn -p22,80 {NMAP_ALWAYS} -sS"),
    (
        "connect",
        task(Method.NMAP_CONNECT, ports="1-1000", at=("192.0.2.0/28",)),
        POLICY,
        f"nmap -n -Pn -p1-1000 {NMAP_ALWAYS} -sT --max-rate=202.50 --scan-delay=89ms "
        "--max-scan-delay=89ms",
    ),
    (
        "sweep without masscan",
        replace(sweep("192.0.2.0/28"), method=Method.NMAP_SYN, ports=PortSet.parse("1-1000")),
        POLICY,
        f"nmap -n -Pn -p1-1000 {NMAP_ALWAYS} -sS --max-rate=324.00 --min-parallelism=459 "
        "--min-rtt-timeout=2300ms --scan-delay=89ms --max-scan-delay=89ms",
    ),
    (
        "version",
        task(Method.NMAP_VERSION, purpose=Purpose.VERSION, stage=StageName.PROBE),
        POLICY,
        f"nmap -n -Pn -p22 {NMAP_ALWAYS} -sS -sV --version-intensity=5 --min-parallelism=1 "
        "--min-hostgroup=1 --script=ssl-cert,http-title --script-timeout=30s",
    ),
    (
        "version without privileges and scripts",
        task(Method.NMAP_VERSION, purpose=Purpose.VERSION, stage=StageName.PROBE),
        policy(privileged=False, scripts=()),
        f"nmap -n -Pn -p22 {NMAP_ALWAYS} -sT -sV --version-intensity=5 --min-parallelism=1 "
        "--min-hostgroup=1",
    ),
    (
        "IPv6",
        task(at=("2001:db8::7",)),
        policy(interface="eth0", source_address=IPv6Address("2001:db8::1")),
        f"nmap -n -Pn -p22 {NMAP_ALWAYS} -sS -6 -eeth0 -S2001:db8::1",
    ),
    (
        "masscan",
        sweep("192.0.2.0/24"),
        policy(interface="eth0", source_address=IPv4Address("192.0.2.200")),
        "masscan --includefile=targets.txt --excludefile=exclude.txt --ports=22,80,443 "
        "--rate=360.00 --retries=1 --wait=3 --seed=7 --show=all --noreset "
        "--output-format=ndjson --output-filename=hits.ndjson --interface=eth0 "
        "--source-ip=192.0.2.200",
    ),
]


@pytest.mark.parametrize(
    ("one", "by", "argv"), [row[1:] for row in GOLDEN], ids=[row[0] for row in GOLDEN]
)
def test_a_task_is_asked_with_these_arguments(one: Task, by: Policy, argv: str) -> None:
    assert asked(one, by).argv == tuple(f"/usr/bin/{argv}".split())


def test_without_exclusions_masscan_gets_no_file_of_them() -> None:
    command = masscan.command(sweep(), POLICY, lease(100, 50), MASSCAN, NOBODY, 7)
    assert option(command, "--excludefile") is None
    assert command.excluded is None


def test_nmap_is_not_slowed_down_where_it_cannot_send_too_much() -> None:
    assert option(asked(task()), "--max-rate") is None
    assert option(asked(task()), "--scan-delay") is None


def test_a_small_share_of_a_host_makes_nmap_wait_between_its_probes() -> None:
    slow = asked(task(ports="1-100"), share=lease(600, 10))
    assert option(slow, "--scan-delay") == option(slow, "--max-scan-delay") == "223ms"


def second_look(round_: int, pace: float) -> int:
    """Milliseconds between two probes of the same host; there are four."""
    hosts = tuple(f"192.0.2.{n}" for n in range(1, 5))
    one = task(ports="1-1000", at=hosts, purpose=Purpose.SECOND_LOOK, stage=StageName.DISCOVER)
    told = option(
        asked(replace(one, round=round_, pace=pace), share=lease(600, 200)), "--scan-delay"
    )
    assert told is not None
    return int(told.removesuffix("ms"))


def test_each_second_look_goes_at_half_the_rate_of_the_one_before() -> None:
    first, second, third = (second_look(round_, 0.1) for round_ in (1, 2, 3))
    assert second == pytest.approx(2 * first, rel=0.05)
    assert third == pytest.approx(4 * first, rel=0.05)


def test_a_second_look_is_never_slower_than_its_pace() -> None:
    """Eight probes a second, two to each of four hosts; the pieces of a network are many rounds."""
    assert second_look(9, 8.0) == second_look(30, 8.0) == pytest.approx(1112, rel=0.05)


@pytest.mark.parametrize(
    ("method", "waits"), [(Method.NMAP_SYN, "2300ms"), (Method.NMAP_CONNECT, None)]
)
def test_searches_by_syn_scan_wait_for_hosts_that_are_slow_to_accept(
    method: Method, waits: str | None
) -> None:
    for purpose in (Purpose.SWEEP, Purpose.SECOND_LOOK):
        command = asked(task(method, purpose=purpose, stage=StageName.DISCOVER))
        assert option(command, "--min-rtt-timeout") == waits


def test_a_source_address_of_the_other_family_is_left_out() -> None:
    by = policy(interface="eth0", source_address=IPv4Address("192.0.2.200"))
    assert option(asked(task(at=("2001:db8::7",)), by), "-S") is None
    assert option(asked(task(), by), "-S") == "192.0.2.200"


# --- any task ----------------------------------------------------------------------------------

NETWORKS = ("192.0.2.0/25", "192.0.2.200", "198.51.100.7", "198.51.100.0/26")
NETWORKS_V6 = ("2001:db8::/120", "2001:db8::77")
ports = st.lists(st.tuples(st.integers(1, 60_000), st.integers(0, 500)), min_size=1, max_size=5)
methods = st.sampled_from(
    [Method.MASSCAN_SYN, Method.NMAP_SYN, Method.NMAP_CONNECT, Method.NMAP_VERSION]
)
policies = st.builds(
    lambda rate, per_host, retries, privileged, source: policy(
        ceilings=Ceilings(rate=max(rate, per_host), rate_per_host=per_host),
        nmap_max_retries=retries,
        masscan_retries=retries,
        privileged=privileged,
        interface="eth0" if source else None,
        source_address=source,
    ),
    st.integers(1, 100_000),
    st.integers(1, 500),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from([None, IPv4Address("203.0.113.77")]),
)


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    method = draw(methods)
    v6 = method is not Method.MASSCAN_SYN and draw(st.booleans())
    at = draw(st.sets(st.sampled_from(NETWORKS_V6 if v6 else NETWORKS), min_size=1))
    some = ",".join(f"{first}-{first + more}" for first, more in draw(ports))
    purpose = Purpose.SWEEP if method is Method.MASSCAN_SYN else Purpose.NAMED
    return task(method, at=sorted(at), ports=some, purpose=purpose)


def demand_of(one: Task, by: Policy) -> Demand:
    if one.method is Method.MASSCAN_SYN:
        return masscan.demand(one, by)
    return nmap.demand(one, by)


@given(tasks(), policies)
@settings(max_examples=60)
def test_no_element_of_a_command_line_names_a_target(one: Task, by: Policy) -> None:
    command = asked(one, by)
    for element in command.argv:
        for text in one.targets.addresses.texts():
            for address in text.split("-"):
                assert address not in element
    assert command.targets == one.targets
    assert one.method is Method.MASSCAN_SYN or ("-6" in command.argv) == bool(one.targets.family(6))


def test_a_rate_is_never_rounded_up() -> None:
    """Two packets a second to one host, three for each SYN: 0.67 would be a hundredth too many."""
    by = policy(ceilings=Ceilings(rate=100, rate_per_host=2), masscan_retries=0)
    assert option(asked(sweep("192.0.2.200"), by, lease(100, 2)), "--rate") == "0.66"


@given(tasks(), policies, st.floats(0.05, 1.0), st.floats(0.05, 1.0))
@settings(max_examples=120)
def test_no_tool_is_told_to_send_more_than_its_lease(
    one: Task, by: Policy, share: float, host_share: float
) -> None:
    assume(one.method is not Method.NMAP_VERSION)
    wanted = demand_of(one, by)
    rate = max(1.0, min(by.ceilings.rate * 0.9, wanted.packets, wanted.most) * share)
    per_host = max(1, int(min(by.ceilings.rate_per_host, wanted.packets_to_a_host) * host_share))
    command = asked(one, by, lease(rate, per_host))
    if one.method is Method.MASSCAN_SYN:
        told = float(option(command, "--rate") or 0)
        assert 0 < told * 2 <= rate + 0.01 or told == 0.1
        assert told * 3 / one.targets.addresses.size <= per_host or told <= 0.34
        return
    packets = nmap.packets_per_probe(one.method, by)
    told_rate = option(command, "--max-rate")
    if told_rate is None:
        assert wanted.packets <= rate
    else:
        assert 0 < float(told_rate) * packets <= rate or float(told_rate) == 0.1
    delay = option(command, "--scan-delay")
    if delay is None:
        assert wanted.packets_to_a_host <= per_host
    else:
        assert delay.endswith("ms")
        assert 1000 / int(delay[:-2]) * packets <= per_host


@given(tasks(), policies)
@settings(max_examples=60)
def test_a_deadline_leaves_time_for_all_that_is_sent(one: Task, by: Policy) -> None:
    wanted = demand_of(one, by)
    share = Budget(by.ceilings, lambda: 0.0).lease(wanted)
    assert share is not None
    command = asked(one, by, share)
    if one.method is Method.MASSCAN_SYN:
        rate = float(option(command, "--rate") or 0)
        sending = masscan_probes(one.endpoints, rate, by.masscan_retries) / rate
        assert command.deadline > sending + by.masscan_wait + masscan.OVERHEAD
    elif one.method is not Method.NMAP_VERSION:
        # Nothing slows a version probe down: its deadline is what silent services take.
        assert command.deadline > wanted.packets / share.rate
        assert command.deadline > wanted.packets_to_a_host / share.rate_per_host


@given(tasks(), policies)
@settings(max_examples=60)
def test_what_a_task_would_send_counts_every_endpoint_and_every_repeat(
    one: Task, by: Policy
) -> None:
    wanted = demand_of(one, by)
    assert wanted.hosts == one.targets.addresses
    assert wanted.packets >= one.endpoints * 2
    assert wanted.packets >= wanted.packets_to_a_host >= len(one.ports)
    assert wanted.burst is (one.method is Method.NMAP_VERSION)
    assert wanted.sweep is (one.purpose is Purpose.SWEEP)


def test_a_version_probe_of_all_ports_of_a_slow_host_has_its_own_deadline() -> None:
    one = replace(task(Method.NMAP_VERSION, ports="1-10"), purpose=Purpose.VERSION)
    assert asked(one, share=lease(500, 500)).deadline == 300 + 200 * 10
