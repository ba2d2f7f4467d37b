"""The shape of the engagement file, as pydantic models; only this package sees them.

A model's fields stand in an order: what a later one is checked against comes first. The texts of
``Field`` are what editors show, by way of ``configs/engagement.schema.json``.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from pipeline.decide.baseline import ACT_ON, ExpectedPorts
from pipeline.engagement import kinds
from pipeline.engagement.authorising import AuthorisationDocument
from pipeline.engagement.branding import BrandingDocument
from pipeline.engagement.delivering import DeliveriesList
from pipeline.engagement.expecting import read_expected
from pipeline.engagement.fragile import FragileDocument
from pipeline.engagement.hours import WindowsDocument
from pipeline.engagement.inventorying import AssetSourceDocument, few_enough
from pipeline.engagement.kinds import Duration, Strict
from pipeline.engagement.noticing import NoticesDocument
from pipeline.engagement.permitting import Asked, require_inside
from pipeline.engagement.privacy import AuditDocument, PrivacyDocument
from pipeline.engagement.profiles import RescanDelays, read_profile
from pipeline.engagement.providing import ThirdPartiesDocument
from pipeline.engagement.ruling import PolicyDocument
from pipeline.engagement.scoping import ScopeDocument
from pipeline.engagement.source import Reported, source_of
from pipeline.engagement.suppressing import MOST, SuppressionDocument
from pipeline.engagement.values import Profile
from pipeline.engagement.wording import did_you_mean, shown
from pipeline.engagement.zoning import RiskDocument, ZoneDocument
from pipeline.model import ChangeKind, Endpoint, Protocol

OUTPUTS: Final = (
    "html",
    "json",
    "nmap-xml",
    "markdown",
    "csv",
    "csv-findings",
    "xlsx",
    "pdf",
    "docx",
)
"""What a run can be written as."""
USUAL_OUTPUTS: Final = ("html", "json")
"""What it is written as where nothing is said."""


def _profile(value: object, info: ValidationInfo) -> Profile:
    return read_profile(kinds.line(value), source_of(info).door)


def _output(text: str) -> str:
    if text not in OUTPUTS:
        raise ValueError(f"is no output{did_you_mean(text, OUTPUTS)} (got {shown(text)})")
    return text


_Output = Annotated[str, kinds.text_of(_output), WithJsonSchema({"enum": list(OUTPUTS)})]


def _expected(value: object, info: ValidationInfo) -> ExpectedPorts:
    return read_expected(kinds.line(value), source_of(info).door)


def _change(text: str) -> ChangeKind:
    if text not in tuple(ChangeKind):
        raise ValueError(f"is no change{did_you_mean(text, ChangeKind)} (got {shown(text)})")
    return ChangeKind(text)


_Change = Annotated[ChangeKind, kinds.text_of(_change), WithJsonSchema({"enum": list(ChangeKind)})]


class VantageDocument(Strict):
    """The place that scans are sent from."""

    name: kinds.Name = Field(
        default="local", description="How reports call it.", examples=["office"]
    )
    interface: kinds.Interface | None = Field(
        default=None, description="The network interface.", examples=["eth0"]
    )
    source_address: kinds.SourceAddress | None = Field(
        default=None, description="The address that packets come from.", examples=["192.0.2.7"]
    )


class NetworkDocument(Strict):
    """How large a network is for which rate_per_network holds."""

    ipv4: Annotated[int, Field(ge=8, le=32)] = Field(
        default=24, description="Its prefix length of IPv4."
    )
    ipv6: Annotated[int, Field(ge=32, le=128)] = Field(
        default=64, description="Its prefix length of IPv6."
    )


class LimitsDocument(Strict):
    """Ceilings that hold in every second; the profile has defaults."""

    rate: kinds.Rate | None = Field(
        default=None, description="Packets per second, all tools in sum.", examples=[1000]
    )
    rate_per_host: kinds.Rate | None = Field(
        default=None, description="Packets per second to any one address.", examples=[50]
    )
    rate_per_network: kinds.Rate | None = Field(
        default=None,
        description="Packets per second to all addresses of one network together; only rate "
        "bounds it if left out.",
        examples=[200],
    )
    network: NetworkDocument = Field(default_factory=NetworkDocument)
    concurrency: kinds.Concurrency | None = Field(
        default=None, description="Commands that run at the same time.", examples=[4]
    )


_Span = Annotated[Duration, AfterValidator(kinds.between(1, 7 * 86400))]


class RescanDocument(Strict):
    """Asking again where methods disagree."""

    delays: RescanDelays | None = Field(
        default=None,
        description="How long to wait before each round; as many rounds as there are delays. "
        "As in the profile where nothing is said.",
        examples=[["30s", "5m", "30m"]],
    )
    until_settled: _Span | None = Field(
        default=None,
        description="For how long to repeat the last delay while endpoints are still in doubt.",
        examples=["30m"],
    )
    error: Annotated[float, Field(ge=0.002, le=0.2)] = Field(
        default=0.01,
        description="How often a verdict may be wrong that is not asked about again.",
    )
    packets_per_endpoint: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=500, description="What re-scans may send to one endpoint, at most."
    )
    packets: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = Field(
        default=None, description="What re-scans of the whole run may send, at most."
    )


class EngagementDocument(Strict):
    """An engagement of portproof: who allowed what, and how to ask."""

    client: kinds.Line = Field(description="Whose network it is.", examples=["Example Ltd"])
    engagement: kinds.Line = Field(
        description="What this engagement is called; runs of one name are compared.",
        examples=["weekly-perimeter"],
    )
    authorisation: AuthorisationDocument
    scope: ScopeDocument
    ports: kinds.Ports = Field(
        description="Ports as nmap writes them, U: before those of UDP; top:N for the N most "
        "frequent ones, or all.",
        examples=["top:1000", "22,80,443,8000-8100,U:53,161", "all", {"tcp": "all", "udp": 53}],
    )
    vantage: VantageDocument = Field(default_factory=VantageDocument)
    profile: Annotated[
        Profile, PlainValidator(_profile), WithJsonSchema({"type": "string", "minLength": 1})
    ] = Field(
        default="balanced",
        validate_default=True,
        description="careful, balanced, fast, or a YAML file beside this one.",
        examples=["careful", "balanced", "fast"],
    )
    limits: LimitsDocument = Field(default_factory=LimitsDocument)
    rescan: RescanDocument | None = None
    canaries: list[kinds.Canary] = Field(
        default_factory=list,
        max_length=100,
        description="Endpoints known to be open: every run asks them, whatever it finds.",
        examples=[["192.0.2.1:443"]],
    )
    fragile: FragileDocument = Field(default_factory=FragileDocument)
    windows: WindowsDocument | None = Field(
        default=None,
        description="When scanning is allowed; all the time of the authorisation if left out.",
    )
    third_parties: ThirdPartiesDocument = Field(
        default_factory=ThirdPartiesDocument,
        description="Whose addresses are in the scope besides the client's.",
    )
    zones: list[ZoneDocument] = Field(
        default_factory=list,
        description="Which networks the internet reaches, and how much depends on them.",
        examples=[[{"zone": "dmz", "networks": ["192.0.2.0/24"], "criticality": "high"}]],
    )
    risk: RiskDocument = Field(default_factory=RiskDocument)
    suppress: list[SuppressionDocument] = Field(
        default_factory=list,
        max_length=MOST,
        description="Changes that need not be told, each with a reason and a last day.",
        examples=[[{"endpoint": "192.0.2.10:8080", "reason": "test host", "until": "2027-01-31"}]],
    )
    baseline: (
        Annotated[ExpectedPorts, PlainValidator(_expected), WithJsonSchema({"type": "string"})]
        | None
    ) = Field(
        default=None,
        description="The ports that are expected to be open: a YAML or CSV file beside this one.",
        examples=["expected.yml", "expected.csv"],
    )
    assets: Annotated[list[AssetSourceDocument], AfterValidator(few_enough)] = Field(
        default_factory=list,
        max_length=50,
        description="Where assets are listed: to whom they belong, how much depends on them, and "
        "which of their ports are expected to be open.",
        examples=[[{"file": "assets.csv"}, {"file": "leases.csv", "format": "dhcp"}]],
    )
    vulnerabilities: list[kinds.Line] = Field(
        default_factory=list,
        max_length=50,
        description="Files of other scanners beside this one, as patterns: put beside each run "
        "when it has nothing left to ask.",
        examples=[["scans/*.nessus", "scans/**/*.jsonl"]],
    )
    act_on: list[_Change] = Field(
        default_factory=lambda: list(ACT_ON),
        min_length=1,
        description="The changes that make a run exit with 1; all but newly-covered otherwise.",
        examples=[["opened", "reappeared", "service-changed"]],
    )
    outputs: list[_Output] = Field(
        default_factory=lambda: list(USUAL_OUTPUTS),
        min_length=1,
        description="What a run is written as.",
        examples=[["html", "json", "nmap-xml"]],
    )

    privacy: PrivacyDocument = Field(default_factory=PrivacyDocument)
    audit: AuditDocument = Field(default_factory=AuditDocument)
    branding: BrandingDocument = Field(default_factory=BrandingDocument)
    notices: NoticesDocument | None = Field(
        default=None, description="Who is told before, during and after a run."
    )
    deliveries: DeliveriesList = Field(
        default_factory=list,
        max_length=20,
        description="Which other systems get the findings of each complete run.",
        examples=[[{"name": "siem", "to": "syslog", "server": "logs.example.com"}]],
    )

    @field_validator("limits")
    @classmethod
    def _per_host_below_the_sum(
        cls, limits: LimitsDocument, info: ValidationInfo
    ) -> LimitsDocument:
        profile = info.data.get("profile")
        if profile is None:
            return limits
        rate = limits.rate or profile.limits.rate
        whose = "rate" if limits.rate else f"the rate of profile {profile.name}"
        for key, given, most, of in (
            ("rate_per_network", limits.rate_per_network, rate, whose),
            ("rate_per_host", limits.rate_per_host, rate, whose),
            ("rate_per_host", limits.rate_per_host, limits.rate_per_network, "rate_per_network"),
        ):
            if given is not None and most is not None and given > most:
                what = f"must not exceed {of}, {most} (got {given})"
                source_of(info).complain(("limits", key), what)
                raise Reported
        return limits

    @field_validator("canaries")
    @classmethod
    def _canaries_are_in_scope(
        cls, canaries: list[Endpoint], info: ValidationInfo
    ) -> list[Endpoint]:
        scope = info.data.get("scope")
        if not isinstance(scope, ScopeDocument) or "ports" not in info.data:
            return canaries
        gathered, ports = scope.gathered, kinds.ports_of(info.data["ports"])
        asked = {Protocol.TCP: ports.tcp, Protocol.UDP: ports.udp}
        wrong = False
        for place, canary in enumerate(canaries):
            if canary.address in gathered.exclude:
                what = f"is excluded by the scope (got {canary})"
            elif canary.address not in gathered.reachable:
                what = f"lies outside the scope (got {canary})"
            elif not asked[canary.protocol]:
                what = (
                    f"is of {canary.protocol.upper()}, of which no ports are asked (got {canary})"
                )
            else:
                continue
            source_of(info).complain(("canaries", place), what)
            wrong = True
        if wrong:
            raise Reported
        return canaries

    @model_validator(mode="after")
    def _lies_inside_the_authorisation(self, info: ValidationInfo) -> Self:
        asked = Asked(
            scope=self.scope,
            ports=kinds.ports_of(self.ports),
            profile=self.profile,
            rate=self.limits.rate,
            rate_per_host=self.limits.rate_per_host,
            canaries=tuple(self.canaries),
        )
        require_inside(asked, self.authorisation.permits, source_of(info))
        return self


class _Schema(GenerateJsonSchema):
    """JSON Schema in which a key that may be left out is not also a key that may be null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        if found.get("default", 0) is None:
            del found["default"]
        return found

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the engagement file, for editors."""
    return _schema_of(EngagementDocument, "Engagement of portproof")


def policy_json_schema() -> dict[str, Any]:
    """The same of a file of risk rules."""
    return _schema_of(PolicyDocument, "Risk rules of portproof")


def _schema_of(model: type[Strict], title: str) -> dict[str, Any]:
    schema = model.model_json_schema(schema_generator=_Schema)
    for part in schema["$defs"].values():
        part.pop("title")  # a class name, which says nothing to who writes the file
    return schema | {"$schema": _Schema.schema_dialect, "title": title}
