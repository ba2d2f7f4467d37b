"""Ask independent methods about exactly the endpoints that somebody named.

First the control ports, which nobody named: where they answer, a SYN or a connect scan proves
nothing, and only the handshake is asked. Then one method after the other, the gentlest first.
Hosts that do not answer their canaries are waited for: asking them now would prove nothing, and
would keep them from coming back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.decide import udp_tasks
from pipeline.decide.canaries import held
from pipeline.decide.questions import (
    asked,
    ended,
    named,
    phantoms,
    pretending_hosts,
    swept,
    tasks_for,
    with_purpose,
)
from pipeline.decide.standing import Standings, standings
from pipeline.model import Endpoint, Evidence, Method, Protocol, Purpose, StageName, Task
from pipeline.plan import Policy


def plan(evidence: Evidence, policy: Policy) -> Iterable[Task]:
    """The next question of the corroboration, or nothing when it waits or is done."""
    if evidence.batch.protocol is Protocol.UDP:
        yield from udp_tasks.corroboration(evidence, policy)
        return
    if not swept(evidence):
        return
    known = standings(evidence)
    resting = held(evidence, policy)
    wanted = {endpoint for endpoint in named(evidence) if endpoint.address not in resting}
    if wanted:
        yield from _Corroboration(evidence, policy, known).of(wanted)


@dataclass(frozen=True, slots=True)
class _Corroboration:
    evidence: Evidence
    policy: Policy
    known: Standings

    def of(self, wanted: set[Endpoint]) -> Iterator[Task]:
        hosts = {(endpoint.address, endpoint.protocol) for endpoint in wanted}
        controls = {
            Endpoint(address, protocol, port)
            for address, protocol in hosts
            for port in self.policy.control_ports
        } - wanted
        first = self.policy.methods[0]
        yield from self._missing(controls, first, Purpose.CONTROL)
        if not ended(with_purpose(self.evidence, Purpose.CONTROL)) or not controls <= asked(
            self.evidence, first, Purpose.CONTROL
        ):
            return
        pretending = pretending_hosts(self.evidence, self.known)
        suspicious = {endpoint for endpoint in controls if endpoint.address in pretending}
        yield from self._missing(suspicious, Method.HANDSHAKE, Purpose.CONTROL)
        honest = {endpoint for endpoint in wanted if endpoint.address not in pretending}
        gone = phantoms(self.evidence, self.known, self.policy)
        for method in self.policy.methods:
            of_method = (wanted if method is Method.HANDSHAKE else honest) - gone
            missing = of_method - asked(self.evidence, method, Purpose.NAMED, 1)
            yield from self._ask(missing, method, Purpose.NAMED)
            # The re-scans of others may be due in half an hour.
            named_now = with_purpose(self.evidence, Purpose.NAMED)
            if missing or not ended(record for record in named_now if record.task.round == 1):
                return

    def _missing(self, wanted: set[Endpoint], method: Method, purpose: Purpose) -> Iterator[Task]:
        return self._ask(wanted - asked(self.evidence, method, purpose), method, purpose)

    def _ask(self, endpoints: set[Endpoint], method: Method, purpose: Purpose) -> Iterator[Task]:
        return tasks_for(
            self.evidence,
            self.policy,
            endpoints,
            stage=StageName.CORROBORATE,
            method=method,
            purpose=purpose,
            shy=self.known.shy,
        )
