"""Commands that send packets: run, resume, verify."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import (
    DEFAULT_FILE,
    AgainstBaseline,
    EngagementFile,
    Format,
    Here,
    OutputFormat,
    Quiet,
    WaitForWindow,
    WorkspaceFolder,
    existing_database,
    seconds_of,
    workspace_of,
)

if TYPE_CHECKING:
    from pipeline.cli.conduct import Outcome
    from pipeline.cli.console import Console
    from pipeline.store.runs import Store


def run(
    engagement: EngagementFile = DEFAULT_FILE,
    workspace: WorkspaceFolder = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and send nothing.")
    ] = False,
    until_settled: Annotated[
        str,
        typer.Option(
            "--until-settled",
            metavar="TIME",
            help="Repeat the last re-scan this long, such as 30m, while endpoints are in doubt.",
        ),
    ] = "",
    wait_for_window: WaitForWindow = False,
    scheduled: Annotated[
        str,
        typer.Option(
            "--scheduled",
            metavar="TIMES",
            help="When runs begin by themselves: tells which of them were missed or failed.",
        ),
    ] = "",
    baseline: AgainstBaseline = False,
    quiet: Quiet = False,
    output: OutputFormat = Format.TEXT,
) -> int:
    """Scan what the engagement admits, prove what is open, and write the report."""
    from pipeline.cli.conduct import conduct, start
    from pipeline.cli.console import Console
    from pipeline.cli.starting import check
    from pipeline.engagement import load
    from pipeline.store.runs import Store

    if dry_run:
        return check(engagement, workspace, output)
    now = time.time()
    loaded = load(engagement, now=now)
    if baseline:
        loaded = replace(loaded, against_baseline=True)
    if until_settled:
        loaded = replace(loaded, until_settled=seconds_of(until_settled, "--until-settled"))
    place = workspace_of(engagement, workspace)
    console = Console(quiet=quiet)
    with place.lock(now=now) as lock, Store(place.database) as store:
        notes = _troubles(store, loaded.name, scheduled, now=now)
        record = start(loaded, place, store, now=now, waits=wait_for_window, notes=notes)
        _introduce(console, record.id, record.plan.notes)
        outcome = conduct(record, place, store, console, lock=lock, waits=wait_for_window)
    return _conclude(outcome, console, output)


def resume(
    run_id: Annotated[
        str,
        typer.Argument(metavar="[RUN]", help="The run to go on with; else the newest unfinished."),
    ] = "",
    workspace: Here = Path(),
    wait_for_window: WaitForWindow = False,
    quiet: Quiet = False,
    output: OutputFormat = Format.TEXT,
) -> int:
    """Go on with a run that was interrupted, killed, or ran out of disk."""
    from pipeline.cli.conduct import begin_again, conduct
    from pipeline.cli.console import Console
    from pipeline.cli.renewing import renewed
    from pipeline.errors import UsageError
    from pipeline.model import RunState
    from pipeline.store.runs import Store
    from pipeline.workspace import Workspace

    existing_database(workspace)
    place = Workspace(workspace.absolute())
    console = Console(quiet=quiet)
    now = time.time()
    with place.lock(now=now) as lock, Store(place.database) as store:
        if run_id:
            record = store.run(run_id)
        else:
            unfinished = [r for r in store.runs() if r.state is not RunState.COMPLETE]
            open_runs = [r for r in unfinished if not r.plan.imported]
            if not open_runs:
                raise UsageError("there is no unfinished run here", where=str(place.folder))
            record = open_runs[-1]
        if record.state is RunState.COMPLETE:
            raise UsageError(f"run {record.id} is complete", hint="start a new one")
        if record.plan.imported:
            raise UsageError(
                f"run {record.id} was imported, and nothing is sent for it", hint="import it again"
            )
        record = renewed(record, place, now=now, waits=wait_for_window)
        begin_again(record, store)
        store.set_state(record.number, RunState.RUNNING)
        console.event("resumed", f"run {record.id}")
        outcome = conduct(record, place, store, console, lock=lock, waits=wait_for_window)
    return _conclude(outcome, console, output)


def verify(
    endpoint: Annotated[
        str, typer.Argument(metavar="HOST:PORT", help="One endpoint of the scope.")
    ],
    engagement: Annotated[
        Path, typer.Option("--engagement", "-e", help="The engagement that admits it.")
    ] = DEFAULT_FILE,
    workspace: WorkspaceFolder = None,
    output: OutputFormat = Format.TEXT,
) -> int:
    """Check one endpoint by hand: a handshake, then nmap's version probe."""
    from pipeline.cli.verifying import verify_endpoint

    return verify_endpoint(endpoint, engagement, workspace, output)


def _troubles(store: Store, engagement: str, scheduled: str, *, now: float) -> tuple[str, ...]:
    """What became of the scheduled runs before this one, where it was not well."""
    from pipeline.errors import UsageError
    from pipeline.scheduling.missed import troubles
    from pipeline.scheduling.times import parse_schedule

    if not scheduled:
        return ()
    try:
        times = parse_schedule(scheduled)
    except ValueError as problem:
        raise UsageError(f"--scheduled: {problem}") from None
    return troubles(store.runs(engagement), times, now)


def _introduce(console: Console, run_id: str, notes: tuple[str, ...]) -> None:
    console.event("started", f"run {run_id}")
    for note in notes:
        console.event("note", note)


def _conclude(outcome: Outcome, console: Console, output: Format) -> int:
    from pipeline.assembly import needs_action
    from pipeline.cli.edge import printing
    from pipeline.cli.looking import print_table
    from pipeline.errors import ExitCode
    from pipeline.render.assets import asset_lines
    from pipeline.render.deviations import deviation_lines
    from pipeline.render.document_json import render_json
    from pipeline.render.summary import summarise
    from pipeline.render.terminal import verdict_table

    with printing():
        if output is Format.JSON:
            print(render_json(outcome.document))
        else:
            print_table(verdict_table(outcome.document))
    summary = summarise(outcome.document)
    if summary.doubted:
        console.event("hosts in doubt", summary.doubted)
    console.event("completeness", summary.missed)
    for line in deviation_lines(outcome.document):
        console.event("deviation", line)
    for line in asset_lines(outcome.document):
        console.event("asset", line)
    for gap in outcome.document.gaps:
        if gap.endpoints:
            console.event("not covered", f"{gap.what}: {gap.why}")
    for file in outcome.files:
        console.say(f"written: {file}")
    return ExitCode.ACTION_NEEDED if needs_action(outcome.document) else ExitCode.NOTHING_TO_DO
