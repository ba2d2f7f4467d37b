"""When enough was asked, and what asking more would be worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decide.confidence import CEILING, posterior
from pipeline.decide.likelihoods import Heard, Hypothesis, answers_of
from pipeline.decide.sequential import Budget, Cost, divergence, expected_asks, settled
from pipeline.model import Aftermath, Method, Observation, PortState
from tests.decide.making import seen, shaken

SERVICE, NOTHING, PRETENDER, UNSTEADY = Hypothesis
HANDSHAKE = answers_of(Method.HANDSHAKE)
SCAN = answers_of(Method.NMAP_SYN)
shares = st.lists(st.floats(0.001, 1.0), min_size=4, max_size=4)
errors = st.floats(0.002, 0.4)
REPLAYED: Mapping[Heard, tuple[PortState, Aftermath | None]] = {
    Heard.OWN_WORDS: (PortState.OPEN, Aftermath.DATA),
    Heard.SAME_WORDS: (PortState.OPEN, Aftermath.DATA),
    Heard.ENDED: (PortState.OPEN, Aftermath.CLOSED),
    Heard.REJECTED: (PortState.OPEN, Aftermath.REJECTED),
    Heard.ACKNOWLEDGED: (PortState.OPEN, Aftermath.ACKNOWLEDGED),
    Heard.RESET: (PortState.OPEN, Aftermath.RESET),
    Heard.UNACKNOWLEDGED: (PortState.OPEN, Aftermath.UNACKNOWLEDGED),
    Heard.REFUSED: (PortState.CLOSED, None),
    Heard.SILENT: (PortState.FILTERED, None),
    Heard.PROHIBITED: (PortState.FILTERED, None),
}


def spread(parts: list[float]) -> dict[Hypothesis, float]:
    return {h: part / sum(parts) for h, part in zip(Hypothesis, parts, strict=True)}


@given(shares, errors)
def test_an_endpoint_is_settled_on_what_is_likely_enough_and_on_nothing_else(
    parts: list[float], error: float
) -> None:
    found = spread(parts)
    verdict = settled(found, error)
    if verdict is None:
        assert max(found.values()) < 1.0 - error
    else:
        assert found[verdict] == max(found.values()) >= 1.0 - error


@given(shares, errors, st.sampled_from([m for m in Method if m is not Method.NMAP_UDP]))
def test_nothing_is_asked_about_what_is_settled_and_something_about_the_rest(
    parts: list[float], error: float, method: Method
) -> None:
    found = spread(parts)
    asks = expected_asks(found, answers_of(method), error=error)
    assert (asks == 0) == (settled(found, error) is not None)


@given(shares, st.floats(0.002, 0.2), st.integers(0, 5))
def test_to_be_surer_never_takes_fewer_asks(parts: list[float], error: float, asked: int) -> None:
    found = spread(parts)
    sloppy = expected_asks(found, HANDSHAKE, error=error * 2, asked=asked)
    strict = expected_asks(found, HANDSHAKE, error=error, asked=asked)
    if strict is not None:
        assert sloppy is not None
        assert sloppy <= strict


@given(shares, errors, st.integers(0, 5))
def test_a_method_that_was_asked_before_is_worth_less(
    parts: list[float], error: float, asked: int
) -> None:
    found = spread(parts)
    fresh, stale = (expected_asks(found, HANDSHAKE, error=error, asked=n) for n in (0, asked))
    if stale is not None:
        assert fresh is not None
        assert fresh <= stale


def test_no_scan_ever_tells_a_service_from_what_pretends_to_be_one() -> None:
    found = posterior([seen(Method.MASSCAN_SYN)])
    assert expected_asks(found, SCAN) is None
    assert divergence(SCAN[SERVICE], SCAN[PRETENDER]) == pytest.approx(0.0, abs=1e-9)


def test_two_handshakes_are_expected_to_settle_what_three_scans_found() -> None:
    scans = (Method.MASSCAN_SYN, Method.NMAP_SYN, Method.NMAP_CONNECT)
    found = posterior([seen(method) for method in scans], controls_refused=2)
    asks = expected_asks(found, HANDSHAKE)
    assert asks is not None
    assert 1 <= asks <= 3


def test_the_expected_number_of_asks_is_near_what_really_took() -> None:
    """Services that answer as the table says, asked by handshake until they are settled."""
    chance = Random(7)
    before = [seen(Method.NMAP_SYN), seen(Method.NMAP_CONNECT)]
    expected = expected_asks(posterior(before, controls_refused=2), HANDSHAKE, error=0.02)
    words, weights = zip(*HANDSHAKE[SERVICE].items(), strict=True)
    took = []
    for _ in range(300):
        heard: list[Observation] = list(before)
        for round_ in range(1, 20):
            state, aftermath = REPLAYED[chance.choices(words, weights)[0]]
            if state is PortState.OPEN:
                heard.append(shaken(aftermath, round_=round_))
            else:
                heard.append(seen(Method.HANDSHAKE, state, round_=round_))
            if settled(posterior(heard, controls_refused=2), 0.02) is SERVICE:
                took.append(round_)
                break
    assert expected is not None
    assert len(took) > 290
    assert abs(sum(took) / len(took) - expected) < 1.0


@pytest.mark.parametrize("error", [0.0, -0.1, 0.5, 1.0, math.nan, (1.0 - CEILING) / 2])
def test_an_error_that_cannot_be_held_is_refused(error: float) -> None:
    with pytest.raises(ValueError, match="error"):
        settled(posterior(()), error)


@given(
    st.integers(0, 50), st.integers(0, 50), st.floats(0.0, 50.0), st.floats(0.0, 50.0), st.data()
)
def test_what_a_budget_allowed_never_adds_up_to_more_than_the_budget(
    packets: int, run_packets: int, seconds: float, run_seconds: float, data: st.DataObject
) -> None:
    budget = Budget(endpoint=Cost(packets, seconds), run=Cost(run_packets, run_seconds))
    run = Cost()
    for _ in range(3):
        endpoint = Cost()
        for _ in range(data.draw(st.integers(0, 8))):
            ask = Cost(data.draw(st.integers(0, 9)), data.draw(st.floats(0.0, 9.0)))
            if budget.allows(ask, endpoint=endpoint, run=run):
                endpoint, run = endpoint + ask, run + ask
        assert endpoint.packets <= packets
        assert endpoint.seconds <= seconds
    assert run.packets <= run_packets
    assert run.seconds <= run_seconds


def test_a_budget_can_be_spent_to_the_last_packet() -> None:
    budget = Budget(endpoint=Cost(6, 2.0), run=Cost(100, 60.0))
    assert budget.allows(Cost(3, 1.0), endpoint=Cost(3, 1.0), run=Cost(97, 1.0))
    assert not budget.allows(Cost(4, 1.0), endpoint=Cost(3, 1.0), run=Cost(3, 1.0))
    assert not budget.allows(Cost(1, 1.5), endpoint=Cost(3, 1.0), run=Cost(3, 1.0))
    assert not budget.allows(Cost(3, 1.0), endpoint=Cost(), run=Cost(98, 1.0))


@pytest.mark.parametrize("cost", [Cost(-1, 1.0), Cost(1, -1.0), Cost(1, math.nan)])
def test_a_budget_of_less_than_nothing_is_refused(cost: Cost) -> None:
    with pytest.raises(ValueError, match="not a budget"):
        Budget(endpoint=cost, run=Cost(1, 1.0))
