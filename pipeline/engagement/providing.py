"""The section `third_parties`: whose ranges there are, and whose policies were acknowledged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from pipeline.addresses import AddressSet
from pipeline.decide.third_parties import (
    DAY,
    MAX_AGE,
    Acknowledgement,
    RangeFile,
    Ranges,
    ThirdPartyRules,
)
from pipeline.engagement import fields, kinds
from pipeline.engagement.kinds import Duration, Strict
from pipeline.engagement.range_files import LARGEST, Read, read_ranges, sets_of
from pipeline.engagement.source import Reported, read_limited, source_of
from pipeline.engagement.wording import did_you_mean, shown

_URL: Final = re.compile(r"https?://[^\s/]+(/\S*)?")
_DAY_SCHEMA: Final[dict[str, Any]] = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    name: str
    sha256: str
    changed: float
    read: Read


def _file(value: object, info: ValidationInfo) -> _File:
    name = kinds.line(value)
    door = source_of(info).door
    path = door.folder / name
    data = read_limited(path, LARGEST)
    if len(data) > LARGEST:
        raise ValueError(f"is larger than {LARGEST >> 20} MiB (got {shown(name)})")
    text = door.admit(path, data)
    return _File(
        name=path.name,
        sha256=door.files[-1].sha256,
        changed=path.stat().st_mtime,
        read=read_ranges(path.name, text),
    )


def _url(text: str) -> str:
    if not _URL.fullmatch(text) or len(text) > 500:
        raise ValueError(f"is no address of a page; write https://… (got {shown(text)})")
    return text


def _day(value: object) -> tuple[str, float]:
    text = kinds.line(value)
    return text, fields.parse_moment(text, fields.parse_zone("UTC"), end=False)


class RangesDocument(Strict):
    """A file of ranges that belong to somebody else."""

    file: Annotated[_File, PlainValidator(_file), WithJsonSchema({"type": "string"})] = Field(
        description="The path of the file: of AWS, Azure or Google as they publish it, or a list "
        "of your own as text, CSV or YAML.",
        examples=["ip-ranges.json", "hosters.csv"],
    )
    provider: kinds.Line | None = Field(
        default=None,
        description="Whose ranges these are; needed where the file does not say it.",
        examples=["Example Hosting"],
    )
    approval: Literal["none", "required"] = Field(
        default="none", description="Whether the provider asks for an approval before a test."
    )

    @model_validator(mode="after")
    def _has_a_provider(self) -> Self:
        read = self.file.read
        nameless = any(not name for name, _ in read.entries)
        if not self.provider and not read.provider and nameless:
            raise ValueError(f"needs a provider: {shown(self.file.name)} does not name one")
        return self

    def ranges(self) -> Iterator[Ranges]:
        """The addresses of each provider in the file."""
        read = self.file.read
        default = self.provider or read.provider
        for name, addresses in sorted(sets_of(read.entries).items()):
            yield Ranges(
                provider=name or default,
                addresses=addresses,
                file=self.file.name,
                approval=self.approval == "required",
            )

    def value(self) -> RangeFile:
        """The file as it is told of."""
        read = self.file.read
        return RangeFile(
            name=self.file.name,
            sha256=self.file.sha256,
            format=read.format,
            providers=tuple(dict.fromkeys(found.provider for found in self.ranges())),
            prefixes=len(read.entries),
            dated=self.file.changed if read.dated is None else read.dated,
            date_from="by when it was changed here" if read.dated is None else "by its own date",
        )


class AcknowledgementDocument(Strict):
    """Somebody read a provider's policy, and stands for testing these targets under it."""

    provider: kinds.Line = Field(description="As the range file has it.", examples=["AWS"])
    policy: Annotated[
        str, kinds.text_of(_url), WithJsonSchema({"type": "string", "pattern": "^https?://"})
    ] = Field(
        description="The page with the provider's policy.",
        examples=["https://provider.example/testing-policy"],
    )
    acknowledged_on: Annotated[
        tuple[str, float], PlainValidator(_day), WithJsonSchema(_DAY_SCHEMA)
    ] = Field(description="The day on which somebody read it.", examples=["2026-10-01"])
    approval: kinds.Line | None = Field(
        default=None, description="The provider's reference, where it asks for an approval."
    )
    targets: list[kinds.Network] = Field(
        min_length=1,
        description="Networks, ranges and addresses of yours at this provider.",
        examples=[["192.0.2.16/28"]],
    )

    def value(self) -> Acknowledgement:
        """The entry as a plain value."""
        return Acknowledgement(
            provider=self.provider,
            policy=self.policy,
            since=self.acknowledged_on[1],
            since_text=self.acknowledged_on[0],
            targets=AddressSet.of(found for some in self.targets for found in some.ranges),
            approval=self.approval or "",
        )


class ThirdPartiesDocument(Strict):
    """Whose addresses are in the scope besides the client's."""

    ranges: list[RangesDocument] = Field(
        default_factory=list,
        max_length=50,
        description="Files that mark addresses as somebody else's.",
        examples=[[{"file": "ip-ranges.json"}]],
    )
    max_age: Annotated[Duration, AfterValidator(kinds.between(DAY, 3650 * DAY))] = Field(
        default=MAX_AGE, description="From which age on a file is told to be old; 90 days."
    )
    acknowledged: list[AcknowledgementDocument] = Field(
        default_factory=list,
        max_length=1000,
        description="Whose policies were read, and for which targets.",
    )

    @model_validator(mode="after")
    def _are_about_somebody_known(self, info: ValidationInfo) -> Self:
        known = {found.provider for entry in self.ranges for found in entry.ranges()}
        folded = {name.casefold() for name in known}
        wrong = False
        for place, entry in enumerate(self.acknowledged):
            if entry.provider.casefold() not in folded:
                hint = did_you_mean(entry.provider, known) if known else "; there are none"
                what = f"is the provider of no ranges here{hint} (got {shown(entry.provider)})"
                at = ("third_parties", "acknowledged", place, "provider")
                source_of(info).complain(at, what)
                wrong = True
        if wrong:
            raise Reported
        return self

    @property
    def value(self) -> ThirdPartyRules:
        """The section as plain values."""
        return ThirdPartyRules(
            files=tuple(entry.value() for entry in self.ranges),
            ranges=tuple(found for entry in self.ranges for found in entry.ranges()),
            acknowledged=tuple(entry.value() for entry in self.acknowledged),
            max_age=self.max_age,
        )
