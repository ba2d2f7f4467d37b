"""Which NetBox is asked for what, as the engagement says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pipeline.secret import Secret

LIVE: Final = ("active", "dhcp", "slaac")
"""States of addresses that count where the engagement names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetboxSettings:
    """One NetBox. ``url`` has no ``/api``; ``ca`` are certificates to trust instead of the usual.

    ``filters`` are those of its API for addresses and prefixes. The token is named, and never held.
    ``columns`` and ``words`` say which of its fields is which of ours, and what its words mean.
    """

    url: str
    token: Secret
    ca: Path | None = None
    statuses: tuple[str, ...] = LIVE
    prefixes: bool = True
    required: bool = True
    """A run does not begin without it."""
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called: its host, and nothing else of its URL."""
        return urlsplit(self.url).hostname or "netbox"
