"""Runs on a disk that fills up, in a mount namespace of their own; prints what became of them."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipeline.cli import edge
from tests.cli.ground import Service, an_address, ask, engage, the_report, verdicts
from tests.faults.fakes import write_fake

FILLS_THE_DISK = """
if method() == "nmap-connect" and not Path(BALLAST).exists() and not Path(ONCE).exists():
    Path(ONCE).touch()
    with open(BALLAST, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)): pass
        except OSError: pass
real()
"""


def fill(ballast: Path) -> None:
    """Leave no room on a disk."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def portproof(*arguments: str | Path) -> dict[str, Any]:
    """Run a command line; its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = edge.run([str(argument) for argument in arguments])
    return {"code": int(code), "out": out.getvalue(), "err": err.getvalue()}


def main(disk: Path, elsewhere: Path) -> None:
    """Fill the disk during a run, make room, resume; then begin on a full disk."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    work, ballast = disk / "work", disk / "ballast"
    head = f"BALLAST, ONCE = {str(ballast)!r}, {str(elsewhere / 'once')!r}\n"
    fakes = write_fake(elsewhere / "bin", "nmap", head + FILLS_THE_DISK)
    os.environ["PATH"] = f"{fakes}:{os.environ['PATH']}"
    found: dict[str, Any] = {}
    with Service(an_address()) as service:
        path = engage(elsewhere, [service.address], [service.port])
        found["endpoint"] = service.endpoint
        found["work"] = str(work)
        found["full"] = portproof("run", path, "--workspace", work)
        found["tasks when full"] = ask(work, "SELECT number, attempt, state FROM tasks")
        found["looked at when full"] = portproof("runs", "--workspace", work)
        found["resumed when full"] = portproof("resume", "--workspace", work)
        ballast.unlink()
        found["resumed"] = portproof("resume", "--workspace", work)
        found["verdicts"] = verdicts(the_report(work))
        found["tasks"] = ask(work, "SELECT number, attempt, state FROM tasks")
        fill(ballast)
        found["begun when full"] = portproof("run", path, "--workspace", work)
        found["begun elsewhere when full"] = portproof("run", path, "--workspace", disk / "new")
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
