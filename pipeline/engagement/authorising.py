"""Who allowed the scan: the `authorisation` of the engagement, with its document."""

from __future__ import annotations

import re
from datetime import tzinfo
from typing import Annotated, Any, Final, Self

from pydantic import (
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from pipeline.engagement import fields, kinds
from pipeline.engagement.kinds import Strict
from pipeline.engagement.permitting import PermitsDocument
from pipeline.engagement.source import source_of
from pipeline.engagement.values import Contact, SourceFile
from pipeline.engagement.wording import shown

_DAY_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2}))?$",
}


def _document(value: object, info: ValidationInfo) -> SourceFile:
    return source_of(info).door.attach(kinds.line(value))


def _day(value: object, info: ValidationInfo) -> tuple[str, float]:
    text = kinds.line(value)
    zone = info.data.get("timezone", fields.parse_zone("UTC"))
    end = info.field_name == "valid_until"
    return text, fields.parse_moment(text, zone, end=end)


_EMAIL: Final = re.compile(r"[^\s@<>]{1,64}@[^\s@<>]{1,255}")


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text):
        raise ValueError(f"is no e-mail address (got {shown(text)})")
    return text


class ContactDocument(Strict):
    """Somebody to call when something goes wrong, on either side."""

    name: kinds.Line = Field(description="A name, or a desk.", examples=["NOC"])
    role: kinds.Line | None = Field(default=None, description="What this contact is for.")
    email: (
        Annotated[
            str, kinds.text_of(_email), WithJsonSchema({"type": "string", "pattern": "^[^@]+@.+$"})
        ]
        | None
    ) = Field(default=None, description="An e-mail address.", examples=["noc@example.com"])
    phone: kinds.Line | None = Field(default=None, description="A telephone number, in quotes.")

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.email is None and self.phone is None:
            raise ValueError("has neither email nor phone")
        return self

    def value(self) -> Contact:
        """The contact as a plain value."""
        return Contact(
            name=self.name, role=self.role or "", email=self.email or "", phone=self.phone or ""
        )


class AuthorisationDocument(Strict):
    """Who allowed this scan, and from when to when."""

    reference: kinds.Line = Field(
        description="How the client calls the authorisation: a contract or ticket number.",
        examples=["EX-2026-17"],
    )
    signatory: kinds.Line = Field(
        description="Who signed it: a name, or a role.", examples=["Head of IT", "own machine"]
    )
    role: kinds.Line | None = Field(
        default=None, description="What entitles the signatory.", examples=["Head of IT"]
    )
    contacts: list[ContactDocument] = Field(
        default_factory=list,
        max_length=20,
        description="Whom to call when something goes wrong.",
        examples=[[{"name": "NOC", "phone": "+49 30 5550100"}]],
    )
    permits: PermitsDocument = Field(
        default_factory=lambda: PermitsDocument(),
        description="What the document allows besides; no bound where nothing is said.",
    )
    timezone: Annotated[
        tzinfo, kinds.text_of(fields.parse_zone), WithJsonSchema({"type": "string"})
    ] = Field(
        default="UTC",
        validate_default=True,
        description="Where the days below begin and end: a name of the IANA database.",
        examples=["Europe/Berlin"],
    )
    valid_from: Annotated[tuple[str, float], PlainValidator(_day), WithJsonSchema(_DAY_SCHEMA)] = (
        Field(
            description="The first day, or a date and time with its offset.",
            examples=["2026-11-01", "2026-11-01T08:00+01:00"],
        )
    )
    valid_until: Annotated[tuple[str, float], PlainValidator(_day), WithJsonSchema(_DAY_SCHEMA)] = (
        Field(
            description="The last day, which still counts, or a date and time with its offset.",
            examples=["2027-10-31"],
        )
    )
    document: (
        Annotated[SourceFile, PlainValidator(_document), WithJsonSchema({"type": "string"})] | None
    ) = Field(
        default=None,
        description="The signed document: a file beside this one.",
        examples=["authorisation.pdf"],
    )
    document_sha256: kinds.Sha256 | None = Field(
        default=None, description="The SHA-256 of the document; checked when given."
    )

    @field_validator("valid_until")
    @classmethod
    def _ends_after_it_begins(
        cls, until: tuple[str, float], info: ValidationInfo
    ) -> tuple[str, float]:
        begins = info.data.get("valid_from")
        if begins and until[1] <= begins[1]:
            raise ValueError(f"ends before valid_from, {begins[0]} (got {shown(until[0])})")
        return until

    @field_validator("document_sha256")
    @classmethod
    def _is_that_of_the_document(cls, sha256: str, info: ValidationInfo) -> str:
        if "document" in info.data:
            document = info.data["document"]
            if document is None:
                raise ValueError("is given, but no document is")
            if document.sha256 != sha256:
                raise ValueError(
                    f"does not match: {document.path.name} has {document.sha256} (got {sha256})"
                )
        return sha256
