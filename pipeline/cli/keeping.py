"""Commands about what is kept of many runs: history, purge."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import Format, Here, OutputFormat, existing_database

if TYPE_CHECKING:
    from pipeline.addresses import Address
    from pipeline.audit.trail import Trail
    from pipeline.model import Endpoint
    from pipeline.purging import Burden
    from pipeline.render.history import Past
    from pipeline.store.records import RunRecord
    from pipeline.store.runs import Store

EngagementName = Annotated[
    str, typer.Option("--engagement", metavar="NAME", help="Only this engagement.")
]


def history(
    endpoint: Annotated[
        str, typer.Argument(metavar="ENDPOINT", help="ADDRESS:PORT, or ADDRESS for a whole host.")
    ],
    workspace: Here = Path(),
    engagement: EngagementName = "",
    output: OutputFormat = Format.TEXT,
) -> int:
    """Show what became of an endpoint, or of all of a host, over all complete runs."""
    from pipeline.cli.edge import printing
    from pipeline.cli.looking import print_columns
    from pipeline.remembering import remember
    from pipeline.render.history import COLUMNS, heading, history_json, rows
    from pipeline.store.runs import Store

    pasts, unknown = [], []
    with Store(existing_database(workspace)) as store:
        for name in _engagements(store, engagement):
            remember(store, name)
            for where in _meant(store, name, endpoint):
                past = _past(store, name, where)
                if past.endpoints:
                    pasts.append(past)
                elif past.runs:
                    unknown += _without(store, past, where)
        if not pasts and not unknown:
            _nothing(store, endpoint)
    with printing():
        if output is Format.JSON:
            print(history_json(endpoint, pasts), end="")
            if not pasts:
                # Beside the document, which has no place for what nobody called open.
                print("\n".join(unknown), file=sys.stderr)
            return 0
        for past in pasts:
            print(heading(past))
            print_columns([COLUMNS, *rows(past)])
            print()
        if not pasts:
            print("\n".join(unknown))
    return 0


def purge(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="TIME", help="Runs that ended before: 90d.")
    ],
    workspace: Here = Path(),
    engagement: EngagementName = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be dropped.")
    ] = False,
    output: OutputFormat = Format.TEXT,
) -> int:
    """Drop the evidence of old runs and expired raw evidence; keep histories and reports."""
    import time

    from pipeline.cli.options import seconds_of
    from pipeline.cli.recording import seal_again
    from pipeline.purging import burdens, expire, raw_that_expired
    from pipeline.purging import purge as drop
    from pipeline.store.runs import Store
    from pipeline.workspace import Workspace

    now = time.time()
    before = now - seconds_of(older_than, "--older-than")
    database = existing_database(workspace)
    place = Workspace(workspace.absolute())
    with contextlib.ExitStack() as stack:
        if not dry_run:
            stack.enter_context(place.lock(now=now))
        store = stack.enter_context(Store(database))
        if engagement:
            _engagements(store, engagement)
        chosen = burdens(store, place, before=before, engagement=engagement)

        def seal(run: RunRecord, trail: Trail) -> None:
            seal_again(run, store, place.run_folder(run.id), trail)

        if dry_run:
            old = raw_that_expired(store, place, now=now)
            raw = tuple((run, len(files)) for run, files in old)
            smaller = None
        else:
            smaller = drop(store, place, chosen, now=now, seal=seal)
            raw = expire(store, place, now=now, seal=seal)
    _print_purge(chosen, smaller, raw, output)
    return 0


def _print_purge(
    chosen: Sequence[Burden],
    smaller: int | None,
    raw: Sequence[tuple[RunRecord, int]],
    output: Format,
) -> None:
    from pipeline.cli.looking import print_columns
    from pipeline.purging import COLUMNS, purge_json, row, total
    from pipeline.render.text import counted

    if output is Format.JSON:
        print(purge_json(chosen, smaller, raw))
        return
    if chosen:
        print_columns([COLUMNS, *map(row, chosen)])
    for run, files in raw:
        done = "would be removed" if smaller is None else "removed"
        print(f"{run.id}: raw evidence expired, {counted(files, 'file')} {done}")
    print(total(chosen, smaller))


def _engagements(store: Store, wanted: str) -> tuple[str, ...]:
    """The engagements of a workspace, or the one that is wanted. Raises :class:`UsageError`."""
    from pipeline.errors import UsageError

    names = tuple(dict.fromkeys(run.plan.engagement for run in store.runs()))
    if not wanted:
        return names
    if wanted not in names:
        raise UsageError(
            f"there is no run of an engagement {wanted!r}",
            where=str(store.path),
            hint=f"write one of: {', '.join(names) or 'none yet'}",
        )
    return (wanted,)


def _meant(store: Store, engagement: str, text: str) -> Iterator[Address | Endpoint]:
    """The addresses of a host, or one endpoint; names are those of the newest run."""
    from pipeline.addresses import parse_address
    from pipeline.cli.endpoints import read_endpoint

    names = dict(store.runs(engagement)[-1].plan.names)
    hosts = []
    for address in names.get(text, (text.strip("[]"),)):
        with contextlib.suppress(ValueError):
            hosts.append(parse_address(address))
    yield from hosts or (read_endpoint(text, names),)


def _past(store: Store, engagement: str, where: Address | Endpoint) -> Past:
    from pipeline.model import Endpoint
    from pipeline.render.history import Past
    from pipeline.store.spells import histories, occasions

    runs = occasions(store, engagement)
    host = where.address if isinstance(where, Endpoint) else where
    found = dict(histories(store, runs, host=host))
    if isinstance(where, Endpoint):
        found = {endpoint: spells for endpoint, spells in found.items() if endpoint == where}
    return Past(engagement=engagement, runs=runs, endpoints=found)


def _without(store: Store, past: Past, where: Address | Endpoint) -> list[str]:
    """That nobody ever called it open, and how many runs asked; nothing when none did."""
    from pipeline.remembering import asked_in
    from pipeline.render.text import counted, visible

    of_history = {run.number for run in past.runs}
    runs = [run for run in store.runs(past.engagement) if run.number in of_history]
    told = [asked_in(store, run)(where) for run in runs if run.purged is None]
    if not any(told):
        return []
    text = (
        f"{where}\n  {visible(past.engagement, 80)}: asked by {sum(told):,} of "
        f"{counted(len(told), 'complete run')}, and nobody ever called it open"
    )
    if len(told) < len(runs):
        text += f"; of {len(runs) - len(told):,} more the evidence was purged"
    return [text]


def _nothing(store: Store, text: str) -> None:
    """Raises :class:`UsageError`: no run can say anything."""
    from pipeline.errors import UsageError

    raise UsageError(
        f"no complete run on file has asked about {text!r}",
        where=str(store.path),
        hint="`portproof runs` lists the runs, and `portproof show` tells what one of them knows",
    )
