"""Write files so that a reader sees the old one or the new one, and never half of one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipeline.errors import Error
from pipeline.store.database import disk_full

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700


def write_whole(path: Path, content: str | bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Write to a temporary file beside ``path``, then rename. The file has ``mode`` (0600).

    A folder that has to be made for it is 0700.

    Raises ``DiskFull``, or :class:`Error` with the reason; the old file then stays as it was.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    make_private_folder(path.parent)
    temporary = ""
    with writing_to(path):
        try:
            descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            os.fchmod(descriptor, mode)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def write_if_other(path: Path, content: str | bytes) -> bool:
    """Write the file unless it holds exactly this already; true when it was written.

    Raises as :func:`write_whole` does.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with contextlib.suppress(OSError):
        if path.stat().st_size == len(data) and path.read_bytes() == data:
            return False
    write_whole(path, data)
    return True


def make_private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user's eyes only (0700).

    Raises ``DiskFull``, or :class:`Error` with the reason.
    """
    with writing_to(folder):
        # Path.mkdir(parents=True) would leave those above to the umask.
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        for place in reversed(missing):
            place.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            place.chmod(PRIVATE_FOLDER)  # whatever the umask took away


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a file for this user's eyes only (0600), whatever the umask; made if missing.

    Never through a link: what it leads to would be changed. Raises ``OSError``.
    """
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        os.fchmod(descriptor, PRIVATE_FILE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into errors for people."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(path) from error
        raise Error(
            f"cannot write: {error.strerror}", where=str(path), hint="choose another place"
        ) from error


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
