"""The engagement that ``portproof init`` writes."""

from __future__ import annotations

from datetime import date, timedelta
from string import Template
from typing import Final

from pipeline import resources

_VALID_DAYS: Final = 30


def template() -> str:
    """The commented engagement; ``$valid_from`` and ``$valid_until`` are to be filled in."""
    return resources.read_text("configs", "engagement.template.yml")


def new_engagement(today: date) -> str:
    """The commented engagement, valid for thirty days from today. It loads as it is."""
    last = today + timedelta(days=_VALID_DAYS - 1)
    return Template(template()).substitute(
        valid_from=today.isoformat(), valid_until=last.isoformat()
    )
