"""The kinds of value that the YAML files are made of, each with its JSON Schema."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
    model_validator,
)

from pipeline.addresses import Address, AddressSet
from pipeline.engagement import fields
from pipeline.engagement.wording import shown
from pipeline.model import Endpoint
from pipeline.ports import NO_PORTS, PortSet, PortSpec, ProtocolPorts

_T = TypeVar("_T")

_DURATION_PATTERN: Final = (
    r"^(?=.)([0-9]{1,4}d)?([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?([0-9]{1,6}ms)?$"
)
_PORT_PATTERN: Final = r"([0-9]{0,5}(-[0-9]{1,5})?|[Aa][Ll][Ll]|[Tt][Oo][Pp]:[1-9][0-9]{0,4})\s*"
_LETTER_PATTERN: Final = r"\s*([TtUu]:\s*)?"


class Strict(BaseModel):
    """Knows its keys and their types, and guesses nothing."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def text_of(parse: Callable[[str], _T]) -> PlainValidator:
    """Validate text, and only text, with a function of :mod:`pipeline.engagement.fields`."""
    return PlainValidator(lambda value: parse(_text(value)))


def line(value: object) -> str:
    """Validate one line of text."""
    return fields.one_line(_text(value))


def _text(value: object) -> str:
    if not isinstance(value, str):
        quotes = "; put it in quotes" if isinstance(value, int | float) else ""
        raise ValueError(f"must be text{quotes} (got {shown(value)})")
    return value


def _duration(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"needs a unit; write {value}s for seconds or {value}m for minutes")
    if not isinstance(value, str):
        raise ValueError(f"is not a duration; write 30s, 5m or 1h30m (got {shown(value)})")
    return fields.parse_duration(value)


def between(least: float, most: float) -> Callable[[float], float]:
    """Bounds for a duration, in seconds."""

    def check(seconds: float) -> float:
        if not least <= seconds <= most:
            raise ValueError(f"must lie between {least:g}s and {most:g}s (got {seconds:g}s)")
        return seconds

    return check


def _port_text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        what = "must be ports such as 22, 80-90, top:1000 or all"
        raise ValueError(f"{what} (got {shown(value)})")
    return str(value)


def _ports(value: object) -> ProtocolPorts:
    return fields.parse_protocol_ports(_port_text(value))


def _port_spec(value: object) -> PortSpec:
    return fields.parse_port_spec(_port_text(value))


def _named_ports(value: object) -> ProtocolPorts:
    found = _ports(value)
    if found.tcp.top or found.udp.top:
        raise ValueError(f"must name ports one by one or as ranges (got {shown(value)})")
    return found


def _port_set(value: object) -> PortSet:
    found = _ports(value)
    if found.udp:
        raise ValueError(f"must be port numbers alone; they hold for UDP, too (got {shown(value)})")
    if found.tcp.top:
        raise ValueError(f"must name ports one by one or as ranges (got {shown(value)})")
    return found.tcp.explicit


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _name(text: str) -> str:
    if not fields.NAME.fullmatch(text):
        raise ValueError(
            f"must be letters, digits, dots, dashes and underscores, at most 63 (got {shown(text)})"
        )
    return text


def _interface(text: str) -> str:
    if not fields.INTERFACE.fullmatch(text):
        raise ValueError(f"is not the name of a network interface (got {shown(text)})")
    return text


def _sha256(text: str) -> str:
    if not fields.SHA256.fullmatch(text):
        raise ValueError(f"must be the 64 hexadecimal digits of a SHA-256 (got {shown(text)})")
    return text.lower()


def _schema(**keywords: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **keywords})


def _port_text_schema(letter: str) -> dict[str, Any]:
    """One port, or a text of ports; ``letter`` is what may stand before a port."""
    one = f"{letter}{_PORT_PATTERN}"
    either: list[dict[str, Any]] = [
        {"type": "integer", "minimum": -65535, "maximum": 65535, "not": {"const": 0}},
        {"type": "string", "pattern": f"^(?=.){one}(,{one})*$"},
    ]
    return {"anyOf": either}


