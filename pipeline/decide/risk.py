"""How bad it is that an endpoint is open, and what to do about it: rules and facts to risks.

A rule is about one *concern*: the service itself, its certificate, or its software. For each
concern one rule decides, the one that comes first in this order (:func:`rank`):

1. a rule of the engagement before one of ours;
2. the more specific one: the rule with the strongest condition of all before the others, in the
   order version, product, title, certificate, service, port, TLS, zone, criticality, verdict; where
   the strongest is of the same kind, the next strongest, and so on;
3. the one that stands first.

Risks are about what is open, or was at times. Artefacts, refuted, filtered and unknown endpoints
have none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from pipeline.decide.risk_rules import (
    SEVERITIES,
    SEVERITY_PLACE,
    Concern,
    Condition,
    Criticality,
    Facts,
    Position,
    References,
    RiskPolicy,
    Rule,
    Severity,
    Zone,
)
from pipeline.model import VerdictKind


class Proof(StrEnum):
    """How sure it is that the endpoint is open at all."""

    PROVEN = "proven"
    UNPROVEN = "unproven"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """What one rule says of one endpoint.

    ``guessed``: it goes by the number of the port alone; ``assumed``: the zone was taken from the
    address, since the engagement names none. ``base`` is the severity before the criticality of
    the asset was taken into account.
    """

    severity: Severity
    base: Severity
    title: str
    why: str
    remediation: tuple[str, ...]
    references: References
    rule: str
    policy: str
    concern: Concern
    zone: Zone
    proof: Proof
    guessed: bool
    assumed: bool
    because: tuple[str, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A rule that matches by one of its conditions, and why."""

    rule: Rule
    condition: Condition
    because: tuple[str, ...]


def proof(verdict: VerdictKind) -> Proof | None:
    """``None`` where there is nothing open that could be at risk."""
    match verdict:
        case VerdictKind.CONFIRMED:
            return Proof.PROVEN
        case VerdictKind.LIKELY:
            return Proof.UNPROVEN
        case VerdictKind.TRANSIENT | VerdictKind.UNRESOLVED:
            return Proof.DISPUTED
        case (
            VerdictKind.ARTEFACT | VerdictKind.REFUTED | VerdictKind.FILTERED | VerdictKind.UNKNOWN
        ):
            return None
        case _:
            assert_never(verdict)


def rank(rule: Rule, condition: Condition) -> tuple[bool, int]:
    """The smaller goes first; of equals the one that stands first."""
    return not rule.own, -condition.specificity


def matches(policy: RiskPolicy, facts: Facts) -> dict[Concern, tuple[Match, ...]]:
    """All rules that match, by concern, the one that decides first."""
    found: dict[Concern, list[Match]] = {concern: [] for concern in Concern}
    for rule in policy.candidates(facts.identified):
        fits = [
            Match(rule=rule, condition=condition, because=because)
            for condition in rule.conditions
            if (because := condition.why(facts)) is not None
        ]
        if fits:
            found[rule.concern].append(min(fits, key=lambda fit: rank(rule, fit.condition)))
    return {
        concern: tuple(sorted(fits, key=lambda fit: rank(fit.rule, fit.condition)))
        for concern, fits in found.items()
    }


def assess(policy: RiskPolicy, facts: Facts) -> tuple[Risk, ...]:
    """What is at risk, at most one for each concern, the severest first."""
    sure = proof(facts.verdict)
    if sure is None:
        return ()
    decided = [fits[0] for fits in matches(policy, facts).values() if fits]
    risks = [_risk(match, facts, sure, policy.version) for match in decided]
    return tuple(sorted(risks, key=lambda risk: SEVERITY_PLACE[risk.severity]))


def _risk(match: Match, facts: Facts, sure: Proof, version: str) -> Risk:
    rule, place = match.rule, facts.position
    base = rule.severity[place.zone]
    guessed = match.condition.unidentified and not facts.understood
    risk = Risk(
        severity=weighted(base, place.criticality),
        base=base,
        title=rule.title,
        why=rule.why,
        remediation=rule.remediation,
        references=rule.references,
        rule=rule.id,
        policy=version,
        concern=rule.concern,
        zone=place.zone,
        proof=sure,
        guessed=guessed,
        assumed=place.assumed,
        because=match.because,
    )
    more = tuple(_remarks(risk, place)) + tuple(_other_flaws(match, facts))
    return replace(risk, remarks=more)


def weighted(severity: Severity, criticality: Criticality) -> Severity:
    """One step up for what much depends on, one down for what little does; info stays info."""
    if severity is Severity.INFO:
        return severity
    place = SEVERITY_PLACE[severity]
    match criticality:
        case Criticality.HIGH:
            return SEVERITIES[max(0, place - 1)]
        case Criticality.LOW:
            return SEVERITIES[min(SEVERITY_PLACE[Severity.LOW], place + 1)]
        case Criticality.NORMAL:
            return severity
        case _:
            assert_never(criticality)


def _remarks(risk: Risk, place: Position) -> Iterator[str]:
    """What a reader must know about how far this can be trusted."""
    match risk.proof:
        case Proof.UNPROVEN:
            yield "The port is likely open, which is not proven; if it is, this holds."
        case Proof.DISPUTED:
            yield "The port was not open every time it was asked; while it is, this holds."
        case Proof.PROVEN:
            pass
        case _:
            assert_never(risk.proof)
    if risk.guessed:
        yield (
            "The service was not identified: this goes by the number of the port alone. Find out "
            "what listens there first."
        )
    if risk.severity is not risk.base:
        direction = "up" if SEVERITY_PLACE[risk.severity] < SEVERITY_PLACE[risk.base] else "down"
        yield f"One step {direction} from {risk.base}: criticality is {place.criticality}."


def combined(policy: RiskPolicy, own: tuple[Rule, ...], digest: str) -> RiskPolicy:
    """The policy with the rules of an engagement before it; the same id replaces ours."""
    if not own:
        return policy
    replaced = {rule.id for rule in own}
    noun = "rule" if len(own) == 1 else "rules"
    return RiskPolicy(
        version=f"{policy.version} with {len(own)} own {noun} ({digest[:12]})",
        rules=(*own, *(rule for rule in policy.rules if rule.id not in replaced)),
    )


def _other_flaws(match: Match, facts: Facts) -> Iterator[str]:
    """One rule decides about a certificate; what else is wrong with it must not be lost."""
    others = sorted(facts.flaws - match.condition.certificate)
    if match.rule.concern is Concern.CERTIFICATE and others:
        yield f"The certificate has other flaws, too: {', '.join(others)}."


def shadowed(policy: RiskPolicy) -> Iterator[tuple[Rule, Rule]]:
    """Rules that can never decide, each with one that always goes before it.

    Our own rules may be shadowed by those of an engagement: that is what these are for.
    """
    for place, rule in enumerate(policy.rules):
        over = [_above(policy.rules, place, condition) for condition in rule.conditions]
        if over and all(other is not None for other in over):
            first = over[0]
            assert first is not None
            yield rule, first


def _above(rules: tuple[Rule, ...], place: int, condition: Condition) -> Rule | None:
    """A rule that decides wherever the condition holds, in place of the one at ``place``."""
    rule = rules[place]
    mine = rank(rule, condition), place
    for other_place, other in enumerate(rules):
        if other is rule or other.concern is not rule.concern or other.own is not rule.own:
            continue
        for each in other.conditions:
            if (rank(other, each), other_place) < mine and condition.within(each):
                return other
    return None
