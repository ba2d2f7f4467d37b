"""Read what nmap writes with ``-oX``: streaming, in flat memory, on the standard library's expat.

A host is handed out when its ``</host>`` was read and not before, so a file that was cut in half
by a kill or a full disk gives every host that was finished and no half one. Element by element
this follows nmap's DTD (docs/nmap.dtd in its source), but tolerates what real versions of nmap
write beyond it: ``taskprogress`` anywhere, ``service`` and ``output`` absent.

The input may be hostile: a document type with declarations is refused (that is where entities,
and so all bombs and all fetching of other files, live), and names, nesting, attributes and what
is kept of one host are bounded.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final
from xml.parsers import expat

from pipeline.addresses import Address, parse_address
from pipeline.model import PortState, Protocol, Service
from pipeline.parse import ParseError, bounded
from pipeline.ports import LAST_PORT, PortSet

CHUNK: Final = 1 << 20
"""Bytes read at a time: with small pieces expat's work on a long attribute becomes quadratic."""
MAX_ATTRIBUTE: Final = 1 << 20
MAX_TAG: Final = 2 << 20
MAX_NESTING: Final = 64
MAX_NAMES: Final = 10_000
"""Distinct element and attribute names: expat keeps each of them until the end."""
MAX_SCRIPT: Final = 64 << 10
MAX_FIELD: Final = 4 << 10
MAX_REASON: Final = 64
MAX_HOST: Final = 16 << 20
"""Characters that are kept of one host; ports and their states do not count."""

_STATES: Final = {state.value: state for state in PortState}
_PROTOCOLS: Final = {protocol.value: protocol for protocol in Protocol}
_CUT_OFF: Final = frozenset(
    expat.errors.codes[text]
    for text in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
    )
)
# Bytes that no XML document may contain. NUL is not among them: a block of zeros is what a crash
# of the machine leaves in a file, and reading on behind it could join two hosts into one.
_CONTROL: Final = bytes(b for b in range(1, 32) if b not in b"\t\n\r")
_VISIBLE: Final = bytes.maketrans(_CONTROL, b"?" * len(_CONTROL))
# nmap writes such bytes of a banner as references, which are just as forbidden (xml.cc, escape).
_CONTROL_REFERENCE: Final = re.compile(rb"&#x(?:[0-8bcef]|1[0-9a-f]);")
_BEGUN_REFERENCE: Final = re.compile(rb"&(?:#(?:x1?[0-9a-f]?)?)?\Z")

_ENTRY: Final = 128
"""What one more entry takes of a host's room, besides its text."""
_MAX_SCANS: Final = 64
_MAX_PIECES: Final = 64
_MAX_NAMES_COMPARED: Final = 64
_NOTHING: Final[dict[str, Any]] = {}

