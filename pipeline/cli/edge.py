"""Where errors become messages and exit codes. A crash is never 1."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from typing import Final

import typer

from pipeline.errors import Error, ExitCode
from pipeline.render.text import visible
from pipeline.resources import check_installation

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. ``--verbose`` anywhere shows tracebacks."""
    verbose = "--verbose" in arguments
    rest = [argument for argument in arguments if argument != "--verbose"]
    code: int = ExitCode.NOTHING_TO_DO
    try:
        check_installation()
        with printing():
            code = _command(rest or ["--help"])
        return code if rest else ExitCode.FAILED
    except Error as error:
        if verbose:
            traceback.print_exc()
        complain(str(error))
        return error.exit_code
    except typer.Abort:
        complain("aborted")
        return ExitCode.FAILED
    except KeyboardInterrupt:
        complain("interrupted; `portproof resume` goes on with a run that was begun")
        return ExitCode.INCOMPLETE
    except Exception as error:
        said = _usage(error) or _refused_by_the_system(error)
        if verbose:
            traceback.print_exc()
        if said is not None:
            complain(said)
            return ExitCode.FAILED
        if not verbose:
            complain(
                f"this is a bug in portproof: {type(error).__name__}: {error}\n"
                "  run the command again with --verbose for where it happened; what was finished "
                "is kept"
            )
        return ExitCode.CRASHED


def _command(arguments: Sequence[str]) -> int:
    """Find the command and run it. Not by calling the app: that ends a broken pipe with 1."""
    from pipeline.cli.app import app

    command = typer.main.get_command(app)
    try:
        with command.make_context("portproof", list(arguments)) as context:
            result = command.invoke(context)
    except typer.Exit as leaving:
        return leaving.exit_code
    return int(result) if isinstance(result, int) else ExitCode.NOTHING_TO_DO


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Print to stdout inside of it. Whoever reads may leave (`portproof show last | head`).

    What is left is then thrown away, and what the command found stays its exit code. Raises
    :class:`Error` when the output cannot be written.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
    except OSError as error:
        if error.filename is not None or error.errno not in _NO_ROOM:
            raise
        _discard_output()
        raise Error(
            f"the output cannot be written: {error.strerror}", hint="choose another place for it"
        ) from error


def _discard_output() -> None:
    """Or the interpreter would try again to write it when it ends, and fail with its own code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def open_streams() -> None:
    """Make the standard streams fit for whatever is printed.

    A stream that was closed at the start (``2>&-``) leads to nowhere: its number would go to the
    next file that is opened, and what is printed into the database. What is not read on a terminal
    is UTF-8, with the names of files as they are; a terminal gets what it can show.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        with contextlib.suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)
        setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115 -- open as long as the program runs
    if isinstance(sys.stdout, TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="backslashreplace")
        else:
            sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")


def _usage(error: Exception) -> str | None:
    """The message of a wrong command line; ``None`` when it is another error."""
    if not hasattr(error, "format_message") or not hasattr(error, "exit_code"):
        return None
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "portproof"
    # typer's own check speaks through pydantic, which says first what kind of error it is.
    what = str(error.format_message()).replace(": Value error, ", ": ")
    help_ = f"`{path} --help` tells what there is"
    if "No such option" in what:
        help_ += "; what begins with a dash and is no option goes after --"
    return f"{what}\n  {help_}"


def _refused_by_the_system(error: Exception) -> str | None:
    """The message for a file that is not as it has to be; ``None`` when it is another error."""
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return "the current folder does not exist any more\n  change into another one"
    if not isinstance(error, OSError) or error.filename is None:
        return None
    return f"{os.fsdecode(error.filename)}: {error.strerror}\n  --verbose tells what was tried"


def complain(text: str) -> None:
    """Say something to the person, on stderr, hostile characters made visible."""
    with contextlib.suppress(OSError):  # nobody reads it
        print(f"portproof: {visible(text, newlines=True)}", file=sys.stderr, flush=True)
