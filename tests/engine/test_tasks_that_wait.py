"""The tasks of a batch that wait, told apart by whether their time has come."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.addresses import AddressSet
from pipeline.engine.active import Waiting
from pipeline.model import Method, Protocol, Purpose, StageName, Task, TaskRecord, TaskState
from pipeline.ports import PortSet
from pipeline.scope import Scope

HERE = AddressSet.parse(["192.0.2.1"])
TASK = Task(
    batch=1,
    stage=StageName.RESCAN,
    method=Method.HANDSHAKE,
    purpose=Purpose.WATCH,
    targets=Scope(included=HERE).admit_all(HERE),
    protocol=Protocol.TCP,
    ports=PortSet.of((80,)),
    vantage="here",
)
TIMES = st.integers(0, 6).map(float)
STEPS = st.lists(
    st.tuples(st.sampled_from(("add", "remove", "look")), st.integers(1, 5), TIMES), max_size=30
)


def record(number: int, when: float) -> TaskRecord:
    task = replace(TASK, not_before=when)
    return TaskRecord(number=number, task=task, state=TaskState.PLANNED, attempt=0, failures=0)


@given(STEPS)
def test_whatever_comes_and_goes_what_is_due_is_what_a_look_at_each_would_find(
    steps: list[tuple[str, int, float]],
) -> None:
    waiting, plain, now = Waiting(), dict[int, TaskRecord](), 0.0
    for what, number, time in steps:
        if what == "add":
            plain[number] = record(number, time)
            waiting.add(plain[number])
        elif what == "remove" and number in plain:
            del plain[number]
            waiting.remove(number)
        now = max(now, time) if what == "look" else now
        due = {n for n, r in plain.items() if r.task.not_before <= now}
        later = [r.task.not_before for n, r in plain.items() if n not in due]
        assert {r.number for r in waiting.due(now)} == due
        assert waiting.next_due(now) == min(later, default=None)
        assert {r.number for r in waiting} == plain.keys()
        assert len(waiting) == len(plain)
