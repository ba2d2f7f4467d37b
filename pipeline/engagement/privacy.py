"""What an engagement says about secrets and personal data, about evidence, and its record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from pipeline.engagement import fields, kinds
from pipeline.engagement.kinds import Duration, Strict
from pipeline.engagement.source import source_of
from pipeline.engagement.wording import did_you_mean, shown
from pipeline.plan import EvidenceKept, Privacy
from pipeline.redaction_rules import own_rule

DEFAULT_RAW: Final = 30 * 86400.0
"""Seconds for which raw evidence is kept where the engagement does not say it."""


def _own_text(text: str) -> str:
    line = fields.one_line(text)
    try:
        own_rule((line,))
    except ValueError as problem:
        raise ValueError(f"{problem} (got {shown(text)})") from None
    return line


def _evidence(text: str) -> EvidenceKept:
    try:
        return EvidenceKept(text)
    except ValueError:
        known = tuple(EvidenceKept)
        raise ValueError(f"must be none, redacted or raw{did_you_mean(text, known)}") from None


_OwnText = Annotated[
    str, kinds.text_of(_own_text), WithJsonSchema({"type": "string", "minLength": 3})
]
_Kept = Annotated[
    EvidenceKept, kinds.text_of(_evidence), WithJsonSchema({"enum": list(EvidenceKept)})
]
_Days = Annotated[Duration, AfterValidator(kinds.between(3600, 999 * 86400))]


class PrivacyDocument(Strict):
    """What is taken out before anything is written, and what is kept of the tools' files."""

    redact: list[_OwnText] = Field(
        default_factory=list,
        max_length=200,
        description="Texts of your own that are taken out, besides the rules that always hold: "
        "# is a digit, ? a letter, * at the beginning or the end any run of letters and digits.",
        examples=[["Jane Doe", "EMP-######", "*.corp.example.com"]],
    )
    evidence: _Kept = Field(
        default=EvidenceKept.REDACTED,
        description="What is kept of what the tools wrote: none, redacted, or raw.",
    )
    keep_raw: _Days | None = Field(
        default=None,
        description="How long raw evidence is kept; 30 days where nothing is said.",
        examples=["30d"],
    )

    @field_validator("keep_raw")
    @classmethod
    def _there_is_raw_evidence(cls, keep_raw: float, info: ValidationInfo) -> float:
        if info.data.get("evidence", EvidenceKept.RAW) is not EvidenceKept.RAW:
            raise ValueError("holds for raw evidence only; write evidence: raw")
        return keep_raw

    @property
    def value(self) -> Privacy:
        """The same as a plain value."""
        raw = self.evidence is EvidenceKept.RAW
        return Privacy(
            redact=tuple(dict.fromkeys(self.redact)),
            evidence=self.evidence,
            keep_raw=(self.keep_raw or DEFAULT_RAW) if raw else None,
        )


def _key_file(value: object, info: ValidationInfo) -> Path:
    name = kinds.line(value)
    path = (source_of(info).door.folder / name).absolute()
    if not path.is_file():
        raise ValueError(f"is no file (got {shown(name)})")
    return path


class AuditDocument(Strict):
    """The record of each run."""

    signing_key: (
        Annotated[Path, PlainValidator(_key_file), WithJsonSchema({"type": "string"})] | None
    ) = Field(
        default=None,
        description="An SSH key that signs the seal of each run: private and without a passphrase, "
        "or public when an ssh-agent holds the private one.",
        examples=["/etc/portproof/evidence_ed25519"],
    )
