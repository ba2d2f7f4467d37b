"""What portproof says of its own in nmap's XML: the output of scripts that nmap does not have.

``portproof-run``       before the hosts: which run, what was asked, by whom, with what
``portproof-verdict``   with a port: verdict, reason code, confidence, evidence, service
``portproof-unknown``   with a host: endpoints without any evidence, which have no state
``portproof-host``      with a host: why it could not be believed
``portproof-coverage``  after the hosts: what was asked, what was not, and why
``portproof-changes``   after the hosts: what changed since the earlier run

The element ``service`` of a verdict is JSON in ASCII, since it has to come back to the letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Final

from pipeline.decide import reasons
from pipeline.decide.coverage import rectangles
from pipeline.decide.facts import HostRecord
from pipeline.model import Hole, Observation, Service, VerdictKind
from pipeline.render.document import Comparison, Finding, Gap, RunDocument
from pipeline.render.text import counted, iso
from pipeline.render.xml_text import element, exact, text

FORMAT: Final = 1
"""Grows when an element changes its meaning or goes; new ones do not count."""

RUN: Final = "portproof-run"
VERDICT: Final = "portproof-verdict"
UNKNOWN: Final = "portproof-unknown"
HOST: Final = "portproof-host"
COVERAGE: Final = "portproof-coverage"
CHANGES: Final = "portproof-changes"


_BY_US: Final = "portproof, run "


def written_by(document: RunDocument) -> str:
    """What stands where nmap writes its command line."""
    return f"{_BY_US}{document.run} of {document.engagement}"


def is_ours(arguments: str) -> bool:
    """True for the command line in a file that portproof wrote."""
    return arguments.startswith(_BY_US)


def run_script(document: RunDocument) -> str:
    """Which run this is."""
    facts = {
        "format": str(FORMAT),
        "run": document.run,
        "client": document.client,
        "engagement": document.engagement,
        "state": document.state.value,
        "started": iso(document.started),
        "ended": iso(document.ended) if document.ended is not None else "",
        "portproof": document.portproof_version,
        "tools": ", ".join(f"{name} {version}" for name, version in document.tools),
        "authorisation": dict(document.authorisation).get("reference", ""),
        "included": ",".join(document.scope_included),
        "excluded": ",".join(document.scope_excluded),
        "ports": document.ports,
        "profile": document.profile,
        "vantage": document.vantage,
    }
    output = f"run {document.run}, {document.state}; `open` is what portproof believes to be open"
    return script(RUN, output, elements(facts))


def coverage_script(document: RunDocument) -> str:
    """What was asked, as rectangles without holes; what was not, for people; the holes."""
    missed = [f"not covered: {gap.what}: {gap.why}" for gap in document.gaps]
    asked = (
        {
            "method": found.method.value,
            "protocol": found.protocol.value,
            "ports": str(found.ports),
            "addresses": ",".join(found.addresses.texts()),
        }
        for found in rectangles(document.tasks, document.holes, document.refusals)
    )
    tables = (
        table("asked", map(elements, asked)),
        table("gaps", map(_gap, document.gaps)),
        table("holes", (_hole(number, hole) for number, hole in document.holes)),
    )
    output = "\n".join(missed) or "everything that was planned was asked"
    return script(COVERAGE, output, "".join(tables))


def _gap(gap: Gap) -> str:
    return elements({"what": gap.what, "why": gap.why, "endpoints": str(gap.endpoints)})


def _hole(task: int, hole: Hole) -> str:
    ports = "" if hole.ports is None else str(hole.ports)
    return elements(
        {"task": str(task), "address": str(hole.address), "ports": ports, "why": hole.reason}
    )


def changes_script(comparison: Comparison) -> str:
    """What became of each endpoint since the earlier run, those without a verdict now, too."""
    ordered = sorted(comparison.changes, key=lambda change: change.endpoint)
    rows = {str(change.endpoint): f"{change.kind}: {change.reason}" for change in ordered}
    output = f"{counted(len(rows), 'change')} since run {comparison.against}"
    return script(CHANGES, output, elements(rows))


def host_scripts(findings: Sequence[Finding], records: Sequence[HostRecord]) -> str:
    """What is told about a whole host: endpoints without evidence, and why not to believe it."""
    inside = [*_unknown(findings), *_doubts(records)]
    return element("hostscript", {}, inside) if inside else ""


def _unknown(findings: Sequence[Finding]) -> Iterator[str]:
    unknown = [found for found in findings if found.verdict.kind is VerdictKind.UNKNOWN]
    if unknown:
        named = {
            f"{found.verdict.endpoint.port}/{found.verdict.endpoint.protocol}": found
            for found in sorted(unknown, key=lambda found: found.verdict.endpoint)
        }
        output = f"without any evidence: {', '.join(named)}"
        rows = (
            element("table", {"key": name}, (verdict_elements(found),))
            for name, found in named.items()
        )
        yield script(UNKNOWN, output, "".join(rows))


def _doubts(records: Sequence[HostRecord]) -> Iterator[str]:
    doubts = {record.protocol.value: ", ".join(record.doubts) for record in records}
    told = {protocol: why for protocol, why in sorted(doubts.items()) if why}
    if told:
        output = "\n".join(f"{protocol}: {why}" for protocol, why in told.items())
        yield script(HOST, output, elements(told))


def verdict_script(finding: Finding) -> str:
    """The verdict on a port, for people and for us."""
    verdict = finding.verdict
    sure = f"{verdict.confidence:.4f}"
    output = f"{verdict.kind} ({verdict.reason}, {sure}): {reasons.explain(verdict.reason)}"
    return script(VERDICT, output, verdict_elements(finding))


def verdict_elements(finding: Finding) -> str:
    """A verdict with what it rests on."""
    verdict = finding.verdict
    facts = {
        "verdict": verdict.kind.value,
        "reason": verdict.reason,
        "confidence": repr(verdict.confidence),
        "observations": ",".join(map(str, verdict.observations)),
    }
    if verdict.service is not None:
        facts["service"] = exact(_service(verdict.service))
    if finding.change is not None:
        facts["change"] = finding.change.kind.value
    evidence = "".join(element("elem", {}, (text(_evidence(one)),)) for one in finding.observations)
    return elements(facts) + element("table", {"key": "evidence"}, (evidence,))


def _service(service: Service) -> dict[str, object]:
    known = ((field.name, getattr(service, field.name)) for field in fields(service))
    return {name: value for name, value in known if value}


def _evidence(observation: Observation) -> str:
    parts = [
        iso(observation.time),
        observation.method.value,
        observation.purpose.value,
        observation.state.value,
        observation.reason,
    ]
    if observation.ttl is not None:
        parts.append(f"ttl={observation.ttl}")
    if observation.aftermath is not None:
        parts.append(f"aftermath={observation.aftermath}")
    return " ".join(parts)


def script(name: str, output: str, inside: str = "") -> str:
    """The output of a script; ``inside`` is XML already."""
    return element("script", {"id": name, "output": output}, (inside,))


def elements(facts: Mapping[str, str]) -> str:
    """Texts by their keys."""
    return "".join(element("elem", {"key": key}, (text(value),)) for key, value in facts.items())


def table(key: str, rows: Iterable[str]) -> str:
    """A table of rows; each row is elements."""
    return element("table", {"key": key}, (element("table", {}, (row,)) for row in rows))
