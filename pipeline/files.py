"""Write files so that a reader sees the old one or the new one, and never half of one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from pathlib import Path

from pipeline.errors import Error
from pipeline.store.database import disk_full


def write_whole(path: Path, content: str | bytes) -> None:
    """Write to a temporary file beside ``path``, then rename. The file is 0600, its folder 0700.

    Raises ``DiskFull``, or :class:`Error` with the reason; the old file then stays as it was.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = ""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(path) from error
        raise Error(
            f"cannot write: {error.strerror}", where=str(path), hint="choose another place"
        ) from error


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
