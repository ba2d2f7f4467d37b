"""Send what is in the outbox of a workspace, and file what came of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Final, assert_never

from pipeline.assembly import assemble
from pipeline.decide.redelivery import given_up, pause
from pipeline.deliveries import defectdojo, search, splunk, syslog, webhook
from pipeline.deliveries.items import Draft, Item, Outcome, digest, events_of, findings_of
from pipeline.deliveries.round import PAUSES, Job, Send, Step, carry
from pipeline.deliveries.settings import (
    DefectDojo,
    Destination,
    Form,
    Search,
    Splunk,
    Syslog,
    Webhook,
)
from pipeline.render.document import RunDocument
from pipeline.store.outbox import (
    Delivery,
    DeliveryState,
    advance,
    begin,
    deliveries,
    end,
    postpone,
)
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store

PATIENCE: Final = 30.0
"""Seconds that the end of a run gives to deliveries, in sum."""
_UNKNOWN: Final = "the engagement does not name it any more"
_CUT_OFF: Final = "the time was up before it was over"
_PURGED: Final = "the evidence of the run was purged"

SettingsOf = Callable[[RunRecord], Sequence[Destination]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What this depends on besides the store; tests have their own."""

    wall: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = lambda: 0.0
    host: str = ""
    pauses: Sequence[float] = PAUSES


def outside() -> Outside:
    """The clocks, the chance and the name of this machine."""
    from random import SystemRandom

    return Outside(jitter=SystemRandom().random, host=os.uname().nodename)


def due(store: Store, *, now: float | None) -> list[Delivery]:
    """What is to be sent: all that is pending, or with ``now`` all whose time has come."""
    return [
        one
        for one in deliveries(store)
        if one.state is DeliveryState.PENDING and (now is None or one.next_attempt <= now)
    ]


def send_due(
    store: Store,
    waiting: Sequence[Delivery],
    settings_of: SettingsOf,
    *,
    within: float,
    around: Outside,
    tell: Callable[[Delivery], None] = lambda _: None,
    at_hand: RunDocument | None = None,
) -> tuple[Delivery, ...]:
    """Send what is ``waiting``, for so many seconds; returns where each of it stands then.

    The oldest run goes first. A destination that fails is left alone for the rest of the round.
    ``at_hand`` is a document that need not be put together again.
    """
    until = around.clock() + within
    failed: set[tuple[str, str]] = set()
    for run_id, group in groupby(waiting, key=lambda one: one.run_id):
        ours = [one for one in group if (one.engagement, one.destination) not in failed]
        if not ours or around.clock() >= until:
            continue
        begun = list(_jobs(store, store.run(run_id), ours, settings_of, around, at_hand))
        filing = _Filing(store, ours, {job.number: to.give_up_after for job, to in begun}, around)
        jobs = [job for job, _ in begun]
        carry(jobs, until=until, clock=around.clock, heard=filing.heard, pauses=around.pauses)
        filing.cut_off(jobs)
        for one in _now(store, ours):
            tell(one)
            if one.state is DeliveryState.PENDING:
                failed.add((one.engagement, one.destination))
    return _now(store, waiting)


def _now(store: Store, some: Sequence[Delivery]) -> tuple[Delivery, ...]:
    numbers = {one.number for one in some}
    return tuple(one for one in deliveries(store) if one.number in numbers)


def _jobs(
    store: Store,
    run: RunRecord,
    waiting: Sequence[Delivery],
    settings_of: SettingsOf,
    around: Outside,
    at_hand: RunDocument | None,
) -> Iterator[tuple[Job, Destination]]:
    now = around.wall()
    known = {destination.name: destination for destination in settings_of(run)}
    telling = _Telling(store, run, at_hand)
    for one in waiting:
        destination = known.get(one.destination)
        if destination is None or run.purged is not None:
            why = _UNKNOWN if destination is None else _PURGED
            end(store, one.number, one.attempts, DeliveryState.GIVEN_UP, now=now, problem=why)
            continue
        items = telling.items(destination)
        begun = begin(
            store,
            one,
            total=len(items),
            digest=digest(items),
            again=now + pause(one.attempts + 1, jitter=around.jitter()),
            now=now,
        )
        job = Job(
            number=one.number,
            attempt=begun.attempts,
            items=items,
            send=_sender(destination, around),
            taken=begun.taken,
            owed=begun.owed,
        )
        yield job, destination


class _Telling:
    """The items of a run, in each form put together once."""

    def __init__(self, store: Store, run: RunRecord, at_hand: RunDocument | None) -> None:
        self._store = store
        self._run = run
        self._document = at_hand if at_hand is not None and at_hand.run == run.id else None
        self._told: dict[Form | None, tuple[Draft, ...]] = {}

    def items(self, destination: Destination) -> tuple[Draft, ...]:
        """What goes to a destination."""
        form = None if isinstance(destination, DefectDojo) else destination.form
        if form not in self._told:
            document = self._document or assemble(self._store, self._run)
            self._document = document
            self._told[form] = events_of(document, form) if form else findings_of(document)
        return self._told[form]


def _sender(destination: Destination, around: Outside) -> Send:
    match destination:
        case Syslog():
            return partial(syslog.deliver, destination, host=around.host)
        case Search():
            return partial(search.deliver, destination)
        case Splunk():
            return partial(splunk.deliver, destination, host=around.host)
        case Webhook():
            return partial(_hook, destination, around.wall)
        case DefectDojo():
            return partial(defectdojo.deliver, destination)
        case _:
            assert_never(destination)


def _hook(receiver: Webhook, wall: Callable[[], float], items: Sequence[Item]) -> Outcome:
    return webhook.deliver(receiver, items, now=wall())


class _Filing:
    """Files where deliveries stand, step by step."""

    def __init__(
        self,
        store: Store,
        waiting: Sequence[Delivery],
        patience: Mapping[int, float],
        around: Outside,
    ) -> None:
        self._store = store
        self._filed = {one.number: one.filed for one in waiting}
        self._patience = patience
        self._around = around
        self._over: set[int] = set()

    def heard(self, step: Step) -> None:
        """File a step."""
        store, number, attempt = self._store, step.number, step.attempt
        advance(
            store,
            number,
            attempt,
            taken=step.taken,
            owed=step.owed,
            refused=step.refused,
            because=step.because,
            problem=step.problem,
        )
        if not step.over:
            return
        self._over.add(number)
        now = self._around.wall()
        if not step.problem:
            self._end(number, attempt, now)
        elif given_up(attempt, age=now - self._filed[number], give_up_after=self._patience[number]):
            end(store, number, attempt, DeliveryState.GIVEN_UP, now=now)
        else:
            wait = pause(attempt, jitter=self._around.jitter(), asked=step.wait)
            postpone(store, number, attempt, next_attempt=now + wait)

    def _end(self, number: int, attempt: int, now: float) -> None:
        """One of which everything was refused has arrived nowhere."""
        one = next(each for each in deliveries(self._store) if each.number == number)
        if one.total and one.refused == one.total:
            state, problem = DeliveryState.GIVEN_UP, "everything was refused"
            end(self._store, number, attempt, state, now=now, problem=problem)
        else:
            end(self._store, number, attempt, DeliveryState.DELIVERED, now=now)

    def cut_off(self, jobs: Sequence[Job]) -> None:
        """Say of those that are not over that the time was up."""
        for job in jobs:
            if job.number not in self._over:
                postpone(self._store, job.number, job.attempt, problem=_CUT_OFF)
