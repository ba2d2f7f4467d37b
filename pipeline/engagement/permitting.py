"""What the authorisation permits, and every place in which the engagement exceeds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import (
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    ValidationInfo,
    WithJsonSchema,
)

from pipeline.addresses import AddressSet
from pipeline.decide.permits import Technique
from pipeline.engagement import fields, kinds
from pipeline.engagement.fields import Listed
from pipeline.engagement.kinds import Strict
from pipeline.engagement.nodes import Path as Keys
from pipeline.engagement.scoping import ScopeDocument, outside
from pipeline.engagement.source import Reported, Source, source_of
from pipeline.engagement.targets import TargetList, read_targets
from pipeline.engagement.values import Permitted, Profile
from pipeline.engagement.wording import did_you_mean, printable, shown
from pipeline.model import Endpoint, Protocol
from pipeline.ports import ALL_PORTS, PortSet, PortSpec, ProtocolPorts

_PERMITS: Final = ("authorisation", "permits")
_MOST: Final = 50


def _technique(text: str) -> Technique:
    if text not in tuple(Technique):
        raise ValueError(f"is no method{did_you_mean(text, Technique)} (got {shown(text)})")
    return Technique(text)


def _listed(text: str) -> Listed:
    found = fields.parse_listed(text)
    if found.range is None:
        raise ValueError(
            f"is a name; write the networks that its addresses lie in (got {shown(text)})"
        )
    return found


def _list(value: object, info: ValidationInfo) -> TargetList:
    return read_targets(kinds.line(value), source_of(info).door, _listed)


class PermittedFile(Strict):
    """A list of networks in plain text: one entry a line, # begins a comment."""

    file: Annotated[TargetList, PlainValidator(_list), WithJsonSchema({"type": "string"})] = Field(
        description="The path of the list, beside this file.", examples=["permitted.txt"]
    )


_Technique = Annotated[
    Technique, kinds.text_of(_technique), WithJsonSchema({"enum": list(Technique)})
]
_Target = Annotated[
    Annotated[kinds.Network, Tag("<text>")] | Annotated[PermittedFile, Tag("<file>")],
    Discriminator(
        lambda value: "<file>" if isinstance(value, dict) else "<text>",
    ),
]


