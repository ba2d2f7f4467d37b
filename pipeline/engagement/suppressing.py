"""The changes that the engagement does not want told, why, and until when."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, Any, Final, Self

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema, model_validator

from pipeline.addresses import AddressSet, parse_range
from pipeline.decide.suppression import Suppression
from pipeline.engagement import fields
from pipeline.engagement.kinds import Canary, ExplicitPorts, Line, Strict, line, text_of
from pipeline.engagement.wording import did_you_mean, shown
from pipeline.model import ChangeKind, Endpoint
from pipeline.ports import PortSet

MOST: Final = 1000
"""Suppressions in one engagement: more of them are a policy, and not exceptions."""

_DAY: Final[dict[str, Any]] = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"}


def _until(value: object, info: ValidationInfo) -> str:
    text = line(value)
    fields.parse_moment(text, fields.parse_zone("UTC"), end=True)  # in its own zone later
    return text


def _kind(text: str) -> ChangeKind:
    if text not in tuple(ChangeKind):
        known = tuple(kind.value for kind in ChangeKind)
        raise ValueError(f"is no kind of change{did_you_mean(text, known)} (got {shown(text)})")
    return ChangeKind(text)


def _network(text: str) -> AddressSet:
    return AddressSet((parse_range(text),))


class SuppressionDocument(Strict):
    """Changes that are not told. What is left out matches everything; something must be given."""

    endpoint: Canary | None = Field(
        default=None, description="One endpoint.", examples=["192.0.2.10:8080"]
    )
    network: (
        Annotated[
            AddressSet,
            text_of(_network),
            WithJsonSchema({"type": "string", "minLength": 2, "pattern": r"^[0-9A-Fa-f:.]"}),
        ]
        | None
    ) = Field(
        default=None,
        description="An address, a network or a range.",
        examples=["192.0.2.0/24"],
    )
    ports: ExplicitPorts | None = Field(
        default=None,
        description="Ports, of whichever protocol.",
        examples=["49152-65535"],
    )
    kinds: (
        list[
            Annotated[
                ChangeKind,
                text_of(_kind),
                WithJsonSchema({"enum": [kind.value for kind in ChangeKind]}),
            ]
        ]
        | None
    ) = Field(
        default=None,
        min_length=1,
        description="Kinds of change; all if left out.",
        examples=[["opened", "closed"]],
    )
    reason: Line = Field(
        description="Why it need not be told.", examples=["test host, comes and goes"]
    )
    until: Annotated[str, PlainValidator(_until), WithJsonSchema(_DAY)] = Field(
        description="The last day on which it holds, or a date and time with its offset.",
        examples=["2027-01-31"],
    )

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if self.endpoint is None and not self.network and not self.ports and not self.kinds:
            raise ValueError("must name an endpoint, a network, ports or kinds")
        if self.endpoint is not None and (self.network or self.ports):
            raise ValueError("names an endpoint, so neither a network nor ports")
        return self


def suppression(document: SuppressionDocument, zone: tzinfo) -> Suppression:
    """The value of an entry; a day ends where the engagement's days end."""
    endpoint: Endpoint | None = document.endpoint
    addresses, ports = document.network, _ports(document.ports)
    if endpoint is not None:
        addresses = AddressSet.from_addresses([endpoint.address])
        ports = PortSet.of([endpoint.port])
    return Suppression(
        reason=document.reason,
        until=fields.parse_moment(document.until, zone, end=True),
        until_text=document.until,
        addresses=addresses,
        protocol=endpoint.protocol if endpoint else None,
        ports=ports,
        kinds=frozenset(document.kinds or ()),
    )


def _ports(given: list[PortSet] | None) -> PortSet | None:
    if given is None:
        return None
    return PortSet.from_ranges(found for ports in given for found in ports.ranges)
