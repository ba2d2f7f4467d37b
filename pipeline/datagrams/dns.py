"""DNS, and what speaks its language: multicast DNS asked by unicast, and NetBIOS names."""

from __future__ import annotations

import struct
from typing import Final

from pipeline.datagrams.question import Question, words
from pipeline.ports import PortSet

_HEADER: Final = struct.Struct(">6H")
_CODES: Final = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
_RESPONSE: Final = 0x8000
_TXT, _PTR, _NBSTAT = 16, 12, 33
_INTERNET, _CHAOS, _UNICAST_PLEASE = 1, 3, 0x8000
_MOST_JUMPS: Final = 20
_VERSION_BIND: Final = ("version", "bind")
_SERVICES: Final = ("_services", "_dns-sd", "_udp", "local")
# "*" and fifteen zeros in the first-level encoding of RFC 1001, 14.1: any name.
_ANY_NETBIOS_NAME: Final = ("CK" + "A" * 30,)


def _query(token: bytes, labels: tuple[str, ...], kind: int, class_: int) -> bytes:
    name = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    return _HEADER.pack(_id(token), 0, 1, 0, 0, 0) + name + struct.pack(">HH", kind, class_)


def _id(token: bytes) -> int:
    return int.from_bytes(token[:2], "big")


def _header(reply: bytes) -> tuple[int, int, int, int]:
    """Identifier, flags, questions, answers."""
    number, flags, asked, answers, _, _ = _HEADER.unpack_from(reply)
    return number, flags, asked, answers


def _name(reply: bytes, at: int) -> tuple[tuple[str, ...], int]:
    """A name, and where it ends; compressed as in RFC 1035, 4.1.4. Bounded in length and jumps."""
    labels: list[str] = []
    end, jumps = -1, 0
    while length := reply[at]:
        if length >= 0xC0:
            end = at + 2 if end < 0 else end
            at = (length & 0x3F) << 8 | reply[at + 1]
            jumps += 1
        elif length > 63:
            raise ValueError("no such kind of label")
        else:
            label = reply[at + 1 : at + 1 + length]
            if len(label) != length:
                raise ValueError("the name ends early")
            labels.append(words(label))
            at += 1 + length
        if jumps > _MOST_JUMPS or len(labels) > 128:
            raise ValueError("the name does not end")
    return tuple(labels), (at + 1 if end < 0 else end)


def _record(reply: bytes, at: int) -> tuple[tuple[str, ...], int, int, int]:
    """Name and type of a record, and where its data begin and end."""
    name, at = _name(reply, at)
    kind, _, _, length = struct.unpack_from(">HHIH", reply, at)
    begin = at + 10
    if begin + length > len(reply):
        raise ValueError("the record ends early")
    return name, kind, begin, begin + length


def _past_question(reply: bytes, asked: int, labels: tuple[str, ...]) -> int | None:
    """Where the answers begin; ``None`` when the question is there and is not ours."""
    if not asked:
        return _HEADER.size
    name, at = _name(reply, _HEADER.size)
    same = tuple(label.lower() for label in name) == tuple(label.lower() for label in labels)
    return at + 4 if asked == 1 and same and at + 4 <= len(reply) else None


def _version(reply: bytes, token: bytes) -> str | None:
    number, flags, asked, answers = _header(reply)
    # Opcode 0 and an answer: what merely sends our request back has no QR bit.
    if number != _id(token) or flags & 0xF800 != _RESPONSE:
        return None
    at = _past_question(reply, asked, _VERSION_BIND)
    code = flags & 0xF
    if at is None or (not asked and code == 0):
        return None
    told = _CODES[code] if code < len(_CODES) else f"code {code}"
    if answers:
        _, kind, begin, end = _record(reply, at)
        if kind == _TXT and begin < end:
            told += f", version {words(reply[begin + 1 : min(end, begin + 1 + reply[begin])])}"
    return told


def _services(reply: bytes, token: bytes) -> str | None:
    number, flags, asked, answers = _header(reply)
    # To a question from another port than 5353 the identifier is repeated (RFC 6762, 6.7), but
    # responders exist that send 0 as they do by multicast.
    if number not in (_id(token), 0) or flags & 0xF800 != _RESPONSE:
        return None
    at = _past_question(reply, asked, _SERVICES)
    if at is None or not answers:
        return None
    name, kind, begin, _ = _record(reply, at)
    if kind != _PTR:
        return None
    named, _ = _name(reply, begin)
    return f"{answers} answers, the first is {'.'.join(named or name)}"


def _names(reply: bytes, token: bytes) -> str | None:
    number, flags, asked, answers = _header(reply)
    if number != _id(token) or flags & 0xF800 != _RESPONSE or asked or not answers:
        return None
    _, kind, begin, end = _record(reply, _HEADER.size)
    if kind != _NBSTAT or begin >= end:
        return None
    count = reply[begin]
    if begin + 1 + 18 * count > end:
        return None
    found = [words(reply[begin + 1 + 18 * n :][:15]).rstrip() for n in range(count)]
    return ", ".join(dict.fromkeys(found)) or "no names"


DNS: Final = Question(
    name="dns",
    ports=PortSet.of([53]),
    source="RFC 1035, RFC 4892",
    harmless="asks for the server's version; 30 bytes, and the answer is hardly longer",
    request=lambda token: _query(token, _VERSION_BIND, _TXT, _CHAOS),
    reads=_version,
)
MDNS: Final = Question(
    name="mdns",
    ports=PortSet.of([5353]),
    source="RFC 6762, 5.5 and 6.7; RFC 6763, 9",
    harmless="asks one host, by unicast, which kinds of services it announces",
    request=lambda token: _query(token, _SERVICES, _PTR, _INTERNET | _UNICAST_PLEASE),
    reads=_services,
)
NETBIOS: Final = Question(
    name="netbios-ns",
    ports=PortSet.of([137]),
    source="RFC 1002, 4.2.17",
    harmless="asks one host for its own names; nothing is registered",
    request=lambda token: _query(token, _ANY_NETBIOS_NAME, _NBSTAT, _INTERNET),
    reads=_names,
)
