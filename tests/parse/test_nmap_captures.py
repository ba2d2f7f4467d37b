"""What each capture of nmap's XML says, in full."""

from __future__ import annotations

import io

import pytest

from fixtures.captures import INTERRUPTED, contents
from pipeline.addresses import parse_address
from pipeline.model import PortState, Protocol, Service
from pipeline.parse.nmap_xml import (
    ExtraPorts,
    ExtraReason,
    HostResult,
    NmapRun,
    PortResult,
    ScanInfo,
    read_nmap_xml,
)
from pipeline.ports import PortSet


def capture(name: str) -> tuple[NmapRun, list[HostResult]]:
    hosts: list[HostResult] = []
    return read_nmap_xml(io.BytesIO(contents(name)), hosts.append), hosts


def port(
    number: int,
    state: str,
    reason: str,
    ttl: int | None,
    service: Service | str,
    protocol: str = "tcp",
) -> PortResult:
    if isinstance(service, str):
        service = Service(name=service, confidence=3, method="table")
    return PortResult(
        protocol=Protocol(protocol),
        port=number,
        state=PortState(state),
        reason=reason,
        ttl=ttl,
        service=service,
    )


def extra(state: str, *reasons: tuple[str, int, str]) -> ExtraPorts:
    return ExtraPorts(
        state=PortState(state),
        count=sum(count for _, count, _ in reasons),
        reasons=tuple(
            ExtraReason(reason=r, count=c, protocol=Protocol.TCP, ports=PortSet.parse(ports))
            for r, c, ports in reasons
        ),
    )


def host(
    address: str,
    *ports: PortResult,
    ended: float,
    took: float = 0.0,
    reason: str = "user-set",
    extra: tuple[ExtraPorts, ...] = (),
    timed_out: bool = False,
    names: tuple[str, ...] = (),
    host_scripts: tuple[tuple[str, str], ...] = (),
) -> HostResult:
    return HostResult(
        address=parse_address(address),
        up=True,
        reason=reason,
        started=ended - took,
        ended=ended,
        timed_out=timed_out,
        ports=ports,
        extra=extra,
        host_scripts=host_scripts,
        names=names,
    )


def scan(kind: str, protocol: str, ports: str) -> ScanInfo:
    return ScanInfo(type=kind, protocol=Protocol(protocol), ports=PortSet.parse(ports))


def test_a_syn_scan_is_read_with_every_collapsed_port_and_its_reason() -> None:
    run, hosts = capture("nmap-syn.xml")
    assert run == NmapRun(
        scanner="nmap",
        version="7.93",
        arguments="nmap -n -Pn -sS -T4 -p 1-100,2121,8080 -oX nmap-syn.xml 10.84.0.7 10.84.0.9",
        started=1795376250.0,
        ended=1795376251.0,
        scans=(scan("syn", "tcp", "1-100,2121,8080"),),
        complete=True,
        error="",
        truncated=False,
        hosts_up=2,
        hosts_down=0,
        hosts_total=2,
        hosts_read=2,
        oddities=0,
        oddity="",
    )
    listed = (
        port(22, "open", "syn-ack", 63, "ssh"),
        port(2121, "open", "syn-ack", 63, "ccproxy-ftp"),
        port(8080, "open", "syn-ack", 63, "http-proxy"),
    )
    assert hosts == [
        host(
            "10.84.0.7",
            *listed,
            ended=1795376250.0,
            extra=(extra("closed", ("reset", 99, "1-21,23-100")),),
        ),
        host(
            "10.84.0.9",
            *listed,
            ended=1795376251.0,
            took=1.0,
            extra=(
                extra("filtered", ("admin-prohibited", 25, "75-99"), ("no-response", 25, "50-74")),
                extra("closed", ("reset", 49, "1-21,23-49,100")),
            ),
        ),
    ]


