"""From the evidence of a run to its tally, batch by batch."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from pipeline.addresses import Address
from pipeline.decide.along import Along
from pipeline.decide.looks import endpoints_missed
from pipeline.decide.pace import PACKETS_PER_SWEEP_PROBE
from pipeline.decide.rescan import worth_asking_again
from pipeline.decide.sequential import ERROR
from pipeline.decide.standing import Mood, Standings, network_number, standings
from pipeline.decide.tuning.doubting import Doubts, Heard, rescans
from pipeline.decide.tuning.shares import Share
from pipeline.decide.tuning.tally import (
    Cell,
    Lost,
    PortClass,
    Rescanned,
    Settings,
    Tally,
    Told,
    Trouble,
)
from pipeline.decide.tuning.turning import Turning
from pipeline.model import (
    Aftermath,
    Endpoint,
    Evidence,
    Hole,
    Method,
    PortState,
    Protocol,
    Purpose,
    TaskRecord,
    TaskState,
    Verdict,
    VerdictKind,
)

_LOOKS: Final = frozenset(
    {Purpose.SWEEP, Purpose.SECOND_LOOK, Purpose.NAMED, Purpose.RESWEEP, Purpose.SAMPLE}
)
"""Purposes by which a method is asked for its word on an endpoint. A watch only looks in, canaries
and controls ask something else, and a version probe asks what is believed anyway."""
_NOT_THERE: Final = frozenset({VerdictKind.ARTEFACT, VerdictKind.REFUTED})
_BELIEVED: Final = frozenset({VerdictKind.CONFIRMED, VerdictKind.LIKELY})
_TURNED: Final = frozenset({Mood.SILENT, Mood.REFUSING})
_MANY: Final = 10
"""Open endpoints of a host from which on it may be one that answers for everything."""
_MASSCAN_RATE: Final = "--rate="


class Counting:
    """One run: give it each batch, and take the tally."""

    def __init__(self, run: int, settings: Settings, *, seconds: float, error: float = ERROR):
        self._run, self._settings, self._seconds, self._error = run, settings, seconds, error
        self._told: dict[Cell, Told] = defaultdict(Told)
        self._heard, self._found_later = Counter[Address](), Counter[Address]()
        self._rates: list[tuple[float, int]] = []
        self._rounds: dict[int, Share] = defaultdict(Share)
        self._open_ended, self._lasted, self._given_up = Share(), list[float](), list[float]()
        self._questions, self._repeated, self._provoked = 0, 0, 0
        self._turning = Turning()
        self._pretended, self._taken_back = set[Address](), Counter[Address]()
        self._last_look = self._silent = self._mute = Share()
        self._unanswered = 0
        self._believed, self._artefacts = Counter[Address](), Counter[Address]()
        self._checked, self._probed = set[Address](), set[Address]()
        self._troubles: dict[Trouble, set[Address]] = defaultdict(set)
        self._asked = Counter[Purpose]()

    def add(self, evidence: Evidence, verdicts: Mapping[Endpoint, Verdict]) -> None:
        """One batch; ``verdicts`` may be those of the whole run."""
        known = standings(evidence)
        first = _First(evidence)
        self._count_tasks(evidence.tasks)
        self._count_hosts(known)
        self._turning.add(evidence.tasks, known)
        self._count_losses(evidence, known, verdicts)
        breaking = _Breaking(evidence)
        doubts = Doubts(evidence, known)
        for endpoint, heard in evidence.observations.items():
            self._unanswered += sum(
                o.method is Method.HANDSHAKE and o.state is PortState.FILTERED for o in heard
            )
            verdict = verdicts.get(endpoint)
            if verdict is None:
                continue
            self._believed[endpoint.address] += verdict.kind in _BELIEVED
            self._artefacts[endpoint.address] += verdict.kind is VerdictKind.ARTEFACT
            self._count_verdict(verdict)
            self._count_methods(verdict, heard, first)
            self._count_rescans(verdict, heard, doubts)
            rounds = len(rescans(heard))
            self._questions += rounds
            self._provoked += rounds if known.of(endpoint.address).episodes else 0
            if not known.of(endpoint.address).episodes:
                self._count_handshakes(verdict, heard, first)
                if breaking.broke(endpoint, heard):
                    self._troubles[Trouble.BREAKS].add(endpoint.address)

    def result(self) -> Tally:
        """All batches together."""
        weight = sum(endpoints for _, endpoints in self._rates)
        rate = sum(rate * endpoints for rate, endpoints in self._rates) / weight if weight else 0.0
        hosts = self._heard.keys()
        found_later = sum(self._found_later[host] for host in hosts)
        return Tally(
            run=self._run,
            settings=self._settings,
            seconds=self._seconds,
            told=dict(self._told),
            lost=Lost(
                endpoints=Share(found_later, self._heard.total() + found_later),
                hosts=Share(sum(self._found_later[host] > 0 for host in hosts), len(hosts)),
                rate=rate,
            ),
            rescanned=Rescanned(
                rounds=dict(sorted(self._rounds.items())),
                open_ended=self._open_ended,
                lasted=tuple(self._lasted),
                given_up=tuple(self._given_up),
                questions=self._questions,
                repeated=self._repeated,
                provoked=self._provoked,
            ),
            turned=self._turning.result(),
            last_look=self._last_look,
            silent=self._silent,
            mute=self._mute,
            unanswered=self._unanswered,
            believed=self._believed.total(),
            trusted=frozenset(
                host
                for host, count in self._believed.items()
                if count >= _MANY and not self._artefacts[host]
            ),
            found_out=frozenset(h for h, count in self._artefacts.items() if count >= _MANY),
            checked=frozenset(self._checked),
            probed=frozenset(self._probed),
            troubles={trouble: frozenset(hosts) for trouble, hosts in self._found().items()},
            asked=dict(self._asked),
        )

    def _found(self) -> dict[Trouble, set[Address]]:
        """The troubles, with those hosts that only verdicts show to have pretended for a while."""
        provoked = {host for host in self._pretended if self._taken_back[host] >= _MANY}
        found = dict(self._troubles)
        if provoked:
            found[Trouble.PROVOKED] = found.get(Trouble.PROVOKED, set()) | provoked
        return found

    def _count_tasks(self, tasks: Iterable[TaskRecord]) -> None:
        for record in tasks:
            if record.state not in (TaskState.SETTLED, TaskState.FAILED):
                continue
            task = record.task
            self._asked[task.purpose] += task.endpoints
            if task.purpose is Purpose.SWEEP and task.protocol is Protocol.TCP and record.rate:
                self._rates.append((_real_rate(record), task.endpoints))
            if task.purpose is Purpose.VERSION:
                self._probed.update(task.targets.addresses)

    def _count_hosts(self, known: Standings) -> None:
        for address, standing in known.hosts.items():
            if len(standing.checks) > 1 or standing.answered_before:
                self._checked.add(address)
            turned = [e for e in standing.episodes if e.mood in _TURNED]
            if turned:
                self._troubles[Trouble.BLOCKS].add(address)
                if turned[-1].until is None:
                    self._troubles[Trouble.NEVER_BACK].add(address)
            pretended = [e for e in standing.episodes if e.mood is Mood.DECEIVING]
            if pretended:
                self._pretended.add(address)
            if any(e.until is not None for e in pretended):
                self._troubles[Trouble.PROVOKED].add(address)
            if standing.pretends or len(turned) < len(standing.episodes):
                self._troubles[Trouble.DECEIVES].add(address)

    def _count_losses(
        self, evidence: Evidence, known: Standings, verdicts: Mapping[Endpoint, Verdict]
    ) -> None:
        """Where a host blocked, and where none of its ports was heard, speed is not the matter."""
        if evidence.batch.protocol is not Protocol.TCP:
            return
        later = endpoints_missed(evidence, known)
        for endpoint, heard in evidence.observations.items():
            verdict = verdicts.get(endpoint)
            if verdict is None or verdict.kind not in _BELIEVED:
                continue
            if known.of(endpoint.address).episodes:
                continue
            if any(o.purpose is Purpose.SWEEP and o.state is PortState.OPEN for o in heard):
                self._heard[endpoint.address] += 1
        last = self._settings.second_looks
        searched = Counter[bool]()
        for endpoint in later:
            verdict = verdicts.get(endpoint)
            if verdict is None or verdict.kind not in _BELIEVED:
                continue
            if known.of(endpoint.address).episodes or not self._heard[endpoint.address]:
                continue
            self._found_later[endpoint.address] += 1
            rounds = [
                o.round
                for o in evidence.observations[endpoint]
                if o.purpose is Purpose.SECOND_LOOK and o.state is PortState.OPEN
            ]
            searched[min(rounds, default=0) == last] += 1
        inside = {endpoint.address for endpoint in evidence.observations}
        heard_here = sum(self._heard[address] for address in inside)
        self._last_look += Share(searched[True], heard_here + searched.total())

    def _count_verdict(self, verdict: Verdict) -> None:
        self._taken_back[verdict.endpoint.address] += verdict.kind is VerdictKind.REFUTED
        trouble = {VerdictKind.TRANSIENT: Trouble.FLAPS, VerdictKind.ARTEFACT: Trouble.DECEIVES}
        if verdict.kind in trouble:
            self._troubles[trouble[verdict.kind]].add(verdict.endpoint.address)

    def _count_methods(self, verdict: Verdict, heard: Heard, first: _First) -> None:
        endpoint = verdict.endpoint
        called = {o.method for o in heard if o.purpose in _LOOKS and o.state is PortState.OPEN}
        confirmed = verdict.kind is VerdictKind.CONFIRMED
        if confirmed or verdict.kind in _NOT_THERE:
            for method in called:
                self._add(endpoint, method, Told(false=Share(int(not confirmed), 1)))
        if confirmed:
            for method, task in first.of(endpoint).items():
                silent = all(o.task != task or o.state is not PortState.OPEN for o in heard)
                self._add(endpoint, method, Told(missed=Share(int(silent), 1)))

    def _add(self, endpoint: Endpoint, method: Method, told: Told) -> None:
        cell = Cell(
            network=network_number(endpoint.address),
            protocol=endpoint.protocol,
            ports=PortClass.of(endpoint.port),
            method=method,
        )
        self._told[cell] += told

    def _count_rescans(self, verdict: Verdict, heard: Heard, doubts: Doubts) -> None:
        rounds = rescans(heard)
        if not rounds:
            return
        doubted = [number for number in rounds if doubts.before(verdict.endpoint, heard, number)]
        self._repeated += len(rounds) - len(doubted)
        if not doubted:
            return
        settled = not worth_asking_again(verdict, heard, error=self._error)
        for number in doubted:
            self._rounds[number] += Share(int(settled and number == doubted[-1]), 1)
        self._open_ended += Share(int(not settled), 1)
        times = [o.time for o in heard if o.purpose is Purpose.NAMED and o.round <= doubted[-1]]
        (self._lasted if settled else self._given_up).append(max(times) - min(times))

    def _count_handshakes(self, verdict: Verdict, heard: Heard, first: _First) -> None:
        shaken = [o for o in heard if o.method is Method.HANDSHAKE and o.purpose is Purpose.NAMED]
        task = first.of(verdict.endpoint).get(Method.HANDSHAKE)
        if verdict.kind is VerdictKind.CONFIRMED and task is not None:
            answers = {o.state for o in heard if o.task == task}
            nothing = not answers & {PortState.OPEN, PortState.CLOSED}
            self._silent += Share(int(nothing), 1)
        listened = sorted((o for o in shaken if o.aftermath is not None), key=lambda o: o.time)
        if any(o.aftermath is Aftermath.DATA for o in listened):
            self._mute += Share(int(listened[0].aftermath is not Aftermath.DATA), 1)


def _real_rate(record: TaskRecord) -> float:
    """Packets a second: masscan is told less than its lease where the sweep is short."""
    told = [a.removeprefix(_MASSCAN_RATE) for a in record.argv if a.startswith(_MASSCAN_RATE)]
    rate = record.rate or 0.0
    return min([rate, *(float(text) * PACKETS_PER_SWEEP_PROBE for text in told)])


class _First:
    """The task by which each method asked first about an endpoint."""

    def __init__(self, evidence: Evidence) -> None:
        asked = [
            r for r in evidence.tasks if r.state is TaskState.SETTLED and r.task.purpose in _LOOKS
        ]
        asked.sort(key=lambda record: (record.started or record.ended or 0.0, record.number))
        self._along = Along((record.task.targets.addresses, record) for record in asked)
        self._holes: dict[tuple[int, Address], list[Hole]] = defaultdict(list)
        for task, hole in evidence.holes:
            self._holes[task, hole.address].append(hole)

    def of(self, endpoint: Endpoint) -> dict[Method, int]:
        """Method to the number of the task."""
        found: dict[Method, int] = {}
        for record in self._along.at(endpoint.address):
            task = record.task
            if task.method in found or task.protocol is not endpoint.protocol:
                continue
            holes = self._holes.get((record.number, endpoint.address), ())
            gave_up = any(hole.ports is None or endpoint.port in hole.ports for hole in holes)
            if endpoint.port in task.ports and not gave_up:
                found[task.method] = record.number
        return found


class _Breaking:
    """Whether an endpoint was not open any more once its host had been asked for versions."""

    def __init__(self, evidence: Evidence) -> None:
        self._along = Along(
            (record.task.targets.addresses, record)
            for record in evidence.tasks
            if record.task.purpose is Purpose.VERSION and record.ended is not None
        )

    def broke(self, endpoint: Endpoint, heard: Heard) -> bool:
        """True when every answer before was that it is open, and no answer after."""
        probes = [r for r in self._along.at(endpoint.address) if endpoint.port in r.task.ports]
        if not probes:
            return False
        ended = min(record.ended or 0.0 for record in probes)
        began = min(record.started or 0.0 for record in probes)
        asked = [o for o in heard if o.purpose in (Purpose.NAMED, Purpose.WATCH, Purpose.CANARY)]
        before = {o.state for o in asked if o.time <= began}
        after = {o.state for o in asked if o.time > ended}
        return before == {PortState.OPEN} and bool(after) and PortState.OPEN not in after
