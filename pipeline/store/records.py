"""Values as the store's columns hold them, and back. Nothing here talks to a database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Any, Final

from pydantic import TypeAdapter

from pipeline.addresses import Address, AddressSet
from pipeline.audit.chain import Head
from pipeline.errors import UsageError
from pipeline.model import Endpoint, Protocol, RunState, Service, VerdictKind
from pipeline.plan import RunPlan
from pipeline.ports import PortSet

# Codes are on file for years: they never change, and new words get new ones.
PROTOCOL_CODES: Final[Mapping[Protocol, int]] = MappingProxyType({Protocol.TCP: 0, Protocol.UDP: 1})
KIND_CODES: Final[Mapping[VerdictKind | None, int]] = MappingProxyType(
    {
        None: 0,
        VerdictKind.CONFIRMED: 1,
        VerdictKind.LIKELY: 2,
        VerdictKind.TRANSIENT: 3,
        VerdictKind.ARTEFACT: 4,
        VerdictKind.REFUTED: 5,
        VerdictKind.FILTERED: 6,
        VerdictKind.UNRESOLVED: 7,
    }
)
_PROTOCOLS: Final = {code: protocol for protocol, code in PROTOCOL_CODES.items()}
_KINDS: Final = {code: kind for kind, code in KIND_CODES.items()}


class Memory(IntEnum):
    """Whether the spells hold what a run says."""

    NOTHING = 0
    HELD = 1
    STALE = 2
    """It was judged again since."""


def spell_endpoint(address: bytes, protocol: int, port: int) -> Endpoint:
    """The endpoint of a row of ``spells``."""
    return Endpoint(address_from_bytes(address), _PROTOCOLS[protocol], port)


def spell_kind(code: int) -> VerdictKind | None:
    """The verdict of a row of ``spells``."""
    return _KINDS[code]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One row of ``runs``. ``id`` is what people call it, ``number`` what the tables do.

    ``purged`` is when its evidence was dropped, ``None`` when it is there.
    """

    number: int
    id: str
    state: RunState
    started: float
    ended: float | None
    plan: RunPlan
    stopped_because: str = ""
    purged: float | None = None

    def require_evidence(self) -> None:
        """Raises :class:`UsageError` when the evidence of the run was purged."""
        if self.purged is not None:
            raise UsageError(
                f"the evidence of run {self.id} was purged",
                hint=f"its report lies in runs/{self.id}, and `portproof history` tells what it "
                "found",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What the store knows about the record of a run, to hold the file against it.

    ``printed`` is where it stood when its report was rendered; ``manifest_sha256`` is empty unless
    the record was sealed as it stands.
    """

    head: Head
    printed: Head | None
    manifest_sha256: str


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


@lru_cache(maxsize=4096)
def address_from_bytes(packed: bytes) -> Address:
    """The address of 4 or 16 bytes; the same value for the many rows of one host."""
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


@lru_cache(maxsize=8192)
def service_from_text(text: str | None) -> Service | None:
    """The service that ``service_to_text`` wrote; the same value for the many that are alike."""
    if text is None:
        return None
    fields: dict[str, Any] = json.loads(text)
    if "cpes" in fields:
        fields["cpes"] = tuple(fields["cpes"])
    if "scripts" in fields:
        fields["scripts"] = tuple((name, output) for name, output in fields["scripts"])
    return Service(**fields)


def numbers_to_bytes(numbers: Sequence[int]) -> bytes | None:
    """A set of numbers: the smallest in four bytes, then a bit for each from there on."""
    if not numbers:
        return None
    least = min(numbers)
    bits = sum(1 << number - least for number in numbers)
    return least.to_bytes(4, "big") + bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def numbers_from_bytes(packed: bytes | None) -> Iterator[int]:
    """The numbers that ``numbers_to_bytes`` wrote, the smallest first."""
    if packed is None:
        return
    least, bits = int.from_bytes(packed[:4], "big"), int.from_bytes(packed[4:], "little")
    while bits:
        lowest = bits & -bits
        yield least + lowest.bit_length() - 1
        bits ^= lowest
