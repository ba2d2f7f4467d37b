"""The words of portproof, as frozen values.

Times are seconds since the epoch, UTC, as ``float``; durations are seconds; rates are packets per
second. States and reasons are nmap's own words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import total_ordering
from typing import Any

from pipeline.addresses import Address, AddressSet, number_of, parse_address
from pipeline.ports import PortSet
from pipeline.scope import Targets


class Protocol(StrEnum):
    """Transport protocol of an endpoint."""

    TCP = "tcp"
    UDP = "udp"


class PortState(StrEnum):
    """What one method made of one endpoint at one time (nmap(1), "Port Scanning Basics")."""

    OPEN = "open"
    CLOSED = "closed"
    FILTERED = "filtered"
    UNFILTERED = "unfiltered"
    OPEN_FILTERED = "open|filtered"
    CLOSED_FILTERED = "closed|filtered"


class Method(StrEnum):
    """How an endpoint was asked."""

    MASSCAN_SYN = "masscan-syn"
    NMAP_SYN = "nmap-syn"
    NMAP_CONNECT = "nmap-connect"
    HANDSHAKE = "handshake"
    NMAP_VERSION = "nmap-version"
    NMAP_UDP = "nmap-udp"
    DATAGRAM = "datagram"
    IMPORTED = "imported"


class Aftermath(StrEnum):
    """What followed a completed TCP handshake, while we listened."""

    DATA = "data"
    """Somebody spoke."""
    CLOSED = "closed"
    """An orderly end (FIN) without a word: a wrapped service, or a listener that gave up on us."""
    RESET = "reset"
    """The connection was reset: a SYN proxy whose back end refused, or a filter behind it."""
    REJECTED = "rejected"
    """Silence, and a reset in answer to our newline: an application that closed without reading."""
    ACKNOWLEDGED = "acknowledged"
    """Silence, but the byte that we sent was acknowledged: a TCP stack holds the connection."""
    UNACKNOWLEDGED = "unacknowledged"
    """Silence, and our byte was never acknowledged: a tarpit, or a box that only pretends."""
    SILENCE = "silence"
    """Silence, and we did not send anything (fragile port, or a profile that never speaks)."""


class StageName(StrEnum):
    """The nine stages, in their order."""

    AUTHORISE = "authorise"
    DISCOVER = "discover"
    CORROBORATE = "corroborate"
    RESCAN = "rescan"
    PROBE = "probe"
    CLASSIFY = "classify"
    COMPARE = "compare"
    REPORT = "report"
    DELIVER = "deliver"


class Purpose(StrEnum):
    """Why a task asks: it decides how an answer counts."""

    SWEEP = "sweep"
    """Every admitted endpoint of the batch, to find what is there."""
    NAMED = "named"
    """Exactly the endpoints that somebody named."""
    CONTROL = "control"
    """Ports that nobody named: what answers there answers everywhere."""
    CANARY = "canary"
    """Something whose answer is known, or was before: has the scanner been blocked or deceived?"""
    SECOND_LOOK = "second-look"
    """Endpoints that a sweep heard nothing of, on hosts that do answer: loss, or a filter?"""
    WATCH = "watch"
    """A believed endpoint, looked at again and again: is it there all the time?"""
    RESWEEP = "resweep"
    """Every endpoint of a host on which something comes and goes: what else does?"""
    VOTE = "vote"
    """Several connections at the same moment: do all reach the same service?"""
    SAMPLE = "sample"
    """Endpoints drawn at random from those that nobody called open: how many were missed?"""
    VERSION = "version"
    """Which service, which product, which version."""


@total_ordering
@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address, protocol and port. Sorts by numeric address, then protocol, then port."""

    address: Address
    protocol: Protocol
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read ``10.0.0.7:443``, ``10.0.0.7:53/udp`` or ``[2001:db8::1]:443``.

        Raises ``ValueError`` with a sentence for people.
        """
        body, slash, protocol = text.partition("/")
        host, colon, port = body.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"{text!r}: put an IPv6 address into brackets: [{host}]:{port}")
        if not colon or not port.isascii() or not port.isdigit():
            raise ValueError(f"{text!r} has no port; write ADDRESS:PORT")
        if not 1 <= int(port) <= 65535:
            raise ValueError(f"port {port} does not exist; ports go from 1 to 65535")
        return cls(parse_address(host), Protocol(protocol) if slash else Protocol.TCP, int(port))

    @property
    def sort_key(self) -> tuple[int, str, int]:
        """Numeric address, protocol, port."""
        return number_of(self.address), self.protocol.value, self.port

    def __lt__(self, other: Endpoint) -> bool:
        return self.sort_key < other.sort_key

    def __hash__(self) -> int:
        # Planning looks up millions of endpoints, and addresses hash a text of theirs.
        return hash((int(self.address), self.port))

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}/{self.protocol}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a version probe or a banner told about an endpoint. Every text is hostile input.

    ``confidence`` is nmap's 0-10; ``method`` is ``probed`` or ``table`` (guessed from the port);
    ``scripts`` are (script id, output) pairs.
    """

    name: str = ""
    product: str = ""
    version: str = ""
    extra: str = ""
    tunnel: str = ""
    hostname: str = ""
    confidence: int = 0
    method: str = ""
    cpes: tuple[str, ...] = ()
    scripts: tuple[tuple[str, str], ...] = ()
    banner: str = ""

    @property
    def label(self) -> str:
        """One line for people: ``ssl/http nginx 1.25``; empty when nothing is known."""
        name = f"{self.tunnel}/{self.name}" if self.tunnel and self.name else self.name
        return " ".join(part for part in (name, self.product, self.version) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one task saw of one endpoint.

    ``number`` identifies it in the store (0 before it is filed); ``ttl`` is the IP time to live of
    the answer and ``source_port`` the port we asked from, where the tool tells them; ``time`` is
    when the answer came, or when the task ended where the tool does not say.
    """

    endpoint: Endpoint
    method: Method
    purpose: Purpose
    state: PortState
    reason: str
    time: float
    round: int = 0
    ttl: int | None = None
    source_port: int | None = None
    aftermath: Aftermath | None = None
    banner: str = ""
    service: Service | None = None
    task: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Endpoints of a settled task that the tool gave up on; ``ports`` ``None`` means all of them.

    A hole is not a closed port: nobody knows.
    """

    address: Address
    ports: PortSet | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Ports of one address that refused (RST) when a task looked for open ones.

    A sweep hears so many of them that they are kept as sets and not as observations.
    """

    address: Address
    ports: PortSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One command's worth of asking.

    ``round`` is 0 for discovery, 1 for corroboration and grows with every rescan; ``not_before``
    is a time. ``pace`` is how many probes a second this task may send where the budget would allow
    more (0: the budget decides): so a network is asked that blocked us before.
    ``key`` is the same for the same question, so that planning twice files it once.
    """

    batch: int
    stage: StageName
    method: Method
    purpose: Purpose
    targets: Targets
    protocol: Protocol
    ports: PortSet
    vantage: str = ""
    round: int = 0
    not_before: float = 0.0
    pace: float = 0.0

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits that stand for this question within its run."""
        text = "\n".join(
            (
                str(self.batch),
                self.stage,
                self.method,
                self.purpose,
                self.vantage,
                str(self.round),
                self.protocol,
                str(self.ports),
                ",".join(self.targets.addresses.texts()),
            )
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def endpoints(self) -> int:
        """How many endpoints this task asks about."""
        return self.targets.addresses.size * len(self.ports)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back from a task.

    ``complete``: the tool ended by itself and its output is whole; otherwise ``problem`` says what
    happened, and what was not seen counts for nothing. ``foreign`` are endpoints that the tool
    reported and nobody had asked about: they are dropped and put on record.
    """

    observations: tuple[Observation, ...] = ()
    holes: tuple[Hole, ...] = ()
    refusals: tuple[Refusals, ...] = ()
    complete: bool = True
    problem: str = ""
    foreign: tuple[Endpoint, ...] = ()
    delays: tuple[tuple[Address, float], ...] = ()
    """Seconds that hosts took to answer our connections; not kept."""


class TaskState(StrEnum):
    """Where a task stands in the ledger."""

    PLANNED = "planned"
    RUNNING = "running"
    SETTLED = "settled"
    """Its answer is filed; it counts as coverage, less its holes."""
    FAILED = "failed"
    """All attempts are used up: a coverage hole, with a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """A task and what became of it.

    ``attempt`` counts the starts and fences stale results; ``failures`` the attempts that failed
    by themselves rather than being cut off.
    """

    number: int
    task: Task
    state: TaskState
    attempt: int = 0
    failures: int = 0
    started: float | None = None
    ended: float | None = None
    outcome: str = ""
    argv: tuple[str, ...] = ()
    rate: float | None = None
    evidence: str = ""
    evidence_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A slice of the scope, host-complete."""

    number: int
    targets: Targets
    protocol: Protocol
    ports: PortSet
    expected: tuple[Endpoint, ...] = ()
    """Endpoints that were open in the previous run, or that the engagement names as canaries:
    they are corroborated whether or not discovery names them."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Everything that one settled task asked: each address at each port, less the holes."""

    method: Method
    protocol: Protocol
    addresses: AddressSet
    ports: PortSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known about one batch: what a network stage plans from.

    ``tasks`` are all tasks filed for the batch, ``observations`` those of the settled ones in the
    order they were filed; ``holes`` and ``refusals`` come with the number of their task.
    """

    batch: Batch
    tasks: tuple[TaskRecord, ...] = ()
    observations: Mapping[Endpoint, tuple[Observation, ...]] = field(default_factory=dict)
    holes: tuple[tuple[int, Hole], ...] = ()
    refusals: tuple[tuple[int, Refusals], ...] = ()
    memo: dict[Any, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What was derived from it, see decide/memo.py."""


class VerdictKind(StrEnum):
    """What the evidence about an endpoint adds up to."""

    CONFIRMED = "confirmed"
    LIKELY = "likely"
    TRANSIENT = "transient"
    ARTEFACT = "artefact"
    REFUTED = "refuted"
    FILTERED = "filtered"
    UNRESOLVED = "unresolved"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A verdict with its reason code, confidence in [0, 1], and the observations behind it.

    ``confidence`` is how sure we are of the *verdict*, not of the port being open.
    """

    endpoint: Endpoint
    kind: VerdictKind
    reason: str
    confidence: float
    observations: tuple[int, ...] = ()
    service: Service | None = None


class ChangeKind(StrEnum):
    """What became of an endpoint between two runs."""

    OPENED = "opened"
    CLOSED = "closed"
    NOW_FILTERED = "now-filtered"
    SERVICE_CHANGED = "service-changed"
    VERDICT_CHANGED = "verdict-changed"
    FLAPPING = "flapping"
    REAPPEARED = "reappeared"
    UNREACHABLE = "unreachable"
    NOT_COVERED = "not-covered"
    NEWLY_COVERED = "newly-covered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of one endpoint; ``before``/``after`` is ``None`` where there is no verdict.

    ``note`` says in words why a side knows nothing of it; it may quote foreign texts.
    """

    endpoint: Endpoint
    kind: ChangeKind
    reason: str
    confidence: float
    before: Verdict | None = None
    after: Verdict | None = None
    note: str = ""


class RunState(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    """Somebody works on it, or was killed while doing so."""
    INCOMPLETE = "incomplete"
    """Stopped early; it can be resumed."""
    COMPLETE = "complete"
    """Nothing is left to ask, and the report is delivered."""
