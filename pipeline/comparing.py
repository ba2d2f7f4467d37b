"""What changed between any two runs: from the store, and as little of it as that takes."""

from __future__ import annotations

from typing import Final

from pipeline.decide.compare import OPEN, Side, changes_of
from pipeline.decide.coverage import Coverage
from pipeline.ledger import Ledger
from pipeline.model import Change, Endpoint
from pipeline.ports import PortSet
from pipeline.store.pairs import answering, differing, open_earlier, refusals_on
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store

NO_PORTS: Final = PortSet()


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
