"""A run as lines of the Common Event Format, version 0.

The format is that of ArcSight's "Implementing ArcSight Common Event Format", version 23: in the
header ``\\`` and ``|`` are escaped, in the extension ``\\``, ``=`` and line ends. Keys are those of
its dictionary of producers; what it has no key for are custom strings with their labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from pipeline.decide.risk_rules import Severity
from pipeline.model import Endpoint
from pipeline.render.document import RunDocument
from pipeline.render.exports.entries import LABEL, Entry, Wording, known, milliseconds
from pipeline.render.text import counted, visible
from pipeline.render.words import service_text

SEVERITIES: Final[Mapping[Severity, int]] = MappingProxyType(
    {
        Severity.INFO: 1,
        Severity.LOW: 3,
        Severity.MEDIUM: 5,
        Severity.HIGH: 8,
        Severity.CRITICAL: 10,
    }
)
"""0-3 is low to a reader of CEF, 4-6 medium, 7-8 high, 9-10 very high."""
_ID: Final = 40
_APPLICATION: Final = 31
_NAME: Final = 512
_MESSAGE: Final = 1023
_STRING: Final = 4000
"""At most so many characters, by the dictionary."""


def render_cef(document: RunDocument) -> str:
    """The run and its findings, in the order of endpoints, without a header of syslog."""
    return CEF.render(document)


def _run(document: RunDocument, findings: int) -> str:
    start = milliseconds(document.started)
    end = None if document.ended is None else milliseconds(document.ended)
    extension = known(
        rt=start if end is None else end,
        start=start,
        end=end,
        externalId=document.run,
        cat="run",
        outcome=str(document.state),
        msg=f"Run {document.run} is {document.state}: {counted(findings, 'finding')}",
        dvchost=visible(document.vantage, LABEL),
        **_custom(client=visible(document.client, LABEL), finding="", run=document.run),
    )
    return _line(document, "run", "Port scan", SEVERITIES[Severity.INFO], extension)


def _finding(entry: Entry, document: RunDocument) -> str:
    verdict = entry.finding.verdict
    first, last = entry.seen(document)
    extension = known(
        rt=milliseconds(last),
        start=milliseconds(first),
        end=milliseconds(last),
        externalId=sha256(f"{document.run} {entry.uid}".encode()).hexdigest()[:_ID],
        cat="risk" if entry.risk else "open port",
        outcome=str(verdict.kind),
        reason=visible(verdict.reason, LABEL),
        **_where(verdict.endpoint),
        dhost=entry.host,
        app=_cut(entry.service_name, _APPLICATION),
        destinationServiceName=service_text(verdict.service, LABEL),
        msg=_cut(entry.text, _MESSAGE),
        dvchost=visible(document.vantage, LABEL),
        cfp1=f"{verdict.confidence:.4f}",
        cfp1Label="confidence",
        **_custom(
            client=visible(document.client, LABEL),
            finding=entry.uid,
            run=document.run,
            steps=_cut(entry.steps, _STRING),
        ),
    )
    severity = SEVERITIES[entry.severity]
    return _line(document, entry.rule, _cut(entry.title, _NAME), severity, extension)


def _where(endpoint: Endpoint) -> dict[str, object]:
    address: dict[str, object] = {"dst": endpoint.address}
    if endpoint.address.version == 6:  # ``dst`` is an IPv4 address in CEF:0
        address = {"c6a3": endpoint.address, "c6a3Label": "Destination IPv6 Address"}
    return {**address, "dpt": endpoint.port, "proto": str(endpoint.protocol).upper()}


def _custom(**values: str) -> dict[str, str]:
    """``cs1`` to ``cs6`` in this order, each with its label; a number keeps its meaning."""
    told: dict[str, str] = {}
    for number, (name, value) in enumerate(values.items(), start=1):
        if value:
            told |= {f"cs{number}": value, f"cs{number}Label": name}
    return told


def _line(
    document: RunDocument, kind: str, name: str, severity: int, extension: Mapping[str, object]
) -> str:
    header = ("CEF:0", "portproof", "portproof", document.portproof_version, kind, name, severity)
    fields = "|".join(_in_header(str(part)) for part in header)
    return f"{fields}|" + " ".join(f"{k}={_in_extension(str(v))}" for k, v in extension.items())


def _in_header(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _in_extension(text: str) -> str:
    return text.replace("\\", "\\\\").replace("=", "\\=").replace("\n", "\\n")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


CEF: Final = Wording(run=_run, finding=_finding)
