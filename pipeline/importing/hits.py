"""A list of hits: what answered, and nothing about what was asked.

Such a file covers its hits alone. Whoever knows what was scanned can say so; then what is not in
the file was asked in vain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from pipeline.addresses import Address
from pipeline.importing.question import Ended, Interest, Places, Question, Scanned, Taker, sane
from pipeline.model import (
    Endpoint,
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    Refusals,
    TaskState,
)
from pipeline.parse.masscan import Hit
from pipeline.ports import PortSet

_KEPT: Final = 1 << 16


class Hits:
    """Takes the hits of one file. ``method`` is how its tool asks by TCP.

    By UDP no tool of this kind asks in a way that we have a word for.
    """

    def __init__(
        self, file: int, method: Method, taker: Taker, interest: Interest, otherwise: float
    ) -> None:
        self._file = file
        self._method = method
        self._taker = taker
        self._interest = interest
        self._otherwise = otherwise
        self._refused: dict[tuple[Protocol, Address], list[int]] = defaultdict(list)
        self._refusals = 0
        self._places: dict[Question, Places] = defaultdict(Places)
        self._questions: dict[tuple[Protocol, Purpose, int], Question] = {}
        self.first: float | None = None
        self.last: float | None = None

    def take(self, hit: Hit) -> None:
        """File one hit."""
        time = sane(hit.time) or self._otherwise
        if self.first is None or time < self.first:
            self.first = time
        if self.last is None or time > self.last:
            self.last = time
        expected = hit.port in self._interest.expected.at(hit.address, hit.protocol)
        if hit.state is not PortState.OPEN and not expected:
            self._refuse(hit)
            return
        earlier = hit.port in self._interest.earlier.at(hit.address, hit.protocol)
        question = self._question(hit.protocol, Purpose.NAMED if earlier else Purpose.SWEEP)
        self._places[question].add(hit.address)
        self._taker.observe(
            question,
            Observation(
                endpoint=Endpoint(hit.address, hit.protocol, hit.port),
                method=question.method,
                purpose=question.purpose,
                state=hit.state,
                reason=hit.reason,
                time=time,
                round=question.round,
                ttl=hit.ttl,
                banner=hit.banner,
            ),
        )

    def _question(self, protocol: Protocol, purpose: Purpose, part: int = 0) -> Question:
        found = self._questions.get((protocol, purpose, part))
        if found is None:
            found = self._new_question(protocol, purpose, part)
            self._questions[protocol, purpose, part] = found
        return found

    def _new_question(self, protocol: Protocol, purpose: Purpose, part: int) -> Question:
        return Question(
            file=self._file,
            method=self._method if protocol is Protocol.TCP else Method.IMPORTED,
            protocol=protocol,
            purpose=purpose,
            round=self._file if purpose is Purpose.NAMED else 0,
            part=part,
        )

    def _refuse(self, hit: Hit) -> None:
        self._refused[hit.protocol, hit.address].append(hit.port)
        self._refusals += 1
        if self._refusals >= _KEPT:
            self._flush()

    def _flush(self) -> None:
        for (protocol, address), ports in self._refused.items():
            question = self._question(protocol, Purpose.SWEEP)
            self._places[question].add(address)
            self._taker.refuse(question, Refusals(address=address, ports=PortSet.of(ports)))
        self._refused.clear()
        self._refusals = 0

    def finish(
        self, scanned: Sequence[Scanned], started: float | None = None, *, cut_off: str = ""
    ) -> None:
        """Say what was asked, as far as somebody knows.

        What a tool was stopped in the middle of (``cut_off`` says how that is known) was not asked
        as a whole, whatever somebody says.
        """
        self._flush()
        started = started if started is not None else self.first
        for question in sorted(self._places, key=repr):
            self._taker.end(
                Ended(
                    question=question,
                    addresses=self._places[question].addresses(),
                    ports=PortSet(),
                    started=started,
                    ended=self.last,
                )
            )
        for part, area in enumerate(scanned, 1):
            self._taker.end(
                Ended(
                    question=self._question(area.protocol, Purpose.SWEEP, part),
                    addresses=area.addresses,
                    ports=area.ports,
                    state=TaskState.FAILED if cut_off else TaskState.SETTLED,
                    outcome=cut_off,
                    started=started,
                    ended=self.last,
                )
            )
