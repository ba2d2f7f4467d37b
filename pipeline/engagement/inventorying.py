"""What an engagement says about assets: which files list them, and what their words mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Final, Self

from pydantic import Field, PlainValidator, PrivateAttr, ValidationInfo, WithJsonSchema
from pydantic import model_validator as validated

from pipeline.decide.inventory import AssetSource, Entry, Inventory, Listed
from pipeline.decide.risk_rules import Ports
from pipeline.engagement import kinds
from pipeline.engagement.expecting import MOST_REQUIRED
from pipeline.engagement.inventories import (
    MOST_ENTRIES,
    FileKind,
    Mapped,
    own_entry,
    parse_expected,
    read_hosts,
    read_own_csv,
    read_table,
)
from pipeline.engagement.kinds import Line, Strict
from pipeline.engagement.netboxing import NetboxDocument
from pipeline.engagement.ruling import CriticalityKind, ZoneKind, one_of
from pipeline.engagement.source import LARGEST_YAML, Door, Source, read_limited, source_of
from pipeline.engagement.wording import shown
from pipeline.netbox.settings import NetboxSettings

LARGEST: Final = 32 << 20
"""Bytes of a table or an inventory of Ansible."""

_Format = Annotated[
    FileKind, kinds.text_of(one_of(FileKind)), WithJsonSchema({"enum": list(FileKind)})
]


def _expected(value: object) -> Ports:
    texts = value if isinstance(value, list) else [value]
    for one in texts:
        if isinstance(one, bool) or not isinstance(one, str | int):
            raise ValueError(f"must be ports such as 22 or U:53, or none (got {shown(one)})")
    return parse_expected(",".join(map(str, texts)))


class AssetDocument(Strict):
    """One asset, or a network of them."""

    address: Line
    name: Line | None = None
    owner: Line | None = None
    environment: Line | None = None
    zone: ZoneKind | None = None
    criticality: CriticalityKind | None = None
    expected_ports: Annotated[Ports, PlainValidator(_expected)] | None = None
    _entry: Entry = PrivateAttr(default_factory=Entry)

    @validated(mode="after")
    def _is_one(self) -> Self:
        row = {"address": self.address, "name": self.name, "owner": self.owner}
        found = own_entry({key: value for key, value in row.items() if value})
        self._entry = Entry(
            networks=found.networks,
            hosts=found.hosts,
            name=found.name,
            owner=found.owner,
            environment=self.environment or "",
            zone=self.zone,
            criticality=self.criticality,
            expected=self.expected_ports,
        )
        return self

    @property
    def entry(self) -> Entry:
        """The same as a plain value."""
        return self._entry


class AssetsFile(Strict):
    """A list of assets, in YAML."""

    assets: Annotated[list[AssetDocument], Field(min_length=1)]


class ColumnsDocument(Strict):
    """What a foreign table, or an inventory of Ansible, calls our columns."""

    address: Line | None = Field(default=None, description="The address, network or name.")
    name: Line | None = Field(default=None, description="What the asset is called.")
    owner: Line | None = Field(default=None, description="Who answers for it.")
    environment: Line | None = Field(default=None, description="Production, test, …")
    zone: Line | None = Field(default=None, description="internet, dmz or internal.")
    criticality: Line | None = Field(default=None, description="low, normal or high.")
    expected_ports: Line | None = Field(default=None, description="22,443,U:53")
    type: Line | None = Field(default=None, description="Of a DNS record; A and AAAA count.")
    state: Line | None = Field(default=None, description="Of a lease; those that ended do not.")


class WordsDocument(Strict):
    """What the words of a foreign source mean here."""

    zone: dict[str, ZoneKind] = Field(
        default_factory=dict,
        description="Their word, and internet, dmz or internal.",
        examples=[{"Perimeter": "dmz"}],
    )
    criticality: dict[str, CriticalityKind] = Field(
        default_factory=dict,
        description="Their word, and low, normal or high.",
        examples=[{"Tier 1": "high"}],
    )


class AssetSourceDocument(Strict):
    """Where assets are listed."""

    file: Line | None = Field(
        default=None, description="A file beside this one.", examples=["assets.csv"]
    )
    netbox: NetboxDocument | None = Field(
        default=None, description="A NetBox instead, which is asked when a run is planned."
    )
    format: _Format | None = Field(
        default=None,
        description="csv, yaml, ansible, dhcp or dns; by the ending of the file if left out.",
    )
    columns: ColumnsDocument = Field(
        default_factory=ColumnsDocument,
        description="What the file calls our columns.",
        examples=[{"address": "IP", "owner": "Team"}],
    )
    words: WordsDocument = Field(
        default_factory=WordsDocument, description="What the file's words mean here."
    )
    _found: Listed | None = PrivateAttr(default=None)

    @validated(mode="after")
    def _is_read(self, info: ValidationInfo) -> Self:
        if (self.file is None) is (self.netbox is None):
            raise ValueError("needs one of file and netbox")
        if self.file is None:
            if self.format is not None:
                raise ValueError("has a format, which only a file has")
            return self
        entries, kind, note = self._read(source_of(info).door, self.file)
        if not entries:
            raise ValueError(f"lists nothing with an address or a name (got {shown(self.file)})")
        path = (source_of(info).door.folder / self.file).absolute()
        digests = {file.path: file.sha256 for file in source_of(info).door.files}
        source = AssetSource(
            name=path.name, kind=kind, sha256=digests[path], entries=len(entries), note=note
        )
        self._found = (source, tuple(entries))
        return self

    @property
    def found(self) -> Listed | NetboxSettings:
        """What was read of a file, or the NetBox that is still to be asked."""
        if self.netbox is not None:
            return self.netbox.settings(self.mapped)
        assert self._found is not None, "a sound document was read"
        return self._found

    @property
    def mapped(self) -> Mapped:
        """The mapping as a plain value."""
        named = {key: value for key, value in self.columns.model_dump().items() if value}
        words = {
            "zone": {word.strip().lower(): str(zone) for word, zone in self.words.zone.items()},
            "criticality": {
                word.strip().lower(): str(level) for word, level in self.words.criticality.items()
            },
        }
        return Mapped(columns=named, words=words)

    def _read(self, door: Door, name: str) -> tuple[list[Entry], FileKind, str]:
        path = door.folder / name
        kind = self.format or _by_ending(name)
        foreign = bool(self.columns.model_fields_set) or bool(self.words.model_fields_set)
        if kind is FileKind.YAML:
            if foreign:
                raise ValueError("has columns of its own, which only foreign files have")
            data = read_limited(path, LARGEST_YAML)
            document = Source(door=door, path=path).validate(AssetsFile, data)
            return [asset.entry for asset in document.assets], kind, ""
        data = read_limited(path, LARGEST)
        if len(data) > LARGEST:
            raise ValueError(f"is larger than {LARGEST >> 20} MiB (got {shown(name)})")
        text = door.admit(path, data)
        try:
            if kind is FileKind.ANSIBLE:
                entries, note = read_hosts(text, path, door, self.mapped)
            elif kind is FileKind.CSV and not foreign:
                entries, note = read_own_csv(text, path, door), ""
            else:
                entries, note = read_table(kind, text, self.mapped)
        except ValueError as problem:
            if type(problem) is not ValueError:
                raise  # its mistakes are filed
            raise ValueError(f"{shown(name)} {problem}") from None
        return entries, kind, note


def _by_ending(name: str) -> FileKind:
    for ending, kind in (
        (".csv", FileKind.CSV),
        (".yml", FileKind.YAML),
        (".yaml", FileKind.YAML),
        (".ini", FileKind.ANSIBLE),
    ):
        if name.lower().endswith(ending):
            return kind
    raise ValueError(f"needs a format: csv, yaml, ansible, dhcp or dns (got {shown(name)})")


def few_enough(documents: list[AssetSourceDocument]) -> list[AssetSourceDocument]:
    """The documents. Raises ``ValueError`` when they list more than a run can keep."""
    require_few(found for each in documents if not isinstance(found := each.found, NetboxSettings))
    return documents


def require_few(sources: Iterable[Listed]) -> None:
    """Raise ``ValueError`` when sources list more than a run can keep."""
    entries = [entry for _, some in sources for entry in some]
    if len(entries) > MOST_ENTRIES:
        raise ValueError(f"list {len(entries):,} assets, and at most {MOST_ENTRIES:,} can be")
    ports = sum(
        len(entry.expected.tcp) + len(entry.expected.udp)
        for entry in entries
        if entry.expected is not None and entry.networks.size == 1
    )
    if ports > MOST_REQUIRED:
        raise ValueError(
            f"say that {ports:,} endpoints must be open, and at most {MOST_REQUIRED:,} can be; "
            "write networks for what may be open"
        )


def gathered(found: Iterable[Listed]) -> Inventory:
    """Sources and their entries as one inventory."""
    sources = list(found)
    return Inventory(
        sources=tuple(source for source, _ in sources),
        entries=tuple(
            replace(entry, source=place)
            for place, (_, entries) in enumerate(sources)
            for entry in entries
        ),
    )
