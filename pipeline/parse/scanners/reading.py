"""Which scanner wrote a file: by what it begins with, never by its name."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from pipeline.decide.vulnerabilities import Scanner
from pipeline.parse import ParseError
from pipeline.parse.packed import opened
from pipeline.parse.scanners import ScanRead, Sink, nessus, nuclei, openvas, vulners

HEAD: Final = 1 << 16
"""Bytes from the beginning of a file that decide."""

_FIRST_ELEMENT: Final = re.compile(rb"<([A-Za-z_][\w.-]*)")
_KNOWN: Final = (
    "Nessus begins with <NessusClientData_v2>, OpenVAS with <report> or <get_reports_response>, "
    'nmap with <nmaprun>, and Nuclei has records with "template-id"'
)


def read_scan(path: Path, sink: Sink) -> ScanRead:
    """Hand over everything in a file, packed or not.

    Raises ``ParseError`` for what is no scanner's or hostile, and ``OSError``.
    """
    with opened(path) as file:
        head = file.stream.read(HEAD)
    scanner, root = recognise_scan(head)
    with opened(path) as file:
        match scanner:
            case Scanner.NESSUS:
                read = nessus.read_nessus(file.stream, sink)
            case Scanner.OPENVAS:
                read = openvas.read_openvas(file.stream, sink, root)
            case Scanner.VULNERS:
                read = vulners.read_vulners(file.stream, sink)
            case _:
                read = nuclei.read_nuclei(file.stream, sink)
        return replace(read, problem=file.damage) if file.damage else read


def recognise_scan(head: bytes) -> tuple[Scanner, str]:
    """The scanner and the first element. Raises ``ParseError``."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"{", b"[")) and re.search(rb'"template-?id"', text, re.I):
        return Scanner.NUCLEI, ""
    first = _FIRST_ELEMENT.search(text) if text.startswith(b"<") else None
    root = first[1].decode("ascii", "replace") if first else ""
    if root == nessus.ROOT:
        return Scanner.NESSUS, root
    if root in openvas.ROOTS:
        return Scanner.OPENVAS, root
    if root == "nmaprun":
        return Scanner.VULNERS, root
    raise ParseError("this is no file of a vulnerability scanner", hint=_KNOWN)
