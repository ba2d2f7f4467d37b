"""Two files of nmap against each other: only hosts that differ become evidence and verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.decide.others import verdicts_of_others
from pipeline.importing.arguments import targets_of
from pipeline.importing.hosts import Hosts
from pipeline.importing.occasion import Gathering, Occasion
from pipeline.importing.question import Ended, Interest, Named
from pipeline.importing.reading import problem_of, said_by
from pipeline.model import Endpoint, PortState, Purpose
from pipeline.parse.differing import DifferingHost, FileFacts, differing_hosts
from pipeline.parse.nmap_xml import HostResult
from pipeline.render.nmap_scripts import is_ours


def read_against(
    before: Path, after: Path, *, now: float
) -> tuple[tuple[Occasion, tuple[Ended, ...]], tuple[Occasion, tuple[Ended, ...]]] | None:
    """Two occasions without what both files say alike, each with all that its file asked.

    ``None`` unless both are nmap's own: ours bring verdicts along. Raises ``ParseError`` and
    ``OSError``.
    """
    found = differing_hosts(before, after)
    runs = (found.before.run, found.after.run)
    if any(run.scanner != "nmap" or is_ours(run.arguments) for run in runs):
        return None
    hosts = tuple(found)
    named = Named.of(endpoint for host in hosts for endpoint in _open(host))
    old = _half(before, found.before, [h for host in hosts for h in host.before], Named(), now)
    new = _half(after, found.after, [h for host in hosts for h in host.after], named, now)
    return old, new


def _open(host: DifferingHost) -> Iterator[Endpoint]:
    for result in host.before:
        for port in result.ports:
            if port.state is PortState.OPEN:
                yield Endpoint(result.address, port.protocol, port.port)


def _half(
    path: Path, facts: FileFacts, results: list[HostResult], expected: Named, now: float
) -> tuple[Occasion, tuple[Ended, ...]]:
    run = facts.run
    said = said_by(run, problem_of(run))
    gathered = Gathering()
    hosts = Hosts(1, run, gathered, Interest(expected=expected), now)
    for result in results:
        hosts.take(result)
    hosts.finish(run, cut_off=said.problem, wanted=targets_of(run.arguments))
    evidence = gathered.evidence()
    occasion = Occasion(
        files=(replace(said, name=path.name, format="nmap XML"),),
        evidence=evidence,
        verdicts=verdicts_of_others(evidence),
    )
    whole = facts.hosts - facts.down
    # Of version probes only those of the hosts in here are known: they say nothing of the file.
    ends = tuple(
        replace(ended, addresses=whole)
        for ended in gathered.ends
        if ended.question.purpose is Purpose.SWEEP and not ended.outcome
    )
    return occasion, ends
