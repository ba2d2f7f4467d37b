"""What is still to be asked about a UDP batch: a sweep, control ports, what was named, versions.

Discovery is nmap's UDP scan of all ports, and a question of our own in the protocol of the port
where we have one. Corroboration asks both about exactly the named endpoints. Without the privilege
to send raw packets there are only our own questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from pipeline.decide import reasons
from pipeline.decide.fragile import is_fragile, spared
from pipeline.decide.pace import MARGIN, SECONDS_PER_SLICE
from pipeline.decide.questions import asked, ended, named, tasks_for, verdicts
from pipeline.decide.questions import with_purpose as of_purpose
from pipeline.decide.rescan import LOSS_DELAY, may_be_a_loss, round_due, worth_asking_again
from pipeline.decide.udp_pace import PACKETS_PER_PAYLOAD, by_payloads, payloads
from pipeline.model import (
    Endpoint,
    Evidence,
    Method,
    Purpose,
    StageName,
    Task,
    TaskRecord,
    VerdictKind,
)
from pipeline.plan import Policy
from pipeline.ports import PortSet
from pipeline.scope import Targets

_VERSION_ROUNDS: Final = 3
_BELIEVED: Final = frozenset({VerdictKind.CONFIRMED, VerdictKind.LIKELY})


def methods(policy: Policy) -> tuple[Method, ...]:
    """What corroborates, in this order."""
    return (Method.NMAP_UDP, Method.DATAGRAM) if policy.privileged else (Method.DATAGRAM,)


def hosts_per_batch(policy: Policy) -> int:
    """So many that a sweep goes at the full rate, and takes about a minute if that can be."""
    ceilings = policy.ceilings
    packets = len(policy.udp_ports) * PACKETS_PER_PAYLOAD * (policy.nmap_max_retries + 1)
    minute = ceilings.rate * MARGIN * SECONDS_PER_SLICE / max(1, packets)
    return max(1, int(minute), -(-ceilings.rate // ceilings.rate_per_host))


def sweep(evidence: Evidence, policy: Policy) -> Iterator[Task]:
    """Every endpoint of the batch, cut by ports into tasks of about a minute of sending."""
    if of_purpose(evidence, Purpose.SWEEP):
        return
    batch = evidence.batch
    fragile = batch.targets.addresses & policy.fragile.hosts
    for addresses, method, ports in (
        *((batch.targets.addresses - fragile, *one) for one in _sweepers(batch.ports, policy)),
        (fragile, Method.DATAGRAM, batch.ports),
    ):
        for version in (4, 6):
            targets = batch.targets.only(addresses).family(version)
            for some in _slices(ports, targets, policy) if targets else ():
                yield Task(
                    batch=batch.number,
                    stage=StageName.DISCOVER,
                    method=method,
                    purpose=Purpose.SWEEP,
                    targets=targets,
                    protocol=batch.protocol,
                    ports=some,
                    vantage=policy.vantage,
                )


def _sweepers(ports: PortSet, policy: Policy) -> Iterator[tuple[Method, PortSet]]:
    if not policy.privileged:
        yield Method.DATAGRAM, ports
        return
    for some in by_payloads(ports - policy.no_guess_ports - policy.fragile_ports):
        yield Method.NMAP_UDP, some
    # Many services answer nothing but their own protocol, and nmap does not speak them all.
    yield (
        Method.DATAGRAM,
        (ports & (policy.question_ports | policy.no_guess_ports | policy.fragile_ports)),
    )


def _slices(ports: PortSet, targets: Targets, policy: Policy) -> Iterator[PortSet]:
    everything = list(ports)
    packets = targets.addresses.size * len(everything) * PACKETS_PER_PAYLOAD * payloads(ports)
    packets *= policy.nmap_max_retries + 1
    minutes = packets / (policy.ceilings.rate * MARGIN * SECONDS_PER_SLICE)
    count = max(1, min(len(everything), round(minutes)))
    edges = [len(everything) * place // count for place in range(count + 1)]
    for first, last in pairwise(edges):
        if first < last:
            yield PortSet.of(everything[first:last])


def corroboration(evidence: Evidence, policy: Policy) -> Iterator[Task]:
    """Control ports of every named host, then each method about what was named."""
    wanted = named(evidence)
    if not _swept(evidence) or not wanted:
        return
    controls = {
        Endpoint(endpoint.address, endpoint.protocol, port)
        for endpoint in wanted
        for port in policy.control_ports
    } - wanted
    for method in methods(policy):
        new = controls - asked(evidence, method, Purpose.CONTROL)
        yield from _tasks(evidence, policy, new, method, Purpose.CONTROL)
    if not ended(of_purpose(evidence, Purpose.CONTROL)) or not all(
        controls <= asked(evidence, method, Purpose.CONTROL) for method in methods(policy)
    ):
        return
    for method in methods(policy):
        some = _may_be_asked(wanted, method, policy) - asked(evidence, method, Purpose.NAMED, 1)
        yield from _tasks(evidence, policy, some, method, Purpose.NAMED)


def again(evidence: Evidence, policy: Policy) -> Iterator[Task]:
    """The next round for the endpoints still in doubt, not before its delay has passed."""
    rounds = of_purpose(evidence, Purpose.NAMED)
    if not corroborated(evidence, policy) or not rounds:
        return
    last = max(record.task.round for record in rounds)
    asked_at = _end_of(rounds, last)
    due = round_due(
        last,
        asked_at,
        policy.rescan_delays,
        first_asked_at=_end_of(rounds, 1),
        until_settled=policy.until_settled,
    )
    if due is None:
        return
    heard = evidence.observations
    in_doubt = {
        endpoint
        for endpoint, verdict in verdicts(evidence).items()
        if verdict.reason != reasons.REPLY_NOT_UNDERSTOOD
        and worth_asking_again(verdict, heard.get(endpoint, ()))
    }
    lost = {e for e in in_doubt if last == 1 and may_be_a_loss(heard.get(e, ()))}
    for some, when in ((lost, min(due, asked_at + LOSS_DELAY)), (in_doubt - lost, due)):
        for method in methods(policy):
            yield from tasks_for(
                evidence,
                policy,
                _may_be_asked(some, method, policy),
                stage=StageName.RESCAN,
                method=method,
                purpose=Purpose.NAMED,
                round_=last + 1,
                not_before=when,
            )


def version_probes(evidence: Evidence, policy: Policy) -> Iterator[Task]:
    """A version probe for each believed endpoint; they need raw packets.

    nmap sends each question of a version probe once, so that a loss looks like silence. Where
    nobody but us got an answer, it is asked up to :data:`_VERSION_ROUNDS` times.
    """
    if not (policy.version_probe and policy.privileged and corroborated(evidence, policy)):
        return
    found = verdicts(evidence)
    believed = {
        endpoint
        for endpoint, verdict in found.items()
        if verdict.kind in _BELIEVED and not spared(evidence, policy, endpoint)
    }
    alone = {endpoint for endpoint in believed if found[endpoint].reason == reasons.ONE_METHOD}
    wanted = _may_be_asked(believed, Method.NMAP_VERSION, policy)
    for round_ in range(1, _VERSION_ROUNDS + 1):
        before = asked(evidence, Method.NMAP_VERSION, Purpose.VERSION, round_)
        yield from tasks_for(
            evidence,
            policy,
            wanted - before,
            stage=StageName.PROBE,
            method=Method.NMAP_VERSION,
            purpose=Purpose.VERSION,
            round_=round_,
        )
        if not ended(of_purpose(evidence, Purpose.VERSION)):
            return
        wanted = before & alone


def corroborated(evidence: Evidence, policy: Policy) -> bool:
    """True when every named endpoint has been through every method of corroboration."""
    if not _swept(evidence) or not ended(of_purpose(evidence, Purpose.NAMED)):
        return False
    return named(evidence) <= asked(evidence, Method.DATAGRAM, Purpose.NAMED, 1)


def _swept(evidence: Evidence) -> bool:
    sweeps = of_purpose(evidence, Purpose.SWEEP)
    return bool(sweeps) and ended(sweeps)


def _may_be_asked(endpoints: set[Endpoint], method: Method, policy: Policy) -> set[Endpoint]:
    """nmap guesses the community of SNMP agents, and speaks to what is fragile."""
    if method is Method.DATAGRAM:
        return endpoints
    return {
        endpoint
        for endpoint in endpoints
        if endpoint.port not in policy.no_guess_ports
        and not is_fragile(endpoint.address, endpoint.port, policy)
    }


def _tasks(
    evidence: Evidence, policy: Policy, endpoints: set[Endpoint], method: Method, purpose: Purpose
) -> Iterator[Task]:
    return tasks_for(
        evidence, policy, endpoints, stage=StageName.CORROBORATE, method=method, purpose=purpose
    )


def _end_of(records: Iterable[TaskRecord], round_: int) -> float:
    return max(record.ended or 0.0 for record in records if record.task.round == round_)
