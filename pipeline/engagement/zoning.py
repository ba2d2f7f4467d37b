"""What an engagement says about risks: which networks are where, and rules of its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
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
from pipeline.decide.risk_rules import Zone, ZoneEntry
from pipeline.engagement import kinds
from pipeline.engagement.kinds import Strict
from pipeline.engagement.policies import inline_rules, read_own
from pipeline.engagement.ruling import CriticalityKind, RuleDocument, ZoneKind
from pipeline.engagement.source import source_of
from pipeline.engagement.values import OwnRules, RiskSettings


class ZoneDocument(Strict):
    """Networks, and from where they can be reached."""

    zone: ZoneKind = Field(description="internet, dmz or internal.")
    networks: list[kinds.Network] = Field(
        min_length=1,
        description="Networks, ranges and addresses; of several entries that have an address the "
        "one with the fewest addresses counts.",
        examples=[["192.0.2.0/24", "198.51.100.7"]],
    )
    criticality: CriticalityKind | None = Field(
        default=None,
        description="How much depends on what is there: low, normal or high; as the inventory of "
        "assets says where it is left out, else normal.",
    )


def _file_of_rules(value: object, info: ValidationInfo) -> OwnRules:
    return read_own(kinds.line(value), source_of(info).door)


def _kind_of_rules(value: object) -> str:
    return "<several>" if isinstance(value, list) else "<file>"


class RiskDocument(Strict):
    """How risks are judged."""

    rules: (
        Annotated[
            Annotated[
                OwnRules,
                PlainValidator(_file_of_rules),
                WithJsonSchema({"type": "string", "minLength": 1}),
                Tag("<file>"),
            ]
            | Annotated[list[RuleDocument], Field(min_length=1), Tag("<several>")],
            Discriminator(_kind_of_rules),
        ]
        | None
    ) = Field(
        default=None,
        description="Rules of your own, which go before portproof's: a file, or a list of them.",
        examples=["own-risk.yml"],
    )
    _own: OwnRules = PrivateAttr(default_factory=OwnRules)

    @model_validator(mode="after")
    def _are_sound(self, info: ValidationInfo) -> Self:
        if isinstance(self.rules, OwnRules):
            self._own = self.rules
        elif self.rules is not None:
            self._own = inline_rules(self.rules, source_of(info), ("risk", "rules"))
        return self

    @property
    def own(self) -> OwnRules:
        """The rules as values, whichever way they were given."""
        return self._own


def settings_of(zones: Sequence[ZoneDocument], risk: RiskDocument) -> RiskSettings:
    """Both as plain values."""
    entries = tuple(
        ZoneEntry(
            networks=reduce(or_, entry.networks, AddressSet()),
            zone=Zone(entry.zone),
            criticality=entry.criticality,
        )
        for entry in zones
    )
    return RiskSettings(zones=entries, own=risk.own)
