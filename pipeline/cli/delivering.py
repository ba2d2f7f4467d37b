"""The command that sends findings to other systems, and the same at the end of a run: deliver."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, assert_never

import typer

from pipeline.cli.options import (
    Format,
    Here,
    OutputFormat,
    Quiet,
    existing_database,
    seconds_of,
)

if TYPE_CHECKING:
    from pipeline.cli.console import Console
    from pipeline.deliveries.settings import Destination
    from pipeline.render.document import RunDocument
    from pipeline.store.outbox import Delivery
    from pipeline.store.records import RunRecord
    from pipeline.store.runs import Store
    from pipeline.workspace import Workspace

EVENT: Final = "delivery"
"""The kind of the events that say what became of deliveries at the end of a run."""


def destinations_of(run: RunRecord) -> tuple[Destination, ...]:
    """Where a run is delivered, by what its engagement says now. An imported run is not."""
    from pipeline.engagement.loading import destinations

    if run.plan.imported:
        return ()
    plan = run.plan
    return destinations(plan.engagement_file, plan.engagement_text, plan.engagement)


def deliver_after(
    run: RunRecord,
    document: RunDocument,
    workspace: Workspace,
    store: Store,
    console: Console,
) -> bool:
    """Send what is due when a run has ended. True when that put something on its record.

    The run is complete by then: nothing that goes wrong here becomes its error.
    """
    from pipeline.delivering import PATIENCE, due, outside, send_due
    from pipeline.errors import Error

    told: list[Delivery] = []
    try:
        # Where nothing is due no lock is left behind either.
        if due(store, now=time.time()):
            with workspace.delivering() as alone:
                if alone:
                    send_due(
                        *(store, due(store, now=time.time()), destinations_of),
                        within=PATIENCE,
                        around=outside(),
                        tell=told.append,
                        at_hand=document,
                    )
                elif destinations_of(run):
                    console.event("delivery failed", "another process is delivering from here")
    except KeyboardInterrupt:
        console.event("delivery failed", "interrupted; `portproof deliver` goes on")
    except Error as error:
        console.event("delivery failed", error.what)
    except Exception as error:  # a bug here is none of a run that is complete
        console.event("delivery failed", f"this is a bug in portproof: {type(error).__name__}")
    ours = [one for one in told if one.run == run.number]
    with contextlib.suppress(Error):
        for one in told:
            console.event(_kind(one), line_of(one))
        for one in ours:
            store.add_event(run.number, EVENT, line_of(one), now=time.time())
    return bool(ours)


def deliver(
    run: Annotated[
        str,
        typer.Argument(metavar="[RUN]", help="Deliver this run once more, from the beginning."),
    ] = "",
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="Only to this destination.")] = "",
    now: Annotated[
        bool, typer.Option("--now", help="Do not wait until the next attempt is due.")
    ] = False,
    within: Annotated[
        str, typer.Option("--within", metavar="TIME", help="How long it may take.")
    ] = "10m",
    workspace: Here = Path(),
    quiet: Quiet = False,
    output: OutputFormat = Format.TEXT,
) -> int:
    """Send what is in the outbox to the other systems: 0 if all arrived, and 1 if not."""
    from pipeline.cli.console import Console
    from pipeline.cli.edge import printing
    from pipeline.delivering import due, outside, send_due
    from pipeline.errors import ExitCode, Refused
    from pipeline.store.outbox import DeliveryState
    from pipeline.store.runs import Store
    from pipeline.workspace import Workspace

    seconds = seconds_of(within, "--within")
    existing_database(workspace)
    place = Workspace(workspace.absolute())
    console = Console(quiet=quiet)
    with place.delivering() as alone, Store(place.database) as store:
        if not alone:
            raise Refused(
                "another process is delivering from this workspace",
                where=str(place.folder),
                hint="wait for it; `portproof status` tells how far it is",
            )
        chosen = _filed(store, run, to) if run else None
        waiting = [
            one
            for one in due(store, now=None if now or run else time.time())
            if (not to or one.destination == to) and chosen in (None, one.run)
        ]
        found = send_due(
            *(store, waiting, destinations_of),
            within=seconds,
            around=outside(),
            tell=lambda one: console.event(_kind(one), line_of(one)),
        )
        later = [one for one in due(store, now=None) if not to or one.destination == to]
    with printing():
        if output is Format.JSON:
            print(json.dumps({"deliveries": [told(one) for one in found]}, indent=1))
        elif not found and not quiet:
            print(_nothing(later))
    well = all(one.state is DeliveryState.DELIVERED for one in found) and not later
    return ExitCode.NOTHING_TO_DO if well else ExitCode.ACTION_NEEDED


def _nothing(later: Sequence[Delivery]) -> str:
    from pipeline.render.text import minute

    if not later:
        return "nothing is left to deliver"
    soonest = min(one.next_attempt for one in later)
    return f"nothing is due before {minute(soonest)} UTC; --now does not wait for that"


def _filed(store: Store, reference: str, to: str) -> int:
    """File a run once more for its destinations; its number. Raises ``UsageError``."""
    from pipeline.errors import UsageError
    from pipeline.store.outbox import file_again

    record = store.run(reference)
    names = [one.name for one in destinations_of(record) if not to or one.name == to]
    if not names:
        what = f"no destination {to!r}" if to else "no destinations"
        raise UsageError(
            f"the engagement of run {record.id} has {what}",
            where=record.plan.engagement_file,
            hint="write some under deliveries",
        )
    file_again(store, record.number, names, now=time.time())
    return record.number


def _kind(one: Delivery) -> str:
    from pipeline.store.outbox import DeliveryState

    return EVENT if one.state is DeliveryState.DELIVERED else "delivery failed"


def deliveries_lines(destinations: Sequence[Destination]) -> list[str]:
    """Where findings will go, and what is missing for that here."""
    from pipeline.deliveries.settings import described, secrets_of
    from pipeline.errors import Error

    lines = []
    for destination in destinations:
        missing = []
        for secret in secrets_of(destination):
            try:
                secret.read()
            except Error as error:
                missing.append(f"; {error.what}")
        lines.append(described(destination) + "".join(dict.fromkeys(missing)))
    return lines


def line_of(one: Delivery) -> str:
    """How a delivery stands, for people; nothing in it is secret."""
    from pipeline.render.text import minute
    from pipeline.store.outbox import DeliveryState

    done = one.taken - len(one.owed) - one.refused
    text = f"{one.destination}: run {one.run_id}: {done} of {one.total or 0} taken"
    if one.refused:
        text += f", {one.refused} {one.because}"
    match one.state:
        case DeliveryState.PENDING:
            return f"{text}; {one.problem}; next attempt {minute(one.next_attempt)} UTC"
        case DeliveryState.GIVEN_UP:
            return f"{text}; {one.problem}; given up"
        case DeliveryState.DELIVERED:
            return text
        case _:
            assert_never(one.state)


def told(one: Delivery) -> dict[str, Any]:
    """The same for programs."""
    from pipeline.render.text import iso

    return {
        "engagement": one.engagement,
        "run": one.run_id,
        "destination": one.destination,
        "state": str(one.state),
        "attempts": one.attempts,
        "items": one.total,
        "taken": one.taken - len(one.owed) - one.refused,
        "refused": one.refused,
        "refused_because": one.because,
        "problem": one.problem,
        "next_attempt": iso(one.next_attempt) if one.ended is None else None,
        "ended": iso(one.ended) if one.ended is not None else None,
    }
