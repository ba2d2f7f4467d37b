"""A run in lines for a terminal: plain texts, for whoever prints them to colour or to lay out."""

from __future__ import annotations

from typing import Final

from pipeline.decide.facts import HostRecord, NetworkRecord
from pipeline.decide.reasons import explain
from pipeline.model import Observation, PortState, Service
from pipeline.render.assets import asset_text
from pipeline.render.document import Finding, RunDocument
from pipeline.render.findings import gather
from pipeline.render.hosts import DOUBTS, deceivers, host_sentences
from pipeline.render.networks import network_name, network_sentences
from pipeline.render.text import counted, instant, visible
from pipeline.render.words import (
    METHODS,
    VERDICTS,
    confidence_text,
    facts,
    round_name,
    service_text,
)

VERDICT_COLUMNS: Final = (
    "endpoint",
    "verdict",
    "risk",
    "reason",
    "confidence",
    "service",
    "change",
)
"""The headings of :func:`verdict_table`."""

_LABEL: Final = 60
_BANNER: Final = 160
_SCRIPT_LINES: Final = 12


def endpoint_story(finding: Finding, *, explanation: str = "") -> list[str]:
    """Why an endpoint got its verdict: the evidence in time order, then what it adds up to.

    ``explanation`` stands for that of the reason code.
    """
    verdict = finding.verdict
    names = f" ({visible(', '.join(finding.names), _BANNER)})" if finding.names else ""
    lines = [f"{verdict.endpoint}{names}"]
    if finding.asset is not None:
        lines.append(f"  asset: {asset_text(finding.asset)}")
    for observation in finding.observations:
        lines.extend(_told(observation))
    if not finding.observations:
        lines.append("  no observation")
    lines.append(
        f"  => {verdict.kind} ({visible(verdict.reason, _LABEL)}), "
        f"confidence {confidence_text(verdict.confidence)}"
    )
    lines.append(f"     {visible(explanation or explain(verdict.reason), 400)}")
    if verdict.service is not None:
        lines.extend(_told_service(verdict.service))
    if finding.change is not None:
        lines.append(f"     since the last run: {finding.change.kind}")
    return lines


def _told(observation: Observation) -> list[str]:
    silent = observation.state is PortState.FILTERED and observation.reason == "no-response"
    state = "no answer" if silent else str(observation.state)
    more = "; ".join(facts(observation, _LABEL))
    lines = [
        f"  {instant(observation.time)}Z  {METHODS[observation.method]} "
        f"({round_name(observation)}): {state}{f' ({more})' if more else ''}"
    ]
    if observation.banner:
        lines.append(f'{" " * 24}"{visible(observation.banner, _BANNER)}"')
    return lines


def _told_service(service: Service) -> list[str]:
    label = service_text(service, _BANNER)
    lines = [f"     service: {label}"] if label else []
    for name, output in service.scripts:
        told = output.strip("\r\n").splitlines()
        lines.append(f"     {visible(name, _LABEL)}:")
        lines.extend(f"       {visible(line.strip(), _BANNER)}" for line in told[:_SCRIPT_LINES])
        if len(told) > _SCRIPT_LINES:
            lines.append(f"       … {counted(len(told) - _SCRIPT_LINES, 'more line')}")
    return lines


def host_lines(record: HostRecord, network: NetworkRecord | None) -> list[str]:
    """What is known about one host and the network around it."""
    doubts = "; ".join(DOUBTS[doubt] for doubt in record.doubts)
    lines = [f"{record.address} by {record.protocol.upper()}{f': {doubts}' if doubts else ''}"]
    lines += [f"  {sentence}" for sentence in host_sentences(record)]
    if network is not None:
        lines += [f"its network, {network_name(network)}"]
        lines += [f"  {sentence}" for sentence in network_sentences(network)]
    return lines


def verdict_table(document: RunDocument) -> list[tuple[str, ...]]:
    """One row per finding in the order of attention, one per crowd of a host or network.

    The columns are :data:`VERDICT_COLUMNS`.
    """
    rows: list[tuple[str, ...]] = []
    fooled_by = deceivers(document.neighbourhoods)
    for kind in VERDICTS:
        members = [finding for finding in document.findings if finding.verdict.kind is kind]
        single, crowds = gather(kind, members, fooled_by)
        rows.extend(_row(finding) for finding in sorted(single, key=lambda f: f.verdict.endpoint))
        for crowd in crowds:
            many = f"{crowd.name}: {counted(crowd.size, f'{crowd.protocol} port')}"
            reasons = ", ".join(visible(code, _LABEL) for code, _ in crowd.reasons[:3])
            rows.append((many, str(kind), "", reasons, "", "", ""))
    return rows


def _row(finding: Finding) -> tuple[str, ...]:
    verdict = finding.verdict
    return (
        str(verdict.endpoint),
        str(verdict.kind),
        str(finding.severity or ""),
        visible(verdict.reason, _LABEL),
        confidence_text(verdict.confidence),
        service_text(verdict.service, _LABEL),
        str(finding.change.kind) if finding.change else "",
    )
