"""Vulnerability scans of others, put beside a run: those of a command, or those of its engagement.

The files of an engagement are looked for when a run has nothing left to ask. One that cannot be
read does not cost the run: the others are filed, and the run says which was not, and why.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from pipeline.audit.trail import Trail
from pipeline.decide.vulnerabilities import ScanFile
from pipeline.errors import Error
from pipeline.parse import ParseError
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from pipeline.store.scans import file_scan

MOST: Final = 200
"""Files beside one run, of its engagement."""
EVENT: Final = "scans"


def file_scans(store: Store, run: RunRecord, files: Iterable[Path]) -> tuple[ScanFile, ...]:
    """File scans beside a run.

    Raises :class:`Error` with the name of the first that is none; those before it are filed.
    """
    return tuple(_filed(store, run, path) for path in files)


def put_on_record(trail: Trail, filed: Iterable[ScanFile]) -> None:
    """Say in the record of a run which files were put beside it."""
    trail.add("scans", {"scans": {file.name: file.sha256 for file in filed}})


def file_scans_of_engagement(
    store: Store, run: RunRecord, trail: Trail, *, tell: Callable[[str], None]
) -> None:
    """File what the engagement names; what cannot be is told, and left out."""
    folder = Path(run.plan.engagement_file).parent
    found = list(_found(run.plan.vulnerabilities, folder, tell))
    if len(found) > MOST:
        tell(f"{len(found):,} files of other scanners match, and the newest {MOST} are read")
        found = sorted(found, key=_age)[-MOST:]
    for path in sorted(found):
        try:
            (file,) = file_scans(store, run, [path])
        except (Error, OSError) as problem:
            why = problem.what if isinstance(problem, Error) else str(problem.strerror)
            tell(f"{path.name} is left out: {why}")
        else:
            put_on_record(trail, [file])
            tell(f"{file.name} of {file.scanner}: {file.findings:,} findings about this run")


def matching(pattern: str, folder: Path) -> set[Path]:
    """The files beside an engagement that a pattern means now."""
    names = glob.glob(pattern, root_dir=folder, recursive=True)
    return {folder / name for name in names if (folder / name).is_file()}


def _found(patterns: tuple[str, ...], folder: Path, tell: Callable[[str], None]) -> Iterator[Path]:
    seen: set[Path] = set()
    for pattern in patterns:
        files = matching(pattern, folder)
        if not files:
            tell(f"no file matches {pattern}")
        yield from files - seen
        seen |= files


def _age(path: Path) -> tuple[float, Path]:
    try:
        return path.stat().st_mtime, path
    except OSError:
        return 0.0, path


def _filed(store: Store, run: RunRecord, path: Path) -> ScanFile:
    try:
        return file_scan(store, run, path)
    except ParseError as refused:
        where = f"{path}: {refused.where}" if refused.where else str(path)
        raise Error(refused.what, where=where, hint=refused.hint) from None
