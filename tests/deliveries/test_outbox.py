"""Nothing is lost and nothing doubled, whatever the receiver does; and nobody hinders anybody."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decide.redelivery import LONGEST, given_up, pause
from pipeline.deliveries import search
from pipeline.deliveries.items import MOST, Draft, Item, Outcome, nothing_taken
from pipeline.deliveries.round import Job, Step, carry
from pipeline.deliveries.settings import Search, Web
from pipeline.delivering import due, send_due
from pipeline.secret import Secret
from pipeline.store.outbox import DeliveryState, deliveries, file_again
from pipeline.store.purge import purge_run
from pipeline.store.runs import Store
from tests.cli.conftest import Portproof
from tests.cli.ground import a_free_port, spawn
from tests.cli.past import found
from tests.deliveries.conftest import LOOPBACK, Index, Reaction, Request, Sink
from tests.deliveries.ground import NOW, Clock, a_draft, a_run, at, in_the_outbox, states


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that is migrated once, and copied for each test."""
    path = tmp_path_factory.mktemp("empty") / "portproof.db"
    Store(path).close()
    return path


@pytest.fixture
def store(tmp_path: Path, empty: Path) -> Iterator[Store]:
    with Store(Path(shutil.copy(empty, tmp_path / "portproof.db"))) as opened:
        yield opened


def elastic(web: Web, name: str = "search") -> Search:
    return Search(name=name, web=web, index="portproof")


class Moody:
    """Half of its requests fail, in every way there is; half of the items are put off."""

    def __init__(self, index: Index, seed: int) -> None:
        self.index = index
        self.random = random.Random(seed)

    def __call__(self, request: Request) -> Reaction:
        match self.random.randrange(8):
            case 0:
                return Reaction(status=503)
            case 1:
                return Reaction(dropped=True)
            case 2:
                self.index.bulk(request.body)
                return Reaction(dropped=True)
            case 3:
                self.index.bulk(request.body)
                return Reaction(body=b'{"errors": false, "items": [')
            case _:
                return Reaction(body=self.index.bulk(request.body, self.put_off))

    def put_off(self, _: str) -> int:
        return self.random.choice((0, 429))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_sink_that_fails_half_of_its_requests_loses_nothing_and_doubles_nothing(
    sink: Sink, seed: int
) -> None:
    index, items = Index(), tuple(map(a_draft, range(2 * MOST + 7)))
    sink.react = Moody(index, seed)

    def send(some: Sequence[Item]) -> Outcome:
        return search.deliver(elastic(at(sink.port)), some)

    last = Step(number=1, attempt=0, taken=0, owed=(), problem="not begun")
    steps: list[Step] = []
    for attempt in range(60):
        job = Job(
            number=1, attempt=attempt, items=items, send=send, taken=last.taken, owed=last.owed
        )
        carry([job], until=60, clock=lambda: 0.0, heard=steps.append, pauses=(0.0, 0.0))
        last = steps[-1]
        assert last.over
        assert len(last.owed) <= MOST
        if not last.problem:
            break
    assert (last.problem, last.taken, last.owed) == ("", len(items), ())
    assert sorted(index.documents) == sorted(item.id for item in items)
    assert len(index.created) == len(items)
    assert len(sink.requests) > 6


def test_items_that_are_put_off_are_sent_again_alone_and_those_refused_are_told(
    sink: Sink, store: Store
) -> None:
    index, seen = Index(), []

    def react(request: Request) -> Reaction:
        seen.append([json.loads(line) for line in request.body.splitlines()[::2]])
        busy = len(seen) == 1

        def put_off(id_: str) -> int:
            return 400 if ":80/" in id_ else 429 if ":22/" in id_ and busy else 0

        return Reaction(body=index.bulk(request.body, put_off))

    sink.react = react
    settings_of = in_the_outbox(store, a_run(store), elastic(at(sink.port)))
    clock = Clock()
    (one,) = send_due(store, due(store, now=NOW), settings_of, within=20, around=clock.around)
    assert [len(each) for each in seen] == [3, 1]
    assert one.state is DeliveryState.DELIVERED
    assert (one.total, one.taken, one.refused) == (3, 3, 1)
    assert one.because == "refused with 400"
    assert sorted(index.documents) == ["r1", "r1 portproof 192.0.2.1:22/tcp ssh"]
    assert index.documents["r1"]["event"]["id"] == "r1"


@pytest.mark.parametrize(
    ("status", "state", "problem"),
    [
        (403, "pending", "3 of 3 put off with 403"),
        (404, "pending", "3 of 3 put off with 404"),
        (400, "given-up", "everything was refused"),
        (409, "delivered", ""),
    ],
)
def test_what_a_server_says_of_every_item_is_about_the_place_or_gives_them_up(
    sink: Sink, store: Store, status: int, state: str, problem: str
) -> None:
    sink.react = lambda request: Reaction(body=Index().bulk(request.body, lambda _: status))
    settings_of = in_the_outbox(store, a_run(store), elastic(at(sink.port)))
    clock = Clock()
    (one,) = send_due(store, due(store, now=NOW), settings_of, within=20, around=clock.around)
    assert (one.state, one.problem) == (state, problem)
    assert len(sink.requests) == 1


