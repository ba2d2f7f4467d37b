"""Every endpoint with a verdict, column by column, for a table that draws only what is in sight.

Each column is a list of numbers. Those of ``port`` and ``confidence`` (in per cent) are the
values; all others are places in the column's list of words. The words stand in sorting order, so
that the page sorts any column by comparing numbers, and filters a text by looking at each word
once: 100,000 rows take milliseconds. What is large travels packed, its numbers as bytes: a
browser has those at once, and takes ten times as long to read them as text.
"""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from pipeline.addresses import number_of
from pipeline.model import Observation
from pipeline.render.document import Finding
from pipeline.render.language import figure, say, say_many, word
from pipeline.render.risks import by_risk
from pipeline.render.text import counted, day, listed, shortened, visible
from pipeline.render.words import CHANGES, VERDICTS, percent, service_text

_LABEL_LIMIT: Final = 96
_NAMES: Final = 3
_DAY: Final = 86400
_NEVER: Final = 1 << 40
_PLAIN: Final = 500
"""Rows up to which data stays readable in the source of the page."""
_VERDICT_ORDER: Final = {kind: place for place, kind in enumerate(VERDICTS)}
_CHANGE_ORDER: Final = {kind: place for place, kind in enumerate(CHANGES)}

_Word = tuple[int, str]
"""The text of a cell, after a number by which it sorts first."""


def inventory(findings: Sequence[Finding]) -> dict[str, Any]:
    """``{"rows": n, "words": {column: [text]}, "columns": {column: [number]}}``."""
    words: dict[str, list[str]] = {}
    columns: dict[str, list[int]] = {
        "port": [finding.verdict.endpoint.port for finding in findings],
        "confidence": [percent(finding.verdict.confidence) for finding in findings],
    }
    for name, cell in _WORD_COLUMNS.items():
        found = [cell(finding) for finding in findings]
        distinct = sorted(set(found))
        places = {each: place for place, each in enumerate(distinct)}
        words[name] = [text for _, text in distinct]
        columns[name] = [places[each] for each in found]
    return {"rows": len(findings), "words": words, "columns": columns}


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The inventory as a page carries it: as it is, or as a zlib stream in base64.

    In the stream are the length of a head in four bytes, the head (JSON: ``rows``, ``words``, and
    the ``widths`` of numbers by column, in bytes), and the numbers of each column in its order, the
    lowest byte first.
    """

    plain: dict[str, Any] | None = None
    packed: str = ""


def embedded(findings: Sequence[Finding]) -> Embedded:
    """The inventory in few characters."""
    data = inventory(findings)
    if len(findings) <= _PLAIN:
        return Embedded(plain=data)
    return Embedded(packed=b64encode(zlib.compress(_as_bytes(data), 9)).decode("ascii"))


def _as_bytes(data: Mapping[str, Any]) -> bytes:
    columns = {name: _narrow(numbers) for name, numbers in data["columns"].items()}
    widths = {name: numbers.itemsize for name, numbers in columns.items()}
    told = {"rows": data["rows"], "words": data["words"], "widths": widths}
    head = json.dumps(told, separators=(",", ":")).encode("ascii")
    return b"".join((len(head).to_bytes(4, "little"), head, *map(_lowest_first, columns.values())))


def _narrow(numbers: Sequence[int]) -> array[int]:
    """In one, two or four bytes each."""
    most = max(numbers)
    return array("B" if most < 1 << 8 else "H" if most < 1 << 16 else "I", numbers)


def _lowest_first(numbers: array[int]) -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def contents_told(findings: Sequence[Finding]) -> str:
    """``7 on 3 hosts (5 confirmed and 2 likely)``: what the table has, for who does not see it."""
    kinds = Counter(finding.verdict.kind for finding in findings)
    told = listed([f"{figure(kinds[kind])} {word(kind)}" for kind in VERDICTS if kinds[kind]])
    hosts = len({finding.verdict.endpoint.address for finding in findings})
    return say(
        "{n} on {hosts} ({verdicts})", n=len(findings), hosts=counted(hosts, "host"), verdicts=told
    )


def evidence_in_short(observations: Sequence[Observation]) -> str:
    """``masscan-syn open, nmap-connect closed (2 times), handshake open: data``, in time order."""
    told: list[str] = []
    for words, same in groupby(map(_in_short, observations)):
        times = sum(1 for _ in same)
        told.append(words if times == 1 else f"{words} ({_times(times)})")
    return ", ".join(told)


def _times(number: int) -> str:
    return say_many(number, "{n} time", "{n} times")


def _in_short(observation: Observation) -> str:
    words = f"{observation.method} {word(observation.state)}"
    return f"{words}: {word(observation.aftermath)}" if observation.aftermath else words


def _address(finding: Finding) -> _Word:
    address = finding.verdict.endpoint.address
    return number_of(address), str(address)


def _protocol(finding: Finding) -> _Word:
    return 0, str(finding.verdict.endpoint.protocol)


def _verdict(finding: Finding) -> _Word:
    return _VERDICT_ORDER[finding.verdict.kind], str(finding.verdict.kind)


def _reason(finding: Finding) -> _Word:
    return 0, visible(finding.verdict.reason, _LABEL_LIMIT)


def _service(finding: Finding) -> _Word:
    label = service_text(finding.verdict.service, _LABEL_LIMIT)
    return int(not label), label


def _risk(finding: Finding) -> _Word:
    return by_risk(finding), str(finding.severity or "")


def _change(finding: Finding) -> _Word:
    if finding.change is None:
        return len(_CHANGE_ORDER), ""
    return _CHANGE_ORDER[finding.change.kind], str(finding.change.kind)


def _evidence(finding: Finding) -> _Word:
    told = evidence_in_short(finding.observations)
    return int(not told), told


def _names(finding: Finding) -> _Word:
    told = visible(shortened(finding.names, _NAMES), _LABEL_LIMIT)
    return int(not told), told


def _first(finding: Finding) -> _Word:
    if finding.first_seen is None:
        return _NEVER, ""
    return int(finding.first_seen // _DAY), day(finding.first_seen)


_WORD_COLUMNS: Final[Mapping[str, Callable[[Finding], _Word]]] = {
    "address": _address,
    "protocol": _protocol,
    "verdict": _verdict,
    "reason": _reason,
    "service": _service,
    "risk": _risk,
    "change": _change,
    "names": _names,
    "first": _first,
    "evidence": _evidence,
}
