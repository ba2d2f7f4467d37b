"""Hosts and networks in plain sentences: what they answered, and whether they could be believed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.addresses import Address, AddressSet
from pipeline.decide.facts import (
    AT_ONCE,
    Doubt,
    HostRecord,
    Neighbourhoods,
    NetworkRecord,
)
from pipeline.decide.signatures import Signature, likely, of_host
from pipeline.decide.standing import Episode, network_of
from pipeline.model import Protocol
from pipeline.render.language import Phrases, fraction, say
from pipeline.render.networks import (
    DID,
    MEANWHILE,
    gently,
    network_name,
    suspected,
    turns_of,
    when_noticed,
)
from pipeline.render.text import counted, later, listed, shortened, visible

_BANNER: Final = 80
_HOSTS_NAMED: Final = 6

DOUBTS: Final = Phrases(
    {
        Doubt.ANSWERS_FOR_EVERYTHING: "answering for every port",
        Doubt.DECEIVED_US: "deceived us for a time",
        Doubt.TURNED_US_AWAY: "turned us away for a time",
        Doubt.DROPPED_US: "dropped us for a time",
        Doubt.CHANGED_TOGETHER: "many ports open now and refused then",
        Doubt.MOSTLY_OPEN: "most ports answering as if open",
    }
)
"""Every doubt in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbelieved:
    """Some hosts of one network that could not be believed, for the same reasons.

    ``title`` names them; ``sentences`` tell what they did.
    """

    title: str
    hosts: tuple[Address, ...]
    doubts: tuple[Doubt, ...]
    sentences: tuple[str, ...]


def unbelieved(known: Neighbourhoods) -> tuple[Unbelieved, ...]:
    """What a reader must know before believing the findings: by network, in numeric order."""
    alike: dict[tuple[AddressSet, Protocol, tuple[Doubt, ...]], list[HostRecord]] = {}
    for record in known.hosts:
        if record.doubts:
            key = network_of(record.address), record.protocol, record.doubts
            alike.setdefault(key, []).append(record)
    networks = {(record.network, record.protocol): record for record in known.networks}
    told = [
        _unbelieved(records, doubts, networks.get((network, protocol)))
        for (network, protocol, doubts), records in alike.items()
    ]
    told += [
        Unbelieved(
            title=say("{network}: a search that missed much", network=network_name(record)),
            hosts=record.hosts,
            doubts=(),
            sentences=(suspected(record),),
        )
        for record in known.networks
        if record.suspicion is not None
    ]
    return tuple(sorted(told, key=lambda each: int(each.hosts[0])))


def deceivers(known: Neighbourhoods) -> frozenset[Address]:
    """Hosts that answered for ports that refuse otherwise."""
    doubts = {Doubt.DECEIVED_US, Doubt.CHANGED_TOGETHER}
    return frozenset(r.address for r in known.hosts if doubts & {*r.doubts})


def _unbelieved(
    records: Sequence[HostRecord], doubts: tuple[Doubt, ...], network: NetworkRecord | None
) -> Unbelieved:
    hosts = tuple(record.address for record in records)
    what = listed([DOUBTS[doubt] for doubt in doubts])
    sentences: list[str] = []
    if len(records) == 1:
        sentences += host_sentences(records[0])
    else:
        sentences.append(f"{counts_of(records)} {say('The hosts: {hosts}.', hosts=named(hosts))}")
        sentences += _pretence_of(records)
        sentences += _likely(records)
        sentences += _wavering(records)
    if network is not None:
        sentences += turns_of(network, hosts) if len(records) > 1 else ()
        sentences += gently(network)
    where = str(hosts[0])
    if len(hosts) > 1 and network is not None:
        where = say(
            "{hosts} of {network}",
            hosts=counted(len(hosts), "host"),
            network=network_name(network),
        )
    return Unbelieved(
        title=f"{where}: {what}", hosts=hosts, doubts=doubts, sentences=tuple(sentences)
    )


def counts_of(records: Iterable[HostRecord]) -> str:
    """``300 ports asked on 3 hosts: 3 open, 290 refused, 7 silent (1 % open).``"""
    records = tuple(records)
    asked = sum(record.asked for record in records)
    opened = sum(len(record.opened) for record in records)
    refused = sum(record.refused for record in records)
    silent = sum(record.silent for record in records)
    where = say(" on {n} hosts", n=len(records)) if len(records) > 1 else ""
    share = say(" ({share} % open)", share=f"{100 * opened / asked:.0f}") if asked else ""
    return say(
        "{ports} asked{where}: {opened} answered as if open, {refused} refused, {silent} kept "
        "silent{share}.",
        ports=counted(asked, "port"),
        where=where,
        opened=opened,
        refused=refused,
        silent=silent,
        share=share,
    )


def host_sentences(record: HostRecord) -> tuple[str, ...]:
    """All that is known about one host, beside the verdicts on its endpoints."""
    return (
        counts_of((record,)),
        *_controls(record),
        *_likely((record,)),
        *_canaries(record),
        *_ttls(record),
        *_alike(record),
        *_wavering((record,)),
    )


