"""Find out where an open port might be: canaries, a sweep, and a second look at what kept silent.

Before the sweep every address is asked one port that nobody named: whoever answers is alive, and
what it answers is what canaries are compared with later. Then comes the sweep of all admitted
endpoints, the ports that trip wires are tied to last. Hosts that answered are asked their canaries
again, and where those fall silent or turn, the network is left alone until they are back. What a
living host kept silent about is asked once more by another tool and more slowly, because silence
is no refusal: it may be a loss, a limit, or a filter with a taste.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise

from pipeline.addresses import AddressSet
from pipeline.decide import udp_tasks
from pipeline.decide.canaries import baseline, canaries_due
from pipeline.decide.looks import looks
from pipeline.decide.pace import SECONDS_PER_SLICE, sweep_rate_over
from pipeline.decide.questions import ended, hosts_of, still_swept, sweep_rounds, with_purpose
from pipeline.decide.sampling import sample
from pipeline.decide.standing import standings
from pipeline.model import Evidence, Method, Protocol, Purpose, StageName, Task
from pipeline.plan import Policy
from pipeline.ports import PortSet
from pipeline.scope import Targets


def plan(evidence: Evidence, policy: Policy) -> Iterable[Task]:
    """The next question of the discovery, or nothing when it waits or is done."""
    if evidence.batch.protocol is Protocol.UDP:
        yield from udp_tasks.sweep(evidence, policy)
        return
    canaries = with_purpose(evidence, Purpose.CANARY)
    sweeps = with_purpose(evidence, Purpose.SWEEP)
    if not canaries and not sweeps:
        first = list(baseline(evidence, policy))
        if first:
            yield from first
            return
    if not ended(r for r in canaries if r.task.round == 0) or not ended(sweeps):
        return
    due = list(canaries_due(evidence, policy))
    targets = still_swept(evidence)
    for number, some in enumerate(sweep_rounds(evidence.batch.ports)):
        if some and targets and not any(record.task.round == number for record in sweeps):
            # What is waited for must not hold up the others, but what is due now comes first.
            now = [record for record in canaries if not record.task.not_before]
            if ended(now) and all(task.not_before for task in due):
                yield from _sweep(evidence, policy, targets, some, number)
            yield from due
            return
    more = list(looks(evidence, standings(evidence), policy, busy=hosts_of(due)))
    yield from due
    yield from more
    if not due and not more and ended(with_purpose(evidence, Purpose.CANARY, Purpose.SECOND_LOOK)):
        yield from sample(evidence, policy)


def _sweep(
    evidence: Evidence, policy: Policy, all_: Targets, wanted: PortSet, round_: int
) -> Iterator[Task]:
    """A sweep of all these targets, cut by ports into tasks of about a minute.

    Addresses on a link of this host go to another tool than those behind a gateway, and the two
    address families never share a command.
    """
    batch = evidence.batch
    for targets, method in _by_method(all_, policy):
        for ports in _slices(wanted, targets, policy):
            yield Task(
                batch=batch.number,
                stage=StageName.DISCOVER,
                method=method,
                purpose=Purpose.SWEEP,
                targets=targets,
                protocol=batch.protocol,
                ports=ports,
                vantage=policy.vantage,
                round=round_,
            )


def _by_method(targets: Targets, policy: Policy) -> Iterator[tuple[Targets, Method]]:
    near: AddressSet = targets.addresses & policy.beyond_sweep
    for version in (4, 6):
        for addresses, method in (
            (near, policy.sweep_instead),
            (targets.addresses - near, policy.sweep),
        ):
            part = targets.only(addresses).family(version)
            if part:
                yield part, method


def _slices(ports: PortSet, targets: Targets, policy: Policy) -> Iterator[PortSet]:
    hosts = targets.addresses.size
    rate = sweep_rate_over(targets.addresses, policy.ceilings)
    probes = rate * SECONDS_PER_SLICE / (policy.masscan_retries + 1)
    everything = list(ports)
    count = max(1, min(len(everything), round(hosts * len(everything) / max(1.0, probes))))
    # Even slices: a short last one would pay the start of a tool for next to nothing.
    pilots = _pilots(probes / SECONDS_PER_SLICE / hosts, policy.slow_start) if count > 1 else ()
    begun = sum(pilots)
    if 2 * begun > len(everything):
        pilots, begun = (), 0
    rest = len(everything) - begun
    edges = [0, *accumulate(pilots)][:-1] if pilots else []
    edges += [begun + rest * place // count for place in range(count + 1)]
    for first, last in pairwise(edges):
        yield PortSet.of(everything[first:last])


def _pilots(ports_per_second: float, share: float) -> tuple[int, ...]:
    """How many ports the first short slices have: a second each, at a rate that doubles.

    What is learned from each decides about the next, before a slice of a minute begins.
    """
    found = []
    while share < 1.0:
        found.append(max(1, round(ports_per_second * share)))
        share *= 2
    return tuple(found)
