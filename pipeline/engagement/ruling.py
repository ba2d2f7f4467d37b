"""The shape of risk rules in YAML: what a rule, and a file of rules, may say."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar
from unicodedata import category

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from pipeline.decide.certificate import Flaw
from pipeline.decide.risk_rules import Concern, Criticality, Severity, Zone
from pipeline.decide.version_ranges import VersionRange
from pipeline.engagement import kinds
from pipeline.engagement.kinds import Strict
from pipeline.engagement.wording import did_you_mean, shown
from pipeline.model import VerdictKind

_Choice = TypeVar("_Choice", bound=StrEnum)

_LONGEST: Final = 1500
_ID: Final = r"[a-z][a-z0-9-]{0,62}"
_NUMBERS: Final = {
    "cis": (r"[1-9][0-9]?(\.[1-9][0-9]?)?", "a number of CIS Controls v8 such as '4.4'"),
    "nist": (r"[A-Z]{2}-[1-9][0-9]?(\([1-9][0-9]?\))?", "a control of NIST SP 800-53, AC-17(2)"),
    "cwe": (r"CWE-[1-9][0-9]{0,4}", "the id of a weakness such as CWE-306"),
}


def paragraph(text: str) -> str:
    """Text for people, of several lines if need be, as one paragraph."""
    told = " ".join(text.split())
    if not told:
        raise ValueError("must not be empty")
    for letter in told:
        if category(letter) in ("Cc", "Cf", "Cs", "Co"):
            raise ValueError(f"must not contain the control character U+{ord(letter):04X}")
    if len(told) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST:,} characters (got {len(told)})")
    return told


def _id(text: str) -> str:
    if not re.fullmatch(_ID, text):
        raise ValueError(
            f"must be small letters, digits and dashes, at most 63, a letter first "
            f"(got {shown(text)})"
        )
    return text


def one_of(choices: type[_Choice]) -> Callable[[str], _Choice]:
    """Reads a word of an enum, and raises ``ValueError`` with the words there are."""

    def parse(text: str) -> _Choice:
        if text not in tuple(choices):
            raise ValueError(f"is not known{did_you_mean(text, choices)} (got {shown(text)})")
        return choices(text)

    return parse


def _enum(choices: type[StrEnum]) -> WithJsonSchema:
    return WithJsonSchema({"enum": [choice.value for choice in choices]})


def _number(kind: str) -> Callable[[str], str]:
    pattern, what = _NUMBERS[kind]

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {what} (got {shown(text)})")
        return text

    return parse


def _reference(kind: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{_NUMBERS[kind][0]}$"})


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _lowered(text: str) -> str:
    return paragraph(text).lower()


_OneOrMore: Final = BeforeValidator(_as_list)
_Id = Annotated[str, kinds.text_of(_id), WithJsonSchema({"type": "string", "pattern": f"^{_ID}$"})]
_Paragraph = Annotated[
    str,
    kinds.text_of(paragraph),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _LONGEST}),
]
_Word = Annotated[str, kinds.text_of(_lowered), WithJsonSchema({"type": "string", "minLength": 1})]
_Version = Annotated[
    VersionRange,
    kinds.text_of(VersionRange.parse),
    WithJsonSchema({"type": "string", "pattern": "^ *(<|>|=)"}),
]
_Severity = Annotated[Severity, kinds.text_of(one_of(Severity)), _enum(Severity)]
ZoneKind = Annotated[Zone, kinds.text_of(one_of(Zone)), _enum(Zone)]
CriticalityKind = Annotated[Criticality, kinds.text_of(one_of(Criticality)), _enum(Criticality)]
_Concern = Annotated[Concern, kinds.text_of(one_of(Concern)), _enum(Concern)]
_Flaw = Annotated[Flaw, kinds.text_of(one_of(Flaw)), _enum(Flaw)]
_Verdict = Annotated[VerdictKind, kinds.text_of(one_of(VerdictKind)), _enum(VerdictKind)]


def _words(inner: Any) -> WithJsonSchema:
    """One or more of a kind, for the schema."""
    return WithJsonSchema({"anyOf": [inner, {"type": "array", "minItems": 1, "items": inner}]})


_Words = Annotated[
    list[_Word], _OneOrMore, Field(min_length=1), _words({"type": "string", "minLength": 1})
]
_Flaws = Annotated[list[_Flaw], _OneOrMore, Field(min_length=1), _words({"enum": list(Flaw)})]
_Zones = Annotated[list[ZoneKind], _OneOrMore, Field(min_length=1), _words({"enum": list(Zone)})]
_Criticalities = Annotated[
    list[CriticalityKind], _OneOrMore, Field(min_length=1), _words({"enum": list(Criticality)})
]
_Verdicts = Annotated[
    list[_Verdict], _OneOrMore, Field(min_length=1), _words({"enum": list(VerdictKind)})
]


class ConditionDocument(Strict):
    """What must hold, all of it."""

    version: _Version | None = Field(
        default=None, description="A range of versions.", examples=["<9.6", ">=2, <2.4"]
    )
    product: _Words | None = Field(
        default=None, description="Texts of which the product contains one.", examples=["Tomcat"]
    )
    title: _Words | None = Field(
        default=None, description="Texts of which the page's title contains one."
    )
    certificate: _Flaws | None = Field(
        default=None, description="Flaws of which the certificate has one.", examples=["expired"]
    )
    service: _Words | None = Field(
        default=None, description="nmap's names of services.", examples=[["redis"], "http"]
    )
    port: kinds.NamedPorts | None = Field(
        default=None, description="Ports, U: before those of UDP.", examples=["9200,9300", "U:161"]
    )
    tls: bool | None = Field(default=None, description="Whether the connection is encrypted.")
    zone: _Zones | None = Field(default=None, description="Zones.", examples=["internet"])
    criticality: _Criticalities | None = Field(
        default=None, description="How much depends on the asset."
    )
    verdict: _Verdicts | None = Field(default=None, description="Verdicts.")


class SeverityDocument(Strict):
    """How bad it is, by the zone that the endpoint is in."""

    internet: _Severity = Field(description="Where the internet reaches it.")
    dmz: _Severity = Field(description="In a network between the internet and the inside.")
    internal: _Severity = Field(description="Where only the inside reaches it.")


class ReferencesDocument(Strict):
    """Where others say the same."""

    cis: list[Annotated[str, kinds.text_of(_number("cis")), _reference("cis")]] = Field(
        default_factory=list, description="Safeguards of CIS Controls v8.", examples=[["4.4"]]
    )
    nist: list[Annotated[str, kinds.text_of(_number("nist")), _reference("nist")]] = Field(
        default_factory=list, description="Controls of NIST SP 800-53.", examples=[["SC-7(5)"]]
    )
    cwe: list[Annotated[str, kinds.text_of(_number("cwe")), _reference("cwe")]] = Field(
        default_factory=list, description="Weaknesses of the CWE list.", examples=[["CWE-306"]]
    )


class ExampleDocument(Strict):
    """An endpoint that this rule is for; without a service, one that was not identified."""

    port: kinds.NamedPorts = Field(description="Its port.", examples=[6379, "U:161"])
    service: kinds.Line | None = Field(default=None, description="nmap's name of its service.")
    product: kinds.Line | None = Field(default=None, description="Its product.")
    version: kinds.Line | None = Field(default=None, description="Its version.")
    title: kinds.Line | None = Field(default=None, description="The title of its page.")
    certificate: _Flaws | None = Field(default=None, description="Flaws of its certificate.")
    tls: bool = Field(default=False, description="Whether the connection is encrypted.")
    zone: ZoneKind = Field(default=Zone.INTERNAL, description="Where it is.")
    criticality: CriticalityKind = Field(
        default=Criticality.NORMAL, description="How much depends on it."
    )
    verdict: _Verdict = Field(default=VerdictKind.CONFIRMED, description="Its verdict.")
    severity: _Severity | None = Field(default=None, description="What it comes to.")


def _one_or_several(value: object) -> str:
    return "<several>" if isinstance(value, list) else "<one>"


def _text_or_zones(value: object) -> str:
    return "<zones>" if isinstance(value, dict) else "<text>"


_When = Annotated[
    Annotated[ConditionDocument, Tag("<one>")]
    | Annotated[list[ConditionDocument], Field(min_length=1), Tag("<several>")],
    Discriminator(_one_or_several),
]
_SeverityBy = Annotated[
    Annotated[_Severity, Tag("<text>")] | Annotated[SeverityDocument, Tag("<zones>")],
    Discriminator(_text_or_zones),
]


class RuleDocument(Strict):
    """A rule. With the id of one of portproof's it replaces that, and may leave out what stays."""

    id: _Id = Field(description="What the rule is called.", examples=["redis"])
    title: kinds.Line | None = Field(default=None, description="What is at risk, in one line.")
    concern: _Concern | None = Field(
        default=None,
        description="What it is about: of each, one rule decides. service if not told.",
    )
    when: _When | None = Field(
        default=None, description="What must hold, or several such of which one must hold."
    )
    by_port: kinds.NamedPorts | None = Field(
        default=None,
        description="Ports by which it goes where the service was not identified.",
        examples=[6379, "T:53,U:53"],
    )
    severity: _SeverityBy | None = Field(
        default=None, description="critical, high, medium, low or info; or each zone's own."
    )
    why: _Paragraph | None = Field(default=None, description="Why that is a risk.")
    remediation: Annotated[list[_Paragraph], Field(min_length=1)] | None = Field(
        default=None, description="What an administrator does about it, step by step."
    )
    references: ReferencesDocument | None = Field(
        default=None, description="Where others say the same."
    )
    examples: list[ExampleDocument] | None = Field(
        default=None, description="Endpoints that the rule must decide about."
    )


class PolicyDocument(Strict):
    """A file of risk rules."""

    version: kinds.Line | None = Field(
        default=None, description="Which policy it is.", examples=["2026.1"]
    )
    include: list[kinds.Line] = Field(
        default_factory=list, description="Files with more rules, beside this one."
    )
    rules: list[RuleDocument] = Field(default_factory=list, description="The rules.")
