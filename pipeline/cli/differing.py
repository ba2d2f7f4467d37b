"""Two sides, each a run or a file, as one comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.addresses import Address
from pipeline.cli.edge import complain
from pipeline.cli.options import existing_database
from pipeline.cli.sides import file_meant, origin_of, run_meant
from pipeline.comparing import compare_runs
from pipeline.decide.compare import compare, differences
from pipeline.decide.identity import IdentityNote, identifies, identities
from pipeline.decide.noise import History, Wishes, sort_out
from pipeline.errors import UsageError
from pipeline.model import Change, Endpoint, Verdict
from pipeline.render.difference import Diff
from pipeline.store.pairs import histories, verdicts_on
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store

if TYPE_CHECKING:
    from pipeline.cli.halves import Half
    from pipeline.importing.question import Scanned


def diff_of(
    before: str,
    after: str,
    *,
    workspace: Path,
    wishes: Wishes,
    engagement: Path | None,
    scanned: Sequence[Scanned],
    now: float,
) -> Diff:
    """Compare what the two texts mean; the database is opened when one of them means a run.

    Suppressions are those of ``engagement``, or of the file that the later run was begun with.
    """
    if engagement is not None:
        wishes = _with_those_of(engagement, wishes)
    old, new = file_meant(before), file_meant(after)
    if old is not None or new is not None:
        return _of_files(before, after, workspace, wishes, engagement, scanned, now)
    with Store(existing_database(workspace)) as store:
        record = run_meant(store, after)
        wishes = wishes if engagement else _as_of(record, wishes)
        return _of_runs(store, before, record, wishes, now)


def _of_files(
    before: str,
    after: str,
    workspace: Path,
    wishes: Wishes,
    engagement: Path | None,
    scanned: Sequence[Scanned],
    now: float,
) -> Diff:
    """Of two sides at least one of which is a file."""
    from pipeline.cli.halves import of_file, of_run, of_two_files, worth_asking

    old, new = file_meant(before), file_meant(after)
    if old is not None and new is not None:
        return _of_halves(*of_two_files(old, new, scanned=scanned, now=now), wishes, now)
    if not before:
        raise UsageError("a file is compared with nothing", hint="name the earlier side, too")
    with Store(existing_database(workspace)) as store:
        record = run_meant(store, before if old is None else after)
        run = of_run(store, record, origin_of(record))
        if old is not None:
            wishes = wishes if engagement else _as_of(record, wishes)
            file = of_file(old, expected=(), scanned=scanned, now=now)
            return _of_halves(file, run, wishes, now)
        file = of_file(Path(after), expected=worth_asking(run), scanned=scanned, now=now)
        return _of_halves(run, file, wishes, now)


def _of_halves(old: Half, new: Half, wishes: Wishes, now: float) -> Diff:
    changes: list[Change] = []
    identified: tuple[dict[Endpoint, Verdict], dict[Endpoint, Verdict]] = ({}, {})
    for sides in zip(old.sides, new.sides, strict=True):
        found = compare(*sides)
        changes += found
        hosts = _identified(found)
        for known, side in zip(identified, sides, strict=True):
            known.update((e, v) for e, v in side.verdicts.items() if e.address in hosts)
    return Diff(
        before=old.origin,
        after=new.origin,
        differences=differences(old.plan, new.plan),
        found=sort_out(changes, wishes, now=now),
        identities=identities(*identified),
    )


def _as_of(run: RunRecord, wishes: Wishes) -> Wishes:
    """With the suppressions that the engagement file of a run has by now."""
    path = Path(run.plan.engagement_file)
    if run.plan.imported:
        return wishes
    if not path.exists():
        complain(f"{path} is gone, so nothing is suppressed; name another with --engagement")
        return wishes
    return _with_those_of(path, wishes)


def _with_those_of(path: Path, wishes: Wishes) -> Wishes:
    from pipeline.engagement import load  # half of the time that the program takes to start

    return replace(wishes, suppressions=load(path).suppressions)


def _of_runs(store: Store, before: str, new: RunRecord, wishes: Wishes, now: float) -> Diff:
    old = run_meant(store, before, new) if before else _run_before(store, new)
    return between(store, old, new, wishes, now=now)


def between(store: Store, old: RunRecord, new: RunRecord, wishes: Wishes, *, now: float) -> Diff:
    """Two runs of the store as one comparison; suppressions hold that have not expired ``now``."""
    changes = compare_runs(store, old, new)
    endpoints = [change.endpoint for change in changes]
    past = histories(store, new.plan.engagement, new.number, endpoints)
    return Diff(
        before=origin_of(old),
        after=origin_of(new),
        differences=differences(old.plan, new.plan),
        found=sort_out(
            changes,
            wishes,
            histories={endpoint: History(kinds=kinds) for endpoint, kinds in past.items()},
            now=now,
        ),
        identities=_identities(store, old, new, changes),
    )


def _run_before(store: Store, run: RunRecord) -> RunRecord:
    earlier = store.previous_complete(run.plan.engagement, before=run.number)
    if earlier is None:
        raise UsageError(
            f"there is no complete run before {run.id} to compare it with",
            where=str(store.path),
            hint="`portproof runs` lists the runs there are",
        )
    return earlier


def _identities(
    store: Store, old: RunRecord, new: RunRecord, changes: Sequence[Change]
) -> tuple[IdentityNote, ...]:
    hosts = _identified(changes)
    if not hosts:
        return ()
    return identities(verdicts_on(store, old.number, hosts), verdicts_on(store, new.number, hosts))


def _identified(changes: Sequence[Change]) -> frozenset[Address]:
    """The hosts of changes about services that a host key or a certificate is known of."""
    return frozenset(
        change.endpoint.address
        for change in changes
        for side in (change.before, change.after)
        if side is not None and side.service is not None and identifies(side.service)
    )
