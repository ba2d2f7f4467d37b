"""Ask independent methods about exactly the endpoints that somebody named.

First the control ports, which nobody named: where they answer, a SYN or a connect scan proves
nothing, and only the handshake is asked. Then one method after the other, the gentlest first.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.decide.questions import (
    asked,
    ended,
    named,
    pretending_hosts,
    tasks_for,
    with_purpose,
)
from pipeline.model import Endpoint, Evidence, Method, Purpose, StageName, Task
from pipeline.plan import Policy


def plan(evidence: Evidence, policy: Policy) -> Iterable[Task]:
    """The next question of the corroboration, or nothing when it waits or is done."""
    sweeps = with_purpose(evidence, Purpose.SWEEP)
    if not sweeps or not ended(sweeps):
        return
    wanted = named(evidence)
    if not wanted:
        return
    hosts = {(endpoint.address, endpoint.protocol) for endpoint in wanted}
    controls = {
        Endpoint(address, protocol, port)
        for address, protocol in hosts
        for port in policy.control_ports
    } - wanted
    yield from _missing(evidence, policy, controls, policy.methods[0], Purpose.CONTROL)
    if not ended(with_purpose(evidence, Purpose.CONTROL)) or not controls <= asked(
        evidence, policy.methods[0], Purpose.CONTROL
    ):
        return
    pretending = pretending_hosts(evidence)
    suspicious = {endpoint for endpoint in controls if endpoint.address in pretending}
    yield from _missing(evidence, policy, suspicious, Method.HANDSHAKE, Purpose.CONTROL)
    honest = {endpoint for endpoint in wanted if endpoint.address not in pretending}
    for method in policy.methods:
        of_method = wanted if method is Method.HANDSHAKE else honest
        missing = of_method - asked(evidence, method, Purpose.NAMED, 1)
        yield from _ask(evidence, policy, missing, method, Purpose.NAMED)
        if missing or not ended(with_purpose(evidence, Purpose.NAMED)):
            return


def _missing(
    evidence: Evidence,
    policy: Policy,
    wanted: set[Endpoint],
    method: Method,
    purpose: Purpose,
) -> Iterable[Task]:
    return _ask(evidence, policy, wanted - asked(evidence, method, purpose), method, purpose)


def _ask(
    evidence: Evidence,
    policy: Policy,
    endpoints: set[Endpoint],
    method: Method,
    purpose: Purpose,
) -> Iterable[Task]:
    return tasks_for(
        evidence, policy, endpoints, stage=StageName.CORROBORATE, method=method, purpose=purpose
    )
