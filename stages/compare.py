"""Say what changed since an earlier run of the same engagement, on coverage and not on hope."""

from __future__ import annotations

from typing import Final

from pipeline.decide.compare import OPEN, Side, changes_of, differences
from pipeline.decide.coverage import Coverage
from pipeline.ledger import Ledger
from pipeline.model import Change, Endpoint, RunState
from pipeline.ports import PortSet
from pipeline.remembering import remember
from pipeline.store.pairs import answering, differing, open_earlier, refusals_on
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store

NO_PORTS: Final = PortSet()


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


def compare_runs(store: Store, before: RunRecord, after: RunRecord) -> tuple[Change, ...]:
    """The changes between any two runs whose verdicts are filed, in the order of endpoints.

    Only endpoints on which the two differ are read; of the tasks and what they gave up on, only
    what is needed to tell *not asked* from *no answer*. Raises :class:`UsageError` when the
    evidence of one of them was purged.
    """
    for run in (before, after):
        run.require_evidence()
    pairs = differing(store, before.number, after.number)
    had = {e.address for e, verdict in pairs.before.items() if verdict.kind in OPEN}
    came = [e for e, verdict in pairs.after.items() if verdict.kind in OPEN]
    old, new = _Asked(store, before), _Asked(store, after)
    lost = {e.address for e in pairs.before.keys() - pairs.after.keys()}
    # What a scan of ours heard is in its verdicts; others only tell that a port was closed.
    refused = refusals_on(store, after.number, lost) if after.plan.imported else {}
    answered = answering(store, after.number, had)
    return changes_of(
        Side(verdicts=pairs.before, asked=old.asked, why=old.why),
        Side(
            verdicts=pairs.after,
            asked=new.asked,
            why=new.why,
            refused=lambda e: e.port in refused.get((e.address, e.protocol), NO_PORTS),
        ),
        silent=had - answered - {address for address, _ in refused},
        seen_open_earlier=open_earlier(store, before.plan.engagement, before.number, came),
    )


class _Asked:
    """The coverage of a run, read when somebody asks for the first time."""

    def __init__(self, store: Store, run: RunRecord) -> None:
        self._store, self._run = store, run
        self._read: Coverage | None = None

    def asked(self, endpoint: Endpoint) -> bool:
        return self._coverage().asked(endpoint)

    def why(self, endpoint: Endpoint) -> tuple[str, str]:
        return self._coverage().why(endpoint)

    def _coverage(self) -> Coverage:
        if self._read is None:
            ledger = Ledger(self._store, self._run)
            # Our own tasks asked everything that refused them.
            refusals = ledger.refusals() if self._run.plan.imported else ()
            self._read = Coverage(ledger.tasks(), ledger.holes(), refusals)
        return self._read
