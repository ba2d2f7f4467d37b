"""Every endpoint with a verdict, column by column, for a table that draws only what is in sight.

Each column is a list of numbers. Those of ``port`` and ``confidence`` (in per cent) are the
values; all others are places in the column's list of words. The words stand in sorting order, so
that the page sorts any column by comparing numbers, and filters a text by looking at each word
once: 100,000 rows take milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from pipeline.addresses import number_of
from pipeline.model import Observation
from pipeline.render.document import Finding
from pipeline.render.risks import by_risk
from pipeline.render.text import visible
from pipeline.render.words import CHANGES, VERDICTS, percent, service_text

_LABEL_LIMIT: Final = 96
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
    for name, word in _WORD_COLUMNS.items():
        found = [word(finding) for finding in findings]
        distinct = sorted(set(found))
        places = {each: place for place, each in enumerate(distinct)}
        words[name] = [text for _, text in distinct]
        columns[name] = [places[each] for each in found]
    return {"rows": len(findings), "words": words, "columns": columns}


def evidence_in_short(observations: Sequence[Observation]) -> str:
    """``masscan-syn open, nmap-connect closed (2 times), handshake open: data``, in time order."""
    told: list[str] = []
    for words, same in groupby(map(_in_short, observations)):
        times = sum(1 for _ in same)
        told.append(words if times == 1 else f"{words} ({times} times)")
    return ", ".join(told)


def _in_short(observation: Observation) -> str:
    words = f"{observation.method} {observation.state}"
    return f"{words}: {observation.aftermath}" if observation.aftermath else words


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


_WORD_COLUMNS: Final[Mapping[str, Callable[[Finding], _Word]]] = {
    "address": _address,
    "protocol": _protocol,
    "verdict": _verdict,
    "reason": _reason,
    "service": _service,
    "risk": _risk,
    "change": _change,
    "evidence": _evidence,
}
