"""The command that writes a stored run as something other programs read: export."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import Here, RunReference, existing_database

if TYPE_CHECKING:
    from pipeline.render.document import RunDocument


def export(
    run: RunReference = "last",
    kind: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="As what: nmap-xml, json, …")
    ] = "nmap-xml",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it here, not to stdout.")
    ] = None,
    workspace: Here = Path(),
) -> int:
    """Write a stored run in the format of another program; sends nothing."""
    from pipeline.assembly import assemble
    from pipeline.cli.edge import complain, printing
    from pipeline.cli.resuming import unfinished
    from pipeline.files import write_whole
    from pipeline.store.runs import Store
    from pipeline.workspace import Workspace

    render = _renderer(kind)
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
    with printing():
        sys.stdout.write(render(document))
    return 0


def _renderer(kind: str) -> Callable[[RunDocument], str]:
    from pipeline.engagement.wording import did_you_mean, shown
    from pipeline.errors import UsageError

    known = _formats()
    if kind not in known:
        raise UsageError(f"--format: {shown(kind)} is no format{did_you_mean(kind, known)}")
    return known[kind]


def _formats() -> Mapping[str, Callable[[RunDocument], str]]:
    """Everything that a run can be written as, and what is of use only on demand."""
    from pipeline.render.nmap_xml import render_plain_nmap_xml
    from stages.report import RENDERERS

    known = {name: render for name, (_, render) in RENDERERS.items()}
    return known | {"nmap-xml-plain": render_plain_nmap_xml}
