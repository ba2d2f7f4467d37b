"""What a run is bound to from its first second to its last, frozen when it starts.

The store keeps it with the run: a run that is resumed asks what it was started to ask, whatever
became of the files it was started from. Only exclusions can be added later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.addresses import Address, AddressSet
from pipeline.decide.baseline import ACT_ON, ExpectedPorts
from pipeline.decide.inventory import AssetSource
from pipeline.decide.pace import Ceilings
from pipeline.decide.permits import Permits
from pipeline.decide.suppression import Suppression
from pipeline.decide.third_parties import ThirdParties
from pipeline.model import ChangeKind, Method
from pipeline.ports import PortSet
from pipeline.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Sturdy:
    """What may be spoken to although it would be fragile; ``ports`` of ``None`` are all."""

    hosts: AddressSet
    ports: PortSet | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragile:
    """What an engagement says is fragile. ``whole_hosts``: a host with an open fragile port is so
    on all its ports."""

    hosts: AddressSet = field(default_factory=AddressSet)
    ports: PortSet = field(default_factory=PortSet)
    whole_hosts: bool = False
    sturdy: tuple[Sturdy, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the network stages plan by. Durations in seconds, rates in packets per second.

    ``sweep`` is the method of discovery, ``sweep_instead`` the one for the addresses that it cannot
    reach: masscan sends everything to its gateway, and so nothing to a network on this host's link.
    ``methods`` corroborate, in this order; ``control_ports`` are asked on every named host.
    ``canary_ports`` are asked before a sweep and after it; where nothing answers any more it is
    waited for ``canary_waits``, one after the other, and then asked at ``gentle_pace`` probes a
    second for each network. ``second_looks`` is how often at most the silent ports of a host that
    answers are asked again, ``watch_looks`` how often a believed endpoint is looked at over the
    time of the rescans, ``closer_looks`` how often one of a network in which something came and
    went, and all ports of that host; the rescans go on for ``until_settled`` where the delays are
    used up before. Nothing is asked again that is settled but for ``error``, nor beyond
    ``rescan_packets_per_endpoint`` and, for each endpoint of the scope on average,
    ``rescan_packets_share`` (``None``: no limit).
    ``sample_share`` of all endpoints is drawn (by ``seed``) from those that nobody called open, and
    asked again. ``ports`` are those of TCP. For ``question_ports`` of UDP we have a question of our
    own; to ``no_guess_ports`` nothing else goes, since nmap would guess a community of SNMP there.
    The run begins at ``slow_start`` of its rate, and after a bad sign takes ``recover`` seconds for
    each step back up.
    Without ``syn`` nobody permitted SYN scans.
    """

    ports: PortSet
    ceilings: Ceilings
    concurrency: int
    sweep: Method
    sweep_instead: Method
    beyond_sweep: AddressSet
    methods: tuple[Method, ...]
    control_ports: PortSet
    fragile_ports: PortSet
    rescan_delays: tuple[float, ...]
    masscan_retries: int
    masscan_wait: int
    nmap_max_retries: int
    connect_timeout: float
    listen: float
    speaks: bool
    version_probe: bool
    version_intensity: int
    scripts: tuple[str, ...]
    attempts: int
    privileged: bool
    interface: str | None = None
    source_address: Address | None = None
    vantage: str = ""
    canary_ports: PortSet = field(default_factory=PortSet)
    canary_waits: tuple[float, ...] = ()
    gentle_pace: float = 8.0
    second_looks: int = 0
    watch_looks: int = 0
    closer_looks: int = 0
    until_settled: float = 0.0
    error: float = 0.01
    rescan_packets_per_endpoint: int = 500
    rescan_packets_share: float | None = None
    sample_share: float = 0.0
    seed: int = 0
    udp_ports: PortSet = field(default_factory=PortSet)
    question_ports: PortSet = field(default_factory=PortSet)
    no_guess_ports: PortSet = field(default_factory=PortSet)
    fragile: Fragile = field(default_factory=Fragile)
    slow_start: float = 1.0
    recover: float = 60.0
    syn: bool = True


