"""correlate: vulnerability scans of others, beside a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import (
    Format,
    Here,
    OutputFormat,
    RunReference,
    existing_database,
)

if TYPE_CHECKING:
    from pipeline.render.document import RunDocument


def correlate(
    run: RunReference,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Of Nessus, OpenVAS, Nuclei, or nmap's vulners."),
    ],
    workspace: Here = Path(),
    output: OutputFormat = Format.TEXT,
) -> int:
    """File vulnerability scans of others beside a run, and report it again; sends nothing."""
    from pipeline.cli.edge import printing
    from pipeline.render.known import file_text, others_json
    from pipeline.render.text import counted

    document = _correlated(run, files, workspace)
    found = document.others
    assert found is not None, "at least one file was filed"
    with printing():
        if output is Format.JSON:
            print(json.dumps(others_json(found), indent=1))
            return 0
        for file in found.files:
            print(file_text(file))
        print(
            f"{counted(len(found.known), 'endpoint')} with known vulnerabilities, "
            f"{counted(len(found.blind), 'blind spot')}, "
            f"{counted(len(found.unseen), 'host')} that no scanner covered, "
            f"{counted(len(found.doubted), 'endpoint')} that the run saw otherwise"
        )
    return 0


def _correlated(run: str, files: list[Path], workspace: Path) -> RunDocument:
    import contextlib
    import time

    from pipeline.audit.chain import RECORD
    from pipeline.cli.conduct import desk_half
    from pipeline.cli.recording import recording
    from pipeline.correlating import file_scans, put_on_record
    from pipeline.errors import UsageError
    from pipeline.store.runs import Store
    from pipeline.workspace import Workspace

    existing_database(workspace)
    place = Workspace(workspace.absolute())
    with contextlib.ExitStack() as closing:
        # A run of this workspace would write the same report and record at the same time.
        closing.enter_context(place.lock(now=time.time()))
        store = closing.enter_context(Store(place.database))
        record = store.run(run)
        record.require_evidence()
        for path in files:
            if not path.is_file():
                raise UsageError("there is no such file", where=str(path))
        filed = file_scans(store, record, files)
        folder = place.run_folder(record.id)
        trail = None
        if (folder / RECORD).exists():
            trail = closing.enter_context(recording(record, store, folder, again="correlated"))
            put_on_record(trail, filed)
        return desk_half(record, store, folder, trail).document
