"""What is compared inside the database comes to the same as what is compared in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from fixtures.bench_diff import PORTS, file_runs, measure
from pipeline.comparing import compare_runs
from pipeline.decide import reasons
from pipeline.decide.compare import Side, compare
from pipeline.decide.coverage import Coverage
from pipeline.ledger import Ledger
from pipeline.model import (
    Change,
    ChangeKind,
    Endpoint,
    Method,
    Observation,
    PortState,
    Purpose,
    Refusals,
    RunState,
    StageName,
    Task,
    Verdict,
    VerdictKind,
)
from pipeline.ports import PortSet
from pipeline.store import schema
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from pipeline.workspace import Workspace
from stages.compare import compare_with_previous
from tests.cli.past import DAY, file_run, past
from tests.decide.making import (
    GUESSED,
    PLAN,
    PROBED,
    START,
    WHERE,
    batch,
    endpoints,
    seen,
    sweep,
    task,
    verdict,
)

UNIVERSE = endpoints("192.0.2.7:22", "192.0.2.7:80", "192.0.2.9:22", "192.0.2.9:443")
ASKED = (sweep("192.0.2.7"), sweep("192.0.2.0/28", ports="22,80"), sweep("192.0.2.0/28"))


def in_memory(store: Store, run: RunRecord) -> Side:
    ledger = Ledger(store, run)
    coverage = Coverage(ledger.tasks(), ledger.holes())
    return Side(verdicts=store.verdicts(run.number), asked=coverage.asked, why=coverage.why)


@st.composite
def verdicts(draw: st.DrawFn) -> list[Verdict]:
    found = []
    for where in UNIVERSE:
        kind = draw(st.sampled_from([None, *VerdictKind]))
        reason = draw(st.sampled_from(["service-spoke", reasons.ICMP_REFUSED, reasons.NO_ANSWER]))
        service = draw(st.sampled_from([None, PROBED, GUESSED]))
        if kind is not None:
            found.append(verdict(kind, where, reason=reason, service=service))
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@given(st.lists(st.tuples(verdicts(), st.sampled_from(ASKED)), min_size=3, max_size=3))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_two_runs_differ_in_the_database_as_they_do_in_memory(
    place: Path, drawn: Iterable[tuple[list[Verdict], Task]]
) -> None:
    with past(place) as store:
        start = len(store.runs())
        earlier, before, after = (
            file_run(store, f"run-{start + n}", found, day=start + n, asked=asked)
            for n, (found, asked) in enumerate(drawn)
        )
        sides = {run.id: in_memory(store, run) for run in (earlier, before, after)}
        there = compare_runs(store, before, after)
        assert unlike_reappearing(there) == unlike_reappearing(
            compare(sides[before.id], sides[after.id])
        )
        back = compare_runs(store, after, before)
        assert {change.endpoint for change in back} == {change.endpoint for change in there}
        assert compare_runs(store, after, after) == ()
        with store.transaction() as connection:  # as runs of older versions are
            connection.execute(delete(schema.verdict_digests))
        assert compare_runs(store, before, after) == there
        assert compare_runs(store, after, before) == back


def unlike_reappearing(changes: Iterable[Change]) -> list[tuple[Endpoint, str, str, str, object]]:
    """Without what only all the runs before can tell."""
    return [
        (
            change.endpoint,
            "opened" if change.kind is ChangeKind.REAPPEARED else change.kind.value,
            change.reason,
            change.note,
            (change.before, change.after, change.confidence),
        )
        for change in changes
    ]


def test_a_run_that_is_closed_is_compared_with_the_one_before(tmp_path: Path) -> None:
    with past(tmp_path) as store:
        file_run(store, "one", [verdict(VerdictKind.CONFIRMED)])
        after = file_run(store, "two", [verdict(VerdictKind.REFUTED, reason="refused")], day=1)
        changes = compare_with_previous(store, after)
        assert changes is not None
        assert [change.kind for change in changes] == [ChangeKind.CLOSED]


def test_the_benchmark_changes_one_endpoint_in_a_hundred(tmp_path: Path) -> None:
    file_runs(tmp_path, 400)
    with Store(Workspace(tmp_path).database) as store:
        before, after = store.runs()
        changes = compare_runs(store, before, after)
        assert changes == compare(in_memory(store, before), in_memory(store, after))
    assert 0.003 < len(changes) / (400 * len(PORTS)) < 0.03
    assert measure(tmp_path).changes == len(changes)


OPENED = endpoints("192.0.2.7:22", "192.0.2.7:80", "192.0.2.7:443")


def canaries(state: PortState, round_: int) -> tuple[Task, list[Observation]]:
    asked = task(
        Method.HANDSHAKE,
        ports="22,80,443",
        purpose=Purpose.CANARY,
        stage=StageName.DISCOVER,
        round_=round_,
    )
    heard = [
        seen(Method.HANDSHAKE, state, where=where, purpose=Purpose.CANARY, round_=round_)
        for where in OPENED
    ]
    return asked, heard


def searched(store: Store, *, turns: bool) -> RunRecord:
    """A run that searched and was refused where an earlier one had found something open."""
    run = store.create_run(PLAN, run_id="later", now=START + DAY)
    ledger = Ledger(store, run)
    ledger.add_batches([batch()])
    swept = sweep("192.0.2.0/28", ports="22,80,443,8080")
    opened = [seen(Method.MASSCAN_SYN, where=where) for where in OPENED]
    said = [(swept, opened if turns else [])]
    said += [canaries(PortState.CLOSED, 1), canaries(PortState.OPEN, 2)] if turns else []
    ledger.file([asked for asked, _ in said])
    for place, (record, (_, heard)) in enumerate(zip(ledger.tasks(), said, strict=True)):
        now = START + DAY + 10.0 * place
        attempt = ledger.start(record.number, argv=("nmap",), rate=None, evidence="", now=now)
        refusals = [Refusals(address=WHERE.address, ports=PortSet.parse("8080"))]
        ledger.settle(
            record.number,
            attempt,
            observations=[replace(o, time=now + 5) for o in heard],
            refusals=refusals if place == 0 else (),
            now=now + 5,
        )
    store.save_verdicts(run.number, [])
    store.set_state(run.number, RunState.COMPLETE, now=START + DAY + 120)
    return replace(run, state=RunState.COMPLETE)


@pytest.mark.parametrize(
    ("turns", "kind", "reason"),
    [
        (False, ChangeKind.CLOSED, reasons.REFUSED),
        (True, ChangeKind.UNREACHABLE, reasons.NO_ANSWER),
    ],
    ids=["a refusal of a witness", "a refusal of a host that turned us away"],
)
def test_what_refused_a_search_of_ours_is_closed_unless_all_of_it_did(
    tmp_path: Path, turns: bool, kind: ChangeKind, reason: str
) -> None:
    """Between runs that do not follow each other nobody asked again about what was open."""
    with past(tmp_path) as store:
        (where,) = endpoints("192.0.2.7:8080")
        before = file_run(store, "one", [verdict(VerdictKind.CONFIRMED, where)])
        (change,) = compare_runs(store, before, searched(store, turns=turns))
        assert (change.endpoint, change.kind, change.reason) == (where, kind, reason)
