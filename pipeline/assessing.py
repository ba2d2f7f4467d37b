"""The risks of findings: what is known about each becomes facts, and rules decide about these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pipeline.decide import reasons
from pipeline.decide.assets import Asset
from pipeline.decide.certificate import flaws
from pipeline.decide.risk import Risk, assess, proof
from pipeline.decide.risk_rules import Facts, RiskPolicy, ZoneEntry, position
from pipeline.engagement import risk_settings, with_own
from pipeline.model import Service, Verdict
from pipeline.parse.ssl_cert import SCRIPT, read_certificate
from pipeline.plan import RunPlan
from pipeline.render.document import Finding

_TITLE: Final = "http-title"
_REMARKS: Final = ("Did not follow redirect to", "Site doesn't have a title")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """By what risks are judged: rules, zones, and what of them could not be read (``note``)."""

    policy: RiskPolicy
    zones: tuple[ZoneEntry, ...] = ()
    note: str = ""


def judgement(plan: RunPlan) -> Judgement:
    """For a run: the policy of this version, and what its engagement says today."""
    said = risk_settings(Path(plan.engagement_file), plan.engagement_text, plan.engagement)
    return Judgement(policy=with_own(said.own), zones=said.zones, note=said.note)


def with_risks(
    findings: Sequence[Finding], judged_by: Judgement, *, now: float
) -> tuple[Finding, ...]:
    """The findings with their risks; ``now`` is what validity of certificates is held against."""
    assessed = _remembering(judged_by.policy)
    told = []
    for finding in findings:
        if proof(finding.verdict.kind) is None:
            told.append(finding)
            continue
        facts = facts_of(finding.verdict, judged_by.zones, now=now, asset=finding.asset)
        told.append(replace(finding, risks=assessed(facts)))
    return tuple(told)


def _remembering(policy: RiskPolicy) -> Callable[[Facts], tuple[Risk, ...]]:
    """A hundred thousand endpoints are mostly the same few services; rules never see addresses."""
    known: dict[tuple[object, ...], tuple[Risk, ...]] = {}

    def assessed(facts: Facts) -> tuple[Risk, ...]:
        service = facts.service or Service()
        key = (
            *(facts.endpoint.protocol, facts.endpoint.port, facts.verdict, facts.identified),
            *(service.product, service.version, facts.title, facts.flaws, facts.tls),
            *(facts.position, facts.understood),
        )
        if key not in known:
            known[key] = assess(policy, facts)
        return known[key]

    return assessed


def facts_of(
    verdict: Verdict, zones: tuple[ZoneEntry, ...], *, now: float, asset: Asset | None = None
) -> Facts:
    """What rules may know about an endpoint."""
    service = verdict.service
    scripts = dict(service.scripts) if service else {}
    certificate = read_certificate(scripts[SCRIPT]) if SCRIPT in scripts else None
    return Facts(
        endpoint=verdict.endpoint,
        verdict=verdict.kind,
        service=service,
        title=_title(scripts.get(_TITLE, "")),
        flaws=flaws(certificate, now=now) if certificate else frozenset(),
        # Not where there is a certificate: that may have come after STARTTLS.
        tls=service is not None and service.tunnel == "ssl",
        position=position(
            verdict.endpoint.address,
            zones,
            zone=asset.zone if asset else None,
            criticality=asset.criticality if asset else None,
        ),
        understood=verdict.reason == reasons.ANSWERED_IN_PROTOCOL,
    )


def _title(output: str) -> str:
    """What nmap's http-title found; its remarks about the page (nmap 7.93) are no title."""
    first = output.strip().split("\n")[0][:500].strip()
    return "" if first.startswith(_REMARKS) else first
