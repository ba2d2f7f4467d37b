"""Remote procedures that do nothing, and the ping of management controllers."""

from __future__ import annotations

import struct
from typing import Final

from pipeline.datagrams.question import Question
from pipeline.ports import PortSet

_CALL: Final = struct.Struct(">IIIIIIIIII")
_REPLY: Final = 1
_PORTMAPPER, _NFS = 100_000, 100_003
_ACCEPTED: Final = ("success", "program unavailable", "program mismatch", "procedure unavailable")

_RMCP_ASF: Final = bytes((6, 0, 0xFF, 6))
_ASF_ENTERPRISE: Final = (4542).to_bytes(4, "big")
_PING, _PONG = 0x80, 0x40


def _null(token: bytes, program: int, version: int) -> bytes:
    """RPC version 2, procedure 0, no credentials, no verifier (RFC 5531, 9)."""
    number = int.from_bytes(token[:4], "big")
    return _CALL.pack(number, 0, 2, program, version, 0, 0, 0, 0, 0)


def _done(reply: bytes, token: bytes) -> str | None:
    if reply[:4] != token[:4] or len(reply) < 12:
        return None
    kind, denied = struct.unpack_from(">II", reply, 4)
    if kind != _REPLY:
        return None
    if denied:
        return "the call was rejected"
    _, size = struct.unpack_from(">II", reply, 12)
    (state,) = struct.unpack_from(">I", reply, 20 + (size + 3) // 4 * 4)
    return _ACCEPTED[state] if state < len(_ACCEPTED) else f"state {state}"


def _ping(token: bytes) -> bytes:
    return _RMCP_ASF + _ASF_ENTERPRISE + bytes((_PING, token[0] & 0x7F, 0, 0))


def _pong(reply: bytes, token: bytes) -> str | None:
    # Some controllers set the acknowledgement bit or repeat another sequence number in the head.
    if len(reply) < 12 or reply[0] != 6 or reply[3] & 0x7F != 6 or reply[4:8] != _ASF_ENTERPRISE:
        return None
    if reply[8] != _PONG or reply[9] != token[0] & 0x7F:
        return None
    return "IPMI" if len(reply) > 20 and reply[20] & 0x80 else "ASF"


PORTMAPPER: Final = Question(
    name="portmapper",
    ports=PortSet.of([111]),
    source="RFC 5531, 9; RFC 1833, 3",
    harmless="calls the procedure that does nothing; no list is asked for",
    request=lambda token: _null(token, _PORTMAPPER, 2),
    reads=_done,
)
NFS: Final = Question(
    name="nfs",
    ports=PortSet.of([2049]),
    source="RFC 5531, 9; RFC 1813, 3.3.0",
    harmless="calls the procedure that does nothing",
    request=lambda token: _null(token, _NFS, 3),
    reads=_done,
)
RMCP: Final = Question(
    name="rmcp",
    ports=PortSet.of([623]),
    source="DMTF DSP0136 (ASF 2.0), 3.2.4",
    harmless="the presence ping; no session is opened",
    request=_ping,
    reads=_pong,
)