def test_a_connect_scan_has_no_ttl() -> None:
    run, hosts = capture("nmap-connect.xml")
    assert run.complete
    assert run.scans == (scan("connect", "tcp", "20-25,8080"),)
    services = {20: "ftp-data", 21: "ftp", 23: "telnet", 24: "priv-mail", 25: "smtp"}
    ports = [port(n, "closed", "conn-refused", None, name) for n, name in services.items()]
    ports.insert(2, port(22, "open", "syn-ack", None, "ssh"))
    ports.append(port(8080, "open", "syn-ack", None, "http-proxy"))
    ended = run.started
    assert ended is not None
    assert hosts == [host(f"10.84.0.{n}", *ports, ended=ended) for n in (7, 8)]


def test_versions_names_and_scripts_are_read() -> None:
    run, hosts = capture("nmap-version.xml")
    assert run.complete
    assert (run.started, run.ended, run.hosts_up, run.hosts_total) == (
        1795376250.0,
        1795376306.0,
        1,
        1,
    )
    nginx = ("cpe:/a:igor_sysoev:nginx:1.25.3",)
    title = ("http-title", "B\\xC3\\xBCro &amp; mehr")
    server = ("http-server-header", "nginx/1.25.3")
    certificate = (
        "Subject: commonName=web.example\nIssuer: commonName=web.example\n"
        "Public Key type: rsa\nPublic Key bits: 2048\n"
        "Signature Algorithm: sha256WithRSAEncryption\n"
        "Not valid before: 2026-11-22T19:34:04\nNot valid after:  2026-12-22T19:34:04\n"
        "MD5:   8bb2a830085d0da325e3b243e26592b8\n"
        "SHA-1: 2179a58ea5a8f08922029cd63903803a28f8e69a"
    )
    ssh = Service(
        name="ssh",
        product="OpenSSH",
        version="9.2p1 Debian 2+deb12u2",
        extra="protocol 2.0",
        confidence=10,
        method="probed",
        cpes=("cpe:/a:openbsd:openssh:9.2p1", "cpe:/o:linux:linux_kernel"),
        scripts=(("banner", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2"),),
    )
    ftp = Service(
        name="ftp",
        confidence=10,
        method="probed",
        scripts=(
            (
                "banner",
                "220 \\xC3\\xBCber \\x01\\x07\\x1B[31m<script>alert(1)</script>"
                ' "quot\ned" \\x20FTP server ready',
            ),
            (
                "fingerprint-strings",
                "\n  GenericLines, Help, NULL, SMBProgNeg, SSLSessionReq: \n    220 \n"
                '    [31m<script>alert(1)</script> "quoted" \\x20FTP server ready',
            ),
        ),
    )
    http = Service(
        name="http",
        product="nginx",
        version="1.25.3",
        confidence=10,
        method="probed",
        cpes=nginx,
        scripts=(server, title),
    )
    https = Service(
        name="http",
        product="nginx",
        version="1.25.3",
        tunnel="ssl",
        confidence=10,
        method="probed",
        cpes=nginx,
        scripts=(title, server, ("ssl-cert", certificate)),
    )
    assert hosts == [
        host(
            "10.84.0.7",
            port(22, "open", "syn-ack", 63, ssh),
            port(80, "closed", "reset", 63, "http"),
            port(2121, "open", "syn-ack", 63, ftp),
            port(8080, "open", "syn-ack", 63, http),
            port(8443, "open", "syn-ack", 63, https),
            ended=1795376306.0,
            took=56.0,
            names=("web.example",),
            host_scripts=(("path-mtu", "PMTU == 1500"),),
        )
    ]


def test_each_protocol_has_its_own_record_of_what_was_asked() -> None:
    run, hosts = capture("nmap-syn-udp.xml")
    assert run.scans == (scan("syn", "tcp", "22,80"), scan("udp", "udp", "53,5353"))
    assert hosts == [
        host(
            "10.84.0.7",
            port(22, "open", "syn-ack", 63, "ssh"),
            port(80, "closed", "reset", 63, "http"),
            port(53, "closed", "port-unreach", 63, "domain", "udp"),
            port(5353, "open", "udp-response", 63, "zeroconf", "udp"),
            ended=1795376251.0,
        )
    ]


def test_ipv6_is_read_and_a_hint_of_a_host_is_no_host() -> None:
    run, hosts = capture("nmap-ipv6.xml")
    ports = (
        port(22, "open", "syn-ack", 63, "ssh"),
        port(80, "closed", "reset", 63, "http"),
        port(8080, "open", "syn-ack", 63, "http-proxy"),
    )
    assert run.hosts_read == run.hosts_total == 2
    assert hosts == [
        host(f"fd84:3::{n}", *ports, ended=1795376251.0, reason="echo-reply") for n in (7, 8)
    ]


def test_a_host_that_is_down_is_told_from_one_that_is_up() -> None:
    run, hosts = capture("nmap-down.xml")
    assert (run.complete, run.hosts_up, run.hosts_down, run.hosts_total) == (True, 1, 1, 2)
    assert run.scans == ()
    assert [(str(h.address), h.up, h.reason, h.ports) for h in hosts] == [
        ("10.84.0.7", True, "echo-reply", ()),
        ("10.84.0.100", False, "no-response", ()),
    ]


def test_progress_between_the_hosts_changes_nothing() -> None:
    run, hosts = capture("nmap-progress.xml")
    assert run.complete
    assert hosts == [
        host(
            "10.84.0.7",
            port(22, "open", "syn-ack", 63, "ssh"),
            ended=hosts[0].ended or 0.0,
            took=1.0,
            extra=(extra("closed", ("reset", 299, "1-21,23-300")),),
        ),
        host(
            "10.84.0.100",
            ended=hosts[1].ended or 0.0,
            took=3.0,
            extra=(extra("filtered", ("no-response", 300, "1-300")),),
        ),
    ]


def test_a_host_that_nmap_gave_up_is_marked_although_the_run_succeeded() -> None:
    run, hosts = capture("nmap-host-timeout.xml")
    assert run.complete
    assert hosts == [
        host(
            "10.84.0.7",
            port(22, "open", "syn-ack", 63, "ssh"),
            ended=1795376253.0,
            extra=(extra("closed", ("reset", 999, "1-21,23-1000")),),
        ),
        host("10.84.0.100", ended=1795376255.0, took=2.0, timed_out=True),
    ]


def test_a_run_without_targets_succeeds_and_says_that_it_asked_nobody() -> None:
    run, hosts = capture("nmap-no-targets.xml")
    assert hosts == []
    assert (run.complete, run.hosts_total, run.hosts_read) == (True, 0, 0)


def test_a_run_that_failed_is_not_complete_and_brings_the_words_of_nmap() -> None:
    run, hosts = capture("nmap-error.xml")
    assert hosts == []
    assert (run.complete, run.truncated) == (False, False)
    assert run.error.startswith("NSE: failed to initialize the script engine:\n")
    assert "'no-such-script' did not match" in run.error


@pytest.mark.parametrize("name", INTERRUPTED)
def test_an_interrupted_run_keeps_its_finished_hosts(name: str) -> None:
    run, hosts = capture(name)
    assert (run.complete, run.truncated, run.hosts_total) == (False, True, None)
    assert run.error == "line 34, column 1: no element found"
    assert run.scans == (scan("syn", "tcp", "1-500"),)
    assert hosts == [
        host(
            address,
            port(22, "open", "syn-ack", 63, "ssh"),
            ended=hosts[0].ended or 0.0,
            extra=(extra("closed", ("reset", 499, "1-21,23-500")),),
        )
        for address in ("10.84.0.7", "10.84.0.8")
    ]


def test_masscan_s_xml_is_read_and_never_counts_as_complete() -> None:
    run, hosts = capture("masscan-hits.xml")
    assert (run.scanner, run.complete, run.truncated, run.scans) == ("masscan", False, False, ())
    assert [
        (str(h.address), h.up, h.ended, *[(p.port, p.state, p.reason, p.ttl) for p in h.ports])
        for h in hosts
    ] == [
        (f"10.84.0.{last}", True, 1795376356.0, (number, "open", "syn-ack", 63))
        for number in (22, 8080)
        for last in (8, 7)
    ]
