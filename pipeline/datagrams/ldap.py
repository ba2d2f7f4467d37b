"""LDAP without a connection: domain controllers answer it."""

from __future__ import annotations

from typing import Final

from pipeline.datagrams import ber
from pipeline.datagrams.question import Question
from pipeline.ports import PortSet

_SEARCH, _ENTRY, _DONE = 0x63, 0x64, 0x65
_PRESENT: Final = 0x87
_NO_ATTRIBUTES: Final = b"1.1"


def _number(token: bytes) -> int:
    return int.from_bytes(token[:4], "big") & 0x7FFFFFFF


def _search(token: bytes) -> bytes:
    zero = ber.integer(0)
    base, never = ber.tlv(ber.ENUMERATED, b"\0"), ber.tlv(ber.ENUMERATED, b"\0")
    request = ber.tlv(
        _SEARCH,
        ber.tlv(ber.OCTETS),
        base,
        never,
        zero,
        zero,
        ber.tlv(0x01, b"\0"),
        ber.tlv(_PRESENT, b"objectClass"),
        ber.tlv(ber.SEQUENCE, ber.tlv(ber.OCTETS, _NO_ATTRIBUTES)),
    )
    return ber.tlv(ber.SEQUENCE, ber.integer(_number(token)), request)


def _result(reply: bytes, token: bytes) -> str | None:
    message, _ = ber.expect(reply, ber.SEQUENCE)
    number, rest = ber.read_integer(message)
    kind, content, _ = ber.read(rest)
    if number != _number(token) or kind not in (_ENTRY, _DONE):
        return None
    if kind == _ENTRY:
        ber.expect(content, ber.OCTETS)
        return "root entry"
    code, _ = ber.expect(content, ber.ENUMERATED)
    return f"result {int.from_bytes(code[:4], 'big')}"


CLDAP: Final = Question(
    name="cldap",
    ports=PortSet.of([389]),
    source="RFC 4511, 4.5.1 (without attributes, 4.5.1.8); RFC 1798",
    harmless="asks whether the root entry is there and for none of its attributes",
    request=_search,
    reads=_result,
)
