"""Commands that tell a run, and all later ones, what not to do: stop, exclude."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import Here

if TYPE_CHECKING:
    from pipeline.workspace import Workspace

_SECONDS_TO_END = 15.0

Because = Annotated[
    str, typer.Option("--because", metavar="TEXT", help="Why; it is kept with the order.")
]


def stop(
    because: Because = "",
    lift: Annotated[
        bool, typer.Option("--lift", help="Allow scanning again, whoever had stopped it.")
    ] = False,
    workspace: Here = Path(),
) -> int:
    """Stop everything here within two seconds, and refuse to go on until it is lifted."""
    from pipeline import orders
    from pipeline.workspace import Workspace

    place = Workspace(workspace.absolute())
    now, reason = time.time(), orders.reason_of(because)
    if lift:
        was = orders.stopped(place)
        if was is not None:  # first on record, then allowed
            _note(place, f"{was}; lifted: {reason or 'nobody said why'}", now=now)
        was = orders.lift(place)
        print(f"scanning is allowed again; it was stopped: {was}")
        return 0
    orders.stop(place, reason, now=now)
    print(f"stopped; {place.stop_file} refuses every run until `portproof stop --lift`")
    return _wait_for_the_end(place)


def _wait_for_the_end(place: Workspace) -> int:
    """Wait until nobody uses the workspace; its lock is kept until the last scanner is gone."""
    from pipeline.cli.resuming import in_use
    from pipeline.errors import ExitCode

    if not in_use(place):
        print("nothing was running")
        return ExitCode.NOTHING_TO_DO
    until = time.monotonic() + _SECONDS_TO_END
    while in_use(place):
        if time.monotonic() > until:
            print(
                f"a process still uses the workspace after {_SECONDS_TO_END:.0f} seconds; its "
                f"number is in {place.folder / 'portproof.lock'}"
            )
            return ExitCode.FAILED
        time.sleep(0.1)
    print("what was running has ended")
    return ExitCode.NOTHING_TO_DO


def exclude(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="An address, a network or a range.")
    ],
    because: Because = "",
    workspace: Here = Path(),
) -> int:
    """Leave an address or a network alone: in the run that goes on, and in all later ones."""
    from pipeline import orders
    from pipeline.workspace import Workspace

    place = Workspace(workspace.absolute())
    reason = orders.reason_of(because)
    found = orders.exclude(place, address, reason, now=time.time())
    print(f"{found.text} is left alone from the next task on; it stands in {place.exclusions}")
    return 0


def _note(place: Workspace, text: str, *, now: float) -> None:
    """Put it on record with the run that was stopped, if it is still to be gone on with."""
    from pipeline.cli.recording import recording, seal_again
    from pipeline.model import RunState
    from pipeline.store.runs import Store

    if not place.database.exists():
        return
    with place.lock(now=now), Store(place.database) as store:
        unfinished = [run for run in store.runs() if run.state is not RunState.COMPLETE]
        for run in unfinished[-1:]:
            folder = place.run_folder(run.id)
            with recording(run, store, folder, again="stop-lifted") as trail:
                store.add_event(run.number, "lifted", text, now=now)
                seal_again(run, store, folder, trail)
