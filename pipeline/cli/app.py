"""The commands in their order. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline import __version__
from pipeline.cli import (
    auditing,
    comparing,
    correlating,
    delivering,
    exporting,
    importing,
    keeping,
    looking,
    measuring,
    netboxing,
    ordering,
    publishing,
    risking,
    scanning,
    scheduling,
    starting,
    tuning,
)

app = typer.Typer(
    name="portproof",
    help="Prove the open ports of networks that somebody has authorised you to scan.",
    epilog="Exit codes: 0 nothing to act on, 1 something to act on, 2 usage, configuration or tool "
    "failure, 3 refused, 4 incomplete and resumable, 70 a bug in portproof. "
    "--verbose shows a traceback with an error.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"portproof {__version__}")
        raise typer.Exit


@app.callback()
def _portproof(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    pass


for command in (
    starting.init,
    starting.check,
    scanning.run,
    scanning.resume,
    ordering.stop,
    ordering.exclude,
    looking.runs,
    looking.show,
    looking.report,
    exporting.export,
    delivering.deliver,
    publishing.portal,
    comparing.diff,
    importing.import_,
    correlating.correlate,
    keeping.history,
    keeping.purge,
    tuning.tune,
    scheduling.schedule,
    scheduling.status,
    scanning.verify,
    starting.doctor,
):
    # `import` is a word of Python's own.
    app.command(command.__name__.rstrip("_"))(command)

app.add_typer(auditing.app)
app.add_typer(risking.risk)
app.add_typer(measuring.baseline)
app.add_typer(netboxing.netbox)
