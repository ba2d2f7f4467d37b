"""Read hosts that are written as nmap writes most of them, without a parser.

A parser spends most of its time on calling back for every element. Here one regular expression
describes what stands around the ports of a host, and ports that are written like one that was read
before are not read again: in a large scan most are. Both are strict. Text that they do not
describe to the last byte (references, other letters than ASCII, another order of elements or
attributes, nested script output) gives ``None``, and the parser reads it. So what is not XML is
never taken for a host, and what is taken means what the parser would have made of it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from pipeline.addresses import address_at, number_of, parse_address
from pipeline.model import Service
from pipeline.parse.masscan import reason_of_flags
from pipeline.parse.nmap_values import (
    MAX_FIELD,
    PROTOCOLS,
    STATES,
    ExtraPorts,
    ExtraReason,
    HostResult,
    PortResult,
    port_list,
)
from pipeline.ports import LAST_PORT

MAX_PLAIN: Final = 200_000
"""Bytes of a host; one that is longer could reach the limits that the parser's reader sets."""

_REMEMBERED: Final = 16_384
_REMEMBERED_COUNTED: Final = 1_024
_LONGEST_REMEMBERED: Final = 512

_STATES: Final = {name.encode(): state for name, state in STATES.items()}
_OCTETS: Final = {str(octet).encode(): octet for octet in range(256)}
# Line ends as in safe_xml.py: a carriage return alone would be one, too, and is not described.
_SPACE: Final = rb"(?:\r\n|[ \t\n])*"
# What needs no reference in an attribute: printable, and neither a quotation mark, `&` nor `<`.
_TEXT: Final = rb"[ !#-%'-;=-~]"
_A_STATE: Final = b"|".join(re.escape(name) for name in _STATES)


def _pattern(text: bytes) -> re.Pattern[bytes]:
    """``{S}`` stands for space, ``{T}`` for one character of text, ``{P}`` for a port's state."""
    text = text.replace(b"{S}", _SPACE).replace(b"{T}", _TEXT).replace(b"{P}", _A_STATE)
    return re.compile(text, re.DOTALL)


_BEGIN: Final = (
    rb'{S}<host(?: starttime="([0-9]{1,12})")?(?: endtime="([0-9]{1,12})")?'
    rb'(?: timedout="(true|false)")?>{S}'
)
_END: Final = rb'(?:<times srtt="{T}*" rttvar="{T}*" to="{T}*"/>{S})?</host>'
_HOST: Final = _pattern(
    _BEGIN
    + rb'(?:<status state="(up|down)" reason="({T}{0,64})"(?: reason_ttl="[0-9]{1,3}")?/>{S})?'
    rb'<address addr="([0-9a-fA-F:.]{2,45})" addrtype="ipv[46]"/>{S}'
    rb'(?:<address addr="{T}*" addrtype="mac"(?: vendor="{T}*")?/>{S})?'
    rb"(?:<hostnames>{S}"
    rb'((?:<hostname name="{T}{1,255}"(?: type="{T}*")?/>{S})*)</hostnames>{S})?'
    rb"(?:<ports>{S}"
    rb'((?:<extraports state="(?:{P})" count="[0-9]{1,12}">{S}'
    rb'(?:<extrareasons reason="{T}{0,64}" count="[0-9]{1,12}"'
    rb'(?: proto="(?:tcp|udp)" ports="[0-9,-]*")?/>{S})*</extraports>{S})*)'
    rb"(.*)</ports>{S})?" + _END
)
# What stands around all that does not depend on the time of the scan.
_OPENING: Final = _pattern(
    _BEGIN + rb'(?=(?:<status state="(up|down)"[^>]*>{S})?'
    rb'<address addr="([0-9a-fA-F:.]{2,45})" addrtype="ipv[46]")'
)
_ENDING: Final = _pattern(_END)
# Parts of what was found to be as described above.
_HOSTNAME: Final = _pattern(rb'<hostname name="([^"]+)"')
_EXTRAPORTS: Final = _pattern(rb'<extraports state="([^"]+)" count="([^"]+)">(.*?)</extraports>')
_EXTRAREASONS: Final = _pattern(
    rb'<extrareasons reason="([^"]*)" count="([^"]+)"(?: proto="([^"]+)" ports="([^"]*)")?/>'
)
_PORT: Final = _pattern(
    rb'{S}<port protocol="(?P<protocol>tcp|udp)" portid="(?P<port>[1-9][0-9]{0,4})">{S}'
    rb'<state state="(?P<state>{P})" reason="(?P<reason>{T}{0,64})"'
    rb'(?: reason_ttl="(?P<ttl>[0-9]{1,3})")?/>{S}'
    rb'(?P<service><service name="(?P<name>{T}*)"(?: product="(?P<product>{T}*)")?'
    rb'(?: version="(?P<version>{T}*)")?(?: extrainfo="(?P<extra>{T}*)")?'
    rb'(?: hostname="(?P<hostname>{T}*)")?(?: ostype="{T}*")?(?: devicetype="{T}*")?'
    rb'(?: servicefp="{T}*")?(?: tunnel="(?P<tunnel>{T}*)")?(?: banner="(?P<banner>{T}*)")?'
    rb'(?: method="(?P<method>{T}*)" conf="(?P<conf>[0-9]{1,2})")?'
    rb"(?:/>|>(?P<cpes>(?:<cpe>[!-%'-;=?-}]+</cpe>)*)</service>){S})?"
    rb'(?P<scripts>(?:<script id="{T}*" output="{T}*"/>{S})*)'
)
_CPE: Final = _pattern(rb"<cpe>([^<]+)</cpe>")
_SCRIPT: Final = _pattern(rb'<script id="([^"]*)" output="([^"]*)"/>')


