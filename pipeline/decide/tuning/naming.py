"""What the engagement should name: canaries, fragile hosts, and suppressions no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from pipeline.addresses import Address, AddressSet
from pipeline.decide.standing import network_number
from pipeline.decide.suppression import Suppression
from pipeline.decide.tuning.proposal import (
    PACKETS_A_QUESTION,
    Because,
    Change,
    Decision,
    Effect,
    Grounds,
    Kept,
    Key,
    Now,
    Past,
    Proposal,
)
from pipeline.decide.tuning.shares import Share
from pipeline.decide.tuning.tally import Trouble
from pipeline.model import Protocol

LEAST_LOOKS: Final = 5
"""Runs in a row that a canary must have been confirmed in, and that a suppression must have been
of no use in."""
LARGEST_LIST: Final = 100
"""Canaries that an engagement may name."""
MOST_CANARIES: Final = 5
"""Canaries that are proposed at a time."""
BREAKS_OFTEN: Final = 0.5


def canaries(past: Past, now: Now) -> Decision:
    """Name one endpoint in each network that has no canary, and where every look confirmed one."""
    key = Key.CANARIES
    have = {network_number(canary.address) for canary in now.canaries}
    troubled = {a for t in past.tallies for hosts in t.troubles.values() for a in hosts}
    fit = [
        (endpoint, looks)
        for endpoint, looks in past.steady.items()
        if looks >= LEAST_LOOKS
        and endpoint.protocol is Protocol.TCP
        and endpoint.address in now.hosts
        and endpoint.address not in troubled
        and endpoint.address not in now.fragile
        and network_number(endpoint.address) not in have
    ]
    if not fit or len(now.canaries) >= LARGEST_LIST:
        text = (
            f"every network has one, or none has an endpoint that {LEAST_LOOKS} looks confirmed "
            "without a doubt"
        )
        because = Because.SOUND if past.steady else Because.TOO_LITTLE
        return Kept(key=key, because=because, text=text)
    room = max(0, min(MOST_CANARIES, LARGEST_LIST - len(now.canaries)))
    chosen = sorted(fit, key=lambda item: (-item[1], item[0]))[:room]
    chosen.sort()
    return Proposal(
        key=key,
        change=Change.ADD,
        before=tuple(_written(canary) for canary in now.canaries),
        after=tuple(_written(endpoint) for endpoint, _ in chosen),
        why="open whenever somebody looked, and no canary of theirs is named: when they fall "
        "silent, we are blocked",
        grounds=tuple(
            Grounds(
                share=Share(looks, looks),
                of=f"looks at {_written(endpoint)} confirmed it",
                runs=looks,
            )
            for endpoint, looks in chosen
        ),
        effect=Effect(packets=len(chosen) * PACKETS_A_QUESTION),
    )


def _written(endpoint: object) -> str:
    """As the engagement has it: TCP goes without saying."""
    return str(endpoint).removesuffix("/tcp")


def fragile_hosts(past: Past, now: Now) -> Decision:
    """Spare hosts whose services went away each time that they were asked for versions."""
    key = Key.FRAGILE_HOSTS
    probed, broke = Counter[Address](), Counter[Address]()
    for tally in past.tallies:
        probed.update(tally.probed)
        broke.update(tally.hosts(Trouble.BREAKS) & tally.probed)
    grounds = {
        address: Grounds(
            share=Share(broke[address], probed[address]),
            of=f"version probes of {address} left it without what was open before",
            runs=probed[address],
        )
        for address in sorted(broke, key=lambda a: (a.version, int(a)))
        if address not in now.fragile and address in now.hosts
    }
    spared = {a: g for a, g in grounds.items() if g.share.low > BREAKS_OFTEN}
    if not spared:
        because = Because.TOO_LITTLE if grounds or not probed else Because.SOUND
        text = "no host surely breaks more often than not when it is asked for versions"
        return Kept(key=key, because=because, text=text, grounds=tuple(grounds.values())[:3])
    return Proposal(
        key=key,
        change=Change.ADD,
        before=_texts(now.fragile),
        after=tuple(map(str, spared)),
        why="what was open was not any more after the version probe: spare them",
        grounds=tuple(spared.values()),
        effect=Effect(note="no version probes and no newline to these hosts: fewer packets"),
    )


def _texts(addresses: AddressSet) -> tuple[str, ...]:
    return tuple(addresses.texts())


def suppressions(past: Past, now: Now) -> Iterator[Decision]:
    """Drop what has expired, or was of no use in any comparison."""
    for place, (entry, fired) in enumerate(zip(now.suppressions, past.fired, strict=True)):
        grounds = Grounds(
            share=fired.comparisons,
            of="comparisons had a change that it suppresses",
            runs=fired.comparisons.trials,
        )
        if fired.expired:
            why = f"it expired: it held until {entry.until_text}"
        elif fired.comparisons.trials >= LEAST_LOOKS and not fired.comparisons.hits:
            why = "no comparison had a change that it suppresses"
        else:
            because = Because.SOUND if fired.comparisons.hits else Because.TOO_LITTLE
            text = f"{_told(entry)}: " + (
                "it is of use" if fired.comparisons.hits else f"it takes {LEAST_LOOKS} comparisons"
            )
            yield Kept(key=Key.SUPPRESS, because=because, text=text, grounds=(grounds,))
            continue
        yield Proposal(
            key=Key.SUPPRESS,
            change=Change.DROP,
            before=_told(entry),
            after="",
            why=why,
            grounds=(grounds,),
            effect=Effect(note="no packets; what it would hide is told from then on"),
            place=place,
        )


def _told(entry: Suppression) -> str:
    """What it is about, in its own words."""
    where = ", ".join(entry.addresses.networks()) if entry.addresses is not None else "everywhere"
    ports = f" ports {entry.ports}" if entry.ports is not None else ""
    return f"{where}{ports} ({entry.reason})"
