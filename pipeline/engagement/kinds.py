"""The kinds of value that the YAML files are made of, each with its JSON Schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)

from pipeline.addresses import Address, AddressSet
from pipeline.engagement import fields
from pipeline.engagement.wording import shown
from pipeline.model import Endpoint
from pipeline.ports import PortSet, PortSpec

_T = TypeVar("_T")

_DURATION_PATTERN: Final = (
    r"^(?=.)([0-9]{1,3}d)?([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?([0-9]{1,6}ms)?$"
)
_PORT_PATTERN: Final = (
    r"\s*(([Tt]:)?[0-9]{0,5}(-[0-9]{1,5})?|[Aa][Ll][Ll]|[Tt][Oo][Pp]:[1-9][0-9]{0,4})\s*"
)
_PORTS_PATTERN: Final = f"^(?=.){_PORT_PATTERN}(,{_PORT_PATTERN})*$"


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


def _ports(value: object) -> PortSpec:
    if isinstance(value, bool) or not isinstance(value, str | int):
        what = "must be ports such as 22, 80-90, top:1000 or all"
        raise ValueError(f"{what} (got {shown(value)})")
    return fields.parse_ports(str(value))


def _port_set(value: object) -> PortSet:
    spec = _ports(value)
    if spec.top:
        raise ValueError(f"must name ports one by one or as ranges (got {shown(value)})")
    return spec.explicit


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


_PORT_SCHEMAS: Final[list[dict[str, Any]]] = [
    {"type": "integer", "minimum": -65535, "maximum": 65535, "not": {"const": 0}},
    {"type": "string", "pattern": _PORTS_PATTERN},
]
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
Ports = Annotated[
    list[Annotated[PortSpec, PlainValidator(_ports)]],
    BeforeValidator(_as_list),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                *_PORT_SCHEMAS,
                {"type": "array", "minItems": 1, "items": {"anyOf": _PORT_SCHEMAS}},
            ]
        }
    ),
]
PlainPorts = Annotated[
    list[Annotated[PortSet, PlainValidator(_port_set)]], BeforeValidator(_as_list)
]
SourceAddress = Annotated[Address, text_of(fields.parse_source), _schema(minLength=2)]
Network = Annotated[
    AddressSet, text_of(fields.parse_network), _schema(minLength=2, pattern=r"^[0-9A-Fa-f:.]")
]
Included = Annotated[
    fields.Listed, text_of(fields.parse_included), _schema(pattern=r"^[0-9A-Za-z:]")
]
Excluded = Annotated[fields.Listed, text_of(fields.parse_listed), _schema(pattern=r"^[0-9A-Za-z:]")]
Canary = Annotated[Endpoint, text_of(fields.parse_canary), _schema(pattern=r":[0-9]{1,5}(/tcp)?$")]
Rate = Annotated[int, Field(ge=1, le=10_000_000)]
Concurrency = Annotated[int, Field(ge=1, le=64)]
