"""From a path to an engagement, or to every mistake in it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pipeline.deliveries.settings import Destination
from pipeline.engagement.delivering import DeliveriesList
from pipeline.engagement.document import EngagementDocument, LimitsDocument, RescanDocument
from pipeline.engagement.inventorying import gathered
from pipeline.engagement.kinds import ports_of
from pipeline.engagement.noticing import NoticesDocument
from pipeline.engagement.permitting import PermitsDocument
from pipeline.engagement.source import LARGEST_YAML, Door, Reported, Source, read_limited
from pipeline.engagement.suppressing import suppression
from pipeline.engagement.values import (
    Authorisation,
    Engagement,
    Limits,
    Profile,
    RiskSettings,
    Vantage,
)
from pipeline.engagement.zoning import RiskDocument, ZoneDocument, settings_of
from pipeline.errors import EngagementError, Error, UsageError
from pipeline.netbox.settings import NetboxSettings
from pipeline.notices.settings import NoticeSettings

_Part = TypeVar("_Part", bound=BaseModel)


def load(path: Path, *, now: float | None = None) -> Engagement:
    """Read an engagement file and all that it names.

    Raises :class:`EngagementError` with every mistake, :class:`UsageError` when there is no such
    file, and, when ``now`` is given, :class:`NotAuthorised` unless the authorisation is valid then.
    Nothing is resolved and nothing is sent.
    """
    try:
        data = read_limited(path, LARGEST_YAML)
    except ValueError as problem:
        hint = "`portproof init` writes an engagement to start from"
        raise UsageError(str(problem), hint=hint) from None
    engagement = sound(path, data)
    if now is not None:
        engagement.authorisation.require(now)
    return engagement


def sound(path: Path, data: bytes) -> Engagement:
    """The engagement that a file at ``path`` is when it holds ``data``.

    Raises :class:`EngagementError` with every mistake.
    """
    door = Door(folder=path.parent)
    source = Source(door=door, path=path)
    try:
        document = source.validate(EngagementDocument, data)
    except Reported:
        raise EngagementError(tuple(door.mistakes)) from None
    return _engagement(document, path.absolute(), data, source)


class _RiskPart(BaseModel):
    """Of an engagement only what is about risks."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    zones: list[ZoneDocument] = Field(default_factory=list)
    risk: RiskDocument = Field(default_factory=RiskDocument)


def risk_settings(path: Path, text: str, name: str) -> RiskSettings:
    """What an engagement says about risks now, for a run that was begun with ``text``.

    Where the file is gone, is not sound, or is about another engagement by now, what ``text`` says
    counts. Never raises: a report must not fail for it. What could not be read is in ``note``.
    """
    if (engagement := _by_now(path, name)) is not None:
        return engagement.risk
    if not text.strip():  # an imported run has none
        return RiskSettings()
    door = Door(folder=path.parent)
    try:
        part = Source(door=door, path=path).validate(_RiskPart, text.encode())
    except Reported:
        what = "the zones and risk rules of the engagement could not be read"
        return RiskSettings(note=f"{what}: {door.mistakes[0]}" if door.mistakes else what)
    return settings_of(part.zones, part.risk)


class _NoticesPart(BaseModel):
    """Of an engagement only what is about notices."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    notices: NoticesDocument | None = None


def notice_settings(file: str, text: str, name: str) -> NoticeSettings | None:
    """Whom an engagement tells now, for a run that was begun with ``text``; ``None``: nobody.

    Where the file is gone, is not sound, or is about another engagement by now, what ``text`` says
    counts. Never raises.
    """
    path = Path(file)
    if (engagement := _by_now(path, name)) is not None:
        return engagement.notices
    part = _part(_NoticesPart, path, text)
    return part.notices.value if part and part.notices else None


class _DeliveriesPart(BaseModel):
    """Of an engagement only what is about deliveries."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    deliveries: DeliveriesList = Field(default_factory=list)


def destinations(file: str, text: str, name: str) -> tuple[Destination, ...]:
    """Where an engagement delivers now, for a run that was begun with ``text``.

    Where the file is gone, is not sound, or is about another engagement by now, what ``text`` says
    counts. Never raises.
    """
    path = Path(file)
    if (engagement := _by_now(path, name)) is not None:
        return engagement.deliveries
    part = _part(_DeliveriesPart, path, text)
    return tuple(one.value for one in part.deliveries) if part else ()


