"""Findings for whoever takes a POST, signed so that it can tell who sent them, and when."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Final

from pipeline.deliveries.answers import taken_as_a_whole
from pipeline.deliveries.items import Item, Outcome, digest
from pipeline.deliveries.sending import post
from pipeline.deliveries.settings import Form, Webhook

TIMESTAMP: Final = "Portproof-Timestamp"
SIGNATURE: Final = "Portproof-Signature"
DELIVERY: Final = "Portproof-Delivery"
_ID: Final = 32


def body(items: Sequence[Item], form: Form) -> bytes:
    """The events, and an ``id`` that is the same when the same are sent again."""
    events = ",".join(json.dumps(item.text) if form is Form.CEF else item.text for item in items)
    told = {"id": digest(items)[:_ID], "format": str(form)}
    return f'{json.dumps(told)[:-1]}, "events": [{events}]}}'.encode()


def signature(secret: str, timestamp: int, content: bytes) -> str:
    """``v1=`` and the HMAC-SHA256 over the timestamp, a dot and the body, in hexadecimal."""
    signed = b"%d.%b" % (timestamp, content)
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def deliver(receiver: Webhook, items: Sequence[Item], *, now: float) -> Outcome:
    """Hand items over, all or none. Raises :class:`Error` for a secret that is not there."""
    content = body(items, receiver.form)
    headers = {
        "Content-Type": "application/json",
        TIMESTAMP: str(int(now)),
        SIGNATURE: signature(receiver.secret.read(), int(now), content),
        DELIVERY: digest(items)[:_ID],
    }
    if receiver.token is not None:
        headers["Authorization"] = f"Bearer {receiver.token.read()}"
    return taken_as_a_whole(post(receiver.web, "", content, headers), items)
