"""What changed between any two runs: from the store, and as little of it as that takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from pipeline.addresses import Address
from pipeline.decide.compare import GONE, OPEN, Side, changes_of, never
from pipeline.decide.coverage import Coverage
from pipeline.decide.standing import Mood, standings
from pipeline.ledger import Ledger
from pipeline.model import Change, Endpoint, Protocol, VerdictKind
from pipeline.ports import PortSet
from pipeline.store.pairs import Pairs, answering, differing, open_earlier, refusals_on
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
    was_open = [e for e, verdict in pairs.before.items() if verdict.kind in OPEN]
    had = {e.address for e in was_open if e not in pairs.after or pairs.after[e].kind in GONE}
    came = [e for e, verdict in pairs.after.items() if verdict.kind in OPEN]
    old, new = _Asked(store, before), _Asked(store, after)
    refused = _refused(store, after, _worth_looking(pairs, after))

    def is_refused(endpoint: Endpoint) -> bool:
        return endpoint.port in refused.get((endpoint.address, endpoint.protocol), NO_PORTS)

    answered = answering(store, after.number, had)
    return changes_of(
        Side(verdicts=pairs.before, asked=old.asked, why=old.why),
        Side(
            verdicts=pairs.after,
            asked=new.asked,
            why=new.why,
            refused=is_refused,
            counted=is_refused if after.plan.imported else never,
        ),
        silent=had - answered - {address for address, _ in refused},
        seen_open_earlier=open_earlier(store, before.plan.engagement, before.number, came),
    )


def _worth_looking(pairs: Pairs, run: RunRecord) -> set[Address]:
    """The hosts of which the refusals of a run matter; in files they tell what was counted."""
    lost = pairs.before.keys() - pairs.after.keys()
    closed = (e for e, said in pairs.after.items() if said.kind is VerdictKind.REFUTED)
    return {e.address for e in (*lost, *(closed if run.plan.imported else ()))}


def _refused(
    store: Store, run: RunRecord, hosts: Collection[Address]
) -> Mapping[tuple[Address, Protocol], PortSet]:
    """What refused the searches of a run, on hosts that did not turn us away meanwhile.

    A run of ours asks again about what the run before it called open, and has a verdict on it. Of
    what an earlier run knew, and of what others scanned, the searches alone tell.
    """
    refused = refusals_on(store, run.number, hosts)
    if run.plan.imported or not refused:
        return refused
    turned = _turned_us_away(store, run, {address for address, _ in refused})
    return {where: ports for where, ports in refused.items() if where[0] not in turned}


def _turned_us_away(store: Store, run: RunRecord, hosts: Collection[Address]) -> set[Address]:
    """Those of the hosts that refused everything at some time, by the canaries of the run."""
    ledger = Ledger(store, run)
    turned: set[Address] = set()
    for batch in ledger.batches():
        if any(address in batch.targets for address in hosts):
            known = standings(ledger.evidence(batch)).hosts
            turned |= {
                address
                for address, standing in known.items()
                if any(episode.mood is Mood.REFUSING for episode in standing.episodes)
            }
    return turned


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
