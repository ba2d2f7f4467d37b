"""What nmap's script ssl-cert printed about a certificate, as a value.

Names in a certificate are written by whoever made it, and may hold line ends and whole lines that
pretend to be nmap's. The script prints them before anything that it measured itself (nmap 7.93,
``ssl-cert.nse``: subject, alternative names, issuer, then key, signature and validity), so of what
was measured the last line counts. Who signed is only concluded where each name is there once.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from pipeline.decide.certificate import Certificate

SCRIPT: Final = "ssl-cert"

_LONGEST: Final = 64 << 10
_LABELS: Final = {
    "Subject": "subject",
    "Issuer": "issuer",
    "Public Key type": "key_type",
    "Public Key bits": "key_bits",
    "Signature Algorithm": "signature",
    "Not valid before": "not_before",
    "Not valid after": "not_after",
}
_MOMENT: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})")


def read_certificate(output: str) -> Certificate | None:
    """The certificate in an output of ssl-cert; ``None`` when there is none in it."""
    said: dict[str, list[str]] = {name: [] for name in _LABELS.values()}
    # The end of a very long output is what nmap measured; its beginning is what others wrote.
    for line in (output[:_LONGEST] + output[_LONGEST:][-_LONGEST:]).split("\n"):
        label, colon, value = line.partition(":")
        name = _LABELS.get(label.strip())
        if colon and name:
            said[name].append(value.strip())
    if not any(said.values()):
        return None
    subject, issuer = said["subject"][:1], said["issuer"][-1:]
    return Certificate(
        subject="".join(subject),
        issuer="".join(issuer),
        self_signed=_self_signed(said["subject"], said["issuer"]),
        key_type=_last(said["key_type"]),
        key_bits=_whole(_last(said["key_bits"])),
        signature=_last(said["signature"]),
        not_before=_moment(_last(said["not_before"])),
        not_after=_moment(_last(said["not_after"])),
    )


def _self_signed(subjects: list[str], issuers: list[str]) -> bool | None:
    if len(subjects) != 1 or len(issuers) != 1 or not subjects[0]:
        return None
    return subjects[0] == issuers[0]


def _last(values: list[str]) -> str:
    return values[-1] if values else ""


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None


def _moment(text: str) -> float | None:
    """Seconds since the epoch; certificates speak UTC (RFC 5280, section 4.1.2.5)."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None
