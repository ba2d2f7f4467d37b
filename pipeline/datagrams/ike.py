"""IKE: gateways of virtual private networks, in both versions of the protocol."""

from __future__ import annotations

import struct
from typing import Final

from pipeline.datagrams.question import Question
from pipeline.ports import PortSet

_HEADER: Final = struct.Struct(">8s8sBBBBII")
_SA_V1, _SA, _KE, _NONCE = 1, 33, 34, 40
_NOTIFY_V1, _NOTIFY = 11, 41
_MAIN_MODE, _INFORMATIONAL_V1, _SA_INIT = 2, 5, 34
_V1, _V2 = 0x10, 0x20
_INITIATOR, _RESPONSE = 0x08, 0x20
_NAT_TRAVERSAL_PORT: Final = 4500
_NON_ESP: Final = bytes(4)
_MODP_768: Final = 1
_MODP_768_SIZE: Final = 96
_NAMES: Final = {
    5: "INVALID_MAJOR_VERSION",
    7: "INVALID_SYNTAX",
    14: "NO_PROPOSAL_CHOSEN",
    17: "INVALID_KE_PAYLOAD",
    16390: "COOKIE",
}


def _payload(following: int, body: bytes) -> bytes:
    return struct.pack(">BBH", following, 0, 4 + len(body)) + body


def _transform_v2(kind: int, number: int, *, last: bool = False, key_bits: int = 0) -> bytes:
    attributes = struct.pack(">HH", 0x800E, key_bits) if key_bits else b""
    head = struct.pack(">BBHBBH", 0 if last else 3, 0, 8 + len(attributes), kind, 0, number)
    return head + attributes


def _version_2(token: bytes) -> bytes:
    """An offer with every common group, and a key of the weakest.

    A gateway that takes a better group says so (INVALID_KE_PAYLOAD, RFC 7296, 1.2) and keeps
    nothing; one that takes none says that, too.
    """
    transforms = [
        _transform_v2(1, 12, key_bits=256),
        _transform_v2(1, 12, key_bits=128),
        _transform_v2(2, 5),
        _transform_v2(2, 2),
        _transform_v2(3, 12),
        _transform_v2(3, 2),
        *(_transform_v2(4, group) for group in (19, 20, 14, 2)),
        _transform_v2(4, _MODP_768, last=True),
    ]
    offered = b"".join(transforms)
    proposal = struct.pack(">BBHBBBB", 0, 0, 8 + len(offered), 1, 1, 0, len(transforms)) + offered
    key = struct.pack(">HH", _MODP_768, 0) + (token * 6)[:_MODP_768_SIZE]
    body = _payload(_KE, proposal) + _payload(_NONCE, key) + _payload(0, token * 2)
    size = _HEADER.size + len(body)
    head = _HEADER.pack(token[:8], bytes(8), _SA, _V2, _SA_INIT, _INITIATOR, 0, size)
    return head + body


def _version_1(token: bytes) -> bytes:
    """Main mode with one transform: 3DES or AES, SHA-1, shared key, group 2 (RFC 2409, 5.4)."""
    transforms = b""
    offers = ((7, 2, 256), (7, 2, 128), (5, 2, 0))
    for number, (cipher, group, bits) in enumerate(offers, start=1):
        attributes = struct.pack(">8H", 0x8001, cipher, 0x8002, 2, 0x8003, 1, 0x8004, group)
        if bits:
            attributes += struct.pack(">HH", 0x800E, bits)
        more = 3 if number < len(offers) else 0
        size = 8 + len(attributes)
        transforms += struct.pack(">BBHBBH", more, 0, size, number, 1, 0) + attributes
    proposal = struct.pack(">BBHBBBB", 0, 0, 8 + len(transforms), 1, 1, 0, len(offers)) + transforms
    body = _payload(0, struct.pack(">II", 1, 1) + proposal)
    size = _HEADER.size + len(body)
    head = _HEADER.pack(token[:8], bytes(8), _SA_V1, _V1, _MAIN_MODE, 0, 0, size)
    return head + body


def _reads(reply: bytes, token: bytes) -> str | None:
    if len(reply) < _HEADER.size:
        return None
    ours, theirs, first, version, exchange, flags, _, size = _HEADER.unpack_from(reply)
    if ours != token[:8] or size != len(reply):
        return None
    if version >> 4 == 2 and flags & _RESPONSE and exchange == _SA_INIT:
        return f"version 2, {_told(reply, first, _NOTIFY)}"
    # An initiator's own message that comes back has no cookie of the responder.
    answers = exchange == _MAIN_MODE and theirs != bytes(8)
    if version >> 4 == 1 and (answers or exchange == _INFORMATIONAL_V1):
        return f"version 1, {_told(reply, first, _NOTIFY_V1)}"
    return None


def _told(reply: bytes, first: int, notify: int) -> str:
    if first != notify:
        return "an offer was accepted"
    # Both versions end the fixed part of a notification with its type (RFC 7296, 3.10; RFC 2408,
    # 3.14), after four more bytes in version 1.
    at = _HEADER.size + (10 if notify == _NOTIFY_V1 else 6)
    number = int(struct.unpack_from(">H", reply, at)[0])
    return _NAMES.get(number, f"notification {number}")


def _marked(token: bytes) -> bytes:
    return _NON_ESP + _version_2(token)


def _reads_marked(reply: bytes, token: bytes) -> str | None:
    return _reads(reply[4:], token) if reply[:4] == _NON_ESP else None


_HARMLESS: Final = "the first message of every client; nobody is identified"
IKE_V2: Final = Question(
    name="ike",
    ports=PortSet.of([500]),
    source="RFC 7296, 1.2 and 3",
    harmless=_HARMLESS,
    request=_version_2,
    reads=_reads,
)
IKE_V1: Final = Question(
    name="ike",
    ports=PortSet.of([500]),
    source="RFC 2408, 3; RFC 2409, 5",
    harmless=_HARMLESS,
    request=_version_1,
    reads=_reads,
)
IKE_NAT: Final = Question(
    name="ike",
    ports=PortSet.of([_NAT_TRAVERSAL_PORT]),
    source="RFC 7296; RFC 3948, 2.2",
    harmless=_HARMLESS,
    request=_marked,
    reads=_reads_marked,
)
