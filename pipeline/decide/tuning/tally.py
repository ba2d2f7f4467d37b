"""What one run says about its own settings, as counts that add up over runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Final

from pipeline.addresses import Address, AddressSet
from pipeline.decide.tuning.shares import Share
from pipeline.model import Method, Protocol, Purpose

_HOST_BITS: Final = 8
"""A network is a /24, or a /120 of IPv6, as elsewhere where hosts are neighbours."""


class PortClass(StrEnum):
    """The three ranges of ports (RFC 6335, section 6)."""

    SYSTEM = "1-1023"
    USER = "1024-49151"
    DYNAMIC = "49152-65535"

    @classmethod
    def of(cls, port: int) -> PortClass:
        """The range that a port lies in."""
        if port < 1024:
            return cls.SYSTEM
        return cls.USER if port < 49152 else cls.DYNAMIC


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """What is counted together: a method, a network (its number), a range of ports."""

    network: int
    protocol: Protocol
    ports: PortClass
    method: Method


def network_text(number: int) -> str:
    """``192.0.2.0/24``, of a number of ``standing.network_number``."""
    first = number << _HOST_BITS
    return AddressSet(((first, first + (1 << _HOST_BITS) - 1),)).networks()[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How far one method is right.

    ``false``: of the endpoints that it called open and that were decided, those that were judged
    an artefact or refuted. ``missed``: of the confirmed ones that it asked, those that it did not
    hear the first time.
    """

    false: Share = field(default_factory=Share)
    missed: Share = field(default_factory=Share)

    def __add__(self, other: Told) -> Told:
        return Told(false=self.false + other.false, missed=self.missed + other.missed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What the sweep of a run lost.

    ``endpoints``: of the open ones on hosts of which the sweep heard something, those that only
    later looks found. ``hosts``: of these hosts, those of which something was lost. ``rate`` is
    the mean rate, in packets a second, that the sweep was let go at; 0 when there was none.
    """

    endpoints: Share = field(default_factory=Share)
    hosts: Share = field(default_factory=Share)
    rate: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescanned:
    """What became of endpoints that were asked again.

    Those in doubt tell about the delays, and only they: what is asked again to be heard twice is
    settled whenever that is. ``rounds``: round (2 is the first re-scan) to how many of those asked
    in doubt were settled by it. ``open_ended``: of all in doubt, those that the run left unsettled.
    ``lasted``: for the settled, how long from the first answer to the last, in seconds;
    ``given_up``: the same for the unsettled, which lasted longer than that.
    ``questions`` counts endpoints times rounds, in doubt or not; ``repeated`` those of them that
    only repeated what had been heard, and ``provoked`` those on hosts that turned against us.
    """

    rounds: Mapping[int, Share] = field(default_factory=dict)
    open_ended: Share = field(default_factory=Share)
    lasted: tuple[float, ...] = ()
    given_up: tuple[float, ...] = ()
    questions: int = 0
    repeated: int = 0
    provoked: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """What hosts cost that turned against us, and how they bore to be asked gently.

    ``waited`` are the seconds in which any of them was waited for. ``again``: of those that were
    back and asked gently, those that turned once more; ``pace`` is what their network got of that
    at most, in probes a second.
    """

    waited: float = 0.0
    again: Share = field(default_factory=Share)
    pace: float = 0.0


class Trouble(StrEnum):
    """What a host does that settings can mind."""

    BLOCKS = "blocks"
    """It fell silent, or turned us away, while it was asked."""
    NEVER_BACK = "stays away"
    """It blocked, and was not back when the run gave up waiting."""
    PROVOKED = "pretends when it is asked too fast"
    """It answered for ports on which nothing is while it was asked, and no more later."""
    DECEIVES = "deceives"
    """It answers for ports on which nothing is."""
    FLAPS = "flaps"
    """Something on it came and went."""
    BREAKS = "breaks"
    """What was open on it was not any more after it had been asked for versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be tuned. Rates are packets per second, durations seconds."""

    rate: int
    rate_per_host: int
    rate_per_network: int | None = None
    delays: tuple[float, ...]
    control_ports: int
    second_looks: int
    watch_looks: int
    canary_waits: tuple[float, ...]
    connect_timeout: float
    listen: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One run. ``checked`` are hosts that were asked canaries, ``probed`` those that were asked for
    versions; ``troubles`` names hosts. ``last_look``: of all open endpoints, those that only the
    last look that was allowed found. ``silent``: of handshakes with what is confirmed, those that
    got no answer the first time; ``mute``: of services that speak, those that did not when first
    listened to. ``asked`` counts endpoints by purpose."""

    run: int
    settings: Settings
    seconds: float = 0.0
    told: Mapping[Cell, Told] = field(default_factory=dict)
    lost: Lost = field(default_factory=Lost)
    rescanned: Rescanned = field(default_factory=Rescanned)
    turned: Turned = field(default_factory=Turned)
    last_look: Share = field(default_factory=Share)
    silent: Share = field(default_factory=Share)
    mute: Share = field(default_factory=Share)
    trusted: frozenset[Address] = frozenset()
    """Hosts with many endpoints that are believed, and none that was judged an artefact."""
    found_out: frozenset[Address] = frozenset()
    """Hosts with many endpoints that were judged artefacts."""
    unanswered: int = 0
    believed: int = 0
    checked: frozenset[Address] = frozenset()
    probed: frozenset[Address] = frozenset()
    troubles: Mapping[Trouble, frozenset[Address]] = field(default_factory=dict)
    asked: Mapping[Purpose, int] = field(default_factory=dict)

    def hosts(self, trouble: Trouble) -> frozenset[Address]:
        """The hosts that have it."""
        return self.troubles.get(trouble, frozenset())


def same(one: Settings, other: Settings, *names: str) -> bool:
    """True when two runs had the same values of these settings."""
    assert set(names) <= {each.name for each in fields(Settings)}
    return all(getattr(one, name) == getattr(other, name) for name in names)


def add_up(tallies: Iterable[Tally]) -> dict[Cell, Told]:
    """How far the methods were right over all these runs."""
    found: dict[Cell, Told] = {}
    for tally in tallies:
        for cell, told in tally.told.items():
            found[cell] = found.get(cell, Told()) + told
    return dict(sorted(found.items()))
