"""The history on file is what the runs found, however it came there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from pipeline.decide.history import Spell, Spells
from pipeline.ledger import Ledger
from pipeline.model import Endpoint, RunState, Service, Verdict, VerdictKind
from pipeline.remembering import remember
from pipeline.store import schema
from pipeline.store.records import KIND_CODES, Memory, numbers_from_bytes, numbers_to_bytes
from pipeline.store.runs import Store
from pipeline.store.spells import ROWS, histories, occasions
from tests.decide.making import PLAN, PROBED, START, batch, endpoints, sweep, verdict

NAME = PLAN.engagement
UNIVERSE = endpoints("192.0.2.7:22", "192.0.2.9:80", "192.0.2.9:80/udp", "[2001:db8::7]:22")
WEEK = 7 * 86_400
Found = Mapping[Endpoint, VerdictKind]


def kept(store: Store, name: str = NAME, at_a_time: int = ROWS) -> dict[Endpoint, Spells]:
    return dict(histories(store, occasions(store, name), at_a_time=at_a_time))


def a_run(store: Store, place: int, found: Found, asked: Sequence[str] = ()) -> int:
    """A complete run of week ``place``, whose sweep went over these addresses."""
    run = store.create_run(PLAN, run_id=f"run-{len(store.runs()) + 1}", now=START + place * WEEK)
    ledger = Ledger(store, run)
    ledger.add_batches([batch("192.0.2.0/28")])
    if asked:
        ledger.file([sweep(*asked)])
        (record,) = ledger.tasks()
        attempt = ledger.start(record.number, argv=(), rate=None, evidence="", now=START)
        assert ledger.settle(record.number, attempt, observations=(), now=START)
    judge(store, run.number, found)
    store.set_state(run.number, RunState.COMPLETE, now=START)
    return run.number


def judge(store: Store, run: int, found: Found) -> None:
    store.save_verdicts(run, [of(where, kind) for where, kind in found.items()])


def of(where: Endpoint, kind: VerdictKind) -> Verdict:
    return verdict(kind, where, service=PROBED if kind is VerdictKind.CONFIRMED else None)


@cache
def empty() -> bytes:
    """A database without a run; to build one takes longer than most examples."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "portproof.db"
        Store(path).close()
        return path.read_bytes()


@contextmanager
def fresh() -> Iterator[Store]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "portproof.db"
        path.write_bytes(empty())
        with Store(path) as store:
            yield store


def test_every_verdict_but_unknown_has_a_code_of_its_own() -> None:
    assert set(KIND_CODES) == {None, *VerdictKind} - {VerdictKind.UNKNOWN}
    assert len(set(KIND_CODES.values())) == len(KIND_CODES)


@given(st.sets(st.integers(1, 5000), max_size=40))
def test_missed_runs_survive_their_bytes(numbers: set[int]) -> None:
    assert list(numbers_from_bytes(numbers_to_bytes(sorted(numbers)))) == sorted(numbers)


def test_a_spell_is_kept_with_its_service_and_the_runs_that_missed_it(store: Store) -> None:
    where = UNIVERSE[0]
    for place, found in enumerate(({where: VerdictKind.CONFIRMED}, {}, {}) * 2):
        a_run(store, place, found)
    remember(store, NAME)
    assert kept(store) == {
        where: (
            Spell(
                first=1,
                last=4,
                kind=VerdictKind.CONFIRMED,
                service="ssh OpenSSH 9.2",
                missed=(2, 3),
            ),
        )
    }


def test_a_run_that_asked_and_found_nothing_ends_the_spell(store: Store) -> None:
    where = UNIVERSE[0]
    a_run(store, 0, {}, asked=["192.0.2.7"])
    a_run(store, 1, {where: VerdictKind.LIKELY})
    a_run(store, 2, {}, asked=["192.0.2.7"])
    a_run(store, 3, {}, asked=["192.0.2.8"])
    remember(store, NAME)
    states = [(spell.kind, spell.first, spell.last) for spell in kept(store)[where]]
    assert states == [(None, 1, 1), (VerdictKind.LIKELY, 2, 2), (None, 3, 3)]


