"""netbox push: the services of a run, written into the NetBox that its engagement names."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import Format, Here, OutputFormat, RunReference, existing_database

if TYPE_CHECKING:
    from pipeline.netbox.services import Planned
    from pipeline.netbox.session import Netbox
    from pipeline.netbox.settings import NetboxSettings
    from pipeline.store.records import RunRecord
    from pipeline.store.runs import Store

netbox = typer.Typer(
    name="netbox",
    help="Write what a run found into NetBox.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@netbox.callback()
def _netbox() -> None:
    pass


@netbox.command()
def push(
    run: RunReference = "last",
    apply: Annotated[
        bool, typer.Option("--apply", help="Write it; without, it is only said.")
    ] = False,
    token_env: Annotated[
        str,
        typer.Option(
            "--token-env", metavar="NAME", help="The variable with a token that may write."
        ),
    ] = "",
    workspace: Here = Path(),
    output: OutputFormat = Format.TEXT,
) -> int:
    """Say which services of NetBox a run would create or change; with --apply do it."""
    from pipeline.cli.edge import printing

    steps, name = _pushed(run, apply, token_env, workspace)
    with printing():
        if output is Format.JSON:
            rows = [
                {"endpoint": str(s.endpoint), "step": s.step, "service": s.number, "sent": s.body}
                for s in steps
            ]
            print(json.dumps({"netbox": name, "applied": apply, "steps": rows}, indent=1))
            return 0
        for step in steps:
            said = step.body.get("description") or step.body.get("name") or ""
            print(f"{step.step:8} {step.endpoint}  {said}".rstrip())
        counts = Counter(step.step for step in steps)
        told = ", ".join(f"{number:,} {step}" for step, number in sorted(counts.items()))
        print(f"{name}: {told or 'nothing is confirmed'}")
        if not apply and any(step.writes for step in steps):
            print("nothing was written; --apply does it")
    return 0


def _pushed(
    run: str, apply: bool, token_env: str, workspace: Path
) -> tuple[tuple[Planned, ...], str]:
    import time
    from dataclasses import replace

    from pipeline.assembly import assemble
    from pipeline.netbox.services import planned, version_of
    from pipeline.netbox.session import Netbox
    from pipeline.secret import Secret
    from pipeline.store.runs import Store
    from pipeline.workspace import Workspace

    with Store(existing_database(workspace)) as store:
        record = store.run(run)
        record.require_evidence()
        document = assemble(store, record)
    place = Workspace(workspace.absolute())
    settings = _settings(Path(record.plan.engagement_file))
    if token_env:
        settings = replace(settings, token=Secret(env=token_env))
    there = Netbox(settings, time.monotonic, writes=apply)
    version = version_of(there.version())
    steps = planned(
        document,
        there.listed("ipam/ip-addresses", {"status": list(settings.statuses)}),
        there.listed("ipam/services", {}),
        version,
    )
    if apply:
        with Store(place.database) as store:
            _applied(store, record, place.run_folder(record.id), there, steps)
    return steps, settings.name


def _applied(
    store: Store, run: RunRecord, folder: Path, there: Netbox, steps: tuple[Planned, ...]
) -> None:
    """Write, and put on the record of the run what was to be written, before it is."""
    import contextlib

    from pipeline.audit.chain import RECORD
    from pipeline.cli.recording import recording, seal_again
    from pipeline.netbox.writing import write

    with contextlib.ExitStack() as closing:
        if (folder / RECORD).exists():
            trail = closing.enter_context(recording(run, store, folder, again="pushed"))
            sent = Counter(str(step.step) for step in steps if step.writes)
            trail.add("netbox", {"netbox": there.name, "services": dict(sorted(sent.items()))})
            closing.callback(seal_again, run, store, folder, trail)
        write(there, steps)


def _settings(engagement: Path) -> NetboxSettings:
    from pipeline.engagement import load
    from pipeline.errors import UsageError
    from pipeline.netbox.settings import NetboxSettings

    named = [each for each in load(engagement).assets if isinstance(each, NetboxSettings)]
    if len(named) != 1:
        raise UsageError(
            f"the engagement names {len(named)} NetBoxes, and it takes one",
            where=str(engagement),
            hint="see assets[].netbox",
        )
    return named[0]
