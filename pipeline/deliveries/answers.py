"""What the answer of a web server says about items: taken, to be sent again, or refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from pipeline.deliveries.items import Item, Outcome, nothing_taken
from pipeline.deliveries.sending import Reply

_PASSING: Final = frozenset({408, 425, 429})
"""Refusals that mean: later (RFC 9110, RFC 8470, RFC 6585)."""
_OF_THE_PLACE: Final = frozenset({401, 403, 404, 405})
"""Refusals that are not about what was sent, but about who sent it where."""


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
    """Each by its own status. One that is there already (409) was taken before.

    Where an item may not be written, or not there, it is the server that has to be put right: that
    is told for each item, and is about none of them.
    """
    again = [place for place, status in enumerate(statuses) if _later(status)]
    refused = {status for status in statuses if not (_taken(status) or _later(status))}
    put_off = {statuses[place] for place in again}
    return Outcome(
        owed=tuple(again),
        problem=f"{len(again)} of {len(items)} put off with {_listed(put_off)}" if again else "",
        hopeless=not all(map(passing, put_off)),
        wait=reply.wait,
        refused=sum(status in refused for status in statuses),
        because=f"refused with {_listed(refused)}" if refused else "",
    )


def _taken(status: int) -> bool:
    return 200 <= status < 300 or status == 409


def _later(status: int) -> bool:
    return passing(status) or status in _OF_THE_PLACE


def _listed(statuses: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(statuses)))
