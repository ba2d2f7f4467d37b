"""Commands that only read the store: runs, show, report."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import (
    AgainstBaseline,
    DocxTemplate,
    Format,
    Here,
    OutputFormat,
    ReportVariant,
    RunReference,
    existing_database,
)

if TYPE_CHECKING:
    from pipeline.addresses import Address
    from pipeline.render.document import Finding, RunDocument
    from pipeline.store.records import RunRecord

_NOTHING = "no endpoint was named: nothing is known to be open"


def runs(workspace: Here = Path(), output: OutputFormat = Format.TEXT) -> int:
    """List the runs of a workspace, the oldest first."""
    import json

    from pipeline.render.text import iso, visible
    from pipeline.store.purge import change_counts
    from pipeline.store.runs import Store

    with Store(existing_database(workspace)) as store:
        known, changes = store.runs(), change_counts(store)
    if output is Format.JSON:
        rows = [
            {
                "run": run.id,
                "client": run.plan.client,
                "engagement": run.plan.engagement,
                "state": run.state,
                "started": iso(run.started),
                "ended": iso(run.ended) if run.ended is not None else None,
                "stopped_because": run.stopped_because,
                "imported": [file.name for file in run.plan.imported],
                "purged": iso(run.purged) if run.purged is not None else None,
                "changes": changes.get(run.number),
            }
            for run in known
        ]
        print(json.dumps(rows, indent=1))
        return 0
    table = [("run", "state", "started", "engagement", "note")]
    table += [
        (
            run.id,
            run.state.value,
            iso(run.started),
            visible(run.plan.engagement, 40),
            visible(run.stopped_because or _note(run), 60),
        )
        for run in known
    ]
    print_columns(table)
    return 0


def _note(run: RunRecord) -> str:
    names = ", ".join(file.name for file in run.plan.imported)
    notes = (f"imported from {names}" if names else "", "evidence purged" if run.purged else "")
    return "; ".join(note for note in notes if note)


def show(
    run: RunReference = "last",
    endpoint: Annotated[
        str, typer.Argument(metavar="[ENDPOINT]", help="Only this one: ADDRESS:PORT or ADDRESS.")
    ] = "",
    workspace: Here = Path(),
    output: OutputFormat = Format.TEXT,
) -> int:
    """Tell why each endpoint got its verdict, in order; of a host, what is known about it."""
    from pipeline.assembly import assemble
    from pipeline.cli.asked import without_verdict
    from pipeline.cli.edge import printing
    from pipeline.model import RunState
    from pipeline.render.document_json import render_json
    from pipeline.render.story import stories
    from pipeline.store.runs import Store

    with Store(existing_database(workspace)) as store:
        record = store.run(run)
        document = assemble(store, record)
    _tell_if_unfinished(record, workspace)
    hosts = _hosts_meant(endpoint, record)
    if endpoint:
        document = _only(document, endpoint, hosts)
    nothing = endpoint and not document.findings
    silent = without_verdict(endpoint, record.plan, document) if nothing else ""
    with printing():
        if output is Format.JSON:
            told = stories(document) if endpoint and not hosts else ()
            print(render_json(document, stories=told))
        elif hosts:
            _print_hosts(document)
        else:
            _print_stories(document)
    if silent:
        # Beside the document, which has no place for what nobody called open.
        print(silent, file=sys.stderr if output is Format.JSON else sys.stdout)
    elif not document.findings and output is Format.TEXT:
        print(_NOTHING if record.state is RunState.COMPLETE else "nothing is decided yet")
    return 0


def _hosts_meant(text: str, record: RunRecord) -> frozenset[Address]:
    """The addresses of a host that is asked for without a port; none for anything else."""
    from pipeline.addresses import parse_address

    found = set()
    for address in dict(record.plan.names).get(text, (text.strip("[]"),)):
        with contextlib.suppress(ValueError):
            found.add(parse_address(address))
    return frozenset(found)


def _only(document: RunDocument, text: str, hosts: frozenset[Address]) -> RunDocument:
    """The document without what is not about this endpoint, or these hosts."""
    from dataclasses import replace

    from pipeline.decide.facts import Neighbourhoods

    shown = tuple(f for f in document.findings if _wanted(f, text))
    about = hosts | {finding.verdict.endpoint.address for finding in shown}
    known = document.neighbourhoods
    return replace(
        document,
        findings=shown,
        neighbourhoods=Neighbourhoods(
            hosts=tuple(r for r in known.hosts if r.address in about),
            networks=tuple(r for r in known.networks if any(a in r.network for a in about)),
        ),
    )


def _print_stories(document: RunDocument) -> None:
    from pipeline.render.story import stories, story_text

    for story in stories(document):
        print("\n".join(story_text(story)), end="\n\n")


def _print_hosts(document: RunDocument) -> None:
    """What is known about each host, and a line for each of its endpoints."""
    from pipeline.render.terminal import host_lines, verdict_table

    for record in document.neighbourhoods.hosts:
        lines = host_lines(record, document.neighbourhoods.around(record))
        print("\n".join(lines), end="\n\n")
    if document.findings:
        print_table(verdict_table(document))


def _tell_if_unfinished(record: RunRecord, workspace: Path) -> None:
    from pipeline.cli.edge import complain
    from pipeline.cli.resuming import unfinished
    from pipeline.workspace import Workspace

    told = unfinished(record, Workspace(workspace.absolute()))
    if told:
        complain(told)


def _wanted(finding: Finding, text: str) -> bool:
    whole = str(finding.verdict.endpoint)
    address, _, port = whole.rpartition(":")
    hosts = (address, address.strip("[]"), *finding.names)
    wanted = {*hosts, *(f"{host}:{port}" for host in (address, *finding.names))}
    return not text or text in wanted or f"{text}/{finding.verdict.endpoint.protocol}" in wanted


def report(
    run: RunReference = "last",
    workspace: Here = Path(),
    forms: Annotated[
        str,
        typer.Option("--format", metavar="FORMATS", help="As what: html, or html,pdf,xlsx, …"),
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write it here; several formats into this folder."),
    ] = None,
    template: DocxTemplate = None,
    baseline: AgainstBaseline = False,
    anonymised: Annotated[
        bool,
        typer.Option("--anonymised", help="With pseudonyms, and without banners; needs --output."),
    ] = False,
    variant: ReportVariant = None,
) -> int:
    """Decide, compare and render a stored run again; sends nothing."""
    from pipeline.audit.chain import RECORD
    from pipeline.cli.conduct import desk_half
    from pipeline.cli.forms import (
        anonymised_copy,
        forms_meant,
        in_variant,
        tell_of_templates,
        written,
    )
    from pipeline.cli.measuring import measured_now
    from pipeline.cli.recording import recording
    from pipeline.errors import UsageError, WorkspaceBusy
    from pipeline.store.runs import Store
    from pipeline.workspace import Workspace

    meant = forms_meant(forms, on_demand=output is not None) if forms else ()
    if template is not None and (output is None or "docx" not in meant):
        raise UsageError(
            "--template is for a document that is written somewhere",
            hint="add --format docx --output FILE",
        )
    if anonymised and (output is None or template is not None):
        raise UsageError(
            "--anonymised writes a copy somewhere, and into no template of yours",
            hint="add --output FILE, and leave --template out: nobody knows what it tells",
        )
    if variant is not None and output is None:
        raise UsageError(
            "--variant is for a report that is written somewhere",
            hint="add --output FILE, or name branding.variant in the engagement",
        )
    place = Workspace(workspace.absolute())
    with Store(existing_database(workspace)) as store:
        record = store.run(run)
        record.require_evidence()
        _tell_if_unfinished(record, workspace)
        if baseline:
            record = replace(record, plan=measured_now(record.plan, store))
        folder = place.run_folder(record.id)
        with contextlib.ExitStack() as closing:
            trail = None
            # A run of an earlier version has no record, and who asks now writes its own.
            if (folder / RECORD).exists():
                with contextlib.suppress(WorkspaceBusy):
                    trail = closing.enter_context(
                        recording(record, store, folder, again="reported")
                    )
            more = meant if output is None else ()
            outcome = desk_half(record, store, folder, trail, forms=more)
    files = outcome.files
    if output is not None:
        document = outcome.document
        if anonymised:
            document = anonymised_copy(document, place)
        if variant is not None:
            document = in_variant(document, variant)
        tell_of_templates(document)
        files = written(document, meant or ("html",), output, template)
    for file in files:
        print(file)
    return 0


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """The verdicts, with their headings."""
    from pipeline.render.terminal import VERDICT_COLUMNS

    if rows:
        print_columns([VERDICT_COLUMNS, *rows])
    else:
        print(_NOTHING)


def print_columns(rows: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as their widest cell; the first row is the heading."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    bold = sys.stdout.isatty()
    for number, row in enumerate(rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        heading = bold and number == 0
        print(f"\x1b[1m{line.rstrip()}\x1b[0m" if heading else line.rstrip())
