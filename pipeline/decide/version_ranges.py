"""Versions as products write them, and ranges of versions: ``<9.6``, ``>=2, <2.4``, ``=1.3.3c``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_CLAUSE: Final = re.compile(r"\s*(<=|>=|<|>|=)\s*([0-9][0-9A-Za-z.+~_-]{0,30})\s*")
_PART: Final = re.compile(r"[0-9]{1,9}|[a-z]+")
_BEGINNING: Final = re.compile(r"[0-9]+(\.[0-9]+)*(?:[a-z](?![0-9a-z])|p[0-9]+)?", re.IGNORECASE)

_Key = tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRange:
    """Bounds that all hold: (operator, version) pairs."""

    clauses: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> VersionRange:
        """Read bounds that stand between commas. Raises ``ValueError`` with a sentence."""
        found = [_CLAUSE.fullmatch(part) for part in text.split(",")]
        if not all(found):
            raise ValueError(
                f"is no range of versions; write <9.6, >=2.0 or '>=2, <2.4' (got '{text[:40]}')"
            )
        return cls(clauses=tuple((part[1], part[2]) for part in found if part))

    def holds(self, version: str) -> bool:
        """True when the version is known and lies within; an unknown one lies nowhere."""
        key = _key(version)
        return bool(key) and all(_within(key, sign, _key(bound)) for sign, bound in self.clauses)

    def __str__(self) -> str:
        return ", ".join(f"{sign}{bound}" for sign, bound in self.clauses)


def _within(key: _Key, sign: str, bound: _Key) -> bool:
    # Numbers that one of the two does not have are zeros: 2.4 is 2.4.0.
    length = max(len(key), len(bound))
    left, right = (each + ((0, ""),) * (length - len(each)) for each in (key, bound))
    match sign:
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case ">=":
            return left >= right
        case _:
            return left == right


def _key(version: str) -> _Key:
    """What a version sorts by: of ``9.2p1 Debian 2+deb12u3`` it is ``9.2p1``; empty for none."""
    found = _BEGINNING.search(version[:200])
    if found is None:
        return ()
    parts = _PART.findall(found[0].lower())
    return tuple((int(part), "") if part.isdigit() else (0, part) for part in parts)
