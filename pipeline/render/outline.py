"""A run in short, as texts in their order: what Markdown, PDF and DOCX are made of.

Every text is cut to what a reader bears, and shows what does not show itself; each form escapes it
for itself. The inventory is left to the forms that can be searched.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTold:
    """One thing to do, and where; ``where`` is empty for what is about the whole run."""

    text: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GapTold:
    """Something that was not asked, or that a tool gave up on."""

    what: str
    amount: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskTold:
    """What is mended in one way."""

    severity: str
    level: str
    """The severity as programs call it."""
    title: str
    count: str
    where: str
    why: str
    remediation: tuple[str, ...]
    remarks: tuple[str, ...]
    references: str
    english: bool = False
    """True where the language of the report has no words for this rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryTold:
    """A finding, or a crowd of them. ``facts`` are (name, text) pairs, ``notes`` what was said."""

    where: str
    names: str
    service: str
    severity: str
    level: str
    """The severity as programs call it."""
    confidence: str
    reasons: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTold:
    """All findings with one verdict; ``rest`` says how many are not told here."""

    verdict: str
    meaning: str
    count: str
    entries: tuple[EntryTold, ...]
    rest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesTold:
    """One kind of change."""

    kind: str
    meaning: str
    count: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodTold:
    """What became of the tasks of one method."""

    name: str
    settled: str
    failed: str
    unfinished: str
    endpoints: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A run in short. Pairs are (name, text); ``figures`` are (number, what, remark)."""

    language: str
    title: str
    client: str
    engagement: str
    run: str
    began: str
    portproof: str
    consultant: str
    """Who scanned for the client; empty where nobody says so."""
    cover: tuple[tuple[str, str], ...]
    authorisation: tuple[tuple[str, str], ...]
    notice: str
    summary: tuple[str, ...]
    figures: tuple[tuple[str, str, str], ...]
    severities: tuple[tuple[str, str], ...]
    levels: tuple[str, ...]
    """The severities as programs call them."""
    first: tuple[StepTold, ...]
    missing: str
    gaps: tuple[GapTold, ...]
    beyond: tuple[str, ...]
    doubted: tuple[tuple[str, str], ...]
    risks: tuple[RiskTold, ...]
    risks_note: str
    groups: tuple[GroupTold, ...]
    changed: tuple[str, ...]
    changes: tuple[ChangesTold, ...]
    method: tuple[tuple[str, str], ...]
    methods: tuple[MethodTold, ...]
    completeness: tuple[str, ...]
    events: tuple[tuple[str, str], ...]
    findings_told: bool = True
    """False in a variant without findings one by one, and without the method."""
