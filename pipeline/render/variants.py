"""For whom a report is written: for everybody, for who decides, or for who mends."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from pipeline.render.language import Phrases


class Variant(StrEnum):
    """``full`` has everything."""

    FULL = "full"
    EXECUTIVE = "executive"
    TECHNICAL = "technical"


VARIANTS: Final[Mapping[Variant, str]] = Phrases(
    {
        Variant.FULL: "full: everything",
        Variant.EXECUTIVE: "executive: without evidence and inventory",
        Variant.TECHNICAL: "technical: everything, without the summary in sentences",
    }
)
"""What each is called, and what it leaves out."""

EVERYTHING: Final = frozenset(
    {"summary", "sentences", "uncovered", "where", "hosts", "risks", "references", "findings"}
    | {"changes", "deviations", "assets", "known", "trends", "inventory", "checklist", "method"}
    | {"events", "glossary"}
)
"""The sections of a page; ``sentences`` are those of the summary, ``references`` those of risks."""
_EXECUTIVE: Final = frozenset(
    {"summary", "sentences", "uncovered", "where", "risks", "changes", "trends"}
)
FEW: Final = 10
"""At most so many risks, rows and changes of one kind, where there should be few pages."""


def shown(variant: Variant) -> frozenset[str]:
    """The sections that a variant has."""
    if variant is Variant.EXECUTIVE:
        return _EXECUTIVE
    return EVERYTHING - {"sentences"} if variant is Variant.TECHNICAL else EVERYTHING


def at_most(variant: Variant, many: int) -> int:
    """How many of something are told: ``many``, or few."""
    return min(many, FEW) if variant is Variant.EXECUTIVE else many
