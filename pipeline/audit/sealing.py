"""Seal a run: one small file that says where its record stood and what its manifest was.

Who has the seal, or the signature over it, can tell later whether anything was changed, added or
cut off. The signature is that of ``ssh-keygen -Y sign``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.audit.chain import Head, canonical
from pipeline.files import sha256_of, write_whole
from pipeline.manifest import MANIFEST, SEAL, SIGNATURE
from pipeline.process import ssh_sign

NAMESPACE: Final = "portproof-evidence"
"""What the signatures are for (ssh-keygen(1), -n): a signature for anything else does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What is sealed: the run, where its record stood, the SHA-256 of its manifest."""

    run: str
    head: Head
    manifest_sha256: str

    @property
    def text(self) -> bytes:
        """The bytes that are signed."""
        record = {"lines": self.head.lines, "sha256": self.head.sha256}
        told = {
            "format": 1,
            "manifest_sha256": self.manifest_sha256,
            "record": record,
            "run": self.run,
        }
        return canonical(told) + b"\n"


def seal(folder: Path, *, run: str, head: Head, signing_key: Path | None) -> Seal:
    """Seal what lies in a run's folder, and sign it when there is a key.

    Raises ``ToolError`` when it cannot be signed; it is sealed then, and not signed.
    """
    made = Seal(run=run, head=head, manifest_sha256=sha256_of(folder / MANIFEST))
    (folder / SIGNATURE).unlink(missing_ok=True)
    write_whole(folder / SEAL, made.text)
    if signing_key is not None:
        write_whole(folder / SIGNATURE, ssh_sign(made.text, key=signing_key, namespace=NAMESPACE))
    return made


def try_key(signing_key: Path) -> None:
    """Sign something, so that a key that does not work is known before a run and not after it.

    Raises ``ToolError``.
    """
    ssh_sign(b"portproof\n", key=signing_key, namespace=NAMESPACE)


def read_seal(data: bytes) -> Seal | None:
    """The seal that was written; ``None`` for anything else."""
    try:
        told = json.loads(data)
        record = told["record"]
        found = Seal(
            run=str(told["run"]),
            head=Head(lines=int(record["lines"]), sha256=str(record["sha256"])),
            manifest_sha256=str(told["manifest_sha256"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return found if found.text == data else None
