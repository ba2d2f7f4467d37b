"""What no evidence whatever can make a confidence do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.decide.confidence import (
    CEILING,
    SILENCE_BOUND,
    confidence,
    damped,
    percent_text,
    posterior,
)
from pipeline.decide.likelihoods import EXPLAINS, TABLE, Hypothesis, heard_in
from pipeline.model import Aftermath, Method, Observation, PortState, VerdictKind
from tests.decide.making import GUESSED, PROBED, WRAPPED, seen

NOISE = 1e-9
"""Sums of floats differ by this much and mean nothing by it."""
TCP = [m for m in Method if m not in (Method.NMAP_UDP, Method.DATAGRAM)]
SCANS = [Method.MASSCAN_SYN, Method.NMAP_SYN, Method.NMAP_CONNECT]
REASONS = {
    PortState.OPEN: ("syn-ack", "some-refused"),
    PortState.CLOSED: ("reset", "conn-refused"),
    PortState.FILTERED: ("no-response", "admin-prohibited"),
}
UNCLAIMED = (VerdictKind.UNRESOLVED, VerdictKind.UNKNOWN)


@st.composite
def heard(draw: st.DrawFn) -> Observation:
    method = draw(st.sampled_from(list(Method)))
    state = draw(st.sampled_from(list(PortState)))
    aftermath, service = None, None
    if state is PortState.OPEN and method in (Method.HANDSHAKE, Method.DATAGRAM):
        aftermath = draw(st.sampled_from([None, *Aftermath]))
    if state is PortState.OPEN and method is Method.NMAP_VERSION:
        service = draw(st.sampled_from([None, PROBED, WRAPPED, GUESSED]))
    return seen(
        method,
        state,
        reason=draw(st.sampled_from(REASONS.get(state, ("no-response",)))),
        after=draw(st.integers(0, 50)),
        round_=draw(st.integers(0, 3)),
        aftermath=aftermath,
        service=service,
        banner=draw(st.sampled_from("AB")) if aftermath is Aftermath.DATA else "",
    )


hearings = st.lists(heard(), max_size=12)
few = st.integers(0, 3)
hosts: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "controls_open": few,
        "controls_refused": few,
        "controls_silent": few,
        "control_banners": st.sampled_from([(), ("A",)]),
        "ttl_nearer": st.sampled_from([None, True, False]),
        "unlike_controls": st.booleans(),
    }
)


def supported(observation: Observation, banners: tuple[str, ...]) -> set[Hypothesis]:
    """The hypotheses under which nothing makes this answer less likely than any other does."""
    answer = heard_in(observation, banners)
    if answer is None:
        return set()
    chances = TABLE[observation.method][answer].chances
    return {
        h
        for h in Hypothesis
        if min(chances[e] for e, of in EXPLAINS.items() if of is h)
        >= max(chances[e] for e, of in EXPLAINS.items() if of is not h)
    }


def is_share_of_one(found: Mapping[Hypothesis, float]) -> bool:
    return math.isclose(sum(found.values()), 1.0) and all(
        0.0 < share <= CEILING + NOISE for share in found.values()
    )


@given(hearings, hosts, st.randoms(use_true_random=False))
def test_the_order_of_evidence_does_not_matter(
    observations: list[Observation], host: dict[str, Any], chance: Random
) -> None:
    shuffled = list(observations)
    chance.shuffle(shuffled)
    assert posterior(shuffled, **host) == posterior(observations, **host)


@given(hearings.filter(bool), hosts, st.data())
def test_the_same_on_one_occasion_changes_nothing(
    observations: list[Observation], host: dict[str, Any], data: st.DataObject
) -> None:
    again = data.draw(st.sampled_from(observations))
    assert posterior([*observations, again], **host) == posterior(observations, **host)


@given(hearings.filter(bool), hosts, st.data(), st.integers(1, 20))
def test_hearing_the_same_again_never_lowers_what_it_supports(
    observations: list[Observation], host: dict[str, Any], data: st.DataObject, times: int
) -> None:
    word = data.draw(st.sampled_from(observations))
    once = posterior(observations, **host)
    more = [replace(word, round=4 + place) for place in range(times)]
    again = posterior([*observations, *more], **host)
    for hypothesis in supported(word, host["control_banners"]):
        assert again[hypothesis] >= once[hypothesis] - NOISE


@given(hearings, hosts, st.sampled_from(SCANS))
def test_one_more_method_that_finds_it_open_never_lowers_service(
    observations: list[Observation], host: dict[str, Any], method: Method
) -> None:
    assume(method not in {o.method for o in observations if o.state is PortState.OPEN})
    before, after = (
        posterior(observations, **host),
        posterior([*observations, seen(method)], **host),
    )
    assert after[Hypothesis.SERVICE] >= before[Hypothesis.SERVICE] - NOISE


@given(hearings, hosts, st.sampled_from(TCP))
def test_a_refusal_lowers_service(
    observations: list[Observation], host: dict[str, Any], method: Method
) -> None:
    refusal = seen(method, PortState.CLOSED, round_=9)
    before = posterior(observations, **host)[Hypothesis.SERVICE]
    after = posterior([*observations, refusal], **host)[Hypothesis.SERVICE]
    assert after <= before + NOISE
    if before > 0.001:
        assert after < before


@given(st.lists(st.tuples(st.sampled_from(TCP), st.integers(0, 200)), max_size=400), hosts)
def test_silence_alone_never_proves_that_nothing_is_there(
    asked: list[tuple[Method, int]], host: dict[str, Any]
) -> None:
    silence = [seen(method, PortState.FILTERED, round_=round_) for method, round_ in asked]
    found = posterior(silence, **host)
    assert found[Hypothesis.NOTHING] < SILENCE_BOUND
    assert is_share_of_one(found)


@given(st.lists(st.tuples(st.sampled_from(SCANS[1:]), st.integers(1, 200)), max_size=400))
def test_any_amount_of_silence_hardly_moves_an_open_port(
    asked: list[tuple[Method, int]],
) -> None:
    swept = seen(Method.MASSCAN_SYN)
    silence = [seen(method, PortState.FILTERED, round_=round_) for method, round_ in asked]
    before, after = posterior([swept]), posterior([swept, *silence])
    assert after[Hypothesis.SERVICE] > before[Hypothesis.SERVICE] - 0.1


@given(hearings.filter(bool), hosts, st.data())
def test_silence_of_a_method_that_has_answered_changes_nothing(
    observations: list[Observation], host: dict[str, Any], data: st.DataObject
) -> None:
    answer = data.draw(st.sampled_from(observations))
    assume(answer.state in (PortState.OPEN, PortState.CLOSED))
    silence = seen(answer.method, PortState.FILTERED, round_=9)
    assert posterior([*observations, silence], **host) == posterior(observations, **host)


@given(hearings, hosts)
def test_the_four_add_up_to_one_and_nothing_is_certain(
    observations: list[Observation], host: dict[str, Any]
) -> None:
    assert is_share_of_one(posterior(observations, **host))


@pytest.mark.parametrize("aftermath", [None, *Aftermath])
@pytest.mark.parametrize("state", [PortState.OPEN, PortState.CLOSED, PortState.FILTERED])
def test_thousands_of_observations_stay_finite_and_bounded(
    state: PortState, aftermath: Aftermath | None
) -> None:
    many = [
        seen(method, state, round_=round_, aftermath=aftermath)
        for method in Method
        for round_ in range(700)
    ]
    assert is_share_of_one(posterior(many, controls_refused=10_000, controls_silent=10_000))
    assert is_share_of_one(posterior(many, controls_open=10_000))


@given(hearings, hosts, st.sampled_from(VerdictKind))
def test_a_confidence_is_bounded_and_never_shown_as_certain(
    observations: list[Observation], host: dict[str, Any], kind: VerdictKind
) -> None:
    found = confidence(kind, posterior(observations, **host))
    if kind in UNCLAIMED:
        assert found == 0.0
        assert percent_text(found) == "0 %"
    else:
        assert 0.0 < found <= CEILING
        assert percent_text(found) not in ("0 %", "100 %")


@given(st.integers(0, 10_000))
def test_a_repeat_weighs_less_than_what_came_before_and_all_together_less_than_two(
    occasions: int,
) -> None:
    weights = [damped(occasions + more) for more in range(3)]
    assert weights[0] <= weights[1] <= weights[2] < 2.0
    assert weights[2] - weights[1] <= weights[1] - weights[0]


@given(st.floats(0.0, 1.0))
def test_no_share_is_shown_as_one_hundred_percent(share: float) -> None:
    assert "100" not in percent_text(share)
