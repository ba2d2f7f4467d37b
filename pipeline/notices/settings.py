"""Whom to tell of what, as the engagement says it. Secrets are named here, and never held."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from pipeline.secret import Secret

SCHEMES: Final = (
    "discord",
    "gotifys",
    "jsons",
    "matrixs",
    "mmosts",
    "msteams",
    "ntfys",
    "opsgenie",
    "pagerduty",
    "pover",
    "rocketchats",
    "slack",
    "tgram",
    "webex",
    "workflows",
    "xmls",
    "zulip",
)
"""Schemes of Apprise that are allowed where the engagement names none: encrypted, and elsewhere."""


class NoticeKind(StrEnum):
    """What a notice is about."""

    BEFORE = "before"
    STARTED = "started"
    PAUSED = "paused"
    CONTINUED = "continued"
    BLOCKED = "blocked"
    FINISHED = "finished"
    FAILED = "failed"


class Security(StrEnum):
    """How mail is kept from others on its way."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed in, and for whom."""

    server: str
    port: int
    security: Security
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSettings:
    """All about notices. ``lead`` is for how many seconds a run waits after the notice before it.

    ``required``: a run whose notice before it reaches nobody of some channel sends nothing.
    """

    mail: MailServer | None = None
    services: tuple[Secret, ...] = ()
    schemes: tuple[str, ...] = SCHEMES
    on: tuple[NoticeKind, ...] = tuple(NoticeKind)
    lead: float = 0.0
    required: bool = False
    templates: Path | None = None

    @property
    def channels(self) -> int:
        """By how many ways a notice leaves."""
        return (self.mail is not None) + len(set(self.services))

    @property
    def lead_before(self) -> float:
        """For how many seconds a new run sends nothing; 0 where nobody is told of it before."""
        told = NoticeKind.BEFORE in self.on and self.channels
        return self.lead if told else 0.0
