"""Values as the store's columns hold them, and back. Nothing here talks to a database."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from pydantic import TypeAdapter

from pipeline.addresses import Address, AddressSet
from pipeline.model import RunState, Service
from pipeline.plan import RunPlan
from pipeline.ports import PortSet


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One row of ``runs``. ``id`` is what people call it, ``number`` what the tables do."""

    number: int
    id: str
    state: RunState
    started: float
    ended: float | None
    plan: RunPlan
    stopped_because: str = ""


@cache
def _plans() -> TypeAdapter[RunPlan]:
    return TypeAdapter(RunPlan)


def plan_to_text(plan: RunPlan) -> str:
    """A run's plan as JSON."""
    return _plans().dump_json(plan).decode()


def plan_from_text(text: str) -> RunPlan:
    """The plan that ``plan_to_text`` wrote. Raises pydantic's ``ValidationError``."""
    return _plans().validate_json(text)


def address_to_bytes(address: Address) -> bytes:
    """4 bytes for IPv4, 16 for IPv6, network order."""
    return address.packed


def address_from_bytes(packed: bytes) -> Address:
    """The address of 4 or 16 bytes."""
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)


def addresses_to_text(addresses: AddressSet) -> str:
    """Ranges, comma-separated."""
    return ",".join(addresses.texts())


def addresses_from_text(text: str) -> AddressSet:
    """The set that ``addresses_to_text`` wrote."""
    return AddressSet.parse(text.split(",")) if text else AddressSet()


def ports_from_text(text: str) -> PortSet:
    """The set whose ``str`` it is; a task that covers nothing has none."""
    return PortSet.parse(text) if text else PortSet()


def service_to_text(service: Service | None) -> str | None:
    """A service as JSON without its empty fields."""
    if service is None:
        return None
    return json.dumps({k: v for k, v in asdict(service).items() if v}, ensure_ascii=False)


def service_from_text(text: str | None) -> Service | None:
    """The service that ``service_to_text`` wrote."""
    if text is None:
        return None
    fields: dict[str, Any] = json.loads(text)
    if "cpes" in fields:
        fields["cpes"] = tuple(fields["cpes"])
    if "scripts" in fields:
        fields["scripts"] = tuple((name, output) for name, output in fields["scripts"])
    return Service(**fields)
