"""Three readers of nmap's XML that share no code agree on all that each of them can express."""

from __future__ import annotations

import io
from typing import Any

import pytest
from libnmap.parser import NmapParser
from nmap import PortScanner

from fixtures.captures import INTERRUPTED, XML, contents
from pipeline.model import Service
from pipeline.parse.nmap_xml import HostResult, NmapRun, PortResult, read_nmap_xml

COMPLETE = [name for name in XML if name.startswith("nmap-") and name not in INTERRUPTED]


FILLER = (
    b'<host><status state="up" reason="x" reason_ttl="0"/><address addr="10.255.0.1" '
    b'addrtype="ipv4"/></host>\n'
)
"""Ours gives the first host of a file to its parser, and may read those behind it without one."""


def made(name: str, *, behind: bool) -> bytes:
    data = contents(name)
    return data.replace(b"<host ", FILLER + b"<host ", 1) if behind else data


def read(data: bytes) -> tuple[NmapRun, list[HostResult]]:
    hosts: list[HostResult] = []
    return read_nmap_xml(io.BytesIO(data), hosts.append), hosts


def service_of(port: PortResult) -> Service:
    return port.service or Service()


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("name", COMPLETE)
def test_python_libnmap_reads_the_same(name: str, behind: bool) -> None:
    data = made(name, behind=behind)
    run, hosts = read(data)
    report = NmapParser.parse_fromstring(data.decode())
    assert (run.version, run.arguments) == (report.version, report.commandline)
    assert (run.started, run.ended) == (report.started, report.endtime)
    assert (run.hosts_up, run.hosts_down, run.hosts_total) == (
        report.hosts_up,
        report.hosts_down,
        report.hosts_total,
    )
    if run.scans:  # libnmap keeps the last one only
        assert run.scans[-1].type == report.scan_type
        assert len(run.scans[-1].ports) == int(report.numservices)
    ours = [
        (str(h.address), h.up, list(h.names), [ours_for_libnmap(p) for p in h.ports]) for h in hosts
    ]
    theirs = [
        (h.address, h.is_up(), list(dict.fromkeys(h.hostnames)), [libnmap_s(s) for s in h.services])
        for h in report.hosts
    ]
    assert ours == theirs
    assert [list(h.host_scripts) for h in hosts] == [
        [(s["id"], s["output"]) for s in h.scripts_results] for h in report.hosts
    ]


def ours_for_libnmap(port: PortResult) -> tuple[object, ...]:
    service = service_of(port)
    return (
        port.protocol,
        port.port,
        port.state,
        port.reason,
        port.ttl,
        service.name,
        service.product,
        service.version,
        service.extra,
        service.tunnel,
        service.method,
        service.confidence,
        service.cpes,
        service.scripts,
    )


def libnmap_s(service: Any) -> tuple[object, ...]:
    said = service.service_dict
    return (
        service.protocol,
        service.port,
        service.state,
        service.reason,
        int(service.reason_ttl) or None,
        service.service,
        said.get("product", ""),
        said.get("version", ""),
        said.get("extrainfo", ""),
        service.tunnel,
        said.get("method", ""),
        int(said.get("conf", 0)),
        tuple(cpe.cpestring for cpe in service.cpelist),
        tuple((s["id"], s["output"]) for s in service.scripts_results),
    )


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("name", COMPLETE)
def test_python_nmap_reads_the_same(name: str, behind: bool) -> None:
    data = made(name, behind=behind)
    run, hosts = read(data)
    # Without __init__, which starts nmap to ask for its version; the reader needs nothing of it.
    reader = PortScanner.__new__(PortScanner)
    said = reader.analyse_nmap_xml_scan(data.decode())
    about = said["nmap"]
    assert run.arguments == about["command_line"]
    assert (run.hosts_up, run.hosts_down, run.hosts_total) == tuple(
        int(about["scanstats"][key]) for key in ("uphosts", "downhosts", "totalhosts")
    )
    assert {s.protocol: (s.type, str(s.ports)) for s in run.scans} == {
        protocol: (asked["method"], asked["services"])
        for protocol, asked in about["scaninfo"].items()
        if protocol not in ("error", "warning")
    }
    assert {str(h.address): ours_for_python_nmap(h) for h in hosts} == {
        address: python_nmap_s(host) for address, host in said["scan"].items()
    }


def ours_for_python_nmap(host: HostResult) -> dict[str, object]:
    found: dict[str, object] = {
        "up": (host.up, host.reason),
        "scripts": list(host.host_scripts),
        "names": set(host.names),
    }
    for port in host.ports:
        service = service_of(port)
        found[f"{port.port}/{port.protocol}"] = (
            port.state,
            port.reason,
            service.name,
            service.product,
            service.version,
            service.extra,
            service.confidence,
            service.cpes[-1:],  # python-nmap keeps the last one only
            dict(service.scripts),
        )
    return found


def python_nmap_s(host: dict[str, Any]) -> dict[str, object]:
    found: dict[str, object] = {
        "up": (host["status"]["state"] == "up", host["status"]["reason"]),
        "scripts": [(s["id"], s["output"]) for s in host.get("hostscript", [])],
        "names": {n["name"] for n in host["hostnames"]} - {""},
    }
    for protocol in ("tcp", "udp"):
        for number, port in host.get(protocol, {}).items():
            found[f"{number}/{protocol}"] = (
                port["state"],
                port["reason"],
                port["name"],
                port["product"],
                port["version"],
                port["extrainfo"],
                int(port["conf"]),
                (port["cpe"],) if port["cpe"] else (),
                port.get("script", {}),
            )
    return found


@pytest.mark.parametrize("name", INTERRUPTED)
def test_only_ours_reads_an_interrupted_run(name: str) -> None:
    assert len(read(contents(name))[1]) == 2
    with pytest.raises(Exception, match="no element found"):
        NmapParser.parse_fromstring(contents(name).decode())
    with pytest.raises(Exception, match="nmaprun"):
        PortScanner.__new__(PortScanner).analyse_nmap_xml_scan(contents(name).decode())
