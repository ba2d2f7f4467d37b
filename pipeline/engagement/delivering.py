"""The deliveries of an engagement file: which systems get the findings, by which way."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from pipeline.deliveries.settings import (
    GIVE_UP_AFTER,
    DefectDojo,
    Destination,
    Form,
    Search,
    Splunk,
    Syslog,
    Transport,
    Trust,
    Web,
    Webhook,
)
from pipeline.engagement import kinds
from pipeline.engagement.kinds import Duration, Strict
from pipeline.engagement.secret_places import SecretPlace
from pipeline.engagement.source import source_of
from pipeline.engagement.wording import did_you_mean, shown

KINDS: Final = ("syslog", "elasticsearch", "opensearch", "splunk", "webhook", "defectdojo")
"""What ``to`` may be."""
FACILITIES: Final = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron"),
    *("authpriv", "ftp", "ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
"""RFC 5424, table 1, in the order of their numbers."""
_PORTS: Final = {Transport.TLS: 6514, Transport.TCP: 514, Transport.UDP: 514}
_TAGS: Final = {"elasticsearch": "<search>", "opensearch": "<search>"}
_INDEX: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,199}")
_HOST: Final = re.compile(kinds.HOST_SCHEMA["pattern"])
_NO_SECRETS: Final = (
    "must be https://NAME[:PORT][/PATH], without a user, a ? or a # in it: what is secret has no "
    "place in this file (got what is not repeated here)"
)


def _one_of(*known: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in known:
            what = f"must be {', '.join(known[:-1])} or {known[-1]}"
            raise ValueError(f"{what}{did_you_mean(text, known)} (got {shown(text)})")
        return text

    return check


def _word(*known: str) -> Any:
    return kinds.text_of(_one_of(*known)), WithJsonSchema({"enum": list(known)})


def _url(text: str) -> str:
    # A webhook's address may be the secret itself: no message repeats one that is not plain.
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(_NO_SECRETS) from None
    odd = parts.username is not None or parts.query or parts.fragment or not text.isprintable()
    if parts.scheme not in ("http", "https") or odd or not text.isascii() or " " in text:
        raise ValueError(_NO_SECRETS)
    if not parts.hostname or not _is_host(parts.hostname) or port == 0:
        raise ValueError(_NO_SECRETS)
    return text


def _server(text: str) -> str:
    if not _is_host(text):
        raise ValueError(f"is no name or address of a server (got {shown(text)})")
    return text


def _is_host(text: str) -> bool:
    return _address(text) or bool(_HOST.fullmatch(text) and len(text) <= 253)


def _address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_address(host) and ip_address(host).is_loopback)


def _file(value: object, info: ValidationInfo) -> Path:
    name = kinds.line(value)
    path = (source_of(info).door.folder / name).absolute()
    if not path.is_file():
        raise ValueError(f"is no file (got {shown(name)})")
    return path


def _index(text: str) -> str:
    if not _INDEX.fullmatch(text):
        raise ValueError(f"must be small letters, digits, dots and dashes (got {shown(text)})")
    return text


_String: Final = WithJsonSchema({"type": "string"})
_Server = Annotated[str, kinds.text_of(_server), _String]
_Url = Annotated[
    str, kinds.text_of(_url), WithJsonSchema({"type": "string", "pattern": "^https?:"})
]
_File = Annotated[Path, PlainValidator(_file), _String]
_Index = Annotated[str, kinds.text_of(_index), _String]
_Patience = Annotated[Duration, AfterValidator(kinds.between(60, 90 * 86400))]
_EVENTS: Final = _word(*Form)
_Form = Annotated[str, *_EVENTS]


class DestinationDocument(Strict):
    """What all destinations have."""

    name: kinds.Name = Field(description="What it is called here.", examples=["siem"])
    give_up_after: _Patience = Field(
        default=GIVE_UP_AFTER,
        description="How long a delivery that fails is tried again.",
        examples=["14d"],
    )
    ca: _File | None = Field(
        default=None,
        description="Certificates of authorities that are trusted, and they alone.",
        examples=["siem-ca.pem"],
    )
    certificate: _File | None = Field(
        default=None,
        description="The certificate that is shown to a server that asks for one.",
        examples=["portproof.pem"],
    )
    key: _File | None = Field(
        default=None,
        description="Its private key, without a passphrase; in the same file if left out.",
        examples=["/etc/portproof/portproof.key"],
    )

    @model_validator(mode="after")
    def _is_a_key_of_something(self) -> Self:
        if self.key is not None and self.certificate is None:
            raise ValueError("needs a certificate for its key")
        return self

    @property
    def trust(self) -> Trust:
        """Who is believed, and who we are."""
        return Trust(ca=self.ca, certificate=self.certificate, key=self.key)


class SyslogDocument(DestinationDocument):
    """A receiver of syslog, such as a SIEM."""

    to: Annotated[str, *_word(*KINDS)] = Field(description="What kind of system it is.")
    server: _Server = Field(
        description="The name or address of the receiver.", examples=["logs.example.com"]
    )
    transport: Annotated[str, *_word(*Transport)] = Field(
        default="tls", description="tls, tcp or udp; the certificate is checked."
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="6514 by tls, 514 by tcp and udp if left out."
    )
    format: _Form | None = Field(
        default=None, description="cef, ecs or ocsf: cef to syslog, ecs elsewhere if left out."
    )
    facility: Annotated[str, *_word(*FACILITIES)] = Field(
        default="local0", description="The facility of the messages."
    )

    @property
    def value(self) -> Destination:
        """The same as a plain value."""
        transport = Transport(self.transport)
        return Syslog(
            name=self.name,
            give_up_after=self.give_up_after,
            server=self.server,
            port=self.port or _PORTS[transport],
            transport=transport,
            form=Form(self.format or Form.CEF),
            facility=FACILITIES.index(self.facility),
            trust=self.trust,
        )


class WebDocument(DestinationDocument):
    """What all destinations have that speak HTTP."""

    to: Annotated[str, *_word(*KINDS)] = Field(description="What kind of system it is.")
    url: _Url = Field(
        description="Where it is, without anything secret.", examples=["https://siem.example.com"]
    )
    plain: bool = Field(
        default=False, description="Whether http is allowed to where others can listen."
    )

    @model_validator(mode="after")
    def _is_encrypted(self) -> Self:
        web = self.web
        if not (web.tls or self.plain or _is_loopback(web.host)):
            raise ValueError(
                f"{self.name} would go in the clear: write https, or plain: true if that is meant"
            )
        return self

    @property
    def web(self) -> Web:
        """The server as a plain value."""
        parts = urlsplit(self.url)
        tls = parts.scheme == "https"
        return Web(
            host=parts.hostname or "",
            port=parts.port or (443 if tls else 80),
            path=parts.path.rstrip("/") if not isinstance(self, WebhookDocument) else parts.path,
            tls=tls,
            trust=self.trust,
        )


class SearchDocument(WebDocument):
    """Elasticsearch or OpenSearch."""

    index: _Index = Field(
        description="The index, alias or data stream; for splunk the one of the token if left out.",
        examples=["portproof"],
    )
    format: Annotated[str, *_word(Form.ECS, Form.OCSF)] | None = Field(
        default=None, description="ecs or ocsf; ecs if left out."
    )
    user: kinds.Line | None = Field(default=None, description="Who writes.")
    password: SecretPlace | None = Field(
        default=None, description="Where the password of the user lies."
    )
    api_key: SecretPlace | None = Field(
        default=None, description="Where an API key lies, encoded; in place of user and password."
    )

    @model_validator(mode="after")
    def _has_one_credential(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("needs user and password together")
        if self.api_key is not None and self.user is not None:
            raise ValueError("needs either user and password or api_key")
        return self

    @property
    def value(self) -> Destination:
        """The same as a plain value."""
        return Search(
            name=self.name,
            give_up_after=self.give_up_after,
            web=self.web,
            index=self.index,
            form=Form(self.format or Form.ECS),
            user=self.user or "",
            password=self.password,
            api_key=self.api_key,
        )


class SplunkDocument(WebDocument):
    """The HTTP Event Collector of Splunk."""

    token: SecretPlace = Field(
        description="Where the token lies.", examples=[{"env": "SPLUNK_TOKEN"}]
    )
    index: _Index | None = Field(
        default=None, description="The index; the one of the token if left out."
    )
    format: _Form | None = Field(default=None, description="cef, ecs or ocsf; ecs if left out.")

    @property
    def value(self) -> Destination:
        """The same as a plain value."""
        return Splunk(
            name=self.name,
            give_up_after=self.give_up_after,
            web=self.web,
            token=self.token,
            index=self.index or "",
            form=Form(self.format or Form.ECS),
        )


class WebhookDocument(WebDocument):
    """Whoever takes a signed POST."""

    secret: SecretPlace = Field(
        description="Where the key of the signature lies.", examples=[{"env": "HOOK_SECRET"}]
    )
    token: SecretPlace | None = Field(
        default=None, description="Where a token lies, which is sent as a bearer."
    )
    format: _Form | None = Field(default=None, description="cef, ecs or ocsf; ecs if left out.")

    @property
    def value(self) -> Destination:
        """The same as a plain value."""
        return Webhook(
            name=self.name,
            give_up_after=self.give_up_after,
            web=self.web,
            secret=self.secret,
            token=self.token,
            form=Form(self.format or Form.ECS),
        )


class DefectDojoDocument(WebDocument):
    """DefectDojo, by its re-import."""

    token: SecretPlace = Field(description="Where the API token lies.")
    product: kinds.Line = Field(description="The product there.", examples=["Perimeter"])
    engagement: kinds.Line = Field(description="Its engagement there.", examples=["Port scans"])
    test: kinds.Line = Field(default="portproof", description="The test in that engagement.")
    product_type: kinds.Line | None = Field(
        default=None,
        description="The product type of what is made there where it is missing; without it "
        "nothing is made.",
        examples=["Infrastructure"],
    )

    @property
    def value(self) -> Destination:
        """The same as a plain value."""
        return DefectDojo(
            name=self.name,
            give_up_after=self.give_up_after,
            web=self.web,
            token=self.token,
            product=self.product,
            engagement=self.engagement,
            test=self.test,
            product_type=self.product_type or "",
        )


def _kind(value: object) -> str:
    to = value.get("to") if isinstance(value, dict) else None
    # What is no kind, or none at all, is told by the model of syslog.
    return _TAGS.get(str(to), f"<{to}>") if to in KINDS else "<syslog>"


def _names_differ(found: list[Any]) -> list[Any]:
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"have two of the name {shown(name)}")
    return found


_Destination = Annotated[
    Annotated[SyslogDocument, Tag("<syslog>")]
    | Annotated[SearchDocument, Tag("<search>")]
    | Annotated[SplunkDocument, Tag("<splunk>")]
    | Annotated[WebhookDocument, Tag("<webhook>")]
    | Annotated[DefectDojoDocument, Tag("<defectdojo>")],
    Discriminator(_kind),
]
DeliveriesList = Annotated[list[_Destination], AfterValidator(_names_differ)]
