"""Which rule decides, and what comes of it: precedence, verdicts, zones, laws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import AddressSet, parse_address
from pipeline.decide.certificate import Flaw
from pipeline.decide.risk import (
    Proof,
    assess,
    combined,
    matches,
    proof,
    shadowed,
    weighted,
)
from pipeline.decide.risk_rules import (
    Concern,
    Condition,
    Criticality,
    Facts,
    Ports,
    Position,
    References,
    RiskPolicy,
    Rule,
    Severity,
    Zone,
    ZoneEntry,
    position,
)
from pipeline.decide.version_ranges import VersionRange
from pipeline.model import Endpoint, Service, VerdictKind
from pipeline.ports import PortSet

INTERNAL = Position(zone=Zone.INTERNAL, criticality=Criticality.NORMAL, assumed=False)
REDIS = Service(name="redis", product="Redis key-value store", version="7.0.15", method="probed")


def facts(where: str = "192.0.2.7:6379", **known: Any) -> Facts:
    usual: dict[str, Any] = {
        "endpoint": Endpoint.parse(where),
        "verdict": VerdictKind.CONFIRMED,
        "service": REDIS,
        "position": INTERNAL,
    }
    return Facts(**{**usual, **known})


def ports(text: str) -> Ports:
    return Ports(tcp=PortSet.parse(text))


def rule(name: str, *conditions: Condition, **more: Any) -> Rule:
    usual: dict[str, Any] = {
        "id": name,
        "title": name,
        "concern": Concern.SERVICE,
        "conditions": conditions,
        "severity": dict.fromkeys(Zone, Severity.MEDIUM),
        "why": "why",
        "remediation": ("do",),
        "references": References(),
    }
    return Rule(**{**usual, **more})


def policy(*rules: Rule) -> RiskPolicy:
    return RiskPolicy(version="1", rules=rules)


def decides(found: RiskPolicy, about: Facts) -> list[str]:
    return [risk.rule for risk in assess(found, about)]


ANYTHING = rule("anything", Condition())
BY_SERVICE = rule("by-service", Condition(services=frozenset({"redis"})))
BY_PRODUCT = rule("by-product", Condition(products=("key-value",)))
BY_VERSION = rule("by-version", Condition(version=VersionRange.parse("<7.2")))
BY_PORT = rule("by-port", Condition(ports=ports("6379"), unidentified=True))
STRICTER = rule("stricter", Condition(services=frozenset({"redis"}), zones=frozenset({*Zone})))


# --- precedence --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "first"),
    [
        ((ANYTHING, BY_SERVICE), "by-service"),
        ((BY_SERVICE, BY_PRODUCT), "by-product"),
        ((BY_PRODUCT, BY_VERSION), "by-version"),
        ((BY_SERVICE, STRICTER), "stricter"),
        ((STRICTER, BY_PRODUCT), "by-product"),
        ((BY_SERVICE, rule("twin", Condition(services=frozenset({"redis"})))), "by-service"),
    ],
)
def test_the_most_specific_rule_decides_and_of_equals_the_first(
    rules: tuple[Rule, ...], first: str
) -> None:
    assert decides(policy(*rules), facts()) == [first]


def test_a_rule_of_the_engagement_goes_before_a_more_specific_one_of_ours() -> None:
    own = replace(rule("own", Condition()), own=True)
    found = combined(policy(BY_VERSION), (own,), "abc")
    assert decides(found, facts()) == ["own"]
    assert found.version == "1 with 1 own rule (abc)"


def test_a_rule_of_the_engagement_takes_the_place_of_ours_with_its_id() -> None:
    own = replace(BY_SERVICE, own=True, severity=dict.fromkeys(Zone, Severity.INFO))
    found = combined(policy(BY_SERVICE, ANYTHING), (own,), "abc")
    assert [each.id for each in found.rules] == ["by-service", "anything"]
    assert assess(found, facts())[0].severity is Severity.INFO


def test_each_concern_has_a_rule_of_its_own_and_the_severest_comes_first() -> None:
    expired = rule(
        "expired",
        Condition(certificate=frozenset({Flaw.EXPIRED})),
        concern=Concern.CERTIFICATE,
        severity=dict.fromkeys(Zone, Severity.HIGH),
    )
    known = facts(flaws=frozenset({Flaw.EXPIRED, Flaw.SELF_SIGNED}))
    assert decides(policy(BY_SERVICE, expired), known) == ["expired", "by-service"]


def test_a_rule_goes_by_the_port_only_where_the_service_was_not_identified() -> None:
    guessed = Service(name="redis", method="table")
    other = Service(name="ssh", method="probed")
    found = policy(BY_SERVICE, BY_PORT)
    assert decides(found, facts(service=REDIS)) == ["by-service"]
    assert decides(found, facts(service=other)) == []
    for unidentified in (None, guessed, Service(name="tcpwrapped", method="probed")):
        (risk,) = assess(found, facts(service=unidentified))
        assert (risk.rule, risk.guessed) == ("by-port", True)
        assert any("number of the port alone" in remark for remark in risk.remarks)


def test_an_answer_in_the_protocol_of_the_port_identifies_the_service() -> None:
    (risk,) = assess(policy(BY_PORT), facts(service=None, understood=True))
    assert not risk.guessed
    assert "it answered in the protocol of that port" in risk.because[0]


# --- verdicts, zones, criticality --------------------------------------------------------------


@pytest.mark.parametrize("kind", VerdictKind)
def test_only_what_is_open_or_was_is_at_risk_and_how_sure_that_is_is_told(
    kind: VerdictKind,
) -> None:
    risks = assess(policy(ANYTHING), facts(verdict=kind))
    sure = proof(kind)
    assert bool(risks) == (sure is not None)
    for risk in risks:
        assert risk.severity is Severity.MEDIUM
        assert bool(risk.remarks) == (sure is not Proof.PROVEN)
    nothing = {"artefact", "refuted", "filtered", "unknown"}
    assert (sure is None) == (kind in nothing)


@pytest.mark.parametrize(
    ("address", "zone", "assumed"),
    [
        ("192.0.2.200", Zone.INTERNET, False),
        ("192.0.2.7", Zone.DMZ, False),
        ("10.1.2.3", Zone.INTERNAL, True),
        ("172.31.0.1", Zone.INTERNAL, True),
        ("172.32.0.1", Zone.INTERNET, True),
        ("fd00::1", Zone.INTERNAL, True),
        ("2001:db8::1", Zone.INTERNET, True),
    ],
)
def test_the_smallest_entry_with_an_address_says_its_zone(
    address: str, zone: Zone, *, assumed: bool
) -> None:
    entries = (
        ZoneEntry(networks=AddressSet.parse(["192.0.2.0/24"]), zone=Zone.INTERNET),
        ZoneEntry(networks=AddressSet.parse(["192.0.2.0/28"]), zone=Zone.DMZ),
    )
    found = position(parse_address(address), entries)
    assert (found.zone, found.assumed) == (zone, assumed)


@pytest.mark.parametrize(
    ("severity", "criticality", "expected"),
    [
        (Severity.HIGH, Criticality.HIGH, Severity.CRITICAL),
        (Severity.CRITICAL, Criticality.HIGH, Severity.CRITICAL),
        (Severity.HIGH, Criticality.LOW, Severity.MEDIUM),
        (Severity.LOW, Criticality.LOW, Severity.LOW),
        (Severity.INFO, Criticality.HIGH, Severity.INFO),
        (Severity.MEDIUM, Criticality.NORMAL, Severity.MEDIUM),
    ],
)
def test_criticality_moves_a_severity_by_one_step(
    severity: Severity, criticality: Criticality, expected: Severity
) -> None:
    assert weighted(severity, criticality) is expected


def test_a_severity_that_was_moved_says_so() -> None:
    place = replace(INTERNAL, criticality=Criticality.HIGH)
    (risk,) = assess(policy(ANYTHING), facts(position=place))
    assert (risk.base, risk.severity) == (Severity.MEDIUM, Severity.HIGH)
    assert risk.remarks == ("One step up from medium: criticality is high.",)


def test_what_else_is_wrong_with_a_certificate_is_not_lost() -> None:
    found = policy(
        rule(
            "expired",
            Condition(certificate=frozenset({Flaw.EXPIRED})),
            concern=Concern.CERTIFICATE,
        )
    )
    (risk,) = assess(found, facts(flaws=frozenset({Flaw.EXPIRED, Flaw.WEAK_KEY})))
    assert risk.remarks == ("The certificate has other flaws, too: weak-key.",)


# --- rules that never decide -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("above", "below", "reported"),
    [
        (
            Condition(services=frozenset({"redis", "ssh"})),
            Condition(services=frozenset({"ssh"})),
            True,
        ),
        (
            Condition(services=frozenset({"ssh"})),
            Condition(services=frozenset({"redis", "ssh"})),
            False,
        ),
        (Condition(ports=ports("1-100")), Condition(ports=ports("22")), True),
        (Condition(products=("apache",)), Condition(products=("apache tomcat",)), True),
        (Condition(), Condition(ports=ports("22")), False),
    ],
)
def test_a_rule_that_another_always_goes_before_is_reported(
    above: Condition, below: Condition, *, reported: bool
) -> None:
    found = policy(rule("above", above), rule("below", below))
    names = [(below_.id, above_.id) for below_, above_ in shadowed(found)]
    assert names == ([("below", "above")] if reported else [])


def test_our_rules_may_be_shadowed_by_those_of_an_engagement() -> None:
    own = replace(rule("own", Condition()), own=True)
    assert list(shadowed(combined(policy(BY_SERVICE), (own,), ""))) == []


# --- laws --------------------------------------------------------------------------------------

conditions = st.builds(
    Condition,
    services=st.frozensets(st.sampled_from(["redis", "ssh", "http"]), max_size=2),
    products=st.sampled_from([(), ("redis",), ("key-value",)]),
    ports=st.sampled_from([Ports(), ports("6379"), ports("1-1000")]),
    zones=st.frozensets(st.sampled_from(list(Zone)), max_size=2),
    unidentified=st.booleans(),
)
policies = st.lists(st.lists(conditions, min_size=1, max_size=2), min_size=1, max_size=5).map(
    lambda many: policy(*(rule(f"r{n}", *each) for n, each in enumerate(many)))
)
endpoints = st.builds(
    facts,
    st.sampled_from(["192.0.2.7:6379", "192.0.2.7:22", "192.0.2.9:6379"]),
    service=st.sampled_from([None, REDIS, Service(name="ssh", method="probed")]),
    position=st.sampled_from([replace(INTERNAL, zone=zone) for zone in Zone]),
)


@settings(max_examples=60)
@given(found=policies, about=endpoints)
def test_what_is_reported_as_unreachable_never_decides(found: RiskPolicy, about: Facts) -> None:
    never = {below.id for below, _ in shadowed(found)}
    assert not never & set(decides(found, about))


@settings(max_examples=60)
@given(found=policies, about=endpoints)
def test_who_decides_matches_and_nobody_more_specific_does(found: RiskPolicy, about: Facts) -> None:
    fits = matches(found, about)[Concern.SERVICE]
    assert decides(found, about) == [fit.rule.id for fit in fits[:1]]
    ranks = [fit.condition.specificity for fit in fits]
    assert ranks == sorted(ranks, reverse=True)


@settings(max_examples=60)
@given(narrow=conditions, wide=conditions, about=endpoints)
def test_what_lies_within_a_condition_fulfils_it(
    narrow: Condition, wide: Condition, about: Facts
) -> None:
    if narrow.within(wide) and narrow.why(about) is not None:
        assert wide.why(about) is not None


# --- versions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "version", "holds"),
    [
        ("<7.4", "7.2p2 Ubuntu 4ubuntu2.10", True),
        ("<7.4", "9.2p1 Debian 2+deb12u3", False),
        ("=1.3.3c", "1.3.3c", True),
        ("=1.3.3c", "1.3.3", False),
        (">=2, <2.4", "2.2.15", True),
        (">=2, <2.4", "2.4", False),
        ("<10", "8.5", True),
        ("<=2.4.0", "2.4", True),
        ("<9", "", False),
        ("<9", "unknown", False),
    ],
)
def test_versions_are_compared_number_by_number(bounds: str, version: str, *, holds: bool) -> None:
    assert VersionRange.parse(bounds).holds(version) is holds


@pytest.mark.parametrize("text", ["", "9.6", "< 9.6 or so", ">=2 <3", "<latest", "<1,"])
def test_what_is_no_range_of_versions_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no range of versions"):
        VersionRange.parse(text)
