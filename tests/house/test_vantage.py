"""What this host can do: routes, privileges, versions, and nmap's own table of ports."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from pipeline.addresses import AddressSet, parse_address
from pipeline.errors import ToolError
from pipeline.vantage import (
    on_link_networks,
    ports_by_frequency,
    process_has_net_raw,
    raise_open_files,
    survey,
)

ROOT = Path(pipeline.__file__).parent.parent

V4 = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101500A\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0001500A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth1\t0007A8C0\t0100A8C0\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0
wg0\t050714AC\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0
*\t000064C6\t00000000\t0201\t0\t0\t0\t0000FFFF\t0\t0\t0
eth2\t0002500A\t00000000\t0000\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
NOWHERE = "0" * 32
ROUTER = "fe800000000000000000000000000001"


def route_v6(destination: str, prefix: str, gateway: str = NOWHERE, flags: str = "00000001") -> str:
    """One line of /proc/net/ipv6_route."""
    source = f"{NOWHERE} 00"
    return f"{destination} {prefix} {source} {gateway} 00000100 00000001 00000000 {flags}     eth0"


V6 = "\n".join(
    (
        route_v6("20010db8000000000000000000000000", "40"),
        route_v6("20010db8000100000000000000000000", "40", ROUTER, "00000003"),
        route_v6(NOWHERE, "00", ROUTER, "00000003"),
        route_v6(NOWHERE, "00", flags="00200200"),
        route_v6("20010db8000900000000000000000007", "80", flags="80200001"),
        route_v6("ff000000000000000000000000000000", "08"),
        "",
    )
)
OWN = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.80.1.0/24 2 0 2
        |-- 10.80.1.0
           /24 link UNICAST
        |-- 10.80.1.2
           /32 host LOCAL
        |-- 10.80.1.255
           /32 link BROADCAST
Local:
  +-- 203.0.113.64/26 2 0 2
     |-- 203.0.113.77
        /32 host LOCAL
     |-- 203.0.113.96
        /28 host LOCAL
        /27 link UNICAST
     |-- 203.0.113.255
        /32 link BROADCAST
"""


@pytest.fixture
def links(tmp_path: Path) -> AddressSet:
    v4, v6, own = tmp_path / "route", tmp_path / "ipv6_route", tmp_path / "fib_trie"
    v4.write_text(V4)
    v6.write_text(V6)
    own.write_text(OWN)
    return on_link_networks(v4, v6, own)


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("10.80.1.0", True),
        ("10.80.1.255", True),
        ("10.80.2.1", False),
        ("10.80.0.255", False),
        ("192.168.0.1", True),
        ("192.168.255.255", True),
        ("192.169.0.0", False),
        ("172.20.7.5", True),
        ("172.20.7.6", False),
        ("198.100.0.1", False),
        ("203.0.113.77", True),
        ("203.0.113.76", False),
        ("203.0.113.78", False),
        ("203.0.113.96", True),
        ("203.0.113.111", True),
        ("203.0.113.112", False),
        ("203.0.113.255", False),
        ("8.8.8.8", False),
        ("2001:db8::7", True),
        ("2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8:1::7", False),
        ("2001:db8:9::7", True),
        ("2001:db8:9::8", False),
        ("2001:4860::8888", False),
        ("ff02::1", False),
    ],
)
def test_an_address_is_on_the_link_when_it_is_reached_without_a_gateway(
    links: AddressSet, address: str, near: bool
) -> None:
    assert (parse_address(address) in links) is near


def test_without_a_routing_table_only_this_host_itself_is_near(tmp_path: Path) -> None:
    found = on_link_networks(*[tmp_path / "none"] * 3)
    assert found == AddressSet.parse(["127.0.0.0/8", "::1"])


def test_the_routing_table_of_this_host_is_understood() -> None:
    assert AddressSet.parse(["127.0.0.0/8", "::1"]) <= on_link_networks()


OWN_ADDRESSES = """
ip address add 192.0.2.77/32 dev lo && ip address add 2001:db8::77/128 dev lo &&
ip link set lo up && ip link add one type veth peer name two &&
ip address add 198.51.100.7/24 dev one &&
ip link set one up && exec "$0" -c 'from pipeline.vantage import on_link_networks
print(*on_link_networks().texts())'
"""


