"""Write the report's files whole, and a manifest with the SHA-256 of everything in the run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pipeline.files import sha256_of, write_whole

MANIFEST: Final = "manifest.json"


def deliver(folder: Path, files: Mapping[str, str], *, run_id: str) -> tuple[Path, ...]:
    """Write the files into the run's folder, then the manifest; returns what was written."""
    written = []
    for name, content in sorted(files.items()):
        write_whole(folder / name, content)
        written.append(folder / name)
    write_whole(folder / MANIFEST, manifest(folder, run_id=run_id))
    return (*written, folder / MANIFEST)


def manifest(folder: Path, *, run_id: str) -> str:
    """Every file of the run with its size in bytes and its SHA-256, as JSON.

    Hidden files are not among them: somebody is writing them, or was killed while doing so.
    """
    entries = [
        {
            "path": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": sha256_of(path),
        }
        for path in sorted(folder.rglob("*"))
        if _is_evidence(path) and path != folder / MANIFEST
    ]
    return json.dumps({"format": 1, "run": run_id, "files": entries}, indent=1) + "\n"


def _is_evidence(path: Path) -> bool:
    return not path.name.startswith(".") and path.is_file() and not path.is_symlink()
