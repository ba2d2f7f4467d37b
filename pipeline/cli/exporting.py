"""The command that writes a stored run as something other programs read: export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import DocxTemplate, Here, RunReference, existing_database


def export(
    run: RunReference = "last",
    kind: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="As what: nmap-xml, json, csv, pdf, …")
    ] = "nmap-xml",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it here, not to stdout.")
    ] = None,
    template: DocxTemplate = None,
    workspace: Here = Path(),
) -> int:
    """Write a stored run in the format of another program; sends nothing."""
    from pipeline.assembly import assemble
    from pipeline.cli.edge import complain, printing
    from pipeline.cli.forms import forms_meant, known_forms
    from pipeline.cli.resuming import unfinished
    from pipeline.errors import UsageError
    from pipeline.files import write_whole
    from pipeline.store.runs import Store
    from pipeline.workspace import Workspace

    form, *more = forms_meant(kind)
    if more:
        raise UsageError(
            "--format: one format at a time can be exported",
            hint="`portproof report` writes several",
        )
    _, render = known_forms(template)[form]
    with Store(existing_database(workspace)) as store:
        record = store.run(run)
        document = assemble(store, record)
    told = unfinished(record, Workspace(workspace.absolute()))
    if told:
        complain(told)
    if output is not None:
        write_whole(output, render(document))
        print(output)
        return 0
    rendered = render(document)
    if isinstance(rendered, bytes) and sys.stdout.isatty():
        raise UsageError(f"{form} is nothing for a terminal", hint="name a file with --output")
    with printing():
        if isinstance(rendered, bytes):
            sys.stdout.buffer.write(rendered)
        else:
            sys.stdout.write(rendered)
    return 0