def _port_schema(letter: str) -> dict[str, Any]:
    """The same, or a list of them."""
    either = _port_text_schema(letter)["anyOf"]
    several = {"type": "array", "minItems": 1, "items": {"anyOf": either}}
    return {"anyOf": [*either, several]}


HOST_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "maxLength": 253,
    "pattern": r"^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*"
    r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?$",
}

Line = Annotated[str, text_of(fields.one_line), _schema(minLength=1, maxLength=200)]
Name = Annotated[str, text_of(_name), _schema(pattern=f"^{fields.NAME.pattern}$")]
Interface = Annotated[str, text_of(_interface), _schema(pattern=f"^{fields.INTERFACE.pattern}$")]
Sha256 = Annotated[str, text_of(_sha256), _schema(pattern=f"^{fields.SHA256.pattern}$")]
Duration = Annotated[float, PlainValidator(_duration), _schema(pattern=_DURATION_PATTERN)]
_PortList = Annotated[
    list[Annotated[ProtocolPorts, PlainValidator(_ports)]],
    BeforeValidator(_as_list),
    Field(min_length=1),
    WithJsonSchema(_port_schema(_LETTER_PATTERN)),
]
_PortSpecs = Annotated[
    list[Annotated[PortSpec, PlainValidator(_port_spec)]],
    BeforeValidator(_as_list),
    Field(min_length=1),
    WithJsonSchema(_port_schema(r"\s*")),
]


class PortsDocument(Strict):
    """The ports of each protocol."""

    tcp: _PortSpecs | None = Field(
        default=None,
        description="TCP ports as nmap writes them, top:N, or all.",
        examples=["top:1000"],
    )
    udp: _PortSpecs | None = Field(
        default=None,
        description="UDP ports, in the same way.",
        examples=["53,123,161", "top:20"],
    )

    @model_validator(mode="after")
    def _names_some(self) -> Self:
        if self.tcp is None and self.udp is None:
            raise ValueError("must name tcp or udp ports")
        return self


def _kind_of_ports(value: object) -> str:
    return "<protocols>" if isinstance(value, dict) else "<ports>"


Ports = Annotated[
    Annotated[_PortList, Tag("<ports>")] | Annotated[PortsDocument, Tag("<protocols>")],
    Discriminator(_kind_of_ports),
]


def ports_of(document: list[ProtocolPorts] | PortsDocument) -> ProtocolPorts:
    """What all entries ask for together."""
    if isinstance(document, PortsDocument):
        tcp, udp = (reduce(or_, specs or (), NO_PORTS) for specs in (document.tcp, document.udp))
        return ProtocolPorts(tcp=tcp, udp=udp)
    return reduce(or_, document, ProtocolPorts())


PlainPorts = Annotated[
    list[Annotated[PortSet, PlainValidator(_port_set)]], BeforeValidator(_as_list)
]
NamedPorts = Annotated[
    ProtocolPorts, PlainValidator(_named_ports), WithJsonSchema(_port_text_schema(_LETTER_PATTERN))
]
ExplicitPorts = Annotated[PlainPorts, Field(min_length=1), WithJsonSchema(_port_schema(r"\s*"))]
SourceAddress = Annotated[Address, text_of(fields.parse_source), _schema(minLength=2)]
Network = Annotated[
    AddressSet, text_of(fields.parse_network), _schema(minLength=2, pattern=r"^[0-9A-Fa-f:.]")
]
Included = Annotated[
    fields.Listed, text_of(fields.parse_included), _schema(pattern=r"^[0-9A-Za-z:]")
]
Excluded = Annotated[fields.Listed, text_of(fields.parse_listed), _schema(pattern=r"^[0-9A-Za-z:]")]
Canary = Annotated[
    Endpoint, text_of(fields.parse_canary), _schema(pattern=r":[0-9]{1,5}(/tcp|/udp)?$")
]
Rate = Annotated[int, Field(ge=1, le=10_000_000)]
Concurrency = Annotated[int, Field(ge=1, le=64)]
