"""Read what nmap writes with ``-oX``: streaming, in flat memory.

A host is handed out when its ``</host>`` was read and not before, so a file that was cut in half
by a kill or a full disk gives every host that was finished and no half one. Element by element
this follows nmap's DTD (docs/nmap.dtd in its source), but tolerates what real versions of nmap
write beyond it: ``taskprogress`` anywhere, ``service`` and ``output`` absent.

Hosts that are written as nmap writes most of them do not trouble the parser: ``nmap_plain.py``.

masscan's ``-oX`` is read, too. It has one ``host`` for every answer, and says neither what was
asked nor whether it ended in success.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final

from pipeline.addresses import Address, parse_address
from pipeline.model import PortState, Protocol, Service
from pipeline.parse import bounded
from pipeline.parse.masscan import reason_of_flags
from pipeline.parse.nmap_plain import MAX_PLAIN, PlainHosts
from pipeline.parse.nmap_values import (
    MAX_FIELD,
    MAX_REASON,
    MAX_SCRIPT,
    PROTOCOLS,
    STATES,
    ExtraPorts,
    ExtraReason,
    HostResult,
    NmapRun,
    PortResult,
    ScanInfo,
    port_list,
    seconds,
    whole,
)
from pipeline.parse.packed import opened
from pipeline.parse.safe_xml import Attributes, SafeXml, Shortcut
from pipeline.ports import LAST_PORT

__all__ = [
    "MAX_FIELD",
    "MAX_HOST",
    "MAX_REASON",
    "MAX_SCRIPT",
    "ExtraPorts",
    "ExtraReason",
    "HostResult",
    "NmapRun",
    "PortResult",
    "ScanInfo",
    "read_nmap_file",
    "read_nmap_xml",
]

MAX_HOST: Final = 16 << 20
"""Characters that are kept of one host; ports and their states do not count."""

_ENTRY: Final = 128
"""What one more entry takes of a host's room, besides its text."""
_MAX_SCANS: Final = 64
_MAX_PIECES: Final = 64


OnHost = Callable[[HostResult], None]
ByText = Callable[[PlainHosts, bytes, int, int, int], bool]
"""Text between two places of some bytes, and where in the file (unpacked) it begins."""


def read_nmap_xml(
    stream: BinaryIO,
    on_host: OnHost,
    *,
    by_text: ByText | None = None,
    plainly: bool = True,
) -> NmapRun:
    """Hand every finished host of ``stream`` to ``on_host``, in the file's order.

    ``by_text`` is asked first about text that is one child of the root and may be a plain host; it
    is true when that was enough, and then neither values nor oddities come of the host. Without
    ``plainly`` everything goes through the parser; what is handed out is the same.

    Damage is not an error: the answer says ``truncated``. Raises ``ParseError`` for what is not
    nmap's XML at all and for what only an attacker would write; hosts may have been handed out
    by then.
    """
    return _Reader(on_host, by_text).read(stream, plainly=plainly)


def read_nmap_file(path: Path, on_host: OnHost, *, by_text: ByText | None = None) -> NmapRun:
    """As ``read_nmap_xml``, for a file that may be packed (gzip, Zstandard).

    What cannot be unpacked to its end is truncated, even where the XML seems whole. Raises
    ``OSError``, too, for a file that cannot be read.
    """
    with opened(path) as file:
        run = read_nmap_xml(file.stream, on_host, by_text=by_text)
        if file.damage:
            run = replace(run, complete=False, truncated=True, error=file.damage)
        return run


@dataclass(slots=True)
class _Port:
    """A port of which the end tag has not been read."""

    protocol: Protocol
    port: int
    state: PortState | None = None
    reason: str = ""
    ttl: int | None = None
    service: Attributes | None = None
    cpes: list[str] = field(default_factory=list)
    scripts: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Extra:
    state: PortState
    count: int
    reasons: list[ExtraReason] = field(default_factory=list)


