"""Say what changed since an earlier run of the same engagement, on coverage and not on hope."""

from __future__ import annotations

from pipeline.comparing import compare_runs
from pipeline.decide.compare import differences
from pipeline.model import Change, RunState
from pipeline.remembering import remember
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store


def compare_with_previous(store: Store, run: RunRecord) -> tuple[Change, ...] | None:
    """Compare with the newest complete run before this one and file the changes.

    A run against a baseline is compared with the run that was set as such, if one was.
    ``None`` when there is no such run, and for scans of others that nobody said the engagement of.
    The history is brought up to date on the way: what was ever open is in it, and a complete run
    becomes a part of it.
    """
    complete = run.state is RunState.COMPLETE
    remember(store, run.plan.engagement, closing=run if complete else None)
    if run.plan.imported and run.plan.previous_run is None:
        return None
    earlier = _earlier(store, run)
    if earlier is None:
        return None
    if earlier.purged is not None:
        # What it had asked is not known any more; what was found then stands.
        filed = store.comparison(run.number)
        return filed.changes if filed is not None else None
    changes = compare_runs(store, earlier, run)
    store.save_comparison(run.number, earlier.number, differences(earlier.plan, run.plan), changes)
    return changes


def _earlier(store: Store, run: RunRecord) -> RunRecord | None:
    plan = run.plan
    if plan.against_baseline and plan.baseline_run is not None:
        return next((r for r in store.runs() if r.number == plan.baseline_run), None)
    return store.previous_complete(plan.engagement, before=run.number)
