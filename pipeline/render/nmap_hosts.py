"""Hosts and ports of a run as nmap would have written them, and the states of verdicts."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, assert_never

from pipeline.addresses import Address, number_of
from pipeline.decide import reasons
from pipeline.decide.facts import HostRecord
from pipeline.model import (
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    Service,
    Task,
    TaskRecord,
    TaskState,
    Verdict,
    VerdictKind,
)
from pipeline.ports import ALL_PORTS, PortSet
from pipeline.render.document import Finding, RunDocument
from pipeline.render.nmap_scripts import host_scripts, script, verdict_script
from pipeline.render.xml_text import element, text

_LOOKING: Final = frozenset({Purpose.SWEEP, Purpose.SECOND_LOOK})
_NO_ANSWER: Final = "no-response"


def nmap_state(verdict: Verdict) -> PortState | None:
    """The state that stands for a verdict; ``None`` where there is no evidence for any.

    ``open`` is only what is believed to be open. What answers and cannot be settled is
    ``unfiltered``, and what something on the path answers is ``filtered``, in the very meaning that
    nmap(1) gives these words: reachable, but open or closed cannot be told; and a filter keeps us
    from telling.
    """
    match verdict.kind:
        case VerdictKind.CONFIRMED | VerdictKind.LIKELY:
            return PortState.OPEN
        case VerdictKind.TRANSIENT | VerdictKind.UNRESOLVED:
            return PortState.UNFILTERED
        case VerdictKind.ARTEFACT:
            return PortState.FILTERED
        case VerdictKind.REFUTED:
            return PortState.CLOSED
        case VerdictKind.FILTERED:
            silent = verdict.reason == reasons.OPEN_OR_FILTERED
            return PortState.OPEN_FILTERED if silent else PortState.FILTERED
        case VerdictKind.UNKNOWN:
            return None
        case _:
            assert_never(verdict.kind)


def looks(document: RunDocument) -> Iterator[TaskRecord]:
    """The tasks that looked for open ports and came to their end."""
    for record in document.tasks:
        if record.task.purpose in _LOOKING and record.state is TaskState.SETTLED:
            yield record


def scan_type(method: Method) -> str:
    """What nmap calls a scan that sends what this method sends."""
    match method:
        case Method.MASSCAN_SYN | Method.NMAP_SYN | Method.IMPORTED:
            return "syn"
        case Method.NMAP_CONNECT | Method.HANDSHAKE | Method.NMAP_VERSION:
            return "connect"
        case Method.NMAP_UDP | Method.DATAGRAM:
            return "udp"
        case _:
            assert_never(method)


@dataclass(slots=True, kw_only=True)
class Host:
    """What the document says about one address."""

    address: Address
    findings: list[Finding] = field(default_factory=list)
    records: list[HostRecord] = field(default_factory=list)
    refused: dict[tuple[Protocol, str], PortSet] = field(default_factory=dict)
    asked: dict[Protocol, PortSet] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        """Somebody answered for it: by its records, by a refusal, or by a port."""
        heard = (PortState.OPEN, PortState.CLOSED)
        return bool(
            self.records
            or self.refused
            or any(o.state in heard for found in self.findings for o in found.observations)
        )


def hosts(document: RunDocument) -> list[Host]:
    """The hosts that something is known about, in numeric order."""
    known: dict[Address, Host] = {}

    def at(address: Address) -> Host:
        return known.setdefault(address, Host(address=address))

    for finding in document.findings:
        at(finding.verdict.endpoint.address).findings.append(finding)
    for record in document.neighbourhoods.hosts:
        at(record.address).records.append(record)
    tasks = {record.number: record.task for record in document.tasks}
    for number, refusals in document.refusals:
        task = tasks[number]
        refused, key = at(refusals.address).refused, (task.protocol, _refusal(task))
        refused[key] = refused.get(key, PortSet()) | refusals.ports
    ordered = sorted(known.values(), key=lambda host: number_of(host.address))
    _tell_what_was_asked(document, ordered)
    return ordered


def _refusal(task: Task) -> str:
    """How nmap calls the refusal of a port that this task was looking at."""
    if task.protocol is Protocol.UDP:
        return "port-unreach"
    return "conn-refused" if scan_type(task.method) == "connect" else "reset"


def _tell_what_was_asked(document: RunDocument, hosts: list[Host]) -> None:
    """Give each host the ports that somebody looked at, less what was given up."""
    numbers = [number_of(host.address) for host in hosts]
    given_up: dict[tuple[int, Address], PortSet] = {}
    for number, hole in document.holes:
        missed = ALL_PORTS if hole.ports is None else hole.ports
        known = given_up.get((number, hole.address), PortSet())
        given_up[number, hole.address] = known | missed
    for record in looks(document):
        task = record.task
        for first, last in task.targets.addresses.ranges:
            for host in hosts[bisect_left(numbers, first) : bisect_right(numbers, last)]:
                missed = given_up.get((record.number, host.address), PortSet())
                asked = host.asked.get(task.protocol, PortSet())
                new = task.ports - missed
                host.asked[task.protocol] = new if asked in (new, PortSet()) else asked | new


def host_element(host: Host, *, scripts: bool) -> str:
    """One host, in one line; without ``scripts`` there is only what is nmap's own."""
    times = [o.time for found in host.findings for o in found.observations]
    status = {"state": "up" if host.answered else "unknown", **_why_up(host)}
    address = {"addr": host.address, "addrtype": f"ipv{host.address.version}"}
    names = dict.fromkeys(name for found in host.findings for name in found.names)
    inside = (
        element("status", status),
        element("address", address),
        element("hostnames", {}, (element("hostname", {"name": n, "type": "user"}) for n in names)),
        _ports(host, scripts=scripts),
        host_scripts(host.findings, host.records) if scripts else "",
    )
    about = {
        "starttime": int(min(times)) if times else None,
        "endtime": int(max(times)) if times else None,
    }
    return element("host", about, inside)


