"""Ask for service and version where an open port is believed, leaving fragile ports alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pipeline.decide import reasons, udp_tasks
from pipeline.decide.canaries import held
from pipeline.decide.fragile import spared
from pipeline.decide.pace import MARGIN
from pipeline.decide.questions import asked, at_rest, facts_by_host, tasks_for, verdicts
from pipeline.decide.standing import standings
from pipeline.decide.verdict import HostFacts
from pipeline.model import (
    Aftermath,
    Evidence,
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    StageName,
    Task,
    Verdict,
    VerdictKind,
)
from pipeline.plan import Policy
from pipeline.ports import PortSet
from pipeline.tools.nmap import version_packets

_WORTH_A_PROBE = frozenset(
    {reasons.NO_CONTROL, reasons.SILENT_LISTENER, reasons.UNLIKE_CONTROLS, reasons.REJECTED}
)


def plan(evidence: Evidence, policy: Policy) -> Iterable[Task]:
    """One version probe for each believed endpoint in a run, and a second where it went lost."""
    if evidence.batch.protocol is Protocol.UDP:
        for task in udp_tasks.version_probes(evidence, policy):
            yield from _small(task, policy)
        return
    resting = at_rest(evidence, policy) if policy.version_probe else {}
    if not resting:
        return
    waiting = held(evidence, policy)
    known = standings(evidence)
    facts = facts_by_host(evidence, known)
    believed = {
        endpoint
        for endpoint, verdict in verdicts(evidence).items()
        if endpoint in resting
        and endpoint.address not in waiting
        and not spared(evidence, policy, endpoint)
        and _believed(
            verdict,
            evidence.observations.get(endpoint, ()),
            facts.get(endpoint.address, HostFacts()),
        )
    }
    for round_ in (1, 2):
        wanted = believed - asked(evidence, Method.NMAP_VERSION, Purpose.VERSION, round_)
        if round_ > 1:
            wanted = {e for e in wanted if _went_lost(evidence.observations.get(e, ()))}
        # Those that said nothing by themselves first: nmap tries one question after the other on
        # them, and waits for each.
        quiet = {e for e in wanted if not any(o.banner for o in evidence.observations.get(e, ()))}
        for some in (quiet, wanted - quiet):
            for task in tasks_for(
                evidence,
                policy,
                some,
                stage=StageName.PROBE,
                method=Method.NMAP_VERSION,
                purpose=Purpose.VERSION,
                round_=round_,
                shy=known.shy,
            ):
                yield from _small(task, policy)


def _went_lost(heard: Iterable[Observation]) -> bool:
    """A version probe was made, and not even its SYN was answered."""
    states = {o.state for o in heard if o.purpose is Purpose.VERSION}
    return states == {PortState.FILTERED}


def _small(task: Task, policy: Policy) -> Iterator[Task]:
    """Cut a task so that all its probes at once stay below both ceilings.

    nmap cannot slow version probes and scripts down: what a task may send in its worst second is
    limited by how much it asks.
    """
    ceilings = policy.ceilings
    # The scripts are for TCP.
    scripts = policy.scripts if task.protocol is Protocol.TCP else ()
    each = version_packets(policy.version_intensity, scripts)
    ports_at_once = max(1, ceilings.rate_per_host // each)
    probes_at_once = max(1, int(min(ceilings.rate / 2, ceilings.of_a_network) * MARGIN) // each)
    ports = list(task.ports)
    width = min(ports_at_once, probes_at_once)
    for first in range(0, len(ports), width):
        some = PortSet.of(ports[first : first + width])
        for targets in task.targets.slices(max(1, probes_at_once // len(some))):
            yield replace(task, ports=some, targets=targets)


def _believed(verdict: Verdict, heard: Iterable[Observation], facts: HostFacts) -> bool:
    if verdict.kind is VerdictKind.CONFIRMED:
        return True
    if verdict.kind is VerdictKind.LIKELY:
        return verdict.reason in _WORTH_A_PROBE
    if verdict.reason == reasons.CONTROL_PORTS_ANSWER:
        # A real service behind a box that answers for everything says something of its own.
        return any(o.aftermath is Aftermath.DATA and o.banner not in facts.banners for o in heard)
    return False
