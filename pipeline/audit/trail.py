"""Write the record of a run: every line at once, and to the disk about once a second.

A line is handed to the operating system when it is written, so that no kill loses it. It is forced
to the disk when a task is settled, at most once a second, since that takes a disk milliseconds;
what a power failure takes away in between, the ledger can tell again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pipeline.audit.chain import (
    RECORD,
    Chain,
    Head,
    Line,
    genesis,
    line_of,
    read_chain,
    sha256_of_bytes,
)
from pipeline.errors import WorkspaceBusy
from pipeline.files import make_private_folder, open_private, writing_to

SYNC_EVERY: Final = 1.0
"""Seconds between two times that lines are forced to the disk."""
TASK_STARTED: Final = "task-started"
TASK_ENDED: Final = "task-ended"
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who works: user and host of this process; ``sudo`` is who became that user, if anybody."""

    user: str
    uid: int
    host: str
    sudo: str = ""

    def told(self) -> dict[str, str | int]:
        """As it stands in a line."""
        behind = {"sudo": self.sudo} if self.sudo else {}
        return {"host": self.host, "uid": self.uid, "user": self.user, **behind}


def this_operator() -> Operator:
    """The operator of this process."""
    uid = os.getuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:  # a container that knows no names
        user = ""
    behind = os.environ.get("SUDO_USER", "")
    return Operator(user=user, uid=uid, host=os.uname().nodename, sudo=behind)


class Trail:
    """The record of one run, open for more. ``now`` is epoch seconds.

    ``keep_head`` hears where the record stands whenever it is safe on the disk; ``torn`` is about
    the half line that was at its end, and empty when there was none.
    """

    def __init__(
        self,
        path: Path,
        descriptor: int,
        chain: Chain,
        *,
        start: str,
        operator: Operator,
        now: Callable[[], float],
        keep_head: Callable[[Head], None],
    ) -> None:
        self._path = path
        self._descriptor = descriptor
        self._operator = operator.told()
        self._now = now
        self._keep_head = keep_head
        self._head = Head(lines=len(chain.lines), sha256=chain.heads[-1] if chain.lines else start)
        self._size = os.fstat(descriptor).st_size
        self._kept: Head | None = None
        self._synced = float("-inf")
        self.torn: dict[str, str | int] = _torn(chain.torn) if chain.torn else {}
        self._tasks: set[tuple[str, int, int]] = set()
        self._attempts: dict[int, int] = {}
        for line in chain.lines:
            if line:
                self._learn(line)

    @property
    def head(self) -> Head:
        """Where the record stands."""
        return self._head

    def knows(self, kind: str, task: int, attempt: int) -> bool:
        """True when a line of this kind about that attempt is in the record."""
        return (kind, task, attempt) in self._tasks

    def attempts(self, task: int) -> int:
        """The number of the last attempt at a task that is in the record; 0 where none is."""
        return self._attempts.get(task, 0)

    def _learn(self, line: Line) -> None:
        for key in _task_of(line):
            self._tasks.add(key)
            _, task, attempt = key
            self._attempts[task] = max(self._attempts.get(task, 0), attempt)

    def add(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Write a line. Raises ``DiskFull`` or ``Error``; the record is then as it was before."""
        now = datetime.fromtimestamp(self._now(), UTC)
        line = Line(
            number=self._head.lines + 1,
            previous=self._head.sha256,
            time=now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            operator=self._operator,
            kind=kind,
            facts=facts,
        )
        data = line_of(line)
        with writing_to(self._path):
            try:
                _write(self._descriptor, data + b"\n")
            except BaseException:
                os.ftruncate(self._descriptor, self._size)
                raise
        self._size += len(data) + 1
        self._head = Head(lines=line.number, sha256=sha256_of_bytes(data))
        self._learn(line)

    def settle(self) -> None:
        """Force the lines to the disk, unless that was done a moment ago."""
        if not self._synced <= self._now() < self._synced + SYNC_EVERY:
            self.sync()

    def sync(self) -> None:
        """Force the lines to the disk, and tell where the record stands."""
        if self._kept == self._head:
            return
        with writing_to(self._path):
            os.fsync(self._descriptor)
        self._synced = self._now()
        self._keep_head(self._head)
        self._kept = self._head


def _task_of(line: Line) -> Iterator[tuple[str, int, int]]:
    if line.kind in (TASK_STARTED, TASK_ENDED):
        yield line.kind, int(line.facts.get("task", 0)), int(line.facts.get("attempt", 0))


def _torn(data: bytes) -> dict[str, str | int]:
    text = data[:_SHOWN].decode("ascii", "backslashreplace")
    return {"bytes": len(data), "sha256": sha256_of_bytes(data), "text": text}


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextlib.contextmanager
def opened(
    folder: Path,
    *,
    run: str,
    plan_sha256: str,
    operator: Operator,
    now: Callable[[], float],
    keep_head: Callable[[Head], None],
) -> Iterator[Trail]:
    """The record in a run's folder, which nobody else writes meanwhile.

    Half a line at its end, which a crash leaves, is cut off; :attr:`Trail.torn` tells it, for a
    line that says so. Raises :class:`WorkspaceBusy` when another process has the record open,
    ``DiskFull``, or ``Error``.
    """
    make_private_folder(folder)
    path = folder / RECORD
    with writing_to(path):
        descriptor = open_private(path, os.O_RDWR | os.O_APPEND)
    try:
        _claim(descriptor, path)
        data = path.read_bytes()
        chain = read_chain(data)
        if chain.torn:
            with writing_to(path):
                os.ftruncate(descriptor, len(data) - len(chain.torn))
        trail = Trail(
            path,
            descriptor,
            chain,
            start=genesis(run, plan_sha256),
            operator=operator,
            now=now,
            keep_head=keep_head,
        )
        yield trail
        trail.sync()
    finally:
        os.close(descriptor)


def _claim(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise WorkspaceBusy(
            "the record of this run is being written by another process",
            where=str(path),
            hint="wait until the run has ended",
        ) from None
