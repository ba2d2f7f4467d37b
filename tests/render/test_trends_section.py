"""The development over many runs, as a section of the report and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

from pipeline.decide.trends import Occasion, trends
from pipeline.render.document_json import render_json
from pipeline.render.html import render_html
from pipeline.render.trends import HEIGHT, WIDTH, line, stays_told
from tests.render import documents
from tests.render.documents import START, developed
from tests.render.page import read_page


def test_the_table_has_a_row_for_each_run_the_newest_first() -> None:
    html = render_html(documents.small())
    section = html[html.index('<section id="trends"') : html.index('<section id="inventory"')]
    times = [e.attributes["datetime"] for e in read_page(section).named("time")]
    assert times == [f"2026-{day}T02:00:00.000Z" for day in ("11-03", "10-27", "10-20", "10-13")]
    rows = [row.split('<td class="amount">')[1:] for row in section.split("<tr>")[2:]]
    cells = [[cell.split("<")[0] for cell in row] for row in rows]
    assert cells[1] == ["2", "0", "1", "0", "1", "1"]


def test_the_drawing_has_a_name_and_stays_within_its_box() -> None:
    html = render_html(documents.small())
    page = read_page(html)
    (drawing,) = page.by_class("trend")
    assert drawing.attributes["role"] == "img"
    assert drawing.attributes["aria-labelledby"] in page.ids
    drawn = line(developed().runs)
    assert drawn is not None
    assert len(drawn.dots) == 4
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in drawn.dots)
    assert drawn.points in html


def test_one_run_alone_is_not_drawn() -> None:
    one = trends([], [Occasion(number=1, id="one", started=START)])
    assert line(one.runs) is None
    html = render_html(replace(documents.small(), trends=one))
    assert "This is the first complete run of this engagement." in html
    assert 'class="trend"' not in html
    assert "openings-title" not in html


def test_runs_of_one_moment_are_not_drawn_but_listed() -> None:
    same = [Occasion(number=n, id=str(n), started=START) for n in (1, 2)]
    assert line(trends([], same).runs) is None


def test_what_nobody_saw_of_the_open_periods_is_said() -> None:
    first, whole, rest = stays_told(developed().stays)
    assert "for 4 periods" in first
    assert "had begun before the port was first looked at" in first
    assert "this is too short" in whole
    assert "if it goes as readily late as early" in rest
    nothing_gone = replace(developed().stays, ended=0, whole=0, mean=None, mean_whole=None)
    assert stays_told(nothing_gone)[1] == (
        "No port was seen to go, so how long they stay open cannot be said."
    )
    assert len(stays_told(replace(nothing_gone, periods=0))) == 1


def test_the_json_has_the_trends_and_since_when_a_port_is_known_to_be_open() -> None:
    told = json.loads(render_json(documents.small()))
    assert [run["run"] for run in told["trends"]["runs"]] == [
        f"2026-week-{n}" for n in (1, 2, 3, 4)
    ]
    assert told["trends"]["runs"][2] == {
        "run": "2026-week-3",
        "started": "2026-10-27T02:00:00.000Z",
        "confirmed": 2,
        "likely": 0,
        "new": 1,
        "newly_covered": 0,
        "gone": 1,
        "not_covered": 1,
    }
    assert told["trends"]["open_periods"]["still_open"] == 2
    assert told["endpoints"][0]["first_seen"] == "2026-10-13T02:00:00.000Z"
    assert told["endpoints"][-1]["first_seen"] is None
    assert json.loads(render_json(documents.EMPTY))["trends"] is None


def test_a_finding_says_since_when_it_is_known_unless_it_is_new() -> None:
    html = render_html(documents.small())
    assert html.count("First seen open in the run of") == 1
    assert 'First seen open in the run of <time datetime="2026-10-13T02:00:00.000Z">' in html
