"""Findings as documents of Elasticsearch or OpenSearch, by its interface for many at once."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, Final

from pipeline.deliveries.answers import by_items, taken_as_a_whole
from pipeline.deliveries.items import Item, Outcome, nothing_taken
from pipeline.deliveries.sending import post
from pipeline.deliveries.settings import Search

_SHORT: Final = "filter_path=errors,items.*.status"
"""Leaves all out of the answer but what is read."""


def bulk(items: Sequence[Item]) -> bytes:
    """``create`` under the item's own ``_id``: a document that is there already stays one.

    An index that only grows (a data stream) takes nothing else.
    """
    lines = []
    for item in items:
        lines += [json.dumps({"create": {"_id": item.id}}), item.text]
    return ("\n".join(lines) + "\n").encode()


def deliver(server: Search, items: Sequence[Item]) -> Outcome:
    """Hand items over; what became of each. Raises :class:`Error` for a secret that is not there.

    Whoever counts the answer's items is told of each, so one that says less is taken for none.
    """
    headers = {"Content-Type": "application/x-ndjson", **_credentials(server)}
    reply = post(server.web, f"/{server.index}/_bulk?{_SHORT}", bulk(items), headers)
    whole = taken_as_a_whole(reply, items)
    if whole.problem:
        return whole
    try:
        told = json.loads(reply.body)
        statuses = [_status(entry) for entry in told["items"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return nothing_taken(items, "an answer that says nothing of the items")
    if len(statuses) != len(items):
        return nothing_taken(items, "an answer about other items")
    return by_items(reply, items, statuses)


def _status(entry: Any) -> int:
    (inner,) = entry.values()
    status = inner["status"]
    if not isinstance(status, int) or not 100 <= status <= 599:
        raise ValueError
    return status


def _credentials(server: Search) -> dict[str, str]:
    if server.api_key is not None:
        return {"Authorization": f"ApiKey {server.api_key.read()}"}
    if server.password is not None:
        pair = f"{server.user}:{server.password.read()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}
