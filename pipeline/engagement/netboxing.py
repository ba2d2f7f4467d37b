"""What an engagement says about a NetBox that lists assets. It is asked when a run is planned."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema, field_validator

from pipeline.engagement import kinds
from pipeline.engagement.inventories import Mapped
from pipeline.engagement.kinds import Line, Strict
from pipeline.engagement.secret_places import SecretPlace
from pipeline.engagement.source import source_of
from pipeline.engagement.wording import shown
from pipeline.netbox.settings import LIVE, NetboxSettings

_SLUG: Final = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


def _url(value: object) -> str:
    text = kinds.line(value).rstrip("/")
    what = f"must be https://NAME, without user, query and /api (got {shown(text)})"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(what) from None
    odd = parts.username is not None or parts.query or parts.fragment or port == 0
    if odd or not host or parts.path.endswith("/api") or not text.isascii() or " " in text:
        raise ValueError(what)
    if parts.scheme != "https" and not (parts.scheme == "http" and _here(host)):
        raise ValueError(f"{what}: a token goes nowhere in the clear, but to this machine")
    return text


def _here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _slug(text: str) -> str:
    if not _SLUG.fullmatch(text):
        raise ValueError(f"must be a slug, or a route distinguisher (got {shown(text)})")
    return text


_Url = Annotated[str, PlainValidator(_url), WithJsonSchema({"type": "string", "format": "uri"})]
_Slugs = list[Annotated[str, kinds.text_of(_slug), WithJsonSchema({"type": "string"})]]


class NetboxDocument(Strict):
    """A NetBox; it is read only."""

    url: _Url = Field(
        description="Where it is, without /api; https.", examples=["https://netbox.example.com"]
    )
    token: SecretPlace = Field(
        description="Where its token lies; one that may only read will do.",
        examples=[{"env": "NETBOX_TOKEN"}, {"file": "/run/secrets/netbox"}],
    )
    ca: Line | None = Field(
        default=None, description="A file of certificates to trust instead of the usual ones."
    )
    status: _Slugs = Field(
        default_factory=lambda: list(LIVE),
        min_length=1,
        description="Addresses in which states count.",
        examples=[["active", "dhcp"]],
    )
    prefixes: bool = Field(default=True, description="Whether active prefixes count, too.")
    required: bool = Field(
        default=True, description="Whether a run whose NetBox cannot be read does not begin."
    )
    tenant: _Slugs = Field(
        default_factory=list, description="Only what belongs to these tenants.", examples=[["shop"]]
    )
    tag: _Slugs = Field(default_factory=list, description="Only what has all of these tags.")
    vrf: _Slugs = Field(
        default_factory=list, description="Only what is in these VRFs, by route distinguisher."
    )

    @field_validator("ca")
    @classmethod
    def _is_there(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is None:
            return None
        path = (source_of(info).door.folder / name).absolute()
        if not path.is_file():
            raise ValueError(f"is no file (got {shown(name)})")
        return str(path)

    def settings(self, mapped: Mapped) -> NetboxSettings:
        """The same as a plain value."""
        filters = (("tenant", self.tenant), ("tag", self.tag), ("vrf", self.vrf))
        return NetboxSettings(
            url=self.url,
            token=self.token,
            ca=Path(self.ca) if self.ca else None,
            statuses=tuple(self.status),
            prefixes=self.prefixes,
            required=self.required,
            filters=tuple((name, tuple(values)) for name, values in filters if values),
            columns=mapped.columns,
            words=mapped.words,
        )
