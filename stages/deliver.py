"""Write the report's files whole, and a manifest with the SHA-256 of everything in the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.audit.trail import Trail
from pipeline.files import sha256_of, write_whole
from pipeline.manifest import MANIFEST, manifest


def deliver(
    folder: Path, files: Mapping[str, str | bytes], *, run_id: str, trail: Trail | None = None
) -> tuple[Path, ...]:
    """Write the files into the run's folder, then the manifest; returns what was written.

    The record of the run, where there is one, gets a line with the hashes of the files, and the
    manifest says where it stands then.
    """
    written = []
    for name, content in sorted(files.items()):
        write_whole(folder / name, content)
        written.append(folder / name)
    if trail is not None:
        hashes = {path.name: sha256_of(path) for path in written}
        trail.add("delivered", {"files": hashes})
    head = None if trail is None else trail.head
    write_whole(folder / MANIFEST, manifest(folder, run_id=run_id, head=head))
    return (*written, folder / MANIFEST)
