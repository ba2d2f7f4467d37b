"""Two files of nmap against each other: only hosts that differ become evidence and verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from pipeline.addresses import AddressSet
from pipeline.decide.others import verdicts_of_others
from pipeline.importing.arguments import targets_of
from pipeline.importing.hosts import Hosts, PortKey
from pipeline.importing.occasion import Gathering, Occasion
from pipeline.importing.question import Ended, Interest, Named
from pipeline.importing.reading import problem_of, said_by
from pipeline.model import Endpoint, PortState
from pipeline.parse.differing import Differing, DifferingHost, FileFacts, differing_hosts
from pipeline.parse.nmap_xml import HostResult
from pipeline.plan import ImportedFile

AT_ONCE: Final = 2_000
"""Hosts of which evidence and verdicts are held at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one of the two files says about itself, and what it asked as a whole."""

    file: ImportedFile
    ends: tuple[Ended, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """Two files, and what they do not say alike, some hosts at a time."""

    before: Said
    after: Said
    parts: Iterator[tuple[Occasion, Occasion]]


def read_against(before: Path, after: Path, *, now: float) -> Against | None:
    """Read two files for what differs; ``parts`` reads them once more.

    ``None`` unless both are nmap's own. Raises ``ParseError`` and ``OSError``.
    """
    found = differing_hosts(before, after)
    if {found.before.run.scanner, found.after.run.scanner} != {"nmap"}:
        return None
    old, new = _said(before, found.before, now), _said(after, found.after, now)
    return Against(before=old, after=new, parts=_parts(found, old, new, now))


def _parts(
    found: Differing, old: Said, new: Said, now: float
) -> Iterator[tuple[Occasion, Occasion]]:
    waiting = iter(found)
    while hosts := tuple(islice(waiting, AT_ONCE)):
        named = Named.of(endpoint for host in hosts for endpoint in _open(host))
        alike = [_alike(host) for host in hosts]
        then = [(each, same) for h, same in zip(hosts, alike, strict=True) for each in h.before]
        later = [(each, same) for h, same in zip(hosts, alike, strict=True) for each in h.after]
        yield (
            _occasion(old, found.before, then, Named(), now),
            _occasion(new, found.after, later, named, now),
        )


def _alike(host: DifferingHost) -> frozenset[PortKey]:
    """The ports of which both sides say the same: nothing comes of them but work.

    Without an open one, which shows that the host is there, and those that tell machines apart.
    """
    if len(host.before) != 1 or len(host.after) != 1:
        return frozenset()
    (then,), (now,) = host.before, host.after
    said = {(port.protocol, port.port): port for port in now.ports}
    same = {
        (port.protocol, port.port): port.state
        for port in then.ports
        if said.get((port.protocol, port.port)) == port
        and not (port.service and port.service.scripts)
    }
    witness = next((key for key, state in same.items() if state is PortState.OPEN), None)
    return frozenset(same.keys() - {witness})


def _open(host: DifferingHost) -> Iterator[Endpoint]:
    for result in host.before:
        for port in result.ports:
            if port.state is PortState.OPEN:
                yield Endpoint(result.address, port.protocol, port.port)


def _said(path: Path, facts: FileFacts, now: float) -> Said:
    run = facts.run
    said = said_by(run, problem_of(run))
    gathered = Gathering()
    Hosts(1, run, gathered, Interest(), now).finish(run, cut_off="", wanted=AddressSet())
    whole = facts.hosts - facts.down
    return Said(
        file=replace(said, name=path.name, format="nmap XML"),
        ends=tuple(replace(ended, addresses=whole) for ended in gathered.ends),
    )


def _occasion(
    said: Said,
    facts: FileFacts,
    results: Iterable[tuple[HostResult, frozenset[PortKey]]],
    expected: Named,
    now: float,
) -> Occasion:
    run = facts.run
    gathered = Gathering()
    hosts = Hosts(1, run, gathered, Interest(expected=expected), now)
    for result, alike in results:
        hosts.take(result, alike)
    hosts.finish(run, cut_off=said.file.problem, wanted=targets_of(run.arguments))
    evidence = gathered.evidence()
    return Occasion(files=(said.file,), evidence=evidence, verdicts=verdicts_of_others(evidence))
