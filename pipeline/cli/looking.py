"""Commands that only read the store: runs, show, report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import (
    Format,
    Here,
    OutputFormat,
    RunReference,
    existing_database,
)


def runs(workspace: Here = Path(), output: OutputFormat = Format.TEXT) -> int:
    """List the runs of a workspace, the oldest first."""
    import json

    from pipeline.render.text import iso, visible
    from pipeline.store.runs import Store

    with Store(existing_database(workspace)) as store:
        known = store.runs()
    if output is Format.JSON:
        rows = [
            {
                "run": run.id,
                "client": run.plan.client,
                "engagement": run.plan.engagement,
                "state": run.state,
                "started": iso(run.started),
                "ended": iso(run.ended) if run.ended is not None else None,
                "stopped_because": run.stopped_because,
            }
            for run in known
        ]
        print(json.dumps(rows, indent=1))
        return 0
    table = [("run", "state", "started", "engagement", "note")]
    table += [
        (
            run.id,
            run.state.value,
            iso(run.started),
            visible(run.plan.engagement, 40),
            visible(run.stopped_because, 60),
        )
        for run in known
    ]
    print_columns(table)
    return 0


def show(
    run: RunReference = "last",
    endpoint: Annotated[
        str, typer.Argument(metavar="[ENDPOINT]", help="Only this one: ADDRESS:PORT or ADDRESS.")
    ] = "",
    workspace: Here = Path(),
    output: OutputFormat = Format.TEXT,
) -> int:
    """Tell why each endpoint got its verdict: the evidence in order, and what it adds up to."""
    from dataclasses import replace

    from pipeline.assembly import assemble
    from pipeline.errors import UsageError
    from pipeline.render.document_json import render_json
    from pipeline.render.terminal import endpoint_story
    from pipeline.store.runs import Store

    with Store(existing_database(workspace)) as store:
        document = assemble(store, store.run(run))
    shown = [f for f in document.findings if _wanted(f.verdict.endpoint, endpoint)]
    if endpoint and not shown:
        raise UsageError(
            f"run {document.run} has no verdict on {endpoint}",
            hint="nobody named it; `portproof show RUN` lists those there are",
        )
    if output is Format.JSON:
        print(render_json(replace(document, findings=tuple(shown))))
        return 0
    for finding in shown:
        print("\n".join(endpoint_story(finding)), end="\n\n")
    if not shown:
        print("no endpoint was named: nothing is known to be open")
    return 0


def _wanted(endpoint: object, text: str) -> bool:
    whole = str(endpoint)
    host = whole.rpartition(":")[0]
    return not text or text in (whole, whole.partition("/")[0], host, host.strip("[]"))


def report(
    run: RunReference = "last",
    workspace: Here = Path(),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the HTML page here instead.")
    ] = None,
) -> int:
    """Decide, compare and render a stored run again; sends nothing."""
    from pipeline.cli.conduct import desk_half
    from pipeline.files import write_whole
    from pipeline.render.html import render_html
    from pipeline.store.runs import Store
    from pipeline.workspace import Workspace

    place = Workspace(workspace.absolute())
    with Store(existing_database(workspace)) as store:
        record = store.run(run)
        outcome = desk_half(record, store, place.run_folder(record.id))
    if output is not None:
        write_whole(output, render_html(outcome.document))
        print(output)
    else:
        for file in outcome.files:
            print(file)
    return 0


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """The verdicts, with their headings."""
    from pipeline.render.terminal import VERDICT_COLUMNS

    if rows:
        print_columns([VERDICT_COLUMNS, *rows])
    else:
        print("no endpoint was named: nothing is known to be open")


def print_columns(rows: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as their widest cell; the first row is the heading."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    bold = sys.stdout.isatty()
    for number, row in enumerate(rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        heading = bold and number == 0
        print(f"\x1b[1m{line.rstrip()}\x1b[0m" if heading else line.rstrip())
