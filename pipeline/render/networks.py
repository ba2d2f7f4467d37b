"""Networks in plain sentences: what happened to many of their hosts at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pipeline.addresses import Address
from pipeline.decide.facts import (
    NetworkRecord,
    Suspicion,
    Turn,
)
from pipeline.decide.standing import Mood
from pipeline.render.language import Phrases, figure, fraction, say, say_many
from pipeline.render.text import counted, instant, later, listed

_PORTS_NAMED: Final = 3

MEANWHILE: Final = Phrases(
    {
        Mood.SILENT: "What it kept silent about meanwhile counts for nothing",
        Mood.REFUSING: "Neither its refusals nor its silence meanwhile count",
        Mood.DECEIVING: "Nothing that it said meanwhile counts",
    }
)
DID: Final = Phrases(
    {
        Mood.SILENT: "stopped answering",
        Mood.REFUSING: "refused on every port that had been open",
        Mood.DECEIVING: "answered for ports that had refused before",
    }
)


def network_sentences(record: NetworkRecord) -> tuple[str, ...]:
    """All that is known about one network."""
    suspicion = (suspected(record),) if record.suspicion is not None else ()
    return (
        say(
            "{hosts} answered; {ports} asked on them: {opened} open, {refused} refused, {silent} "
            "silent.",
            hosts=counted(len(record.hosts), "host"),
            ports=counted(record.asked, "port"),
            opened=record.opened,
            refused=record.refused,
            silent=record.silent,
        ),
        *turns_of(record, record.hosts),
        *_searched(record),
        *suspicion,
        *gently(record),
    )


def network_name(record: NetworkRecord) -> str:
    """``10.80.1.0/24``."""
    return listed(record.network.networks())


def when_noticed(after: float | None, noticed: float) -> str:
    """Between the last time that all was well and the time when it was not."""
    if after is None:
        return say("Before {time}", time=instant(noticed))
    return say("Between {begin} and {end}", begin=instant(after), end=later(noticed, after))


def turns_of(record: NetworkRecord, hosts: Sequence[Address]) -> Iterator[str]:
    """What many hosts of a network did together."""
    for turn in record.turns:
        some = [host for host in turn.hosts if host in hosts]
        if some:
            yield _turn(turn, len(some))


def _turn(turn: Turn, hosts: int) -> str:
    told = say(
        "{when}, {hosts} {did}",
        when=when_noticed(turn.after, turn.noticed),
        hosts=counted(hosts, "host"),
        did=DID[turn.mood],
    )
    if turn.rate is not None and turn.rate_here is not None:
        told += say(", while a task asked at {rate} packets per second", rate=figure(turn.rate))
        if round(turn.rate_here) < round(turn.rate):
            told += say(" ({rate} of them to this network)", rate=figure(turn.rate_here))
    if turn.ports and len(turn.ports) <= _PORTS_NAMED:
        told += say_many(
            len(turn.ports),
            ". Only port {ports} was searched then: a trap may be tied to it",
            ". Only ports {ports} were searched then: a trap may be tied to it",
            ports=turn.ports,
        )
    if turn.until is None:
        return f"{told}. {say('It was not seen to end.')}"
    over = say("It was over at {time}.", time=later(turn.until, turn.noticed))
    return f"{told}. {over} {MEANWHILE[turn.mood]}."


def _searched(record: NetworkRecord) -> Iterator[str]:
    if not any(search.missed for search in record.searches):
        return
    parts = []
    for search in record.searches:
        name = say("the sweep") if search.number == 0 else say("look {n}", n=search.number)
        known = search.rate_here is not None
        parts.append(
            say(
                "{search}{rate} found {found} and missed {missed}",
                search=name,
                rate=say(" at {rate}/s", rate=figure(search.rate_here or 0)) if known else "",
                found=search.found,
                missed=search.missed,
            )
        )
    yield say("Searches of this network: {searches}.", searches="; ".join(parts))


def suspected(record: NetworkRecord) -> str:
    """A search that missed much, and what that looks like."""
    sweep = record.searches[0]
    told = {"missed": sweep.missed, "all": sweep.found + sweep.missed}
    if record.suspicion is Suspicion.RATE_LIMIT:
        return say(
            "The sweep missed {missed} of {all} open endpoints here, many more than elsewhere, and "
            "later looks found them more slowly: a rate limit, as it seems.",
            **told,
        )
    return say(
        "The sweep missed {missed} of {all} open endpoints here, many more than elsewhere, and "
        "later looks found them no more slowly: something seems to drop the sweep's kind of packet "
        "rather than limit its rate.",
        **told,
    )


def gently(record: NetworkRecord) -> Iterator[str]:
    """How many tasks asked a network slowly."""
    if record.gentle:
        yield say(
            "{tasks} asked this network gently, at {pace} probes per second at most.",
            tasks=counted(record.gentle, "task"),
            pace=fraction(f"{record.pace:g}"),
        )
