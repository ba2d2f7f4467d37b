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
            f"{len(found.known):,} endpoints with known vulnerabilities, {len(found.blind):,} "
            f"blind spots, {len(found.unseen):,} hosts that no scanner covered, "
            f"{len(found.doubted):,} endpoints that the run saw otherwise"
        )
    return 0


def _correlated(run: str, files: list[Path], workspace: Path) -> RunDocument:
    import contextlib

    from pipeline.audit.chain import RECORD
    from pipeline.cli.conduct import desk_half
    from pipeline.cli.recording import recording
    from pipeline.errors import Error, UsageError
    from pipeline.parse import ParseError
    from pipeline.store.runs import Store
    from pipeline.store.scans import file_scan
    from pipeline.workspace import Workspace

    place = Workspace(workspace.absolute())
    with Store(existing_database(workspace)) as store, contextlib.ExitStack() as closing:
        record = store.run(run)
        record.require_evidence()
        filed = []
        for path in files:
            if not path.is_file():
                raise UsageError("there is no such file", where=str(path))
            try:
                filed.append(file_scan(store, record, path))
            except ParseError as refused:
                where = f"{path}: {refused.where}" if refused.where else str(path)
                raise Error(refused.what, where=where, hint=refused.hint) from None
        folder = place.run_folder(record.id)
        trail = None
        if (folder / RECORD).exists():
            trail = closing.enter_context(recording(record, store, folder, again="correlated"))
            trail.add("scans", {"scans": {file.name: file.sha256 for file in filed}})
        return desk_half(record, store, folder, trail).document