def named(hosts: Sequence[Address]) -> str:
    """The first few hosts by address, and how many more."""
    return shortened([str(host) for host in hosts], _HOSTS_NAMED)


def likely_text(signature: Signature) -> str:
    """The likely name of an artefact, which decides nothing."""
    return say(
        "It looks like {title} ({id}): {what}.",
        title=say(signature.title),
        id=signature.id,
        what=say(signature.what),
    )


def _likely(records: Sequence[HostRecord]) -> Iterator[str]:
    """What all of these hosts look like, if it has a name."""
    from pipeline.engagement.artefacts import our_signatures  # see render/story.py

    found = {likely(our_signatures(), of_host(record)) for record in records}
    if len(found) == 1 and (signature := found.pop()) is not None:
        yield likely_text(signature)


# --- one host ------------------------------------------------------------------------------------


def _controls(record: HostRecord) -> Iterator[str]:
    controls = record.controls
    if not controls.asked:
        yield say("No control port was asked: nobody knows whether it answers for everything.")
        return
    asked = counted(controls.asked, "control port")
    if controls.answers_for_everything:
        yield say(
            "Of {asked}, which nobody named, {n} answered as if open and none refused: something "
            "answers for every port of this host.",
            asked=asked,
            n=controls.open_,
        )
        return
    silent = controls.asked - controls.open_ - controls.refused
    told = [
        f"{number} {what}"
        for number, what in (
            (controls.open_, say("answered as if open")),
            (controls.refused, say("refused")),
            (silent, say("kept silent")),
        )
        if number
    ]
    yield say("Of {asked}, which nobody named, {told}.", asked=asked, told=listed(told))


def _canaries(record: HostRecord) -> Iterator[str]:
    standing = record.standing
    if not standing.checks:
        yield say(
            "It was asked no canary: whether it could be believed all the time was not watched."
        )
        return
    if standing.pretends:
        yield say("A port that nobody named was open on it before the sweep began.")
    for episode in standing.episodes:
        yield episode_sentence(episode, record)
    if not standing.episodes:
        rounds = counted(len(standing.checks), "round")
        if len(standing.checks) > 1:
            yield say(
                "Its canaries were asked in {rounds}, and answered as they should.", rounds=rounds
            )


def episode_sentence(episode: Episode, record: HostRecord) -> str:
    """When a host ceased to be a witness, what it did, and what that means."""
    bad = (c.time for c in record.standing.checks if c.time > episode.after)
    noticed = next(bad, episode.after)
    when = when_noticed(None if episode.after == float("-inf") else episode.after, noticed)
    told = {"when": when, "did": DID[episode.mood]}
    if episode.is_void:
        return say(
            "{when}, it {did}, and did not stop: its control ports decide what it can be believed.",
            **told,
        )
    if episode.until:
        until = later(episode.until, noticed)
        ended = say("{when}, it {did}, and was itself again at {until}.", until=until, **told)
    else:
        ended = say("{when}, it {did}, and was not heard again.", **told)
    return f"{ended} {MEANWHILE[episode.mood]}."


def _ttls(record: HostRecord) -> Iterator[str]:
    answers, refusals = record.answer_ttls, record.refusal_ttls
    if not answers or not refusals:
        return
    told = listed([str(ttl) for ttl in answers]), listed([str(ttl) for ttl in refusals])
    if answers == refusals and len(answers) == 1:
        yield say(
            "Answers and refusals arrived with the same time to live ({ttl}): as far as that "
            "tells, nobody nearer answers in its stead.",
            ttl=told[0],
        )
    else:
        yield say(
            "Its answers arrived with the time to live {answers}, its refusals with {refusals}.",
            answers=told[0],
            refusals=told[1],
        )


def _alike(record: HostRecord) -> Iterator[str]:
    if record.banner:
        said = visible(record.banner, _BANNER)
        yield say('Every endpoint that spoke said the same: "{said}".', said=said)
    if record.at_once:
        yield say(
            "Its {n} open ports answered the sweep within {seconds} s: separate services hardly do "
            "that.",
            n=len(record.opened),
            seconds=fraction(f"{AT_ONCE:g}"),
        )


def _wavering(records: Sequence[HostRecord]) -> Iterator[str]:
    wavering = sum(r.wavering for r in records if Doubt.CHANGED_TOGETHER in r.doubts)
    if wavering:
        yield say(
            "{ports} answered as if open at one time and refused at another: a device that answers "
            "for every port now and then is likelier than so many services that come and go.",
            ports=counted(wavering, "port"),
        )


# --- several hosts -------------------------------------------------------------------------------


def _pretence_of(records: Sequence[HostRecord]) -> Iterator[str]:
    pretending = [r for r in records if Doubt.ANSWERS_FOR_EVERYTHING in r.doubts]
    if pretending:
        yield say(
            "Ports that nobody named answer there, too: a device on the path or a catch-all "
            "answers, and which services stand behind it cannot be seen from here."
        )
    banners = {record.banner for record in records}
    if len(banners) == 1 and "" not in banners:
        said = visible(banners.pop(), _BANNER)
        yield say('They all say the same on every port: "{said}".', said=said)
