"""What a risk policy is made of: facts about an endpoint, conditions on them, and rules.

What the words mean to those who write rules is in ``docs/risk.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, assert_never

from pipeline.addresses import Address, AddressSet
from pipeline.decide.certificate import Flaw
from pipeline.decide.version_ranges import VersionRange
from pipeline.model import Endpoint, Protocol, Service, VerdictKind
from pipeline.ports import PortSet


class Severity(StrEnum):
    """How soon somebody should do something, the soonest first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


class Zone(StrEnum):
    """From where an endpoint can be reached."""

    INTERNET = "internet"
    DMZ = "dmz"
    INTERNAL = "internal"


class Criticality(StrEnum):
    """How much depends on an asset."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Concern(StrEnum):
    """What a rule is about. For each of these one rule decides."""

    SERVICE = "service"
    CERTIFICATE = "certificate"
    SOFTWARE = "software"


SEVERITIES: Final = tuple(Severity)
SEVERITY_PLACE: Final = {severity: place for place, severity in enumerate(SEVERITIES)}

_INSIDE: Final = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # RFC 1918
    *("100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),  # RFC 6598, 1122, 3927
    *("fc00::/7", "fe80::/10", "::1"),  # RFC 4193, 4291
)
INSIDE: Final = AddressSet.parse(_INSIDE)
"""Addresses that no packet from the internet is routed to."""

_UNIDENTIFIED: Final = frozenset({"", "unknown", "tcpwrapped"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneEntry:
    """Networks of one zone, and how much depends on what is in them (``None``: not said)."""

    networks: AddressSet
    zone: Zone
    criticality: Criticality | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where an endpoint stands. ``assumed``: by its address alone, since no entry has it."""

    zone: Zone
    criticality: Criticality
    assumed: bool


