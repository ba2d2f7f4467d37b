"""Which format a file has: by what it begins with, never by its name."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from pipeline.parse import ParseError

HEAD: Final = 1 << 20
"""Bytes from the beginning of a file that decide."""


class FileFormat(StrEnum):
    """What can be imported."""

    NMAP_XML = "nmap XML"
    """nmap's, masscan's and portproof's own."""
    MASSCAN_BINARY = "masscan binary"
    MASSCAN_LIST = "masscan list"
    MASSCAN_NDJSON = "masscan JSON lines"
    MASSCAN_JSON = "masscan JSON"
    NAABU = "naabu JSON lines"
    ZMAP = "zmap CSV"
    PORTPROOF = "portproof report"
    PORTPROOF_XML = "portproof XML"
    """nmap XML that portproof wrote; only its content tells it from nmap's."""
    NOTHING = "empty"
    """0 bytes: what masscan leaves when it found nothing."""


_BOMS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def _text(head: bytes) -> bytes:
    """The beginning without a byte order mark, wide characters and leading space."""
    for bom in _BOMS:
        head = head.removeprefix(bom)
    return head.replace(b"\0", b"").lstrip()


def _is_xml(head: bytes) -> bool:
    return _text(head).startswith(b"<")


def _is_binary(head: bytes) -> bool:
    return head.startswith(b"masscan/1.1")


def _is_list(head: bytes) -> bool:
    return bool(re.match(rb"#masscan\b|(open|closed|banner) (tcp|udp) [0-9]+ ", _text(head)))


def _line(head: bytes) -> bytes:
    return _text(head).partition(b"\n")[0]


def _is_ndjson(head: bytes) -> bool:
    line = _line(head)
    return line.startswith(b"{") and b'"rec_type"' in line


def _is_portproof(head: bytes) -> bool:
    return bool(re.match(rb'\{\s*"format"\s*:\s*[0-9]+\s*,\s*"run"\s*:', _text(head)))


def _is_masscan_json(head: bytes) -> bool:
    text = _text(head)
    if text.startswith(b"["):
        return bool(re.match(rb"\[\s*(,|\]|\{|\Z)", text))
    # The opening bracket is missing where somebody cut a file in two.
    line = text.removeprefix(b",").lstrip().partition(b"\n")[0]
    return line.startswith(b"{") and b'"ip"' in line and b'"ports"' in line


def _is_naabu(head: bytes) -> bool:
    line = _line(head)
    return line.startswith(b"{") and b'"port"' in line and (b'"ip"' in line or b'"host"' in line)


def _is_zmap(head: bytes) -> bool:
    fields = [field.strip(b' "\r') for field in _line(head)[:4096].split(b",")]
    if b"saddr" in fields:
        return True
    try:
        # Older versions write no heading when there is but one field.
        ipaddress.ip_address(fields[0].decode("ascii"))
    except ValueError:
        return False
    return True


FORMATS: Final[tuple[tuple[FileFormat, Callable[[bytes], bool], str], ...]] = (
    (FileFormat.NOTHING, lambda head: not head, "no bytes at all"),
    (FileFormat.MASSCAN_BINARY, _is_binary, "`masscan/1.1`"),
    (FileFormat.NMAP_XML, _is_xml, "`<`"),
    (FileFormat.MASSCAN_LIST, _is_list, "`#masscan`, or `open tcp 22 …`"),
    (FileFormat.PORTPROOF, _is_portproof, '`{"format":1,"run":`'),
    (FileFormat.MASSCAN_NDJSON, _is_ndjson, 'a record with `"rec_type"`'),
    (FileFormat.MASSCAN_JSON, _is_masscan_json, '`[`, or a record with `"ip"` and `"ports"`'),
    (FileFormat.NAABU, _is_naabu, 'a record with `"port"`, and `"ip"` or `"host"`'),
    (FileFormat.ZMAP, _is_zmap, "a heading with `saddr`, or an address"),
)
"""Format, how it is recognised, and what it begins with. The first that fits decides."""


def recognise(head: bytes) -> FileFormat:
    """The format of a file that begins with ``head``.

    Raises ``ParseError`` with everything that was looked for.
    """
    for name, fits, _ in FORMATS:
        if fits(head[:HEAD]):
            return name
    looked_for = "; ".join(f"{name} begins with {begins}" for name, _, begins in FORMATS[1:])
    raise ParseError("this is no format that can be imported", hint=f"{looked_for}")
