"""Hold the record of a run against itself, its seal, its files and its database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.audit.chain import RECORD, Chain, Head, read_chain
from pipeline.audit.sealing import NAMESPACE, Seal, read_seal
from pipeline.audit.trail import TASK_ENDED
from pipeline.files import sha256_of
from pipeline.manifest import MANIFEST, SEAL, SIGNATURE, files_of, manifest
from pipeline.model import TaskRecord, TaskState
from pipeline.process import ssh_signer
from pipeline.store.records import AuditRecord

REPORT: Final = "report.json"
PURGED: Final = "purged"
"""The kind of line that says which evidence was removed when it had expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it was; ``where`` is a file of the run, and the line in it."""

    where: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What came of a check. ``notes`` are no findings: what could not be held against anything."""

    run: str
    head: Head
    sealed: bool
    signer: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the database knows about a run: its record, and its tasks as they stand."""

    run: str
    audit: AuditRecord | None
    tasks: Sequence[TaskRecord]


def check(folder: Path, *, known: Known | None, signers: Path | None) -> Checked:
    """Check the record in a run's folder, and everything that it vouches for.

    Without ``known`` only what lies in the folder is held against each other; with ``signers`` the
    signature must be one of theirs. Raises ``ToolError`` when ssh-keygen is needed and missing.
    """
    chain = read_chain(_read(folder / RECORD))
    sealed = read_seal(_read(folder / SEAL))
    ours = known.audit if known else None
    findings = [*_of_chain(chain, known)]
    findings += _of_seal(folder, chain, sealed, known)
    # Lines that came after the seal, in a run that was resumed and killed: its files have changed.
    open_ = ours is not None and not ours.manifest_sha256
    if not open_:
        findings += _of_manifest(folder, chain, sealed)
    findings += _of_printed(folder, chain, ours)
    findings += _of_evidence(folder, chain)
    if known is not None:
        findings += _of_database(chain, known)
    signer, more, notes = _of_signature(folder, chain, sealed, signers)
    if open_:
        notes = (*notes, "the run has not come to its end: the newest lines are not sealed")
    return Checked(
        run=chain.run,
        head=chain.head,
        sealed=sealed is not None and not open_,
        signer=signer,
        findings=(*findings, *more),
        notes=notes,
    )


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() and not path.is_symlink() else b""


def _of_chain(chain: Chain, known: Known | None) -> Iterator[Finding]:
    if not chain.lines:
        yield Finding(where=RECORD, what="is missing, or has no line")
        return
    for number, what in chain.problems:
        yield Finding(where=f"{RECORD}:{number}", what=what)
    if chain.torn:
        what = f"{len(chain.torn)} bytes follow the last line: it was cut off, or something added"
        yield Finding(where=f"{RECORD}:{len(chain.lines) + 1}", what=what)
    if known is not None and chain.run != known.run:
        yield Finding(where=f"{RECORD}:1", what=f"is of the run {chain.run!r}, not {known.run!r}")


def _held(chain: Chain, head: Head, whose: str, *, last: bool) -> Iterator[Finding]:
    """Whether the record stood where somebody says; ``last``: it must end there."""
    if head.lines < 1:
        yield Finding(where=RECORD, what=f"has no line {head.lines}, which {whose} knows")
    elif head.lines > len(chain.lines):
        what = f"has {len(chain.lines)} lines, and {whose} knows {head.lines}: lines were cut off"
        yield Finding(where=RECORD, what=what)
    elif chain.heads[head.lines] != head.sha256:
        what = f"is not the line that {whose} knows: this line, or that, was changed"
        yield Finding(where=f"{RECORD}:{head.lines}", what=what)
    elif last and head.lines < len(chain.lines):
        what = f"came after {whose}, which knows {head.lines} lines: it was added"
        yield Finding(where=f"{RECORD}:{head.lines + 1}", what=what)


def _of_seal(
    folder: Path, chain: Chain, sealed: Seal | None, known: Known | None
) -> Iterator[Finding]:
    ours = known.audit if known else None
    open_ = ours is not None and not ours.manifest_sha256
    if ours is not None:
        yield from _held(chain, ours.head, "the database", last=not open_)
    if sealed is None:
        if (folder / SEAL).exists():
            yield Finding(where=SEAL, what="is not a seal as it was written")
        elif not open_:
            yield Finding(where=SEAL, what="is missing")
        return
    yield from _held(chain, sealed.head, "the seal", last=not open_)
    if sealed.run != chain.run:
        yield Finding(where=SEAL, what=f"is of the run {sealed.run!r}, not {chain.run!r}")
    if ours is not None and not open_:
        now = sha256_of(folder / MANIFEST) if (folder / MANIFEST).is_file() else ""
        if now != ours.manifest_sha256:
            yield Finding(where=MANIFEST, what="is not the one that the database knows")
        if sealed.manifest_sha256 != ours.manifest_sha256 or sealed.head != ours.head:
            yield Finding(where=SEAL, what="is not the one that the database knows")


def _of_manifest(folder: Path, chain: Chain, sealed: Seal | None) -> Iterator[Finding]:
    data = _read(folder / MANIFEST)
    if not data:
        yield Finding(where=MANIFEST, what="is missing")
        return
    if sealed is not None and sha256_of(folder / MANIFEST) != sealed.manifest_sha256:
        yield Finding(where=MANIFEST, what="is not the one that was sealed")
    try:
        told: Any = json.loads(data)
        head = Head(lines=told["record"]["lines"], sha256=told["record"]["sha256"])
        listed = {str(entry["path"]): str(entry["sha256"]) for entry in told["files"]}
        whole = manifest(folder, run_id=chain.run, head=head).encode() == data
    except (ValueError, TypeError, KeyError, RecursionError):
        yield Finding(where=MANIFEST, what="is not a manifest as it was written")
        return
    if type(head.lines) is int:
        yield from _held(chain, head, "the manifest", last=True)
    found = list(_of_files(folder, listed))
    yield from found
    if not whole and not found:
        yield Finding(where=MANIFEST, what="does not describe the files: it was changed")


def _of_files(folder: Path, listed: dict[str, str]) -> Iterator[Finding]:
    there = {path.relative_to(folder).as_posix(): path for path in files_of(folder)}
    for name in sorted(listed.keys() | there.keys()):
        if name not in there:
            yield Finding(where=name, what="is in the manifest and missing here")
        elif name not in listed:
            yield Finding(where=name, what="is here and not in the manifest")
        elif sha256_of(there[name]) != listed[name]:
            yield Finding(where=name, what="does not match its hash in the manifest")


def _of_printed(folder: Path, chain: Chain, ours: AuditRecord | None) -> Iterator[Finding]:
    """What the report shows, and what the record says was delivered."""
    if ours is not None and ours.printed is not None:
        yield from _held(chain, ours.printed, "the report", last=False)
    delivered = [line for line in chain.lines if line and line.kind == "delivered"]
    files = delivered[-1].facts.get("files") if delivered else None
    for name, sha256 in sorted(files.items()) if isinstance(files, dict) else ():
        path = folder / str(name)
        if not path.is_file() or sha256_of(path) != sha256:
            what = f"is not the file that was delivered (line {delivered[-1].number})"
            yield Finding(where=str(name), what=what)
    try:
        head = json.loads(_read(folder / REPORT) or b"{}").get("run", {}).get("audit")
        if head is not None:
            shown = Head(lines=int(head["lines"]), sha256=str(head["sha256"]))
            yield from _held(chain, shown, f"{REPORT}", last=False)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        yield Finding(where=REPORT, what="is not a report as it was written")


def _of_evidence(folder: Path, chain: Chain) -> Iterator[Finding]:
    """The evidence of every task that was settled, but for what was purged on record."""
    purged = {
        (name.rpartition("/")[0], sha256)
        for line in chain.lines
        if line and line.kind == PURGED
        for name, sha256 in _pairs(line.facts.get("files"))
    }
    for line in chain.lines:
        if line is None or line.kind != TASK_ENDED:
            continue
        sha256, place = line.facts.get("evidence_sha256"), str(line.facts.get("folder"))
        if not sha256 or (f"tasks/{place}", sha256) in purged:
            continue
        if sha256 not in set(_hashes(folder / "tasks" / place)):
            what = f"has no file that matches the evidence of task {line.facts.get('task')}"
            yield Finding(where=f"tasks/{place}", what=f"{what} (line {line.number})")


def _pairs(value: object) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        yield from ((str(name), str(sha256)) for name, sha256 in value.items())


def _hashes(folder: Path) -> Iterator[str]:
    if folder.is_dir():
        yield from (sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file())


def _of_database(chain: Chain, known: Known) -> Iterator[Finding]:
    """Tasks of which the database says one thing and the record another."""
    told = {
        line.facts.get("task"): line.facts
        for line in chain.lines
        if line is not None and line.kind == TASK_ENDED
    }
    for record in known.tasks:
        if record.state not in (TaskState.SETTLED, TaskState.FAILED):
            continue
        facts = told.get(record.number)
        if facts is None:
            what = f"does not tell of task {record.number}, which the database has as settled"
            yield Finding(where=RECORD, what=what)
        elif (facts.get("attempt"), facts.get("evidence_sha256")) != (
            record.attempt,
            record.evidence_sha256,
        ):
            what = f"tells something else of task {record.number} than the database"
            yield Finding(where=RECORD, what=what)


def _of_signature(
    folder: Path, chain: Chain, sealed: Seal | None, signers: Path | None
) -> tuple[str, tuple[Finding, ...], tuple[str, ...]]:
    """Who signed; findings; notes."""
    kinds = {line.kind for line in chain.lines if line}
    begun = next((line for line in chain.lines if line and line.kind == "begun"), None)
    wanted = bool(begun and begun.facts.get("signing")) and "unsigned" not in kinds
    if not (folder / SIGNATURE).is_file():
        if signers is not None or (wanted and sealed is not None):
            return "", (Finding(where=SIGNATURE, what="is missing"),), ()
        return "", (), ("the seal is not signed: who can change all files can make a new one",)
    good, said = ssh_signer(
        _read(folder / SEAL), folder / SIGNATURE, namespace=NAMESPACE, signers=signers
    )
    if not good:
        return "", (Finding(where=SIGNATURE, what=f"does not sign this seal: {said}"),), ()
    if signers is None:
        return said, (), ("without --signers any key will do: see that it is the right one",)
    return said, (), ()