def test_an_address_of_this_host_alone_is_near_whatever_its_network() -> None:
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    said = subprocess.run(
        ("unshare", "--net", *user, "sh", "-c", OWN_ADDRESSES, sys.executable),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    if said.stderr.startswith("unshare:") and not os.environ.get("CI"):
        pytest.skip(f"needs a network namespace ({said.stderr.strip()})")
    assert said.returncode == 0, said.stderr
    near = said.stdout.split()
    assert near[:3] == ["127.0.0.0-127.255.255.255", "192.0.2.77", "198.51.100.0-198.51.100.255"]
    assert {"::1", "2001:db8::77"} <= set(near)


# --- open files --------------------------------------------------------------------------------


def limited(soft: int, hard: int, wanted: int) -> tuple[int, int]:
    """What ``raise_open_files`` says in a process with these limits, and its soft limit then."""
    program = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "from pipeline.vantage import raise_open_files\n"
        f"print(raise_open_files({wanted}), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    out = subprocess.run((sys.executable, "-c", program), cwd=ROOT, capture_output=True, check=True)
    said, now = map(int, out.stdout.split())
    return said, now


def test_as_many_files_may_be_open_as_wanted_within_the_hard_limit() -> None:
    assert limited(200, 400, 300) == (300, 300)
    assert limited(200, 400, 4000) == (400, 400)


def test_a_limit_that_is_high_enough_stays_as_it_is() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert raise_open_files(10) == soft
    assert limited(300, 400, 200) == (300, 300)


# --- privileges --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "raw"),
    [
        ("CapEff:\t000001ffffffffff", True),
        ("CapEff:\t0000000000002000", True),
        ("CapEff:\t0000000000000000", False),
        ("CapEff:\t0000000000001000", False),
        ("CapPrm:\t000001ffffffffff", False),
    ],
)
def test_raw_packets_need_the_effective_capability(tmp_path: Path, line: str, raw: bool) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nUid:\t1000\n{line}\n")
    assert process_has_net_raw(status) is raw


def test_without_a_status_file_root_is_believed(tmp_path: Path) -> None:
    assert process_has_net_raw(tmp_path / "none") is (os.geteuid() == 0)


# --- tools -------------------------------------------------------------------------------------


def program(folder: Path, name: str, says: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat <<'THE_END'\n{says}\nTHE_END\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("Nmap version 7.93 ( https://nmap.org )", "7.93"),
        ("Nmap version 7.80 ( https://nmap.org )", "7.80"),
        ("Nmap version 7.95SVN ( https://nmap.org )", "7.95"),
        ("Nmap version 10.0 ( https://nmap.org )", "10.0"),
    ],
)
def test_a_new_enough_nmap_is_used_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, version: str
) -> None:
    program(tmp_path / "bin", "nmap", says)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    found = survey().tool("nmap")
    assert found is not None
    assert (found.version, found.path) == (version, tmp_path / "bin" / "nmap")
    assert survey().programs["nmap"] == found.path


@pytest.mark.parametrize(
    ("name", "says", "complaint"),
    [
        ("nmap", "Nmap version 7.70 ( https://nmap.org )", "is version 7.70, which is too old"),
        ("nmap", "Nmap version 6.47 ( https://nmap.org )", "too old"),
        ("nmap", "Ncat: hello", "does not say its version"),
        ("masscan", "Masscan version 1.0.5 ( https://example.test )", "is version 1.0.5"),
        ("masscan", "usage: masscan", "does not say its version"),
    ],
)
def test_a_tool_that_is_too_old_or_another_program_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str, complaint: str
) -> None:
    program(tmp_path / "bin", name, says)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    found = survey()
    assert found.tool(name) is None
    assert name not in found.programs
    (problem,) = [problem for problem in found.missing if f"/{name}" in problem.what]
    assert isinstance(problem, ToolError)
    assert complaint in problem.what
    assert str(tmp_path / "bin" / name) in problem.what
    assert problem.hint


# --- nmap's table of ports ---------------------------------------------------------------------

SERVICES = """\
# Fields in this file are: Service name, portnum/protocol, open-frequency, optional comments
tcpmux\t1/tcp\t0.001995\t# TCP Port Service Multiplexer
http\t80/tcp\t0.484143\t# World Wide Web HTTP
domain\t53/udp\t0.213496
ssh\t22/tcp\t0.182286
telnet\t23/tcp\t0.182286
unknown\t99999/tcp\t0.5
unknown\t0/tcp\t0.5
unknown\tx/tcp\t0.5
https\t443/tcp
broken\t25/tcp\tmany
sctp\t80/sctp\t0.9
"""


def test_ports_come_by_their_frequency_and_then_by_number(tmp_path: Path) -> None:
    nmap = tmp_path / "bin" / "nmap"
    table = tmp_path / "share" / "nmap" / "nmap-services"
    table.parent.mkdir(parents=True)
    table.write_text(SERVICES)
    assert ports_by_frequency(nmap) == (80, 22, 23, 1)


def test_the_table_that_nmapdir_names_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nmap-services").write_text("ssh 22/tcp 0.1\n")
    monkeypatch.setenv("NMAPDIR", str(tmp_path))
    assert ports_by_frequency(Path("/usr/bin/nmap")) == (22,)


def test_the_table_of_the_installed_nmap_knows_thousands_of_ports() -> None:
    found = ports_by_frequency(Path("/usr/bin/nmap"))
    assert found[:3] == (80, 23, 443)
    assert len(found) == len(set(found)) > 2000
