"""Several files of one occasion, read into memory: evidence, verdicts, coverage.

A scan that somebody made by hand is often several files: masscan to find, nmap to look again. Read
together they are one body of evidence: what one file names, the answers of all the others count
about, refusals and silence included. For that they are read twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.addresses import AddressSet
from pipeline.decide.compare import Side
from pipeline.decide.coverage import Coverage
from pipeline.decide.others import verdicts_of_others
from pipeline.errors import UsageError
from pipeline.importing.question import Ended, Interest, Named, Question, Scanned, Taker
from pipeline.importing.reading import DECIDED, Reading, read_file
from pipeline.model import (
    Batch,
    Endpoint,
    Evidence,
    Hole,
    Observation,
    PortState,
    Protocol,
    Refusals,
    TaskRecord,
    Verdict,
)
from pipeline.plan import ImportedFile
from pipeline.ports import PortSet
from pipeline.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What some files say together. ``files`` are in the order of their start.

    ``verdicts`` are of all that any of the files calls open, and of what was expected, if anybody
    asked about it.
    """

    files: tuple[ImportedFile, ...]
    evidence: Evidence
    verdicts: Mapping[Endpoint, Verdict]

    @property
    def started(self) -> float | None:
        """The earliest time that a file tells of itself."""
        return min((f.started for f in self.files if f.started is not None), default=None)

    @property
    def ended(self) -> float | None:
        """The latest time that a file tells of itself."""
        return max((f.ended for f in self.files if f.ended is not None), default=None)

    def side(self) -> Side:
        """The occasion as one of the two sides of a comparison."""
        evidence = self.evidence
        coverage = Coverage(evidence.tasks, evidence.holes, evidence.refusals)
        return Side(verdicts=self.verdicts, asked=coverage.asked)


def read_occasion(
    paths: Sequence[Path],
    *,
    scanned: Sequence[Scanned] = (),
    expected: Collection[Endpoint] = (),
    now: float,
) -> Occasion:
    """Read the files of one occasion; nothing is stored.

    ``scanned`` says what was asked, for files that cannot know it. Of ``expected`` endpoints, such
    as those of an earlier run, refusals and silence are told, too. ``now`` dates what no file
    dates. Raises ``ParseError`` for a file that cannot be read, ``UsageError`` without any.
    """
    files, interests = in_order(paths, expected=expected, now=now)
    gathered = Gathering()
    sources = tuple(
        read_file(
            path,
            Reading(place=place, taker=gathered, interest=interest, scanned=scanned, otherwise=now),
        )
        for place, (path, interest) in enumerate(zip(files, interests, strict=True), 1)
    )
    evidence = gathered.evidence()
    if is_decided(sources):
        ordered = sorted(gathered.verdicts.items(), key=lambda item: item[0].sort_key)
        return Occasion(files=sources, evidence=evidence, verdicts=dict(ordered))
    # An expected endpoint that nobody answered about is told by the coverage, and by nothing else.
    return Occasion(files=sources, evidence=evidence, verdicts=verdicts_of_others(evidence))


def in_order(
    paths: Sequence[Path], *, expected: Collection[Endpoint], now: float
) -> tuple[tuple[Path, ...], tuple[Interest, ...]]:
    """The files by the time of their start, and what is to be known of each of them.

    One file is not looked into: nobody but itself names anything in it.
    """
    if not paths:
        raise UsageError("there is no file to read")
    wanted = Named.of(expected)
    if len(paths) == 1:
        return tuple(paths), (Interest(expected=wanted),)
    opens = []
    for place, path in enumerate(paths):
        naming = _Naming()
        told = read_file(
            path, Reading(place=place, taker=naming, interest=Interest(), otherwise=now)
        )
        if is_decided([told]):
            raise UsageError(
                "a run of portproof is an occasion of its own",
                where=str(path),
                hint="import it without other files",
            )
        began = told.started if told.started is not None else now
        opens.append(((began, told.name, told.sha256), place, naming.named()))
    opens.sort(key=lambda entry: entry[:2])
    everything = wanted
    for _, _, named in opens:
        everything = everything | named
    earlier = Named()
    interests = []
    for _, _, named in opens:
        interests.append(Interest(expected=everything, earlier=earlier))
        earlier = earlier | named
    return tuple(paths[place] for _, place, _ in opens), tuple(interests)


