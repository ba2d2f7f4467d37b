"""How sure a verdict is: Bayes' rule over four hypotheses about an endpoint.

    posterior(h)  =  (1 - K) * sum over its explanations e of P(e) * prod over a of P(a | e) ** w(a)
                     / the same sum over all explanations  +  K / 4

``P(e)`` and ``P(a | e)`` are the tables of ``likelihoods.py``. An answer ``a`` is a pair of method
and what it heard. Heard on ``n`` occasions (rounds of one purpose) it has the weight

    w(a)  =  2 - 2 ** (1 - n)        (1, 1.5, 1.75 ...; never 2)

because a method that is fooled once is fooled again: repeats are worth half of what came before,
and on one occasion nothing. Three more rules:

* Silence is one answer, whichever methods heard it: a scanner that has been blocked hears it from
  all of them. A method that ever got an answer counts with its answers and not with its silence.
* The control ports of a host are one witness, damped in the same way.
* ``K`` keeps a share for what no explanation covers, so that nothing is ever certain:
  no posterior exceeds ``CEILING``.

Laws, which tests hold it to: the order of the evidence does not matter; hearing the same again
never lowers the hypothesis under which that answer is the likeliest; an open port heard by one
more method never lowers ``service``; a refusal always lowers it; any amount of silence leaves
``nothing`` below ``SILENCE_BOUND``; all four add up to 1 and lie strictly between 0 and 1, also
after hundreds of observations.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, assert_never

from pipeline.decide.likelihoods import (
    CONTROLS,
    EXPLAINS,
    PRIOR,
    TABLE,
    TTL_NEARER,
    UNLIKE_CONTROLS,
    Explanation,
    Heard,
    Hypothesis,
    heard_in,
)
from pipeline.model import Method, Observation, Purpose, VerdictKind

CEILING: Final = 0.999
"""No hypothesis is ever more likely than this."""
SILENCE_BOUND: Final = 0.85
"""Where nothing but silence was heard, ``nothing`` stays below this, however often we asked."""

_KEPT_BACK: Final = (1.0 - CEILING) / (1.0 - 1.0 / len(Hypothesis))
_DIGITS: Final = 4

Answers = Mapping[tuple[Method, Heard], int]
"""On how many occasions each method heard each answer."""


def posterior(
    observations: Iterable[Observation],
    *,
    controls_open: int = 0,
    controls_refused: int = 0,
    controls_silent: int = 0,
    control_banners: Collection[str] = (),
    ttl_nearer: bool | None = None,
    unlike_controls: bool = False,
) -> Mapping[Hypothesis, float]:
    """How likely each hypothesis about one endpoint is; adds up to 1.

    ``observations`` are the trusted ones of this endpoint, in any order. The rest is about its
    host: how many control ports answered as if open, refused, or stayed silent; what the open ones
    said; whether the TTLs of this endpoint's answers say that they come from nearer than those of
    the rest of the host (``None``: nothing to compare); and whether it acknowledges what it is
    sent, while no control port that answers does.
    """
    # Sums of floats depend on their order, so the answers need one of their own.
    answers = tuple(sorted(answers_in(observations, control_banners).items()))
    return _posterior(
        answers, controls_open, controls_refused, controls_silent, ttl_nearer, unlike_controls
    )


# A million endpoints have a few dozen different answers among them.
@lru_cache(maxsize=4096)
def _posterior(
    answers: tuple[tuple[tuple[Method, Heard], int], ...],
    controls_open: int,
    controls_refused: int,
    controls_silent: int,
    ttl_nearer: bool | None,
    unlike_controls: bool,
) -> Mapping[Hypothesis, float]:
    weights = _log_prior()
    _weigh_answers(weights, answers)
    for heard, count in (
        (Heard.OPEN, controls_open),
        (Heard.REFUSED, controls_refused),
        (Heard.SILENT, controls_silent),
    ):
        _add(weights, CONTROLS[heard].chances, damped(count))
    if ttl_nearer is not None:
        nearer = TTL_NEARER.chances
        chances = nearer if ttl_nearer else {e: 1.0 - p for e, p in nearer.items()}
        _add(weights, chances, 1.0)
    if unlike_controls:
        _add(weights, UNLIKE_CONTROLS.chances, 1.0)
    return _normalised(weights)


def answers_in(observations: Iterable[Observation], control_banners: Collection[str]) -> Answers:
    """What was heard of one endpoint, and on how many occasions."""
    occasions: dict[tuple[Method, Heard], set[tuple[int, Purpose]]] = {}
    for observation in observations:
        heard = heard_in(observation, control_banners)
        if heard is not None:
            occasion = observation.round, observation.purpose
            occasions.setdefault((observation.method, heard), set()).add(occasion)
    return {answer: len(found) for answer, found in occasions.items()}


def damped(occasions: int) -> float:
    """The weight of an answer heard on so many occasions: 0, 1, 1.5, 1.75 ... below 2."""
    return 2.0 - 2.0 ** (1 - min(occasions, 50)) if occasions > 0 else 0.0


def confidence(kind: VerdictKind, posterior: Mapping[Hypothesis, float]) -> float:
    """How sure a verdict of this kind is: the posterior of what it claims, to four digits.

    ``unresolved`` and ``unknown`` claim nothing and have 0.
    """
    claimed = claim_of(kind)
    return 0.0 if claimed is None else round(posterior[claimed], _DIGITS)


def claim_of(kind: VerdictKind) -> Hypothesis | None:
    """The hypothesis that a kind of verdict claims; ``None`` where it claims none."""
    match kind:
        case VerdictKind.CONFIRMED | VerdictKind.LIKELY:
            return Hypothesis.SERVICE
        case VerdictKind.REFUTED | VerdictKind.FILTERED:
            return Hypothesis.NOTHING
        case VerdictKind.ARTEFACT:
            return Hypothesis.PRETENDER
        case VerdictKind.TRANSIENT:
            return Hypothesis.UNSTEADY
        case VerdictKind.UNRESOLVED | VerdictKind.UNKNOWN:
            return None
        case _:
            assert_never(kind)


def percent_text(confidence: float) -> str:
    """A confidence for people: ``87 %``, ``<1 %``, ``>99 %``; never ``100 %``.

    0 is ``0 %``: nothing is claimed. Raises ``ValueError`` for what is not a share.
    """
    if not 0.0 <= confidence <= 1.0:
        raise ValueError(f"{confidence!r} is not a share between 0 and 1")
    if confidence > 0.99:
        return ">99 %"
    if 0.0 < confidence < 0.01:
        return "<1 %"
    return f"{confidence * 100:.0f} %"


def _log_prior() -> dict[Explanation, float]:
    return {explanation: math.log(share) for explanation, share in PRIOR.chances.items()}


def _weigh_answers(
    weights: dict[Explanation, float], answers: Collection[tuple[tuple[Method, Heard], int]]
) -> None:
    answered = {method for (method, heard), _ in answers if heard is not Heard.SILENT}
    silences = 0
    for (method, heard), occasions in answers:
        if heard is Heard.SILENT:
            silences += occasions if method not in answered else 0
        else:
            _add(weights, TABLE[method][heard].chances, damped(occasions))
    _add(weights, TABLE[Method.NMAP_SYN][Heard.SILENT].chances, damped(silences))


def _add(
    weights: dict[Explanation, float], chances: Mapping[Explanation, float], weight: float
) -> None:
    for explanation, chance in chances.items():
        weights[explanation] += weight * math.log(chance)


def _normalised(weights: Mapping[Explanation, float]) -> Mapping[Hypothesis, float]:
    highest = max(weights.values())
    shares = dict.fromkeys(Hypothesis, 0.0)
    for explanation, weight in weights.items():
        shares[EXPLAINS[explanation]] += math.exp(weight - highest)
    total = sum(shares.values())
    return MappingProxyType(
        {
            hypothesis: (1.0 - _KEPT_BACK) * share / total + _KEPT_BACK / len(Hypothesis)
            for hypothesis, share in shares.items()
        }
    )
