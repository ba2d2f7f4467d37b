"""Runs of the past, filed as if they had been made: what a test of comparisons begins with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pipeline.ledger import Ledger
from pipeline.model import RunState, Service, Task, Verdict, VerdictKind
from pipeline.plan import RunPlan
from pipeline.remembering import remember
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from pipeline.workspace import Workspace
from tests.decide.making import PLAN, START, batch, endpoints, sweep, verdict

DAY = 86_400.0


@contextmanager
def past(folder: Path) -> Iterator[Store]:
    """The database of a workspace."""
    with Store(Workspace(folder.absolute()).database) as store:
        yield store


def file_run(
    store: Store,
    id_: str,
    verdicts: Iterable[Verdict],
    *,
    day: int = 0,
    plan: RunPlan = PLAN,
    state: RunState = RunState.COMPLETE,
    asked: Task | None = None,
) -> RunRecord:
    """One more run, ``day`` days after the first, that swept what ``asked`` says."""
    began = START + day * DAY
    run = store.create_run(plan, run_id=id_, now=began)
    ledger = Ledger(store, run)
    ledger.add_batches([batch()])
    ledger.file([asked or sweep("192.0.2.0/28")])
    for record in ledger.tasks():
        attempt = ledger.start(record.number, argv=("nmap",), rate=None, evidence="", now=began)
        ledger.settle(record.number, attempt, observations=(), now=began + 60)
    store.save_verdicts(run.number, verdicts)
    if state is not RunState.RUNNING:
        store.set_state(run.number, state, now=began + 120)
    if state is RunState.COMPLETE:
        remember(store, plan.engagement)
    return replace(run, state=state)


def found(
    where: str, kind: VerdictKind = VerdictKind.CONFIRMED, service: Service | None = None
) -> Verdict:
    """A verdict on an endpoint as people write it."""
    (endpoint,) = endpoints(where)
    reasons = {VerdictKind.REFUTED: "refused", VerdictKind.FILTERED: "no-answer"}
    reason = reasons.get(kind, "service-spoke")
    return verdict(kind, endpoint, reason=reason, service=service)
