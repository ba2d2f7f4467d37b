"""What the pictures show, counted from a document: nothing is lost and nothing is counted twice."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from pipeline.model import TaskState, VerdictKind
from pipeline.render.document import Event, RunDocument
from pipeline.render.overview import (
    course_of,
    funnel_steps,
    heat_of,
    look_rows,
    network_rows,
    turnovers,
)
from pipeline.render.words import OPEN_VERDICTS
from tests.render import documents
from tests.render.documents import START
from tests.render.judged import judged

SMALL = judged(documents.small())


@pytest.mark.parametrize("document", [SMALL, documents.EMPTY, documents.tarpit(200)])
def test_each_step_of_the_funnel_is_what_came_further_and_what_did_not(
    document: RunDocument,
) -> None:
    steps = funnel_steps(document.findings)
    for step, following in pairwise(steps):
        assert step.number == following.number + sum(number for _, number in step.lost)
    confirmed = [f for f in document.findings if f.verdict.kind is VerdictKind.CONFIRMED]
    assert steps[-1].number == len(confirmed)


@pytest.mark.parametrize("at_most", [1, 2, 12])
def test_risks_by_network_add_up_to_the_risks_of_the_run(at_most: int) -> None:
    rows = network_rows(SMALL.findings, at_most=at_most)
    at_risk = [f for f in SMALL.findings if f.severity is not None]
    assert sum(row.total for row in rows) == len(at_risk) > 0
    assert len(rows) <= at_most + 1


def test_the_network_with_the_severest_risk_comes_first() -> None:
    rows = network_rows(SMALL.findings)
    assert [row.counts for row in rows] == sorted((r.counts for r in rows), reverse=True)


@pytest.mark.parametrize(("networks", "ports"), [(12, 12), (1, 2), (1, 1)])
def test_every_open_endpoint_is_in_exactly_one_cell_of_the_heat_map(
    networks: int, ports: int
) -> None:
    heat = heat_of(SMALL.findings, networks=networks, ports=ports)
    is_open = [f for f in SMALL.findings if f.verdict.kind in OPEN_VERDICTS]
    assert sum(map(sum, heat.counts)) == len(is_open) > 0
    assert {len(counts) for counts in heat.counts} == {len(heat.columns)}
    assert len(heat.counts) == len(heat.rows)


def test_there_is_no_heat_where_nothing_is_open() -> None:
    assert heat_of(documents.EMPTY.findings).counts == ()


def test_without_a_history_nothing_opened_or_went() -> None:
    assert turnovers(None) == ()
    told = turnovers(documents.developed())
    assert [t.opened for t in told] == [run.new for run in documents.developed().runs]


def test_the_course_has_every_task_that_was_asked_in_the_lane_of_its_stage() -> None:
    course = course_of(SMALL)
    started = [r for r in SMALL.tasks if r.ended is not None]
    assert sum(lane.tasks for lane in course.lanes) == len(started)
    assert {lane.name for lane in course.lanes} == {"discover", "corroborate", "rescan", "probe"}


def test_what_is_being_asked_lasts_until_now_and_what_was_put_back_is_not_drawn() -> None:
    (sweep,) = documents.EMPTY.tasks
    for state, expected in ((TaskState.RUNNING, 1), (TaskState.PLANNED, 0)):
        cut = replace(documents.EMPTY, tasks=(replace(sweep, state=state, ended=None),))
        course = course_of(cut)
        assert [lane.tasks for lane in course.lanes] == [expected, 0, 0, 0]
        assert all(lane.spans[0][1] == cut.ended for lane in course.lanes if lane.spans)


def test_a_pause_ends_when_a_window_opens_and_a_stop_with_the_next_task() -> None:
    events = (
        Event(time=START + 11, kind="paused", text="no window is open"),
        Event(time=START + 14, kind="continued", text="a window is open again"),
        Event(time=START + 31, kind="stopped", text="by hand"),
        Event(time=START + 9_999, kind="stopped", text="by hand, and never gone on"),
    )
    course = course_of(replace(documents.small(), events=events))
    assert course.pauses == ((START + 11, START + 14), (START + 31, START + 40))


def test_a_sweep_of_masscan_holds_its_share_only_while_it_sends() -> None:
    (sweep,) = documents.EMPTY.tasks
    assert sweep.rate is not None
    short = replace(sweep, rate=1_024_000.0, argv=("masscan", "--retries", "1"))
    ((start, end, rate),) = course_of(replace(documents.EMPTY, tasks=(short,))).shares
    assert rate == short.rate
    assert end - start == pytest.approx(2 * short.task.endpoints / rate)


def test_the_rows_of_evidence_hold_every_observation() -> None:
    for finding in SMALL.findings:
        rows = look_rows(finding.observations)
        assert sum(len(row.answers) for row in rows) == len(finding.observations)
