"""The command that compares two runs: diff."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import Here, existing_database

if TYPE_CHECKING:
    from pipeline.decide.identity import IdentityNote
    from pipeline.decide.noise import History, Wishes
    from pipeline.model import Change, ChangeKind, Endpoint
    from pipeline.render.difference import Diff
    from pipeline.store.records import RunRecord
    from pipeline.store.runs import Store


class DiffFormat(StrEnum):
    """How a comparison is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


def diff(
    before: Annotated[
        str, typer.Argument(metavar="[A]", help="The earlier run: an id, `last~1`, or a date.")
    ] = "",
    after: Annotated[
        str, typer.Argument(metavar="[B]", help="The later run: an id, `last`, or a date.")
    ] = "last",
    workspace: Here = Path(),
    only: Annotated[
        str, typer.Option("--only", metavar="KINDS", help="Only these kinds: opened,closed.")
    ] = "",
    since: Annotated[
        str,
        typer.Option("--since", metavar="DATE", help="Instead of A: the newest run by this date."),
    ] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Tell one by one what would be folded.")
    ] = False,
    format_: Annotated[
        DiffFormat, typer.Option("--format", help="For people, programs, or a page.")
    ] = DiffFormat.TEXT,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it here instead.")
    ] = None,
) -> int:
    """Tell what changed between two runs; exits with 1 if anything did."""
    from pipeline.decide.noise import Wishes
    from pipeline.errors import ExitCode, UsageError
    from pipeline.store.runs import Store

    if before and since:
        raise UsageError("--since stands for A, and A is given", hint="leave one of them out")
    wishes = Wishes(only=_kinds(only), fold=not every)
    with Store(existing_database(workspace)) as store:
        found = _diff_of_runs(store, before or since, after, wishes)
    _hand_out(_rendered(found, format_), output)
    return ExitCode.ACTION_NEEDED if found.found.changes else ExitCode.NOTHING_TO_DO


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


def _diff_of_runs(store: Store, before: str, after: str, wishes: Wishes) -> Diff:
    import time

    from pipeline.cli.sides import origin_of, run_meant
    from pipeline.decide.compare import differences
    from pipeline.decide.noise import sort_out
    from pipeline.render.difference import Diff
    from stages.compare import compare_runs

    new = run_meant(store, after)
    old = run_meant(store, before, new.plan.engagement) if before else _run_before(store, new)
    changes = compare_runs(store, old, new)
    histories = _histories(store, new, changes)
    return Diff(
        before=origin_of(old),
        after=origin_of(new),
        differences=differences(old.plan, new.plan),
        found=sort_out(changes, wishes, histories=histories, now=time.time()),
        identities=_identities(store, old, new, changes),
    )


def _run_before(store: Store, run: RunRecord) -> RunRecord:
    from pipeline.errors import UsageError

    earlier = store.previous_complete(run.plan.engagement, before=run.number)
    if earlier is None:
        raise UsageError(
            f"there is no complete run before {run.id} to compare it with",
            where=str(store.path),
            hint="`portproof runs` lists the runs there are",
        )
    return earlier


def _histories(
    store: Store, run: RunRecord, changes: tuple[Change, ...]
) -> dict[Endpoint, History]:
    """What the runs of the engagement up to this one said of the endpoints that changed."""
    from pipeline.decide.noise import History
    from pipeline.store.pairs import histories

    endpoints = [change.endpoint for change in changes]
    found = histories(store, run.plan.engagement, run.number, endpoints)
    return {endpoint: History(kinds=kinds) for endpoint, kinds in found.items()}


def _identities(
    store: Store, old: RunRecord, new: RunRecord, changes: tuple[Change, ...]
) -> tuple[IdentityNote, ...]:
    from pipeline.decide.identity import identifies, identities
    from pipeline.store.pairs import verdicts_on

    hosts = {
        change.endpoint.address
        for change in changes
        for side in (change.before, change.after)
        if side is not None and side.service is not None and identifies(side.service)
    }
    if not hosts:
        return ()
    return identities(verdicts_on(store, old.number, hosts), verdicts_on(store, new.number, hosts))


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
