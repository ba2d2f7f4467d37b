"""An engagement as plain, frozen values: what the rest of the program sees of the YAML file."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from pipeline.addresses import Address, AddressSet
from pipeline.decide.baseline import ACT_ON, ExpectedPorts
from pipeline.decide.inventory import Inventory, Listed
from pipeline.decide.permits import Technique
from pipeline.decide.risk_rules import Rule, ZoneEntry
from pipeline.decide.suppression import Suppression
from pipeline.decide.third_parties import ThirdPartyRules
from pipeline.deliveries.settings import Destination
from pipeline.errors import NotAuthorised
from pipeline.model import ChangeKind, Endpoint
from pipeline.netbox.settings import NetboxSettings
from pipeline.notices.settings import NoticeSettings
from pipeline.plan import Fragile, Privacy
from pipeline.ports import PortSet, PortSpec, ProtocolPorts
from pipeline.scope import Scope
from pipeline.windows import Weekly


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Somebody to call when something goes wrong."""

    name: str
    role: str = ""
    email: str = ""
    phone: str = ""

    def __str__(self) -> str:
        who = f"{self.name} ({self.role})" if self.role else self.name
        return ", ".join(part for part in (who, self.email, self.phone) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """What the authorisation permits, before the frequency table of ports is known.

    ``None`` is no bound of its own; ``ports_at`` is the ``file:line:column`` of its ports.
    """

    techniques: frozenset[Technique] | None = None
    ports: ProtocolPorts | None = None
    ports_at: str = ""
    rate: int | None = None
    rate_per_host: int | None = None
    targets: AddressSet | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorisation:
    """Who allowed the scan, from when to when, and within which bounds.

    ``valid_from`` and ``valid_until`` are seconds since the epoch, the end exclusive; the texts
    are as the file has them. ``document_sha256`` is that of the document as found on the disk.
    """

    reference: str
    signatory: str
    valid_from: float
    valid_until: float
    valid_from_text: str
    valid_until_text: str
    document: Path | None = None
    document_sha256: str | None = None
    role: str = ""
    contacts: tuple[Contact, ...] = ()
    permits: Permitted = field(default_factory=Permitted)

    def require(self, now: float) -> None:
        """Raise :class:`NotAuthorised` unless the authorisation is valid at ``now``."""
        clock = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
        if now < self.valid_from:
            raise NotAuthorised(
                f"the authorisation {self.reference} is not valid yet: it begins "
                f"{self.valid_from_text}, and now it is {clock}",
                hint="wait, or correct authorisation.valid_from if the document says otherwise",
            )
        if now >= self.valid_until:
            raise NotAuthorised(
                f"the authorisation {self.reference} has expired: it ended "
                f"{self.valid_until_text}, and now it is {clock}",
                hint="have it renewed, then correct authorisation.valid_until",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedHost:
    """A host that the scope names; ``where`` is its ``file:line:column``.

    With ``expect``, the addresses it resolves to must lie in these networks and join the scope;
    without, they must lie in the networks that the scope includes anyway.
    """

    name: str
    where: str
    expect: AddressSet | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vantage:
    """The place that scans are sent from."""

    name: str = "local"
    interface: str | None = None
    source_address: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Ceilings that hold in every second: packets per second in sum and per host, tasks at once.

    ``rate_per_network`` is that of a network, by the prefix lengths ``network`` of IPv4 and IPv6;
    ``None`` where only ``rate`` bounds it.
    """

    rate: int
    rate_per_host: int
    concurrency: int
    rate_per_network: int | None = None
    network: tuple[int, int] = (24, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How hard to ask. All durations are seconds.

    ``control_ports`` are asked per host; ``fragile_ports`` get a handshake that never speaks and
    no version probe; ``attempts`` is how often a task may be started before it counts as failed;
    ``limits`` hold where the engagement has none of its own; ``snmp_public`` allows the guess that
    an SNMP agent takes the community ``public``. Hosts that stop answering their canaries are
    waited for ``canary_waits``, one after the other (none: no canaries), and then asked at
    ``gentle_pace`` probes a second; ``second_looks`` bounds how often silent ports of living hosts
    are asked again, ``watch_looks`` is how often believed endpoints are looked at while rescans
    last, and ``closer_looks`` how often on hosts where something came and went; ``sample``
    endpoints that nobody called open are asked again. A run begins at ``slow_start`` of its rate,
    and takes ``recover`` seconds for each step back up after a bad sign.
    """

    name: str
    masscan_retries: int
    masscan_wait: int
    nmap_max_retries: int
    handshake_connect_timeout: float
    handshake_listen: float
    handshake_speaks: bool
    control_ports: int
    version_probe: bool
    version_intensity: int
    scripts: tuple[str, ...]
    rescan_delays: tuple[float, ...]
    limits: Limits
    fragile_ports: PortSet
    attempts: int
    snmp_public: bool = True
    canary_waits: tuple[float, ...] = ()
    gentle_pace: float = 8.0
    slow_start: float = 1.0
    recover: float = 60.0
    second_looks: int = 0
    watch_looks: int = 0
    closer_looks: int = 0
    sample: int = 0


@dataclass(frozen=True, slots=True)
class Holidays:
    """Public holidays of a country or a part of it: windows if ``opens``, else blackout."""

    country: str
    subdivision: str | None
    opens: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """An iCalendar file and what it held: its busy events are windows if ``opens``."""

    path: Path
    text: str
    opens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When scanning is allowed, as the engagement says it; ``blackout`` are times in ``zone``."""

    zone: tzinfo
    weekly: tuple[Weekly, ...]
    blackout: tuple[tuple[datetime, datetime], ...]
    holidays: Holidays | None
    calendar: Calendar | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRules:
    """Rules of an engagement; ``digest`` is the SHA-256 of what they say."""

    rules: tuple[Rule, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSettings:
    """What an engagement says about risks. ``note``: what of it could not be read, and why."""

    zones: tuple[ZoneEntry, ...] = ()
    own: OwnRules = field(default_factory=OwnRules)
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file that went into the engagement, and the SHA-256 of what it held when it was read."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Engagement:
    """One engagement file, read and found sound. ``folder`` is the workspace unless told otherwise.

    ``text`` is what the file held and ``text_sha256`` the hash of its bytes; ``files`` are this
    file and all others that it names (target lists, own profile, authorisation document).
    ``include`` and ``exclude`` are the addresses alone: names join when they are resolved.
    ``ports`` are those of TCP. Without ``hours`` all the time of the authorisation is a window.
    ``ports`` are those of TCP. A run is measured ``against_baseline`` when that was asked for.
    """

    client: str
    name: str
    path: Path
    folder: Path
    text: str
    text_sha256: str
    files: tuple[SourceFile, ...]
    authorisation: Authorisation
    include: AddressSet
    exclude: AddressSet
    include_names: tuple[NamedHost, ...]
    exclude_names: tuple[NamedHost, ...]
    ports: PortSpec
    udp_ports: PortSpec
    vantage: Vantage
    limits: Limits
    profile: Profile
    rescan_delays: tuple[float, ...]
    until_settled: float
    rescan_error: float
    rescan_packets_per_endpoint: int
    rescan_packets: int | None
    canaries: tuple[Endpoint, ...]
    fragile: Fragile = field(default_factory=Fragile)
    suppressions: tuple[Suppression, ...]
    hours: Hours | None
    outputs: tuple[str, ...]
    expected: ExpectedPorts | None = None
    assets: tuple[Listed | NetboxSettings, ...] = ()
    """What was read of files, and each NetBox that is asked when a run is planned."""
    inventory: Inventory = field(default_factory=Inventory)
    """The entries of files; with those of NetBox once it was asked."""
    vulnerabilities: tuple[str, ...] = ()
    """Patterns of files beside the engagement."""
    act_on: tuple[ChangeKind, ...] = ACT_ON
    against_baseline: bool = False
    privacy: Privacy
    signing_key: Path | None
    risk: RiskSettings = field(default_factory=RiskSettings)
    third_parties: ThirdPartyRules = field(default_factory=ThirdPartyRules)
    notices: NoticeSettings | None = None
    deliveries: tuple[Destination, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedScope:
    """A scope whose names have been resolved, once; ``names`` pins what each resolved to.

    ``names`` holds the excluded names, too, so that ``dict(names).get`` can stand in for the
    resolver when a run is resumed.
    """

    scope: Scope
    names: tuple[tuple[str, tuple[Address, ...]], ...]
