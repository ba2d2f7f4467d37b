"""The time of day, in three ages."""

from __future__ import annotations

import struct
from typing import Final

from pipeline.datagrams.question import Question, words
from pipeline.ports import PortSet

_CLIENT: Final = 4 << 3 | 3
_SERVER_MODE: Final = 4
_SIZE: Final = 48
_LONGEST_LINE: Final = 100


def _request(token: bytes) -> bytes:
    # RFC 9109, 3: the transmit timestamp may be random; the server repeats it as the origin.
    return bytes([_CLIENT]) + bytes(_SIZE - 1 - 8) + token[:8]


def _stratum(reply: bytes, token: bytes) -> str | None:
    if len(reply) < _SIZE or reply[0] & 7 != _SERVER_MODE or reply[24:32] != token[:8]:
        return None
    version, stratum = reply[0] >> 3 & 7, reply[1]
    if stratum == 0:
        return f"version {version}, kiss of death {words(reply[12:16])}"
    return f"version {version}, stratum {stratum}"


def _daytime(reply: bytes, _: bytes) -> str | None:
    text = reply.rstrip(b"\r\n\0")
    fits = 8 <= len(text) <= _LONGEST_LINE and all(0x20 <= byte < 0x7F for byte in text)
    return words(text) if fits and b":" in text and any(48 <= byte < 58 for byte in text) else None


def _time(reply: bytes, _: bytes) -> str | None:
    if len(reply) != 4:
        return None
    return f"{struct.unpack('>I', reply)[0]} seconds since 1900"


NTP: Final = Question(
    name="ntp",
    ports=PortSet.of([123]),
    source="RFC 5905, 7.3 and 8; RFC 9109",
    harmless="what every clock asks (mode 3); the answer is as long. Never modes 6 and 7.",
    request=_request,
    reads=_stratum,
)
DAYTIME: Final = Question(
    name="daytime",
    ports=PortSet.of([13]),
    source="RFC 867",
    harmless="an empty datagram; the answer is one line",
    request=lambda _: b"",
    reads=_daytime,
)
TIME: Final = Question(
    name="time",
    ports=PortSet.of([37]),
    source="RFC 868",
    harmless="an empty datagram; the answer has four bytes",
    request=lambda _: b"",
    reads=_time,
)
