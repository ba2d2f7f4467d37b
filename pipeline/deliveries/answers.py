"""What the answer of a web server says about items: taken, to be sent again, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.deliveries.items import Item, Outcome, nothing_taken
from pipeline.deliveries.sending import Reply

_PASSING: Final = frozenset({408, 425, 429})
"""Refusals that mean: later (RFC 9110, RFC 8470, RFC 6585)."""


def passing(status: int) -> bool:
    """Whether the same again may be taken a moment later."""
    return status in _PASSING or status >= 500


def taken_as_a_whole(reply: Reply, items: Sequence[Item]) -> Outcome:
    """All or none. What is refused now may be taken once somebody has put the server right."""
    if reply.problem:
        return nothing_taken(items, reply.problem, hopeless=reply.hopeless)
    if 200 <= reply.status < 300:
        return Outcome()
    return Outcome(
        owed=tuple(range(len(items))),
        problem=f"answered with {reply.status}",
        hopeless=not passing(reply.status),
        wait=reply.wait,
    )


def by_items(reply: Reply, items: Sequence[Item], statuses: Sequence[int]) -> Outcome:
    """Each by its own status; one that is there already (409) was taken before."""
    again = [place for place, status in enumerate(statuses) if passing(status)]
    refused = [
        status
        for status in statuses
        if not (200 <= status < 300 or status == 409 or passing(status))
    ]
    codes = ", ".join(map(str, sorted({statuses[place] for place in again})))
    return Outcome(
        owed=tuple(again),
        problem=f"{len(again)} of {len(items)} put off with {codes}" if again else "",
        wait=reply.wait,
        refused=len(refused),
        because=f"refused with {', '.join(map(str, sorted(set(refused))))}" if refused else "",
    )
