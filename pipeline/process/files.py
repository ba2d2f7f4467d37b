"""The files and pipes of a tool: made for this user's eyes only, and errors for a full disk."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Final

from pipeline.addresses import AddressSet
from pipeline.errors import DiskFull, Error
from pipeline.process.commands import EXCLUDE_FILE, TARGETS_FILE, Command

_SPARE_ROOM: Final = 1 << 16


def lay_out(command: Command, folder: Path) -> None:
    """Make the working directory and what the tool reads from it; for this user's eyes only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    _write_addresses(folder / TARGETS_FILE, command.targets.addresses, command.target_format)
    if command.excluded is not None:
        _write_addresses(folder / EXCLUDE_FILE, command.excluded, command.target_format)


def _write_addresses(path: Path, addresses: AddressSet, target_format: str) -> None:
    lines = addresses.texts() if target_format == "ranges" else addresses.networks()
    with create(path) as file:
        write(file, "".join(f"{line}\n" for line in lines).encode())


def create(path: Path) -> FileIO:
    """Open an empty file that only this user can read, whatever the umask; never through a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    file = FileIO(path, "w", opener=lambda name, _: os.open(name, flags, 0o600))
    os.fchmod(file.fileno(), 0o600)
    return file


def write(file: FileIO, data: bytes) -> None:
    """Write all of it."""
    while data:
        data = data[file.write(data) :]


def prove_room(folder: Path) -> None:
    """Raise :class:`DiskFull` unless a little more could be written, quota included."""
    path = folder / ".room"
    with writing_to(folder):
        try:
            with create(path) as file:
                write(file, bytes(_SPARE_ROOM))
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write in ``folder`` into errors for people."""
    try:
        yield
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"no room left: {problem.strerror}",
                where=str(folder),
                hint="make room, then resume the run: what was finished is kept",
            ) from problem
        raise Error(f"cannot write: {problem.strerror or problem}", where=str(folder)) from problem


def pipe(closing: contextlib.ExitStack) -> tuple[FileIO, FileIO]:
    """A pipe's read and write ends, which are closed at the latest with ``closing``."""
    source, sink = os.pipe()
    return (
        closing.enter_context(FileIO(source, "r")),
        closing.enter_context(FileIO(sink, "w")),
    )
