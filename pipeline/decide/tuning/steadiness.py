"""From the spells of all endpoints: which are steady, and which come and go."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.addresses import Address
from pipeline.decide.history import Spells, looks_of
from pipeline.decide.standing import network_number
from pipeline.decide.trends import periods
from pipeline.decide.tuning.shares import Share
from pipeline.model import Endpoint, VerdictKind

_COMES_AND_GOES = 3
"""Periods of being open from which on an endpoint counts as flapping."""
_SILENT = (None, VerdictKind.FILTERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steadiness:
    """``steady`` endpoints, at most one of a network, with how many runs looked; ``flapping``
    hosts with how many of their endpoints come and go; ``wavering`` and ``overlooked`` as
    :class:`Past` has them."""

    steady: dict[Endpoint, int]
    flapping: dict[Address, int]
    wavering: Share
    overlooked: Share


def steadiness(
    histories: Iterable[tuple[Endpoint, Spells]],
    order: Sequence[int],
    *,
    watched_alike: Collection[int] = (),
    looked_alike: Collection[int] = (),
) -> Steadiness:
    """Read the histories once. ``order`` are the runs that count; of these, those that watched, and
    those that looked, with the settings of now."""
    places = {run: place for place, run in enumerate(order)}
    alike = sorted(places[run] for run in looked_alike if run in places)
    overlooked = Share()
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
            said = [kind for run, (kind, _) in found.items() if run in watched_alike]
            confirmed += said.count(VerdictKind.CONFIRMED)
            looked += len(said)
        elif VerdictKind.CONFIRMED in kinds:
            overlooked += _overlooked(spells, places, alike)
        if VerdictKind.TRANSIENT in kinds or len(list(periods(spells, places))) >= _COMES_AND_GOES:
            flapping[endpoint.address] += 1
    return Steadiness(
        steady={endpoint: looks for looks, endpoint in best.values()},
        flapping=dict(flapping),
        wavering=Share(confirmed, looked),
        overlooked=overlooked,
    )


def _overlooked(spells: Spells, places: Mapping[int, int], alike: Sequence[int]) -> Share:
    """Of the looks between two that confirmed it, those that heard nothing: a refusal is an answer.

    ``alike`` are the places of the runs that count, in order.
    """
    sure = [spell for spell in spells if spell.kind is VerdictKind.CONFIRMED]
    first, last = places[sure[0].first], places[sure[-1].last]
    hits = trials = 0
    for spell in spells:
        begin, end = max(first + 1, places[spell.first]), min(last, places[spell.last] + 1)
        if begin >= end or spell.kind not in (*_SILENT, VerdictKind.CONFIRMED):
            continue
        missed = {places[run] for run in spell.missed}
        looks = alike[bisect_left(alike, begin) : bisect_left(alike, end)]
        count = len(looks) - sum(place in missed for place in looks)
        trials += count
        hits += count if spell.kind in _SILENT else 0
    return Share(hits, trials)
