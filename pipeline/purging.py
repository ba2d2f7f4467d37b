"""Drop the evidence of old runs from the database and from the disk, and keep the history."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.decide.retention import purgeable
from pipeline.remembering import remember
from pipeline.render.text import counted, iso, minute
from pipeline.store.purge import Rows, aged, drop_verdicts, purge_run, rows_of
from pipeline.store.records import RunRecord
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
    """The runs whose evidence may go, oldest first; only those of one engagement if named."""
    runs = {run.number: run for run in store.runs()}
    may_go = [runs[number] for number in purgeable(aged(store), before=before)]
    return tuple(
        _burden(store, workspace, run) for run in may_go if engagement in ("", run.plan.engagement)
    )


def _burden(store: Store, workspace: Workspace, run: RunRecord) -> Burden:
    sizes = [
        path.lstat().st_size
        for folder in _folders(workspace, run)
        for path in folder.rglob("*")
        if not path.is_dir() or path.is_symlink()
    ]
    return Burden(run=run, rows=rows_of(store, run), files=len(sizes), bytes=sum(sizes))


def purge(store: Store, workspace: Workspace, chosen: Sequence[Burden], *, now: float) -> int:
    """Drop the evidence of these runs; returns by how many bytes the database became smaller.

    Whoever calls holds the lock of the workspace. What a purge that was cut off left behind, files
    or room in the database, is cleared as well.
    """
    before = store.path.stat().st_size
    for engagement in dict.fromkeys(burden.run.plan.engagement for burden in chosen):
        remember(store, engagement)
    for burden in chosen:
        purge_run(store, burden.run, now=now, text=_told(burden))
    drop_verdicts(store)
    for run in store.runs():
        if run.purged is not None:
            for folder in _folders(workspace, run):
                shutil.rmtree(folder)
    store.give_room_back()
    return before - store.path.stat().st_size


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


def purge_json(chosen: Sequence[Burden], smaller: int | None) -> str:
    """The same for programs; ``given_back`` is null when nothing was changed."""
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
        "given_back": None if smaller is None else max(0, smaller) + files,
    }
    return json.dumps(told, indent=1)
