"""What holds of spells, whatever the runs said, and in whatever order they were put in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decide.history import (
    OPEN,
    Look,
    Spells,
    State,
    first_open,
    include,
    looks_of,
    until,
)
from pipeline.model import Endpoint, VerdictKind
from tests.decide.making import GUESSED, PROBED, endpoints, verdict

UNIVERSE = endpoints("192.0.2.7:22", "192.0.2.7:80", "[2001:db8::7]:22")
SERVICES = (None, PROBED, GUESSED, replace(PROBED, version="9.3"))


@st.composite
def looks(draw: st.DrawFn, run: int) -> Look:
    """Any run: each endpoint has a verdict, or was asked about, or not."""
    found = {}
    asked = set()
    for where in UNIVERSE:
        kind = draw(st.sampled_from([None, None, *OPEN, VerdictKind.REFUTED, VerdictKind.UNKNOWN]))
        if kind is not None:
            found[where] = verdict(kind, where, service=draw(st.sampled_from(SERVICES)))
        if draw(st.booleans()):
            asked.add(where)
    return Look(run=run, verdicts=found, asked=asked.__contains__)


@st.composite
def engagements(draw: st.DrawFn) -> list[Look]:
    """Some runs in the order of their times; their numbers have another, as imports do."""
    numbers = draw(st.permutations(range(3, draw(st.integers(4, 9)))))
    return [draw(looks(number)) for number in numbers]


def included(runs: Sequence[Look], sequence: Sequence[int]) -> dict[Endpoint, Spells]:
    """The spells after the runs at these places were included, one after the other."""
    known: dict[Endpoint, Spells] = dict.fromkeys(UNIVERSE, ())
    by_number = {look.run: look for look in runs}
    done: set[int] = set()
    for place in sequence:
        done.add(runs[place].run)
        order = [look.run for look in runs if look.run in done]
        known = include(known, runs[place].run, by_number.get, order)
    return known


def rebuilt(runs: Sequence[Look]) -> dict[Endpoint, Spells]:
    return included(runs, range(len(runs)))


def told(spells: Spells, runs: Sequence[Look]) -> dict[int, State]:
    order = [look.run for look in runs]
    return looks_of(spells, order, {run: place for place, run in enumerate(order)})


def expected(runs: Sequence[Look], where: Endpoint) -> dict[int, State]:
    """What the runs said, from the one before the first verdict on."""
    said = [(look.run, look.state(where)) for look in runs]
    named = [place for place, (_, state) in enumerate(said) if state is not None and state[0]]
    start = max(0, named[0] - 1) if named else len(said)
    return {run: state for run, state in said[start:] if state is not None}


@given(engagements())
@settings(max_examples=60)
def test_spells_say_of_each_run_exactly_what_it_found(runs: list[Look]) -> None:
    for where, spells in rebuilt(runs).items():
        assert told(spells, runs) == expected(runs, where)


@given(engagements(), st.data())
@settings(max_examples=80)
def test_runs_may_be_included_in_any_order_and_any_number_of_times(
    runs: list[Look], data: st.DataObject
) -> None:
    places = data.draw(st.permutations(range(len(runs))))
    again = data.draw(st.lists(st.integers(0, len(runs) - 1), max_size=4))
    assert included(runs, [*places, *again]) == rebuilt(runs)


@given(engagements(), st.data())
@settings(max_examples=80)
def test_a_run_that_is_judged_again_replaces_what_it_said(
    runs: list[Look], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(runs) - 1))
    other = data.draw(looks(runs[place].run))
    # To judge again changes verdicts; who was asked stays as it was.
    other = replace(other, asked=runs[place].asked)
    judged: list[Look] = [*runs[:place], other, *runs[place + 1 :]]
    by_number: Mapping[int, Look] = {look.run: look for look in judged}
    order = [look.run for look in runs]
    assert include(rebuilt(runs), other.run, by_number.get, order) == rebuilt(judged)


@given(engagements())
@settings(max_examples=60)
def test_spells_follow_each_other_and_neighbours_differ(runs: list[Look]) -> None:
    places = {look.run: place for place, look in enumerate(runs)}
    for spells in rebuilt(runs).values():
        assert all(places[spell.first] <= places[spell.last] for spell in spells)
        for earlier, later in pairwise(spells):
            assert places[earlier.last] < places[later.first]
            assert earlier.state != later.state


@given(engagements())
@settings(max_examples=60)
def test_a_run_that_did_not_cover_an_endpoint_never_makes_its_spell_longer(
    runs: list[Look],
) -> None:
    before, after = rebuilt(runs[:-1]), rebuilt(runs)
    for where, spells in after.items():
        if runs[-1].state(where) is None:
            assert spells == before[where]
        for spell in spells:
            assert runs[-1].run not in spell.missed


@given(engagements())
@settings(max_examples=60)
def test_what_nobody_ever_named_is_not_kept(runs: list[Look]) -> None:
    for where, spells in rebuilt(runs).items():
        said = [look.state(where) for look in runs]
        assert bool(spells) == any(state is not None and state[0] for state in said)
        assert all(spell.kind is not None for spell in spells[:1]) or spells[1].kind is not None


@given(engagements(), st.integers(1, 9))
@settings(max_examples=60)
def test_the_spells_until_a_run_are_those_of_a_time_without_later_runs(
    runs: list[Look], count: int
) -> None:
    order = [look.run for look in runs]
    places = {run: place for place, run in enumerate(order[:count])}
    former = rebuilt(runs[:count])
    for where, spells in rebuilt(runs).items():
        assert until(spells, order, places) == former[where]


@given(engagements())
@settings(max_examples=60)
def test_first_open_is_the_first_run_that_called_it_open(runs: list[Look]) -> None:
    for where, spells in rebuilt(runs).items():
        said = [(look.run, look.state(where)) for look in runs]
        opened = [run for run, state in said if state is not None and state[0] in OPEN]
        assert first_open(spells) == (opened[0] if opened else None)
