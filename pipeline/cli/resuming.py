"""What the reader of a run that is not finished has to know."""

from __future__ import annotations

import fcntl
import shlex
from pathlib import Path

from pipeline.model import RunState
from pipeline.store.records import RunRecord
from pipeline.workspace import Workspace


def how_to_resume(run: RunRecord, workspace: Workspace) -> str:
    """The command line that goes on with a run."""
    where = ""
    if workspace.folder != Path().absolute():
        where = f" --workspace {shlex.quote(str(workspace.folder))}"
    return f"go on with `portproof resume {run.id}{where}`"


def unfinished(run: RunRecord, workspace: Workspace) -> str:
    """That a run is not complete, and what to do; empty for a complete one."""
    so_far = "this is as far as it got"
    match run.state:
        case RunState.COMPLETE:
            return ""
        case RunState.RUNNING if in_use(workspace):
            return f"run {run.id} is still running: {so_far}"
        case _:
            why = run.stopped_because or "it was killed, or this machine went down"
            return (
                f"run {run.id} is not finished ({why}): {so_far}\n  {how_to_resume(run, workspace)}"
            )


def in_use(workspace: Workspace) -> bool:
    """True while somebody holds the workspace's lock; looks without taking it away."""
    try:
        with (workspace.folder / "portproof.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