def test_a_delivery_goes_on_where_it_stood_and_waits_longer_each_time(
    sink: Sink, store: Store
) -> None:
    sink.react = lambda _: Reaction(status=503, headers={"Retry-After": "600"})
    settings_of = in_the_outbox(store, a_run(store), elastic(at(sink.port)))
    clock, waits = Clock(), []
    for _ in range(5):
        send_due(store, due(store, now=clock.now), settings_of, within=20, around=clock.around)
        (one,) = deliveries(store)
        assert due(store, now=one.next_attempt - 1) == []
        waits.append(one.next_attempt - clock.now)
        clock.now = one.next_attempt
    assert (one.state, one.attempts, one.problem) == ("pending", 5, "answered with 503")
    assert waits == [600, 600, 600, 600, 960]
    assert len(sink.requests) == 5
    sink.react = lambda request: Reaction(body=Index().bulk(request.body))
    send_due(store, due(store, now=clock.now), settings_of, within=20, around=clock.around)
    assert states(store) == {"search r1": "delivered"}


def test_a_delivery_is_given_up_by_its_last_attempt_and_begins_again_when_asked(
    store: Store, sink: Sink
) -> None:
    run, nobody = a_run(store), at(a_free_port(LOOPBACK))
    settings_of = in_the_outbox(store, run, replace(elastic(nobody), give_up_after=3600.0))
    late = Clock(now=NOW + 7200)
    (one,) = send_due(store, due(store, now=None), settings_of, within=20, around=late.around)
    assert (one.state, one.problem) == ("given-up", "no answer: Connection refused")
    assert due(store, now=None) == []
    sink.react = lambda request: Reaction(body=Index().bulk(request.body))
    file_again(store, run.number, ["search"], now=late.now)
    to = elastic(at(sink.port))
    send_due(store, due(store, now=late.now), lambda _: (to,), within=20, around=late.around)
    assert states(store) == {"search r1": "delivered"}


def test_one_destination_that_never_answers_hinders_no_other(sink: Sink, store: Store) -> None:
    silent, index, asked = Sink(), Index(), threading.Event()

    def never(_: Request) -> Reaction:
        asked.wait(20)
        return Reaction(dropped=True)

    silent.react = never
    sink.react = lambda request: Reaction(body=index.bulk(request.body))
    first, second = a_run(store), a_run(store, id_="r2")
    to = (elastic(at(silent.port), "silent"), elastic(at(sink.port)))
    settings_of = in_the_outbox(store, first, *to)
    in_the_outbox(store, second, *to)
    clock = Clock()
    found = send_due(store, due(store, now=NOW), settings_of, within=0.5, around=clock.around)
    asked.set()
    silent.close()
    assert [(one.run_id, one.destination, str(one.state)) for one in found] == [
        ("r1", "silent", "pending"),
        ("r1", "search", "delivered"),
        ("r2", "silent", "pending"),
        ("r2", "search", "pending"),
    ]
    assert found[0].problem == "the time was up before it was over"
    send_due(store, due(store, now=NOW), settings_of, within=10, around=clock.around)
    assert len(index.documents) == 6


def test_what_the_engagement_does_not_name_any_more_is_given_up(store: Store) -> None:
    in_the_outbox(store, a_run(store), elastic(at(9)))
    (one,) = send_due(store, due(store, now=NOW), lambda _: (), within=5, around=Clock().around)
    assert (one.state, one.problem) == ("given-up", "the engagement does not name it any more")


def test_what_was_purged_before_it_arrived_is_given_up(store: Store) -> None:
    run = a_run(store)
    settings_of = in_the_outbox(store, run, elastic(at(9)))
    purge_run(store, run, now=NOW, text="purged")
    (one,) = send_due(store, due(store, now=NOW), settings_of, within=5, around=Clock().around)
    assert (one.state, one.problem) == ("given-up", "the evidence of the run was purged")


def test_a_run_that_tells_something_else_by_now_begins_anew(sink: Sink, store: Store) -> None:
    index, run = Index(), a_run(store)
    sink.react = lambda request: Reaction(
        body=index.bulk(request.body, lambda id_: 429 if ":22/" in id_ else 0)
    )
    settings_of = in_the_outbox(store, run, elastic(at(sink.port)))
    clock = Clock()
    (one,) = send_due(store, due(store, now=NOW), settings_of, within=5, around=clock.around)
    assert (one.taken, one.owed) == (3, (1,))
    store.save_verdicts(run.number, [found(f"192.0.2.1:{port}") for port in (22, 80, 443)])
    sink.react = lambda request: Reaction(body=index.bulk(request.body))
    (one,) = send_due(store, due(store, now=None), settings_of, within=5, around=clock.around)
    assert (one.state, one.total, one.taken) == ("delivered", 4, 4)
    assert len(index.created) == len(index.documents) == 4


