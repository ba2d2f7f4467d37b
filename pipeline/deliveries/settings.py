"""Where runs are delivered, as the engagement says it. Secrets are named here, and never held."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, assert_never

from pipeline.secret import Secret

GIVE_UP_AFTER: Final = 14 * 86400.0
"""Seconds for which a delivery is tried again where the engagement says nothing."""


class Form(StrEnum):
    """In whose words a finding is told."""

    CEF = "cef"
    ECS = "ecs"
    OCSF = "ocsf"


class Transport(StrEnum):
    """How syslog travels."""

    TLS = "tls"
    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Who is believed, and who we are: files in PEM.

    ``ca`` has the authorities that are believed, and no others are. ``certificate`` is shown where
    a server asks for one; ``key`` is its private key, unless that lies in the same file.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """A server that speaks HTTP."""

    host: str
    port: int
    path: str = ""
    tls: bool = True
    trust: Trust = field(default_factory=Trust)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """One place for the findings of a run, called ``name`` within its engagement."""

    name: str
    give_up_after: float = GIVE_UP_AFTER


@dataclass(frozen=True, slots=True, kw_only=True)
class Syslog(_Named):
    """A receiver of syslog; ``facility`` is its number (RFC 5424, table 1)."""

    server: str
    port: int
    transport: Transport = Transport.TLS
    form: Form = Form.CEF
    facility: int = 16
    trust: Trust = field(default_factory=Trust)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search(_Named):
    """Elasticsearch or OpenSearch; either ``user`` and ``password``, or ``api_key``, or none."""

    web: Web
    index: str
    form: Form = Form.ECS
    user: str = ""
    password: Secret | None = None
    api_key: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Splunk(_Named):
    """The HTTP Event Collector of Splunk; without ``index`` the one of the token."""

    web: Web
    token: Secret
    index: str = ""
    form: Form = Form.ECS


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook(_Named):
    """Whoever takes a signed POST; ``token`` is sent as a bearer."""

    web: Web
    secret: Secret
    token: Secret | None = None
    form: Form = Form.ECS


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectDojo(_Named):
    """A test of an engagement of a product, which have to be there unless a ``product_type``."""

    web: Web
    token: Secret
    product: str
    engagement: str
    test: str = "portproof"
    product_type: str = ""


Destination = Syslog | Search | Splunk | Webhook | DefectDojo


def described(destination: Destination) -> str:
    """Where it goes, and in whose words; nothing of it is secret."""
    match destination:
        case Syslog(transport=transport, server=server, port=port, form=form):
            return f"{destination.name}: syslog by {transport} to {server} port {port}, as {form}"
        case DefectDojo(web=web):
            return f"{destination.name}: defectdojo at {_place(web)}"
        case Search(web=web, form=form):
            return f"{destination.name}: elasticsearch or opensearch at {_place(web)}, as {form}"
        case Splunk(web=web, form=form):
            return f"{destination.name}: splunk at {_place(web)}, as {form}"
        case Webhook(web=web, form=form):
            return f"{destination.name}: webhook at {_place(web)}, as {form}"
        case _:
            assert_never(destination)


def _place(web: Web) -> str:
    return f"{web.host} port {web.port}" + ("" if web.tls else ", in the clear")


def secrets_of(destination: Destination) -> tuple[Secret, ...]:
    """What has to be there for it."""
    match destination:
        case Syslog():
            return ()
        case Search(password=password, api_key=key):
            return tuple(secret for secret in (password, key) if secret is not None)
        case Webhook(secret=secret, token=token):
            return (secret, token) if token is not None else (secret,)
        case Splunk(token=token) | DefectDojo(token=token):
            return (token,)
        case _:
            assert_never(destination)
