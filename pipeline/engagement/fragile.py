"""What is fragile: the list that comes with portproof, and what an engagement adds or takes off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

import yaml
from pydantic import Field, WithJsonSchema

from pipeline import resources
from pipeline.addresses import AddressSet
from pipeline.engagement import kinds
from pipeline.engagement.kinds import PlainPorts, Strict
from pipeline.plan import Fragile, Sturdy
from pipeline.ports import PortSet


@dataclass(frozen=True, slots=True, kw_only=True)
class FragileEntry:
    """Ports of one kind of device: what it is, why it is spared, and who says that it is there."""

    ports: PortSet
    what: str
    why: str
    source: str


def _listed() -> tuple[FragileEntry, ...]:
    found: list[dict[str, Any]] = yaml.load(
        resources.read_text("configs", "fragile.yml"), Loader=yaml.CSafeLoader
    )
    return tuple(
        FragileEntry(**{**entry, "ports": PortSet.parse(str(entry["ports"]))}) for entry in found
    )


FRAGILE_LIST: Final = _listed()
FRAGILE_PORTS: Final = PortSet.from_ranges(r for e in FRAGILE_LIST for r in e.ports.ranges)
"""Ports that get a handshake which never speaks, and no version probe, by default."""


_Hosts = Annotated[
    AddressSet,
    kinds.text_of(lambda text: AddressSet.parse([text])),
    WithJsonSchema({"type": "string"}),
]


class SturdyDocument(Strict):
    """What is not treated as fragile although it would be, and why."""

    hosts: list[_Hosts] = Field(
        min_length=1, description="Addresses, networks or ranges.", examples=[["192.0.2.9"]]
    )
    ports: PlainPorts | None = Field(default=None, description="Its ports; all if left out.")
    reason: kinds.Line = Field(
        description="Why they may be spoken to.", examples=["print server without a printer"]
    )

    def value(self) -> Sturdy:
        """The entry as a plain value."""
        ports = None if self.ports is None else _union(self.ports)
        return Sturdy(hosts=_all(self.hosts), ports=ports, reason=self.reason)


class FragileDocument(Strict):
    """What is only asked by a handshake that never speaks."""

    hosts: list[_Hosts] = Field(
        default_factory=list,
        description="Addresses, networks or ranges of fragile devices.",
        examples=[["192.0.2.40", "192.0.2.64/28"]],
    )
    ports: PlainPorts = Field(
        default_factory=list, description="Ports besides those of the profile."
    )
    whole_hosts: bool = Field(
        default=True,
        description="Whether a host on which a fragile port is open is fragile on all its ports.",
    )
    sturdy: list[SturdyDocument] = Field(
        default_factory=list,
        max_length=100,
        description="What may be spoken to nevertheless, each with a reason, which is recorded.",
    )

    def value(self) -> Fragile:
        """The section as a plain value."""
        return Fragile(
            hosts=_all(self.hosts),
            ports=_union(self.ports),
            whole_hosts=self.whole_hosts,
            sturdy=tuple(entry.value() for entry in self.sturdy),
        )


def _all(sets: list[AddressSet]) -> AddressSet:
    return AddressSet.of(r for some in sets for r in some.ranges)


def _union(sets: list[PortSet]) -> PortSet:
    return PortSet.from_ranges(r for some in sets for r in some.ranges)
