"""What vulnerability scanners of others say, held against what a run saw.

A scanner's silence counts only where it is known to have looked: Nessus, OpenVAS and nmap list the
hosts and ports that they assessed, Nuclei lists nothing but what it found. And a finding of theirs
is doubted only where the run asked the endpoint itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from pipeline.addresses import Address, number_of
from pipeline.decide.compare import Side
from pipeline.decide.risk_rules import SEVERITY_PLACE, Severity
from pipeline.model import Endpoint, Protocol, VerdictKind


class Scanner(StrEnum):
    """Whose findings they are."""

    NESSUS = "Nessus"
    OPENVAS = "OpenVAS"
    NUCLEI = "Nuclei"
    VULNERS = "vulners"


TELLS_COVERAGE: Final = frozenset({Scanner.NESSUS, Scanner.OPENVAS, Scanner.VULNERS})
"""Scanners whose files say which hosts and ports they looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What one scanner says of one endpoint; ``endpoint.port`` is 0 when it is about the host.

    Every text is hostile. ``ident`` is the scanner's own number or name for it; times are seconds
    since the epoch: when it was seen first and last, and when it was published.
    """

    endpoint: Endpoint
    scanner: Scanner
    ident: str
    title: str
    severity: Severity
    cvss: float | None = None
    cves: tuple[str, ...] = ()
    first_seen: float | None = None
    last_seen: float | None = None
    published: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanFile:
    """A file of a scanner. ``problem`` is what is missing in it; texts are hostile.

    ``outside`` counts what it says of hosts that are not in the run, and ``nameless`` what names a
    host of which the run knows no address.
    """

    name: str
    sha256: str
    size: int
    scanner: Scanner
    version: str = ""
    started: float | None = None
    ended: float | None = None
    problem: str = ""
    findings: int = 0
    outside: int = 0
    nameless: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """What one scanner looked at: addresses, and endpoints on them."""

    scanner: Scanner
    hosts: frozenset[Address]
    endpoints: frozenset[Endpoint]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One vulnerability at one endpoint, whoever knows it.

    ``scanners`` all name it; ``idents`` are what they call it.
    """

    title: str
    severity: Severity
    cvss: float | None
    cves: tuple[str, ...]
    scanners: tuple[Scanner, ...]
    idents: tuple[str, ...]
    first_seen: float | None
    last_seen: float | None
    published: float | None


