"""As much of ASN.1's basic encoding (X.690) as a request and its answer need."""

from __future__ import annotations

from typing import Final

INTEGER: Final = 0x02
OCTETS: Final = 0x04
NULL: Final = b"\x05\x00"
OBJECT: Final = 0x06
ENUMERATED: Final = 0x0A
SEQUENCE: Final = 0x30
_LONGEST: Final = 0xFFFF


def tlv(tag: int, *content: bytes) -> bytes:
    """An element of at most 65,535 bytes."""
    body = b"".join(content)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    return bytes([tag, 0x82]) + len(body).to_bytes(2, "big") + body


def integer(number: int) -> bytes:
    """A whole number that is not negative."""
    return tlv(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def read(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag and content of the first element, and what follows it. Raises ``ValueError``."""
    if len(data) < 2:
        raise ValueError("an element ends early")
    tag, length, at = data[0], data[1], 2
    if length & 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4:
            raise ValueError("a length of this kind is not used")
        length, at = int.from_bytes(data[2 : 2 + size], "big"), 2 + size
    if length > _LONGEST or at + length > len(data):
        raise ValueError("an element ends early")
    return tag, data[at : at + length], data[at + length :]


def expect(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """Content of the first element, which must have this tag, and what follows it."""
    found, content, rest = read(data)
    if found != tag:
        raise ValueError(f"tag {tag:#x} was expected, {found:#x} is there")
    return content, rest


def read_integer(data: bytes) -> tuple[int, bytes]:
    """A whole number at the beginning, and what follows it."""
    content, rest = expect(data, INTEGER)
    if not content or len(content) > 8:
        raise ValueError("a number of this size is not used")
    return int.from_bytes(content, "big", signed=True), rest
