"""The command that compares two runs or files: diff."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import Here

if TYPE_CHECKING:
    from pipeline.importing.question import Scanned
    from pipeline.model import ChangeKind
    from pipeline.render.difference import Diff


class DiffFormat(StrEnum):
    """How a comparison is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


def diff(
    before: Annotated[
        str,
        typer.Argument(metavar="[A]", help="A run's id, `last~1`, a date, or a file."),
    ] = "",
    after: Annotated[
        str,
        typer.Argument(metavar="[B]", help="A run's id, `last`, a date, or a file."),
    ] = "last",
    workspace: Here = Path(),
    only: Annotated[
        str, typer.Option("--only", metavar="KINDS", help="Only these kinds: opened,closed.")
    ] = "",
    since: Annotated[
        str,
        typer.Option("--since", metavar="DATE", help="Instead of A: the newest run by this date."),
    ] = "",
    engagement: Annotated[
        Path | None,
        typer.Option("--engagement", "-e", help="Whose suppressions hold; else those of B."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Tell one by one what would be folded.")
    ] = False,
    format_: Annotated[
        DiffFormat, typer.Option("--format", help="For people, programs, or a page.")
    ] = DiffFormat.TEXT,
    scanned: Annotated[
        list[str] | None,
        typer.Option(help='What a file cannot know: what was asked, "NETWORKS PORTS".'),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it here instead.")
    ] = None,
) -> int:
    """Tell what changed between two runs or files; exits with 1 if anything did."""
    import time

    from pipeline.cli.differing import diff_of
    from pipeline.decide.noise import Wishes
    from pipeline.errors import ExitCode, UsageError

    if before and since:
        raise UsageError("--since stands for A, and A is given", hint="leave one of them out")
    with _without_looking_for_cycles():
        found = diff_of(
            before or since,
            after,
            workspace=workspace,
            wishes=Wishes(only=_kinds(only), fold=not every),
            engagement=engagement,
            scanned=_areas(scanned or []),
            now=time.time(),
        )
        text = _rendered(found, format_)
    _hand_out(text, output)
    return ExitCode.ACTION_NEEDED if found.found.changes else ExitCode.NOTHING_TO_DO


@contextmanager
def _without_looking_for_cycles() -> Iterator[None]:
    """A comparison is made of many values and no cycles; looking for some takes a fifth of it."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _areas(texts: list[str]) -> tuple[Scanned, ...]:
    if not texts:
        return ()
    from pipeline.importing.question import parse_scanned

    return tuple(area for text in texts for area in parse_scanned(text))


def _kinds(text: str) -> frozenset[ChangeKind]:
    from pipeline.errors import UsageError
    from pipeline.model import ChangeKind

    found = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [part for part in found if part not in list(ChangeKind)]
    if unknown:
        raise UsageError(
            f"--only: {unknown[0]!r} is no kind of change",
            hint=f"the kinds are {', '.join(ChangeKind)}",
        )
    return frozenset(map(ChangeKind, found))


def _rendered(found: Diff, format_: DiffFormat) -> str:
    if format_ is DiffFormat.HTML:
        from pipeline.render.difference_html import diff_html

        return diff_html(found)
    if format_ is DiffFormat.JSON:
        from pipeline.render.difference_json import diff_json

        return diff_json(found)
    from pipeline.render.difference_text import diff_markdown, diff_text

    return diff_markdown(found) if format_ is DiffFormat.MARKDOWN else diff_text(found)


def _hand_out(text: str, output: Path | None) -> None:
    from pipeline.cli.edge import printing
    from pipeline.files import write_whole

    if output is not None:
        write_whole(output, text)
        print(output)
        return
    with printing():
        print(text, end="")
