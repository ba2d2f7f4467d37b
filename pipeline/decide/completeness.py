"""How much was missed: two estimates, with their assumptions, and no number where it is a guess.

* *Two passes.* Two sweeps that know nothing of each other found n1 and n2 endpoints, and m of them
  both: Chapman's estimator of all there are, (n1 + 1)(n2 + 1) / (m + 1) - 1 (D. G. Chapman, "Some
  Properties of the Hypergeometric Distribution with Applications to Zoological Sample Censuses",
  University of California Publications in Statistics 1, 1951). Its interval is exact: the numbers
  of endpoints N under which an overlap as small, or as large, as m is not too rare, by the
  hypergeometric distribution (inverted tests, as Clopper and Pearson did for the binomial). Normal
  approximations fail exactly where a good scan is: when both passes find nearly everything.
* *A sample.* Of the endpoints that nobody called open a random sample is asked again with another
  tool. How many of them may be open at most is the bound of C. J. Clopper and E. S. Pearson ("The
  Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial", Biometrika 26,
  1934), the quantile of a beta distribution.

``negatives.py`` draws the sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LEVEL: Final = 0.95
LEAST_OVERLAP: Final = 7
"""With fewer endpoints found by both, Chapman's estimator is biased by more than about 2 % (D. S.
Robson and H. A. Regier, "Sample Size in Petersen Mark-Recapture Experiments", Transactions of the
American Fisheries Society 93, 1964)."""

TWO_PASSES_ASSUME: Final = (
    "Nothing was opened or closed between the two passes.",
    "Finding an endpoint in one pass made it neither likelier nor less likely to be found in the "
    "other: they differ in tool, time, order and, best of all, in vantage.",
    "Within a pass every open endpoint was as likely to be found as any other. Where some are hard "
    "to find for both, there are more of them than the estimate says.",
    "What was counted is really open, and was recognised as the same endpoint in both passes.",
)
A_SAMPLE_ASSUMES: Final = (
    "The sample was drawn at random from all endpoints that were asked and not called open.",
    "What is open answers the second tool. What hides from both is not in the bound.",
    "Nothing was opened or closed between the sweep and the second look.",
)

_TINY: Final = 1e-300
_ROUNDING: Final = 1e-9


class Why(StrEnum):
    """Why there is no number."""

    NOTHING_FOUND = "nothing-found"
    OVERLAP_TOO_SMALL = "overlap-too-small"
    NOT_INDEPENDENT = "not-independent"
    NOTHING_SAMPLED = "nothing-sampled"
    NO_NEGATIVES = "no-negatives"


@dataclass(frozen=True, slots=True)
class NoEstimate:
    """There is no number, since it would be a guess; ``sentence`` says why to a reader.

    ``both`` is the overlap that was too small.
    """

    why: Why
    sentence: str
    both: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How many open endpoints there are, from two passes.

    ``first`` and ``second`` are what each found, ``both`` what both did. ``total`` is Chapman's
    estimate, ``low`` to ``high`` its interval at ``level``.
    """

    first: int
    second: int
    both: int
    total: float
    low: int
    high: int
    level: float
    assumptions: tuple[str, ...] = TWO_PASSES_ASSUME

    @property
    def found(self) -> int:
        """How many different endpoints the passes found together."""
        return self.first + self.second - self.both

    @property
    def missed(self) -> tuple[int, int]:
        """How many were found by neither, from the interval: at least, at most."""
        return self.low - self.found, self.high - self.found

    @property
    def share_found(self) -> tuple[float, float]:
        """The share of all open endpoints that was found, from the interval: at least, at most."""
        return self.found / self.high, self.found / self.low


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How many of the negatives may be open at most.

    Of ``negatives`` endpoints ``sampled`` were asked again and ``found`` of them were open. At
    ``level``, no more than the share ``share`` of all negatives is open: ``missed`` endpoints,
    with those that the sample found.
    """

    sampled: int
    found: int
    negatives: int
    share: float
    missed: int
    level: float
    assumptions: tuple[str, ...] = A_SAMPLE_ASSUMES


def two_passes(
    first: int, second: int, both: int, *, independent: bool = True, level: float = LEVEL
) -> Estimate | NoEstimate:
    """Estimate the number of open endpoints from what two passes found.

    ``independent``: neither pass knew what the other found, and they did not share their blind
    spots by design. Raises ``ValueError`` for counts that cannot be.
    """
    if not 0 <= both <= min(first, second):
        raise ValueError(f"{both} found by both cannot be: the passes found {first} and {second}")
    _check(level)
    refusal = _no_estimate(first, second, both, independent)
    if refusal is not None:
        return refusal
    low, high = _interval(first, second, both, (1.0 - level) / 2.0)
    return Estimate(
        first=first,
        second=second,
        both=both,
        total=(first + 1) * (second + 1) / (both + 1) - 1.0,
        low=low,
        high=high,
        level=level,
    )


def _no_estimate(first: int, second: int, both: int, independent: bool) -> NoEstimate | None:
    if not independent:
        return NoEstimate(
            Why.NOT_INDEPENDENT,
            "The two passes are not independent: what one cannot see, the other cannot either, and "
            "their overlap says nothing about it.",
        )
    if not first or not second:
        return NoEstimate(
            Why.NOTHING_FOUND, "A pass that found nothing says nothing about what there is."
        )
    if both < LEAST_OVERLAP:
        return NoEstimate(
            Why.OVERLAP_TOO_SMALL,
            f"Both passes found {both} of the same endpoints; below {LEAST_OVERLAP} any number "
            "would be a guess.",
            both,
        )
    return None


def sample_bound(
    sampled: int, found: int, negatives: int, *, level: float = LEVEL
) -> Bound | NoEstimate:
    """Bound the open endpoints among the negatives, from a random sample asked again.

    ``sampled`` counts those whose second look was settled, ``found`` those of them that it found
    open. Raises ``ValueError`` for counts that cannot be.
    """
    if not 0 <= found <= sampled <= negatives:
        raise ValueError(f"{found} found of {sampled} sampled of {negatives} negatives cannot be")
    _check(level)
    if not negatives:
        return NoEstimate(Why.NO_NEGATIVES, "Everything that was asked was called open.")
    if not sampled:
        return NoEstimate(
            Why.NOTHING_SAMPLED, "No endpoint of the sample got a settled second look."
        )
    # What the sample looked at is known; there can be no more than all the others.
    share = min(upper_limit(found, sampled, level), (negatives - sampled + found) / negatives)
    return Bound(
        sampled=sampled,
        found=found,
        negatives=negatives,
        share=share,
        missed=math.floor(share * negatives + _ROUNDING),
        level=level,
    )


def upper_limit(successes: int, trials: int, level: float = LEVEL) -> float:
    """The largest share under which so few successes are not rarer than 1 - ``level``.

    Clopper and Pearson's one-sided upper limit. With no success: 1 - (1 - level) ** (1 / trials).
    """
    _check_trials(successes, trials)
    if successes == trials:
        return 1.0
    return inverse_beta(level, successes + 1, trials - successes)


def clopper_pearson(successes: int, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """Clopper and Pearson's two-sided interval for a share."""
    _check_trials(successes, trials)
    tail = (1.0 - level) / 2.0
    low = 0.0 if successes == 0 else inverse_beta(tail, successes, trials - successes + 1)
    return low, upper_limit(successes, trials, 1.0 - tail)


