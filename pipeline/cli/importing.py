"""import: scans of others, as runs of ours."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import Format, Here, OutputFormat, Quiet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.importing.question import Scanned
    from pipeline.model import Endpoint, VerdictKind
    from pipeline.store.records import RunRecord
    from pipeline.store.runs import Store

NAMELESS = "imported"
"""The engagement of what is imported without one, and compared with nothing."""


def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="The files of one occasion.")
    ],
    engagement: Annotated[
        str,
        typer.Option("--engagement", "-e", help="The name of the engagement that it belongs to."),
    ] = NAMELESS,
    scanned: Annotated[
        list[str] | None,
        typer.Option(help='What masscan, naabu or zmap was asked: "NETWORKS PORTS".'),
    ] = None,
    workspace: Here = Path(),
    quiet: Quiet = False,
    output: OutputFormat = Format.TEXT,
) -> int:
    """Make a run of files of nmap, masscan, naabu, zmap or portproof; sends nothing."""
    from pipeline.cli.conduct import decide_import
    from pipeline.cli.edge import printing
    from pipeline.errors import UsageError
    from pipeline.importing.question import parse_scanned
    from pipeline.render.text import visible
    from pipeline.store.runs import Store
    from pipeline.workspace import Workspace

    if not engagement.strip() or visible(engagement) != engagement:
        raise UsageError(
            f"--engagement {engagement!r} is no name", hint="write the one of the engagement file"
        )
    areas = tuple(area for text in scanned or () for area in parse_scanned(text))
    place = Workspace(workspace.absolute())
    now = time.time()
    with place.lock(now=now), Store(place.database) as store:
        earlier = store.runs(engagement)
        record = _file(store, files, engagement, areas, now)
        verdicts = decide_import(record, store)
    if not quiet:
        _tell_if_repeated(record, earlier)
    with printing():
        _tell(record, verdicts, output, quiet=quiet)
    return 0


def _file(
    store: Store, files: list[Path], engagement: str, scanned: tuple[Scanned, ...], now: float
) -> RunRecord:
    from pipeline import __version__
    from pipeline.importing.filing import Wanted, file_import
    from pipeline.workspace import new_run_id

    earlier = store.runs(engagement)
    previous = store.previous_complete(engagement) if engagement != NAMELESS else None
    wanted = Wanted(
        engagement=engagement,
        client=earlier[-1].plan.client if earlier else "",
        run_id=new_run_id(now),
        version=__version__,
        scanned=scanned,
        expected=_open_before(store, previous),
        previous=previous.number if previous else None,
    )
    return file_import(store, files, wanted, now=now)


def _tell_if_repeated(record: RunRecord, earlier: Sequence[RunRecord]) -> None:
    """Files that are imported twice count twice in the history."""
    from pipeline.cli.edge import complain

    def content(run: RunRecord) -> set[str]:
        # Without empty files: masscan leaves one whenever it finds nothing.
        return {file.sha256 for file in run.plan.imported if file.size}

    mine = content(record)
    same = next((run for run in reversed(earlier) if mine and content(run) == mine), None)
    if same is not None:
        complain(
            f"the same was imported before, as run {same.id}: the history of the engagement "
            "counts it twice now"
        )


def _open_before(store: Store, previous: RunRecord | None) -> list[Endpoint]:
    from pipeline.cli.conduct import EXPECTED_AGAIN

    if previous is None:
        return []
    return [e for e, v in store.verdicts(previous.number).items() if v.kind in EXPECTED_AGAIN]


def _tell(
    record: RunRecord, verdicts: Mapping[VerdictKind, int], output: Format, *, quiet: bool
) -> None:
    import json

    from pipeline.cli.edge import complain
    from pipeline.render.text import counted, listed, visible

    found = {kind.value: count for kind, count in verdicts.items()}
    if output is Format.JSON:
        told = {
            "run": record.id,
            "engagement": record.plan.engagement,
            "addresses": record.plan.included.size,
            "ports": record.plan.ports,
            "verdicts": dict(sorted(found.items())),
            "files": [
                {
                    "name": file.name,
                    "sha256": file.sha256,
                    "format": file.format,
                    "tool": file.tool,
                    "version": file.version,
                    "problem": file.problem,
                }
                for file in record.plan.imported
            ],
        }
        print(json.dumps(told, indent=1))
        return
    if not quiet:
        for note in record.plan.notes:
            complain(visible(note))
    kinds = listed([f"{count} {kind}" for kind, count in sorted(found.items())]) or "no verdicts"
    hosts = counted(record.plan.included.size, "address", "addresses")
    print(f"run {record.id}: {hosts}, {kinds}")
