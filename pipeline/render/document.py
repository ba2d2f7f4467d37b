"""One run as a value: everything that any rendering of it may say.

The store fills it, the renderers read it, and nothing in it depends on the output format. All
texts that came from the network are as they came: each renderer escapes for its own format.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.decide.assets import Asset, Disagreements
from pipeline.decide.baseline import ACT_ON
from pipeline.decide.completeness import Bound, Estimate, NoEstimate
from pipeline.decide.facts import Neighbourhoods
from pipeline.decide.inventory import AssetSource
from pipeline.decide.risk import Risk
from pipeline.decide.risk_rules import Severity
from pipeline.decide.suppression import Suppressed, Suppression
from pipeline.decide.third_parties import ThirdParties
from pipeline.decide.trends import Trends
from pipeline.decide.vulnerabilities import Correlation, Known
from pipeline.model import (
    Change,
    ChangeKind,
    Hole,
    Method,
    Observation,
    Refusals,
    RunState,
    TaskRecord,
    Verdict,
)
from pipeline.plan import EvidenceKept, ImportedFile
from pipeline.ports import PortSet
from pipeline.render.branding import Branding


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something that was not looked at, and why.

    ``what`` is for people (``10.80.3.0-10.80.3.63, all ports``), ``endpoints`` how many.
    """

    what: str
    why: str
    endpoints: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the run's log that a reader of the report should know."""

    time: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A verdict with everything it rests on, oldest observation first."""

    verdict: Verdict
    observations: tuple[Observation, ...]
    change: Change | None = None
    names: tuple[str, ...] = ()
    """Host names of the engagement that were pinned to this address."""
    first_seen: float | None = None
    """When the first run began that called it open; ``None`` when none ever did."""
    risks: tuple[Risk, ...] = ()
    """What is at risk here, the severest first; none where nothing is open."""
    asset: Asset | None = None
    """What the inventory of assets says of its address; ``None`` where the run has none."""
    known: tuple[Known, ...] = ()
    """What vulnerability scanners of others say, the severest first."""

    @property
    def severity(self) -> Severity | None:
        """The severest of its risks."""
        return self.risks[0].severity if self.risks else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What changed since an earlier run, and whether the two can be compared at all.

    ``differences`` are sentences: what about the two runs was not the same.
    """

    against: str
    against_started: float
    differences: tuple[str, ...]
    changes: tuple[Change, ...]
    suppressed: tuple[Suppressed, ...] = ()
    """What changed and need not be told, by what the engagement said when the run began."""
    expired: tuple[Suppression, ...] = ()
    """Suppressions that match a change, but hold no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviations:
    """How the run deviates from the list of expected ports in ``file``, in numeric order."""

    file: str
    sha256: str
    changes: tuple[Change, ...]
    suppressed: tuple[Suppressed, ...] = ()
    expired: tuple[Suppression, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetsTold:
    """The inventory of assets, and where the run does not agree with it.

    ``disagreements`` is ``None`` while the run is not finished; ``sha256`` is that of what was
    read.
    """

    sources: tuple[AssetSource, ...]
    sha256: str
    disagreements: Disagreements | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """How much was missed: what a random sample says, and what two passes say."""

    sample: Bound | NoEstimate
    passes: Estimate | NoEstimate


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead:
    """Where the record of the run stood when the run ended; ``signed``: its seal was to be."""

    lines: int
    sha256: str
    signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """What a run of our own was bound to, from its plan; the checklist is ticked from it.

    ``openings`` are windows from the start on, as times (``None``: the authorisation is all there
    is). ``rate`` and ``rate_per_host`` are packets per second that all tools together, and one
    host, get at most. ``methods`` are those of discovery and corroboration, in their order.
    """

    authorised_from: float
    authorised_until: float
    openings: tuple[tuple[float, float], ...] | None
    rate: int
    rate_per_host: int
    methods: tuple[Method, ...]
    control_ports: PortSet
    fragile_ports: PortSet
    speaks: bool
    scripts: tuple[str, ...]
    evidence: EvidenceKept
    raw_expires: bool
    redactions: int
    engagement_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDocument:
    """One run. ``tools`` are (name, version) pairs, ``limits`` (name, value) pairs.

    ``port_count`` are the TCP ports of each address, ``udp_port_count`` the UDP ports.
    """

    run: str
    client: str
    engagement: str
    state: RunState
    started: float
    ended: float | None
    portproof_version: str
    authorisation: tuple[tuple[str, str], ...]
    scope_included: tuple[str, ...]
    scope_excluded: tuple[str, ...]
    addresses: int
    ports: str
    port_count: int
    vantage: str
    profile: str
    limits: tuple[tuple[str, str], ...]
    rescan_delays: tuple[float, ...]
    tools: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    """Every endpoint that got a verdict, in the order of endpoints."""
    gaps: tuple[Gap, ...]
    """What was not covered; empty when everything that was planned was asked."""
    holes: tuple[tuple[int, Hole], ...]
    """(task number, what the tool gave up on)."""
    tasks: tuple[TaskRecord, ...]
    events: tuple[Event, ...]
    comparison: Comparison | None = None
    branding: Branding = field(default_factory=Branding)
    """Whose report it is, beside ``client``."""
    udp_port_count: int = 0
    packets: int | None = None
    """How many packets were sent, where the tools tell it."""
    imported: tuple[ImportedFile, ...] = ()
    """The files that the run was made from; empty for a run of our own."""
    neighbourhoods: Neighbourhoods = field(default_factory=Neighbourhoods)
    """What is known about hosts and networks as wholes."""
    refusals: tuple[tuple[int, Refusals], ...] = ()
    """(task number, the ports that refused it), of tasks that looked for open ones."""
    risk_policy: str = ""
    """The version of the policy by which risks were judged; empty where they were not."""
    risk_note: str = ""
    """What of the engagement's own zones and rules could not be read, and why."""
    completeness: Completeness | None = None
    """``None`` while the run is not finished: what was searched in part cannot be extrapolated."""
    audit: AuditHead | None = None
    """``None`` for a run without a record, or before its first end."""
    trends: Trends | None = None
    """All complete runs up to this one; ``None`` while it is not one of them."""
    deviations: Deviations | None = None
    """``None`` without a list of expected ports, and while the run is not finished."""
    third_parties: ThirdParties = field(default_factory=ThirdParties)
    """Whose addresses are in the scope besides the client's. What is refused is among the gaps."""
    act_on: tuple[ChangeKind, ...] = ACT_ON
    """The changes that somebody has to act on."""
    against_baseline: bool = False
    """The run is measured by its baseline, and not by the run before it."""
    assets: AssetsTold | None = None
    """``None`` for a run without an inventory of assets."""
    conduct: Conduct | None = None
    """``None`` for an imported run: others conducted it."""
    others: Correlation | None = None
    """``None`` for a run without vulnerability scans of others."""
    baseline_run: bool = False
    """``comparison`` is with the run that was set as the baseline."""
