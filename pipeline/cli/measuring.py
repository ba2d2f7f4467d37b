"""Commands about baselines: what an engagement is measured by, instead of the run before."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import Format, Here, OutputFormat, RunReference, existing_database

if TYPE_CHECKING:
    from pipeline.plan import RunPlan
    from pipeline.store.runs import Store

baseline = typer.Typer(
    name="baseline",
    help="Set, show or clear the run that `run --baseline` compares with.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@baseline.command("set")
def set_(run: RunReference, workspace: Here = Path()) -> int:
    """Measure later runs of the engagement by this one."""
    from pipeline.errors import UsageError
    from pipeline.model import RunState
    from pipeline.store.baselines import set_baseline
    from pipeline.store.runs import Store

    with Store(existing_database(workspace)) as store:
        record = store.run(run)
        if record.state is not RunState.COMPLETE:
            raise UsageError(
                f"run {record.id} is not complete: what it did not ask would be taken for closed",
                hint="`portproof resume` goes on with it",
            )
        if record.purged is not None:
            raise UsageError(
                f"the evidence of run {record.id} was dropped: nobody knows what it had asked",
                hint="take a later run",
            )
        set_baseline(store, record, now=time.time())
    print(record.id)
    return 0


@baseline.command()
def show(workspace: Here = Path(), output: OutputFormat = Format.TEXT) -> int:
    """List the baselines of a workspace."""
    import json

    from pipeline.cli.looking import print_columns
    from pipeline.render.text import iso, visible
    from pipeline.store.baselines import baselines
    from pipeline.store.runs import Store

    with Store(existing_database(workspace)) as store:
        known = baselines(store)
    if output is Format.JSON:
        rows = [
            {
                "engagement": name,
                "run": found.run.id,
                "started": iso(found.run.started),
                "since": iso(found.since),
            }
            for name, found in known.items()
        ]
        print(json.dumps(rows, indent=1))
    elif known:
        heading = ("engagement", "run", "started", "baseline since")
        table = [
            (visible(name, 40), found.run.id, iso(found.run.started), iso(found.since))
            for name, found in known.items()
        ]
        print_columns([heading, *table])
    else:
        print("no run has been set as a baseline")
    return 0


@baseline.command()
def clear(
    engagement: Annotated[
        str, typer.Argument(metavar="[NAME]", help="Of this engagement, if there are several.")
    ] = "",
    workspace: Here = Path(),
) -> int:
    """Measure by no run any more."""
    from pipeline.errors import UsageError
    from pipeline.store.baselines import baselines, clear_baseline
    from pipeline.store.runs import Store

    with Store(existing_database(workspace)) as store:
        known = list(baselines(store))
        names = [engagement] if engagement else known
        if not names or names[0] not in known:
            raise UsageError("no run has been set as a baseline", where=engagement)
        if len(names) > 1:
            raise UsageError(
                "there are baselines of several engagements",
                hint=f"name one of them: {', '.join(known)}",
            )
        clear_baseline(store, names[0])
    print(names[0])
    return 0


def measured_now(plan: RunPlan, store: Store) -> RunPlan:
    """The plan of a stored run, measured by what the engagement's file says by now.

    Without the file, or when it is about another engagement, it is what it was.
    """
    from pipeline.engagement import load

    path = Path(plan.engagement_file)
    if path.exists():
        engagement = load(path)
        if engagement.name == plan.engagement:
            plan = replace(
                plan,
                expected=engagement.expected,
                act_on=engagement.act_on,
                suppressions=engagement.suppressions,
            )
    return measured(plan, store)


def measured(plan: RunPlan, store: Store) -> RunPlan:
    """The plan, bound to its list of expected ports, to the run that is the baseline, or to both.

    Raises ``UsageError`` when there is neither.
    """
    from pipeline.errors import UsageError
    from pipeline.store.baselines import baselines

    found = baselines(store).get(plan.engagement)
    if plan.expected is None and found is None:
        raise UsageError(
            f"the engagement {plan.engagement!r} has no baseline",
            hint="`portproof baseline set RUN` takes a run for one; `baseline:` in the engagement "
            "names a list of expected ports",
        )
    run = found.run.number if found is not None else None
    return replace(plan, against_baseline=True, baseline_run=run)
