"""Ask independent methods about exactly the endpoints that somebody named.

First the control ports, which nobody named: where they answer, a SYN or a connect scan proves
nothing, and only the handshake is asked. Then one method after the other, the gentlest first.
Hosts that do not answer their canaries are waited for: asking them now would prove nothing, and
would keep them from coming back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from pipeline.decide import udp_tasks
from pipeline.decide.canaries import held
from pipeline.decide.loss import searches
from pipeline.decide.questions import (
    asked,
    ended,
    facts_by_host,
    named,
    phantoms,
    pretending_hosts,
    swept,
    tasks_for,
    with_purpose,
)
from pipeline.decide.refusals import believed_refusals
from pipeline.decide.standing import Standings, standings
from pipeline.decide.verdict import HostFacts
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
        yield from self._of_unknown_distance(controls)
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

    def _of_unknown_distance(self, controls: Set[Endpoint]) -> Iterator[Task]:
        """Control ports once more, of hosts that refuse but whose refusals all went lost.

        Only an answer to a bare SYN tells how far away the host is, and so whether something on the
        path answers in its place. Where little is lost, once is enough.
        """
        first = self.policy.methods[0]
        if first is not Method.NMAP_SYN:
            return
        asked_before = Counter(
            address
            for record in with_purpose(self.evidence, Purpose.CONTROL)
            if record.task.method is first
            for address in record.task.targets.addresses
        )
        facts = facts_by_host(self.evidence, self.known)
        refusing = {
            address
            for address in believed_refusals(self.evidence, self.known)
            if not facts.get(address, HostFacts()).refusal_ttls
        }
        for times in range(1, searches(self.evidence, self.known).asks_needed()):
            yield from tasks_for(
                self.evidence,
                self.policy,
                {e for e in controls if e.address in refusing and asked_before[e.address] == times},
                stage=StageName.CORROBORATE,
                method=first,
                purpose=Purpose.CONTROL,
                round_=times + 1,
                shy=self.known.shy,
            )

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