def _why_up(host: Host) -> dict[str, object]:
    """The first answer of a port, or else the way it refused."""
    first = min(
        (o for found in host.findings for o in found.observations if o.state is PortState.OPEN),
        key=lambda o: (o.time, o.number),
        default=None,
    )
    if first is not None:
        return {"reason": first.reason or "syn-ack", "reason_ttl": first.ttl or 0}
    silence = "reset" if host.answered else _NO_ANSWER
    return {"reason": min((why for _, why in host.refused), default=silence), "reason_ttl": 0}


def _ports(host: Host, *, scripts: bool) -> str:
    told = [
        (finding, state)
        for finding in sorted(host.findings, key=lambda found: found.verdict.endpoint)
        if (state := nmap_state(finding.verdict)) is not None
    ]
    listed: dict[Protocol, list[int]] = defaultdict(list)
    for finding in host.findings:
        listed[finding.verdict.endpoint.protocol].append(finding.verdict.endpoint.port)
    taken = {protocol: PortSet.of(ports) for protocol, ports in listed.items()}
    inside = [*_extra_ports(host, taken), *(_port(*one, scripts=scripts) for one in told)]
    return element("ports", {}, inside) if inside else ""


def _extra_ports(host: Host, listed: Mapping[Protocol, PortSet]) -> Iterator[str]:
    """What refused, and what kept silent, of everything that was looked at: counted."""
    counted: dict[PortState, list[tuple[str, Protocol, PortSet]]] = defaultdict(list)
    gone = dict(listed)
    for (protocol, reason), refused in sorted(host.refused.items()):
        ports = refused - gone.get(protocol, PortSet())
        counted[PortState.CLOSED].append((reason, protocol, ports))
        gone[protocol] = gone.get(protocol, PortSet()) | ports
    for protocol, asked in sorted(host.asked.items()):
        silence = PortState.OPEN_FILTERED if protocol is Protocol.UDP else PortState.FILTERED
        ports = asked - gone.get(protocol, PortSet())
        counted[silence].append((_NO_ANSWER, protocol, ports))
    for state, parts in counted.items():
        count = sum(len(ports) for _, _, ports in parts)
        why = (
            {"reason": reason, "count": len(ports), "proto": protocol, "ports": ports}
            for reason, protocol, ports in parts
            if ports
        )
        if count:
            extra = (element("extrareasons", one) for one in why)
            yield element("extraports", {"state": state, "count": count}, extra)


def _port(finding: Finding, state: PortState, *, scripts: bool) -> str:
    endpoint, service = finding.verdict.endpoint, finding.verdict.service
    heard = _heard(finding, state)
    said = {
        "state": state,
        "reason": (heard.reason if heard else "") or _NO_ANSWER,
        "reason_ttl": (heard.ttl if heard else None) or 0,
    }
    inside = [element("state", said)]
    # What speaks on a port that is not open is not the service of this port.
    if service is not None and state in (PortState.OPEN, PortState.UNFILTERED):
        inside.append(_service(service))
        if scripts:
            inside += (script(name, output) for name, output in service.scripts)
    if scripts:
        inside.append(verdict_script(finding))
    about = {"protocol": endpoint.protocol, "portid": endpoint.port}
    return element("port", about, inside)


def _heard(finding: Finding, state: PortState) -> Observation | None:
    """The observation to tell the reason of: of that state, with a TTL, the last one."""
    wanted = {state}
    if finding.verdict.kind in (
        VerdictKind.ARTEFACT,
        VerdictKind.TRANSIENT,
        VerdictKind.UNRESOLVED,
    ):
        wanted = {PortState.OPEN}
    return max(
        (o for o in finding.observations if o.state in wanted),
        key=lambda o: (o.ttl is not None, o.time, o.number),
        default=None,
    )


def _service(service: Service) -> str:
    probed = service.method == "probed"
    attributes = {
        "name": service.name or "unknown",
        "product": service.product or None,
        "version": service.version or None,
        "extrainfo": service.extra or None,
        "tunnel": "ssl" if service.tunnel == "ssl" else None,
        "hostname": service.hostname or None,
        "method": "probed" if probed else "table",
        "conf": min(max(service.confidence, 0), 10),
    }
    return element("service", attributes, (element("cpe", {}, (text(c),)) for c in service.cpes))
