"""SNMP agents: by the usual community, and by the name of their engine, which needs none."""

from __future__ import annotations

from typing import Final

from pipeline.datagrams import ber
from pipeline.datagrams.question import Question, words
from pipeline.ports import PortSet

PORTS: Final = PortSet.of([161])

_GET, _RESPONSE, _REPORT = 0xA0, 0xA2, 0xA8
_SYS_DESCR: Final = bytes([0x2B, 6, 1, 2, 1, 1, 1, 0])
_V2C, _V3 = 1, 3
_USER_MODEL: Final = 3
_REPORTABLE: Final = b"\x04"
_LARGEST: Final = 1472


def _number(token: bytes) -> int:
    """A request id that has no sign (RFC 3416: -2147483648 to 2147483647)."""
    return int.from_bytes(token[:4], "big") & 0x7FFFFFFF


def _get(token: bytes, *bindings: bytes) -> bytes:
    zero = ber.integer(0)
    return ber.tlv(_GET, ber.integer(_number(token)), zero, zero, ber.tlv(ber.SEQUENCE, *bindings))


def _public(token: bytes) -> bytes:
    binding = ber.tlv(ber.SEQUENCE, ber.tlv(ber.OBJECT, _SYS_DESCR), ber.NULL)
    return ber.tlv(
        ber.SEQUENCE,
        ber.integer(_V2C),
        ber.tlv(ber.OCTETS, b"public"),
        _get(token, binding),
    )


def _description(reply: bytes, token: bytes) -> str | None:
    message, _ = ber.expect(reply, ber.SEQUENCE)
    version, rest = ber.read_integer(message)
    _, rest = ber.expect(rest, ber.OCTETS)
    pdu, _ = ber.expect(rest, _RESPONSE)
    number, rest = ber.read_integer(pdu)
    status, rest = ber.read_integer(rest)
    _, rest = ber.read_integer(rest)
    if number != _number(token) or version not in (0, _V2C):
        return None
    if status:
        return f"error {status}"
    bindings, _ = ber.expect(rest, ber.SEQUENCE)
    binding, _ = ber.expect(bindings, ber.SEQUENCE)
    _, rest = ber.expect(binding, ber.OBJECT)
    tag, value, _ = ber.read(rest)
    return " ".join(words(value).split()) if tag == ber.OCTETS else "no description"


def _discovery(token: bytes) -> bytes:
    nobody = ber.tlv(ber.OCTETS)
    zero = ber.integer(0)
    header = ber.tlv(
        ber.SEQUENCE,
        ber.integer(_number(token)),
        ber.integer(_LARGEST),
        ber.tlv(ber.OCTETS, _REPORTABLE),
        ber.integer(_USER_MODEL),
    )
    security = ber.tlv(ber.SEQUENCE, nobody, zero, zero, nobody, nobody, nobody)
    return ber.tlv(
        ber.SEQUENCE,
        ber.integer(_V3),
        header,
        ber.tlv(ber.OCTETS, security),
        ber.tlv(ber.SEQUENCE, nobody, nobody, _get(token)),
    )


def _engine(reply: bytes, token: bytes) -> str | None:
    message, _ = ber.expect(reply, ber.SEQUENCE)
    version, rest = ber.read_integer(message)
    header, rest = ber.expect(rest, ber.SEQUENCE)
    number, _ = ber.read_integer(header)
    if version != _V3 or number != _number(token):
        return None
    security, rest = ber.expect(rest, ber.OCTETS)
    parameters, _ = ber.expect(security, ber.SEQUENCE)
    engine, _ = ber.expect(parameters, ber.OCTETS)
    scoped, _ = ber.expect(rest, ber.SEQUENCE)
    _, inner = ber.expect(scoped, ber.OCTETS)
    _, inner = ber.expect(inner, ber.OCTETS)
    kind, _, _ = ber.read(inner)
    return f"v3 engine {engine.hex()}" if kind == _REPORT else None


PUBLIC: Final = Question(
    name="snmp",
    ports=PORTS,
    source="RFC 3416, 4.2.1; RFC 3418, 2 (sysDescr)",
    harmless="reads one short text; the community 'public' is a guess that can be switched off",
    request=_public,
    reads=_description,
)
ENGINE: Final = Question(
    name="snmpv3",
    ports=PORTS,
    source="RFC 3414, 4",
    harmless="the first step of every SNMPv3 manager, without a user or a community",
    request=_discovery,
    reads=_engine,
)
