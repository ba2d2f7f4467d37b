"""From the spells of all endpoints: which are steady, and which come and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pipeline.addresses import Address
from pipeline.decide.history import Spells, looks_of
from pipeline.decide.standing import network_number
from pipeline.decide.trends import periods
from pipeline.decide.tuning.shares import Share
from pipeline.model import Endpoint, VerdictKind

_COMES_AND_GOES = 3
"""Periods of being open from which on an endpoint counts as flapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steadiness:
    """``steady`` endpoints, at most one of a network, with how many runs looked; ``flapping``
    hosts with how many of their endpoints come and go; ``wavering`` as :class:`Past` has it."""

    steady: dict[Endpoint, int]
    flapping: dict[Address, int]
    wavering: Share


def steadiness(
    histories: Iterable[tuple[Endpoint, Spells]],
    order: Sequence[int],
    *,
    present: Collection[int] = (),
) -> Steadiness:
    """Read the histories once. ``order`` are the runs that count, ``present`` those of them that
    had the settings of now."""
    places = {run: place for place, run in enumerate(order)}
    best: dict[int, tuple[int, Endpoint]] = {}
    flapping = Counter[Address]()
    confirmed = looked = 0
    for endpoint, spells in histories:
        kinds = {spell.kind for spell in spells}
        if kinds == {VerdictKind.CONFIRMED} and spells[-1].last == order[-1]:
            looks = sum(places[s.last] - places[s.first] + 1 - len(s.missed) for s in spells)
            network = network_number(endpoint.address)
            known = best.get(network)
            if known is None or (-looks, endpoint) < (-known[0], known[1]):
                best[network] = looks, endpoint
        if VerdictKind.TRANSIENT in kinds:
            found = looks_of(spells, order, places)
            said = [kind for run, (kind, _) in found.items() if run in present]
            confirmed += said.count(VerdictKind.CONFIRMED)
            looked += len(said)
        if VerdictKind.TRANSIENT in kinds or len(list(periods(spells, places))) >= _COMES_AND_GOES:
            flapping[endpoint.address] += 1
    return Steadiness(
        steady={endpoint: looks for looks, endpoint in best.values()},
        flapping=dict(flapping),
        wavering=Share(confirmed, looked),
    )