class PermitsDocument(Strict):
    """What the signed document allows. The engagement must lie inside of it."""

    methods: list[_Technique] | None = Field(
        default=None,
        min_length=1,
        description="syn, connect, udp, version, scripts; all of them if left out.",
        examples=[["syn", "connect", "version"]],
    )
    ports: kinds.Ports | None = Field(
        default=None,
        description="The ports that may be asked, as under ports; all of them if left out.",
        examples=["1-1024,8000-8999"],
    )
    rate: kinds.Rate | None = Field(
        default=None, description="The most packets per second.", examples=[500]
    )
    rate_per_host: kinds.Rate | None = Field(
        default=None, description="The most packets per second to any one address.", examples=[20]
    )
    targets: list[_Target] | None = Field(
        default=None,
        min_length=1,
        description="The networks that may be scanned, and files that list these; the scope alone "
        "decides if left out.",
        examples=[["192.0.2.0/24"]],
    )

    def value(self, source: Source | None = None) -> Permitted:
        """The bounds as plain values; the place of the ports is told where ``source`` is known."""
        return Permitted(
            techniques=None if self.methods is None else frozenset(self.methods),
            ports=None if self.ports is None else kinds.ports_of(self.ports),
            ports_at=_at(source, "ports") if source and self.ports else "",
            rate=self.rate,
            rate_per_host=self.rate_per_host,
            targets=None if self.targets is None else AddressSet.of(self._ranges()),
        )

    def _ranges(self) -> Iterator[tuple[int, int]]:
        for entry in self.targets or ():
            if isinstance(entry, PermittedFile):
                yield from (found.range for found, _ in entry.file.entries if found.range)
            else:
                yield from entry.ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an engagement asks for, as far as an authorisation may bound it."""

    scope: ScopeDocument
    ports: ProtocolPorts
    profile: Profile
    rate: int | None
    rate_per_host: int | None
    canaries: tuple[Endpoint, ...]


def require_inside(asked: Asked, document: PermitsDocument, source: Source) -> None:
    """Raise :class:`Reported` once every breach is filed, where the engagement has it."""
    permitted = document.value()
    wrong = False
    for place, what in (
        *_rates(asked, permitted, source),
        *_methods(asked, permitted, source),
        *_ports(asked, permitted, source),
    ):
        source.complain(place, what)
        wrong = True
    if permitted.targets is not None:
        for number, (path, found, text, beyond) in enumerate(
            outside(asked.scope, source, permitted.targets)
        ):
            wrong = True
            if number < _MOST:
                what = (
                    f"has {_some(beyond)}, which {_bound(source, 'targets')} does not permit; "
                    "have it permitted, or exclude it"
                )
                source.door.complain(path, found, f"{what} (got {shown(text)})")
    if wrong:
        raise Reported


def _at(source: Source, key: str) -> str:
    place = source.place((*_PERMITS, key))
    return f"{printable(str(source.path))}:{place.line}:{place.column}"


def _bound(source: Source, key: str) -> str:
    """The side of the authorisation, with its place."""
    return f"authorisation.permits.{key} ({_at(source, key)})"


def _rates(asked: Asked, permitted: Permitted, source: Source) -> Iterator[tuple[Keys, str]]:
    for key, wanted, most in (
        ("rate", asked.rate, permitted.rate),
        ("rate_per_host", asked.rate_per_host, permitted.rate_per_host),
    ):
        if wanted is not None and most is not None and wanted > most:
            yield (
                ("limits", key),
                f"exceeds {_bound(source, key)}, {most}; lower it (got {wanted})",
            )


def _methods(asked: Asked, permitted: Permitted, source: Source) -> Iterator[tuple[Keys, str]]:
    techniques = permitted.techniques
    if techniques is None:
        return
    does_not = f"which {_bound(source, 'methods')} does not permit"
    if asked.ports.tcp and Technique.CONNECT not in techniques:
        yield (
            ("ports",),
            f"asks TCP ports, and nothing is proven without connections, {does_not}; have connect "
            "permitted, or ask UDP ports only",
        )
    if asked.ports.udp and Technique.UDP not in techniques:
        yield ("ports",), f"asks UDP ports, {does_not}; have udp permitted, or leave them out"
    profile = asked.profile
    name = f"profile {printable(profile.name)}"
    if profile.version_probe and Technique.VERSION not in techniques:
        yield (
            ("profile",),
            f"{name} asks for versions, {does_not}; have version permitted, or name a profile of "
            "your own with `version_probe: false`",
        )
    elif profile.version_probe and profile.scripts and Technique.SCRIPTS not in techniques:
        yield (
            ("profile",),
            f"{name} runs scripts, {does_not}; have scripts permitted, or name a profile of your "
            "own with `scripts: []`",
        )


def _ports(asked: Asked, permitted: Permitted, source: Source) -> Iterator[tuple[Keys, str]]:
    if permitted.ports is None:
        return
    does_not = f"which {_bound(source, 'ports')} does not permit"
    for protocol, wanted, allowed in (
        (Protocol.TCP, asked.ports.tcp, permitted.ports.tcp),
        (Protocol.UDP, asked.ports.udp, permitted.ports.udp),
    ):
        beyond = certainly_beyond(wanted, allowed)
        if beyond:
            what = f"asks {protocol.upper()} ports {_few(beyond)}, {does_not}"
            yield ("ports",), f"{what}; have them permitted, or leave them out"
        for place, canary in enumerate(asked.canaries):
            if canary.protocol is protocol and certainly_beyond(
                PortSpec(explicit=PortSet.of([canary.port])), allowed
            ):
                yield (
                    ("canaries", place),
                    f"asks a port {does_not}; name another one (got {canary})",
                )


def certainly_beyond(wanted: PortSpec, allowed: PortSpec) -> PortSet:
    """The ports that are wanted and not allowed, whatever the frequency table says.

    Where it depends on that table, :func:`stages.authorise.authorise` has the last word.
    """
    if allowed.top:
        return PortSet()
    if wanted.explicit == ALL_PORTS:
        return ALL_PORTS - allowed.explicit
    return wanted.explicit - allowed.explicit


def _few(ports: PortSet) -> str:
    text = str(ports)
    return text if len(text) <= 60 else f"{text[:60].rpartition(',')[0]},…"


def _some(addresses: AddressSet) -> str:
    texts = addresses.texts()
    return ", ".join(texts[:3]) + (f" and {len(texts) - 3} more ranges" if len(texts) > 3 else "")