def test_filing_a_run_twice_files_it_once(store: Store) -> None:
    run = a_run(store)
    in_the_outbox(store, run, elastic(at(9)))
    in_the_outbox(store, run, elastic(at(9)), now=NOW + 5)
    assert [one.filed for one in deliveries(store)] == [NOW]


def test_a_secret_that_is_missing_is_told_by_its_place(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    to = replace(elastic(at(9)), api_key=Secret(env="NOWHERE"))
    settings_of = in_the_outbox(store, a_run(store), to)
    (one,) = send_due(store, due(store, now=NOW), settings_of, within=5, around=Clock().around)
    assert (one.state, one.problem) == ("pending", "the variable NOWHERE is not set")


ENGAGEMENT = """\
engagement: weekly
deliveries:
  - {{name: search, to: opensearch, url: "http://127.0.0.1:{port}", index: portproof}}
"""


def test_a_crash_between_sending_and_filing_leads_to_a_repeat_and_to_no_loss(
    portproof: Portproof, sink: Sink, tmp_path: Path
) -> None:
    index = Index()
    processes: list[subprocess.Popen[str]] = []

    def kill(request: Request) -> Reaction:
        index.bulk(request.body)
        os.kill(processes[0].pid, signal.SIGKILL)
        return Reaction(dropped=True)

    sink.react = kill
    with Store(tmp_path / "portproof.db") as store:
        run = a_run(store, engagement_text=ENGAGEMENT.format(port=sink.port))
        in_the_outbox(store, run, elastic(at(sink.port)))
    process = spawn("deliver", "--workspace", tmp_path)
    processes.append(process)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert len(index.documents) == 3

    sink.react = lambda request: Reaction(body=index.bulk(request.body))
    said = portproof("deliver", "--now", "--workspace", tmp_path, "--format", "json")
    assert said.code == 0, said.err
    (told,) = said.json["deliveries"]
    assert (told["state"], told["attempts"], told["taken"]) == ("delivered", 2, 3)
    assert len(index.created) == len(index.documents) == 3


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.floats(0, 1), st.floats(0, 9000))
def test_a_pause_is_within_its_bounds(attempts: int, jitter: float, asked: float) -> None:
    found = pause(attempts, jitter=jitter, asked=asked)
    assert max(30.0, asked) <= found <= max(LONGEST, asked)
    assert pause(attempts + 1, jitter=jitter) >= pause(attempts, jitter=jitter)


def test_nothing_is_given_up_before_its_time_or_its_number_of_attempts() -> None:
    assert not given_up(1, age=10.0, give_up_after=60.0)
    assert given_up(1, age=60.0, give_up_after=60.0)
    assert given_up(80, age=0.0, give_up_after=60.0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=40), st.integers(1, 12))
def test_whatever_is_put_off_or_refused_every_item_is_settled_once(
    moods: list[int], count: int
) -> None:
    items = tuple(a_draft(number, "x" * 200_000) for number in range(count))
    taken: list[str] = []
    told = iter(moods)

    def send(some: Sequence[Item]) -> Outcome:
        mood = next(told, 0)
        if mood == 1:
            return nothing_taken(some, "busy")
        kept = some if mood == 0 else some[::2]
        taken.extend(item.id for item in kept)
        owed = tuple(range(1, len(some), 2)) if mood == 2 else ()
        return Outcome(owed=owed, problem="some" if owed else "")

    steps = [Step(number=1, attempt=0, taken=0, owed=(), problem="not begun")]
    while steps[-1].problem:
        job = Job(
            number=1, attempt=1, items=items, send=send, taken=steps[-1].taken, owed=steps[-1].owed
        )
        carry([job], until=60, clock=lambda: 0.0, heard=steps.append, pauses=(0.0,))
    assert sorted(taken) == sorted(item.id for item in items)
    assert len(taken) == count


def test_what_waits_is_written_down_when_its_turn_has_come() -> None:
    written: list[int] = []
    seen: list[int] = []

    def draft(number: int) -> Draft:
        def write() -> str:
            written.append(number)
            return "x"

        return replace(a_draft(number), write=write)

    def send(_: Sequence[Item]) -> Outcome:
        seen.append(len(written))
        return Outcome()

    job = Job(number=1, attempt=1, items=tuple(map(draft, range(3 * MOST))), send=send)
    carry([job], until=60, clock=lambda: 0.0, heard=lambda _: None)
    assert written == [*range(3 * MOST)]
    # Of the next portion only the one that did not fit any more.
    assert seen == [MOST + 1, 2 * MOST + 1, 3 * MOST]


def test_what_cannot_be_written_down_is_told_and_hangs_nothing() -> None:
    def write() -> str:
        raise ZeroDivisionError

    steps: list[Step] = []
    job = Job(
        number=1, attempt=1, items=(replace(a_draft(1), write=write),), send=lambda _: Outcome()
    )
    carry([job], until=60, clock=lambda: 0.0, heard=steps.append)
    assert [(step.over, step.problem) for step in steps] == [(True, "a bug: ZeroDivisionError")]
