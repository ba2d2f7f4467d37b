"""What is folded and suppressed is never lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import AddressSet, parse_address
from pipeline.decide.noise import (
    CROWD,
    EPHEMERAL_CROWD,
    FoldKind,
    History,
    Wishes,
    sort_out,
)
from pipeline.decide.suppression import Suppression
from pipeline.model import Change, ChangeKind, Endpoint, Protocol, VerdictKind
from pipeline.ports import PortSet
from tests.decide.making import START

HOST, OTHER = parse_address("192.0.2.7"), parse_address("192.0.2.9")
FLAPS = History(kinds=(VerdictKind.CONFIRMED, None, VerdictKind.LIKELY, VerdictKind.REFUTED))
RULE = Suppression(reason="known", until=START + 10, until_text="2026-11-04")


def changed(port: int, kind: ChangeKind = ChangeKind.OPENED, host: object = HOST) -> Change:
    address = OTHER if host is OTHER else HOST
    where = Endpoint(address, Protocol.TCP, port)
    return Change(endpoint=where, kind=kind, reason="refused", confidence=0.9)


changes = st.lists(
    st.builds(
        changed,
        st.one_of(st.integers(1, 40), st.integers(32760, 32790)),
        st.sampled_from(ChangeKind),
        st.sampled_from([HOST, OTHER]),
    ),
    unique_by=lambda change: change.endpoint,
    max_size=60,
)


@given(changes, st.sets(st.sampled_from(ChangeKind), max_size=3), st.booleans(), st.data())
@settings(max_examples=60)
def test_every_change_is_told_folded_suppressed_or_counted_once(
    found: list[Change], only: set[ChangeKind], fold: bool, data: st.DataObject
) -> None:
    suppressions = (
        replace(RULE, ports=PortSet(((1, 5),))),
        replace(RULE, kinds=frozenset({ChangeKind.CLOSED}), until=START - 1),
    )
    wishes = Wishes(only=frozenset(only), fold=fold, suppressions=suppressions)
    histories = {c.endpoint: FLAPS for c in found if data.draw(st.booleans())}
    result = sort_out(found, wishes, histories=histories, now=START)
    told = [c.endpoint for c in (*result.changes, *(each.change for each in result.suppressed))]
    assert len(told) == len(set(told))
    assert len(told) + result.unwanted == len(found)
    assert fold or not result.folds
    assert {c.kind for c in result.changes} <= (only or set(ChangeKind))


def test_many_ephemeral_ports_of_one_host_are_one_fold() -> None:
    found = [changed(40000 + n) for n in range(EPHEMERAL_CROWD)]
    result = sort_out([changed(22), *found], Wishes(), now=START)
    assert [c.endpoint.port for c in result.told] == [22]
    (fold,) = result.folds
    assert (fold.kind, fold.changes) == (FoldKind.EPHEMERAL, tuple(found))
    assert sort_out(found[1:], Wishes(), now=START).folds == ()
    assert sort_out(found, Wishes(fold=False), now=START).told == tuple(found)


def test_ports_that_were_not_covered_are_no_noise_of_the_system() -> None:
    found = [changed(40000 + n, ChangeKind.NOT_COVERED) for n in range(CROWD)]
    assert sort_out(found, Wishes(), now=START).folds == ()


def test_more_of_one_kind_on_one_host_than_a_crowd_are_one_fold() -> None:
    found = [changed(n, ChangeKind.VERDICT_CHANGED) for n in range(1, CROWD + 2)]
    (fold,) = sort_out([*found, changed(80, host=OTHER)], Wishes(), now=START).folds
    assert (fold.kind, fold.ports) == (FoldKind.CROWD, PortSet(((1, CROWD + 1),)))


def test_an_endpoint_that_comes_and_goes_is_folded_with_its_history() -> None:
    result = sort_out(
        [changed(8080), changed(22)],
        Wishes(),
        histories={changed(8080).endpoint: FLAPS, changed(22).endpoint: History()},
        now=START,
    )
    (fold,) = result.folds
    assert (fold.kind, fold.histories) == (FoldKind.FLAPPING, (FLAPS,))
    assert FLAPS.turns == 3
    assert [c.endpoint.port for c in result.told] == [22]


@pytest.mark.parametrize(
    "rule",
    [
        RULE,
        replace(RULE, addresses=AddressSet.parse(["192.0.2.0/28"])),
        replace(RULE, protocol=Protocol.TCP, ports=PortSet(((22, 22),))),
        replace(RULE, kinds=frozenset({ChangeKind.OPENED, ChangeKind.CLOSED})),
    ],
)
def test_a_suppression_holds_until_it_ends_and_is_then_reported(rule: Suppression) -> None:
    one = changed(22)
    before = sort_out([one], Wishes(suppressions=(rule,)), now=rule.until - 1)
    assert (before.changes, before.expired) == ((), ())
    assert [(each.change, each.by) for each in before.suppressed] == [(one, rule)]
    after = sort_out([one], Wishes(suppressions=(rule,)), now=rule.until)
    assert (after.changes, after.suppressed, after.expired) == ((one,), (), (rule,))


@pytest.mark.parametrize(
    "rule",
    [
        replace(RULE, addresses=AddressSet.parse(["192.0.2.9"])),
        replace(RULE, protocol=Protocol.UDP),
        replace(RULE, ports=PortSet(((23, 30),))),
        replace(RULE, kinds=frozenset({ChangeKind.CLOSED})),
        replace(RULE, ports=PortSet(((22, 22),)), kinds=frozenset({ChangeKind.CLOSED})),
    ],
)
def test_a_suppression_of_something_else_changes_nothing(rule: Suppression) -> None:
    result = sort_out([changed(22)], Wishes(suppressions=(rule,)), now=START)
    assert [c.endpoint.port for c in result.told] == [22]
