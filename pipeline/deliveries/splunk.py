"""Findings as events of Splunk, by its HTTP Event Collector."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pipeline.deliveries.answers import taken_as_a_whole
from pipeline.deliveries.items import Item, Outcome
from pipeline.deliveries.sending import post
from pipeline.deliveries.settings import Form, Splunk


def events(items: Sequence[Item], *, form: Form, index: str, host: str) -> bytes:
    """One object after the other, each with its own time and place."""
    told = []
    for item in items:
        around: dict[str, object] = {
            "time": round(item.time, 3),
            "host": host,
            "source": "portproof",
            "sourcetype": f"portproof:{form}",
        }
        if index:
            around["index"] = index
        # A line of CEF is a text to Splunk, all others are objects.
        event = json.dumps(item.text) if form is Form.CEF else item.text
        told.append(f'{json.dumps(around)[:-1]}, "event": {event}}}')
    return "\n".join(told).encode()


def deliver(server: Splunk, items: Sequence[Item], *, host: str) -> Outcome:
    """Hand items over, all or none. Raises :class:`Error` for a secret that is not there."""
    headers = {
        "Authorization": f"Splunk {server.token.read()}",
        "Content-Type": "application/json",
    }
    body = events(items, form=server.form, index=server.index, host=host)
    return taken_as_a_whole(post(server.web, "/services/collector/event", body, headers), items)
