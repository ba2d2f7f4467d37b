"""Read what nmap's script ``vulners`` found, out of nmap's XML.

The script asks a service for the CVEs of the versions that ``-sV`` recognised, and writes one a
line: ``CVE-2023-38408  9.8  https://vulners.com/cve/CVE-2023-38408``. A port with a recognised
version counts as assessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from pipeline.decide.vulnerabilities import Scanner, severity_of
from pipeline.model import PortState, Protocol
from pipeline.parse.nmap_values import HostResult, PortResult
from pipeline.parse.nmap_xml import read_nmap_xml
from pipeline.parse.scanners import Found, ScanRead, Sink, Spot, cves_of, score, title_of

SCRIPT: Final = "vulners"
_LINE: Final = re.compile(r"^\s*(CVE-[0-9]{4}-[0-9]{4,10})\s+([0-9]{1,2}(?:\.[0-9])?)\s", re.M)


def read_vulners(stream: BinaryIO, sink: Sink) -> ScanRead:
    """Hand over everything in the file. Raises ``ParseError`` for what is hostile."""

    def on_host(host: HostResult) -> None:
        if not host.up or host.timed_out:
            return
        asked = False
        for port in host.ports:
            if port.state is not PortState.OPEN or port.service is None or not port.service.product:
                continue
            asked = True
            spot = Spot(address=host.address, host="", protocol=port.protocol, port=port.port)
            sink.assessed(spot)
            for found in _found(port, spot, host.ended):
                sink.found(found)
        if asked:
            sink.assessed(Spot(address=host.address, host="", protocol=Protocol.TCP, port=0))

    run = read_nmap_xml(stream, on_host)
    return ScanRead(
        scanner=Scanner.VULNERS,
        version=run.version,
        started=run.started,
        ended=run.ended,
        problem=run.error if run.truncated else "",
        oddities=run.oddities,
    )


def _found(port: PortResult, spot: Spot, seen: float | None) -> Iterator[Found]:
    output = dict(port.service.scripts).get(SCRIPT, "") if port.service else ""
    label = port.service.label if port.service else ""
    told: set[str] = set()
    for line in _LINE.finditer(output):
        cvss = score(line[2])
        if cvss is None or line[1] in told:
            continue
        told.add(line[1])
        yield Found(
            spot=spot,
            ident=line[1],
            title=title_of(f"{line[1]} of {label}"),
            severity=severity_of(cvss),
            cvss=cvss,
            cves=cves_of([line[1]]),
            seen=seen,
            published=None,
        )
