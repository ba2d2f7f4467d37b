"""Protocols that are text."""

from __future__ import annotations

from typing import Final

from pipeline.datagrams.question import Question, words
from pipeline.ports import PortSet

_SSDP_REQUEST: Final = (
    b"M-SEARCH * HTTP/1.1\r\n"
    b"HOST: 239.255.255.250:1900\r\n"
    b'MAN: "ssdp:discover"\r\n'
    b"MX: 1\r\n"
    b"ST: upnp:rootdevice\r\n\r\n"
)
_MEMCACHED_HEADER: Final = 8


def _options(token: bytes) -> bytes:
    """RFC 3261, 11.1. The domain is one of those that are nobody's (RFC 6761, 6.4)."""
    number = token.hex()
    return (
        "OPTIONS sip:ping@scan.invalid SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP scan.invalid:5060;branch=z9hG4bK{number};rport\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <sip:scan@scan.invalid>;tag={number[:8]}\r\n"
        "To: <sip:ping@scan.invalid>\r\n"
        f"Call-ID: {number}@scan.invalid\r\n"
        "CSeq: 1 OPTIONS\r\n"
        "Contact: <sip:scan@scan.invalid>\r\n"
        "Accept: application/sdp\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def _sip(reply: bytes, token: bytes) -> str | None:
    head = reply.partition(b"\r\n\r\n")[0]
    if not head.startswith(b"SIP/2.0 ") or token.hex().encode() not in head.lower():
        return None
    status = head.split(b"\r\n")[0][8:]
    if not status[:3].isdigit():
        return None
    return _with(words(status), _field(head, b"server") or _field(head, b"user-agent"))


def _ssdp(reply: bytes, _: bytes) -> str | None:
    head = reply.partition(b"\r\n\r\n")[0]
    if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")) or not _field(head, b"usn"):
        return None
    return _field(head, b"server") or "a root device"


def _field(head: bytes, name: bytes) -> str:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return words(value.strip())
    return ""


def _with(first: str, second: str) -> str:
    return f"{first}, {second}" if second else first


def _memcached_request(token: bytes) -> bytes:
    """The frame of memcached's protocol.txt: request id, sequence 0 of 1 datagram."""
    return token[:2] + b"\0\0\0\x01\0\0" + b"version\r\n"


def _memcached(reply: bytes, token: bytes) -> str | None:
    body = reply[_MEMCACHED_HEADER:]
    if reply[:2] != token[:2] or not body.startswith((b"VERSION ", b"ERROR")):
        return None
    return words(body.partition(b"\r\n")[0]).removeprefix("VERSION ")


def _echo(reply: bytes, token: bytes) -> str | None:
    return "the same bytes came back" if reply == token else None


SIP: Final = Question(
    name="sip",
    ports=PortSet.of([5060]),
    source="RFC 3261, 11",
    harmless="asks what the other side can do; no telephone rings",
    request=_options,
    reads=_sip,
)
SSDP: Final = Question(
    name="ssdp",
    ports=PortSet.of([1900]),
    source="UPnP Device Architecture 2.0, 1.3.2",
    harmless="asks one host, by unicast, for its root device only: one answer",
    request=lambda _: _SSDP_REQUEST,
    reads=_ssdp,
)
MEMCACHED: Final = Question(
    name="memcached",
    ports=PortSet.of([11211]),
    source="memcached, doc/protocol.txt, 'UDP protocol'",
    harmless="asks for the version, which is short; nothing is read, stored or counted",
    request=_memcached_request,
    reads=_memcached,
)
ECHO: Final = Question(
    name="echo",
    ports=PortSet.of([7]),
    source="RFC 862",
    harmless="sixteen bytes that come back once",
    request=lambda token: token,
    reads=_echo,
)