@dataclass(slots=True)
class _Host:
    """A host of which the end tag has not been read. ``room``: characters it may still take."""

    started: float | None
    ended: float | None
    timed_out: bool
    up: bool | None = None
    reason: str = ""
    address: Address | None = None
    bad_address: str = ""
    ports: dict[tuple[Protocol, int], PortResult] = field(default_factory=dict)
    extra: list[_Extra] = field(default_factory=list)
    scripts: list[tuple[str, str]] = field(default_factory=list)
    names: dict[str, None] = field(default_factory=dict)
    room: int = MAX_HOST


class _Reader:
    """One pass over one document."""

    def __init__(self, on_host: OnHost, by_text: ByText | None) -> None:
        self._on_host = on_host
        self._by_text = by_text
        self._plain: PlainHosts | None = None
        # Where an element may stand in nmap's DTD. What stands elsewhere, or is not here, is
        # passed over: `cpe` below `osclass`, `script` before the first host, `hosthint`.
        self._xml = SafeXml(
            root="nmaprun",
            starts={
                1: {"nmaprun": self._start_nmaprun},
                2: {"scaninfo": self._start_scaninfo, "host": self._start_host},
                3: {
                    "status": self._start_status,
                    "address": self._start_address,
                    "finished": self._start_finished,
                    "hosts": self._start_hosts,
                },
                4: {
                    "hostname": self._start_hostname,
                    "extraports": self._start_extraports,
                    "port": self._start_port,
                    "script": self._start_host_script,
                },
                5: {
                    "extrareasons": self._start_extrareasons,
                    "state": self._start_state,
                    "service": self._start_service,
                    "script": self._start_port_script,
                },
                6: {"cpe": self._start_cpe},
            },
            ends={
                2: {"host": self._end_host},
                4: {"port": self._end_port, "extraports": self._end_extraports},
                6: {"cpe": self._end_cpe},
            },
        )
        self._run: Attributes = {}
        self._finished: Attributes = {}
        self._counts: Attributes = {}
        self._scans: list[ScanInfo] = []
        self._host: _Host | None = None
        self._port: _Port | None = None
        self._extra: _Extra | None = None
        self._cpe: list[str] = []
        self._hosts_read = 0
        self._oddities = 0
        self._oddity = ""

    def read(self, stream: BinaryIO, *, plainly: bool) -> NmapRun:
        shortcut = Shortcut(end=b"</host>", longest=MAX_PLAIN, take=self._take)
        damage = self._xml.read(stream, shortcut if plainly else None)
        return NmapRun(
            scanner=bounded(self._run.get("scanner", ""), MAX_FIELD),
            version=bounded(self._run.get("version", ""), MAX_FIELD),
            arguments=self._run.get("args", ""),
            started=seconds(self._run.get("start")),
            ended=seconds(self._finished.get("time")),
            scans=tuple(self._scans),
            complete=not damage and self._finished.get("exit") == "success",
            error=damage or bounded(self._finished.get("errormsg", ""), MAX_FIELD),
            truncated=bool(damage),
            hosts_up=whole(self._counts.get("up")),
            hosts_down=whole(self._counts.get("down")),
            hosts_total=whole(self._counts.get("total")),
            hosts_read=self._hosts_read,
            oddities=self._oddities,
            oddity=self._oddity,
        )

    def _take(self, data: bytes, start: int, end: int) -> bool:
        """True for the text of one whole host that needs no parser, which is handed out."""
        if self._plain is None:
            self._plain = PlainHosts(masscan=self._run.get("scanner") == "masscan")
        place = self._xml.origin + start
        if self._by_text is None or not self._by_text(self._plain, data, start, end, place):
            plain = self._plain.match(data, start, end)
            host = plain.host() if plain else None
            if host is None:
                return False
            self._on_host(host)
        self._hosts_read += 1
        return True

    def _odd(self, what: str) -> None:
        self._oddities += 1
        if not self._oddity:
            self._oddity = f"{self._xml.here()}: {bounded(what, MAX_FIELD)}"

    def _keep(self, text: str, limit: int = MAX_FIELD) -> str:
        """The text, shortened to ``limit`` and to the room that its host has left."""
        if self._host is None:
            return bounded(text, limit)
        room = self._host.room
        if len(text) > limit or len(text) > room:
            text = bounded(text, min(limit, room))
        self._host.room = max(0, room - len(text))
        return text

    def _field(self, attributes: Attributes, name: str) -> str:
        text = attributes.get(name)
        return self._keep(text) if text else ""

    def _full(self, host: _Host, entries: int = 1) -> bool:
        """Takes a little room for more entries; true, and odd, when there is none."""
        if host.room >= entries * _ENTRY:
            host.room -= entries * _ENTRY
            return False
        self._odd(f"the host says more than {MAX_HOST} characters; the rest is left out")
        return True

    # The run.

    def _start_nmaprun(self, attributes: Attributes) -> None:
        self._run = attributes

    def _start_finished(self, attributes: Attributes) -> None:
        if self._host is None:
            self._finished = attributes

    def _start_hosts(self, attributes: Attributes) -> None:
        if self._host is None:
            self._counts = attributes

    def _start_scaninfo(self, attributes: Attributes) -> None:
        if "services" not in attributes:
            return
        protocol = PROTOCOLS.get(attributes.get("protocol", ""))
        ports = port_list(attributes.get("services", ""))
        if protocol is None or ports is None or len(self._scans) >= _MAX_SCANS:
            self._odd(f"a scan that cannot be understood: {attributes}")
            return
        scan_type = bounded(attributes.get("type", ""), MAX_FIELD)
        self._scans.append(ScanInfo(type=scan_type, protocol=protocol, ports=ports))

    # A host.

    def _start_host(self, attributes: Attributes) -> None:
        self._host = _Host(
            started=seconds(attributes.get("starttime")),
            ended=seconds(attributes.get("endtime")),
            timed_out=attributes.get("timedout") == "true",
        )

    def _start_status(self, attributes: Attributes) -> None:
        if self._host:
            self._host.up = attributes.get("state") == "up"
            self._host.reason = bounded(attributes.get("reason", ""), MAX_REASON)

    def _start_address(self, attributes: Attributes) -> None:
        host = self._host
        if host is None or host.address or attributes.get("addrtype") == "mac":
            return
        try:
            host.address = parse_address(attributes.get("addr", ""))
        except ValueError as bad:
            host.bad_address = str(bad)

    def _start_hostname(self, attributes: Attributes) -> None:
        host = self._host
        if host and attributes.get("name") and not self._full(host):
            host.names[self._field(attributes, "name")] = None

    def _start_host_script(self, attributes: Attributes) -> None:
        if self._host and not self._full(self._host):
            self._host.scripts.append(self._script(attributes))

    def _script(self, attributes: Attributes) -> tuple[str, str]:
        """Id and output; nmap leaves ``output`` out when a script's answer is an empty table."""
        return (
            self._field(attributes, "id"),
            self._keep(attributes.get("output", ""), MAX_SCRIPT),
        )

    def _end_host(self) -> None:
        host, self._host = self._host, None
        if host is None:
            return
        if host.address is None:
            self._odd(f"a host without an address of use: {host.bad_address or 'there is none'}")
            return
        self._hosts_read += 1
        self._on_host(
            HostResult(
                address=host.address,
                # masscan writes no status: a host that answered on a port is up.
                up=bool(host.ports) if host.up is None else host.up,
                reason=host.reason,
                started=host.started,
                ended=host.ended,
                timed_out=host.timed_out,
                ports=tuple(host.ports.values()),
                extra=tuple(
                    ExtraPorts(state=e.state, count=e.count, reasons=tuple(e.reasons))
                    for e in host.extra
                ),
                host_scripts=tuple(host.scripts),
                names=tuple(host.names),
            )
        )

    # Ports that nmap counted.

    def _start_extraports(self, attributes: Attributes) -> None:
        state = STATES.get(attributes.get("state", ""))
        count = whole(attributes.get("count"))
        if state is None or count is None:
            self._odd(f"ports that cannot be understood: {attributes}")
        elif self._host and not self._full(self._host):
            self._extra = _Extra(state, count)
            self._host.extra.append(self._extra)

    def _start_extrareasons(self, attributes: Attributes) -> None:
        host, extra = self._host, self._extra
        if host is None or extra is None:
            return
        count = whole(attributes.get("count"))
        ports = port_list(attributes["ports"]) if "ports" in attributes else None
        protocol = PROTOCOLS.get(attributes.get("proto", ""))
        if (
            count is None
            or (ports is None and "ports" in attributes)
            or (protocol is None and "proto" in attributes)
        ):
            self._odd(f"a reason that cannot be understood: {attributes}")
            return
        if self._full(host, entries=1 + len(ports.ranges if ports else ())):
            return
        extra.reasons.append(
            ExtraReason(
                reason=bounded(attributes.get("reason", ""), MAX_REASON),
                count=count,
                protocol=protocol,
                ports=ports,
            )
        )

    def _end_extraports(self) -> None:
        self._extra = None

    # A port that nmap listed.

    def _start_port(self, attributes: Attributes) -> None:
        protocol = PROTOCOLS.get(attributes.get("protocol", ""))
        number = whole(attributes.get("portid"))
        if self._host is None:
            return
        if protocol is None or number is None or not 1 <= number <= LAST_PORT:
            self._odd(f"a port that does not exist: {attributes}")
        else:
            self._port = _Port(protocol, number)

    def _start_state(self, attributes: Attributes) -> None:
        if self._port:
            self._port.state = STATES.get(attributes.get("state", ""))
            self._port.reason = self._reason(attributes)
            ttl = whole(attributes.get("reason_ttl"))
            # nmap writes 0 where no packet answered; a packet with TTL 0 does not arrive.
            self._port.ttl = ttl if ttl and ttl <= 255 else None

    def _reason(self, attributes: Attributes) -> str:
        reason = bounded(attributes.get("reason", ""), MAX_REASON)
        if self._port and self._port.state and self._run.get("scanner") == "masscan":
            return reason_of_flags(reason, self._port.protocol, self._port.state)
        return reason

    def _start_service(self, attributes: Attributes) -> None:
        if self._port:
            self._port.service = attributes

    def _start_cpe(self, _: Attributes) -> None:
        if self._port:
            self._cpe.clear()
            self._xml.on_text(self._cpe_text)

    def _cpe_text(self, text: str) -> None:
        if len(self._cpe) < _MAX_PIECES:
            self._cpe.append(text[: MAX_FIELD + 1])

    def _end_cpe(self) -> None:
        self._xml.on_text(None)
        if self._host and self._port and self._cpe and not self._full(self._host):
            self._port.cpes.append(self._keep("".join(self._cpe)))

    def _start_port_script(self, attributes: Attributes) -> None:
        if self._host and self._port and not self._full(self._host):
            self._port.scripts.append(self._script(attributes))

    def _end_port(self) -> None:
        host, port, self._port = self._host, self._port, None
        if host is None or port is None:
            return
        key = port.protocol, port.port
        if port.state is None:
            self._odd(f"{port.port}/{port.protocol} has no state that nmap knows")
        elif key in host.ports:
            self._odd(f"{port.port}/{port.protocol} is said twice; the first counts")
        else:
            host.ports[key] = PortResult(
                protocol=port.protocol,
                port=port.port,
                state=port.state,
                reason=port.reason,
                ttl=port.ttl,
                service=self._service(port),
            )

    def _service(self, port: _Port) -> Service | None:
        said = port.service
        if said is None and not port.scripts:
            return None
        said = said or {}
        return Service(
            name=self._field(said, "name"),
            product=self._field(said, "product"),
            version=self._field(said, "version"),
            extra=self._field(said, "extrainfo"),
            tunnel=self._field(said, "tunnel"),
            hostname=self._field(said, "hostname"),
            confidence=min(whole(said.get("conf")) or 0, 10),
            method=self._field(said, "method"),
            cpes=tuple(port.cpes),
            scripts=tuple(port.scripts),
            banner=self._field(said, "banner"),
        )
