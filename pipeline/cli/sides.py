"""What people may write for one side of a comparison, and the run or file that is meant by it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Final

from pipeline.addresses import AddressSet
from pipeline.errors import UsageError
from pipeline.model import RunState
from pipeline.plan import RunPlan
from pipeline.render.difference import Origin
from pipeline.render.text import counted
from pipeline.store.baselines import baselines
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store

BASELINE: Final = "baseline"
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?")
_NETWORKS: Final = 4


def run_meant(store: Store, text: str, later: RunRecord | None = None) -> RunRecord:
    """The run that ``text`` names: an id, ``last``, ``last~2``, a date, or ``baseline``.

    A date means the newest complete run that began on that day (UTC) or before; a date with a
    time, the newest that began before then. ``later`` is the run that it is to be compared with: of
    its engagement, and begun before it. Raises :class:`UsageError` when there is none, when nothing
    was ever decided about it, and when its evidence was purged.
    """
    engagement = later.plan.engagement if later else None
    if text == BASELINE:
        record = _baseline(store, engagement)
    else:
        record = _of_date(store, text, later) if _DATE.fullmatch(text) else store.run(text)
    if record.state is RunState.RUNNING:
        raise UsageError(
            f"run {record.id} is still running, or was killed: its verdicts are not decided",
            where=str(store.path),
            hint="go on with it (`portproof resume`) before you compare it",
        )
    record.require_evidence()
    return record


def _baseline(store: Store, engagement: str | None) -> RunRecord:
    known = baselines(store)
    if engagement is None and len(known) == 1:
        (engagement,) = known
    if engagement not in known:
        raise UsageError(
            "no run has been set as a baseline" if not known else "which baseline is not clear",
            where=engagement or str(store.path),
            hint="`portproof baseline show` lists them",
        )
    return known[engagement].run


def _of_date(store: Store, text: str, later: RunRecord | None) -> RunRecord:
    before = moment(text, UTC, "a date")
    if later is None:
        record = store.newest_complete(before)
    else:
        record = store.newest_complete(min(before, later.started), later.plan.engagement)
    if record is None:
        than = f" before {later.id}" if later else ""
        raise UsageError(
            f"no complete run{than} began by {text}",
            where=str(store.path),
            hint="`portproof runs` lists the runs there are",
        )
    return record


def moment(text: str, zone: tzinfo, what: str) -> float:
    """The end of a day, or a time with its offset. Raises :class:`UsageError`."""
    from pipeline.engagement.fields import parse_moment  # slow to import, and seldom needed

    try:
        return parse_moment(text, zone, end=True)
    except ValueError as problem:
        raise UsageError(f"{what} {problem}") from None


def file_meant(text: str) -> Path | None:
    """The file that ``text`` names, if there is one; a run of that name is written otherwise."""
    path = Path(text)
    return path if text and path.is_file() else None


def origin_of(record: RunRecord) -> Origin:
    """How a run was made, for the header of a comparison."""
    problems = [file.problem for file in record.plan.imported if file.problem]
    if record.state is not RunState.COMPLETE:
        problems.append("the run was not finished, and knows only what it had asked by then")
    return origin_of_plan(record.id, record.started, record.plan, "; ".join(problems))


def origin_of_plan(name: str, started: float | None, plan: RunPlan, problem: str) -> Origin:
    """How something was made, from what is known of its plan."""
    particulars = tuple(_particulars(plan))
    return Origin(name=name, started=started, particulars=particulars, problem=problem)


def _particulars(plan: RunPlan) -> Iterator[tuple[str, str]]:
    policy = plan.policy
    if plan.engagement:
        yield "engagement", plan.engagement
    yield "scope", _scope(plan.scope.admitted)
    yield "ports", plan.ports
    yield "methods", ", ".join((policy.sweep, *policy.methods))
    rate = policy.ceilings.rate
    yield "rate", f"{rate} packets per second" if rate else "not known"
    yield "vantage", policy.vantage or "not known"
    yield "profile", plan.profile
    yield "tools", ", ".join(f"{name} {version}" for name, version in plan.tools) or "not known"
    for file in plan.imported:
        yield "file", f"{file.name}, SHA-256 {file.sha256}" if file.sha256 else file.name
        yield "arguments", file.arguments or "not known"


def _scope(admitted: AddressSet) -> str:
    texts = admitted.texts()
    more = f" and {len(texts) - _NETWORKS:,} more ranges" if len(texts) > _NETWORKS else ""
    some = ", ".join(texts[:_NETWORKS])
    return f"{counted(admitted.size, 'address', 'addresses')}: {some}{more}"
