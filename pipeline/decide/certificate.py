"""What is wrong with a certificate, from what was read of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_LEAST_BITS: Final = {"rsa": 2048, "dsa": 2048, "dh": 2048, "ec": 224}
"""Below these a key has less than 112 bits of strength (NIST SP 800-57 part 1, table 2)."""
_BROKEN_HASH: Final = re.compile(r"md2|md4|md5|sha-?1(?![0-9])", re.IGNORECASE)
"""Signatures over these can be forged, or soon (RFC 6151; NIST SP 800-131A)."""


class Flaw(StrEnum):
    """Something about a certificate that a client would refuse, or should."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    SELF_SIGNED = "self-signed"
    WEAK_KEY = "weak-key"
    WEAK_SIGNATURE = "weak-signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a service said about itself. Every text is hostile; ``None`` is what nobody could read.

    ``not_before`` and ``not_after`` are seconds since the epoch; ``key_type`` is nmap's word.
    """

    subject: str = ""
    issuer: str = ""
    self_signed: bool | None = None
    key_type: str = ""
    key_bits: int | None = None
    signature: str = ""
    not_before: float | None = None
    not_after: float | None = None


def flaws(certificate: Certificate, *, now: float) -> frozenset[Flaw]:
    """What is wrong with it at that time; what could not be read is not held against it."""
    found: set[Flaw] = set()
    if certificate.not_after is not None and now > certificate.not_after:
        found.add(Flaw.EXPIRED)
    if certificate.not_before is not None and now < certificate.not_before:
        found.add(Flaw.NOT_YET_VALID)
    if certificate.self_signed:
        found.add(Flaw.SELF_SIGNED)
    least = _LEAST_BITS.get(certificate.key_type.lower())
    if least is not None and certificate.key_bits is not None and certificate.key_bits < least:
        found.add(Flaw.WEAK_KEY)
    if _BROKEN_HASH.search(certificate.signature):
        found.add(Flaw.WEAK_SIGNATURE)
    return frozenset(found)
