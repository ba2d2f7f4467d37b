"""What became of an endpoint over all runs, as spells: one for each unbroken state.

A spell reaches from the first to the last run that found an endpoint in the same state. Runs in
between that did not cover it are named in the spell, and a run after it that did not cover it does
not make it longer: nothing is said of a time at which nobody looked. So the spells of an endpoint
hold exactly what each run said of it, and the contribution of a run can be taken out and put in
again.

The history of an endpoint begins with the first run that has a verdict on it, or with the run
right before that one, when it asked and nobody called the endpoint open: then the endpoint was not
there. What nobody ever named has no spells. ``unknown`` is no evidence, and counts as not covered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pipeline.model import Endpoint, Verdict, VerdictKind

OPEN: Final = frozenset({VerdictKind.CONFIRMED, VerdictKind.LIKELY})
"""The verdicts by which a port is open."""
IN_DOUBT: Final = frozenset({VerdictKind.TRANSIENT, VerdictKind.UNRESOLVED})
"""The verdicts that neither begin nor end the time for which a port is open."""
_LONGEST_SERVICE: Final = 200

State = tuple[VerdictKind | None, str]
"""What a run found: a verdict, or ``None`` where it asked and nobody called the endpoint open; and
the service, empty where nothing but the port number told it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """An unbroken state. ``first``, ``last`` and ``missed`` are numbers of runs.

    ``missed`` are the runs between the two that did not cover the endpoint, in their order.
    """

    first: int
    last: int
    kind: VerdictKind | None
    service: str = ""
    missed: tuple[int, ...] = ()

    @property
    def state(self) -> State:
        """The state that is unbroken."""
        return self.kind, self.service


Spells = tuple[Spell, ...]
"""Those of one endpoint, the oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one run says: its verdicts, and whether it asked about an endpoint."""

    run: int
    verdicts: Mapping[Endpoint, Verdict]
    asked: Callable[[Endpoint], bool]

    def state(self, endpoint: Endpoint) -> State | None:
        """What the run found there; ``None`` when it cannot say anything about the endpoint."""
        verdict = self.verdicts.get(endpoint)
        if verdict is None:
            return (None, "") if self.asked(endpoint) else None
        if verdict.kind is VerdictKind.UNKNOWN:
            return None
        service = verdict.service
        told = service is not None and service.method != "table"
        return verdict.kind, service.label[:_LONGEST_SERVICE] if service and told else ""


Looks = Callable[[int], Look | None]
"""What a run of this number says; ``None`` when its evidence is gone."""


def include(
    known: Mapping[Endpoint, Spells], run: int, looks: Looks, order: Sequence[int]
) -> dict[Endpoint, Spells]:
    """The spells of these endpoints with what ``run`` says in them, and nothing it said before.

    ``order`` are all runs that count, ``run`` among them, in the order of their times; an endpoint
    that has no history yet comes with no spells. Whatever the order in which runs are included, and
    however often, the result is the same, as long as the evidence of all of them is there.
    """
    look = looks(run)
    if look is None:
        return dict(known)
    found = extend(known, look, order)
    place = order.index(run)
    begun = [e for e, spells in found.items() if _begins(spells) == run != _begins(known[e])]
    if not begun:
        return found
    # They had no history, or a later one: the runs around this one may have asked about them.
    around = [*order[max(0, place - 1) : place], *order[place + 1 :]]
    for other in around:
        their = looks(other)
        if their is not None:
            found |= extend({endpoint: found[endpoint] for endpoint in begun}, their, order)
    return found


def extend(
    known: Mapping[Endpoint, Spells], look: Look, order: Sequence[int]
) -> dict[Endpoint, Spells]:
    """The spells of these endpoints, with one run's look in the place of its former one."""
    places = {run: place for place, run in enumerate(order)}
    return {
        endpoint: _with(spells, look.run, look.state(endpoint), order, places)
        for endpoint, spells in known.items()
    }


def _begins(spells: Spells) -> int | None:
    """The run with the first verdict."""
    return next((spell.first for spell in spells if spell.kind is not None), None)


def _with(
    spells: Spells,
    run: int,
    state: State | None,
    order: Sequence[int],
    places: Mapping[int, int],
) -> Spells:
    if not spells:
        if state is None or state[0] is None:
            return ()
        return (Spell(first=run, last=run, kind=state[0], service=state[1]),)
    if places[run] > places[spells[-1].last]:  # most often: a new run
        return spells if state is None else _appended(spells, run, state, order, places)
    looks = looks_of(spells, order, places)
    looks.pop(run, None)
    if state is not None:
        looks[run] = state
    return _spells(looks, order, places)


def _appended(
    spells: Spells, run: int, state: State, order: Sequence[int], places: Mapping[int, int]
) -> Spells:
    newest = spells[-1]
    if newest.state != state:
        return (*spells, Spell(first=run, last=run, kind=state[0], service=state[1]))
    gap = tuple(order[places[newest.last] + 1 : places[run]])
    return (*spells[:-1], replace(newest, last=run, missed=newest.missed + gap))


def looks_of(spells: Spells, order: Sequence[int], places: Mapping[int, int]) -> dict[int, State]:
    """What each run found that covered the endpoint, in their order."""
    found: dict[int, State] = {}
    for spell in spells:
        missed = frozenset(spell.missed)
        for run in order[places[spell.first] : places[spell.last] + 1]:
            if run not in missed:
                found[run] = spell.state
    return found


def _spells(looks: Mapping[int, State], order: Sequence[int], places: Mapping[int, int]) -> Spells:
    begun = [run for run in order if run in looks and looks[run][0] is not None][:1]
    if not begun:
        return ()
    spells: Spells = ()
    for run in order[max(0, places[begun[0]] - 1) :]:
        if run not in looks:
            continue
        kind, service = looks[run]
        if spells:
            spells = _appended(spells, run, looks[run], order, places)
        else:
            spells = (Spell(first=run, last=run, kind=kind, service=service),)
    return spells


def until(spells: Spells, order: Sequence[int], places: Mapping[int, int]) -> Spells:
    """The spells as they were when only the runs of ``places`` had been made, the oldest of all."""
    if not spells or spells[-1].last in places:
        return spells
    everywhere = {run: place for place, run in enumerate(order)}
    looks = looks_of(spells, order, everywhere)
    return _spells({r: s for r, s in looks.items() if r in places}, order, everywhere)


def first_open(spells: Spells) -> int | None:
    """The first run that called the endpoint open."""
    return next((spell.first for spell in spells if spell.kind in OPEN), None)