def position(
    address: Address,
    entries: tuple[ZoneEntry, ...],
    *,
    zone: Zone | None = None,
    criticality: Criticality | None = None,
) -> Position:
    """The entry with the fewest addresses decides; of equals the first.

    What no entry says is as the inventory of assets has it, in ``zone`` and ``criticality``.
    """
    holding = [entry for entry in entries if address in entry.networks]
    said = min(holding, key=lambda each: each.networks.size) if holding else None
    if said is not None:
        zone, criticality = said.zone, said.criticality or criticality
    assumed = Zone.INTERNAL if address in INSIDE else Zone.INTERNET
    return Position(
        zone=zone or assumed,
        criticality=criticality or Criticality.NORMAL,
        assumed=zone is None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What rules may ask about an endpoint. Every text of it is hostile.

    ``understood``: it answered in the protocol that belongs to its port, which identifies it.
    """

    endpoint: Endpoint
    verdict: VerdictKind
    service: Service | None = None
    title: str = ""
    flaws: frozenset[Flaw] = frozenset()
    tls: bool = False
    position: Position
    understood: bool = False
    identified: str = field(init=False)
    """nmap's name of the service, in lower case; empty where only its port suggests one."""
    product: str = field(init=False)
    """Its product in lower case, as rules have it."""

    def __post_init__(self) -> None:
        service = self.service
        probed = service is not None and service.method == "probed"
        name = service.name.lower() if service is not None and probed else ""
        object.__setattr__(self, "identified", "" if name in _UNIDENTIFIED else name)
        object.__setattr__(self, "product", service.product.lower() if service else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Ports of both protocols."""

    tcp: PortSet = field(default_factory=PortSet)
    udp: PortSet = field(default_factory=PortSet)

    def __contains__(self, endpoint: Endpoint) -> bool:
        match endpoint.protocol:
            case Protocol.TCP:
                return endpoint.port in self.tcp
            case Protocol.UDP:
                return endpoint.port in self.udp
            case _:
                assert_never(endpoint.protocol)

    def __le__(self, other: Ports) -> bool:
        return not (self.tcp - other.tcp) and not (self.udp - other.udp)

    def __bool__(self) -> bool:
        return bool(self.tcp) or bool(self.udp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What must hold, all of it; what is empty or ``None`` does not matter.

    Texts are in lower case; products and titles need only contain one of theirs.
    ``unidentified``: holds only where nobody knows which service it is.
    """

    version: VersionRange | None = None
    products: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    certificate: frozenset[Flaw] = frozenset()
    services: frozenset[str] = frozenset()
    ports: Ports = field(default_factory=Ports)
    tls: bool | None = None
    zones: frozenset[Zone] = frozenset()
    criticalities: frozenset[Criticality] = frozenset()
    verdicts: frozenset[VerdictKind] = frozenset()
    unidentified: bool = False

    specificity: int = field(init=False)
    """One binary digit for each kind of condition, the strongest kind first."""

    def __post_init__(self) -> None:
        kinds = (
            self.version,
            self.products,
            self.titles,
            self.certificate,
            self.services,
            self.ports,
            self.tls is not None,
            self.zones,
            self.criticalities,
            self.verdicts,
        )
        digits = "".join("1" if kind else "0" for kind in kinds)
        object.__setattr__(self, "specificity", int(digits, 2))

    def holds(self, facts: Facts) -> bool:
        """True when all of it is fulfilled. What most rules fail at is asked first."""
        place = facts.position
        return (
            not (self.unidentified and facts.identified)
            and (not self.services or facts.identified in self.services)
            and (not self.ports or facts.endpoint in self.ports)
            and (not self.products or _contains(facts.product, self.products))
            and (not self.titles or _contains(facts.title.lower(), self.titles))
            and (not self.certificate or not self.certificate.isdisjoint(facts.flaws))
            and (self.tls is None or self.tls is facts.tls)
            and (not self.zones or place.zone in self.zones)
            and (not self.criticalities or place.criticality in self.criticalities)
            and (not self.verdicts or facts.verdict in self.verdicts)
            and (self.version is None or self.version.holds((facts.service or Service()).version))
        )

    def why(self, facts: Facts) -> tuple[str, ...] | None:
        """What about the facts fulfils it, in words; ``None`` when something does not."""
        if not self.holds(facts):
            return None
        return tuple(self._words(facts)) or ("it matches everything",)

    def _words(self, facts: Facts) -> Iterator[str]:
        service = facts.service or Service()
        if self.services:
            yield f"the service is {facts.identified}"
        if self.ports:
            yield self._port_words(facts)
        if self.products:
            yield f"the product is {service.product}"
        if self.version is not None:
            yield f"version {service.version} is {self.version}"
        if self.titles:
            yield f"the page is titled {facts.title}"
        if self.certificate:
            yield f"the certificate is flawed: {', '.join(sorted(self.certificate & facts.flaws))}"
        if self.tls is not None:
            yield f"the connection is {'' if facts.tls else 'not '}encrypted"
        if self.zones:
            yield f"its zone is {facts.position.zone}"
        if self.criticalities:
            yield f"criticality is {facts.position.criticality}"
        if self.verdicts:
            yield f"the verdict is {facts.verdict}"

    def _port_words(self, facts: Facts) -> str:
        endpoint = facts.endpoint
        words = f"the port is {endpoint.port}/{endpoint.protocol}"
        if not self.unidentified:
            return words
        if facts.understood:
            return f"{words}, and it answered in the protocol of that port"
        return f"{words}, and the service was not identified"

    def within(self, other: Condition) -> bool:
        """True when whatever fulfils this fulfils the other; what cannot be told is no."""
        return (
            (not other.services or _part(self.services, other.services))
            and (not other.ports or (bool(self.ports) and self.ports <= other.ports))
            and (not other.products or _covered(self.products, other.products))
            and (not other.titles or _covered(self.titles, other.titles))
            and (other.version is None or _narrower(self.version, other.version))
            and (not other.certificate or _part(self.certificate, other.certificate))
            and (other.tls is None or self.tls is other.tls)
            and (not other.zones or _part(self.zones, other.zones))
            and (not other.criticalities or _part(self.criticalities, other.criticalities))
            and (not other.verdicts or _part(self.verdicts, other.verdicts))
            and (not other.unidentified or self.unidentified)
        )


def _contains(lowered: str, wanted: tuple[str, ...]) -> bool:
    return any(each in lowered for each in wanted)


def _part(mine: frozenset[str], others: frozenset[str]) -> bool:
    return bool(mine) and mine <= others


def _covered(mine: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return bool(mine) and all(_contains(each, others) for each in mine)


def _narrower(mine: VersionRange | None, other: VersionRange) -> bool:
    return mine is not None and set(other.clauses) <= set(mine.clauses)


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Where others say the same: safeguards of CIS Controls v8, NIST SP 800-53 rev. 5, CWE."""

    cis: tuple[str, ...] = ()
    nist: tuple[str, ...] = ()
    cwe: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Facts that a rule is for, as its author wrote them, and the severity to come of them."""

    facts: Facts
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is at risk where one of ``conditions`` holds. ``where`` is its ``file:line``.

    ``own``: it comes from the engagement and goes before all of ours.
    """

    id: str
    title: str
    concern: Concern
    conditions: tuple[Condition, ...]
    severity: Mapping[Zone, Severity]
    why: str
    remediation: tuple[str, ...]
    references: References
    examples: tuple[Example, ...] = ()
    where: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskPolicy:
    """All rules in their order, those of the engagement first."""

    version: str
    rules: tuple[Rule, ...]
    _places: Mapping[str, tuple[int, ...]] = field(init=False, repr=False, compare=False)
    """Name of a service -> places of the rules that may hold for it; "" where none is known."""
    _anywhere: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Places of the rules that may hold for a service that no rule names."""

    def __post_init__(self) -> None:
        anywhere: list[int] = []
        unidentified: list[int] = []
        named: dict[str, list[int]] = {}
        for place, rule in enumerate(self.rules):
            if any(not each.services and not each.unidentified for each in rule.conditions):
                anywhere.append(place)
            if any(not each.services and each.unidentified for each in rule.conditions):
                unidentified.append(place)
            for name in {name for each in rule.conditions for name in each.services}:
                named.setdefault(name, []).append(place)
        named[""] = [*named.get("", ()), *unidentified]
        places = {name: tuple(sorted({*anywhere, *some})) for name, some in named.items()}
        object.__setattr__(self, "_places", places)
        object.__setattr__(self, "_anywhere", tuple(anywhere))

    def candidates(self, identified: str) -> Iterator[Rule]:
        """Rules of which a condition may hold where this service was identified, in their order."""
        for place in self._places.get(identified, self._anywhere):
            yield self.rules[place]
