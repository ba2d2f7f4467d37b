"""The published risk policy: every rule decides about its own examples, and cites what exists."""

from __future__ import annotations

import pytest

from pipeline.decide.risk import assess, matches, shadowed
from pipeline.decide.risk_rules import (
    Concern,
    Criticality,
    Example,
    Facts,
    Position,
    Rule,
    Severity,
    Zone,
)
from pipeline.engagement import our_policy
from pipeline.model import Endpoint, Service, VerdictKind
from pipeline.render.references import CIS, CWE, NIST

POLICY = our_policy()
EXAMPLES = [
    pytest.param(rule, example, id=f"{rule.id}-{number}")
    for rule in POLICY.rules
    for number, example in enumerate(rule.examples, 1)
]


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
def test_a_rule_decides_about_its_own_examples(rule: Rule, example: Example) -> None:
    decides = matches(POLICY, example.facts)[rule.concern][0]
    assert decides.rule.id == rule.id
    risk = next(risk for risk in assess(POLICY, example.facts) if risk.rule == rule.id)
    assert example.severity in (None, risk.severity)
    assert risk.policy == POLICY.version


def test_every_rule_has_an_example_and_a_remedy_and_cites_something() -> None:
    lacking = [
        rule.id
        for rule in POLICY.rules
        if not (rule.examples and rule.remediation and rule.references.cis and rule.references.nist)
    ]
    assert lacking == []


def test_at_least_a_hundred_services_are_known() -> None:
    services = {
        rule.id
        for rule in POLICY.rules
        if rule.concern is Concern.SERVICE and any(c.specificity for c in rule.conditions)
    }
    assert len(services) >= 100


def test_no_rule_is_unreachable() -> None:
    assert [(rule.id, above.id) for rule, above in shadowed(POLICY)] == []


def test_what_is_cited_exists() -> None:
    for rule in POLICY.rules:
        cited = rule.references
        assert set(cited.cis) <= CIS.keys(), rule.id
        assert set(cited.nist) <= NIST.keys(), rule.id
        assert set(cited.cwe) <= CWE.keys(), rule.id


@pytest.mark.parametrize(
    ("name", "product", "version"),
    [
        ("netbios-ssn", "Samba smbd", "4.6.2"),
        ("netbios-ssn", "Samba smbd", "3.X - 4.X"),
        ("mysql", "MySQL", "5.5.5-10.11.6-MariaDB-0+deb12u1"),
        ("ssh", "OpenSSH", "9.2p1 Debian 2+deb12u3"),
        ("http", "Apache httpd", "2.4.57"),
        ("http", "Microsoft IIS httpd", "10.0"),
    ],
)
def test_what_nmap_calls_software_of_today_is_not_taken_for_old(
    name: str, product: str, version: str
) -> None:
    about = Facts(
        endpoint=Endpoint.parse("192.0.2.7:1"),
        verdict=VerdictKind.CONFIRMED,
        service=Service(name=name, product=product, version=version, method="probed"),
        position=Position(zone=Zone.INTERNAL, criticality=Criticality.NORMAL, assumed=False),
    )
    assert matches(POLICY, about)[Concern.SOFTWARE] == ()


def test_nothing_is_worse_inside_than_where_the_internet_reaches_it() -> None:
    order = list(Severity)
    for rule in POLICY.rules:
        inside, dmz, outside = (
            order.index(rule.severity[zone]) for zone in (Zone.INTERNAL, Zone.DMZ, Zone.INTERNET)
        )
        if rule.id != "game-server":  # in a DMZ it stands beside what matters
            assert outside <= dmz <= inside, rule.id
