"""Every reason code, from the evidence that real hosts of each kind leave behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.decide import reasons
from pipeline.decide.confidence import posterior
from pipeline.decide.likelihoods import Hypothesis
from pipeline.decide.verdict import HostFacts, decide, host_facts
from pipeline.model import (
    Aftermath,
    Method,
    Observation,
    PortState,
    Purpose,
    Verdict,
    VerdictKind,
)
from tests.decide.making import PROBED, WHERE, controls, seen, shaken
from tests.decide.verdict_table import (
    CASES,
    CLOSED,
    CONNECT,
    DROPPING,
    FILTERED,
    HANDSHAKE,
    MASSCAN,
    PRETENDING,
    REFUSING,
    SCANNED,
    SYN,
    VERSION,
    Case,
)


def ruling(case: Case) -> Verdict:
    return decide(WHERE, case.heard, case.facts, gave_up=case.gave_up, set_aside=case.set_aside)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_evidence_adds_up_to(case: Case) -> None:
    found = ruling(case)
    assert (found.kind, found.reason) == (case.kind, case.reason)


@pytest.mark.parametrize(
    "reason",
    [
        "admin-prohibited",
        "host-prohibited",
        "net-prohibited",
        "communication-prohibited",
        "host-unreach",
        "net-unreach",
        "port-unreach",
        "proto-unreach",
        "dest-unreach",
        "no-route",
        "beyond-scope",
        "reject-route",
        "time-exceeded",
    ],
)
def test_every_word_of_nmap_and_of_the_handshake_for_an_icmp_error_is_a_refusal(
    reason: str,
) -> None:
    heard = (seen(SYN, FILTERED), seen(HANDSHAKE, FILTERED, reason=reason))
    assert decide(WHERE, heard, DROPPING).reason == reasons.ICMP_REFUSED


def test_every_reason_that_is_explained_is_given_for_something() -> None:
    elsewhere = {
        # Of UDP, and of a host with all its endpoints.
        *(reasons.ANSWERED_IN_PROTOCOL, reasons.REPLY_NOT_UNDERSTOOD, reasons.OPEN_OR_FILTERED),
        "host-changes",
    }
    assert {case.reason for case in CASES} == set(reasons.EXPLANATIONS) - elsewhere


def test_every_reason_that_has_a_name_is_explained() -> None:
    named = {
        value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)
    }
    assert named == set(reasons.EXPLANATIONS)


def test_every_kind_of_verdict_is_reached() -> None:
    assert {case.kind for case in CASES} == set(VerdictKind)


def test_a_reason_without_a_sentence_stands_for_itself() -> None:
    assert reasons.explain("service-spoke").startswith("Two independent methods")
    assert reasons.explain("imported-as-it-was") == "imported-as-it-was"


# --- confidence --------------------------------------------------------------------------------


def confidence(*heard: Observation, facts: HostFacts = REFUSING) -> float:
    return decide(WHERE, heard, facts).confidence


def test_a_verdict_has_the_posterior_of_what_it_claims_with_what_is_known_of_its_host() -> None:
    heard = (*SCANNED, shaken(Aftermath.ACKNOWLEDGED))
    found = posterior(heard, controls_refused=2)
    assert confidence(*heard) == pytest.approx(found[Hypothesis.SERVICE], abs=1e-4)
    found = posterior(heard, controls_silent=2)
    assert confidence(*heard, facts=DROPPING) == pytest.approx(found[Hypothesis.SERVICE], abs=1e-4)
    found = posterior(heard, controls_open=2)
    assert confidence(*heard, facts=PRETENDING) == pytest.approx(
        found[Hypothesis.PRETENDER], abs=1e-4
    )


def test_a_service_that_spoke_counts_for_more_than_one_that_kept_silent() -> None:
    spoke, silent = shaken(Aftermath.DATA), shaken(Aftermath.ACKNOWLEDGED)
    assert confidence(seen(SYN), spoke) > confidence(seen(SYN), silent)


def test_a_method_that_speaks_against_a_refutation_lowers_its_confidence() -> None:
    refused = (seen(CONNECT, CLOSED), seen(HANDSHAKE, CLOSED))
    phantom = (seen(MASSCAN), *refused)
    assert decide(WHERE, phantom, REFUSING).kind is VerdictKind.REFUTED
    assert decide(WHERE, refused, REFUSING).kind is VerdictKind.REFUTED
    assert 0.5 < confidence(*phantom) < confidence(*refused)


def test_what_was_set_aside_is_named_and_counts_for_nothing() -> None:
    heard = (seen(MASSCAN, number=7), shaken(Aftermath.DATA, number=9))
    with_, without = (decide(WHERE, heard, REFUSING, set_aside=n) for n in ([8, 3], []))
    assert with_.observations == (3, 7, 8, 9)
    assert replace(with_, observations=()) == replace(without, observations=())


def test_nobody_is_sure_of_a_disagreement_or_of_nothing() -> None:
    assert confidence(*SCANNED, seen(HANDSHAKE, CLOSED)) == 0.0
    assert confidence() == 0.0


# --- what goes along with a verdict ------------------------------------------------------------


def test_the_service_of_a_verdict_is_what_the_version_probe_found() -> None:
    heard = (*SCANNED, shaken(Aftermath.DATA, after=5), seen(VERSION, service=PROBED))
    assert decide(WHERE, heard, REFUSING).service == PROBED


def test_without_a_version_probe_the_banner_stands_for_the_service() -> None:
    found = decide(WHERE, (*SCANNED, shaken(Aftermath.DATA, banner="220 ready")), REFUSING)
    assert found.service is not None
    assert found.service.banner == "220 ready"
    assert not found.service.name


def test_control_ports_count_by_port_whatever_the_method_and_the_round() -> None:
    one = seen(SYN, where=WHERE, purpose=Purpose.CONTROL)
    again = shaken(Aftermath.DATA, banner="hello", purpose=Purpose.CONTROL, round_=2)
    named = seen(SYN, CLOSED)
    assert host_facts([one, again, named]) == HostFacts(
        asked=1,
        open_=1,
        refused=0,
        banners=frozenset({"hello"}),
        aftermaths=frozenset({Aftermath.DATA}),
    )


@pytest.mark.parametrize(
    ("loss", "rounds"), [(0.0, 3), (0.01, 3), (0.1, 3), (0.2, 4), (0.25, 5), (1.0, 3)]
)
def test_where_much_is_lost_more_rejections_are_needed(loss: float, rounds: int) -> None:
    """A reset that follows the handshake itself and is lost lets our newline get another one."""
    facts = replace(controls(PortState.CLOSED), loss=loss)
    scanned = seen(Method.NMAP_SYN)
    rejected = [
        shaken(Aftermath.REJECTED, round_=number, after=10.0 * number)
        for number in range(1, rounds + 1)
    ]
    assert decide(WHERE, [scanned, *rejected], facts).reason == reasons.CLOSED_AFTER_HANDSHAKE
    assert decide(WHERE, [scanned, *rejected[1:]], facts).reason == reasons.REJECTED
