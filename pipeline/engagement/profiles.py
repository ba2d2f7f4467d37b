"""Profiles: how hard to ask, how often, and what to leave alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from pipeline import resources
from pipeline.decide.scripts import MEASURED, denied
from pipeline.decide.throttle import LEAST_AT_FIRST
from pipeline.engagement import kinds
from pipeline.engagement.fragile import FRAGILE_PORTS
from pipeline.engagement.kinds import Concurrency, Duration, PlainPorts, Rate, Strict
from pipeline.engagement.source import LARGEST_YAML, Door, Source, read_limited
from pipeline.engagement.values import Limits, Profile
from pipeline.engagement.wording import did_you_mean, shown
from pipeline.ports import PortSet
from pipeline.wire import CONNECT_TIMEOUT_LIMIT

CANARY_WAITS: Final = (20.0, 20.0, 25.0, 60.0, 120.0)
"""Seconds to wait for a host that has fallen silent, one after the other, by default."""

SCRIPTS: Final = tuple(sorted(MEASURED))
"""The scripts that were measured: what they send is known. Each reads what a service says to
everybody. Others may be named, too, if nmap calls them safe and we do not object."""
_SCRIPT_NAME: Final = "[a-z0-9][a-z0-9.-]{0,63}"


def _script(text: str) -> str:
    if not re.fullmatch(_SCRIPT_NAME, text):
        raise ValueError(
            f"is not the name of a script{did_you_mean(text, SCRIPTS)} (got {shown(text)})"
        )
    if why := denied(text):
        raise ValueError(f"is a script that portproof does not run: {why} (got {shown(text)})")
    return text


_Script = Annotated[
    str,
    kinds.text_of(_script),
    WithJsonSchema({"type": "string", "pattern": f"^{_SCRIPT_NAME}$"}),
]
_ConnectTimeout = Annotated[Duration, AfterValidator(kinds.between(0.1, CONNECT_TIMEOUT_LIMIT))]
_Listen = Annotated[Duration, AfterValidator(kinds.between(0.1, 60))]
_RescanDelay = Annotated[Duration, AfterValidator(kinds.between(1, 7 * 86400))]
RescanDelays = Annotated[list[_RescanDelay], Field(max_length=10)]


def _whole_seconds(seconds: float) -> float:
    if seconds % 1:  # masscan --wait takes whole seconds only
        raise ValueError(f"must be whole seconds (got {seconds:g}s)")
    return seconds


class _Limits(Strict):
    rate: Rate
    rate_per_host: Rate
    concurrency: Concurrency

    @field_validator("rate_per_host")
    @classmethod
    def _below_the_sum(cls, rate_per_host: int, info: ValidationInfo) -> int:
        rate = info.data.get("rate")
        if rate is not None and rate_per_host > rate:
            raise ValueError(f"must not exceed rate, {rate} (got {rate_per_host})")
        return rate_per_host


class ProfileDocument(Strict):
    """A profile as its file has it."""

    name: kinds.Name
    masscan_retries: Annotated[int, Field(ge=0, le=10)]
    masscan_wait: Annotated[
        Duration, AfterValidator(kinds.between(1, 60)), AfterValidator(_whole_seconds)
    ]
    nmap_max_retries: Annotated[int, Field(ge=0, le=10)]
    handshake_connect_timeout: _ConnectTimeout
    handshake_listen: _Listen
    handshake_speaks: bool
    control_ports: Annotated[int, Field(ge=0, le=20)]
    version_probe: bool
    version_intensity: Annotated[int, Field(ge=0, le=9)]
    scripts: list[_Script]
    rescan_delays: RescanDelays
    limits: _Limits
    # What profiles did not have from the beginning has the values of `balanced`.
    canary_waits: Annotated[list[_RescanDelay], Field(max_length=10)] = Field(
        default_factory=lambda: list(CANARY_WAITS)
    )
    gentle_pace: Annotated[float, Field(ge=0.1, le=1000)] = 8.0
    slow_start: Annotated[float, Field(ge=LEAST_AT_FIRST, le=1)] = 0.125
    recover: Annotated[Duration, AfterValidator(kinds.between(1, 3600))] = 60.0
    second_looks: Annotated[int, Field(ge=0, le=8)] = 6
    watch_looks: Annotated[int, Field(ge=0, le=60)] = 7
    closer_looks: Annotated[int, Field(ge=0, le=60)] = 40
    sample: Annotated[int, Field(ge=0, le=100_000)] = 300
    fragile_ports: PlainPorts = Field(default_factory=lambda: [FRAGILE_PORTS])
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    snmp_public: bool = True

    def value(self) -> Profile:
        """The profile as a plain value."""
        fragile = PortSet.from_ranges(port for ports in self.fragile_ports for port in ports.ranges)
        return Profile(
            name=self.name,
            masscan_retries=self.masscan_retries,
            masscan_wait=int(self.masscan_wait),
            nmap_max_retries=self.nmap_max_retries,
            handshake_connect_timeout=self.handshake_connect_timeout,
            handshake_listen=self.handshake_listen,
            handshake_speaks=self.handshake_speaks,
            control_ports=self.control_ports,
            version_probe=self.version_probe,
            version_intensity=self.version_intensity,
            scripts=tuple(self.scripts),
            canary_waits=tuple(self.canary_waits),
            gentle_pace=self.gentle_pace,
            slow_start=self.slow_start,
            recover=self.recover,
            second_looks=self.second_looks,
            watch_looks=self.watch_looks,
            closer_looks=self.closer_looks,
            sample=self.sample,
            rescan_delays=tuple(self.rescan_delays),
            limits=Limits(
                rate=self.limits.rate,
                rate_per_host=self.limits.rate_per_host,
                concurrency=self.limits.concurrency,
            ),
            fragile_ports=fragile,
            attempts=self.attempts,
            snmp_public=self.snmp_public,
        )


def known_profiles() -> tuple[str, ...]:
    """The names of the profiles that come with portproof."""
    return tuple(sorted(path.stem for path in _folder().glob("*.yml")))


def read_profile(text: str, door: Door) -> Profile:
    """Read a profile by its name, or by the path of a YAML file beside the engagement.

    Raises ``ValueError`` with a sentence, or :class:`Reported` for mistakes inside the file.
    """
    known = known_profiles()
    if text in known:
        path = _folder() / f"{text}.yml"
    elif text.endswith((".yml", ".yaml")):
        path = door.folder / text
    else:
        hint = did_you_mean(text, known)
        raise ValueError(
            f"is neither a profile nor the name of a YAML file beside the engagement (got "
            f"{shown(text)}){hint}"
        )
    data = read_limited(path, LARGEST_YAML)
    return Source(door=door, path=path).validate(ProfileDocument, data).value()


def _folder() -> Path:
    return resources.folder("configs") / "profiles"
