"""Estimates of what was missed: against published values, exact sums, and simulated truth."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.decide.completeness import (
    LEAST_OVERLAP,
    Bound,
    Estimate,
    NoEstimate,
    Why,
    clopper_pearson,
    inverse_beta,
    regularised_beta,
    sample_bound,
    two_passes,
    upper_limit,
)


def binomial_tail(least: int, trials: int, share: Fraction) -> Fraction:
    """P(X >= least), in whole numbers."""
    return sum(
        (
            math.comb(trials, k) * share**k * (1 - share) ** (trials - k)
            for k in range(least, trials + 1)
        ),
        Fraction(0),
    )


def overlap_chance(total: int, first: int, second: int, both: int) -> Fraction:
    ways = math.comb(first, both) * math.comb(total - first, second - both)
    return Fraction(ways, math.comb(total, second))


def estimate(first: int, second: int, both: int) -> Estimate:
    found = two_passes(first, second, both)
    assert isinstance(found, Estimate)
    return found


def bound(sampled: int, found: int, negatives: int, **more: float) -> Bound:
    result = sample_bound(sampled, found, negatives, **more)
    assert isinstance(result, Bound)
    return result


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, "Clopper-Pearson exact".
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0000, 0.1684),
        (1, 29, 0.0009, 0.1776),
        # Tables of exact binomial limits, as printed in many textbooks.
        (0, 10, 0.0000, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (10, 10, 0.6915, 1.0000),
        (4, 20, 0.0573, 0.4366),
    ],
)
def test_the_two_sided_interval_is_the_published_one(
    successes: int, trials: int, low: float, high: float
) -> None:
    assert clopper_pearson(successes, trials) == pytest.approx((low, high), abs=0.00005)


@given(st.integers(1, 40), st.integers(1, 40), st.fractions(0, 1, max_denominator=50))
def test_the_beta_function_is_the_exact_binomial_tail(a: int, b: int, x: Fraction) -> None:
    """I_x(a, n - a + 1) is the chance of a or more successes in n (NIST Handbook, 8.17.5)."""
    exact = float(binomial_tail(a, a + b - 1, x))
    assert regularised_beta(float(x), a, b) == pytest.approx(exact, rel=1e-10, abs=1e-13)


@given(st.floats(1e-6, 1 - 1e-6), st.floats(0.5, 1e6), st.floats(0.5, 1e6))
def test_the_inverse_of_the_beta_function_is_its_inverse(p: float, a: float, b: float) -> None:
    x = inverse_beta(p, a, b)
    # To the last digit of x, on which p depends the more strongly the larger a and b are.
    below, above = (regularised_beta(math.nextafter(x, end), a, b) for end in (0.0, 1.0))
    assert below - 1e-6 <= p <= above + 1e-6


@pytest.mark.parametrize(
    ("x", "a", "b", "value"),
    [
        (0.5, 0.5, 0.5, 0.5),
        (0.25, 0.5, 0.5, 1.0 / 3.0),  # The arcsine law: 2 / pi * asin(sqrt(x)).
        (0.3, 1.0, 1.0, 0.3),
        (0.2, 1.0, 7.0, 1.0 - 0.8**7),
        (0.9, 5.0, 1.0, 0.9**5),
        (0.0, 3.0, 4.0, 0.0),
        (1.0, 3.0, 4.0, 1.0),
    ],
)
def test_the_beta_function_where_it_has_a_closed_form(
    x: float, a: float, b: float, value: float
) -> None:
    assert regularised_beta(x, a, b) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("x", "a", "b"), [(-0.1, 1, 1), (1.1, 1, 1), (0.5, 0, 1), (0.5, 1, -1)])
def test_where_the_beta_function_is_not_defined_nothing_is_computed(
    x: float, a: float, b: float
) -> None:
    with pytest.raises(ValueError, match="not defined"):
        regularised_beta(x, a, b)


@given(st.integers(1, 5000), st.floats(0.5, 0.999))
def test_without_a_success_the_limit_has_a_closed_form(trials: int, level: float) -> None:
    expected = -math.expm1(math.log1p(-level) / trials)
    assert upper_limit(0, trials, level) == pytest.approx(expected, rel=1e-9)


@given(st.integers(1, 60), st.data())
def test_at_the_limit_so_few_successes_are_just_as_rare_as_the_level_says(
    trials: int, data: st.DataObject
) -> None:
    successes = data.draw(st.integers(0, trials - 1))
    limit = Fraction(upper_limit(successes, trials))
    assert float(1 - binomial_tail(successes + 1, trials, limit)) == pytest.approx(0.05, rel=1e-9)


def test_the_rule_of_three_holds_for_a_million_asks() -> None:
    assert upper_limit(0, 1_000_000) == pytest.approx(2.9957e-6, rel=1e-4)
    assert upper_limit(50_000, 1_000_000) == pytest.approx(0.05036, abs=0.00001)


@given(st.integers(1, 300), st.data())
def test_more_asks_without_a_find_never_loosen_the_bound(sampled: int, data: st.DataObject) -> None:
    found = data.draw(st.integers(0, sampled))
    before = bound(sampled, found, 10_000)
    assert bound(sampled + 1, found, 10_000).share <= before.share
    assert bound(sampled + 1, found + 1, 10_000).share >= before.share
    assert found <= before.missed <= 10_000 - sampled + found


def test_a_clean_sample_of_three_hundred_bounds_the_share_at_one_percent() -> None:
    found = bound(299, 0, 65_000)
    assert found.share == pytest.approx(0.00997, abs=0.00001)
    assert found.missed == 647
    assert found.level == 0.95
    assert len(found.assumptions) == 3


def test_a_sample_of_everything_leaves_nothing_to_bound() -> None:
    assert bound(50, 0, 50).missed == 0
    assert bound(50, 3, 50).missed == 3


def test_without_a_sample_or_negatives_there_is_no_bound() -> None:
    nothing, empty = sample_bound(0, 0, 100), sample_bound(0, 0, 0)
    assert isinstance(nothing, NoEstimate)
    assert nothing.why is Why.NOTHING_SAMPLED
    assert isinstance(empty, NoEstimate)
    assert empty.why is Why.NO_NEGATIVES


@pytest.mark.parametrize("counts", [(-1, 0, 5), (3, 4, 9), (6, 1, 5), (3, -1, 9)])
def test_a_sample_that_cannot_be_is_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        sample_bound(*counts)


@pytest.mark.parametrize("level", [0.0, 0.49, 1.0, math.nan])
def test_a_level_that_means_nothing_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        sample_bound(10, 0, 100, level=level)
    with pytest.raises(ValueError, match="level"):
        two_passes(10, 10, 9, level=level)


def test_the_estimate_is_chapmans() -> None:
    assert estimate(15, 10, 7).total == pytest.approx(16 * 11 / 8 - 1)
    assert estimate(200, 180, 150).total == pytest.approx(201 * 181 / 151 - 1)


def test_where_the_passes_add_up_to_all_there_is_chapmans_estimate_has_no_bias() -> None:
    """Its expectation is N whenever first + second is at least N (Chapman 1951)."""
    total, first, second = 30, 18, 14
    expected = sum(
        overlap_chance(total, first, second, both) * Fraction((first + 1) * (second + 1), both + 1)
        for both in range(max(0, first + second - total), second + 1)
    )
    assert expected - 1 == total


@pytest.mark.parametrize("total", [20, 33, 60])
@pytest.mark.parametrize("shares", [(0.5, 0.6), (0.9, 0.8), (0.97, 0.97), (0.99, 0.5)])
def test_the_interval_covers_the_truth_at_least_as_often_as_it_says(
    total: int, shares: tuple[float, float]
) -> None:
    """Exactly, over every overlap that can be and is large enough for a number."""
    first, second = (round(share * total) for share in shares)
    covered = 0.0
    for both in range(max(LEAST_OVERLAP, first + second - total), min(first, second) + 1):
        found = estimate(first, second, both)
        if found.low <= total <= found.high:
            covered += float(overlap_chance(total, first, second, both))
    small = sum(
        float(overlap_chance(total, first, second, both))
        for both in range(max(0, first + second - total), LEAST_OVERLAP)
    )
    assert covered >= 0.95 * (1.0 - small)


@given(st.integers(LEAST_OVERLAP, 80), st.integers(0, 40), st.integers(0, 40))
@example(both=39, more=0, other=0)
def test_the_ends_of_the_interval_are_where_the_exact_tails_say(
    both: int, more: int, other: int
) -> None:
    first, second = both + more, both + other
    found = estimate(first, second, both)

    def tail(total: int, *, upwards: bool) -> float:
        least = max(0, first + second - total)
        overlaps = range(both, min(first, second) + 1) if upwards else range(least, both + 1)
        return float(sum(overlap_chance(total, first, second, k) for k in overlaps))

    nearly, exactly = 0.025 * (1.0 - 1e-8), 0.025
    assert tail(found.high, upwards=True) > nearly
    assert tail(found.high + 1, upwards=True) <= exactly
    assert tail(found.low, upwards=False) > nearly
    if found.low > found.found:
        assert tail(found.low - 1, upwards=False) <= exactly


def test_a_tail_that_is_exactly_the_level_is_within_the_interval() -> None:
    """39 endpoints found by both passes, one more there: missed together once in 40 times."""
    assert overlap_chance(40, 39, 39, 39) == Fraction(1, 40)
    assert estimate(39, 39, 39).high == 40


@given(st.integers(LEAST_OVERLAP, 400), st.integers(0, 200), st.integers(0, 200))
def test_an_estimate_is_within_its_interval_and_never_below_what_was_found(
    both: int, more: int, other: int
) -> None:
    found = estimate(both + more, both + other, both)
    assert found.found == both + more + other <= found.low <= found.total + 1e-9
    assert found.total <= found.high + 1.0
    assert found.missed[0] >= 0
    assert 0.0 < found.share_found[0] <= found.share_found[1] <= 1.0
    assert two_passes(both + other, both + more, both) == estimate(both + other, both + more, both)


@given(st.integers(LEAST_OVERLAP, 100), st.integers(0, 60), st.integers(0, 60))
def test_it_does_not_matter_which_pass_came_first(both: int, more: int, other: int) -> None:
    one, two = (
        estimate(both + more, both + other, both),
        estimate(both + other, both + more, both),
    )
    assert (one.total, one.low, one.high) == (two.total, two.low, two.high)


def test_two_passes_that_found_the_same_leave_little_room() -> None:
    found = estimate(500, 500, 500)
    assert (found.total, found.low) == (500.0, 500)
    assert found.high <= 501


def test_a_hundred_thousand_endpoints_are_no_trouble() -> None:
    found = estimate(100_000, 99_000, 98_500)
    assert found.low < found.total < found.high
    assert found.high - found.low < 200


@pytest.mark.parametrize(
    ("first", "second", "both", "independent", "why"),
    [
        (0, 0, 0, True, Why.NOTHING_FOUND),
        (9, 0, 0, True, Why.NOTHING_FOUND),
        (40, 30, LEAST_OVERLAP - 1, True, Why.OVERLAP_TOO_SMALL),
        (40, 30, 30, False, Why.NOT_INDEPENDENT),
    ],
)
def test_there_is_no_number_where_it_would_be_a_guess(
    first: int, second: int, both: int, independent: bool, why: Why
) -> None:
    found = two_passes(first, second, both, independent=independent)
    assert isinstance(found, NoEstimate)
    assert found.why is why
    assert found.sentence.endswith(".")


@pytest.mark.parametrize("counts", [(5, 5, 6), (9, 3, 4), (5, 5, -1), (-1, 0, 0)])
def test_passes_that_cannot_be_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        two_passes(*counts)
