"""Whom canaries let us believe, and when: examples, and laws for any evidence."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.decide.questions import named, phantoms, verdicts
from pipeline.decide.standing import (
    Check,
    Episode,
    Mood,
    Standing,
    living,
    networks,
    standings,
)
from pipeline.model import (
    Aftermath,
    Endpoint,
    Evidence,
    Method,
    Observation,
    PortState,
    Purpose,
    Refusals,
    VerdictKind,
)
from pipeline.ports import PortSet
from tests.decide.making import (
    POLICY,
    START,
    batch,
    evidence,
    seen,
    settled,
    shaken,
    sweep,
    targets,
)

OPEN, CLOSED, SILENT = PortState.OPEN, PortState.CLOSED, PortState.FILTERED
CONTROL = 31001
HANDSHAKE = Method.HANDSHAKE


def at(last: int, port: int = CONTROL) -> Endpoint:
    return Endpoint.parse(f"192.0.2.{last}:{port}")


def canary(where: Endpoint, round_: int, state: PortState, after: float) -> Observation:
    return seen(HANDSHAKE, state, where=where, purpose=Purpose.CANARY, round_=round_, after=after)


def found_open(where: Endpoint, after: float = 5) -> Observation:
    return seen(Method.MASSCAN_SYN, where=where, after=after)


def believing(*observations: Observation) -> Evidence:
    return evidence(batch("192.0.2.0/24"), [settled(sweep("192.0.2.0/24"), ended=6)], observations)


def told(known: Evidence, last: int = 1) -> list[tuple[str, float, float | None]]:
    """The episodes of a host, in seconds from the start."""
    episodes = standings(known).of(at(last).address).episodes
    return [
        (e.mood, e.after - START, None if e.until is None else e.until - START) for e in episodes
    ]


# --- examples ----------------------------------------------------------------------------------


def test_a_host_that_answers_as_before_is_sound() -> None:
    known = believing(
        canary(at(1), 0, CLOSED, 0), canary(at(1), 1, CLOSED, 10), canary(at(1), 2, CLOSED, 20)
    )
    assert told(known) == []
    assert not standings(known).shy
    assert standings(known).of(at(1).address).answered_before


def test_a_host_that_falls_silent_is_no_witness_from_its_last_answer_to_its_next() -> None:
    known = believing(
        canary(at(1), 0, CLOSED, 0),
        canary(at(1), 1, SILENT, 10),
        canary(at(1), 2, SILENT, 30),
        canary(at(1), 3, CLOSED, 50),
    )
    assert told(known) == [(Mood.SILENT, 0, 50)]


def test_a_port_that_refused_before_and_is_open_now_gives_a_deceiver_away() -> None:
    known = believing(canary(at(1), 0, CLOSED, 0), canary(at(1), 1, OPEN, 10))
    assert told(known) == [(Mood.DECEIVING, 0, None)]


def test_a_port_that_was_open_from_the_beginning_is_no_turn_but_a_pretence() -> None:
    known = believing(canary(at(1), 0, OPEN, 0), canary(at(1), 1, OPEN, 10))
    assert told(known) == []
    assert standings(known).of(at(1).address).pretends


def test_an_address_that_never_answered_has_not_fallen_silent() -> None:
    assert told(believing(canary(at(1), 0, SILENT, 0))) == []


def turned(*lasts: int, still_open: bool = False) -> Evidence:
    """Some hosts of a network refuse where they were open; perhaps another one does not."""
    heard = [observation for n in lasts for observation in story(n, CLOSED)]
    return believing(*heard, *(story(99, OPEN) if still_open else ()))


def story(last: int, then: PortState) -> list[Observation]:
    where = at(last, 22)
    return [
        canary(at(last), 0, CLOSED, 0),
        found_open(where),
        canary(at(last), 1, CLOSED, 10),
        canary(where, 1, then, 10),
        canary(at(last), 2, CLOSED, 50),
        canary(where, 2, OPEN, 50),
    ]


def test_a_network_turns_away_when_everything_that_was_open_refuses() -> None:
    assert told(turned(1, 2, 3)) == [(Mood.REFUSING, 0, 50)]


def test_two_ports_that_close_at_once_are_no_block() -> None:
    assert told(turned(1, 2)) == []


def test_a_network_of_which_one_port_is_still_open_turns_nobody_away() -> None:
    assert told(turned(1, 2, 3, still_open=True)) == []


def test_who_was_refused_before_its_network_ceased_in_the_midst_of_a_round_was_turned_away() -> (
    None
):
    """The third host is asked last, when all is over."""
    asked_again = {1: CLOSED, 2: CLOSED, 3: OPEN}
    first = [o for n in asked_again for o in story(n, CLOSED) if o.round < 2]
    midst = [canary(at(n, 22), 2, then, 30.0 + n) for n, then in asked_again.items()]
    last = [canary(at(n, 22), 3, OPEN, 80.0 + n) for n in asked_again]
    known = believing(*first, *midst, *last)
    assert [told(known, n) for n in asked_again] == [
        [(Mood.REFUSING, 0, until)] for until in (81, 82, 33)
    ]


def test_what_stays_closed_when_its_network_has_ceased_is_believed_from_the_next_round_on() -> None:
    first = [o for n in (1, 2, 3) for o in story(n, CLOSED) if o.round < 2]
    later = [
        canary(at(n, 22), round_, CLOSED if n == 1 else OPEN, 20.0 * round_ + n)
        for n in (1, 2, 3)
        for round_ in (2, 3)
    ]
    assert told(believing(*first, *later)) == [(Mood.REFUSING, 0, 61)]


def test_a_network_that_begins_in_the_midst_of_a_round_turned_away_whom_it_refused_in_it() -> None:
    """The third host is asked first, while all is well."""
    asked = {1: CLOSED, 2: CLOSED, 3: OPEN}
    heard = [canary(at(n), 0, CLOSED, 0) for n in asked]
    heard += [found_open(at(n, 22)) for n in asked]
    heard += [canary(at(n, 22), 1, then, 30.0 - n) for n, then in asked.items()]
    heard += [canary(at(n, 22), 2, CLOSED, 50.0 + n) for n in asked]
    heard += [canary(at(n, 22), 3, OPEN, 80.0 + n) for n in asked]
    known = believing(*heard)
    assert [told(known, n) for n in asked] == [
        [(Mood.REFUSING, after, until)] for after, until in ((0, 81), (0, 82), (27, 83))
    ]


def test_hosts_of_another_network_say_nothing_about_this_one() -> None:
    elsewhere = [
        replace(o, endpoint=Endpoint.parse(f"198.51.100.9:{o.endpoint.port}"))
        for o in story(9, OPEN)
    ]
    known = turned(1, 2, 3)
    heard = [o for some in known.observations.values() for o in some]
    assert told(believing(*heard, *elsewhere)) == [(Mood.REFUSING, 0, 50)]


def test_batches_that_share_a_network_are_judged_by_their_own_canaries() -> None:
    """The run as a whole finds what the stages found batch by batch."""
    mine = [replace(o, task=1) for n in (1, 2, 3) for o in story(n, CLOSED)]
    theirs = [replace(o, task=2) for o in story(99, OPEN)]
    records = [settled(sweep(), 1), settled(replace(sweep(), batch=2), 2)]
    alone = evidence(batch("192.0.2.0/24"), records[:1], mine)
    whole = evidence(batch("192.0.2.0/24"), records, [*mine, *theirs])
    assert told(alone) == told(whole) == [(Mood.REFUSING, 0, 50)]
    assert told(whole, last=99) == []


def test_what_turned_against_us_makes_its_whole_network_shy() -> None:
    known = standings(believing(canary(at(1), 0, CLOSED, 0), canary(at(1), 1, SILENT, 10)))
    assert known.shy == targets("192.0.2.0/24").addresses
    far = Endpoint.parse("[2001:db8::107]:31001")
    heard = [canary(far, 0, CLOSED, 0), canary(far, 1, SILENT, 10)]
    assert standings(believing(*heard)).shy == targets("2001:db8::100-2001:db8::1ff").addresses


@pytest.mark.parametrize(
    ("mood", "ended", "set_aside"),
    [
        (Mood.SILENT, True, {SILENT}),
        (Mood.SILENT, False, {SILENT}),
        (Mood.REFUSING, True, {SILENT, CLOSED}),
        (Mood.DECEIVING, True, {SILENT, CLOSED, OPEN}),
        (Mood.REFUSING, False, {SILENT, CLOSED}),
        # Hosts that have answered for everything ever since: their control ports tell.
        (Mood.DECEIVING, False, set()),
    ],
)
def test_what_is_set_aside_depends_on_how_a_host_turned(
    mood: Mood, ended: bool, set_aside: set[PortState]
) -> None:
    checks = [
        Check(round=0, time=START, mood=Mood.SOUND),
        Check(round=1, time=START + 20, mood=mood),
    ]
    if ended:
        checks.append(Check(round=2, time=START + 40, mood=Mood.SOUND))
    standing = Standing(checks=tuple(checks))
    for state in (OPEN, CLOSED, SILENT):
        heard = seen(Method.NMAP_SYN, state, after=30)
        assert standing.trusts(heard) is (state not in set_aside)
        assert standing.trusts(replace(heard, time=START - 5))
    assert standing.trusts(seen(Method.NMAP_SYN, SILENT, after=45)) is (ended or not set_aside)


def test_an_endpoint_asked_only_while_its_host_deceived_is_unknown() -> None:
    known = believing(
        canary(at(1), 0, CLOSED, 0),
        found_open(at(1, 22)),
        canary(at(1), 1, OPEN, 10),
        canary(at(1), 2, CLOSED, 70),
    )
    verdict = verdicts(known)[at(1, 22)]
    assert (verdict.kind, verdict.reason) == (VerdictKind.UNKNOWN, "blocked")


def test_what_a_deceiver_called_open_is_let_go_after_one_refusal() -> None:
    deceived = [
        canary(at(1), 0, CLOSED, 0),
        found_open(at(1, 22)),
        found_open(at(1, 80)),
        canary(at(1), 1, OPEN, 10),
        canary(at(1), 2, CLOSED, 70),
    ]
    later = seen(Method.NMAP_SYN, CLOSED, where=at(1, 22), after=80)
    known = believing(*deceived, later)
    assert phantoms(known, standings(known), POLICY) & named(known) == {at(1, 22)}
    honest = believing(found_open(at(1, 22)), later)
    assert phantoms(honest, standings(honest), POLICY) == set()
    shaky = believing(*deceived, later, shaken(Aftermath.DATA, where=at(1, 22), after=90))
    assert not phantoms(shaky, standings(shaky), POLICY) & named(shaky)


def test_who_refused_a_sweep_or_answered_a_canary_is_alive() -> None:
    refusals = Refusals(address=at(7).address, ports=PortSet.parse("80"))
    known = replace(
        believing(
            canary(at(1), 0, CLOSED, 0),
            canary(at(2), 0, SILENT, 0),
            found_open(at(3, 22)),
            seen(Method.NMAP_SYN, where=at(4), purpose=Purpose.CONTROL),
        ),
        refusals=((1, refusals),),
    )
    alive = {str(address) for address in living(known, standings(known))}
    assert alive == {"192.0.2.1", "192.0.2.3", "192.0.2.7"}


def test_a_scope_is_cut_into_its_neighbourhoods() -> None:
    whole = targets("192.0.2.0/24", "198.51.100.0/25", "2001:db8::/119").addresses
    parts = list(networks(whole))
    assert [part.size for part in parts] == [256, 128, 256, 256]
    assert sum(part.size for part in parts) == whole.size


# --- laws --------------------------------------------------------------------------------------

states = st.sampled_from([OPEN, CLOSED, SILENT])
hosts = st.sampled_from([1, 2, 3, 9])


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    """Four hosts: canaries in rounds, and what was heard of two of their ports in between."""
    heard: list[Observation] = []
    for last in (1, 2, 3, 9):
        where = [at(last), at(last, 22), at(last, 80)]
        if draw(st.booleans()):
            heard.append(canary(at(last), 0, draw(states), draw(st.integers(0, 9))))
        heard += [found_open(e, draw(st.integers(5, 60))) for e in where[1:] if draw(st.booleans())]
        for round_ in range(1, draw(st.integers(0, 5))):
            heard += [
                canary(e, round_, draw(states), round_ * 20 + draw(st.integers(0, 9)))
                for e in where
                if draw(st.booleans())
            ]
        heard += draw(st.lists(answers(last), max_size=6))
    numbered = [replace(o, number=n) for n, o in enumerate(heard, start=1)]
    return believing(*numbered)


@st.composite
def answers(draw: st.DrawFn, last: int) -> Observation:
    method = draw(st.sampled_from(POLICY.methods))
    state = draw(states)
    purpose = draw(st.sampled_from([Purpose.NAMED, Purpose.CONTROL, Purpose.WATCH, Purpose.VOTE]))
    port = 47003 if purpose is Purpose.CONTROL else draw(st.sampled_from([22, 80]))
    listened = method is HANDSHAKE and state is OPEN and purpose is not Purpose.WATCH
    return seen(
        method,
        state,
        where=at(last, port),
        after=draw(st.integers(0, 120)),
        purpose=purpose,
        round_=draw(st.integers(1, 3)),
        aftermath=draw(st.sampled_from(list(Aftermath))) if listened else None,
    )


def ruling(known: Evidence) -> dict[Endpoint, tuple[VerdictKind, str, float]]:
    return {e: (v.kind, v.reason, v.confidence) for e, v in verdicts(known).items()}


def all_of(known: Evidence) -> list[Observation]:
    return [o for heard in known.observations.values() for o in heard]


def rebuilt(known: Evidence, heard: Sequence[Observation]) -> Evidence:
    found: dict[Endpoint, tuple[Observation, ...]] = {}
    for observation in heard:
        found[observation.endpoint] = (*found.get(observation.endpoint, ()), observation)
    return replace(known, observations=found)


@given(evidences(), st.randoms(use_true_random=False))
def test_the_order_of_evidence_matters_neither_to_standings_nor_to_verdicts(
    known: Evidence, chance: Random
) -> None:
    heard = all_of(known)
    chance.shuffle(heard)
    other = rebuilt(known, heard)
    assert standings(other) == standings(known)
    assert verdicts(other) == verdicts(known)


@given(evidences(), st.data())
def test_hearing_the_same_twice_changes_no_standing_and_no_verdict(
    known: Evidence, data: st.DataObject
) -> None:
    heard = all_of(known)
    assume(heard)
    again = rebuilt(known, [*heard, data.draw(st.sampled_from(heard))])
    assert standings(again) == standings(known)
    assert ruling(again) == ruling(known)


@given(evidences())
@settings(max_examples=200)
def test_what_is_set_aside_changes_no_verdict(known: Evidence) -> None:
    believed = standings(known)
    asking = (Purpose.NAMED, Purpose.CONTROL, Purpose.WATCH, Purpose.VOTE)
    kept = [o for o in all_of(known) if o.purpose not in asking or believed.trusts(o)]
    before, after = ruling(known), ruling(rebuilt(known, kept))
    assert before.keys() == after.keys()
    for endpoint, found in after.items():
        # Where nothing is left the two differ in the reason alone: blocked, or not asked.
        if found[0] is VerdictKind.UNKNOWN:
            assert before[endpoint][0] is VerdictKind.UNKNOWN
        else:
            assert before[endpoint] == found


@given(evidences())
@settings(max_examples=200)
def test_nothing_is_refuted_on_refusals_that_were_heard_only_while_turned_away(
    known: Evidence,
) -> None:
    believed = standings(known)
    for endpoint, verdict in verdicts(known).items():
        if verdict.kind is VerdictKind.REFUTED:
            closed = [o for o in known.observations[endpoint] if o.state is CLOSED]
            assert any(believed.trusts(o) for o in closed)


@given(evidences())
def test_episodes_are_disjoint_in_order_and_hold_no_moment_in_which_all_was_well(
    known: Evidence,
) -> None:
    for standing in standings(known).hosts.values():
        sound = [c.time for c in standing.checks if c.mood is Mood.SOUND]
        bad = [c.time for c in standing.checks if c.mood is not Mood.SOUND]
        episodes = standing.episodes
        for before, after in itertools.pairwise(episodes):
            assert before.until is not None
            assert before.until <= after.after
        for episode in episodes:
            assert episode.mood is not Mood.SOUND
            assert not any(episode.holds(time) for time in sound)
        if _in_order(standing):
            assert all(any(e.holds(time) for e in episodes) for time in bad)


def _in_order(standing: Standing) -> bool:
    times = [check.time for check in standing.checks]
    return times == sorted(set(times))


@given(evidences())
def test_an_open_port_is_set_aside_for_deceit_only(known: Evidence) -> None:
    believed = standings(known)
    for observation in all_of(known):
        if believed.trusts(observation):
            continue
        holding = [
            e
            for e in believed.of(observation.endpoint.address).episodes
            if e.holds(observation.time)
        ]
        moods = {e.mood for e in holding if not e.is_void}
        assert moods
        if observation.state is OPEN:
            assert Mood.DECEIVING in moods
        if observation.state is CLOSED:
            assert moods & {Mood.DECEIVING, Mood.REFUSING}


def test_an_episode_without_an_end_is_void_only_where_everything_answers() -> None:
    for mood in (Mood.SILENT, Mood.REFUSING, Mood.DECEIVING):
        assert Episode(mood=mood, after=0.0, until=None).is_void is (mood is Mood.DECEIVING)
        assert not Episode(mood=mood, after=0.0, until=9.0).is_void
