"""Read what Nuclei writes with ``-jsonl``, one finding a line, or with ``-json-export``, as a list.

It tells only what it found: where it looked besides, nobody knows.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

from pipeline.decide.risk_rules import Severity
from pipeline.decide.vulnerabilities import Scanner
from pipeline.parse import ParseError
from pipeline.parse.json_stream import JsonStream, NotJson
from pipeline.parse.scanners import (
    Found,
    ScanRead,
    Sink,
    Spot,
    cves_of,
    moment,
    score,
    spot_of,
    title_of,
)

_USUAL: Final = {"http": 80, "https": 443, "ftp": 21, "ssh": 22}
_LONGEST: Final = 4000


def read_nuclei(stream: BinaryIO, sink: Sink) -> ScanRead:
    """Hand over everything in the file.

    Raises ``ParseError`` for what is hostile, and when not one record is Nuclei's.
    """
    values = JsonStream(stream)
    records = oddities = 0
    problem = ""
    first = last = None
    while mark := values.peek():
        if mark in "[]":
            values.skip()
            continue
        try:
            record = values.value()
        except NotJson as broken:
            if broken.cut_off:
                problem = "the last record is cut off"
                break
            values.skip_line()
            oddities += 1
            continue
        found = _found(record)
        if found is None:
            oddities += not _did_not_match(record)
            continue
        records += 1
        first = min(filter(None, (first, found.seen)), default=None)
        last = max(filter(None, (last, found.seen)), default=None)
        sink.assessed(found.spot)
        if found.severity is not Severity.INFO:
            sink.found(found)
    if oddities and not records:
        raise ParseError("not one record in it is a finding of Nuclei with a host")
    return ScanRead(
        scanner=Scanner.NUCLEI, started=first, ended=last, problem=problem, oddities=oddities
    )


def _did_not_match(record: object) -> bool:
    return isinstance(record, dict) and record.get("matcher-status") is False


def _found(record: object) -> Found | None:
    if not isinstance(record, dict) or record.get("matcher-status") is False:
        return None
    info, ident = record.get("info"), record.get("template-id") or record.get("templateID")
    if not isinstance(info, dict) or not isinstance(ident, str):
        return None
    spot = _spot(record)
    if spot is None:
        return None
    classified = info.get("classification")
    classified = classified if isinstance(classified, dict) else {}
    return Found(
        spot=spot,
        ident=title_of(ident),
        title=title_of(str(info.get("name") or ident)),
        severity=_severity(info.get("severity")),
        cvss=score(classified.get("cvss-score")),
        cves=cves_of([*_texts(classified.get("cve-id")), ident]),
        seen=moment(record.get("timestamp")),
        published=None,
    )


def _severity(said: object) -> Severity:
    try:
        return Severity(str(said).lower())
    except ValueError:
        return Severity.INFO


def _texts(value: object) -> list[str]:
    return (
        [each for each in value if isinstance(each, str)]
        if isinstance(value, list)
        else [str(value or "")]
    )


def _spot(record: dict[str, Any]) -> Spot | None:
    host, port, scheme = "", 0, ""
    for place in ("matched-at", "url", "host"):
        parts = _split(record.get(place))
        if parts is not None:
            host, port, scheme = host or parts[0], port or parts[1], scheme or parts[2]
    said = record.get("port")
    if isinstance(said, str | int) and str(said).isdigit() and len(str(said)) < 6:
        port = int(said)
    ip = record.get("ip")
    where = ip if isinstance(ip, str) and ip else host
    protocol = "udp" if record.get("type") == "dns" and port == 53 else "tcp"
    return spot_of(where, protocol, port or _USUAL.get(scheme, 0)) if where else None


def _split(value: object) -> tuple[str, int, str] | None:
    """Host, port (0: unsaid) and scheme of a URL, or of ``host:port``."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        return None
    try:
        parts = urlsplit(value if "://" in value else f"//{value}")
        return parts.hostname or "", parts.port or 0, parts.scheme
    except ValueError:
        return None
