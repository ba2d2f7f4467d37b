"""What carries other traffic: STUN, QUIC, OpenVPN, CoAP, NAT-PMP."""

from __future__ import annotations

import struct
from typing import Final

from pipeline.datagrams.question import LONGEST_REQUEST, Question
from pipeline.ports import PortSet

_STUN_COOKIE: Final = bytes.fromhex("2112a442")
_STUN_SUCCESS, _STUN_ERROR = 0x0101, 0x0111
_QUIC_UNKNOWN: Final = bytes.fromhex("1a2a3a4a")
_LONG_HEADER: Final = 0x80
_HARD_RESET_CLIENT, _HARD_RESET_SERVER = 7, 8
_COAP_CONFIRMABLE, _COAP_RESET = 0x40, 0x70


def _stun_request(token: bytes) -> bytes:
    return struct.pack(">HH", 1, 0) + _STUN_COOKIE + token[:12]


def _stun(reply: bytes, token: bytes) -> str | None:
    if len(reply) < 20 or reply[4:20] != _STUN_COOKIE + token[:12]:
        return None
    kind, size = struct.unpack_from(">HH", reply)
    if size + 20 != len(reply) or kind not in (_STUN_SUCCESS, _STUN_ERROR):
        return None
    return "binding" if kind == _STUN_SUCCESS else "error"


def _quic_request(token: bytes) -> bytes:
    """A long header of a version that is reserved for this (RFC 9000, 15), padded."""
    head = b"\xc0" + _QUIC_UNKNOWN + b"\x08" + token[:8] + b"\x08" + token[8:]
    return head.ljust(LONGEST_REQUEST, b"\0")


def _quic(reply: bytes, token: bytes) -> str | None:
    # Version 0, and the connection ids the other way round (RFC 9000, 17.2.1).
    expected = bytes(4) + b"\x08" + token[8:] + b"\x08" + token[:8]
    versions = reply[1 + len(expected) :]
    if not reply[0] & _LONG_HEADER or reply[1 : 1 + len(expected)] != expected:
        return None
    if not versions or len(versions) % 4:
        return None
    known = [versions[at : at + 4].hex() for at in range(0, len(versions), 4)]
    return f"versions {', '.join(known[:8])}"


def _openvpn_request(token: bytes) -> bytes:
    return bytes([_HARD_RESET_CLIENT << 3]) + token[:8] + b"\0" + bytes(4)


def _openvpn(reply: bytes, token: bytes) -> str | None:
    if len(reply) < 14 or reply[0] >> 3 != _HARD_RESET_SERVER:
        return None
    acknowledged = reply[9]
    # One packet of ours, number 0, and whose it was.
    if acknowledged != 1 or reply[10:14] != bytes(4) or reply[14:22] != token[:8]:
        return None
    return "a server without tls-auth"


def _coap_request(token: bytes) -> bytes:
    return bytes((_COAP_CONFIRMABLE, 0)) + token[:2]


def _coap(reply: bytes, token: bytes) -> str | None:
    return "reset, as to a ping" if reply == bytes((_COAP_RESET, 0)) + token[:2] else None


def _nat_pmp(reply: bytes, _: bytes) -> str | None:
    if len(reply) < 8 or reply[0] != 0 or reply[1] != 128:
        return None
    (code,) = struct.unpack_from(">H", reply, 2)
    if code == 0 and len(reply) != 12:
        return None
    return f"result {code}"


STUN: Final = Question(
    name="stun",
    ports=PortSet.of([3478]),
    source="RFC 8489, 6 and 14",
    harmless="asks for our own address; nothing is allocated",
    request=_stun_request,
    reads=_stun,
)
QUIC: Final = Question(
    name="quic",
    ports=PortSet.parse("443,853,8443"),
    source="RFC 9000, 6 and 17.2.1",
    harmless="a version that nobody has: answered with the list of versions, without a connection",
    request=_quic_request,
    reads=_quic,
)
OPENVPN: Final = Question(
    name="openvpn",
    ports=PortSet.of([1194]),
    source="OpenVPN, ssl_pkt.h (P_CONTROL_HARD_RESET_CLIENT_V2)",
    harmless="the first packet of every client; nobody is identified",
    request=_openvpn_request,
    reads=_openvpn,
)
COAP: Final = Question(
    name="coap",
    ports=PortSet.of([5683]),
    source="RFC 7252, 4.3",
    harmless="the ping of the protocol: an empty message of four bytes",
    request=_coap_request,
    reads=_coap,
)
NAT_PMP: Final = Question(
    name="nat-pmp",
    ports=PortSet.of([5351]),
    source="RFC 6886, 3.2",
    harmless="asks a gateway for its own address; nothing is mapped",
    request=lambda _: b"\0\0",
    reads=_nat_pmp,
)
