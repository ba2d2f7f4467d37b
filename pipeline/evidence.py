"""What is kept of what a tool wrote: nothing, the text without secrets, or the raw text.

A tool writes into the folder of its task before anybody can look at it. As soon as it has ended,
and its answer was read, the folder is put into the state that the engagement wants; what a killed
process left is put right before a run goes on.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from pipeline.files import PRIVATE_FILE, writing_to
from pipeline.plan import EvidenceKept, Privacy
from pipeline.process import EXCLUDE_FILE, TARGETS_FILE
from pipeline.redact import Redactor

OURS: Final = frozenset({TARGETS_FILE, EXCLUDE_FILE})
"""Written by us before the tool starts: what it was to ask."""
LARGEST_LOG: Final = 16 << 20
"""Bytes of a log that is redacted as a whole; of a longer one only this much is kept."""


def keep(folder: Path, redactor: Redactor, how: EvidenceKept) -> None:
    """Put the files of one task into the state that is to be kept.

    Raises ``DiskFull``, or ``Error`` when a file cannot be changed.
    """
    if how is EvidenceKept.RAW or not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name in OURS or path.is_symlink() or not path.is_file():
            continue
        with writing_to(path):
            if how is EvidenceKept.NONE:
                path.unlink()
            else:
                _redact(path, redactor)


def keep_all(tasks: Path, settled: Iterable[str], redactor: Redactor, how: EvidenceKept) -> None:
    """Do so with every task that was cut off: ``settled`` are the folders that are in order."""
    done = frozenset(settled)
    for folder in sorted(tasks.iterdir()) if tasks.is_dir() else ():
        if folder.name not in done and not folder.is_symlink():
            keep(folder, redactor, how)


def expired(privacy: Privacy, ended: float | None, now: float) -> bool:
    """True when a run keeps raw evidence, and has kept it for long enough."""
    if privacy.evidence is not EvidenceKept.RAW or privacy.keep_raw is None or ended is None:
        return False
    return now >= ended + privacy.keep_raw


def written_by_tools(run_folder: Path) -> tuple[Path, ...]:
    """The files of a run's tasks, but for what the tools were asked."""
    found: list[Path] = []
    for folder in sorted((run_folder / "tasks").glob("*")):
        if folder.is_symlink() or not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if path.name in OURS or path.is_symlink() or not path.is_file():
                continue
            found.append(path)
    return tuple(found)


def remove(files: Iterable[Path]) -> None:
    """Remove evidence. Raises ``Error`` when a file cannot be removed."""
    for path in files:
        with writing_to(path):
            path.unlink(missing_ok=True)


def _redact(path: Path, redactor: Redactor) -> None:
    match path.suffix:
        case ".xml":
            _by_line(path, redactor.xml_line)
        case ".ndjson" | ".jsonl":
            _by_line(path, redactor.json_line)
        case _:
            with path.open("rb") as stream:
                text = stream.read(LARGEST_LOG).decode("utf-8", "surrogateescape")
            redacted = redactor.log(text)
            if redacted != text:
                _replace(path, iter([redacted]))


def _by_line(path: Path, redact: Callable[[str], str]) -> None:
    if any(redact(line) != line for line in _lines(path)):
        _replace(path, map(redact, _lines(path)))


def _lines(path: Path) -> Iterator[str]:
    # Not universal newlines: every byte that is no secret stays as it was.
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        yield from stream


def _replace(path: Path, texts: Iterator[str]) -> None:
    """By rename, so that a reader sees the old file or the new one."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        os.fchmod(descriptor, PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines(text.encode("utf-8", "surrogateescape") for text in texts)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
