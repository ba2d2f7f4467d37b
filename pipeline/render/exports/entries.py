"""What other systems are told of a run: each risk of an open endpoint, or that it is open."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.decide.risk import Risk, proof
from pipeline.decide.risk_rules import Severity
from pipeline.model import Service
from pipeline.render.assets import asset_text
from pipeline.render.document import Finding, RunDocument
from pipeline.render.text import visible
from pipeline.render.words import service_text

LABEL: Final = 160
"""At most so many characters of a name; what was cut off is counted."""
TITLE: Final = 400
TEXT: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One risk of an open endpoint; without a risk, that it is open."""

    finding: Finding
    risk: Risk | None

    @property
    def rule(self) -> str:
        """The id of the rule; ``open`` without one."""
        return self.risk.rule if self.risk else "open"

    @property
    def severity(self) -> Severity:
        """That of the risk."""
        return self.risk.severity if self.risk else Severity.INFO

    @property
    def uid(self) -> str:
        """The same from run to run, so that who receives it knows the finding again."""
        return f"portproof {self.finding.verdict.endpoint} {self.rule}"

    @property
    def label(self) -> str:
        """What it is, without saying where."""
        return visible(self.risk.title if self.risk else "Open port", TITLE)

    @property
    def title(self) -> str:
        """What it is, and where."""
        title = self.risk.title if self.risk else "Open port"
        return visible(f"{title} ({self.finding.verdict.endpoint})", TITLE)

    @property
    def text(self) -> str:
        """Why it matters, what was seen, and whose it is; one sentence a line."""
        why = f"{self.risk.why}\n\n" if self.risk else ""
        return visible(why + _seen(self.finding), TEXT, newlines=True)

    @property
    def steps(self) -> str:
        """What to do about it, one step a line; empty without a risk."""
        steps = enumerate(self.risk.remediation, start=1) if self.risk else ()
        told = "\n".join(f"{number}. {step}" for number, step in steps)
        return visible(told, TEXT, newlines=True)

    @property
    def host(self) -> str:
        """The name of the asset, or of the engagement; empty where neither names the address."""
        names = (self.finding.asset.name if self.finding.asset else "", *self.finding.names)
        return visible(next(filter(None, names), ""), LABEL)

    @property
    def service(self) -> Service | None:
        """What was spoken to; one that was guessed from the number of the port is none."""
        service = self.finding.verdict.service
        return None if service is None or service.method == "table" else service

    @property
    def service_name(self) -> str:
        """``https``; empty where nothing was spoken to."""
        return visible(self.service.name, LABEL) if self.service else ""

    def seen(self, document: RunDocument) -> tuple[float, float]:
        """When the first and the last observation was; the start of the run without any."""
        times = [each.time for each in self.finding.observations] or [document.started]
        return min(times), max(times)


def entries(document: RunDocument) -> Iterator[Entry]:
    """Everything to tell, in the order of endpoints, the severest risk of each first."""
    for finding in sorted(document.findings, key=lambda finding: finding.verdict.endpoint):
        if proof(finding.verdict.kind) is not None:
            for risk in finding.risks or (None,):
                yield Entry(finding=finding, risk=risk)


def _seen(finding: Finding) -> str:
    verdict = finding.verdict
    service = service_text(verdict.service, LABEL)
    told = [
        f"{verdict.endpoint} is {verdict.kind} ({verdict.reason}), confidence "
        f"{verdict.confidence:.2f}.",
        f"Service: {service}" if service else "",
        f"Asset: {asset_text(finding.asset)}" if finding.asset else "",
    ]
    return "\n".join(filter(None, told))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A format of one line for the run, with how many findings it has, and one for each of them."""

    run: Callable[[RunDocument, int], str]
    finding: Callable[[Entry, RunDocument], str]

    def render(self, document: RunDocument) -> str:
        """The run and its findings, in the order of endpoints."""
        told = list(entries(document))
        lines = (self.run(document, len(told)), *(self.finding(entry, document) for entry in told))
        return "".join(f"{line}\n" for line in lines)


def json_line(record: Mapping[str, Any]) -> str:
    """ASCII only: nothing in a text can end the line."""
    return json.dumps(record, allow_nan=False, separators=(",", ":"))


def milliseconds(time: float) -> int:
    """Since 1970."""
    return round(time * 1000)


def known(**values: object) -> dict[str, Any]:
    """The values that are known: neither ``None`` nor empty."""
    return {name: value for name, value in values.items() if value not in (None, "", (), [], {})}