def regularised_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), for a, b > 0.

    By its continued fraction (NIST Handbook of Mathematical Functions, 8.17.22), evaluated on
    whichever side of the mean it converges fast.
    """
    if not (0.0 <= x <= 1.0 and a > 0.0 and b > 0.0):
        raise ValueError(f"I_x(a, b) is not defined for x={x}, a={a}, b={b}")
    if x in (0.0, 1.0):
        return x
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - regularised_beta(1.0 - x, b, a)
    front = a * math.log(x) + b * math.log1p(-x) - math.log(a)
    front += math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(front) * _beta_fraction(x, a, b)


def inverse_beta(p: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = p, by bisection to the last digit of a float."""
    return _bisect(lambda x: regularised_beta(x, a, b) < p, 0.0, 1.0)


def _beta_fraction(x: float, a: float, b: float) -> float:
    """1 / (1 + d1 / (1 + d2 / (1 + ...))), by Lentz's algorithm.

    It takes some sqrt(max(a, b)) steps. Raises ``ArithmeticError`` beyond a hundred million asks.
    """
    value, c, d = 1.0, 1.0, 0.0
    for step in range(1, 20_000):
        m, odd = divmod(step, 2)
        if odd:
            coefficient = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        else:
            coefficient = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        d = 1.0 / ((1.0 + coefficient * d) or _TINY)
        c = (1.0 + coefficient / c) or _TINY
        value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            return 1.0 / value
    raise ArithmeticError(f"I_x(a, b) did not converge for x={x}, a={a}, b={b}")


def _interval(first: int, second: int, both: int, tail: float) -> tuple[int, int]:
    """The least and the largest number of endpoints that the overlap does not speak against.

    Numbers whose tail is ``tail`` but for rounding are within.
    """
    tail *= 1.0 - _ROUNDING
    found = first + second - both

    def at_most(total: int) -> float:
        return _tail(first, second, both, total, upwards=False)

    def at_least(total: int) -> float:
        return _tail(first, second, both, total, upwards=True)

    top = found
    while at_least(top) > tail:
        top *= 2
    high = _last(lambda total: at_least(total) > tail, found, top)
    low = (
        high if at_most(high) <= tail else _last(lambda n: at_most(n) <= tail, found - 1, high) + 1
    )
    return low, high


def _last(holds: Callable[[int], bool], first: int, last: int) -> int:
    """The last number of ``first`` to ``last`` for which it holds, if it does up to some point.

    It is taken to hold at ``first``.
    """
    while first < last:
        middle = (first + last + 1) // 2
        first, last = (middle, last) if holds(middle) else (first, middle - 1)
    return first


def _tail(first: int, second: int, both: int, total: int, *, upwards: bool) -> float:
    """P(overlap >= both), or <=, when ``first`` and ``second`` are drawn from ``total`` at random.

    Sums the hypergeometric distribution from ``both`` outwards, each term from the one before.
    """
    log_term = (
        _log_choose(first, both)
        + _log_choose(total - first, second - both)
        - _log_choose(total, second)
    )
    term = math.exp(log_term)
    if not term:
        # So far out in a tail that floats cannot hold it: all of it lies on one side.
        return 1.0 if (both * total < first * second) is upwards else 0.0
    whole, k = term, both
    while term > whole * 1e-17:
        if upwards:
            term *= (first - k) * (second - k)
            term /= (k + 1) * (total - first - second + k + 1)
            k += 1
        else:
            term *= k * (total - first - second + k)
            term /= (first - k + 1) * (second - k + 1)
            k -= 1
        whole += term
    return min(1.0, whole)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _bisect(too_low: Callable[[float], bool], low: float, high: float) -> float:
    while True:
        middle = (low + high) / 2.0
        if not low < middle < high:
            return high
        low, high = (middle, high) if too_low(middle) else (low, middle)


def _check(level: float) -> None:
    if not 0.5 <= level < 1.0:
        raise ValueError(f"a level of {level!r} is not from 0.5 up to below 1")


def _check_trials(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials or not trials:
        raise ValueError(f"{successes} of {trials} is not a share")
