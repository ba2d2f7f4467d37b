"""Say what changed since the previous run of the same engagement, on coverage and not on hope."""

from __future__ import annotations

from pipeline.decide.compare import Side, compare, differences
from pipeline.decide.coverage import Coverage
from pipeline.ledger import Ledger
from pipeline.model import Change, RunState
from pipeline.remembering import remember
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store


def compare_with_previous(store: Store, run: RunRecord) -> tuple[Change, ...] | None:
    """Compare with the newest complete run before this one and file the changes.

    ``None`` when there is no such run. The history is brought up to date on the way: what was ever
    open is in it, and a complete run becomes a part of it.
    """
    complete = run.state is RunState.COMPLETE
    remember(store, run.plan.engagement, closing=run if complete else None)
    earlier = store.previous_complete(run.plan.engagement, before=run.number)
    if earlier is None:
        return None
    changes = compare(
        _side(store, earlier),
        _side(store, run),
        seen_open_earlier=store.ever_open(run.plan.engagement, before=run.number),
    )
    store.save_comparison(run.number, earlier.number, differences(earlier.plan, run.plan), changes)
    return changes


def _side(store: Store, run: RunRecord) -> Side:
    evidence = Ledger(store, run).everything()
    coverage = Coverage(evidence.tasks, evidence.holes)
    return Side(verdicts=store.verdicts(run.number), asked=coverage.asked)
