"""The tables behind a confidence, and what they make of the hosts that fool scanners."""

from __future__ import annotations

import math
from typing import Any, Final

import pytest

from pipeline.decide.confidence import confidence, percent_text, posterior
from pipeline.decide.likelihoods import (
    CONTROLS,
    EXPLAINS,
    PRIOR,
    TABLE,
    TTL_NEARER,
    Explanation,
    Heard,
    Hypothesis,
    Row,
    answers_of,
    heard_in,
)
from pipeline.decide.verdict import SOME_REFUSED
from pipeline.model import Aftermath, Method, Observation, PortState, Purpose, VerdictKind
from tests.decide.making import GUESSED, PROBED, WRAPPED, seen, shaken

MASSCAN, SYN, CONNECT, HANDSHAKE, VERSION = (
    Method.MASSCAN_SYN,
    Method.NMAP_SYN,
    Method.NMAP_CONNECT,
    Method.HANDSHAKE,
    Method.NMAP_VERSION,
)
CLOSED, FILTERED = PortState.CLOSED, PortState.FILTERED
SERVICE, NOTHING, PRETENDER, UNSTEADY = Hypothesis
SCANNED = (seen(MASSCAN), seen(SYN), seen(CONNECT))
REFUSING: Final[dict[str, Any]] = {"controls_refused": 2}
ANSWERING: Final[dict[str, Any]] = {"controls_open": 2}
ROWS = [(m, heard, row) for m, rows in TABLE.items() for heard, row in rows.items()]
TCP = [m for m in Method if m not in (Method.NMAP_UDP, Method.DATAGRAM)]
SERVICES = (Explanation.DIRECT, Explanation.FRONTED)


def refused(*methods: Method, round_: int = 1) -> tuple[Observation, ...]:
    return tuple(seen(method, CLOSED, round_=round_) for method in methods)


def likeliest(*observations: Observation, **host: Any) -> Hypothesis:
    found = posterior(observations, **host)
    return max(found, key=lambda hypothesis: found[hypothesis])


@pytest.mark.parametrize("method", Method)
def test_under_each_hypothesis_the_answers_of_a_method_add_up_to_one(method: Method) -> None:
    for chances in answers_of(method).values():
        assert math.isclose(sum(chances.values()), 1.0)


@pytest.mark.parametrize("explanation", Explanation)
def test_what_control_ports_do_adds_up_to_one(explanation: Explanation) -> None:
    assert math.isclose(sum(row.chances[explanation] for row in CONTROLS.values()), 1.0)
    assert math.isclose(sum(PRIOR.chances.values()), 1.0)


@pytest.mark.parametrize("row", [row for *_, row in ROWS] + [PRIOR, TTL_NEARER, *CONTROLS.values()])
def test_every_row_is_a_chance_and_names_its_source(row: Row) -> None:
    assert all(0.0 < chance < 1.0 for chance in row.chances.values())
    assert row.source.startswith(("measured", "loss", "judgement", "nothing was sent", "nmap(1)"))


@pytest.mark.parametrize(("method", "heard", "row"), ROWS)
def test_every_answer_supports_some_hypothesis_however_it_came_to_be_true(
    method: Method, heard: Heard, row: Row
) -> None:
    """Else hearing it again could lower every hypothesis that it speaks for."""
    chances = row.chances
    assert any(
        min(chances[e] for e, of in EXPLAINS.items() if of is h)
        >= max(chances[e] for e, of in EXPLAINS.items() if of is not h)
        for h in Hypothesis
    )


@pytest.mark.parametrize("method", Method)
def test_an_answer_as_if_open_supports_a_service_and_nobody_refuses_less(method: Method) -> None:
    for service in SERVICES:
        opened, refusal = (
            TABLE[method][Heard.OPEN].chances,
            TABLE[method][Heard.REFUSED].chances,
        )
        assert opened[service] == max(opened.values())
        assert refusal[service] == min(refusal.values())


