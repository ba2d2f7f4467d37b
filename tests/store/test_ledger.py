"""The ledger: filed once, settled whole, fenced against whoever comes too late."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from pipeline.addresses import AddressSet, parse_address
from pipeline.errors import NotAdmitted, StoreError
from pipeline.ledger import Ledger
from pipeline.model import (
    Hole,
    Method,
    Observation,
    PortState,
    Purpose,
    Task,
    TaskRecord,
    TaskState,
)
from pipeline.ports import PortSet
from pipeline.scope import Scope
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from tests.decide.making import PLAN, START, WHERE, batch, endpoints, seen, sweep, task

OPEN_22 = seen(Method.NMAP_SYN)
CLOSED_22 = seen(Method.NMAP_SYN, PortState.CLOSED)
OPEN_80 = seen(Method.NMAP_SYN, where=endpoints("192.0.2.7:80")[0])
HOLE = Hole(address=parse_address("192.0.2.8"), ports=None, reason="host timed out")
HOLE_80 = Hole(address=parse_address("192.0.2.7"), ports=PortSet.parse("80"), reason="gave up")
ASKED = task(at=("192.0.2.7", "192.0.2.8"), ports="22,80")


def begin(ledger: Ledger, number: int = 1, *, now: float = START) -> int:
    return ledger.start(number, argv=("nmap", "-n"), rate=10.0, evidence="000001-1", now=now)


def only(ledger: Ledger) -> TaskRecord:
    (record,) = ledger.tasks()
    return record


def heard(ledger: Ledger) -> list[Observation]:
    found = ledger.everything().observations.values()
    return [replace(o, task=0, number=0) for heard in found for o in heard]


# --- filing ------------------------------------------------------------------------------------


def test_a_task_is_read_as_it_was_filed(ledger: Ledger) -> None:
    filed = [
        task(at=("192.0.2.0/28", "192.0.2.77"), ports="1-1000,8080", round_=3, not_before=7.5),
        task(at=("2001:db8::/120", "2001:db8::ffff"), purpose=Purpose.CONTROL),
        sweep(),
    ]
    ledger.file(filed)
    records = ledger.tasks()
    assert [record.task for record in records] == filed
    assert [record.number for record in records] == [1, 2, 3]
    assert {(r.state, r.attempt, r.failures) for r in records} == {(TaskState.PLANNED, 0, 0)}


def test_the_same_question_is_filed_once(ledger: Ledger) -> None:
    ledger.file([ASKED, ASKED])
    ledger.file([ASKED])
    # When it is due is not part of the question.
    ledger.file([replace(ASKED, not_before=99.0)])
    assert only(ledger).task == ASKED
    ledger.file([replace(ASKED, round=2)])
    assert len(ledger.tasks()) == 2


def test_filing_the_same_question_again_leaves_what_became_of_it(ledger: Ledger) -> None:
    ledger.file([ASKED])
    ledger.settle(1, begin(ledger), observations=[OPEN_22], now=START)
    ledger.file([ASKED])
    assert only(ledger).state is TaskState.SETTLED
    assert heard(ledger) == [OPEN_22]


def test_two_runs_may_ask_the_same(store: Store, run: RunRecord, ledger: Ledger) -> None:
    other = Ledger(store, store.create_run(PLAN, run_id="two", now=START))
    for each in (ledger, other):
        each.file([ASKED])
    begin(ledger)
    assert other.recover() == 0
    assert only(ledger).state is TaskState.RUNNING
    assert only(other).state is TaskState.PLANNED
    assert ledger.recover() == 1


def test_nothing_to_file_is_no_error(ledger: Ledger) -> None:
    ledger.file([])
    assert ledger.tasks() == ()


# --- batches -----------------------------------------------------------------------------------


def test_a_batch_is_read_as_it_was_filed_and_finished_once(ledger: Ledger) -> None:
    first = batch("192.0.2.0/29", expected=["192.0.2.7:22", "192.0.2.1:443"])
    second = replace(batch("2001:db8::/126", expected=["[2001:db8::1]:22"]), number=2)
    ledger.add_batches([first, second])
    assert ledger.batches() == (first, second)
    ledger.finish_batch(1)
    assert ledger.batches(unfinished_only=True) == (second,)
    assert ledger.batches() == (first, second)


def test_batches_are_filed_all_or_none(ledger: Ledger) -> None:
    def batches() -> Iterator[object]:
        yield batch()
        raise RuntimeError("the scope could not be cut")

    with pytest.raises(RuntimeError):
        ledger.add_batches(batches())  # type: ignore[arg-type]  # it never comes to the second
    with pytest.raises((IntegrityError, StoreError)):
        ledger.add_batches([batch(), batch()])
    assert ledger.batches() == ()


# --- settling ----------------------------------------------------------------------------------


def test_a_settled_task_carries_all_that_is_known_of_it(ledger: Ledger) -> None:
    ledger.file([ASKED])
    attempt = begin(ledger)
    assert ledger.settle(
        1,
        attempt,
        observations=[OPEN_22, OPEN_80],
        holes=[HOLE, HOLE_80],
        evidence_sha256="ab" * 32,
        outcome="",
        now=START + 9,
    )
    record = only(ledger)
    assert (record.state, record.attempt, record.started) == (TaskState.SETTLED, 1, START)
    assert (record.ended, record.argv, record.rate) == (START + 9, ("nmap", "-n"), 10.0)
    assert (record.evidence, record.evidence_sha256) == ("000001-1", "ab" * 32)
    known = ledger.everything()
    assert heard(ledger) == [OPEN_22, OPEN_80]
    assert known.holes == ((1, HOLE), (1, HOLE_80))
    numbers = [o.number for found in known.observations.values() for o in found]
    assert len(set(numbers)) == 2
    assert all(numbers)


def test_of_two_answers_about_one_endpoint_the_first_counts(ledger: Ledger) -> None:
    ledger.file([ASKED])
    twice = [OPEN_22, replace(OPEN_22, time=START + 5, reason="later"), OPEN_80, CLOSED_22]
    ledger.settle(1, begin(ledger), observations=twice, now=START)
    assert heard(ledger) == [OPEN_22, OPEN_80]


def test_an_answer_replaces_what_an_earlier_attempt_filed(store: Store, ledger: Ledger) -> None:
    ledger.file([ASKED])
    ledger.settle(1, begin(ledger), observations=[OPEN_22], holes=[HOLE], now=START)
    with store.transaction() as connection:
        connection.execute(text("UPDATE tasks SET state = 'planned'"))
    ledger.settle(1, begin(ledger), observations=[CLOSED_22, OPEN_80], now=START)
    assert heard(ledger) == [CLOSED_22, OPEN_80]
    assert ledger.everything().holes == ()


def test_a_failed_task_files_what_it_saw(ledger: Ledger) -> None:
    ledger.file([ASKED])
    ledger.settle(
        1,
        begin(ledger),
        observations=[OPEN_22],
        holes=[HOLE],
        outcome="cut off",
        now=START,
        failed=True,
    )
    assert (only(ledger).state, only(ledger).outcome) == (TaskState.FAILED, "cut off")
    assert heard(ledger) == [OPEN_22]


@pytest.mark.parametrize("breaks", ["observations", "holes"])
def test_settling_is_all_or_nothing(ledger: Ledger, breaks: str) -> None:
    def observations() -> Iterator[Observation]:
        yield OPEN_22
        if breaks == "observations":
            raise RuntimeError("the reader stumbled")

    def holes() -> Iterator[Hole]:
        yield HOLE
        raise RuntimeError("the reader stumbled")

    ledger.file([ASKED])
    attempt = begin(ledger)
    with pytest.raises(RuntimeError):
        ledger.settle(1, attempt, observations=observations(), holes=holes(), now=START)
    assert only(ledger).state is TaskState.RUNNING
    assert heard(ledger) == []
    assert ledger.everything().holes == ()
    assert ledger.settle(1, attempt, observations=[OPEN_80], now=START)
    assert heard(ledger) == [OPEN_80]


# --- fencing -----------------------------------------------------------------------------------


def test_a_result_that_comes_too_late_files_nothing(ledger: Ledger) -> None:
    ledger.file([ASKED])
    stale = begin(ledger)
    assert ledger.recover() == 1
    current = begin(ledger)
    assert current == stale + 1
    assert not ledger.settle(1, stale, observations=[OPEN_22], holes=[HOLE], now=START)
    assert not ledger.put_back(1, stale, why="late", not_before=START)
    assert not ledger.release(1, stale, why="late")
    assert heard(ledger) == []
    assert ledger.everything().holes == ()
    assert only(ledger).state is TaskState.RUNNING
    assert only(ledger).outcome == "interrupted"
    assert ledger.settle(1, current, observations=[OPEN_80], now=START)
    assert not ledger.settle(1, current, observations=[OPEN_22], now=START)
    assert heard(ledger) == [OPEN_80]


def test_a_task_that_was_never_started_cannot_be_settled(ledger: Ledger) -> None:
    ledger.file([ASKED])
    assert not ledger.settle(1, 0, observations=[OPEN_22], now=START)
    assert not ledger.settle(2, 1, observations=[OPEN_22], now=START)
    assert heard(ledger) == []


@pytest.mark.parametrize("settled", [False, True])
def test_a_task_is_not_started_twice(ledger: Ledger, settled: bool) -> None:
    ledger.file([ASKED])
    attempt = begin(ledger)
    if settled:
        ledger.settle(1, attempt, observations=[], now=START)
    with pytest.raises(ValueError, match="task 1 does not wait"):
        begin(ledger)


def test_a_task_that_fails_is_put_back_and_counted(ledger: Ledger) -> None:
    ledger.file([ASKED])
    assert ledger.put_back(1, begin(ledger), why="no answer", not_before=START + 5)
    record = only(ledger)
    assert (record.state, record.failures, record.attempt) == (TaskState.PLANNED, 1, 1)
    assert (record.outcome, record.task.not_before) == ("no answer", START + 5)


def test_a_task_that_is_cut_off_is_put_back_and_not_counted(ledger: Ledger) -> None:
    ledger.file([ASKED])
    assert ledger.release(1, begin(ledger), why="interrupted")
    begin(ledger)
    assert ledger.recover() == 1
    record = only(ledger)
    assert (record.state, record.failures, record.attempt) == (TaskState.PLANNED, 0, 2)


# --- looking -----------------------------------------------------------------------------------


def test_the_evidence_of_a_batch_is_its_own(ledger: Ledger) -> None:
    first, second = batch(), replace(batch("198.51.100.0/29"), number=2)
    ledger.add_batches([first, second])
    elsewhere = seen(Method.NMAP_SYN, where=endpoints("198.51.100.1:22")[0])
    ledger.file([ASKED, task(at=("198.51.100.1",), batch=2)])
    ledger.settle(1, begin(ledger, 1), observations=[OPEN_22], holes=[HOLE], now=START)
    ledger.settle(2, begin(ledger, 2), observations=[elsewhere], now=START)
    one, two = ledger.evidence(first), ledger.evidence(second)
    assert (set(one.observations), set(two.observations)) == ({WHERE}, {elsewhere.endpoint})
    assert (one.holes, two.holes) == (((1, HOLE),), ())
    assert [r.number for r in one.tasks] == [1]
    everything = ledger.everything()
    assert set(everything.observations) == {WHERE, elsewhere.endpoint}
    assert everything.batch.targets.addresses == PLAN.scope.admitted


def test_nothing_is_read_that_the_scope_does_not_admit(
    store: Store, run: RunRecord, ledger: Ledger
) -> None:
    ledger.add_batches([batch()])
    ledger.file([ASKED])
    narrow = Ledger(store, run, Scope(included=AddressSet.parse(["192.0.2.0/29"])))
    with pytest.raises(NotAdmitted):
        narrow.tasks()
    with store.transaction() as connection:
        connection.execute(text("UPDATE batches SET targets = '203.0.113.1'"))
    with pytest.raises(NotAdmitted):
        ledger.batches()


def test_an_empty_run_has_empty_evidence(ledger: Ledger) -> None:
    known = ledger.everything()
    assert (known.tasks, known.observations, known.holes) == ((), {}, ())


def test_what_was_settled_survives_closing_the_store(tmp_path: Path) -> None:
    path = tmp_path / "portproof.db"
    with Store(path) as store:
        ledger = Ledger(store, store.create_run(PLAN, run_id="one", now=START))
        ledger.file([ASKED, sweep()])
        ledger.settle(1, begin(ledger), observations=[OPEN_22], now=START)
        begin(ledger, 2)
    with Store(path) as store:
        ledger = Ledger(store, store.run("one"))
        assert heard(ledger) == [OPEN_22]
        assert [r.state for r in ledger.tasks()] == [TaskState.SETTLED, TaskState.RUNNING]
        assert ledger.recover() == 1


# --- any history -------------------------------------------------------------------------------

QUESTIONS: list[Task] = [task(ports=str(port)) for port in (22, 80, 443)]
ANSWERS = {
    number: [
        seen(Method.NMAP_SYN, state, where=endpoints(f"192.0.2.7:{question.ports}")[0])
        for state in (PortState.OPEN, PortState.CLOSED)
    ]
    for number, question in enumerate(QUESTIONS, start=1)
}


class AnyHistory(RuleBasedStateMachine):
    """Start, settle, fail, crash in any order, with late results of old attempts in between."""

    @initialize()
    def file(self) -> None:
        self.folder = TemporaryDirectory()
        self.store = Store(Path(self.folder.name) / "portproof.db")
        self.ledger = Ledger(self.store, self.store.create_run(PLAN, run_id="one", now=START))
        self.ledger.file(QUESTIONS)
        self.states = dict.fromkeys(ANSWERS, TaskState.PLANNED)
        self.attempts = dict.fromkeys(ANSWERS, 0)
        self.failures = dict.fromkeys(ANSWERS, 0)
        self.filed: dict[int, Observation] = {}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()

    def _fits(self, number: int, attempt: int) -> bool:
        return self.states[number] is TaskState.RUNNING and self.attempts[number] == attempt

    numbers = st.sampled_from(sorted(ANSWERS))
    ages = st.integers(0, 2)

    @rule(number=numbers)
    def start(self, number: int) -> None:
        if self.states[number] is not TaskState.PLANNED:
            with pytest.raises(ValueError, match="does not wait"):
                begin(self.ledger, number)
            return
        self.attempts[number] += 1
        assert begin(self.ledger, number) == self.attempts[number]
        self.states[number] = TaskState.RUNNING

    @rule(number=numbers, age=ages, answer=st.integers(0, 1), failed=st.booleans())
    def settle(self, number: int, age: int, answer: int, failed: bool) -> None:
        attempt = self.attempts[number] - age
        fits = self._fits(number, attempt)
        observation = ANSWERS[number][answer]
        assert fits is self.ledger.settle(
            number, attempt, observations=[observation], now=START, failed=failed
        )
        if fits:
            self.states[number] = TaskState.FAILED if failed else TaskState.SETTLED
            self.filed[number] = observation

    @rule(number=numbers, age=ages)
    def put_back(self, number: int, age: int) -> None:
        attempt = self.attempts[number] - age
        fits = self._fits(number, attempt)
        assert fits is self.ledger.put_back(number, attempt, why="failed", not_before=START)
        if fits:
            self.states[number] = TaskState.PLANNED
            self.failures[number] += 1

    @rule(number=numbers, age=ages)
    def release(self, number: int, age: int) -> None:
        attempt = self.attempts[number] - age
        fits = self._fits(number, attempt)
        assert fits is self.ledger.release(number, attempt, why="interrupted")
        if fits:
            self.states[number] = TaskState.PLANNED

    @rule()
    def plan_again(self) -> None:
        self.ledger.file(QUESTIONS)

    @precondition(lambda self: TaskState.RUNNING in self.states.values())
    @rule()
    def crash(self) -> None:
        path = self.store.path
        self.store.close()
        self.store = Store(path)
        self.ledger = Ledger(self.store, self.store.run("one"))
        running = [n for n, state in self.states.items() if state is TaskState.RUNNING]
        assert self.ledger.recover() == len(running)
        for number in running:
            self.states[number] = TaskState.PLANNED

    @invariant()
    def the_ledger_is_what_the_history_says(self) -> None:
        records = {record.number: record for record in self.ledger.tasks()}
        assert {n: r.state for n, r in records.items()} == self.states
        assert {n: r.attempt for n, r in records.items()} == self.attempts
        assert {n: r.failures for n, r in records.items()} == self.failures
        assert heard(self.ledger) == [self.filed[n] for n in sorted(self.filed)]


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)


def test_any_number_of_tasks_that_wait_can_be_put_off(store: Store, ledger: Ledger) -> None:
    @event.listens_for(store.engine, "connect")
    def few(connection: sqlite3.Connection, _: object) -> None:
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)

    store.close()
    ledger.file([ASKED, replace(ASKED, round=2)])
    begin(ledger, 1)
    ledger.postpone(range(1, 2001), 60.0)
    assert [record.task.not_before for record in ledger.tasks()] == [0.0, 60.0]
