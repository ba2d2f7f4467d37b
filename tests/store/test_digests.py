"""Digests of hosts: a run has those of all its hosts, as its verdicts are, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from pipeline.model import Endpoint, Service, VerdictKind
from pipeline.store import schema
from pipeline.store.digests import digested, otherwise
from pipeline.store.pairs import differing
from pipeline.store.records import RunRecord, address_from_bytes
from pipeline.store.runs import INSERT_VERDICTS, Store, verdict_values
from tests.decide.making import GUESSED, PLAN, PROBED, START, endpoints, verdict

UNIVERSE = endpoints(
    *("192.0.2.7:22", "192.0.2.7:80", "192.0.2.7:80/udp", "192.0.2.9:22"),
    *("[2001:db8::7]:22", "[2001:db8::7]:80"),
)
SERVICES = (None, PROBED, GUESSED, Service(), replace(PROBED, banner='\'), ("tcp", 80\x00\u202e'))
said = st.tuples(st.sampled_from(VerdictKind), st.sampled_from(SERVICES))
runs = st.dictionaries(st.sampled_from(UNIVERSE), said)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Mapping[Endpoint, Any], Mapping[Endpoint, Any]]:
    """A run and a later one that says the same of most endpoints."""
    before = draw(runs)
    changed = draw(st.dictionaries(st.sampled_from(UNIVERSE), st.none() | said, max_size=2))
    after = {**before, **changed}
    return before, {where: what for where, what in after.items() if what is not None}


def file(store: Store, run: int, found: Mapping[Endpoint, Any], *, confidence: float = 0.9) -> None:
    verdicts = [
        verdict(kind, where, service=service, confidence=confidence)
        for where, (kind, service) in found.items()
    ]
    store.save_verdicts(run, verdicts)


def hosts(store: Store, run: int, than: int) -> set[str]:
    with store.reading() as connection:
        found = connection.execute(otherwise(run, than)).scalars()
        return {str(address_from_bytes(packed)) for packed in found}


@given(pairs())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_digests_differ_exactly_where_a_host_has_other_verdicts(
    store: Store, drawn: tuple[Mapping[Endpoint, Any], Mapping[Endpoint, Any]]
) -> None:
    before, after = (
        store.create_run(PLAN, run_id=str(len(store.runs())), now=START).number for _ in drawn
    )
    file(store, before, drawn[0])
    file(store, after, drawn[1], confidence=0.5)

    def of_hosts(found: Mapping[Endpoint, Any]) -> dict[str, dict[Endpoint, Any]]:
        sorted_out: dict[str, dict[Endpoint, Any]] = {}
        for where, what in found.items():
            sorted_out.setdefault(str(where.address), {})[where] = what
        return sorted_out

    old, new = map(of_hosts, drawn)
    assert hosts(store, before, after) == {h for h, said in old.items() if new.get(h) != said}
    assert hosts(store, after, before) == {h for h, said in new.items() if old.get(h) != said}

    quick = differing(store, before, after)
    with store.transaction() as connection:
        connection.execute(delete(schema.verdict_digests))
    assert differing(store, before, after) == quick


ROW = verdict_values(1, verdict(VerdictKind.CONFIRMED, UNIVERSE[0]))


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (INSERT_VERDICTS, ROW),
        (INSERT_VERDICTS.replace("INSERT", "INSERT OR REPLACE"), ROW),
        ("UPDATE verdicts SET kind = 'refuted' WHERE run = 1 AND port = 80", ()),
        ("UPDATE verdicts SET run = 1 WHERE run = 2", ()),
        ("DELETE FROM verdicts WHERE run = 1 AND port = 80", ()),
    ],
)
def test_whatever_is_done_to_the_verdicts_of_a_run_ends_its_digests(
    store: Store, statement: str, values: tuple[Any, ...]
) -> None:
    first, other, third = (
        store.create_run(PLAN, run_id=name, now=START).number for name in ("one", "two", "three")
    )
    for run, where in ((first, UNIVERSE[1]), (other, UNIVERSE[3]), (third, UNIVERSE[1])):
        file(store, run, {where: (VerdictKind.CONFIRMED, PROBED)})
    with store.transaction() as connection:
        assert digested(connection, first, other, third)
        connection.exec_driver_sql(statement, values)
        assert not digested(connection, first)
        assert digested(connection, third)
        assert not digested(connection, third, first)


def test_verdicts_that_are_filed_again_have_their_own_digests(store: Store, run: RunRecord) -> None:
    def filed() -> list[Any]:
        with store.reading() as connection:
            return list(connection.execute(select(schema.verdict_digests)))

    found = {UNIVERSE[0]: (VerdictKind.CONFIRMED, PROBED)}
    file(store, run.number, found)
    first = filed()
    file(store, run.number, {**found, UNIVERSE[3]: (VerdictKind.REFUTED, None)})
    assert len(filed()) == 2
    file(store, run.number, found)
    assert filed() == first
    file(store, run.number, {})
    assert filed() == []