class _Said(NamedTuple):
    """The groups of ``_PORT``, in its order; empty where nothing was said."""

    protocol: bytes
    port: bytes
    state: bytes
    reason: bytes
    ttl: bytes
    service: bytes
    name: bytes
    product: bytes
    version: bytes
    extra: bytes
    hostname: bytes
    tunnel: bytes
    banner: bytes
    method: bytes
    conf: bytes
    cpes: bytes
    scripts: bytes


class _Written:
    """A port as it is written. ``key`` is its number, negative for UDP."""

    __slots__ = ("_found", "_masscan", "_result", "key")

    def __init__(self, found: re.Match[bytes], *, masscan: bool) -> None:
        number = int(found["port"])
        self.key = number if found["protocol"] == b"tcp" else -number
        self._found: re.Match[bytes] | None = found
        self._masscan = masscan
        self._result: PortResult | None = None

    def result(self) -> PortResult:
        """What it says; made once."""
        if self._result is None:
            assert self._found is not None
            self._result = _port(_Said._make(self._found.groups(b"")), masscan=self._masscan)
            self._found = None
        return self._result


class Told(NamedTuple):
    """What is said of a host at whatever time. Two plain hosts with equal ``text`` are the same.

    ``number`` is the place of its address on the common number line.
    """

    number: int
    down: bool
    timed_out: bool
    text: bytes


class PlainText:
    """One host as it is written. ``host`` is what it says, or ``None`` if that takes a parser."""

    __slots__ = ("_found", "_ports", "_reader")

    def __init__(self, reader: PlainHosts, found: re.Match[bytes], ports: list[_Written]) -> None:
        self._reader = reader
        self._found = found
        self._ports = ports

    def host(self) -> HostResult | None:
        """The same as values."""
        started, ended, timed_out, state, reason, address, names, extra, _ = self._found.groups()
        number = _number(address)
        if number is None:
            return None
        counted = self._reader.counted(extra) if extra else ()
        if counted is None:
            return None
        return HostResult(
            address=address_at(number),
            up=bool(self._ports) if state is None else state == b"up",
            reason=reason.decode() if reason else "",
            started=float(started) if started else None,
            ended=float(ended) if ended else None,
            timed_out=timed_out == b"true",
            ports=tuple([port.result() for port in self._ports]),
            extra=counted,
            host_scripts=(),
            names=tuple(dict.fromkeys(_texts(_HOSTNAME, names))) if names else (),
        )


