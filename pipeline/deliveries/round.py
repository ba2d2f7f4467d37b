"""One round of deliveries: each destination in a thread of its own, for a bounded time.

What became of each parcel is heard in the thread that asks: stores are written by one thread only.
What is on its way when the time is up counts as not delivered, and is sent again by a later round.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from pipeline.deliveries.items import Draft, Item, Outcome, Parcel, nothing_taken, parcels
from pipeline.errors import Error

PAUSES: Final = (1.0, 3.0)
"""Seconds before what failed in passing is tried again within a round."""

Send = Callable[[Sequence[Item]], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One delivery. The items before place ``taken`` are settled, but for those ``owed``."""

    number: int
    attempt: int
    items: tuple[Draft, ...]
    send: Send
    taken: int = 0
    owed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where a delivery stands after a parcel; ``refused`` counts those of this parcel.

    ``over``: there is no further step in this round, and all is delivered unless ``problem`` says
    what hinders it.
    """

    number: int
    attempt: int
    taken: int
    owed: tuple[int, ...]
    refused: int = 0
    because: str = ""
    problem: str = ""
    wait: float = 0.0
    over: bool = False


def carry(
    jobs: Sequence[Job],
    *,
    until: float,
    clock: Callable[[], float],
    heard: Callable[[Step], None],
    pauses: Sequence[float] = PAUSES,
) -> None:
    """Deliver all jobs at once, until the clock says ``until`` at most."""
    steps: queue.SimpleQueue[Step] = queue.SimpleQueue()
    stop = threading.Event()
    for job in jobs:
        # A daemon: a server that never answers must not keep the process alive.
        work = threading.Thread(
            target=_work, args=(job, steps.put, stop, pauses), name="delivery", daemon=True
        )
        work.start()
    going_on = {job.number for job in jobs}
    try:
        while going_on:
            try:
                step = steps.get(timeout=max(0.0, until - clock()))
            except queue.Empty:
                break
            heard(step)
            if step.over:
                going_on.discard(step.number)
    finally:
        stop.set()


def _work(
    job: Job, tell: Callable[[Step], None], stop: threading.Event, pauses: Sequence[float]
) -> None:
    step = Step(number=job.number, attempt=job.attempt, taken=job.taken, owed=job.owed)
    # Each is written down when its turn has come: a portion never has both kinds of places.
    rest = range(job.taken, len(job.items))
    try:
        for parcel in chain(parcels(job.items, job.owed), parcels(job.items, rest)):
            step = _after(step, parcel.places, _tried(job.send, parcel, stop, pauses))
            tell(replace(step, over=bool(step.problem)))
            if step.problem or stop.is_set():
                return
        tell(replace(step, refused=0, because="", over=True))
    except Exception as error:  # nor must one in what is written down
        tell(replace(step, refused=0, because="", problem=_bug(error), over=True))


def _after(before: Step, parcel: tuple[int, ...], outcome: Outcome) -> Step:
    """``owed`` stays as small as a parcel: one of which nothing was taken is not begun."""
    step = replace(
        before,
        refused=outcome.refused,
        because=outcome.because,
        problem=outcome.problem,
        wait=outcome.wait,
    )
    left = tuple(parcel[place] for place in outcome.owed)
    if parcel[0] < before.taken:
        return replace(step, owed=tuple(p for p in before.owed if p not in parcel or p in left))
    if left == parcel:
        return step
    return replace(step, taken=parcel[-1] + 1, owed=(*before.owed, *left))


def _tried(send: Send, parcel: Parcel, stop: threading.Event, pauses: Sequence[float]) -> Outcome:
    """The outcome for a parcel, after a few attempts on what is owed alone."""
    places = tuple(range(len(parcel.items)))
    refused, because = 0, ""
    for pause in (*pauses, None):
        items = [parcel.items[place] for place in places]
        try:
            outcome = send(items)
        except Error as error:  # a secret that cannot be read
            outcome = nothing_taken(items, error.what, hopeless=True)
        except Exception as error:  # a bug must be seen, and must not leave the delivery hanging
            outcome = nothing_taken(items, _bug(error), hopeless=True)
        refused += outcome.refused
        because = outcome.because or because
        places = tuple(places[place] for place in outcome.owed)
        if not places or outcome.hopeless or pause is None or outcome.wait > pause:
            break
        if stop.wait(pause):
            break
    return replace(outcome, owed=places, refused=refused, because=because)


def _bug(error: Exception) -> str:
    return f"a bug: {type(error).__name__}"
