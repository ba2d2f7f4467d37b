"""The folder that an engagement works in: the database, one folder for each run, and a lock."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import WorkspaceBusy
from pipeline.files import make_private_folder, open_private, writing_to
from pipeline.store.database import disk_full

_DYING = 12.0
"""Seconds that we wait for the scanners of a killed run to be stopped by their guards."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of the engagement file, unless told otherwise."""

    folder: Path

    @property
    def database(self) -> Path:
        """``portproof.db``."""
        return self.folder / "portproof.db"

    @property
    def stop_file(self) -> Path:
        """``portproof.stop``: while it is there, whatever it holds, nothing is sent."""
        return self.folder / "portproof.stop"

    @property
    def pseudonyms(self) -> Path:
        """``portproof.pseudonyms``: the secret that anonymised copies are made with."""
        return self.folder / "portproof.pseudonyms"

    @property
    def exclusions(self) -> Path:
        """``portproof.exclude``: addresses that are left alone, one entry a line."""
        return self.folder / "portproof.exclude"

    @property
    def names(self) -> Path:
        """``portproof.names``: what host names resolved to when `portproof check` looked."""
        return self.folder / "portproof.names"

    def run_folder(self, run_id: str) -> Path:
        """``runs/<run>``: reports, manifest and evidence of one run."""
        return self.folder / "runs" / run_id

    @contextlib.contextmanager
    def lock(self, *, now: float) -> Iterator[int]:
        """Hold the workspace for one run; yields the descriptor that holds it.

        Every tool's guard inherits the descriptor, so that the workspace stays locked until the
        last scanner is gone, even when this process is killed. Raises :class:`WorkspaceBusy` with
        the process that holds it and when it began, ``DiskFull``, or :class:`Error` when the folder
        cannot be used.
        """
        path = self.folder / "portproof.lock"
        make_private_folder(self.folder)
        with writing_to(path):
            descriptor = open_private(path, os.O_RDWR)
        try:
            _acquire(descriptor, path)
            _sign(descriptor, path, now)
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def delivering(self) -> Iterator[bool]:
        """True for the one who may deliver from here; a run may be going on meanwhile.

        The lock ends with the process, however that ends. Raises ``DiskFull`` or :class:`Error`.
        """
        path = self.folder / "portproof.deliver.lock"
        with writing_to(path):
            descriptor = open_private(path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(descriptor)


def _acquire(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + _DYING
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            process, since = _holder(descriptor)
            if process is not None and _alive(process, since):
                raise _busy(path, process, since) from None
            if time.monotonic() > deadline:
                raise _busy(path, process, since) from None
            time.sleep(0.2)


def _busy(path: Path, process: int | None, since: float | None) -> WorkspaceBusy:
    who = f"process {process}" if process is not None else "a process that did not say its number"
    when = ""
    if since is not None:
        when = f", since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return WorkspaceBusy(
        f"another run is using this workspace: {who}{when}",
        where=str(path.parent),
        hint="wait for it, or stop it; two runs would count each other's packets twice",
    )


def _sign(descriptor: int, path: Path, now: float) -> None:
    content = json.dumps({"process": os.getpid(), "started": now}).encode()
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content, 0)
    except OSError as error:
        raise disk_full(path) from error


def _holder(descriptor: int) -> tuple[int | None, float | None]:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return int(holder["process"]), float(holder["started"])
    except (ValueError, KeyError, TypeError):
        return None, None


def _alive(process: int, since: float | None) -> bool:
    """True when that process runs and is not merely a later one with the same number."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        if fields[0] in ("Z", "X"):
            return False
        boot = next(
            float(line.split()[1])
            for line in Path("/proc/stat").read_text().splitlines()
            if line.startswith("btime")
        )
        began = boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return False
    return since is None or began <= since + 2


def new_run_id(now: float) -> str:
    """``20261122T190000Z-3f9a``: sorts by time, and two runs of one second differ."""
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
