"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.render.variants import Variant

if TYPE_CHECKING:
    from pipeline.workspace import Workspace

DEFAULT_FILE = Path("engagement.yml")

EngagementFile = Annotated[
    Path, typer.Argument(metavar="ENGAGEMENT", help="The engagement file (YAML).")
]
WorkspaceFolder = Annotated[
    Path | None,
    typer.Option("--workspace", help="Where database and runs live; else beside the engagement."),
]
Here = Annotated[
    Path,
    typer.Option("--workspace", help="The workspace, with its portproof.db."),
]
WaitForWindow = Annotated[
    bool,
    typer.Option(
        "--wait-for-window", help="Outside of the windows wait for the next one; do not stop."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only troubles, no progress.")]
AgainstBaseline = Annotated[
    bool,
    typer.Option("--baseline", help="Measure by the baseline, not by the run before."),
]
RunReference = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, `last`, or `last~2` for two before it.")
]


DocxTemplate = Annotated[
    Path | None, typer.Option("--template", metavar="DOCX", help="Fill this DOCX, not ours.")
]


ReportVariant = Annotated[
    Variant | None,
    typer.Option("--variant", help="For everybody, who decides, or who mends; needs --output."),
]


class Format(StrEnum):
    """How a command prints what it found."""

    TEXT = "text"
    JSON = "json"


OutputFormat = Annotated[Format, typer.Option("--format", help="For people or for programs.")]


def workspace_of(file: Path, folder: Path | None) -> Workspace:
    """The workspace of an engagement file, or the folder that was named instead."""
    from pipeline.workspace import Workspace

    return Workspace((folder or file.parent).absolute())


def existing_database(folder: Path) -> Path:
    """The database of a workspace. Raises ``UsageError`` when there is none."""
    from pipeline.errors import UsageError
    from pipeline.workspace import Workspace

    path = Workspace(folder.absolute()).database
    if not path.exists():
        raise UsageError(
            "there is no portproof.db here, so no run either",
            where=str(folder),
            hint="name the folder of the engagement file with --workspace",
        )
    return path


def seconds_of(text: str, option: str) -> float:
    """A duration such as ``90s`` or ``30m`` in seconds. Raises :class:`UsageError`."""
    from pipeline.engagement.fields import parse_duration
    from pipeline.errors import UsageError

    try:
        return parse_duration(text)
    except ValueError as problem:
        raise UsageError(
            f"{option}: {problem}", hint="write a time such as 90s, 30m or 2h"
        ) from None