Attributes = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortResult:
    """What nmap says about one port; ``ttl`` is that of the answer, ``None`` without one."""

    protocol: Protocol
    port: int
    state: PortState
    reason: str
    ttl: int | None
    service: Service | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraReason:
    """Why some ports were collapsed; ``ports`` and ``protocol`` since nmap 7.93 or so."""

    reason: str
    count: int
    protocol: Protocol | None
    ports: PortSet | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraPorts:
    """Ports of one state that nmap counted instead of listing them."""

    state: PortState
    count: int
    reasons: tuple[ExtraReason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostResult:
    """What nmap says about one host. Every text is hostile input.

    ``timed_out``: nmap gave the host up and threw away what it had found; nothing is known.
    """

    address: Address
    up: bool
    reason: str
    started: float | None
    ended: float | None
    timed_out: bool
    ports: tuple[PortResult, ...]
    extra: tuple[ExtraPorts, ...]
    host_scripts: tuple[tuple[str, str], ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanInfo:
    """What was asked of every host, by one scan type: nmap writes one for each protocol."""

    type: str
    protocol: Protocol
    ports: PortSet


@dataclass(frozen=True, slots=True, kw_only=True)
class NmapRun:
    """What a file says about the run as a whole.

    ``complete`` only when nmap says that it ended in success *and* the document ends properly.
    ``truncated``: the file is cut off or damaged, and ``error`` says where; otherwise ``error`` is
    nmap's own message, if any. ``oddities`` counts what had to be left out (a port that does not
    exist, an unknown state, a host without an address), and ``oddity`` describes the first.
    ``scanner`` is the program that wrote the file: masscan writes this format, too.
    """

    scanner: str
    version: str
    arguments: str
    started: float | None
    ended: float | None
    scans: tuple[ScanInfo, ...]
    complete: bool
    error: str
    truncated: bool
    hosts_up: int | None
    hosts_down: int | None
    hosts_total: int | None
    hosts_read: int
    oddities: int
    oddity: str


def read_nmap_xml(stream: BinaryIO, on_host: Callable[[HostResult], None]) -> NmapRun:
    """Hand every finished host of ``stream`` to ``on_host``, in the file's order.

    Damage is not an error: the answer says ``truncated``. Raises ``ParseError`` for what is not
    nmap's XML at all and for what only an attacker would write; hosts may have been handed out
    by then.
    """
    return _Reader(on_host).read(stream)


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
    names: list[str] = field(default_factory=list)
    room: int = MAX_HOST


class _Reader:
    """One pass over one document."""

    def __init__(self, on_host: Callable[[HostResult], None]) -> None:
        self._on_host = on_host
        self._depth = 0
        self._run: Attributes | None = None
        self._finished: Attributes = {}
        self._counts: Attributes = {}
        self._scans: list[ScanInfo] = []
        self._host: _Host | None = None
        self._port: _Port | None = None
        self._extra: _Extra | None = None
        self._cpe: list[str] | None = None
        self._hosts_read = 0
        self._oddities = 0
        self._oddity = ""
        # Where an element may stand in nmap's DTD. What stands elsewhere, or is not here, is
        # passed over: `cpe` below `osclass`, `script` before the first host, `hosthint`.
        self._starts: dict[int, dict[str, Callable[[Attributes], None]]] = {
            2: {"scaninfo": self._start_scaninfo, "host": self._start_host},
            3: {
                "status": self._start_status,
                "address": self._start_address,
                "finished": self._finished.update,
                "hosts": self._counts.update,
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
        }
        self._ends: dict[int, dict[str, Callable[[], None]]] = {
            2: {"host": self._end_host},
            4: {"port": self._end_port, "extraports": self._end_extraports},
            6: {"cpe": self._end_cpe},
        }

    def read(self, stream: BinaryIO) -> NmapRun:
        """Feed the whole stream to expat."""
        chunk = stream.read(CHUNK)
        # A redirection in PowerShell turns nmap's output into UTF-16.
        wide = chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        # The encoding is given so that the document cannot choose one: nmap writes ASCII.
        self._parser = parser = expat.ParserCreate("utf-16" if wide else "utf-8")
        parser.StartDoctypeDeclHandler = self._start_doctype
        parser.EntityDeclHandler = self._refuse_entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        if not chunk:
            return self._answer("the file is empty")
        fed, held = 0, b""
        try:
            while chunk:
                if not wide:
                    chunk, held = _without_control(held + chunk)
                parser.Parse(chunk, False)
                fed += len(chunk)
                # What lies behind the last finished piece of markup is what expat holds on to.
                if fed - parser.CurrentByteIndex > MAX_TAG:
                    raise self._hostile(f"a tag of more than {MAX_TAG} bytes")
                if len(parser.intern) > MAX_NAMES:
                    raise self._hostile(f"more than {MAX_NAMES} different names of elements")
                chunk = stream.read(CHUNK)
            parser.Parse(held, True)
        except expat.ExpatError as broken:
            what = f"{_place(broken.lineno, broken.offset)}: {expat.ErrorString(broken.code)}"
            if self._run is None and broken.code not in _CUT_OFF:
                raise ParseError("this is not nmap's XML", where=what) from None
            return self._answer(what)
        return self._answer()

    def _answer(self, damage: str = "") -> NmapRun:
        run = self._run or {}
        return NmapRun(
            scanner=bounded(run.get("scanner", ""), MAX_FIELD),
            version=bounded(run.get("version", ""), MAX_FIELD),
            arguments=run.get("args", ""),
            started=_seconds(run.get("start")),
            ended=_seconds(self._finished.get("time")),
            scans=tuple(self._scans),
            complete=not damage and self._finished.get("exit") == "success",
            error=damage or bounded(self._finished.get("errormsg", ""), MAX_FIELD),
            truncated=bool(damage),
            hosts_up=_whole(self._counts.get("up")),
            hosts_down=_whole(self._counts.get("down")),
            hosts_total=_whole(self._counts.get("total")),
            hosts_read=self._hosts_read,
            oddities=self._oddities,
            oddity=self._oddity,
        )

    # Refusals and complaints.

    def _here(self) -> str:
        return _place(self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber)

    def _hostile(self, what: str) -> ParseError:
        return ParseError(
            f"nmap does not write this: {what}",
            where=self._here(),
            hint="the file is refused; treat it, and where it came from, with suspicion",
        )

    def _odd(self, what: str) -> None:
        self._oddities += 1
        if not self._oddity:
            self._oddity = f"{self._here()}: {bounded(what, MAX_FIELD)}"

    def _keep(self, text: str, limit: int = MAX_FIELD) -> str:
        """The text, shortened to ``limit`` and to the room that its host has left."""
        host = self._host
        if host is None:
            return bounded(text, limit)
        kept = bounded(text, min(limit, host.room))
        host.room = max(0, host.room - len(kept))
        return kept

    def _full(self, host: _Host) -> bool:
        """Takes a little room for one more entry; true, and odd, when there is none."""
        if host.room >= _ENTRY:
            host.room -= _ENTRY
            return False
        self._odd(f"the host says more than {MAX_HOST} characters; the rest is left out")
        return True

    # expat's handlers.

    def _start_doctype(
        self, name: str, system: str | None, public: str | None, declares: bool
    ) -> None:
        if declares:
            raise self._hostile("a document type with declarations of its own")

    def _refuse_entity(self, *_: object) -> None:
        raise self._hostile("an entity")

    def _start(self, name: str, attributes: Attributes) -> None:
        self._depth += 1
        for value in attributes.values():
            if len(value) > MAX_ATTRIBUTE:
                raise self._hostile(f"an attribute of more than {MAX_ATTRIBUTE} characters")
        if self._depth == 1:
            if name != "nmaprun":
                raise ParseError(
                    f"this is not nmap's XML: it begins with <{bounded(name, 80)}>",
                    where=self._here(),
                )
            self._run = attributes
        elif self._depth > MAX_NESTING:
            raise self._hostile(f"more than {MAX_NESTING} elements inside one another")
        else:
            handler = self._starts.get(self._depth, _NOTHING).get(name)
            if handler:
                handler(attributes)

    def _end(self, name: str) -> None:
        handler = self._ends.get(self._depth, _NOTHING).get(name)
        if handler:
            handler()
        self._depth -= 1

    # The run.

    def _start_scaninfo(self, attributes: Attributes) -> None:
        protocol = _PROTOCOLS.get(attributes.get("protocol", ""))
        ports = _ports(attributes.get("services", ""))
        if protocol is None or ports is None or len(self._scans) >= _MAX_SCANS:
            self._odd(f"a scan that cannot be understood: {attributes}")
            return
        scan_type = bounded(attributes.get("type", ""), MAX_FIELD)
        self._scans.append(ScanInfo(type=scan_type, protocol=protocol, ports=ports))

    # A host.

    def _start_host(self, attributes: Attributes) -> None:
        self._host = _Host(
            started=_seconds(attributes.get("starttime")),
            ended=_seconds(attributes.get("endtime")),
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
        name = attributes.get("name", "")
        if host and name and not self._full(host):
            name = self._keep(name)
            if name not in host.names[-_MAX_NAMES_COMPARED:]:
                host.names.append(name)

    def _start_host_script(self, attributes: Attributes) -> None:
        if self._host and not self._full(self._host):
            self._host.scripts.append(self._script(attributes))

    def _script(self, attributes: Attributes) -> tuple[str, str]:
        """Id and output; nmap leaves ``output`` out when a script's answer is an empty table."""
        return (
            self._keep(attributes.get("id", "")),
            self._keep(attributes.get("output", ""), MAX_SCRIPT),
        )

    def _end_host(self) -> None:
        host, self._host = self._host, None
        if host is None:
            return
        if host.address is None:
            self._odd(f"a host without an address {host.bad_address}".rstrip())
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
        state = _STATES.get(attributes.get("state", ""))
        count = _whole(attributes.get("count"))
        if state is None or count is None:
            self._odd(f"ports that cannot be understood: {attributes}")
        elif self._host and not self._full(self._host):
            self._extra = _Extra(state, count)
            self._host.extra.append(self._extra)

    def _start_extrareasons(self, attributes: Attributes) -> None:
        host, extra = self._host, self._extra
        if host is None or extra is None:
            return
        count = _whole(attributes.get("count"))
        ports = _ports(attributes["ports"]) if "ports" in attributes else None
        if count is None or (ports is None and "ports" in attributes):
            self._odd(f"a reason that cannot be understood: {attributes}")
            return
        if self._full(host):
            return
        host.room -= _ENTRY * len(ports.ranges if ports else ())
        extra.reasons.append(
            ExtraReason(
                reason=bounded(attributes.get("reason", ""), MAX_REASON),
                count=count,
                protocol=_PROTOCOLS.get(attributes.get("proto", "")),
                ports=ports,
            )
        )

    def _end_extraports(self) -> None:
        self._extra = None

    # A port that nmap listed.

    def _start_port(self, attributes: Attributes) -> None:
        protocol = _PROTOCOLS.get(attributes.get("protocol", ""))
        number = _whole(attributes.get("portid"))
        if self._host is None:
            return
        if protocol is None or number is None or not 1 <= number <= LAST_PORT:
            self._odd(f"a port that does not exist: {attributes}")
        else:
            self._port = _Port(protocol, number)

    def _start_state(self, attributes: Attributes) -> None:
        if self._port:
            self._port.state = _STATES.get(attributes.get("state", ""))
            self._port.reason = bounded(attributes.get("reason", ""), MAX_REASON)
            ttl = _whole(attributes.get("reason_ttl"))
            # nmap writes 0 where no packet answered; a packet with TTL 0 does not arrive.
            self._port.ttl = ttl if ttl and ttl <= 255 else None

    def _start_service(self, attributes: Attributes) -> None:
        if self._port:
            self._port.service = attributes

    def _start_cpe(self, _: Attributes) -> None:
        if self._port:
            self._cpe = []
            self._parser.CharacterDataHandler = self._cpe_text

    def _cpe_text(self, text: str) -> None:
        if self._cpe is not None and len(self._cpe) < _MAX_PIECES:
            self._cpe.append(text[: MAX_FIELD + 1])

    def _end_cpe(self) -> None:
        self._parser.CharacterDataHandler = None
        text, self._cpe = "".join(self._cpe or ()), None
        if self._host and self._port and text and not self._full(self._host):
            self._port.cpes.append(self._keep(text))

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
            name=self._keep(said.get("name", "")),
            product=self._keep(said.get("product", "")),
            version=self._keep(said.get("version", "")),
            extra=self._keep(said.get("extrainfo", "")),
            tunnel=self._keep(said.get("tunnel", "")),
            hostname=self._keep(said.get("hostname", "")),
            confidence=min(_whole(said.get("conf")) or 0, 10),
            method=self._keep(said.get("method", "")),
            cpes=tuple(port.cpes),
            scripts=tuple(port.scripts),
            banner=self._keep(said.get("banner", "")),
        )


def _without_control(data: bytes) -> tuple[bytes, bytes]:
    """The data with a question mark for every forbidden character, and a tail to be kept back.

    Lengths do not change, so that a complaint names the place in the file. The tail is a
    reference that the end of the data cut in two.
    """
    data = data.translate(_VISIBLE)
    begun = _BEGUN_REFERENCE.search(data, max(0, len(data) - 8))
    data, held = (data[: begun.start()], begun[0]) if begun else (data, b"")
    return _CONTROL_REFERENCE.sub(_question_mark, data), held


def _question_mark(found: re.Match[bytes]) -> bytes:
    return b"&#63;" if len(found[0]) == 5 else b"&#x3f;"


def _place(line: int, column: int) -> str:
    """expat counts columns from 0, people count from 1."""
    return f"line {line}, column {column + 1}"


def _whole(text: str | None) -> int | None:
    """A whole number that is not negative, or ``None``; ``int`` alone would take ``1_0``."""
    return int(text) if text and len(text) <= 12 and text.isascii() and text.isdigit() else None


def _seconds(text: str | None) -> float | None:
    number = _whole(text)
    return None if number is None else float(number)


def _ports(text: str) -> PortSet | None:
    """nmap's list of ports; ``None`` when it is none. Port 0 is left out: it cannot be asked."""
    ranges: list[tuple[int, int]] = []
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        low = _whole(first)
        high = _whole(last) if dash else low
        if low is None or high is None or not low <= high <= LAST_PORT:
            return None
        if high:
            ranges.append((max(low, 1), high))
    return PortSet.from_ranges(ranges)
