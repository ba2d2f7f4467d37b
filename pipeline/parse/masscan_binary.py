"""Read what masscan writes with ``-oB``, and ``masscan --readscan`` reads.

A record of 99 bytes that begins with ``masscan/1.1`` stands at both ends; in version 1.1.02 and in
masscan 1.3 the first has the time of the start in it (``s:1795747415``). Every other record is a
type (7 bits a byte, the highest bit says that more follow), a length (in the same way), and that
many bytes, numbers in network order. All of this is as masscan 1.3.2 writes and reads it
(``out-binary.c``, ``in-binary.c`` in its source).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import BinaryIO, Final

from pipeline.model import PortState, Protocol
from pipeline.parse import ParseError
from pipeline.parse.masscan import Hit, MasscanRun, Repeats, reason_of_flags, spoken
from pipeline.ports import LAST_PORT

HEADER: Final = 2 + ord("a")
"""Bytes. masscan pads its mark so that it reads as a record of type ``m`` and length ``a``."""
MAX_RECORD: Final = 1 << 20

_MARK: Final = b"masscan/1.1"
_HEADER_TYPE: Final = ord("m")
_PROTOCOLS: Final = {6: Protocol.TCP, 17: Protocol.UDP}
_UDP_PORTS: Final = frozenset({53, 123, 137, 161})
"""What records of the oldest types do not say, masscan itself guesses from the port."""
_FLAGS: Final = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr")
_SERVICES: Final = tuple(
    re.split(
        " ",
        " unknown ssh ssh http ftp dns-ver snmp nbtstat ssl smb smtp pop imap zeroaccess X509 "
        "title html ntp vuln heartbleed ticketbleed vnc safe memcached scripting versioning "
        "coap telnet rdp http.server",
    )
)
"""masscan's numbers of what speaks; new ones are added at the end."""


def read_masscan_binary(
    stream: BinaryIO, on_hit: Callable[[Hit], None]
) -> tuple[MasscanRun, float | None]:
    """Hand every distinct hit of ``stream`` to ``on_hit``; also returns the start, if it is told.

    Raises ``ParseError`` for what does not begin like such a file.
    """
    head = stream.read(HEADER)
    if not head.startswith(_MARK):
        raise ParseError("this is no binary file of masscan's, which begins with masscan/1.1")
    seen = Repeats()
    oddities = 0
    ended = False
    for kind, data in _records(stream):
        if kind == _HEADER_TYPE:
            ended = True
            continue
        ended = False
        hit = _hit(kind, data)
        if hit is None:
            oddities += 1
        elif seen.is_new(hit):
            on_hit(hit)
    run = MasscanRun(
        hits=seen.hits, duplicates=seen.duplicates, truncated=not ended, oddities=oddities
    )
    return run, _start(head)


def _start(head: bytes) -> float | None:
    found = re.search(rb"\ns:([0-9]{1,10})\n", head)
    return float(found[1]) if found and int(found[1]) else None


def _records(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Type and data of each record that is whole; none after one that cannot be."""
    while True:
        kind = _number(stream)
        length = _number(stream) if kind is not None else None
        if kind is None or length is None or length > MAX_RECORD:
            return
        # Records of type 4 have one byte more than they say.
        data = stream.read(length + (kind == 4))
        if len(data) < length:
            return
        yield kind, data


def _number(stream: BinaryIO) -> int | None:
    number = 0
    for _ in range(4):
        byte = stream.read(1)
        if not byte:
            return None
        number = number << 7 | byte[0] & 0x7F
        if byte[0] < 0x80:
            return number
    return None


def _hit(kind: int, data: bytes) -> Hit | None:
    match kind:
        case 1 | 2 if len(data) >= 12:
            port = int.from_bytes(data[8:10])
            protocol = Protocol.UDP if port in _UDP_PORTS else Protocol.TCP
            return _status(kind == 1, data[:4], data[4:8], protocol, port, data[10], data[11])
        case 6 | 7 if len(data) >= 13:
            port = int.from_bytes(data[9:11])
            return _status(
                kind == 6, data[:4], data[4:8], _PROTOCOLS.get(data[8]), port, data[11], data[12]
            )
        case 10 | 11 if len(data) >= 26 and data[9] == 6:
            port = int.from_bytes(data[5:7])
            return _status(
                kind == 10, data[:4], data[10:26], _PROTOCOLS.get(data[4]), port, data[7], data[8]
            )
        case 3 if len(data) >= 12:
            return _banner(data[:4], data[4:8], 6, data[8:10], data[10:12], data[12:])
        case 4 | 5 if len(data) >= 13:
            return _banner(data[:4], data[4:8], data[8], data[9:11], data[11:13], data[13:])
        case 9 if len(data) >= 14:
            return _banner(data[:4], data[4:8], data[8], data[9:11], data[11:13], data[14:])
        case 13 if len(data) >= 27 and data[10] == 6:
            return _banner(data[:4], data[11:27], data[4], data[5:7], data[7:9], data[27:])
    return None


def _status(
    is_open: bool,
    time: bytes,
    address: bytes,
    protocol: Protocol | None,
    port: int,
    flags: int,
    ttl: int,
) -> Hit | None:
    if protocol is None or not 1 <= port <= LAST_PORT:
        return None
    state = PortState.OPEN if is_open else PortState.CLOSED
    names = "-".join(name for bit, name in enumerate(_FLAGS) if flags >> bit & 1)
    return Hit(
        address=IPv4Address(address) if len(address) == 4 else IPv6Address(address),
        protocol=protocol,
        port=port,
        state=state,
        reason=reason_of_flags(names, protocol, state),
        ttl=ttl or None,
        time=float(int.from_bytes(time)),
    )


def _banner(
    time: bytes, address: bytes, protocol: int, port: bytes, service: bytes, said: bytes
) -> Hit | None:
    hit = _status(
        True, time, address, _PROTOCOLS.get(protocol), int.from_bytes(port), flags=0, ttl=0
    )
    if hit is None:
        return None
    number = int.from_bytes(service)
    return replace(
        hit,
        reason=f"{hit.protocol}-response",
        banner=spoken(said.decode("latin-1")),
        service_name=_SERVICES[number] if number < len(_SERVICES) else "",
    )
