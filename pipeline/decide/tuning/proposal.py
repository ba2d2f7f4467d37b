"""What a decision about a setting is: a proposal with its grounds and effect, or that it stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pipeline.addresses import AddressSet
from pipeline.decide.suppression import Suppression
from pipeline.decide.tuning.shares import Share
from pipeline.decide.tuning.tally import Settings, Tally, Trouble
from pipeline.model import Endpoint

LEAST_RUNS: Final = 3
"""Runs without which nothing is proposed."""
LEAST_TRIALS: Final = 20
"""Cases without which a share says nothing."""
PACKETS_A_QUESTION: Final = 12
"""What one more round for one endpoint sends: SYN scan, connect scan, a handshake that speaks."""

Value = int | tuple[str, ...] | str


class Key(StrEnum):
    """The settings that can be proposed, in the order in which they are told."""

    RATE = "limits.rate"
    RATE_PER_NETWORK = "limits.rate_per_network"
    RATE_PER_HOST = "limits.rate_per_host"
    DELAYS = "rescan.delays"
    CANARY_WAITS = "profile.canary_waits"
    CONTROL_PORTS = "profile.control_ports"
    SECOND_LOOKS = "profile.second_looks"
    WATCH_LOOKS = "profile.watch_looks"
    CONNECT_TIMEOUT = "profile.handshake_connect_timeout"
    LISTEN = "profile.handshake_listen"
    CANARIES = "canaries"
    FRAGILE_HOSTS = "fragile.hosts"
    SUPPRESS = "suppress"

    @property
    def of_profile(self) -> bool:
        """True for a key of the profile, which is another file than the engagement."""
        return self.value.startswith("profile.")

    @property
    def path(self) -> tuple[str, ...]:
        """The keys that lead to it in its file."""
        steps = tuple(self.value.split("."))
        return steps[1:] if self.of_profile else steps


class Change(StrEnum):
    """What is done to a key."""

    SET = "set"
    """It gets this value."""
    ADD = "add"
    """These entries join the list."""
    DROP = "drop"
    """The entry at this place leaves the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """Why: a share of what, in how many runs."""

    share: Share
    of: str
    runs: int

    def __str__(self) -> str:
        share = self.share
        runs = f"in {self.runs} run{'' if self.runs == 1 else 's'}"
        if not share.trials:
            return f"no {self.of} {runs}"
        value = f"{share.hits / share.trials:.1%}; 95 %: {share.low:.1%} to {share.high:.1%}"
        return f"{share.hits:,} of {share.trials:,} {self.of} ({value}) {runs}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What is expected of one run: seconds and packets more, or less where they are negative."""

    seconds: float = 0.0
    packets: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One change. ``place`` is the entry of the list that is dropped."""

    key: Key
    change: Change
    before: Value
    after: Value
    why: str
    grounds: tuple[Grounds, ...]
    effect: Effect = field(default_factory=Effect)
    place: int = 0


class Because(StrEnum):
    """Why a setting stays as it is."""

    TOO_LITTLE = "not enough evidence"
    SOUND = "nothing speaks for another value"
    BOUND = "it is at its bound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A setting that stays, and what is known about it."""

    key: Key
    because: Because
    text: str
    grounds: tuple[Grounds, ...] = ()


Decision = Proposal | Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What the engagement says now. ``hosts`` are the addresses of the scope, ``ports`` how many
    of TCP are asked, ``retries`` those of the sweep; ``permitted`` are the authorisation's rates in
    sum and for a host, ``None`` where it has none."""

    settings: Settings
    hosts: AddressSet
    ports: int
    retries: int = 1
    speaks: bool = True
    concurrency: int = 8
    canaries: tuple[Endpoint, ...] = ()
    fragile: AddressSet = field(default_factory=AddressSet)
    suppressions: tuple[Suppression, ...] = ()
    permitted: tuple[int | None, int | None] = (None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """A suppression of the engagement: of the comparisons that could have met it, how many did."""

    comparisons: Share
    expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is on file about an engagement, the oldest run first.

    ``steady``: endpoints that every run found confirmed that looked, and how many did, at most one
    of each network. ``wavering``: of looks at endpoints that were ever transient, those that called
    them confirmed, in the runs with the settings of now. ``overlooked``: of looks that came between
    two which confirmed an endpoint, those that heard nothing of it.
    """

    tallies: Sequence[Tally] = ()
    steady: Mapping[Endpoint, int] = field(default_factory=dict)
    wavering: Share = field(default_factory=Share)
    wavering_runs: int = 0
    overlooked: Share = field(default_factory=Share)
    overlooked_runs: int = 0
    fired: Sequence[Fired] = ()

    def with_settings(self, now: Now, *names: str) -> tuple[Tally, ...]:
        """The runs that had the present values of these settings: only they speak about them."""
        wanted = [getattr(now.settings, name) for name in names]
        return tuple(
            t for t in self.tallies if [getattr(t.settings, name) for name in names] == wanted
        )


def mean(numbers: Sequence[float]) -> float:
    """The mean; 0 of nothing."""
    return sum(numbers) / len(numbers) if numbers else 0.0


def too_little(key: Key, grounds: Grounds, cases: int = LEAST_TRIALS) -> Kept | None:
    """That nothing can be said yet, if so."""
    if grounds.runs >= LEAST_RUNS and grounds.share.trials >= cases:
        return None
    least = f"{LEAST_RUNS} runs with the present setting and {cases} cases are the least"
    return Kept(key=key, because=Because.TOO_LITTLE, text=least, grounds=(grounds,))


def turned(tallies: Sequence[Tally]) -> Share:
    """Of all hosts that were asked canaries, run by run, those that turned against us: that fell
    silent, turned us away, or pretended for a while."""
    hits = sum(
        len((tally.hosts(Trouble.BLOCKS) | tally.hosts(Trouble.PROVOKED)) & tally.checked)
        for tally in tallies
    )
    return Share(hits, sum(len(tally.checked) for tally in tallies))


def span(seconds: float) -> str:
    """A duration as the engagement has it: ``1500ms``, ``90s``, ``5m``, ``2h``, ``3d``."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= size and seconds % size == 0:
            return f"{round(seconds / size)}{unit}"
    return f"{round(seconds * 1000)}ms"


def spans(seconds: Sequence[float]) -> tuple[str, ...]:
    """Several of them."""
    return tuple(map(span, seconds))
