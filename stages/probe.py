"""Ask for service and version where an open port is believed, leaving fragile ports alone."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.decide import reasons
from pipeline.decide.questions import asked, corroborated, facts_by_host, tasks_for, verdicts
from pipeline.decide.verdict import HostFacts
from pipeline.model import (
    Aftermath,
    Evidence,
    Method,
    Observation,
    Purpose,
    StageName,
    Task,
    Verdict,
    VerdictKind,
)
from pipeline.plan import Policy


def plan(evidence: Evidence, policy: Policy) -> Iterable[Task]:
    """One version probe for each believed endpoint, once in a run."""
    if not policy.version_probe or not corroborated(evidence, policy):
        return
    facts = facts_by_host(evidence)
    wanted = {
        endpoint
        for endpoint, verdict in verdicts(evidence).items()
        if endpoint.port not in policy.fragile_ports
        and _believed(
            verdict,
            evidence.observations.get(endpoint, ()),
            facts.get(endpoint.address, HostFacts()),
        )
    } - asked(evidence, Method.NMAP_VERSION, Purpose.VERSION)
    yield from tasks_for(
        evidence,
        policy,
        wanted,
        stage=StageName.PROBE,
        method=Method.NMAP_VERSION,
        purpose=Purpose.VERSION,
    )


def _believed(verdict: Verdict, heard: Iterable[Observation], facts: HostFacts) -> bool:
    if verdict.kind is VerdictKind.CONFIRMED:
        return True
    if verdict.kind is VerdictKind.LIKELY:
        return verdict.reason in (reasons.NO_CONTROL, reasons.SILENT_LISTENER)
    if verdict.reason == reasons.CONTROL_PORTS_ANSWER:
        # A real service behind a box that answers for everything says something of its own.
        return any(o.aftermath is Aftermath.DATA and o.banner not in facts.banners for o in heard)
    return False
