"""Keep the record of a run while something is done to it, and seal it afterwards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pipeline import __version__
from pipeline.audit import telling
from pipeline.audit.chain import sha256_of_bytes
from pipeline.audit.sealing import seal
from pipeline.audit.trail import Trail, opened, this_operator
from pipeline.cli.edge import complain
from pipeline.errors import ToolError
from pipeline.files import write_whole
from pipeline.ledger import Ledger
from pipeline.manifest import MANIFEST, manifest
from pipeline.redact import Redactor
from pipeline.store.records import RunRecord, plan_to_text
from pipeline.store.runs import Store
from pipeline.vantage import survey


@contextlib.contextmanager
def recording(
    run: RunRecord, store: Store, folder: Path, *, again: str = "resumed"
) -> Iterator[Trail]:
    """The record of a run, begun or gone on with; every event of the run goes into it.

    ``again`` is what a line says when the record is there already: what is done to the run.
    Raises ``WorkspaceBusy``, ``DiskFull`` or ``Error``.
    """
    plan_sha256 = sha256_of_bytes(plan_to_text(run.plan).encode())
    redactor = Redactor.of(run.plan.privacy.redact)
    with opened(
        folder,
        run=run.id,
        plan_sha256=plan_sha256,
        operator=this_operator(),
        now=time.time,
        keep_head=partial(store.keep_head, run.number),
    ) as trail:
        if trail.head.lines:
            tools = ((tool.name, tool.version) for tool in survey().tools)
            trail.add(again, {"run": run.id, **telling.tools_of(__version__, tools)})
        else:
            trail.add("begun", telling.plan_of(run.id, run.plan, plan_sha256))
        if trail.torn:
            trail.add("repaired", trail.torn)
        telling.tell_again(trail, Ledger(store, run).tasks())

        def heard(number: int, kind: str, text: str) -> None:
            if number == run.number:
                trail.add("event", telling.event(kind, redactor.text(text)))

        store.on_event = heard
        try:
            yield trail
        finally:
            store.on_event = None


def seal_run(run: RunRecord, store: Store, folder: Path, trail: Trail) -> None:
    """Seal what was delivered, and sign it where the engagement has a key.

    A run is not lost because it cannot be signed: the record says so then, and so do we.
    """
    key = Path(run.plan.signing_key) if run.plan.signing_key else None
    trail.sync()
    try:
        made = seal(folder, run=run.id, head=trail.head, signing_key=key)
    except ToolError as error:
        complain(f"run {run.id} is not signed: {error}")
        trail.add("unsigned", {"why": error.what})
        trail.sync()
        write_whole(folder / MANIFEST, manifest(folder, run_id=run.id, head=trail.head))
        made = seal(folder, run=run.id, head=trail.head, signing_key=None)
    store.keep_seal(run.number, made.manifest_sha256)


def seal_again(run: RunRecord, store: Store, folder: Path, trail: Trail) -> None:
    """Write the manifest of what lies in the folder now, and seal it."""
    trail.sync()
    write_whole(folder / MANIFEST, manifest(folder, run_id=run.id, head=trail.head))
    seal_run(run, store, folder, trail)
