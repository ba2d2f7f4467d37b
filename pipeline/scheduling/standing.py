"""Whether the last run of each engagement is recent and complete, for people and for monitors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from pipeline.model import RunState
from pipeline.render.exports.prometheus import Gauge, gauges_text
from pipeline.render.text import duration, iso, visible
from pipeline.scheduling.outgoing import (
    Outgoing,
    outgoing,
    outgoing_gauges,
    outgoing_json,
    outgoing_line,
)
from pipeline.store.outbox import Delivery
from pipeline.store.records import RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an engagement stands. Times are epoch seconds; ``problem`` is empty when all is well."""

    engagement: str
    last_run: str
    state: str
    started: float
    last_complete: float | None
    because: str
    problem: str
    outgoing: tuple[Outgoing, ...] = ()


def standing(
    runs: Sequence[RunRecord],
    *,
    now: float,
    max_age: float,
    going_on: bool,
    deliveries: Iterable[Delivery] = (),
) -> Standing | None:
    """How the engagement of some runs stands; ``None`` where nothing was ever sent for it.

    ``going_on``: somebody uses the workspace, so that a run that says it is running is believed.
    """
    ours = [run for run in runs if not run.plan.imported]
    if not ours:
        return None
    last = ours[-1]
    complete = [run for run in ours if run.state is RunState.COMPLETE]
    ended = (complete[-1].ended or complete[-1].started) if complete else None
    running = last.state is RunState.RUNNING and going_on
    sent = outgoing(one for one in deliveries if one.engagement == last.plan.engagement)
    problem = _problem(last, ended, now=now, max_age=max_age, running=running)
    return Standing(
        engagement=last.plan.engagement,
        last_run=last.id,
        state="running" if running else "complete" if last in complete[-1:] else "incomplete",
        started=last.started,
        last_complete=ended,
        because=last.stopped_because,
        problem=problem or _lost(sent, complete[-1].id if complete else ""),
        outgoing=sent,
    )


def _problem(
    last: RunRecord, ended: float | None, *, now: float, max_age: float, running: bool
) -> str:
    if last.state is not RunState.COMPLETE and not running:
        why = last.stopped_because or "it was killed, or this machine went down"
        return f"run {last.id} did not come to its end: {why}"
    if ended is None:
        return "no run has been complete yet"
    if now - ended > max_age:
        return f"the last complete run is {duration(now - ended)} old"
    if ended > now + 60:
        return "the last complete run ended in the future: a clock is wrong"
    return ""


def _lost(sent: Iterable[Outgoing], run: str) -> str:
    lost = [
        f"{one.destination} did not get the last run: {one.problem}"
        for one in sent
        if one.lost == run != ""
    ]
    return "; ".join(lost)


def standing_lines(found: Iterable[Standing], now: float) -> list[str]:
    """For people."""
    lines = []
    for one in found:
        word = "late  " if one.problem else "well  "
        ended = one.last_complete
        when = f"complete {duration(now - ended)} ago" if ended is not None else "never complete"
        lines.append(f"{word} {visible(one.engagement, 80)}: {when}; last run {one.last_run}")
        if one.state == "running":
            lines.append(f"       running since {iso(one.started)}")
        if one.problem:
            lines.append(f"       {visible(one.problem, 300)}")
        lines += [f"       {outgoing_line(sent, now)}" for sent in one.outgoing]
    return lines


def standing_json(found: Iterable[Standing], now: float) -> str:
    """For programs."""
    rows = []
    for one in found:
        ended = one.last_complete
        told = asdict(one)
        del told["outgoing"]
        rows.append(
            told
            | {
                "well": not one.problem,
                "started": iso(one.started),
                "last_complete": iso(ended) if ended is not None else None,
                "age": round(now - ended) if ended is not None else None,
                "deliveries": [outgoing_json(sent) for sent in one.outgoing],
            }
        )
    well = bool(rows) and all(row["well"] for row in rows)
    return json.dumps({"well": well, "engagements": rows}, indent=1)


_METRICS = (
    ("portproof_well", "Whether the last run is recent and complete."),
    ("portproof_running", "Whether a run is going on."),
    ("portproof_last_run_start_seconds", "When the last run began, in seconds since the epoch."),
    ("portproof_last_complete_seconds", "When the last complete run ended, 0 if none ever did."),
)


def standing_metrics(found: Sequence[Standing]) -> str:
    """For the textfile collector of Prometheus' node_exporter."""
    values = [
        (
            str(int(not one.problem)),
            str(int(one.state == "running")),
            f"{one.started:.0f}",
            f"{one.last_complete or 0:.0f}",
        )
        for one in found
    ]
    gauges = [
        Gauge(
            name=name,
            meaning=meaning,
            samples=tuple(
                ({"engagement": one.engagement}, told[place])
                for one, told in zip(found, values, strict=True)
            ),
        )
        for place, (name, meaning) in enumerate(_METRICS)
    ]
    return gauges_text([*gauges, *outgoing_gauges((o.engagement, o.outgoing) for o in found)])
