"""Findings as messages of syslog (RFC 5424), one line of CEF, ECS or OCSF each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from pipeline.decide.risk_rules import Severity
from pipeline.deliveries.items import Item, Outcome
from pipeline.deliveries.sending import hand_over
from pipeline.deliveries.settings import Syslog
from pipeline.render.text import iso

SEVERITIES: Final[Mapping[Severity, int]] = MappingProxyType(
    {
        Severity.CRITICAL: 2,
        Severity.HIGH: 3,
        Severity.MEDIUM: 4,
        Severity.LOW: 5,
        Severity.INFO: 6,
    }
)
"""RFC 5424, table 2."""
_LONGEST_NAME: Final = 255


def message(item: Item, *, facility: int, host: str) -> bytes:
    """One message, without a frame. The text is UTF-8 without a mark: readers of JSON and CEF
    stumble over one, and RFC 5424 allows it (``MSG-ANY``)."""
    priority = facility * 8 + SEVERITIES[item.severity]
    name = "".join(letter for letter in host if "!" <= letter <= "~")[:_LONGEST_NAME] or "-"
    head = f"<{priority}>1 {iso(item.time)} {name} portproof - {item.kind} - "
    return head.encode("ascii") + item.text.encode("utf-8", "backslashreplace")


def deliver(receiver: Syslog, items: Sequence[Item], *, host: str) -> Outcome:
    """Hand items over; what became of them."""
    messages = [message(item, facility=receiver.facility, host=host) for item in items]
    handed = hand_over(receiver, messages)
    return Outcome(
        owed=tuple(range(handed.taken, len(items))),
        problem=handed.problem,
        hopeless=handed.hopeless,
        refused=handed.too_large,
        because="too large for UDP" if handed.too_large else "",
    )
