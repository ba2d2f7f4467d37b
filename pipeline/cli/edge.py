"""Where errors become messages and exit codes. A crash is never 1."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import typer

from pipeline.errors import Error, ExitCode
from pipeline.render.text import visible
from pipeline.resources import check_installation


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. ``--verbose`` anywhere shows tracebacks."""
    verbose = "--verbose" in arguments
    rest = [argument for argument in arguments if argument != "--verbose"]
    try:
        check_installation()
        from pipeline.cli.app import app

        result = app(rest, prog_name="portproof", standalone_mode=False)
        return int(result) if isinstance(result, int) else ExitCode.NOTHING_TO_DO
    except Error as error:
        if verbose:
            traceback.print_exc()
        _complain(str(error))
        return error.exit_code
    except typer.Exit as leaving:
        return leaving.exit_code
    except typer.Abort:
        _complain("aborted")
        return ExitCode.FAILED
    except KeyboardInterrupt:
        _complain("interrupted before anything was started")
        return ExitCode.INCOMPLETE
    except BrokenPipeError:
        # The reader of our output went away (`portproof show last | head`): not our failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.NOTHING_TO_DO
    except Exception as error:
        usage = _usage(error)
        if usage is not None:
            _complain(usage)
            return ExitCode.FAILED
        if verbose:
            traceback.print_exc()
        else:
            _complain(
                f"this is a bug in portproof: {type(error).__name__}: {error}\n"
                "  run the command again with --verbose for where it happened; what was finished "
                "is kept"
            )
        return ExitCode.CRASHED


def _usage(error: Exception) -> str | None:
    """The message of a wrong command line; ``None`` when it is another error."""
    if not hasattr(error, "format_message") or not hasattr(error, "exit_code"):
        return None
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "portproof"
    return f"{error.format_message()}\n  `{path} --help` tells what there is"


def _complain(text: str) -> None:
    print(f"portproof: {visible(text, newlines=True)}", file=sys.stderr)
