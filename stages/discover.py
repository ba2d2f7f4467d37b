"""Sweep every admitted endpoint of a batch, to learn where an open port might be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from pipeline.addresses import AddressSet
from pipeline.decide.pace import (
    SECONDS_PER_SLICE,
    sweep_rate,
)
from pipeline.model import Evidence, Method, Purpose, StageName, Task
from pipeline.plan import Policy
from pipeline.ports import PortSet
from pipeline.scope import Targets


def plan(evidence: Evidence, policy: Policy) -> Iterable[Task]:
    """The sweep of a batch: all of it at once, cut by ports into tasks of about a minute.

    Addresses on a link of this host go to another tool than those behind a gateway, and the two
    address families never share a command.
    """
    if any(record.task.stage is StageName.DISCOVER for record in evidence.tasks):
        return
    batch = evidence.batch
    for targets, method in _by_method(batch.targets, policy):
        for ports in _slices(batch.ports, targets, policy):
            yield Task(
                batch=batch.number,
                stage=StageName.DISCOVER,
                method=method,
                purpose=Purpose.SWEEP,
                targets=targets,
                protocol=batch.protocol,
                ports=ports,
                vantage=policy.vantage,
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
    rate = sweep_rate(hosts, policy.ceilings)
    probes = rate * SECONDS_PER_SLICE / (policy.masscan_retries + 1)
    everything = list(ports)
    count = max(1, min(len(everything), round(hosts * len(everything) / max(1.0, probes))))
    # Even slices: a short last one would pay the start of a tool for next to nothing.
    edges = [len(everything) * place // count for place in range(count + 1)]
    for first, last in pairwise(edges):
        yield PortSet.of(everything[first:last])