def is_decided(files: Sequence[ImportedFile]) -> bool:
    """True for a run of portproof, which brings its verdicts along."""
    return any(file.format in DECIDED for file in files)


class _Naming(Taker):
    """Keeps nothing but which endpoints are open."""

    def __init__(self) -> None:
        self._open: list[Endpoint] = []

    def named(self) -> Named:
        return Named.of(self._open)

    def observe(self, question: Question, observation: Observation) -> int:
        if observation.state is PortState.OPEN:
            self._open.append(observation.endpoint)
        return 0

    def decide(self, verdict: Verdict) -> None:
        pass

    def refuse(self, question: Question, refusals: Refusals) -> None:
        pass

    def give_up(self, question: Question, hole: Hole) -> None:
        pass

    def end(self, ended: Ended) -> None:
        pass


@dataclass(slots=True)
class Gathering(Taker):
    """Keeps everything in memory, and makes the evidence of it."""

    numbers: dict[Question, int] = field(default_factory=dict)
    heard: dict[Endpoint, list[Observation]] = field(default_factory=lambda: defaultdict(list))
    holes: list[tuple[int, Hole]] = field(default_factory=list)
    refusals: list[tuple[int, Refusals]] = field(default_factory=list)
    ends: list[Ended] = field(default_factory=list)
    verdicts: dict[Endpoint, Verdict] = field(default_factory=dict)
    count: int = 0

    def observe(self, question: Question, observation: Observation) -> int:
        """Number it; what is said again by the same question only adds a banner."""
        task = self._number(question)
        heard = self.heard[observation.endpoint]
        for place, known in enumerate(heard):
            if known.task == task:
                if observation.banner and not known.banner:
                    heard[place] = replace(known, banner=observation.banner)
                return known.number
        self.count += 1
        heard.append(replace(observation, task=task, number=self.count))
        return self.count

    def decide(self, verdict: Verdict) -> None:
        """Keep the verdict."""
        self.verdicts[verdict.endpoint] = verdict

    def refuse(self, question: Question, refusals: Refusals) -> None:
        """Keep the set."""
        self.refusals.append((self._number(question), refusals))

    def give_up(self, question: Question, hole: Hole) -> None:
        """Keep the hole."""
        self.holes.append((self._number(question), hole))

    def end(self, ended: Ended) -> None:
        """Keep what was asked."""
        self._number(ended.question)
        self.ends.append(ended)

    def _number(self, question: Question) -> int:
        return self.numbers.setdefault(question, len(self.numbers) + 1)

    def evidence(self) -> Evidence:
        """All of it, as if it were one batch. The addresses are on record only."""
        addresses = AddressSet.of(r for ended in self.ends for r in ended.addresses.ranges)
        scope = Scope(included=addresses, record_only=True)
        records = tuple(
            TaskRecord(
                number=self.numbers[ended.question],
                task=ended.question.task(scope.recall(ended.addresses), ended.ports),
                state=ended.state,
                attempt=1,
                started=ended.started,
                ended=ended.ended,
                outcome=ended.outcome,
            )
            for ended in sorted(self.ends, key=lambda ended: self.numbers[ended.question])
        )
        batch = Batch(
            number=0,
            targets=scope.targets(),
            protocol=Protocol.TCP,
            ports=ports_asked(self.ends, Protocol.TCP),
        )
        return Evidence(
            batch=batch,
            tasks=records,
            observations={e: tuple(self.heard[e]) for e in sorted(self.heard)},
            holes=tuple(self.holes),
            refusals=tuple(self.refusals),
        )


def ports_asked(ends: Iterable[Ended], protocol: Protocol) -> PortSet:
    """Every port of a protocol that some question was about as a whole."""
    return PortSet.from_ranges(
        r for ended in ends if ended.question.protocol is protocol for r in ended.ports.ranges
    )
