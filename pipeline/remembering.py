"""Keep the history of an engagement in step with its runs: from their verdicts and coverage."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

from pipeline.addresses import Address
from pipeline.decide.coverage import Coverage
from pipeline.decide.history import Look
from pipeline.ledger import Ledger
from pipeline.model import Endpoint
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from pipeline.store.spells import file_run, forgotten


def remember(store: Store, engagement: str, closing: RunRecord | None = None) -> None:
    """File the spells of every complete run that is not in them as it is, and of ``closing``.

    That one is about to be complete. Each run is one transaction. Runs whose evidence is gone stay
    as they were remembered.
    """
    runs = {run.number: run for run in store.runs(engagement)}

    @lru_cache(maxsize=4)  # each may have a million verdicts
    def look(number: int) -> Look | None:
        run = runs[number]
        if run.purged is not None:
            return None
        return Look(run=number, verdicts=store.verdicts(number), asked=asked_in(store, run))

    waiting = list(forgotten(store, engagement))
    if closing is not None and closing.number not in waiting:
        waiting.append(closing.number)
    for number in waiting:
        found = look(number)
        if found is not None:
            file_run(store, number, engagement, look, found.verdicts)


def asked_in(store: Store, run: RunRecord) -> Callable[[Endpoint | Address], bool]:
    """Whether a run asked about an endpoint, or about anything on an address.

    Its ledger is read when somebody wants to know.
    """

    @cache
    def coverage() -> Coverage:
        ledger = Ledger(store, run)
        refusals = ledger.refusals() if run.plan.imported else ()
        return Coverage(ledger.tasks(), ledger.holes(), refusals)

    def asked(where: Endpoint | Address) -> bool:
        if isinstance(where, Endpoint):
            return coverage().asked(where)
        return coverage().asked_any(where)

    return asked
