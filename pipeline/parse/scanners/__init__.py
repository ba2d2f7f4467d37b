"""Readers of vulnerability scanners' files: bytes in, findings and what was assessed out.

A file may have hundreds of megabytes, so nothing is kept: each finding is handed out as soon as it
is complete. A host may be told by a name alone; whoever takes the finding knows addresses or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pipeline.addresses import Address, parse_address
from pipeline.decide.risk_rules import Severity
from pipeline.decide.vulnerabilities import Scanner
from pipeline.model import Protocol
from pipeline.parse import bounded

MAX_TEXT: Final = 400
"""Characters of a title or a name that are kept."""
MAX_CVES: Final = 200
"""Of one finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where: a host by address, or by name where that is all there is; port 0 is the host."""

    address: Address | None
    host: str
    protocol: Protocol
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One finding. Every text is hostile; ``seen`` is when the scanner saw it."""

    spot: Spot
    ident: str
    title: str
    severity: Severity
    cvss: float | None
    cves: tuple[str, ...]
    seen: float | None
    published: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """Who takes what is found, and what was assessed whether or not anything was found there."""

    found: Callable[[Found], None]
    assessed: Callable[[Spot], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRead:
    """What a file says about itself. ``problem`` is where it is cut off or damaged, or empty.

    ``oddities`` are entries that had to be left out.
    """

    scanner: Scanner
    version: str = ""
    started: float | None = None
    ended: float | None = None
    problem: str = ""
    oddities: int = 0


def address_of(text: str) -> Address | None:
    """The address, where it is one."""
    if len(text) > 64:
        return None
    try:
        return parse_address(text)
    except ValueError:
        return None


def spot_of(host: str, protocol: str, port: str | int) -> Spot | None:
    """A place; ``None`` where host or port make no sense. What has no port is about the host."""
    host = host.strip()
    number = int(port) if str(port).isascii() and str(port).isdigit() and len(str(port)) < 6 else 0
    if not host or number > 65535:
        return None
    if protocol not in tuple(Protocol):
        protocol, number = Protocol.TCP, 0
    if number == 0:
        protocol = Protocol.TCP
    address = address_of(host)
    return Spot(
        address=address,
        host="" if address else bounded(host, 253),
        protocol=Protocol(protocol),
        port=number,
    )


def score(text: object) -> float | None:
    """A CVSS score, from 0.1 to 10."""
    try:
        value = float(str(text)[:12])
    except ValueError:
        return None
    return value if 0 < value <= 10 else None


def cves_of(texts: list[str]) -> tuple[str, ...]:
    """The CVEs among some identifiers, sorted by year and number."""
    found = {text.strip().upper() for text in texts[:MAX_CVES]}
    return tuple(
        sorted(filter(_is_cve, found), key=lambda cve: tuple(map(int, cve.split("-")[1:])))
    )


def _is_cve(text: str) -> bool:
    parts = text.split("-")
    return (
        len(parts) == 3
        and parts[0] == "CVE"
        and all(part.isascii() and part.isdigit() for part in parts[1:])
        and len(parts[1]) == 4
        and len(parts[2]) < 12
    )


def moment(text: object, *formats: str) -> float | None:
    """Seconds since the epoch of a time in ISO 8601 or in one of the formats; UTC if unsaid."""
    if not isinstance(text, str) or not 4 < len(text) < 60:
        return None
    for read in (datetime.fromisoformat, *(_by(form) for form in formats)):
        try:
            found = read(text.strip())
            if found.tzinfo is None:
                found = found.replace(tzinfo=UTC)
            return max(0.0, found.timestamp())
        except (ValueError, OverflowError):
            continue
    return None


def _by(form: str) -> Callable[[str], datetime]:
    # Naive on purpose: whoever asks adds the zone.
    return lambda text: datetime.strptime(text, form)


def title_of(text: str) -> str:
    """One line of it, cut to a size."""
    return bounded(" ".join(text.split()), MAX_TEXT)
