"""What the pictures of a run show, as values: counted from its document, whatever the format."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pipeline.addresses import Address
from pipeline.decide.risk_rules import SEVERITIES, SEVERITY_PLACE
from pipeline.decide.standing import network_number, network_of
from pipeline.decide.trends import Trends
from pipeline.model import (
    Method,
    Observation,
    PortState,
    Protocol,
    StageName,
    TaskRecord,
    TaskState,
    VerdictKind,
)
from pipeline.render.document import Event, Finding, RunDocument
from pipeline.render.language import say, word
from pipeline.render.pictures.course import Course, Lane, Span, merged
from pipeline.render.pictures.funnel import Step
from pipeline.render.pictures.heat import Heat
from pipeline.render.pictures.looks import OPEN, REFUSED, SILENT, LookRow
from pipeline.render.pictures.networks import NetworkRow
from pipeline.render.pictures.openings import Turnover
from pipeline.render.text import counted, listed
from pipeline.render.words import METHODS, OPEN_VERDICTS

NETWORKS: Final = 12
PORTS: Final = 12
_ASKING: Final = (StageName.DISCOVER, StageName.CORROBORATE, StageName.RESCAN, StageName.PROBE)


def funnel_steps(findings: Iterable[Finding]) -> tuple[Step, ...]:
    """What looked open to any method; of that what more than one method called open, or an answer
    in its own protocol proves; of that what is confirmed. Each step holds the next one."""
    looked = [f for f in findings if _calling_open(f) or f.verdict.kind in OPEN_VERDICTS]
    agreed = [f for f in looked if len(_calling_open(f)) > 1 or _confirmed(f)]
    single = Counter(f.verdict.kind for f in looked)
    single.subtract(f.verdict.kind for f in agreed)
    rest = Counter(f.verdict.kind for f in agreed if not _confirmed(f))
    confirmed = sum(map(_confirmed, agreed))
    return (
        Step(name=say("Looked open"), number=len(looked), ink="info", lost=_by_kind(single)),
        Step(name=say("Corroborated"), number=len(agreed), ink="likely", lost=_by_kind(rest)),
        Step(name=say("Confirmed"), number=confirmed, ink="confirmed"),
    )


def _confirmed(finding: Finding) -> bool:
    return finding.verdict.kind is VerdictKind.CONFIRMED


def _calling_open(finding: Finding) -> frozenset[Method]:
    return frozenset(o.method for o in finding.observations if o.state is PortState.OPEN)


def _by_kind(counts: Counter[VerdictKind]) -> tuple[tuple[str, int], ...]:
    return tuple((word(kind), counts[kind]) for kind in VerdictKind if counts[kind])


def network_rows(findings: Iterable[Finding], *, at_most: int = NETWORKS) -> tuple[NetworkRow, ...]:
    """Networks with something at risk, the worst first; what is left of them is one row."""
    counts: dict[int, list[int]] = defaultdict(lambda: [0] * len(SEVERITIES))
    some: dict[int, Address] = {}
    for finding in findings:
        if finding.severity is not None:
            address = finding.verdict.endpoint.address
            net = network_number(address)
            counts[net][SEVERITY_PLACE[finding.severity]] += 1
            some[net] = address
    order = sorted(counts, key=lambda net: ([-n for n in counts[net]], net))
    rows = [NetworkRow(name=_name(some[net]), counts=tuple(counts[net])) for net in order]
    head, tail = _split(rows, at_most)
    if tail:
        summed = tuple(map(sum, zip(*(row.counts for row in tail), strict=True)))
        head.append(NetworkRow(name=counted(len(tail), "other network"), counts=summed))
    return tuple(head)


def _name(address: Address) -> str:
    """What the network of an address is called."""
    return listed(network_of(address).networks())


def _split(rows: list[NetworkRow], at_most: int) -> tuple[list[NetworkRow], list[NetworkRow]]:
    """One row too many is shown rather than summed up."""
    cut = at_most if len(rows) > at_most else len(rows)
    return rows[:cut], rows[cut:]


def heat_of(findings: Iterable[Finding], *, networks: int = NETWORKS, ports: int = PORTS) -> Heat:
    """Open endpoints by network and port; what is not among the most is summed up at the edge."""
    cells: Counter[tuple[int, tuple[int, Protocol]]] = Counter()
    some: dict[int, Address] = {}
    for finding in findings:
        if finding.verdict.kind in OPEN_VERDICTS:
            endpoint = finding.verdict.endpoint
            net = network_number(endpoint.address)
            some[net] = endpoint.address
            cells[net, (endpoint.port, endpoint.protocol)] += 1
    by_network: Counter[int] = Counter()
    by_port: Counter[tuple[int, Protocol]] = Counter()
    for (net, port), count in cells.items():
        by_network[net] += count
        by_port[port] += count
    rows = sorted(by_network, key=lambda net: (-by_network[net], net))[:networks]
    columns = sorted(sorted(by_port, key=lambda p: (-by_port[p], p))[:ports])
    row_place = {net: place for place, net in enumerate(sorted(rows))}
    column_place = {port: place for place, port in enumerate(columns)}
    more_rows, more_columns = len(by_network) > len(rows), len(by_port) > len(columns)
    table = [[0] * (len(columns) + more_columns) for _ in range(len(rows) + more_rows)]
    for (net, port), count in cells.items():
        table[row_place.get(net, len(rows))][column_place.get(port, len(columns))] += count
    others = counted(len(by_network) - len(rows), "other network")
    return Heat(
        rows=(*(_name(some[net]) for net in row_place), *([others] if more_rows else [])),
        columns=(
            *(f"{port}{'' if by is Protocol.TCP else '/udp'}" for port, by in columns),
            *([say("more")] if more_columns else []),
        ),
        counts=tuple(map(tuple, table)),
        summed_row=more_rows,
        summed_column=more_columns,
    )


def turnovers(trends: Trends | None) -> tuple[Turnover, ...]:
    """What opened and went in each run of the history."""
    return tuple(
        Turnover(
            started=run.started,
            opened=run.new,
            first_looked_at=run.newly_covered,
            gone=run.gone,
        )
        for run in (trends.runs if trends else ())
    )


def course_of(document: RunDocument) -> Course:
    """When each stage asked, when the run paused, and what shares of the rate were out."""
    # What was cut off and put back has a start and no end: how long it was asked is not known.
    asked = [r for r in document.tasks if r.started is not None and _timed(r)]
    ends = [r.ended for r in asked if r.ended is not None]
    ended = document.ended or max(ends, default=document.started)
    return Course(
        began=document.started,
        ended=ended,
        lanes=tuple(_lane(stage, asked, ended) for stage in _ASKING),
        pauses=merged(tuple(_pauses(document.events, asked))),
        shares=tuple(_shares(asked, ended)),
        limit=document.conduct.rate if document.conduct else None,
    )


def _timed(record: TaskRecord) -> bool:
    return record.ended is not None or record.state is TaskState.RUNNING


def _lane(stage: StageName, asked: Sequence[TaskRecord], ended: float) -> Lane:
    mine = [r for r in asked if r.task.stage is stage]
    spans = [(r.started, r.ended or ended) for r in mine if r.started is not None]
    return Lane(name=word(stage), tasks=len(mine), spans=merged(spans))


def _pauses(events: Iterable[Event], asked: Sequence[TaskRecord]) -> Iterator[Span]:
    """From a pause to its end; what was stopped goes on with the next task that was started."""
    starts = sorted(r.started for r in asked if r.started is not None)
    since: float | None = None
    for event in sorted(events, key=lambda e: e.time):
        if event.kind == "paused":
            since = event.time if since is None else since
        elif event.kind == "continued" and since is not None:
            yield since, event.time
            since = None
        elif event.kind == "stopped":
            following = next((time for time in starts if time > event.time), None)
            if following is not None:
                yield event.time, following


def _shares(asked: Iterable[TaskRecord], ended: float) -> Iterator[tuple[float, float, float]]:
    for record in asked:
        if record.started is not None and record.rate:
            end = record.ended or ended
            if record.task.method is Method.MASSCAN_SYN:  # it listens after it has sent
                sending = record.task.endpoints * (1 + _retries(record.argv)) / record.rate
                end = min(end, record.started + sending)
            yield record.started, end, record.rate


def _retries(argv: Sequence[str]) -> int:
    """masscan's ``--retries``, from its own arguments."""
    if "--retries" not in argv[:-1]:
        return 0
    told = argv[argv.index("--retries") + 1]
    return int(told) if told.isascii() and told.isdigit() else 0


_ANSWERS: Final = {
    PortState.OPEN: OPEN,
    PortState.CLOSED: REFUSED,
    PortState.UNFILTERED: REFUSED,
}


def look_rows(observations: Iterable[Observation]) -> tuple[LookRow, ...]:
    """What each method heard of one endpoint, in the order in which methods are usually used."""
    by_method: dict[Method, list[tuple[float, str]]] = {method: [] for method in METHODS}
    for one in observations:
        by_method[one.method].append((one.time, _ANSWERS.get(one.state, SILENT)))
    return tuple(
        LookRow(name=METHODS[method], answers=tuple(sorted(found)))
        for method, found in by_method.items()
        if found
    )
