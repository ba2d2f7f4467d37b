"""How the deliveries of an engagement stand, for people and for monitors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.render.exports.prometheus import Gauge
from pipeline.render.text import duration, iso, visible
from pipeline.store.outbox import Delivery, DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One destination: how many runs stand where, and what is in the way of the newest.

    Times are epoch seconds, ``None`` where there is none. ``refused`` counts single findings.
    ``lost`` is the newest run where that was given up.
    """

    destination: str
    pending: int
    delivered: int
    given_up: int
    refused: int
    problem: str
    since: float | None
    next_attempt: float | None
    last_delivered: float | None
    lost: str


def outgoing(deliveries: Iterable[Delivery]) -> tuple[Outgoing, ...]:
    """The destinations of some deliveries by their names, the oldest delivery of each first."""
    by_name: dict[str, list[Delivery]] = {}
    for one in deliveries:
        by_name.setdefault(one.destination, []).append(one)
    return tuple(_outgoing(name, found) for name, found in sorted(by_name.items()))


def _outgoing(name: str, found: Sequence[Delivery]) -> Outgoing:
    states = Counter(one.state for one in found)
    pending = [one for one in found if one.state is DeliveryState.PENDING]
    arrived = [one.ended for one in found if one.state is DeliveryState.DELIVERED and one.ended]
    hindered = [one for one in found if one.state is not DeliveryState.DELIVERED and one.problem]
    return Outgoing(
        destination=name,
        pending=len(pending),
        delivered=states[DeliveryState.DELIVERED],
        given_up=states[DeliveryState.GIVEN_UP],
        refused=sum(one.refused for one in found),
        problem=hindered[-1].problem if hindered else "",
        since=min((one.filed for one in pending), default=None),
        next_attempt=min((one.next_attempt for one in pending), default=None),
        last_delivered=max(arrived, default=None),
        lost=found[-1].run_id if found[-1].state is DeliveryState.GIVEN_UP else "",
    )


def outgoing_line(one: Outgoing, now: float) -> str:
    """``siem: 3 delivered, 1 pending since 2 h, next attempt …: answered with 503``."""
    told = [f"{one.delivered} delivered"]
    if one.pending:
        since = duration(now - one.since) if one.since is not None else "?"
        told.append(f"{one.pending} pending since {since}")
    if one.given_up:
        told.append(f"{one.given_up} given up")
    if one.refused:
        told.append(f"{one.refused} findings refused")
    if one.next_attempt is not None:
        told.append(f"next attempt {iso(one.next_attempt)}")
    problem = f": {visible(one.problem, 200)}" if one.problem else ""
    return f"{visible(one.destination, 80)}: {', '.join(told)}{problem}"


def outgoing_json(one: Outgoing) -> dict[str, Any]:
    """The same for programs."""
    return {
        "destination": one.destination,
        "pending": one.pending,
        "delivered": one.delivered,
        "given_up": one.given_up,
        "refused": one.refused,
        "problem": one.problem,
        "pending_since": _iso(one.since),
        "next_attempt": _iso(one.next_attempt),
        "last_delivered": _iso(one.last_delivered),
    }


def _iso(time: float | None) -> str | None:
    return None if time is None else iso(time)


def outgoing_gauges(found: Iterable[tuple[str, Sequence[Outgoing]]]) -> list[Gauge]:
    """Metrics of (engagement, destinations) pairs; none where nothing is delivered."""
    rows = [(engagement, one) for engagement, several in found for one in several]
    if not rows:
        return []
    states = [
        ({"engagement": name, "destination": one.destination, "state": state}, str(count))
        for name, one in rows
        for state, count in (
            ("pending", one.pending),
            ("delivered", one.delivered),
            ("given-up", one.given_up),
        )
    ]
    ends = [
        ({"engagement": name, "destination": one.destination}, f"{one.last_delivered or 0:.0f}")
        for name, one in rows
    ]
    return [
        Gauge(
            name="portproof_deliveries",
            meaning="Runs on their way to a destination, by state.",
            samples=tuple(states),
        ),
        Gauge(
            name="portproof_last_delivered_seconds",
            meaning="When a run last arrived there, 0 if none ever did.",
            samples=tuple(ends),
        ),
    ]
