"""Documents with risks, by a small policy of the tests, which nobody edits for its words."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pipeline.addresses import AddressSet
from pipeline.assessing import Judgement, with_risks
from pipeline.decide.certificate import Flaw
from pipeline.decide.risk_rules import (
    Concern,
    Condition,
    Criticality,
    Ports,
    References,
    RiskPolicy,
    Rule,
    Severity,
    Zone,
    ZoneEntry,
)
from pipeline.ports import PortSet
from pipeline.render.document import RunDocument
from tests.render.documents import START


def rule(
    name: str,
    title: str,
    *conditions: Condition,
    severity: Severity,
    concern: Concern = Concern.SERVICE,
    internet: Severity | None = None,
) -> Rule:
    return Rule(
        id=name,
        title=title,
        concern=concern,
        conditions=conditions,
        severity={**dict.fromkeys(Zone, severity), Zone.INTERNET: internet or severity},
        why=f"Why {name} matters.",
        remediation=("Bind it to loopback: `bind 127.0.0.1`.", "Then ask again."),
        references=References(cis=("4.4",), nist=("SC-7(5)",), cwe=("CWE-306", "CWE-99999")),
        where="policy.yml:1",
    )


def by_port(*ports: int) -> Condition:
    return Condition(ports=Ports(tcp=PortSet.of(ports)), unidentified=True)


POLICY: Final = RiskPolicy(
    version="test-1",
    rules=(
        rule(
            "web",
            "A web server",
            Condition(services=frozenset({"http"})),
            by_port(80, 443, 8080),
            severity=Severity.LOW,
        ),
        rule(
            "login",
            "Remote login",
            Condition(services=frozenset({"ssh"})),
            by_port(22),
            severity=Severity.INFO,
        ),
        rule("desktop", "Remote desktop", by_port(3389), severity=Severity.HIGH),
        rule(
            "database",
            "A database",
            Condition(services=frozenset({"postgresql"})),
            by_port(5432),
            severity=Severity.CRITICAL,
        ),
        rule(
            "expired",
            "The certificate has expired",
            Condition(certificate=frozenset({Flaw.EXPIRED})),
            severity=Severity.MEDIUM,
            concern=Concern.CERTIFICATE,
        ),
        rule("rest", "Something else", Condition(), severity=Severity.LOW),
    ),
)
ATTACKED: Final = RiskPolicy(
    version="<script>1</script>",
    rules=(
        replace(
            rule(
                "everything",
                '"><img src=x onerror=alert(1)>',
                Condition(products=("",), titles=("",)),
                severity=Severity.CRITICAL,
            ),
            why="{{7*7}} `</script>` <b>",
            remediation=("`<img onerror=1>` and `", "=HYPERLINK(`x`)"),
        ),
    ),
)
"""Rules whose words are attacks, and which repeat what the network said."""
ZONES: Final = (
    ZoneEntry(
        networks=AddressSet.parse(["10.80.2.0/24"]), zone=Zone.DMZ, criticality=Criticality.LOW
    ),
)


def judged(
    document: RunDocument, policy: RiskPolicy = POLICY, *, now: float = START
) -> RunDocument:
    """The document with its risks."""
    found = with_risks(document.findings, Judgement(policy=policy, zones=ZONES), now=now)
    return replace(document, findings=found, risk_policy=policy.version)
