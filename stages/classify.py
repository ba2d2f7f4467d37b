"""Give every endpoint that was named a verdict, a reason and a confidence."""

from __future__ import annotations

from pipeline.decide.questions import verdicts, verdicts_of_others
from pipeline.ledger import Ledger
from pipeline.model import Endpoint, Verdict
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store


def classify(store: Store, run: RunRecord) -> dict[Endpoint, Verdict]:
    """Decide from what is filed, file the verdicts, and return them in the order of endpoints.

    Verdicts that were imported as such stay what they are.
    """
    if run.plan.decided:
        return store.verdicts(run.number)
    evidence = Ledger(store, run).everything()
    found = verdicts_of_others(evidence) if run.plan.imported else verdicts(evidence)
    store.save_verdicts(run.number, found.values())
    return found
