"""The command that learns from earlier runs: tune."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import (
    DEFAULT_FILE,
    Format,
    OutputFormat,
    WorkspaceFolder,
    existing_database,
)

if TYPE_CHECKING:
    from pipeline.decide.tuning.learned import Learned
    from pipeline.engagement.patching import Patch


def tune(
    file: Annotated[
        Path, typer.Argument(metavar="[ENGAGEMENT]", help="The engagement file (YAML).")
    ] = DEFAULT_FILE,
    workspace: WorkspaceFolder = None,
    runs: Annotated[
        int,
        typer.Option("--runs", metavar="N", min=1, help="Look at the newest N runs with evidence."),
    ] = 20,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the proposals into the engagement.")
    ] = False,
    output: OutputFormat = Format.TEXT,
) -> int:
    """Propose settings by what earlier runs lost, doubted and met; sends nothing."""
    import time

    from pipeline.cli.edge import printing
    from pipeline.engagement import load
    from pipeline.engagement.patching import apply as write
    from pipeline.engagement.patching import patch_of
    from pipeline.errors import ExitCode
    from pipeline.learning import learned
    from pipeline.render.tuning import tuning_json
    from pipeline.store.runs import Store

    engagement = load(file)
    with Store(existing_database(workspace or file.parent)) as store:
        found = learned(store, engagement, newest=runs, now=time.time())
    patch = patch_of(engagement, found.advice.proposals)
    if apply:
        write(patch, engagement)
    with printing():
        if output is Format.JSON:
            print(tuning_json(found, patch, applied=apply), end="")
        else:
            _print(found, patch, applied=apply)
    waits = found.advice.proposals and not apply
    return ExitCode.ACTION_NEEDED if waits else ExitCode.NOTHING_TO_DO


def _print(found: Learned, patch: Patch, *, applied: bool) -> None:
    from pipeline.cli.looking import print_columns
    from pipeline.render.text import visible
    from pipeline.render.tuning import heading, kept_line, proposal_lines, tables

    print(heading(found))
    for title, rows in tables(found):
        print(f"\n{title}")
        print_columns(rows)
    advice = found.advice
    print("\nproposals" if advice.proposals else "\nnothing is proposed")
    for number, proposal in enumerate(advice.proposals, 1):
        print("\n".join(proposal_lines(number, proposal, patch.lines[number - 1])))
    print("\nwhat stays as it is")
    for kept in advice.kept:
        print(f"- {kept_line(kept)}")
    if applied:
        print()
        for file in patch.files:
            print(f"written: {file.path}")
    elif patch.files:
        print("\nthe patch, which --apply writes")
        print(visible(patch.diff, newlines=True), end="")
