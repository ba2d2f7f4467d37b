"""The command line: arguments in, exit code out. One file per group of commands."""

from __future__ import annotations

import sys


def main() -> None:
    """The edge: every :class:`~pipeline.errors.Error` becomes a message and its exit code."""
    from pipeline.cli.edge import open_streams, run

    open_streams()
    sys.exit(run(sys.argv[1:]))
