"""An nmap file: hosts to answers, refusals, holes, and what was asked at all.

What nmap lists is what it heard. What it counts (``extraports``) it heard as well, and since 7.93
it names these ports. What it asked (``scaninfo``) and neither lists nor counts, it gave up on, or
was told to leave out (``--open``): nobody knows. Of a host that timed out nothing is known, and a
host that seemed down was not asked at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from pipeline.addresses import AddressSet
from pipeline.importing.question import Ended, Interest, Places, Question, Taker, sane
from pipeline.model import (
    Endpoint,
    Hole,
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    Refusals,
    Service,
    TaskState,
)
from pipeline.parse.nmap_xml import HostResult, NmapRun, PortResult, ScanInfo
from pipeline.ports import PortSet
from pipeline.tools.nmap import singular

_METHODS: Final = {
    "syn": Method.NMAP_SYN,
    "connect": Method.NMAP_CONNECT,
    "udp": Method.NMAP_UDP,
}

PortKey = tuple[Protocol, int]


class Hosts:
    """Takes the hosts of one file, and says at the end what they add up to.

    ``head`` is what stands above the first host: the scans, the arguments, the start. ``otherwise``
    is the time of what the file does not date.
    """

    def __init__(
        self, file: int, head: NmapRun, taker: Taker, interest: Interest, otherwise: float
    ) -> None:
        self._file = file
        self._taker = taker
        self._interest = interest
        self._otherwise = sane(head.started) or otherwise
        self._scans: dict[Protocol, ScanInfo] = {scan.protocol: scan for scan in head.scans}
        self._sizes = {protocol: len(scan.ports) for protocol, scan in self._scans.items()}
        self._asked = Places()
        self._versions = Places()
        self._named = Places()
        self._open_only = " --open" in f" {head.arguments}"
        self._seen: set[Question] = set()
        self._sweeps: dict[Protocol, Question] = {}
        self.down = 0
        self.timed_out = 0

    def take(self, host: HostResult, unheard: Collection[PortKey] = ()) -> None:
        """File one host. The ``unheard`` ports were asked, and what they said is not filed."""
        if host.timed_out:
            self.timed_out += 1
            self._asked.add(host.address)
            for scan in self._scans.values():
                hole = Hole(address=host.address, ports=None, reason="host timed out")
                self._taker.give_up(self._sweep(scan.protocol), hole)
            return
        if not host.up:
            self.down += 1
            return
        if host.ports or host.extra:
            self._asked.add(host.address)
        time = sane(host.ended) or self._otherwise
        refused: dict[Protocol, list[tuple[int, int]]] = {}
        for result in host.ports:
            if (result.protocol, result.port) not in unheard:
                self._listed(host, result, time, refused)
        counted: Counter[Protocol] = Counter(result.protocol for result in host.ports)
        for protocol, state, reason, ports in _collapsed(host, self._scans):
            counted[protocol] += len(ports)
            self._counted(host, protocol, state, reason, ports, time, refused)
        for protocol, ranges in refused.items():
            refusals = Refusals(address=host.address, ports=PortSet.from_ranges(ranges))
            self._taker.refuse(self._sweep(protocol), refusals)
        self._missing(host, counted)

    def _listed(
        self,
        host: HostResult,
        result: PortResult,
        time: float,
        refused: dict[Protocol, list[tuple[int, int]]],
    ) -> None:
        is_open = result.state is PortState.OPEN
        if is_open or result.port in self._interest.expected.at(host.address, result.protocol):
            question = self._about(host, result.protocol, result.port)
            self._observe(question, host, result.port, result.state, result.reason, time, result)
            if is_open and result.service is not None and _probed(result.service):
                self._version(host, result, time)
        elif result.state is PortState.CLOSED:
            refused.setdefault(result.protocol, []).append((result.port, result.port))

    def _counted(
        self,
        host: HostResult,
        protocol: Protocol,
        state: PortState,
        reason: str,
        ports: PortSet,
        time: float,
        refused: dict[Protocol, list[tuple[int, int]]],
    ) -> None:
        expected = self._interest.expected.at(host.address, protocol)
        for port in sorted(port for port in expected if port in ports):
            question = self._about(host, protocol, port)
            self._observe(question, host, port, state, reason, time, None)
        if state is PortState.CLOSED:
            # Also those that are observed: what is in both was counted, and not listed.
            refused.setdefault(protocol, []).extend(ports.ranges)

    def _about(self, host: HostResult, protocol: Protocol, port: int) -> Question:
        """The question that an answer about this port belongs to."""
        sweep = self._sweep(protocol)
        if port not in self._interest.earlier.at(host.address, protocol):
            return sweep
        self._named.add(host.address)
        return Question(
            file=self._file,
            method=sweep.method,
            protocol=protocol,
            purpose=Purpose.NAMED,
            round=self._file,
        )

    def _sweep(self, protocol: Protocol) -> Question:
        found = self._sweeps.get(protocol)
        if found is None:
            found = self._sweeps[protocol] = self._new_sweep(protocol)
        return found

    def _new_sweep(self, protocol: Protocol) -> Question:
        scan = self._scans.get(protocol)
        method = _METHODS.get(scan.type, Method.IMPORTED) if scan else Method.IMPORTED
        return Question(file=self._file, method=method, protocol=protocol, purpose=Purpose.SWEEP)

    def _version(self, host: HostResult, result: PortResult, time: float) -> None:
        self._versions.add(host.address)
        question = Question(
            file=self._file,
            method=Method.NMAP_VERSION,
            protocol=result.protocol,
            purpose=Purpose.VERSION,
            round=self._file,
        )
        self._observe(
            question, host, result.port, result.state, result.reason, time, result, result.service
        )

    def _observe(
        self,
        question: Question,
        host: HostResult,
        port: int,
        state: PortState,
        reason: str,
        time: float,
        result: PortResult | None,
        service: Service | None = None,
    ) -> None:
        self._seen.add(question)
        self._taker.observe(
            question,
            Observation(
                endpoint=Endpoint(host.address, question.protocol, port),
                method=question.method,
                purpose=question.purpose,
                state=state,
                reason=reason,
                time=time,
                round=question.round,
                ttl=result.ttl if result else None,
                service=service,
            ),
        )

    def _missing(self, host: HostResult, counted: Mapping[Protocol, int]) -> None:
        """What was asked and is neither listed nor counted by name."""
        for protocol, scan in self._scans.items():
            if counted.get(protocol, 0) == self._sizes[protocol]:
                continue
            known = PortSet.of(r.port for r in host.ports if r.protocol is protocol)
            for other, _, _, ports in _collapsed(host, self._scans):
                known = known | ports if other is protocol else known
            missing = scan.ports - known
            if missing:
                hole = Hole(address=host.address, ports=missing, reason=self._why(host))
                self._taker.give_up(self._sweep(protocol), hole)

    def _why(self, host: HostResult) -> str:
        if self._open_only:
            return "left out by --open"
        if any(reason.ports is None for extra in host.extra for reason in extra.reasons):
            return "the file does not say which ports were counted"
        return "nmap gave up on the port"

    def finish(self, run: NmapRun, *, cut_off: str, wanted: AddressSet) -> None:
        """Say what was asked. ``wanted`` are the addresses that the command line named.

        Where the file is ``cut_off``, those of them that are not in it were begun and not finished.
        """
        addresses = self._asked.addresses()
        started, ended = sane(run.started), sane(run.ended)
        for protocol, scan in self._scans.items():
            question = self._sweep(protocol)
            self._seen.discard(question)
            self._taker.end(
                Ended(
                    question=question,
                    addresses=addresses,
                    ports=scan.ports,
                    started=started,
                    ended=ended,
                )
            )
            missing = wanted - addresses
            if cut_off and missing:
                self._taker.end(
                    Ended(
                        question=Question(
                            file=self._file,
                            method=question.method,
                            protocol=protocol,
                            purpose=Purpose.SWEEP,
                            part=1,
                        ),
                        addresses=missing,
                        ports=scan.ports,
                        state=TaskState.FAILED,
                        started=started,
                        outcome=cut_off,
                    )
                )
        places = {Purpose.VERSION: self._versions, Purpose.NAMED: self._named}
        for question in sorted(self._seen, key=repr):
            self._taker.end(
                Ended(
                    question=question,
                    addresses=places.get(question.purpose, self._asked).addresses(),
                    ports=PortSet(),
                    started=started,
                    ended=ended,
                )
            )


def _probed(service: Service) -> bool:
    return service.method == "probed" or bool(service.scripts)


def _collapsed(
    host: HostResult, scans: Mapping[Protocol, ScanInfo]
) -> Iterator[tuple[Protocol, PortState, str, PortSet]]:
    """The ports that nmap counted instead of listing them: protocol, state, reason, which."""
    only = next(iter(scans)) if len(scans) == 1 else None
    for extra in host.extra:
        for reason in extra.reasons:
            protocol = reason.protocol or only
            if reason.ports is not None and protocol is not None:
                yield protocol, extra.state, singular(reason.reason), reason.ports
    if only is not None and len(host.extra) == 1:
        (extra,) = host.extra
        if not any(reason.ports is not None for reason in extra.reasons):
            # Before 7.93 nmap did not name them; with one state counted they are all the rest.
            rest = scans[only].ports - PortSet.of(_ports(host.ports, only))
            if len(rest) == extra.count:
                said = singular(extra.reasons[0].reason) if extra.reasons else ""
                yield only, extra.state, said, rest


def _ports(results: Iterable[PortResult], protocol: Protocol) -> Iterator[int]:
    return (result.port for result in results if result.protocol is protocol)
