"""What goes into the store comes out the same, hostile texts and IPv6 scopes included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import AddressSet, address_at
from pipeline.errors import UsageError
from pipeline.ledger import Ledger
from pipeline.model import (
    Change,
    ChangeKind,
    Endpoint,
    Observation,
    PortState,
    Protocol,
    RunState,
    Service,
    VerdictKind,
)
from pipeline.redaction_rules import MARKS
from pipeline.remembering import remember
from pipeline.store.pairs import open_earlier
from pipeline.store.records import (
    RunRecord,
    address_from_bytes,
    address_to_bytes,
    addresses_from_text,
    addresses_to_text,
    plan_from_text,
    plan_to_text,
    service_from_text,
    service_to_text,
)
from pipeline.store.runs import Store
from tests.decide.making import PLAN, POLICY, START, WHERE, batch, seen, sweep, verdict

V6 = 1 << 32
HOSTILE = "\x1b[31m\x00<script>'\"|=cmd\u202e\U0001f600\r\n"

places = st.one_of(st.integers(0, V6 - 1), st.integers(V6, V6 + (1 << 128) - 1))
sets = st.lists(
    st.tuples(places, st.integers(0, 1 << 20)).map(
        lambda pair: (pair[0], min(pair[0] + pair[1], V6 - 1 if pair[0] < V6 else V6 + 2**128 - 1))
    ),
    max_size=6,
).map(AddressSet.of)
# The marks are no characters at all: the redactor puts them in for a while, and none stays.
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="".join(MARKS)), max_size=30
)
services = st.builds(
    Service,
    name=texts,
    product=texts,
    version=texts,
    extra=texts,
    tunnel=st.sampled_from(["", "ssl"]),
    hostname=texts,
    confidence=st.integers(0, 10),
    method=st.sampled_from(["", "probed", "table"]),
    cpes=st.lists(texts, max_size=3).map(tuple),
    scripts=st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
    banner=texts,
)


@given(places)
def test_an_address_survives_its_bytes_and_sorts_by_them(place: int) -> None:
    address = address_at(place)
    assert address_from_bytes(address_to_bytes(address)) == address
    assert len(address_to_bytes(address)) == (4 if address.version == 4 else 16)


@given(sets)
def test_a_set_of_addresses_survives_its_text(addresses: AddressSet) -> None:
    assert addresses_from_text(addresses_to_text(addresses)) == addresses


@given(services)
def test_a_service_survives_its_text(service: Service) -> None:
    assert service_from_text(service_to_text(service)) == service


def test_no_service_is_no_text() -> None:
    assert service_to_text(None) is None
    assert service_from_text(None) is None
    assert service_from_text(service_to_text(Service())) == Service()


@given(sets, sets, st.floats(0, 1e9), texts)
@settings(max_examples=40)
def test_a_plan_survives_its_text_with_every_scope(
    included: AddressSet, excluded: AddressSet, delay: float, note: str
) -> None:
    plan = replace(
        PLAN,
        included=included,
        excluded=excluded,
        notes=(note,),
        policy=replace(POLICY, rescan_delays=(delay,), source_address=IPv6Address("2001:db8::1")),
    )
    again = plan_from_text(plan_to_text(plan))
    assert again == plan
    assert again.scope.admitted == plan.scope.admitted
    assert hash(again.policy.methods) == hash(plan.policy.methods)


# --- a whole store -----------------------------------------------------------------------------


def test_a_run_is_read_as_it_was_filed(store: Store) -> None:
    filed = store.create_run(PLAN, run_id="one", now=START)
    assert store.run("one") == filed
    store.set_state(filed.number, RunState.COMPLETE, now=START + 9, because="done")
    assert store.runs() == (
        replace(filed, state=RunState.COMPLETE, ended=START + 9, stopped_because="done"),
    )


@pytest.mark.parametrize(
    ("reference", "found"),
    [("last", "three"), ("last~0", "three"), ("last~2", "one"), ("two", "two")],
)
def test_a_run_goes_by_its_id_or_its_place(store: Store, reference: str, found: str) -> None:
    for name in ("one", "two", "three"):
        store.create_run(PLAN, run_id=name, now=START)
    assert store.run(reference).id == found


@pytest.mark.parametrize(
    "reference",
    [
        "last~3",
        "four",
        "last~-1",
        "last~x",
        "last~²",
        "",
        pytest.param("last~" + "9" * 5000, id="-"),
    ],
)
def test_a_run_that_is_not_there_is_said_to_be_missing(store: Store, reference: str) -> None:
    for name in ("one", "two", "three"):
        store.create_run(PLAN, run_id=name, now=START)
    with pytest.raises(UsageError, match="there is no run") as caught:
        store.run(reference)
    assert "one, two, three" in caught.value.hint


def test_the_previous_run_is_the_newest_complete_one_of_the_same_engagement(store: Store) -> None:
    other = replace(PLAN, engagement="another")
    numbers = [
        store.create_run(plan, run_id=f"run-{place}", now=START).number
        for place, plan in enumerate([PLAN, PLAN, other, PLAN, PLAN])
    ]
    assert store.previous_complete(PLAN.engagement) is None
    for number in numbers[:3]:
        store.set_state(number, RunState.COMPLETE, now=START)
    store.set_state(numbers[3], RunState.INCOMPLETE, now=START)
    for before, expected in ((None, 1), (numbers[4], 1), (numbers[1], 0)):
        found = store.previous_complete(PLAN.engagement, before=before)
        assert found is not None
        assert found.id == f"run-{expected}"
    assert store.previous_complete(PLAN.engagement, before=numbers[0]) is None


def test_events_are_read_in_the_order_of_their_times(store: Store, run: RunRecord) -> None:
    for after, text in ((5.0, "later"), (1.0, HOSTILE), (5.0, "later still")):
        store.add_event(run.number, "note", text, now=START + after)
    assert [event.text for event in store.events(run.number)] == [HOSTILE, "later", "later still"]


def test_verdicts_are_replaced_and_read_in_numeric_order(store: Store, run: RunRecord) -> None:
    texts = (
        "192.0.2.10:22",
        "192.0.2.9:443",
        "192.0.2.9:80",
        "[2001:db8::7]:22",
        "192.0.2.9:80/udp",
    )
    found = [
        replace(
            verdict(VerdictKind.CONFIRMED, Endpoint.parse(text), service=Service(banner=HOSTILE)),
            observations=(3, 1),
        )
        for text in texts
    ]
    store.save_verdicts(run.number, [verdict(VerdictKind.LIKELY)])
    store.save_verdicts(run.number, found)
    assert list(store.verdicts(run.number).values()) == sorted(found, key=lambda v: v.endpoint)
    store.save_verdicts(run.number, [])
    assert store.verdicts(run.number) == {}


def test_a_comparison_is_replaced_and_shows_both_sides(store: Store, run: RunRecord) -> None:
    after = store.create_run(PLAN, run_id="two", now=START + 100)
    old, new = verdict(VerdictKind.CONFIRMED), verdict(VerdictKind.REFUTED)
    store.save_verdicts(run.number, [old])
    store.save_verdicts(after.number, [new])
    change = Change(
        endpoint=WHERE,
        kind=ChangeKind.CLOSED,
        reason="refused",
        confidence=0.8,
        before=old,
        after=new,
    )
    for _ in range(2):
        store.save_comparison(after.number, run.number, ("the scope differs",), [change])
    found = store.comparison(after.number)
    assert found is not None
    assert (found.against, found.against_started) == (run.id, START)
    assert found.changes == (change,)
    assert found.differences == ("the scope differs",)
    assert store.comparison(run.number) is None


def test_open_earlier_is_what_earlier_complete_runs_of_the_engagement_believed(
    store: Store,
) -> None:
    kinds = (VerdictKind.CONFIRMED, VerdictKind.LIKELY, VerdictKind.REFUTED, VerdictKind.TRANSIENT)
    found = [
        verdict(kind, Endpoint(WHERE.address, Protocol.TCP, port))
        for port, kind in enumerate(kinds, start=1)
    ]
    runs = [
        store.create_run(plan, run_id=f"run-{place}", now=START)
        for place, plan in enumerate([PLAN, replace(PLAN, engagement="another"), PLAN, PLAN])
    ]
    for run, state in zip(
        runs, [RunState.COMPLETE, RunState.COMPLETE, RunState.INCOMPLETE], strict=False
    ):
        store.set_state(run.number, state, now=START)
    for place, run in enumerate(runs):
        store.save_verdicts(run.number, found if place == 0 else [verdict(VerdictKind.CONFIRMED)])
    for engagement in (PLAN.engagement, "another"):
        remember(store, engagement)
    wanted = [one.endpoint for one in found]
    earlier = open_earlier(store, PLAN.engagement, runs[3].number, wanted)
    assert {endpoint.port for endpoint in earlier} == {1, 2}
    assert open_earlier(store, PLAN.engagement, runs[3].number, wanted[1:]) == {wanted[1]}
    assert open_earlier(store, PLAN.engagement, runs[0].number, wanted) == frozenset()


# --- observations ------------------------------------------------------------------------------


@contextmanager
def fresh() -> Iterator[tuple[Store, Ledger]]:
    with TemporaryDirectory() as folder, Store(Path(folder) / "portproof.db") as store:
        yield store, Ledger(store, store.create_run(PLAN, run_id="one", now=START))


@given(
    st.builds(
        seen,
        st.just(sweep().method),
        st.sampled_from(list(PortState)),
        after=st.floats(0, 1e6),
        reason=texts,
        banner=texts,
        service=st.none() | services,
    )
)
@settings(max_examples=12)
def test_an_observation_is_read_as_it_was_filed(observation: Observation) -> None:
    with fresh() as (_, ledger):
        ledger.add_batches([batch()])
        ledger.file([sweep()])
        attempt = ledger.start(1, argv=(), rate=None, evidence="", now=START)
        assert ledger.settle(1, attempt, observations=[observation], now=START)
        (found,) = ledger.everything().observations[WHERE]
        assert replace(found, task=0, number=0) == replace(observation, number=0)