def test_each_engagement_has_a_history_of_its_own(store: Store) -> None:
    where = UNIVERSE[0]
    a_run(store, 0, {where: VerdictKind.CONFIRMED})
    other = store.create_run(replace(PLAN, engagement="another"), run_id="other", now=START)
    judge(store, other.number, {where: VerdictKind.REFUTED})
    store.set_state(other.number, RunState.COMPLETE, now=START)
    for name in (NAME, "another"):
        remember(store, name)
    ((mine,),), ((other_s,),) = kept(store).values(), kept(store, "another").values()
    assert (mine.kind, other_s.kind) == (VerdictKind.CONFIRMED, VerdictKind.REFUTED)


def test_a_run_that_is_not_complete_is_no_part_of_the_history(store: Store) -> None:
    number = a_run(store, 0, {UNIVERSE[0]: VerdictKind.LIKELY})
    store.set_state(number, RunState.INCOMPLETE, now=START)
    remember(store, NAME)
    assert occasions(store, NAME) == ()
    assert kept(store) == {}


def test_a_run_that_began_earlier_takes_its_place_before_the_others(store: Store) -> None:
    where = UNIVERSE[0]
    a_run(store, 5, {where: VerdictKind.CONFIRMED})
    a_run(store, 1, {where: VerdictKind.LIKELY})  # imported later
    remember(store, NAME)
    assert [spell.kind for spell in kept(store)[where]] == [
        VerdictKind.LIKELY,
        VerdictKind.CONFIRMED,
    ]


def test_what_is_read_in_many_pages_is_what_is_read_in_one(store: Store) -> None:
    kinds = (VerdictKind.CONFIRMED, VerdictKind.REFUTED)
    for place in range(4):
        a_run(store, place, dict.fromkeys(UNIVERSE, kinds[place % 2]))
    remember(store, NAME)
    whole = kept(store)
    assert set(whole) == set(UNIVERSE)
    for at_a_time in (5, 6, 8):
        assert kept(store, at_a_time=at_a_time) == whole


def test_hostile_services_are_kept_as_they_came(store: Store) -> None:
    hostile = Service(name="\x1b[31m\x00<script>\u202e", product="'; DROP TABLE spells", method="")
    where = UNIVERSE[0]
    number = a_run(store, 0, {})
    store.save_verdicts(number, [verdict(VerdictKind.CONFIRMED, where, service=hostile)])
    remember(store, NAME)
    ((spell,),) = kept(store).values()
    assert spell.service == hostile.label


found = st.dictionaries(
    st.sampled_from(UNIVERSE),
    st.sampled_from([VerdictKind.CONFIRMED, VerdictKind.REFUTED, VerdictKind.UNKNOWN]),
)
runs = st.tuples(st.integers(0, 9), found, st.sampled_from([(), ("192.0.2.7",), ("192.0.2.9",)]))


@given(st.lists(runs, min_size=1, max_size=5), st.data())
@settings(max_examples=15)
def test_to_rebuild_the_spells_gives_what_came_run_by_run(
    made: list[tuple[int, Found, tuple[str, ...]]], data: st.DataObject
) -> None:
    with fresh() as store:
        for place, said, asked in made:
            number = a_run(store, place, said, asked)
            remember(store, NAME)
            if data.draw(st.booleans()):
                judge(store, data.draw(st.integers(1, number)), data.draw(found))
        remember(store, NAME)
        by_and_by = kept(store)
        with store.transaction() as connection:
            connection.execute(delete(schema.spells))
            connection.execute(update(schema.runs).values(remembered=Memory.NOTHING))
        remember(store, NAME)
        assert kept(store) == by_and_by


@given(st.lists(found, min_size=1, max_size=3))
@settings(max_examples=5)
def test_to_judge_a_run_again_the_same_way_changes_nothing(said: list[Found]) -> None:
    with fresh() as store:
        for place, each in enumerate(said):
            a_run(store, place, each)
        remember(store, NAME)
        before = kept(store)
        judge(store, 1, said[0])
        remember(store, NAME)
        assert kept(store) == before