class Gone(StrEnum):
    """Why a finding of theirs is doubted."""

    CLOSED = "closed"
    """The run asked, and was refused."""
    SILENT = "silent"
    """The run asked, and nothing answered."""
    ARTEFACT = "artefact"
    """Something on the path answers, and not the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubted:
    """Findings of others at an endpoint that the run saw otherwise."""

    endpoint: Endpoint
    gone: Gone
    known: tuple[Known, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindSpot:
    """A confirmed port that no scanner assessed; ``looked`` are those that covered its host."""

    endpoint: Endpoint
    looked: tuple[Scanner, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """The run and the scans of others, side by side; everything in numeric order.

    ``known`` is by endpoint where something is open, ``hosts`` what is said of hosts as wholes.
    ``unseen`` are hosts with confirmed ports that no scanner covered. ``unasked`` counts findings
    at endpoints that the run did not ask: nothing follows from these.
    """

    files: tuple[ScanFile, ...] = ()
    known: Mapping[Endpoint, tuple[Known, ...]] = field(default_factory=dict)
    hosts: tuple[tuple[Address, tuple[Known, ...]], ...] = ()
    blind: tuple[BlindSpot, ...] = ()
    unseen: tuple[tuple[Address, tuple[Endpoint, ...]], ...] = ()
    doubted: tuple[Doubted, ...] = ()
    unasked: int = 0


_OPEN: Final = frozenset(
    {
        VerdictKind.CONFIRMED,
        VerdictKind.LIKELY,
        VerdictKind.TRANSIENT,
        VerdictKind.UNRESOLVED,
    }
)
_OF_VERDICT: Final[Mapping[VerdictKind, Gone]] = {
    VerdictKind.ARTEFACT: Gone.ARTEFACT,
    VerdictKind.REFUTED: Gone.CLOSED,
    VerdictKind.FILTERED: Gone.SILENT,
}


def correlate(
    files: Sequence[ScanFile],
    reported: Iterable[Reported],
    assessed: Sequence[Assessed],
    run: Side,
) -> Correlation:
    """Put both side by side."""
    told: dict[Endpoint, list[Reported]] = defaultdict(list)
    for one in reported:
        told[one.endpoint].append(one)
    known: dict[Endpoint, tuple[Known, ...]] = {}
    hosts: list[tuple[Address, tuple[Known, ...]]] = []
    doubted: list[Doubted] = []
    unasked = 0
    for endpoint in sorted(told):
        lines = merged(told[endpoint])
        if endpoint.port == 0:
            hosts.append((endpoint.address, lines))
            continue
        verdict = run.verdicts.get(endpoint)
        if verdict is not None and verdict.kind in _OPEN:
            known[endpoint] = lines
            continue
        gone = _gone(endpoint, run)
        if gone is None:
            unasked += len(lines)
        else:
            doubted.append(Doubted(endpoint=endpoint, gone=gone, known=lines))
    confirmed = sorted(e for e, v in run.verdicts.items() if v.kind is VerdictKind.CONFIRMED)
    blind, unseen = _blind(confirmed, assessed, told)
    return Correlation(
        files=tuple(files),
        known=known,
        hosts=tuple(hosts),
        blind=blind,
        unseen=unseen,
        doubted=tuple(doubted),
        unasked=unasked,
    )


def _gone(endpoint: Endpoint, run: Side) -> Gone | None:
    """``None`` where the run cannot say anything about it."""
    verdict = run.verdicts.get(endpoint)
    if verdict is not None:
        return _OF_VERDICT.get(verdict.kind)
    if run.refused(endpoint):
        return Gone.CLOSED
    return Gone.SILENT if run.asked(endpoint) else None


def _blind(
    confirmed: Sequence[Endpoint],
    assessed: Sequence[Assessed],
    told: Mapping[Endpoint, Sequence[Reported]],
) -> tuple[tuple[BlindSpot, ...], tuple[tuple[Address, tuple[Endpoint, ...]], ...]]:
    able = [one for one in assessed if one.scanner in TELLS_COVERAGE]
    if not able:  # silence of a scanner that never tells where it looked, means nothing
        return (), ()
    blind: list[BlindSpot] = []
    unseen: dict[Address, list[Endpoint]] = defaultdict(list)
    for endpoint in confirmed:
        if endpoint in told or any(endpoint in one.endpoints for one in assessed):
            continue
        looked = {one.scanner for one in able if endpoint.address in one.hosts}
        if looked:
            blind.append(BlindSpot(endpoint=endpoint, looked=tuple(sorted(looked))))
        else:
            unseen[endpoint.address].append(endpoint)
    hosts = sorted(unseen.items(), key=lambda found: number_of(found[0]))
    return tuple(blind), tuple((address, tuple(open_)) for address, open_ in hosts)


def merged(reported: Iterable[Reported]) -> tuple[Known, ...]:
    """One line for each vulnerability of an endpoint, the severest first.

    A CVE stands in one line only, which names every scanner that knows it. What has no CVE is told
    by the scanner's own name for it.
    """
    ordered = sorted(reported, key=_severest_first)
    lines: list[Known] = []
    places: dict[str, int] = {}
    for one in ordered:
        keys = one.cves or (f"{one.scanner} {one.ident}",)
        for place in sorted({places[key] for key in keys if key in places}):
            lines[place] = _joined(lines[place], one)
        new = tuple(dict.fromkeys(key for key in keys if key not in places))
        if new:
            places |= dict.fromkeys(new, len(lines))
            lines.append(_line(one, tuple(sorted(new)) if one.cves else ()))
    return tuple(sorted(lines, key=lambda line: (SEVERITY_PLACE[line.severity], line.cves[:1])))


def _severest_first(one: Reported) -> tuple[int, float, int, str, str, str, tuple[str, ...]]:
    # A total order over what a line can depend on, so that the order of the files cannot.
    return (
        SEVERITY_PLACE[one.severity],
        -(one.cvss or 0.0),
        -len(one.cves),
        one.scanner,
        one.ident,
        one.title,
        one.cves,
    )


def _line(one: Reported, cves: tuple[str, ...]) -> Known:
    return Known(
        title=one.title,
        severity=one.severity,
        cvss=one.cvss,
        cves=cves,
        scanners=(one.scanner,),
        idents=(one.ident,),
        first_seen=one.first_seen,
        last_seen=one.last_seen,
        published=one.published,
    )


def _joined(line: Known, one: Reported) -> Known:
    return replace(
        line,
        scanners=tuple(sorted({*line.scanners, one.scanner})),
        idents=tuple(sorted({*line.idents, one.ident})),
        cvss=max(filter(None, (line.cvss, one.cvss)), default=None),
        first_seen=_least(line.first_seen, one.first_seen),
        last_seen=max(_present(line.last_seen, one.last_seen), default=None),
        published=_least(line.published, one.published),
    )


def _least(*times: float | None) -> float | None:
    return min(_present(*times), default=None)


def _present(*times: float | None) -> Iterator[float]:
    return (time for time in times if time is not None)


def severity_of(cvss: float) -> Severity:
    """The qualitative rating of a CVSS score (CVSS v3.1, section 5)."""
    if cvss >= 9.0:
        return Severity.CRITICAL
    if cvss >= 7.0:
        return Severity.HIGH
    if cvss >= 4.0:
        return Severity.MEDIUM
    return Severity.LOW if cvss > 0 else Severity.INFO


def about_host(address: Address) -> Endpoint:
    """Where it is filed what is said of a host as a whole."""
    return Endpoint(address, Protocol.TCP, 0)
