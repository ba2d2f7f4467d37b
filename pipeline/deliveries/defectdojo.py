"""Findings for DefectDojo, by a re-import that closes nothing.

What a run did not ask is missing in it, and so is what it could not settle: DefectDojo would close
both. Its own default is to close, so the field is always sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pipeline.deliveries.answers import taken_as_a_whole
from pipeline.deliveries.items import Item, Outcome, digest
from pipeline.deliveries.sending import post
from pipeline.deliveries.settings import DefectDojo

SCAN_TYPE: Final = "Generic Findings Import"


def fields(server: DefectDojo) -> dict[str, str]:
    """What is asked for beside the file."""
    told = {
        "scan_type": SCAN_TYPE,
        "product_name": server.product,
        "engagement_name": server.engagement,
        "test_title": server.test,
        "minimum_severity": "Info",
        "active": "true",
        "verified": "false",
        "close_old_findings": "false",
    }
    if server.product_type:
        told |= {"auto_create_context": "true", "product_type_name": server.product_type}
    return told


def form(values: Mapping[str, str], content: bytes, boundary: str) -> bytes:
    """The fields and the file as ``multipart/form-data`` (RFC 7578)."""
    parts = []
    for name, value in values.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        parts.append(f"{head}{value}\r\n".encode())
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="portproof.json"'
        "\r\nContent-Type: application/json\r\n\r\n"
    )
    return b"".join([*parts, head.encode(), content, f"\r\n--{boundary}--\r\n".encode()])


def deliver(server: DefectDojo, items: Sequence[Item]) -> Outcome:
    """Hand items over, all or none. Raises :class:`Error` for a secret that is not there."""
    content = f'{{"findings": [{",".join(item.text for item in items)}]}}'.encode()
    # JSON of ASCII in one line, and values without a line end: nothing in it can be the boundary.
    boundary = f"portproof-{digest(items)}"
    headers = {
        "Authorization": f"Token {server.token.read()}",
        "Content-Type": f"multipart/form-data; boundary={boundary}",
    }
    body = form(fields(server), content, boundary)
    return taken_as_a_whole(post(server.web, "/api/v2/reimport-scan/", body, headers), items)