@pytest.mark.parametrize("method", TCP)
def test_silence_means_the_same_whichever_method_heard_it(method: Method) -> None:
    assert TABLE[method][Heard.SILENT] == TABLE[SYN][Heard.SILENT]


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (seen(SYN), Heard.OPEN),
        (seen(SYN, CLOSED), Heard.REFUSED),
        (seen(SYN, FILTERED), Heard.SILENT),
        (seen(SYN, FILTERED, reason="host-unreach"), Heard.PROHIBITED),
        (seen(SYN, PortState.UNFILTERED), None),
        (seen(Method.NMAP_UDP, PortState.OPEN_FILTERED), None),
        (seen(Method.NMAP_UDP, FILTERED), None),
        (seen(Method.DATAGRAM, aftermath=Aftermath.DATA, banner="own"), Heard.OWN_WORDS),
        (seen(Method.DATAGRAM, aftermath=Aftermath.CLOSED), Heard.OPEN),
        (shaken(Aftermath.DATA, banner="own"), Heard.OWN_WORDS),
        (shaken(Aftermath.DATA, banner="portal"), Heard.SAME_WORDS),
        (shaken(Aftermath.SILENCE), Heard.OPEN),
        (shaken(None), Heard.OPEN),
        (shaken(Aftermath.UNACKNOWLEDGED), Heard.UNACKNOWLEDGED),
        (seen(HANDSHAKE, reason=SOME_REFUSED), Heard.TURNS),
        (seen(SYN, reason=SOME_REFUSED), Heard.OPEN),
        (seen(VERSION, service=PROBED), Heard.IDENTIFIED),
        (seen(VERSION, service=WRAPPED), Heard.WRAPPED),
        (seen(VERSION, service=GUESSED), Heard.OPEN),
        (seen(VERSION), Heard.OPEN),
    ],
)
def test_what_an_observation_heard(observation: Observation, expected: Heard | None) -> None:
    assert heard_in(observation, ("portal",)) is expected


def test_without_any_evidence_there_is_only_the_prior() -> None:
    for hypothesis, share in posterior(()).items():
        prior = sum(PRIOR.chances[e] for e, of in EXPLAINS.items() if of is hypothesis)
        assert share == pytest.approx(prior, abs=0.001)


def test_a_service_that_speaks_is_above_ninety_nine_percent_and_never_at_one() -> None:
    found = posterior((*SCANNED, shaken(Aftermath.DATA)), **REFUSING)
    assert 0.99 < confidence(VerdictKind.CONFIRMED, found) < 0.999
    assert percent_text(confidence(VerdictKind.CONFIRMED, found)) == ">99 %"


def test_everything_that_can_be_heard_of_a_service_is_still_not_certain() -> None:
    everything = [
        observation
        for round_ in range(1, 300)
        for observation in (
            seen(SYN, round_=round_),
            seen(CONNECT, round_=round_),
            shaken(Aftermath.DATA, round_=round_),
            seen(VERSION, service=PROBED, round_=round_),
        )
    ]
    assert confidence(VerdictKind.CONFIRMED, posterior(everything, **REFUSING)) <= 0.999


def test_a_sweep_alone_is_less_than_a_scan_that_was_corroborated() -> None:
    swept = posterior([seen(MASSCAN)])[SERVICE]
    assert 0.5 < swept < 0.9
    assert posterior((*SCANNED, shaken(Aftermath.ACKNOWLEDGED)), **REFUSING)[SERVICE] > swept


def test_three_scans_that_agree_prove_nothing_about_who_answers() -> None:
    """SYN proxies, tarpits and catch-alls: all three agreed on everything they got wrong."""
    one, three = posterior([seen(MASSCAN)]), posterior(SCANNED)
    assert three[PRETENDER] == pytest.approx(one[PRETENDER], abs=0.01)
    assert three[SERVICE] < 0.9


@pytest.mark.parametrize(
    "handshake",
    [
        shaken(Aftermath.ACKNOWLEDGED),
        shaken(Aftermath.RESET),
        shaken(Aftermath.UNACKNOWLEDGED),
        shaken(Aftermath.CLOSED),
    ],
)
def test_where_control_ports_answer_only_words_tell_a_service(handshake: Observation) -> None:
    assert posterior((*SCANNED, handshake), **ANSWERING)[PRETENDER] > 0.8


def test_a_service_behind_a_syn_proxy_is_told_by_its_words() -> None:
    spoken = (*SCANNED, shaken(Aftermath.DATA))
    assert likeliest(*spoken, **ANSWERING) is SERVICE
    identified = (*spoken, seen(VERSION, service=PROBED))
    assert posterior(identified, **ANSWERING)[SERVICE] > 0.9


