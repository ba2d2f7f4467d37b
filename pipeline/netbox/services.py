"""What a NetBox should say of services, by a run: which are created, changed, and left alone.

Only what carries the tag of portproof is ever changed, and nothing is ever deleted: what a run did
not cover stays as it is, and of what it saw closed the description says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from pipeline.addresses import Address, parse_address
from pipeline.model import ChangeKind, Endpoint, VerdictKind
from pipeline.netbox.session import Row
from pipeline.render.document import Finding, RunDocument
from pipeline.render.text import visible

TAG: Final = "portproof"
OPEN: Final = "Open, confirmed by portproof"
GONE: Final = "Not open any more, by portproof"
_NAME: Final = 100
_DESCRIPTION: Final = 200
_HOLDERS: Final = {"device": "dcim.device", "virtual_machine": "virtualization.virtualmachine"}
_SINCE_PARENTS: Final = (4, 3)
"""The version of NetBox from which on a service has a parent of any kind."""


class Step(StrEnum):
    """What becomes of one endpoint."""

    CREATE = "create"
    UPDATE = "update"
    CLOSE = "close"
    """The service stays, and says that it is not open any more."""
    SAME = "same"
    THEIRS = "theirs"
    """Somebody else's service has this port; it is left alone."""
    NOWHERE = "nowhere"
    """NetBox has no host with this address, or several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One endpoint, what becomes of it, and what is sent for it (``number``: to which service)."""

    endpoint: Endpoint
    step: Step
    body: Mapping[str, Any] = field(default_factory=dict)
    number: int | None = None

    @property
    def writes(self) -> bool:
        """True when something is sent."""
        return bool(self.body)


@dataclass(frozen=True, slots=True)
class Home:
    """The interface of whom an address is on: numbers of NetBox."""

    address: int
    holder: str
    number: int


@dataclass(frozen=True, slots=True)
class _Known:
    """A service of NetBox: on whom, which ports, by which addresses (none: by all)."""

    number: int
    holder: tuple[str, int]
    protocol: str
    ports: tuple[int, ...]
    addresses: frozenset[int]
    ours: bool
    name: str
    description: str

    def at(self, home: Home, endpoint: Endpoint) -> bool:
        """True where it is about this endpoint."""
        return (
            self.holder == (home.holder, home.number)
            and self.protocol == endpoint.protocol.value
            and endpoint.port in self.ports
            and (not self.addresses or home.address in self.addresses)
        )


def planned(
    document: RunDocument,
    addresses: Iterable[Row],
    services: Iterable[Row],
    version: tuple[int, ...],
) -> tuple[Planned, ...]:
    """What is to be done, in the order of endpoints."""
    homes = _homes(addresses)
    by_holder: dict[tuple[str, int], list[_Known]] = defaultdict(list)
    for row in services:
        if (known := _known(row)) is not None:
            by_holder[known.holder].append(known)
    open_ = {
        f.verdict.endpoint: f for f in document.findings if f.verdict.kind is VerdictKind.CONFIRMED
    }
    closed = _closed(document) - open_.keys()
    steps = [_opened(f, homes, by_holder, version) for f in open_.values()]
    steps += [
        step for e in closed if (step := _gone(e, homes.get(e.address), by_holder)) is not None
    ]
    return tuple(sorted(steps, key=lambda step: step.endpoint))


def version_of(text: str) -> tuple[int, ...]:
    """``4.3`` as numbers; none where it is no version."""
    parts = text.split(".")[:2]
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()


def _closed(document: RunDocument) -> set[Endpoint]:
    """What this run asked and was refused at: what it did not cover is not among it."""
    refuted = {
        f.verdict.endpoint for f in document.findings if f.verdict.kind is VerdictKind.REFUTED
    }
    changes = document.comparison.changes if document.comparison else ()
    return refuted | {c.endpoint for c in changes if c.kind is ChangeKind.CLOSED}


