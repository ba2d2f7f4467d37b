"""What vulnerability scanners of others know, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipeline.decide.vulnerabilities import Correlation, Gone, Known, ScanFile, Scanner
from pipeline.render.language import Phrases, fraction, say, word
from pipeline.render.text import counted, iso, listed, minute, shortened, visible

GONE: Final[Mapping[Gone, str]] = Phrases(
    {
        Gone.CLOSED: "this run asked, and was refused",
        Gone.SILENT: "this run asked, and nothing answered",
        Gone.ARTEFACT: "something on the path answers, and not the service",
    }
)
"""Why a finding of theirs is doubted."""

_TEXT: Final = 160
_CVES: Final = 6


def known_text(line: Known) -> str:
    """``critical, CVSS 9.8: Old OpenSSH (CVE-2023-38408), by Nessus and OpenVAS, since …``."""
    score = f", CVSS {fraction(f'{line.cvss:g}')}" if line.cvss is not None else ""
    cves = f" ({shortened(line.cves, _CVES)})" if line.cves else ""
    by = say(", by {scanners}", scanners=seen_by(line.scanners))
    when = say(", since {time} UTC", time=minute(line.first_seen)) if line.first_seen else ""
    return f"{word(line.severity)}{score}: {visible(line.title, _TEXT)}{cves}{by}{when}"


def known_count(known: Sequence[Known]) -> str:
    """``3 vulnerabilities, the severest critical``."""
    count = counted(len(known), "vulnerability", "vulnerabilities")
    severest = word(known[0].severity)
    if len(known) == 1:
        return f"{count}, {severest}"
    return say(
        "{vulnerabilities}, the severest {severity}", vulnerabilities=count, severity=severest
    )


def file_text(file: ScanFile) -> str:
    """``nightly.nessus (Nessus, ended 2026-11-20 04:00 UTC): 12 findings; …``."""
    ended = say(", ended {time} UTC", time=minute(file.ended)) if file.ended else ""
    parts = [counted(file.findings, "finding")]
    if file.outside:
        parts.append(say("{n} about hosts that are not in this run, left out", n=file.outside))
    if file.nameless:
        parts.append(say("{n} about hosts known by a name alone, left out", n=file.nameless))
    if file.problem:
        parts.append(say("it is not whole ({why})", why=visible(file.problem, _TEXT)))
    return f"{visible(file.name, 80)} ({file.scanner}{ended}): {'; '.join(parts)}"


def seen_by(scanners: Sequence[Scanner]) -> str:
    """``Nessus and OpenVAS``."""
    return listed([str(scanner) for scanner in scanners])


def known_json(line: Known) -> dict[str, Any]:
    """One vulnerability."""
    return {
        "title": line.title,
        "severity": line.severity,
        "cvss": line.cvss,
        "cves": line.cves,
        "scanners": line.scanners,
        "identifiers": line.idents,
        "first_seen": _iso(line.first_seen),
        "last_seen": _iso(line.last_seen),
        "published": _iso(line.published),
    }


def others_json(found: Correlation) -> dict[str, Any]:
    """The files, and what they and the run say of each other."""
    return {
        "files": [
            {
                "name": file.name,
                "sha256": file.sha256,
                "size": file.size,
                "scanner": file.scanner,
                "version": file.version or None,
                "started": _iso(file.started),
                "ended": _iso(file.ended),
                "problem": file.problem or None,
                "findings": file.findings,
                "outside": file.outside,
                "by_unknown_name": file.nameless,
            }
            for file in found.files
        ],
        "blind_spots": [
            {
                "address": str(spot.endpoint.address),
                "protocol": spot.endpoint.protocol,
                "port": spot.endpoint.port,
                "host_covered_by": spot.looked,
            }
            for spot in found.blind
        ],
        "hosts_not_covered": [
            {
                "address": str(address),
                "open": [f"{endpoint.port}/{endpoint.protocol}" for endpoint in open_],
            }
            for address, open_ in found.unseen
        ],
        "doubted": [
            {
                "address": str(one.endpoint.address),
                "protocol": one.endpoint.protocol,
                "port": one.endpoint.port,
                "why": one.gone,
                "known": [known_json(line) for line in one.known],
            }
            for one in found.doubted
        ],
        "about_hosts": [
            {"address": str(address), "known": [known_json(line) for line in known]}
            for address, known in found.hosts
        ],
        "not_asked": found.unasked,
    }


def _iso(time: float | None) -> str | None:
    return None if time is None else iso(time)