def test_a_silent_service_behind_a_syn_proxy_is_told_by_its_acknowledgements() -> None:
    silent = (*SCANNED, shaken(Aftermath.ACKNOWLEDGED))
    assert likeliest(*silent, **ANSWERING) is PRETENDER
    alone = posterior(silent, unlike_controls=True, **ANSWERING)
    assert alone[SERVICE] > 0.5
    identified = (*silent, seen(VERSION, service=PROBED))
    assert posterior(identified, unlike_controls=True, **ANSWERING)[SERVICE] > 0.9


def test_the_words_of_a_control_port_are_no_words_of_its_own() -> None:
    spoken = (*SCANNED, shaken(Aftermath.DATA, banner="portal"))
    found = posterior(spoken, control_banners=("portal",), **ANSWERING)
    assert found[PRETENDER] > 0.95


def test_a_reset_after_the_handshake_and_a_newline_never_acknowledged_tell_a_pretender() -> None:
    for aftermath in (Aftermath.RESET, Aftermath.UNACKNOWLEDGED):
        assert likeliest(*SCANNED, shaken(aftermath)) is PRETENDER
        assert likeliest(*SCANNED, shaken(aftermath), **ANSWERING) is PRETENDER


def test_a_proxy_on_the_path_is_betrayed_by_its_ttl_alone() -> None:
    spoken = (*SCANNED, shaken(Aftermath.DATA))
    nearer, same = (
        posterior(spoken, controls_refused=2, ttl_nearer=nearer) for nearer in (True, False)
    )
    assert nearer[PRETENDER] > nearer[SERVICE]
    assert same[SERVICE] > posterior(spoken, controls_refused=2)[SERVICE]


def test_control_ports_that_refuse_rule_a_catch_all_out() -> None:
    silent = (*SCANNED, shaken(Aftermath.ACKNOWLEDGED))
    without, with_ = posterior(silent), posterior(silent, **REFUSING)
    assert with_[PRETENDER] < without[PRETENDER] / 10


def test_what_was_named_and_refused_ever_after_is_closed_and_surer_with_each_round() -> None:
    once = (seen(MASSCAN), *refused(SYN, CONNECT, HANDSHAKE))
    twice = (*once, *refused(SYN, CONNECT, HANDSHAKE, round_=2))
    first, second = (confidence(VerdictKind.REFUTED, posterior(o)) for o in (once, twice))
    assert 0.8 < first < second


def test_one_refusal_against_a_sweep_settles_nothing() -> None:
    found = posterior((seen(MASSCAN), *refused(SYN)))
    assert max(found.values()) < 0.7


def test_no_answer_is_a_weaker_filtered_than_an_icmp_refusal() -> None:
    silent = posterior([seen(m, FILTERED) for m in (SYN, CONNECT, HANDSHAKE)])
    said = posterior(
        [seen(m, FILTERED, reason="admin-prohibited") for m in (SYN, CONNECT, HANDSHAKE)]
    )
    assert confidence(VerdictKind.FILTERED, silent) < 0.85 < confidence(VerdictKind.FILTERED, said)


def test_open_and_refused_by_the_same_method_is_unsteady() -> None:
    once = (seen(SYN), *refused(SYN, round_=2))
    assert likeliest(*once) is UNSTEADY
    more = (*SCANNED, shaken(Aftermath.DATA), *refused(SYN, CONNECT, HANDSHAKE, round_=2))
    assert posterior(more)[UNSTEADY] > 0.99


def test_connections_of_one_moment_that_are_answered_differently_are_unsteady() -> None:
    turns = seen(HANDSHAKE, purpose=Purpose.VOTE, reason=SOME_REFUSED)
    found = posterior((*SCANNED, shaken(Aftermath.DATA), turns), **REFUSING)
    assert likeliest(*SCANNED, shaken(Aftermath.DATA), turns, **REFUSING) is UNSTEADY
    assert posterior((*SCANNED, turns), controls_open=2)[UNSTEADY] < found[UNSTEADY]


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (0.0003, "<1 %"),
        (0.01, "1 %"),
        (0.874, "87 %"),
        (0.99, "99 %"),
        (0.9901, ">99 %"),
        (0.999, ">99 %"),
        (1.0, ">99 %"),
    ],
)
def test_a_confidence_in_words(share: float, text: str) -> None:
    assert percent_text(share) == text


@pytest.mark.parametrize("share", [-0.01, 1.01, math.nan, math.inf])
def test_what_is_no_share_is_not_shown(share: float) -> None:
    with pytest.raises(ValueError, match="not a share"):
        percent_text(share)
