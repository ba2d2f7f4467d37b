"""Give every endpoint that was named a verdict, a reason and a confidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.decide.others import Known, verdicts_of_others
from pipeline.decide.questions import verdicts
from pipeline.importing.parts import by_hosts
from pipeline.ledger import Ledger
from pipeline.model import Endpoint, Verdict, VerdictKind
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store


def classify(store: Store, run: RunRecord) -> dict[Endpoint, Verdict]:
    """Decide from what is filed, file the verdicts, and return them in the order of endpoints.

    Verdicts that were imported as such stay what they are.
    """
    if run.plan.imported:
        classify_others(store, run)
        return store.verdicts(run.number)
    found = verdicts(Ledger(store, run).everything())
    store.save_verdicts(run.number, found.values())
    return found


def classify_others(store: Store, run: RunRecord) -> Mapping[VerdictKind, int]:
    """The same for a run that was imported, in memory that does not grow with it.

    Returns how many verdicts there are of each kind.
    """
    if not run.plan.decided:
        store.save_verdicts(run.number, _of_others(store, run))
    return store.count_verdicts(run.number)


def _of_others(store: Store, run: RunRecord) -> Iterator[Verdict]:
    known: Known = {}
    for part in by_hosts(store, run):
        yield from verdicts_of_others(part, known).values()
