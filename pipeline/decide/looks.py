"""Second looks: what a living host kept silent about is asked again, by another tool, more slowly.

A sweep is fast, and speed loses answers: on the way, in a limit, in the tool itself. On a host that
answers, silence of a port means a filter or a loss, and asking once more tells which. Looks are
repeated, each at half the speed, while they still find something; what is expected to be missed
then is below one endpoint in a hundred.

Networks that turned against us are looked at in small pieces at a gentle pace, a canary after each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.addresses import Address, AddressSet
from pipeline.decide.canaries import baseline_task
from pipeline.decide.grouping import covering_groups
from pipeline.decide.loss import SECOND_SWEEP, Searches, opens, searches
from pipeline.decide.pace import sweep_rate_over
from pipeline.decide.questions import (
    TRIP_WIRES,
    named,
    unanswered,
    waited_for,
    with_purpose,
)
from pipeline.decide.refusals import believed_refusals, during
from pipeline.decide.standing import (
    Mood,
    Standings,
    by_network,
    living,
    networks,
)
from pipeline.model import (
    Endpoint,
    Evidence,
    Method,
    Observation,
    Purpose,
    StageName,
    Task,
    TaskState,
)
from pipeline.plan import Policy
from pipeline.ports import PortSet

GENTLE_SECONDS: Final = 12.0
"""How long one piece of a gentle look takes, and so how much one block can spoil."""
_EXPECTED_MISSES: Final = 0.005
_HEAVY_LOSS: Final = 0.03


def looks(
    evidence: Evidence, known: Standings, policy: Policy, *, busy: AddressSet
) -> Iterator[Task]:
    """The next looks; none for ``busy`` hosts, and none that are being asked or waited for."""
    if not policy.second_looks:
        return
    alive = living(evidence, known)
    held = busy | unanswered(evidence, Purpose.CANARY, Purpose.SECOND_LOOK)
    waiting = waited_for(known, policy)
    history = _History.of(evidence, known)
    done = bool(with_purpose(evidence, Purpose.SECOND_LOOK))
    for addresses in by_network(sorted(alive, key=int)).values():
        ready = [a for a in addresses if a not in held and a not in waiting]
        if addresses[0] in known.shy:
            # One piece at a time, for the whole network.
            if len(ready) == len(addresses):
                yield from _gentle(evidence, policy, history, ready)
            continue
        # nmap has repeated its own sweep already: left is whoever does not hear it, and what a
        # host that refuses kept silent about, which a short block takes from all repetitions.
        more = list(
            _ordinary(
                evidence,
                policy,
                history,
                [
                    a
                    for a in ready
                    if a not in policy.beyond_sweep
                    or history.searches.deaf_to_syn(a)
                    or history.refuses(a)
                ],
            )
        )
        yield from more
        done = done and not more and len(ready) == len(addresses)
    if done:
        yield from _another_sweep(evidence, policy, history, alive)


@dataclass(frozen=True, slots=True)
class _History:
    """What the searches of a batch heard, as far as it can be believed."""

    evidence: Evidence
    known: Standings
    searches: Searches
    refused: Mapping[Address, PortSet]
    called_open: Mapping[Address, PortSet]
    looked_at: Mapping[Address, int]

    @classmethod
    def of(cls, evidence: Evidence, known: Standings) -> _History:
        called: dict[Address, list[int]] = defaultdict(list)
        for endpoint in named(evidence):
            called[endpoint.address].append(endpoint.port)
        return cls(
            evidence,
            known,
            searches(evidence, known),
            believed_refusals(evidence, known),
            {address: PortSet.of(ports) for address, ports in called.items()},
            _looked_at(evidence),
        )

    def silent(self, address: Address) -> PortSet:
        """Ports that the searches heard nothing of that could be believed."""
        nothing = PortSet()
        heard = self.refused.get(address, nothing) | self.called_open.get(address, nothing)
        return self.evidence.batch.ports - heard

    @property
    def needs_another_sweep(self) -> bool:
        """True where the first sweep lost so much that a second one is made, or was."""
        by_masscan = any(
            record.task.method is Method.MASSCAN_SYN
            for record in with_purpose(self.evidence, Purpose.SWEEP)
        )
        return by_masscan and self.searches.loss(by_first=True) > _HEAVY_LOSS

    def refuses(self, address: Address) -> bool:
        """True when a host answers most ports, open or not: its silence is worth asking about."""
        standing = self.known.of(address)
        if standing.answered_before:
            return not standing.pretends
        return 2 * len(self.silent(address)) < len(self.evidence.batch.ports)


def _when(observation: Observation) -> tuple[int, int]:
    """The order of searches: sweeps first, then the looks in their rounds."""
    return (observation.purpose is Purpose.SECOND_LOOK), observation.round


# --- ordinary networks ---------------------------------------------------------------------------


def _ordinary(
    evidence: Evidence, policy: Policy, history: _History, addresses: list[Address]
) -> Iterator[Task]:
    """One more look at each host; who was found late is at its first when others are done."""
    of_round: dict[int, list[Address]] = defaultdict(list)
    for address in addresses:
        of_round[history.looked_at.get(address, 0)].append(address)
    for done, some in sorted(of_round.items()):
        if done < policy.second_looks and _worth_it(evidence, history, some, done):
            pace = max(policy.gentle_pace, _borne(evidence, policy, len(some)) / 2**done)
            yield from _tasks(evidence, policy, history, some, round_=done + 1, pace=pace)


def _borne(evidence: Evidence, policy: Policy, hosts: int) -> float:
    """Probes a second that so many hosts of the batch got in the sweep, and bore.

    A look at a few living hosts would otherwise be faster for them than the sweep of all was.
    """
    everybody = evidence.batch.targets.addresses.size
    return sweep_rate_over(evidence.batch.targets.addresses, policy.ceilings) * hosts / everybody


def _looked_at(evidence: Evidence) -> dict[Address, int]:
    """The newest round of looks at each host."""
    rounds: dict[Address, int] = {}
    for record in with_purpose(evidence, Purpose.SECOND_LOOK):
        for address in record.task.targets.addresses:
            rounds[address] = max(record.task.round, rounds.get(address, 0))
    return rounds


def _worth_it(evidence: Evidence, history: _History, addresses: list[Address], done: int) -> bool:
    """The first look always; another while the last was answered or the loss is high.

    Each look is one probe, so it fails as often as the first sweep did.
    """
    if not done or _answered_at_last(evidence, frozenset(addresses), done):
        return True
    sweeps = 2 if history.needs_another_sweep else 1
    _, known = history.searches.missed(addresses)
    lost = history.searches.loss(by_first=True)
    return lost ** (sweeps + done) * max(1, known) > _EXPECTED_MISSES


def _answered_at_last(evidence: Evidence, inside: frozenset[Address], done: int) -> bool:
    """True when the newest look heard anything, open or refused, that was silent until then.

    A refusal that was lost tells as much as a lost service does, and of the ports of a host that
    refuses there are many more: whoever was blocked during most of a look has heard some of them.
    """
    for endpoint, heard in evidence.observations.items():
        if endpoint.address in inside:
            first = min((_when(o) for o in heard if opens(o)), default=None)
            if first == (1, done):
                return True
    tasks = {record.number: record.task for record in evidence.tasks}
    before: dict[Address, PortSet] = {}
    newly: dict[Address, PortSet] = {}
    for number, refusals in evidence.refusals:
        if refusals.address in inside:
            task = tasks[number]
            last = (task.purpose, task.round) == (Purpose.SECOND_LOOK, done)
            found = newly if last else before
            found[refusals.address] = found.get(refusals.address, PortSet()) | refusals.ports
    return any(ports - before.get(address, PortSet()) for address, ports in newly.items())


def _another_sweep(
    evidence: Evidence, policy: Policy, history: _History, alive: frozenset[Address]
) -> Iterator[Task]:
    """Where much is lost, whole hosts are, and those that answer slowly hear no other tool.

    So everything is swept once more when the looks are done, but for what turned against us and for
    hosts all of whose ports have answered by then. Who was not heard at all is asked another
    canary.
    """
    last = max((r.task.round for r in with_purpose(evidence, Purpose.SWEEP)), default=0)
    if last >= SECOND_SWEEP or not history.needs_another_sweep:
        return
    batch = evidence.batch
    everybody = batch.targets.addresses - history.known.shy
    answered = AddressSet.from_addresses(a for a in alive if not history.silent(a))
    swept = batch.targets.only(everybody - policy.beyond_sweep - answered)
    if not swept:
        return
    yield Task(
        batch=batch.number,
        stage=StageName.DISCOVER,
        method=policy.sweep,
        purpose=Purpose.SWEEP,
        targets=swept,
        protocol=batch.protocol,
        ports=batch.ports,
        vantage=policy.vantage,
        round=SECOND_SWEEP,
    )
    other = PortSet.of(list(policy.control_ports - policy.canary_ports)[:1])
    if policy.canary_ports and other:
        for addresses in networks(everybody - AddressSet.from_addresses(alive)):
            yield baseline_task(evidence, policy, addresses, other)


# --- networks that turned against us -------------------------------------------------------------


def _gentle(
    evidence: Evidence, policy: Policy, history: _History, addresses: list[Address]
) -> Iterator[Task]:
    """The next piece of a network, the ports that trip wires are tied to not at all."""
    enough = history.searches.asks_needed()
    asked = _asked_soundly(evidence, history.known, addresses, enough)
    turned_away = any(
        episode.mood is Mood.REFUSING
        for address in addresses
        for episode in history.known.of(address).episodes
    )
    wanted = {}
    for address in addresses:
        missing = history.silent(address) - asked[address]
        wanted[address] = missing - TRIP_WIRES if turned_away else missing
    tries = max((history.looked_at.get(address, 0) for address in addresses), default=0)
    everything = sorted({port for ports in wanted.values() for port in ports})
    if not everything or tries >= enough * _most_pieces(evidence, policy, len(addresses)):
        return
    width = _piece(policy, len(addresses))
    piece = PortSet.of(everything[:width])
    yield from _tasks(
        evidence,
        policy,
        history,
        addresses,
        round_=tries + 1,
        pace=policy.gentle_pace,
        only={address: ports & piece for address, ports in wanted.items()},
    )


def _piece(policy: Policy, hosts: int) -> int:
    return max(1, int(policy.gentle_pace * GENTLE_SECONDS / hosts))


def _most_pieces(evidence: Evidence, policy: Policy, hosts: int) -> int:
    """Twice what it takes: a network that blocks even gentle questions is left alone."""
    return 2 * -(-len(evidence.batch.ports) // _piece(policy, hosts))


def _asked_soundly(
    evidence: Evidence, known: Standings, addresses: list[Address], enough: int
) -> dict[Address, PortSet]:
    """What looks have asked often enough while each host was a witness."""
    asks: dict[Address, Counter[int]] = {address: Counter() for address in addresses}
    for record in with_purpose(evidence, Purpose.SECOND_LOOK):
        if record.state is not TaskState.SETTLED:
            continue
        for address in addresses:
            episodes = known.of(address).episodes
            if address in record.task.targets and not any(during(e, record) for e in episodes):
                asks[address].update(record.task.ports)
    return {
        address: PortSet.of(port for port, times in counted.items() if times >= enough)
        for address, counted in asks.items()
    }


def _tasks(
    evidence: Evidence,
    policy: Policy,
    history: _History,
    addresses: list[Address],
    *,
    round_: int,
    pace: float,
    only: Mapping[Address, PortSet] | None = None,
) -> Iterator[Task]:
    methods: dict[tuple[Method, int], dict[Address, PortSet]] = defaultdict(dict)
    for address in addresses:
        ports = history.silent(address) if only is None else only[address]
        if ports:
            deaf = policy.privileged and history.searches.deaf_to_syn(address)
            method = Method.NMAP_CONNECT if deaf else policy.methods[0]
            methods[method, address.version][address] = ports
    for (method, _), sets in methods.items():
        for group, some in covering_groups(sets):
            yield Task(
                batch=evidence.batch.number,
                stage=StageName.DISCOVER,
                method=method,
                purpose=Purpose.SECOND_LOOK,
                targets=evidence.batch.targets.only(group),
                protocol=evidence.batch.protocol,
                ports=some,
                vantage=policy.vantage,
                round=round_,
                pace=pace,
            )


def endpoints_missed(evidence: Evidence, known: Standings) -> tuple[Endpoint, ...]:
    """Open endpoints that only a second look found, in their order."""
    history = _History.of(evidence, known)
    return tuple(
        Endpoint(address, evidence.batch.protocol, port)
        for address, ports in sorted(history.searches.heard.items(), key=lambda item: int(item[0]))
        for port, by in sorted(ports.items())
        if all(purpose is not Purpose.SWEEP for purpose, _ in by)
    )