def _by_now(path: Path, name: str) -> Engagement | None:
    try:
        engagement = load(path)
    except Error:
        return None
    return engagement if engagement.name == name else None


def _part(model: type[_Part], path: Path, text: str) -> _Part | None:
    try:
        return Source(door=Door(folder=path.parent), path=path).validate(model, text.encode())
    except Reported:
        return None


def _engagement(
    document: EngagementDocument, path: Path, data: bytes, source: Source
) -> Engagement:
    door = source.door
    scope = document.scope.gathered
    rescan = document.rescan or RescanDocument()
    delays = document.profile.rescan_delays if rescan.delays is None else rescan.delays
    vantage = document.vantage
    ports = ports_of(document.ports)
    assets = tuple(source.found for source in document.assets)
    return Engagement(
        client=document.client,
        name=document.engagement,
        path=path,
        folder=path.parent,
        text=data.decode("utf-8-sig"),
        text_sha256=door.files[0].sha256,
        files=tuple(door.files),
        authorisation=_authorisation(document, source),
        include=scope.include,
        exclude=scope.exclude,
        include_names=scope.include_names,
        exclude_names=scope.exclude_names,
        ports=ports.tcp,
        udp_ports=ports.udp,
        vantage=Vantage(
            name=vantage.name,
            interface=vantage.interface,
            source_address=vantage.source_address,
        ),
        limits=_limits(document.limits, document.profile, document.authorisation.permits),
        profile=document.profile,
        rescan_delays=tuple(delays),
        until_settled=rescan.until_settled or 0.0,
        rescan_error=rescan.error,
        rescan_packets_per_endpoint=rescan.packets_per_endpoint,
        rescan_packets=rescan.packets,
        fragile=document.fragile.value(),
        canaries=tuple(sorted(set(document.canaries))),
        suppressions=tuple(
            suppression(entry, document.authorisation.timezone) for entry in document.suppress
        ),
        hours=document.windows.hours(document.authorisation.timezone) if document.windows else None,
        outputs=tuple(dict.fromkeys(document.outputs)),
        expected=document.baseline,
        assets=assets,
        vulnerabilities=tuple(document.vulnerabilities),
        inventory=gathered(each for each in assets if not isinstance(each, NetboxSettings)),
        act_on=tuple(dict.fromkeys(document.act_on)),
        privacy=document.privacy.value,
        signing_key=document.audit.signing_key,
        risk=settings_of(document.zones, document.risk),
        third_parties=document.third_parties.value,
        notices=document.notices.value if document.notices else None,
        deliveries=tuple(one.value for one in document.deliveries),
    )


def _authorisation(document: EngagementDocument, source: Source) -> Authorisation:
    given = document.authorisation
    return Authorisation(
        reference=given.reference,
        signatory=given.signatory,
        valid_from=given.valid_from[1],
        valid_until=given.valid_until[1],
        valid_from_text=given.valid_from[0],
        valid_until_text=given.valid_until[0],
        document=given.document.path if given.document else None,
        document_sha256=given.document.sha256 if given.document else None,
        role=given.role or "",
        contacts=tuple(contact.value() for contact in given.contacts),
        permits=given.permits.value(source),
    )


def _limits(given: LimitsDocument, profile: Profile, permits: PermitsDocument) -> Limits:
    default = profile.limits
    # What nobody asked for comes down to what the authorisation permits.
    rate = given.rate or _at_most(default.rate, permits.rate)
    per_host = _at_most(default.rate_per_host, permits.rate_per_host)
    return Limits(
        rate=rate,
        # A rate below the profile's own share per host lowers that, too.
        rate_per_host=given.rate_per_host or min(per_host, rate, given.rate_per_network or rate),
        concurrency=given.concurrency or default.concurrency,
        rate_per_network=given.rate_per_network,
        network=(given.network.ipv4, given.network.ipv6),
    )


def _at_most(rate: int, permitted: int | None) -> int:
    return rate if permitted is None else min(rate, permitted)