class EvidenceKept(StrEnum):
    """What is kept of what the tools wrote."""

    NONE = "none"
    REDACTED = "redacted"
    RAW = "raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """What is taken out before anything is written, and what is kept of what the tools wrote.

    ``redact`` are own texts besides the rules that always hold; ``keep_raw`` is after how many
    seconds raw evidence expires, ``None`` where there is none.
    """

    redact: tuple[str, ...] = ()
    evidence: EvidenceKept = EvidenceKept.REDACTED
    keep_raw: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    """Where an imported run comes from; every text but ``format`` is hostile input.

    ``name`` is the file's name without its folder, ``size`` in bytes as it lies on the disk,
    ``tool``, ``version`` and ``arguments`` what the file says about itself. ``problem`` says what
    is missing in it; it is empty for a file that is whole.
    """

    name: str
    sha256: str
    size: int
    format: str
    tool: str = ""
    version: str = ""
    arguments: str = ""
    started: float | None = None
    ended: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """Everything about a run that does not change while it runs.

    ``authorised_until`` is a time, exclusive; ``names`` are pinned host names with their addresses
    as texts; ``tools`` are (name, version) pairs; ``notes`` are sentences that the report repeats
    (a missing privilege, a method that had to be left out). A run that was ``imported`` has the
    files that it was made from, and no authorisation: nothing is ever sent for it. ``decided``:
    its verdicts came with it, and are not made again. ``expected`` is the engagement's list of
    expected ports, ``act_on`` the changes that somebody has to act on, ``suppressions`` those
    that nobody need be told of. A run ``against_baseline`` is measured by its list, and compared
    with ``baseline_run`` where there is one.
    """

    engagement_file: str
    engagement_text: str
    engagement_sha256: str
    client: str
    engagement: str
    authorisation: tuple[tuple[str, str], ...]
    authorised_from: float
    authorised_until: float
    included: AddressSet
    excluded: AddressSet
    names: tuple[tuple[str, tuple[str, ...]], ...]
    ports: str
    profile: str
    outputs: tuple[str, ...]
    policy: Policy
    tools: tuple[tuple[str, str], ...]
    portproof_version: str
    previous_run: int | None
    seed: int
    notes: tuple[str, ...] = ()
    imported: tuple[ImportedFile, ...] = ()
    decided: bool = False
    privacy: Privacy = field(default_factory=Privacy)
    signing_key: str = ""
    """The path of the SSH key that signs the seal of the run; empty when nobody signs."""
    openings: tuple[tuple[float, float], ...] | None = None
    """The windows from the start on, in UTC; ``None`` when the authorisation is all there is."""
    windows: tuple[str, ...] = ()
    """The windows in words."""
    expected: ExpectedPorts | None = None
    act_on: tuple[ChangeKind, ...] = ACT_ON
    suppressions: tuple[Suppression, ...] = ()
    against_baseline: bool = False
    baseline_run: int | None = None
    assets: tuple[AssetSource, ...] = ()
    """Where the inventory of assets was read from."""
    inventory_sha256: str = ""
    """That of the entries of the inventory, by which the store has them; empty without one."""
    vulnerabilities: tuple[str, ...] = ()
    """Which files of other scanners are put beside the run, as patterns beside its engagement."""
    permits: Permits = field(default_factory=Permits)
    """The bounds of the authorisation besides its validity."""
    third_parties: ThirdParties = field(default_factory=ThirdParties)
    """What belongs to others: refused, or cleared by an acknowledged policy."""

    @property
    def left_out(self) -> AddressSet:
        """What no command may ask: excluded, or somebody else's."""
        return self.excluded | self.third_parties.foreign

    @property
    def scope(self) -> Scope:
        """What this run may ask; nothing, when it was imported."""
        return Scope(
            included=self.included,
            excluded=self.excluded,
            foreign=self.third_parties.foreign,
            permitted=self.permits.targets,
            record_only=bool(self.imported),
        )
