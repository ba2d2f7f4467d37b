"""When enough was asked about an endpoint, and how much more asking would be worth.

A sequential test for several hypotheses: stop as soon as the posterior of one of them reaches
1 - error. With two hypotheses this is Wald's test (A. Wald, "Sequential Tests of Statistical
Hypotheses", Annals of Mathematical Statistics 16, 1945), with more of them that of C. W. Baum and
V. V. Veeravalli ("A Sequential Procedure for Multihypothesis Testing", IEEE Transactions on
Information Theory 40, 1994). The expected number of asks is Wald's approximation: the log-odds
that are missing, over the log-odds that one ask adds on average.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.decide.confidence import CEILING, damped
from pipeline.decide.likelihoods import Heard, Hypothesis

ERROR: Final = 0.01
"""How often a settled endpoint may be settled wrongly, unless configured otherwise."""

_LEAST_ERROR: Final = 1.0 - CEILING


def settled(posterior: Mapping[Hypothesis, float], error: float = ERROR) -> Hypothesis | None:
    """The hypothesis that the evidence has settled on; ``None`` while none is likely enough.

    Raises ``ValueError`` for an error that cannot be reached: no posterior exceeds ``CEILING``.
    """
    _check(error)
    leader = _leader(posterior)
    return leader if posterior[leader] >= 1.0 - error else None


def expected_asks(
    posterior: Mapping[Hypothesis, float],
    answers: Mapping[Hypothesis, Mapping[Heard, float]],
    *,
    error: float = ERROR,
    asked: int = 0,
) -> int | None:
    """How many more rounds of a method are needed on average until the endpoint is settled.

    ``answers`` are the method's (``likelihoods.answers_of``), ``asked`` the number of rounds it
    was asked already: repeats are damped, so a method is worth less and less. 0 where the endpoint
    is settled; ``None`` where this method will not settle it, however often it is asked. It is
    assumed that the likeliest hypothesis is true. Raises ``ValueError`` as ``settled`` does.
    """
    if settled(posterior, error) is not None:
        return 0
    leader = _leader(posterior)
    gains = [
        (posterior[rival] / posterior[leader], divergence(answers[leader], answers[rival]))
        for rival in Hypothesis
        if rival is not leader
    ]
    weight = _weight_needed(gains, error / (1.0 - error), 2.0 - damped(asked))
    if weight is None:
        return None
    # Solves damped(asked + n) - damped(asked) = weight for n.
    return max(1, math.ceil(1 - asked - math.log2(2.0 - damped(asked) - weight)))


def divergence(true: Mapping[Heard, float], rival: Mapping[Heard, float]) -> float:
    """The log-odds, in nats, that one answer adds on average to what is true against a rival.

    This is the Kullback-Leibler divergence of the two; 0 where the answers cannot tell them apart.
    """
    return sum(p * math.log(p / rival[heard]) for heard, p in true.items() if p > 0.0)


def _weight_needed(
    rivals: Sequence[tuple[float, float]], odds: float, available: float
) -> float | None:
    """The least weight that brings the odds of all rivals together down to ``odds``.

    ``rivals`` are (odds now, log-odds lost per unit of weight); ``None`` where ``available`` is
    too little.
    """

    def left(weight: float) -> float:
        return sum(now * math.exp(-weight * gain) for now, gain in rivals)

    low, high = 0.0, available * (1.0 - 1e-6)
    if left(high) > odds:
        return None
    for _ in range(50):
        middle = (low + high) / 2.0
        low, high = (low, middle) if left(middle) <= odds else (middle, high)
    return high


def _leader(posterior: Mapping[Hypothesis, float]) -> Hypothesis:
    return max(Hypothesis, key=lambda hypothesis: posterior[hypothesis])


def _check(error: float) -> None:
    if not _LEAST_ERROR <= error < 0.5:
        raise ValueError(f"an error of {error!r} is not from {_LEAST_ERROR:.3f} up to below 0.5")


@dataclass(frozen=True, slots=True)
class Cost:
    """What asking costs: packets sent, and seconds that somebody waits."""

    packets: int = 0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.packets + other.packets, self.seconds + other.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What may be spent on telling hypotheses apart: on one endpoint, and in the whole run.

    Raises ``ValueError`` for what is negative or not a number.
    """

    endpoint: Cost
    run: Cost

    def __post_init__(self) -> None:
        for cost in (self.endpoint, self.run):
            if cost.packets < 0 or not cost.seconds >= 0.0:
                raise ValueError(f"{cost} is not a budget")

    def allows(self, ask: Cost, *, endpoint: Cost, run: Cost) -> bool:
        """True when ``ask`` still fits; ``endpoint`` and ``run`` are what was spent on each."""
        return _fits(endpoint + ask, self.endpoint) and _fits(run + ask, self.run)


def _fits(spent: Cost, limit: Cost) -> bool:
    return spent.packets <= limit.packets and spent.seconds <= limit.seconds