class PlainHosts:
    """Reads hosts of one file, and remembers how ports in it are written."""

    def __init__(self, *, masscan: bool) -> None:
        self.masscan = masscan
        self._known: dict[bytes, _Written] = {}
        self._known_extra: dict[bytes, tuple[ExtraPorts, ...]] = {}

    def match(self, data: bytes, start: int, end: int) -> PlainText | None:
        """One whole host and nothing else between two places, or ``None``: the parser decides."""
        found = _HOST.fullmatch(data, start, end)
        if found is None:
            return None
        written = found[9]
        if not written:
            return PlainText(self, found, [])
        pieces = written.split(b"</port>")
        rest = pieces.pop()
        if rest != b"\n" and not re.fullmatch(_SPACE, rest):
            return None
        if not pieces:
            return PlainText(self, found, [])
        try:
            ports = list(map(self._known.__getitem__, pieces))
        except KeyError:
            read = [self._known.get(piece) or self._read(piece) for piece in pieces]
            ports = [port for port in read if port is not None]
            if len(ports) < len(read):
                return None
        # Of a port that is said twice the first counts, and that is odd.
        once = len({port.key for port in ports}) == len(ports)
        return PlainText(self, found, ports) if once else None

    @staticmethod
    def number(data: bytes, start: int, end: int) -> int | None:
        """The place of the address of a host that was plain when it was read before."""
        begin = _OPENING.match(data, start, end)
        return _number(begin[5]) if begin else None

    @staticmethod
    def told(data: bytes, start: int, end: int) -> Told | None:
        """What is said of a host that may be plain, for next to nothing.

        It is plain if ``match`` says so, or has said so of a host of which the same was told.
        """
        begin = _OPENING.match(data, start, end)
        number = _number(begin[5]) if begin else None
        if begin is None or number is None:
            return None
        times = data.rfind(b"<times ", begin.end(), end)
        ending = times if times >= 0 else end - len(b"</host>")
        if not _ENDING.fullmatch(data, ending, end):
            return None
        return Told(number, begin[4] == b"down", begin[3] == b"true", data[begin.end() : ending])

    def _read(self, piece: bytes) -> _Written | None:
        found = _PORT.fullmatch(piece) if len(piece) <= MAX_FIELD else None
        if found is None:
            return None
        written = _Written(found, masscan=self.masscan)
        if abs(written.key) > LAST_PORT:
            return None
        if len(piece) <= _LONGEST_REMEMBERED:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[piece] = written
        return written

    def counted(self, written: bytes) -> tuple[ExtraPorts, ...] | None:
        """What some ``extraports`` say, or ``None``: the parser decides."""
        known = self._known_extra.get(written)
        if known is None:
            known = _extra(written)
            if known is not None and len(written) <= _LONGEST_REMEMBERED:
                if len(self._known_extra) >= _REMEMBERED_COUNTED:
                    self._known_extra.clear()
                self._known_extra[written] = known
        return known


def _number(written: bytes) -> int | None:
    try:
        one, two, three, four = map(_OCTETS.__getitem__, written.split(b"."))
    except (KeyError, ValueError):
        return _number_of_any(written)
    return one << 24 | two << 16 | three << 8 | four


def _number_of_any(written: bytes) -> int | None:
    try:
        return number_of(parse_address(written.decode()))
    except ValueError:
        return None


def _port(said: _Said, *, masscan: bool) -> PortResult:
    protocol, state = PROTOCOLS[said.protocol.decode()], _STATES[said.state]
    reason, ttl = said.reason.decode(), int(said.ttl or 0)
    return PortResult(
        protocol=protocol,
        port=int(said.port),
        state=state,
        reason=reason_of_flags(reason, protocol, state) if masscan else reason,
        ttl=ttl if 0 < ttl <= 255 else None,
        service=_service(said) if said.service or said.scripts else None,
    )


def _service(said: _Said) -> Service:
    cpes, scripts = said.cpes, said.scripts
    return Service(
        name=said.name.decode(),
        product=said.product.decode(),
        version=said.version.decode(),
        extra=said.extra.decode(),
        tunnel=said.tunnel.decode(),
        hostname=said.hostname.decode(),
        confidence=min(int(said.conf or 0), 10),
        method=said.method.decode(),
        cpes=tuple(_texts(_CPE, cpes)) if cpes else (),
        scripts=tuple((i.decode(), o.decode()) for i, o in _SCRIPT.findall(scripts))
        if scripts
        else (),
        banner=said.banner.decode(),
    )


def _extra(written: bytes) -> tuple[ExtraPorts, ...] | None:
    counted = []
    for state, count, inside in _EXTRAPORTS.findall(written):
        reasons = [_reason(*found.groups()) for found in _EXTRAREASONS.finditer(inside)]
        understood = tuple(reason for reason in reasons if reason is not None)
        if len(understood) < len(reasons):
            return None
        counted.append(ExtraPorts(state=_STATES[state], count=int(count), reasons=understood))
    return tuple(counted)


def _reason(
    reason: bytes, count: bytes, protocol: bytes | None, listed: bytes | None
) -> ExtraReason | None:
    ports = None if listed is None else port_list(listed.decode())
    if ports is None and listed is not None:
        return None
    return ExtraReason(
        reason=reason.decode(),
        count=int(count),
        protocol=PROTOCOLS[protocol.decode()] if protocol else None,
        ports=ports,
    )


def _texts(pattern: re.Pattern[bytes], written: bytes) -> list[str]:
    return [text.decode() for text in pattern.findall(written)]
