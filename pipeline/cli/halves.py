"""A comparison in which at least one side is a file: read, compared, and not stored."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import tee
from pathlib import Path

from pipeline import __version__
from pipeline.cli.sides import origin_of_plan
from pipeline.decide.compare import GONE, Side
from pipeline.decide.coverage import Coverage
from pipeline.importing.against import read_against
from pipeline.importing.occasion import Occasion, read_occasion
from pipeline.importing.planning import plan_of
from pipeline.importing.question import Ended, Question, Scanned
from pipeline.ledger import Ledger
from pipeline.model import Endpoint, TaskRecord, TaskState
from pipeline.parse import ParseError
from pipeline.parse.formats import HEAD, FileFormat, recognise
from pipeline.parse.packed import opened
from pipeline.plan import ImportedFile, RunPlan
from pipeline.render.difference import Origin
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """One side of a comparison: what it says, in parts of some hosts each, and how it was made."""

    sides: Iterable[Side]
    plan: RunPlan
    origin: Origin


def of_run(store: Store, record: RunRecord, origin: Origin) -> Half:
    """A run with all of its verdicts."""
    ledger = Ledger(store, record)
    refusals = ledger.refusals() if record.plan.imported else ()
    coverage = Coverage(ledger.tasks(), ledger.holes(), refusals)
    side = Side(
        verdicts=store.verdicts(record.number),
        asked=coverage.asked,
        refused=coverage.refused,
        counted=coverage.refused,
        why=coverage.why,
    )
    return Half(sides=(side,), plan=record.plan, origin=origin)


def of_file(
    path: Path, *, expected: Collection[Endpoint], scanned: Sequence[Scanned], now: float
) -> Half:
    """A file as one occasion; of ``expected`` endpoints refusals and silence are told, too."""
    occasion = read_occasion([path], scanned=scanned, expected=expected, now=now)
    ends = _ends(occasion.evidence.tasks)
    return _half(path, (_side(occasion),), occasion.files, ends)


def of_two_files(
    before: Path, after: Path, *, scanned: Sequence[Scanned], now: float
) -> tuple[Half, Half]:
    """Two files; where both are nmap's, without the hosts of which both say the same."""
    if not scanned and _is_xml(before) and _is_xml(after):
        found = read_against(before, after, now=now)
        if found is not None:
            old, new = tee(found.parts)
            return (
                _half(before, (_side(p) for p, _ in old), (found.before.file,), found.before.ends),
                _half(after, (_side(p) for _, p in new), (found.after.file,), found.after.ends),
            )
    first = of_file(before, expected=(), scanned=scanned, now=now)
    return first, of_file(after, expected=worth_asking(first), scanned=scanned, now=now)


def worth_asking(half: Half) -> list[Endpoint]:
    """The endpoints on which the other side has to have an answer of its own."""
    return [
        endpoint
        for side in half.sides
        for endpoint, verdict in side.verdicts.items()
        if verdict.kind not in GONE
    ]


def _is_xml(path: Path) -> bool:
    try:
        with opened(path) as found:
            return recognise(found.stream.read(HEAD)) is FileFormat.NMAP_XML
    except ParseError:
        return False  # whoever reads it says what is wrong, and where


def _side(occasion: Occasion) -> Side:
    evidence = occasion.evidence
    coverage = Coverage(evidence.tasks, evidence.holes, evidence.refusals)
    return Side(
        verdicts=occasion.verdicts,
        asked=coverage.asked,
        refused=coverage.refused,
        counted=coverage.refused,
        why=coverage.why,
    )


def _half(
    path: Path, sides: Iterable[Side], files: Sequence[ImportedFile], ends: Sequence[Ended]
) -> Half:
    plan = plan_of(ends, files, engagement="", client="", version=__version__, previous=None)
    problem = "; ".join(file.problem for file in files if file.problem)
    started = min((f.started for f in files if f.started is not None), default=None)
    origin = origin_of_plan(str(path), started, plan, problem)
    if not any(ended.ports for ended in ends):
        unknown = "it does not tell what was asked, so nothing follows from what is not in it"
        origin = replace(origin, problem="; ".join(filter(None, (problem, unknown))))
    return Half(sides=sides, plan=plan, origin=origin)


def _ends(tasks: Iterable[TaskRecord]) -> list[Ended]:
    return [
        Ended(
            question=Question(
                file=record.task.batch,
                method=record.task.method,
                protocol=record.task.protocol,
                purpose=record.task.purpose,
                round=record.task.round,
            ),
            addresses=record.task.targets.addresses,
            ports=record.task.ports,
        )
        for record in tasks
        if record.state is TaskState.SETTLED
    ]