def _opened(
    finding: Finding,
    homes: Mapping[Address, Home | None],
    services: Mapping[tuple[str, int], Sequence[_Known]],
    version: tuple[int, ...],
) -> Planned:
    endpoint = finding.verdict.endpoint
    home = homes.get(endpoint.address)
    if home is None:
        return Planned(endpoint=endpoint, step=Step.NOWHERE)
    there = [s for s in services.get((home.holder, home.number), ()) if s.at(home, endpoint)]
    said = _said(finding)
    ours = next((s for s in there if s.ours and s.ports == (endpoint.port,)), None)
    if ours is not None:
        if (ours.name, ours.description) == (said["name"], said["description"]):
            return Planned(endpoint=endpoint, step=Step.SAME)
        return Planned(endpoint=endpoint, step=Step.UPDATE, body=said, number=ours.number)
    if there:
        return Planned(endpoint=endpoint, step=Step.THEIRS)
    body = {
        **said,
        **_parent(home, version),
        "protocol": endpoint.protocol.value,
        "ports": [endpoint.port],
        "ipaddresses": [home.address],
        "tags": [{"name": TAG, "slug": TAG}],
    }
    return Planned(endpoint=endpoint, step=Step.CREATE, body=body)


def _gone(
    endpoint: Endpoint,
    home: Home | None,
    services: Mapping[tuple[str, int], Sequence[_Known]],
) -> Planned | None:
    """Of a service of ours alone; nobody else's says anything by us."""
    if home is None:
        return None
    for service in services.get((home.holder, home.number), ()):
        if service.ours and service.ports == (endpoint.port,) and service.at(home, endpoint):
            if service.description == GONE:
                return Planned(endpoint=endpoint, step=Step.SAME)
            return Planned(
                endpoint=endpoint,
                step=Step.CLOSE,
                body={"description": GONE},
                number=service.number,
            )
    return None


def _said(finding: Finding) -> dict[str, str]:
    service = finding.verdict.service
    endpoint = finding.verdict.endpoint
    probed = service if service is not None and service.method != "table" else None
    name = visible(probed.name, _NAME) if probed and probed.name else ""
    product = " ".join(filter(None, (probed.product, probed.version))) if probed else ""
    told = f"{OPEN}: {product}" if product else OPEN
    return {
        "name": (name or f"{endpoint.protocol}-{endpoint.port}")[:_NAME],
        "description": visible(told, _DESCRIPTION)[:_DESCRIPTION],
    }


def _parent(home: Home, version: tuple[int, ...]) -> dict[str, Any]:
    if version and version < _SINCE_PARENTS:
        return {home.holder: home.number}
    return {"parent_object_type": _HOLDERS[home.holder], "parent_object_id": home.number}


# --- what NetBox says ----------------------------------------------------------------------------


def _homes(rows: Iterable[Row]) -> dict[Address, Home | None]:
    """``None`` for an address that NetBox has more than once: nobody knows which it is."""
    found: dict[Address, Home | None] = {}
    for row in rows:
        on = row.get("assigned_object")
        for holder in _HOLDERS:
            number = _number(on.get(holder)) if isinstance(on, Mapping) else None
            own = _number(row)
            if number is None or own is None:
                continue
            try:
                address = parse_address(str(row.get("address")).partition("/")[0])
            except ValueError:
                continue
            found[address] = None if address in found else Home(own, holder, number)
    return found


def _known(row: Row) -> _Known | None:
    own, holder = _number(row), _holder(row)
    if own is None or holder is None:
        return None
    protocol, ports = row.get("protocol"), row.get("ports")
    tags, addresses = row.get("tags"), row.get("ipaddresses")
    return _Known(
        number=own,
        holder=holder,
        protocol=str(protocol.get("value") if isinstance(protocol, Mapping) else protocol),
        ports=tuple(p for p in ports if isinstance(p, int)) if isinstance(ports, list) else (),
        addresses=frozenset(_numbers(addresses)),
        ours=any(isinstance(t, Mapping) and t.get("slug") == TAG for t in tags)
        if isinstance(tags, list)
        else False,
        name=str(row.get("name") or ""),
        description=str(row.get("description") or ""),
    )


def _holder(row: Row) -> tuple[str, int] | None:
    for holder, kind in _HOLDERS.items():
        number = _number(row.get(holder))
        if number is None and row.get("parent_object_type") == kind:
            given = row.get("parent_object_id")
            number = given if isinstance(given, int) else None
        if number is not None:
            return holder, number
    return None


def _number(value: object) -> int | None:
    given = value.get("id") if isinstance(value, Mapping) else None
    return given if isinstance(given, int) else None


def _numbers(values: object) -> Iterator[int]:
    for each in values if isinstance(values, list) else ():
        number = _number(each)
        if number is not None:
            yield number
