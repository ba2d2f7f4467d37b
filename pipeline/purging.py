"""Drop the evidence of old runs from the database and from the disk, and keep the history."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from pipeline.audit.chain import RECORD, sha256_of_bytes
from pipeline.audit.checking import PURGED
from pipeline.audit.trail import Trail, opened, this_operator
from pipeline.decide.retention import purgeable
from pipeline.evidence import expired, remove, written_by_tools
from pipeline.files import sha256_of
from pipeline.model import RunState
from pipeline.remembering import remember
from pipeline.render.text import counted, iso, minute
from pipeline.store.baselines import baselines
from pipeline.store.purge import EVENT, Rows, aged, drop_verdicts, purge_run, rows_of
from pipeline.store.records import RunRecord, plan_to_text
from pipeline.store.runs import Store
from pipeline.workspace import Workspace

COLUMNS: Final = ("run", "ended", "tasks", "observations", "files", "bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Burden:
    """What a run weighs beside its history: rows, and files of evidence with their bytes."""

    run: RunRecord
    rows: Rows
    files: int
    bytes: int


def burdens(
    store: Store, workspace: Workspace, *, before: float, engagement: str = ""
) -> tuple[Burden, ...]:
    """The runs whose evidence may go, oldest first; only those of one engagement if named.

    Baselines stay: what is compared with them rests on what they had asked.
    """
    runs = {run.number: run for run in store.runs()}
    kept = {found.run.number for found in baselines(store).values()}
    kept |= {r.plan.baseline_run or 0 for r in runs.values() if r.state is not RunState.COMPLETE}
    may_go = [runs[number] for number in purgeable(aged(store), before=before)]
    return tuple(
        _burden(store, workspace, run)
        for run in may_go
        if engagement in ("", run.plan.engagement) and run.number not in kept
    )


def _burden(store: Store, workspace: Workspace, run: RunRecord) -> Burden:
    sizes = [
        path.lstat().st_size
        for folder in _folders(workspace, run)
        for path in folder.rglob("*")
        if not path.is_dir() or path.is_symlink()
    ]
    return Burden(run=run, rows=rows_of(store, run), files=len(sizes), bytes=sum(sizes))


Seal = Callable[[RunRecord, Trail], None]
"""Seals what lies in the folder of a run once more, see :mod:`pipeline.audit.sealing`."""


def purge(
    store: Store, workspace: Workspace, chosen: Sequence[Burden], *, now: float, seal: Seal
) -> int:
    """Drop the evidence of these runs; returns by how many bytes the database became smaller.

    Whoever calls holds the lock of the workspace. The record of each run says what goes before it
    goes. What a purge that was cut off left behind, files, a record without its seal or room in the
    database, is put in order as well.
    """
    before = store.path.stat().st_size
    for engagement in dict.fromkeys(burden.run.plan.engagement for burden in chosen):
        remember(store, engagement)
    for burden in chosen:
        run = burden.run
        with _record(store, workspace, run, now) as trail:
            if trail is not None:
                trail.add(PURGED, {"why": _told(burden), "files": _hashes(workspace, run)})
                trail.sync()
            purge_run(store, run, now=now, text=_told(burden))
            _clear(workspace, run)
            if trail is not None:
                seal(run, trail)
    drop_verdicts(store)
    _finish(store, workspace, now, seal)
    store.give_room_back()
    return before - store.path.stat().st_size


def expire(
    store: Store, workspace: Workspace, *, now: float, seal: Seal
) -> tuple[tuple[RunRecord, int], ...]:
    """Remove the raw evidence that has been kept for as long as its engagement wants it.

    Returns the runs with how many files they lost. What the tools were asked stays, and so does
    all that the database has. Whoever calls holds the lock of the workspace.
    """
    told = []
    for run, files in raw_that_expired(store, workspace, now=now):
        folder = workspace.run_folder(run.id)
        hashes = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
        text = f"raw evidence expired: {counted(len(files), 'file')} removed"
        with _record(store, workspace, run, now) as trail:
            if trail is not None:
                trail.add(PURGED, {"why": text, "files": hashes})
                trail.sync()
            store.add_event(run.number, EVENT, text, now=now)
            remove(files)
            if trail is not None:
                seal(run, trail)
        told.append((run, len(files)))
    return tuple(told)


def raw_that_expired(
    store: Store, workspace: Workspace, *, now: float
) -> tuple[tuple[RunRecord, tuple[Path, ...]], ...]:
    """The runs with raw evidence that is older than it may be, and the files."""
    found = []
    for run in store.runs():
        if run.purged is None and expired(run.plan.privacy, run.ended, now):
            files = written_by_tools(workspace.run_folder(run.id))
            if files:
                found.append((run, files))
    return tuple(found)


def _finish(store: Store, workspace: Workspace, now: float, seal: Seal) -> None:
    """Clear what an earlier purge left behind."""
    for run in store.runs():
        if run.purged is None:
            continue
        audit = store.audit(run.number)
        if _folders(workspace, run) or (audit is not None and not audit.manifest_sha256):
            with _record(store, workspace, run, now) as trail:
                _clear(workspace, run)
                if trail is not None:
                    seal(run, trail)


@contextmanager
def _record(
    store: Store, workspace: Workspace, run: RunRecord, now: float
) -> Iterator[Trail | None]:
    """The record of a run, open for more; ``None`` for a run that has none."""
    folder = workspace.run_folder(run.id)
    if not (folder / RECORD).exists():
        yield None
        return
    with opened(
        folder,
        run=run.id,
        plan_sha256=sha256_of_bytes(plan_to_text(run.plan).encode()),
        operator=this_operator(),
        now=lambda: now,
        keep_head=partial(store.keep_head, run.number),
    ) as trail:
        yield trail


def _hashes(workspace: Workspace, run: RunRecord) -> dict[str, str]:
    """The files of evidence by their names within the folder of the run."""
    home = workspace.run_folder(run.id)
    return {
        path.relative_to(home).as_posix(): sha256_of(path)
        for folder in _folders(workspace, run)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def _clear(workspace: Workspace, run: RunRecord) -> None:
    for folder in _folders(workspace, run):
        shutil.rmtree(folder)


def _folders(workspace: Workspace, run: RunRecord) -> tuple[Path, ...]:
    """The evidence on disk: all folders of the run. Its report and manifest lie beside them."""
    folder = workspace.run_folder(run.id)
    if not folder.is_dir():
        return ()
    return tuple(
        path for path in sorted(folder.iterdir()) if path.is_dir() and not path.is_symlink()
    )


def _told(burden: Burden) -> str:
    rows = burden.rows
    return (
        f"the evidence was dropped: {counted(rows.tasks, 'task')}, "
        f"{counted(rows.observations, 'observation')}, {counted(burden.files, 'file')}; "
        "the history, the report and the manifest are kept"
    )


def row(burden: Burden) -> tuple[str, ...]:
    """A burden for people, as :data:`COLUMNS` names the cells."""
    rows = burden.rows
    numbers = (rows.tasks, rows.observations, burden.files, burden.bytes)
    return burden.run.id, minute(burden.run.ended or 0.0), *(f"{number:,}" for number in numbers)


def total(chosen: Sequence[Burden], smaller: int | None) -> str:
    """One sentence; ``smaller`` is by how many bytes the database shrank, ``None`` if untouched."""
    runs = counted(len(chosen), "run")
    if smaller is None:
        return f"{runs} would lose the evidence; nothing was changed"
    files = sum(burden.bytes for burden in chosen)
    return (
        f"{runs} lost the evidence, and {'keeps' if len(chosen) == 1 else 'keep'} history and "
        f"report; {max(0, smaller) + files:,} bytes were given back"
    )


def purge_json(
    chosen: Sequence[Burden], smaller: int | None, raw: Sequence[tuple[RunRecord, int]] = ()
) -> str:
    """The same for programs; ``given_back`` is null when nothing was changed. ``raw`` are the runs
    with raw evidence that expired, and how many files."""
    files = sum(burden.bytes for burden in chosen)
    told = {
        "runs": [
            {
                "run": burden.run.id,
                "engagement": burden.run.plan.engagement,
                "ended": iso(burden.run.ended or 0.0),
                "tasks": burden.rows.tasks,
                "observations": burden.rows.observations,
                "files": burden.files,
                "bytes": burden.bytes,
            }
            for burden in chosen
        ],
        "raw_expired": [{"run": run.id, "files": files} for run, files in raw],
        "given_back": None if smaller is None else max(0, smaller) + files,
    }
    return json.dumps(told, indent=1)
