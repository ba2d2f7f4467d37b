"""Whom to tell of what, as the engagement says it. Secrets are named here, and never held."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from pipeline.errors import Error

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
_LARGEST_SECRET: Final = 16_384


class NoticeKind(StrEnum):
    """What a notice is about."""

    BEFORE = "before"
    STARTED = "started"
    PAUSED = "paused"
    BLOCKED = "blocked"
    FINISHED = "finished"
    FAILED = "failed"


class Security(StrEnum):
    """How mail is kept from others on its way."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Where a secret lies: in a variable of the environment, or in a file."""

    env: str = ""
    file: Path | None = None

    def read(self) -> str:
        """The secret. Raises :class:`Error`, which names its place and nothing of it."""
        if self.file is None:
            found = os.environ.get(self.env, "")
            if not found:
                raise Error(f"the variable {self.env} is not set", hint="set it for this process")
            return found
        try:
            with self.file.open("rb") as stream:
                text = stream.read(_LARGEST_SECRET).decode()
        except (OSError, UnicodeDecodeError):
            raise Error("the file of a secret cannot be read", where=str(self.file)) from None
        if not text.strip():
            raise Error("the file of a secret is empty", where=str(self.file))
        return text.strip()

    def __str__(self) -> str:
        return f"env {self.env}" if self.file is None else f"file {self.file.name}"


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
