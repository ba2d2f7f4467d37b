"""The notices of an engagement file: whom to tell, by which way, of what."""

from __future__ import annotations

import re
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
from pipeline.engagement.secret_places import SecretPlace
from pipeline.engagement.source import source_of
from pipeline.engagement.wording import did_you_mean, shown
from pipeline.notices.settings import (
    SCHEMES,
    MailServer,
    NoticeKind,
    NoticeSettings,
    Security,
)
from pipeline.secret import Secret

_PORTS: Final = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}
_MAILBOX: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")


def _mailbox(text: str) -> str:
    if not _MAILBOX.fullmatch(text):
        raise ValueError(f"is no address of mail (got {shown(text)})")
    return text


def _kind(text: str) -> NoticeKind:
    if text not in tuple(NoticeKind):
        raise ValueError(f"is no notice{did_you_mean(text, NoticeKind)} (got {shown(text)})")
    return NoticeKind(text)


def _security(text: str) -> Security:
    if text not in tuple(Security):
        raise ValueError(f"must be starttls, tls or none (got {shown(text)})")
    return Security(text)


def _scheme(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]{2,30}", text):
        raise ValueError(f"is no scheme of Apprise, such as slack (got {shown(text)})")
    return text


def _folder(value: object, info: ValidationInfo) -> Path:
    name = kinds.line(value)
    path = (source_of(info).door.folder / name).absolute()
    if not path.is_dir():
        raise ValueError(f"is no folder (got {shown(name)})")
    return path


_Mailbox = Annotated[str, kinds.text_of(_mailbox), WithJsonSchema({"type": "string"})]
_Kind = Annotated[NoticeKind, kinds.text_of(_kind), WithJsonSchema({"enum": list(NoticeKind)})]
_Scheme = Annotated[str, kinds.text_of(_scheme), WithJsonSchema({"type": "string"})]
_Lead = Annotated[Duration, AfterValidator(kinds.between(0, 7 * 86400))]


class MailDocument(Strict):
    """Where mail is handed in, and for whom."""

    server: Annotated[str, kinds.text_of(fields.one_line), WithJsonSchema({"type": "string"})] = (
        Field(description="The name or address of the server.", examples=["smtp.example.com"])
    )
    security: Annotated[
        Security, kinds.text_of(_security), WithJsonSchema({"enum": list(Security)})
    ] = Field(
        default="starttls",
        validate_default=True,
        description="starttls, tls from the first byte, or none; the certificate is checked.",
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="587 with starttls, 465 with tls, 25 with none if left out."
    )
    user: kinds.Line | None = Field(
        default=None, description="Who hands in.", examples=["portproof"]
    )
    password: SecretPlace | None = Field(
        default=None,
        description="Where the password lies.",
        examples=[{"env": "SMTP_PASSWORD"}, {"file": "/run/secrets/smtp"}],
    )
    sender: _Mailbox = Field(description="From whom.", examples=["scans@example.com"])
    to: list[_Mailbox] = Field(
        min_length=1, max_length=50, description="To whom.", examples=[["soc@example.com"]]
    )

    @field_validator("password")
    @classmethod
    def _is_of_somebody(cls, password: Secret, info: ValidationInfo) -> Secret:
        if not info.data.get("user"):
            raise ValueError("needs a user")
        if info.data.get("security") is Security.NONE:
            raise ValueError("is not sent in the clear: write security: starttls, or tls")
        return password

    @property
    def value(self) -> MailServer:
        """The same as a plain value."""
        return MailServer(
            server=self.server,
            port=self.port or _PORTS[self.security],
            security=self.security,
            sender=self.sender,
            to=tuple(dict.fromkeys(self.to)),
            user=self.user or "",
            password=self.password,
        )


class NoticesDocument(Strict):
    """Who is told before, during and after a run. Secrets lie elsewhere, and are named here."""

    mail: MailDocument | None = Field(default=None, description="Notices by mail.")
    services: list[SecretPlace] = Field(
        default_factory=list,
        max_length=20,
        description="Addresses of Apprise, which are secrets: chats, pagers, webhooks.",
        examples=[[{"env": "PORTPROOF_SLACK"}]],
    )
    schemes: list[_Scheme] = Field(
        default_factory=lambda: list(SCHEMES),
        min_length=1,
        description="The schemes that these addresses may have; well-known encrypted ones if left "
        "out.",
        examples=[["slack", "jsons"]],
    )
    on: list[_Kind] = Field(
        default_factory=lambda: list(NoticeKind),
        min_length=1,
        description="What is told; everything if left out.",
        examples=[["before", "finished", "failed"]],
    )
    lead: _Lead = Field(
        default=0.0,
        description="How long a run waits after the notice before it.",
        examples=["30m"],
    )
    required: bool = Field(
        default=False,
        description="Whether a run whose notice before it was not taken everywhere is refused.",
    )
    texts: Annotated[Path, PlainValidator(_folder), WithJsonSchema({"type": "string"})] | None = (
        Field(
            default=None,
            description="A folder with templates of your own, beside this file.",
            examples=["texts"],
        )
    )

    @field_validator("required")
    @classmethod
    def _there_is_one_before(cls, required: bool, info: ValidationInfo) -> bool:
        if required and NoticeKind.BEFORE not in info.data.get("on", (NoticeKind.BEFORE,)):
            raise ValueError("needs before among on")
        if required and not (info.data.get("mail") or info.data.get("services")):
            raise ValueError("needs mail or services")
        return required

    @property
    def value(self) -> NoticeSettings:
        """The same as a plain value."""
        return NoticeSettings(
            mail=self.mail.value if self.mail else None,
            services=tuple(self.services),
            schemes=tuple(dict.fromkeys(self.schemes)),
            on=tuple(dict.fromkeys(self.on)),
            lead=self.lead,
            required=self.required,
            templates=self.texts,
        )
