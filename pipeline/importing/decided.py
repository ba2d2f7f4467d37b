"""Runs of portproof, as it wrote them: the verdicts are made, and stay what they are."""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

from pipeline.importing.question import Ended, Places, Question, Taker, sane
from pipeline.model import Method, Observation, Purpose, TaskState, Verdict
from pipeline.parse.own_xml import OwnRun, read_own_xml
from pipeline.parse.portproof_json import DocumentRun, DocumentTask, read_document
from pipeline.ports import PortSet


class Document:
    """Takes the endpoints of one ``report.json``. Tasks keep their numbers as parts of the file."""

    def __init__(self, file: int, taker: Taker, otherwise: float) -> None:
        self._file = file
        self._taker = taker
        self._otherwise = otherwise
        self._places: dict[Question, Places] = {}

    def read(self, stream: BinaryIO) -> DocumentRun:
        """Read it all, and say what was asked."""
        run = read_document(stream, self._take)
        tasks = {task.number: task for task in run.tasks}
        questions = {task.number: self._question(task) for task in run.tasks}
        for number, hole in run.holes:
            if number in questions:
                self._taker.give_up(questions[number], hole)
        for task in tasks.values():
            question = questions[task.number]
            self._places.pop(question, None)
            self._taker.end(
                Ended(
                    question=question,
                    addresses=task.addresses,
                    ports=task.ports,
                    # What was planned and not asked when it was written never will be.
                    state=task.state if task.state is TaskState.SETTLED else TaskState.FAILED,
                    started=sane(task.started),
                    ended=sane(task.ended),
                    outcome=task.outcome,
                )
            )
        for question, places in self._places.items():
            self._taker.end(Ended(question=question, addresses=places.addresses(), ports=PortSet()))
        return run

    def _take(self, verdict: Verdict, evidence: tuple[Observation, ...]) -> None:
        numbers = []
        for said in evidence:
            question = Question(
                file=self._file,
                method=said.method,
                protocol=said.endpoint.protocol,
                purpose=said.purpose,
                round=said.round,
                part=said.task,
            )
            self._places.setdefault(question, Places()).add(said.endpoint.address)
            time = sane(said.time) or self._otherwise
            numbers.append(self._taker.observe(question, replace(said, time=time)))
        self._taker.decide(replace(verdict, observations=tuple(sorted(numbers))))

    def _question(self, task: DocumentTask) -> Question:
        return Question(
            file=self._file,
            method=task.method,
            protocol=task.protocol,
            purpose=task.purpose,
            round=task.round,
            part=task.number,
        )


def read_own(file: int, stream: BinaryIO, taker: Taker) -> OwnRun:
    """Read nmap XML that portproof wrote: verdicts and coverage, and no single observation."""
    run = read_own_xml(stream, taker.decide)
    for part, asked in enumerate(run.asked, 1):
        question = Question(
            file=file,
            method=asked.method or Method.IMPORTED,
            protocol=asked.protocol,
            purpose=Purpose.SWEEP,
            part=part,
        )
        taker.end(Ended(question=question, addresses=asked.addresses, ports=asked.ports))
    return run
