"""Whose addresses they are besides the client's, and whether somebody dealt with that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.addresses import AddressSet

DAY: Final = 86400.0
MAX_AGE: Final = 90 * DAY
"""Seconds after which a file of ranges is told to be old, if nothing else is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeFile:
    """A file of ranges. ``dated``: as of when, in epoch seconds; ``date_from`` says who says so."""

    name: str
    sha256: str
    format: str
    providers: tuple[str, ...]
    prefixes: int
    dated: float
    date_from: str

    def age(self, now: float) -> int:
        """Whole days; 0 for a file that is dated in the future."""
        return max(0, int((now - self.dated) // DAY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """The addresses of one provider in one file; ``approval``: the provider asks for approvals."""

    provider: str
    addresses: AddressSet
    file: str
    approval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Somebody read a provider's policy and stands for testing these ``targets`` under it.

    ``since`` is epoch seconds, ``since_text`` as the engagement has it; ``approval`` is the
    provider's reference, empty where there is none.
    """

    provider: str
    policy: str
    since: float
    since_text: str
    targets: AddressSet
    approval: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdPartyRules:
    """What an engagement says about the addresses of others."""

    files: tuple[RangeFile, ...] = ()
    ranges: tuple[Ranges, ...] = ()
    acknowledged: tuple[Acknowledgement, ...] = ()
    max_age: float = MAX_AGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Addresses of a provider that are not asked, and why. ``names`` lead there."""

    addresses: AddressSet
    provider: str
    file: str
    why: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """Addresses of a provider whose policy was acknowledged."""

    addresses: AddressSet
    provider: str
    policy: str
    since: str
    approval: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdParties:
    """What became of the addresses of others in a scope."""

    files: tuple[RangeFile, ...] = ()
    refused: tuple[Refused, ...] = ()
    cleared: tuple[Cleared, ...] = ()

    @property
    def foreign(self) -> AddressSet:
        """All that is refused."""
        return AddressSet.of(found for each in self.refused for found in each.addresses.ranges)


def judge(
    addresses: AddressSet,
    rules: ThirdPartyRules,
    *,
    now: float,
    names: Iterable[tuple[str, AddressSet]] = (),
) -> ThirdParties:
    """Split what belongs to others into what is refused and what is cleared.

    An address in the ranges of several providers needs an entry for each of them.
    """
    known = tuple(names)
    refused: list[Refused] = []
    cleared: dict[Cleared, None] = {}
    for ranges in sorted(rules.ranges, key=lambda r: (r.provider.casefold(), r.file)):
        mine = addresses & ranges.addresses
        if not mine:
            continue
        rest = mine
        missing: list[tuple[AddressSet, str]] = []
        for entry in rules.acknowledged:
            covered = mine & entry.targets
            if entry.provider.casefold() != ranges.provider.casefold() or not covered:
                continue
            problem = _problem(ranges, entry, now)
            if problem:
                missing.append((covered, problem))
                continue
            rest -= covered
            cleared[_clearance(covered, entry)] = None
        refused += _refused(ranges, rest, missing, known)
    return ThirdParties(files=rules.files, refused=tuple(refused), cleared=tuple(cleared))


def told(refused: Refused) -> str:
    """A refusal in one line."""
    texts = refused.addresses.texts()
    some = ", ".join(texts[:3]) + (f" and {len(texts) - 3} more ranges" if len(texts) > 3 else "")
    names = f", {', '.join(refused.names[:3])}" if refused.names else ""
    return f"{some} ({refused.provider}, by {refused.file}{names}): {refused.why}"


def old_files(rules: ThirdPartyRules, now: float) -> Iterator[str]:
    """A sentence for each file that is older than it may be, or dated in the future."""
    for file in rules.files:
        if now - file.dated > rules.max_age:
            most = int(rules.max_age // DAY)
            yield (
                f"{file.name} is {file.age(now)} days old ({file.date_from}), more than {most}: "
                "what was given to the provider since is not known to be the provider's"
            )
        elif file.dated > now + DAY:
            days = int((file.dated - now) // DAY)
            yield f"{file.name} is dated {days} days ahead, in the future: is a clock wrong?"


def _problem(ranges: Ranges, entry: Acknowledgement, now: float) -> str:
    if entry.since > now:
        return f"its policy is acknowledged only from {entry.since_text} on"
    if ranges.approval and not entry.approval:
        return "the provider asks for an approval, and the entry has no approval reference"
    return ""


def _clearance(covered: AddressSet, entry: Acknowledgement) -> Cleared:
    return Cleared(
        addresses=covered,
        provider=entry.provider,
        policy=entry.policy,
        since=entry.since_text,
        approval=entry.approval,
    )


def _refused(
    ranges: Ranges,
    rest: AddressSet,
    missing: Iterable[tuple[AddressSet, str]],
    names: Iterable[tuple[str, AddressSet]],
) -> Iterator[Refused]:
    parts = [*missing, (rest, "no entry of third_parties.acknowledged is about it")]
    for addresses, why in parts:
        part = addresses & rest
        rest -= part
        if part:
            yield Refused(
                addresses=part,
                provider=ranges.provider,
                file=ranges.file,
                why=why,
                names=tuple(sorted({name for name, found in names if found & part})),
            )
