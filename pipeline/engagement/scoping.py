"""The scope of an engagement file: its entries one by one, and what they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    Discriminator,
    Field,
    PlainValidator,
    PrivateAttr,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from pipeline.addresses import AddressSet
from pipeline.engagement import fields, kinds
from pipeline.engagement.fields import Listed
from pipeline.engagement.kinds import Strict
from pipeline.engagement.nodes import Place
from pipeline.engagement.source import Reported, Source, source_of
from pipeline.engagement.targets import TargetList, read_targets
from pipeline.engagement.values import NamedHost
from pipeline.engagement.wording import printable


class HostDocument(Strict):
    """A host by name, and the networks that its addresses must lie in."""

    host: Annotated[str, kinds.text_of(fields.parse_host), WithJsonSchema(kinds.HOST_SCHEMA)] = (
        Field(description="The name of the host.", examples=["www.example.com"])
    )
    expect: list[kinds.Network] = Field(
        min_length=1,
        description="Resolved addresses are admitted when they lie in here, and only those.",
        examples=[["203.0.113.0/24"]],
    )


def _included_file(value: object, info: ValidationInfo) -> TargetList:
    return read_targets(kinds.line(value), source_of(info).door, fields.parse_included)


def _excluded_file(value: object, info: ValidationInfo) -> TargetList:
    return read_targets(kinds.line(value), source_of(info).door, fields.parse_listed)


class IncludedFile(Strict):
    """A list of targets in plain text: one entry a line, # begins a comment."""

    file: Annotated[
        TargetList, PlainValidator(_included_file), WithJsonSchema({"type": "string"})
    ] = Field(description="The path of the list, beside this file.", examples=["targets.txt"])


class ExcludedFile(Strict):
    """A list of exclusions in plain text: one entry a line, # begins a comment."""

    file: Annotated[
        TargetList, PlainValidator(_excluded_file), WithJsonSchema({"type": "string"})
    ] = Field(description="The path of the list, beside this file.", examples=["targets.txt"])


def _kind_of_entry(value: object) -> str | None:
    match value:
        case str():
            return "<text>"
        case {"file": _}:
            return "<file>"
        case dict():
            return "<host>"
        case _:
            return None


def _kind_of_exclusion(value: object) -> str | None:
    kind = _kind_of_entry(value)
    return "<file>" if kind == "<host>" else kind


_IncludeEntry = Annotated[
    Annotated[kinds.Included, Tag("<text>")]
    | Annotated[HostDocument, Tag("<host>")]
    | Annotated[IncludedFile, Tag("<file>")],
    Discriminator(
        _kind_of_entry,
        custom_error_type="entry",
        custom_error_message="must be an address, a network, a range, a host name, "
        "{host: …, expect: […]} or {file: …}",
    ),
]
_ExcludeEntry = Annotated[
    Annotated[kinds.Excluded, Tag("<text>")] | Annotated[ExcludedFile, Tag("<file>")],
    Discriminator(
        _kind_of_exclusion,
        custom_error_type="entry",
        custom_error_message="must be an address, a network, a range, a host name or {file: …}",
    ),
]


class ScopeDocument(Strict):
    """Which addresses may be asked. What is excluded stays out, whatever includes it."""

    include: list[_IncludeEntry] = Field(
        min_length=1,
        description="Networks, ranges, single addresses, host names, and files that list these.",
        examples=[["192.0.2.0/24", "198.51.100.10-19", "2001:db8::/120", {"file": "targets.txt"}]],
    )
    exclude: list[_ExcludeEntry] = Field(
        default_factory=list,
        description="What is never asked; always wins over include.",
        examples=[["192.0.2.9"]],
    )

    _gathered: GatheredScope = PrivateAttr()

    @property
    def gathered(self) -> GatheredScope:
        """What the entries add up to."""
        return self._gathered

    @model_validator(mode="after")
    def _add_up(self, info: ValidationInfo) -> Self:
        self._gathered = _gather(self, source_of(info))
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class GatheredScope:
    """The addresses in and out, and the names that will add to them once they are resolved."""

    include: AddressSet
    exclude: AddressSet
    include_names: tuple[NamedHost, ...]
    exclude_names: tuple[NamedHost, ...]

    @property
    def reachable(self) -> AddressSet:
        """All that may be in scope once the names are resolved."""
        expected = (host.expect.ranges for host in self.include_names if host.expect)
        more = AddressSet.of(found for ranges in expected for found in ranges)
        return (self.include | more) - self.exclude


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    listed: Listed
    path: Path
    place: Place
    expect: AddressSet | None = None

    def named(self) -> NamedHost:
        where = f"{printable(str(self.path))}:{self.place.line}:{self.place.column}"
        return NamedHost(name=self.listed.text, where=where, expect=self.expect)


def _gather(document: ScopeDocument, source: Source) -> GatheredScope:
    """Add up the entries. Raises ``ValueError``, or :class:`Reported`, when that makes no sense."""
    included = list(_entries(document.include, source, "include"))
    excluded = list(_entries(document.exclude, source, "exclude"))
    found = GatheredScope(
        include=_addresses(included),
        exclude=_addresses(excluded),
        include_names=tuple(entry.named() for entry in included if not entry.listed.range),
        exclude_names=tuple(entry.named() for entry in excluded if not entry.listed.range),
    )
    if not found.include:
        _refuse_lonely_names(included, source)
    if not found.include_names and not found.reachable:
        raise ValueError("is empty: everything that it includes is excluded again")
    swept = (found.include - found.exclude).family(6).size
    if swept > fields.LARGEST_V6:
        raise ValueError(
            f"holds {swept:,} IPv6 addresses and cannot be swept; the most is "
            f"{fields.LARGEST_V6:,}: include smaller networks, or hosts by name"
        )
    return found


def outside(
    document: ScopeDocument, source: Source, permitted: AddressSet
) -> Iterator[tuple[Path, Place, str, AddressSet]]:
    """Each entry that includes more than is permitted: its file, its place, and what is too much.

    What is excluded again does not count.
    """
    for entry in _entries(document.include, source, "include"):
        beyond = entry.listed.addresses - document.gathered.exclude - permitted
        if beyond:
            yield entry.path, entry.place, entry.listed.text, beyond


def _refuse_lonely_names(included: Iterable[_Entry], source: Source) -> None:
    lonely = [entry for entry in included if entry.expect is None]
    for entry in lonely:
        what = "a name alone authorises no address; write {host: NAME, expect: [NETWORK]}"
        got = f"{what} (got '{printable(entry.listed.text, 58)}')"
        source.door.complain(entry.path, entry.place, got)
    if lonely:
        raise Reported


def _entries(
    entries: Sequence[Listed | HostDocument | IncludedFile | ExcludedFile], source: Source, key: str
) -> Iterator[_Entry]:
    for number, entry in enumerate(entries):
        place = source.place(("scope", key, number))
        if isinstance(entry, Listed):
            yield _Entry(listed=entry, path=source.path, place=place)
        elif isinstance(entry, HostDocument):
            expect = AddressSet.of(found for network in entry.expect for found in network.ranges)
            listed = Listed(text=entry.host, range=None)
            yield _Entry(listed=listed, path=source.path, place=place, expect=expect)
        else:
            for listed, place in entry.file.entries:
                yield _Entry(listed=listed, path=entry.file.path, place=place)


def _addresses(entries: Iterable[_Entry]) -> AddressSet:
    return AddressSet.of(entry.listed.range for entry in entries if entry.listed.range)
