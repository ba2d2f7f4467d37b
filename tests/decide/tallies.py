"""Tallies of runs and engagements as values, for the tests of what is learned from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from pipeline.addresses import Address, AddressSet, parse_address
from pipeline.decide.tuning.proposal import Now, Past
from pipeline.decide.tuning.shares import Share
from pipeline.decide.tuning.tally import Lost, Rescanned, Settings, Tally, Trouble

SETTINGS: Final = Settings(
    rate=1000,
    rate_per_host=100,
    delays=(30.0, 300.0),
    control_ports=2,
    second_looks=2,
    watch_looks=7,
    canary_waits=(20.0, 60.0),
    connect_timeout=3.0,
    listen=1.0,
)
HOSTS: Final = AddressSet.parse(["192.0.2.0/24", "198.51.100.0/24"])
NOW: Final = Now(settings=SETTINGS, hosts=HOSTS, ports=100)


def now(**settings: Any) -> Now:
    """The engagement with other settings."""
    return replace(NOW, settings=replace(SETTINGS, **settings))


def tally(
    run: int = 1,
    *,
    lost: tuple[int, int] = (0, 0),
    lossy_hosts: tuple[int, int] = (0, 0),
    rounds: dict[int, tuple[int, int]] | None = None,
    unsettled: tuple[int, int] = (0, 0),
    given_up: tuple[float, ...] = (),
    provoked: int = 0,
    real: float = 900.0,
    settings: Settings = SETTINGS,
    **more: Any,
) -> Tally:
    """A run; shares are (hits, trials), ``real`` is the rate of its sweep."""
    return Tally(
        run=run,
        settings=settings,
        lost=Lost(endpoints=Share(*lost), hosts=Share(*lossy_hosts), rate=real),
        rescanned=Rescanned(
            rounds={number: Share(*share) for number, share in (rounds or {}).items()},
            open_ended=Share(*unsettled),
            lasted=(40.0,) * (unsettled[1] - unsettled[0]),
            given_up=given_up,
            provoked=provoked,
        ),
        **more,
    )


def hosts(*texts: str) -> frozenset[Address]:
    """Addresses."""
    return frozenset(map(parse_address, texts))


def many(count: int, *, of: str = "192.0.2.", first: int = 1) -> frozenset[Address]:
    """So many addresses of a network."""
    return frozenset(parse_address(f"{of}{first + number}") for number in range(count))


def blocking(count: int, checked: int, **more: Any) -> Tally:
    """A run in which some of the hosts that were asked canaries blocked."""
    troubles = {Trouble.BLOCKS: many(count)}
    return tally(checked=many(checked), troubles=troubles, **more)


def past(*tallies: Tally, **more: Any) -> Past:
    """The same runs as a history."""
    return Past(tallies=tallies, **more)


def runs(one: Tally, count: int = 3) -> Sequence[Tally]:
    """The same run, several times."""
    return tuple(replace(one, run=number) for number in range(1, count + 1))
