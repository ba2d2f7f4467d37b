"""Every file of a run with its size and its SHA-256, and where the record of the run stood."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipeline.audit.chain import Head
from pipeline.files import sha256_of

MANIFEST: Final = "manifest.json"
SEAL: Final = "seal.json"
SIGNATURE: Final = "seal.json.sig"
_AFTERWARDS: Final = frozenset({MANIFEST, SEAL, SIGNATURE})
"""What is written once the manifest is known."""


def manifest(folder: Path, *, run_id: str, head: Head | None = None) -> str:
    """Every file of the run with its size in bytes and its SHA-256, as JSON.

    Hidden files are not among them: somebody is writing them, or was killed while doing so.
    """
    record = {} if head is None else {"record": {"lines": head.lines, "sha256": head.sha256}}
    entries = [
        {
            "path": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": sha256_of(path),
        }
        for path in files_of(folder)
    ]
    return json.dumps({"format": 1, "run": run_id, **record, "files": entries}, indent=1) + "\n"


def files_of(folder: Path) -> Iterator[Path]:
    """The files that belong to a run, in their order."""
    for path in sorted(folder.rglob("*")):
        ours = path.parent == folder and path.name in _AFTERWARDS
        if not ours and not path.name.startswith(".") and path.is_file() and not path.is_symlink():
            yield path
