"""The pictures, by their laws: what is drawn is as large as what it stands for."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decide.risk_rules import SEVERITIES
from pipeline.render.pictures import course as courses
from pipeline.render.pictures import funnel as funnels
from pipeline.render.pictures import networks as rows
from pipeline.render.pictures.course import Course, Lane, merged, rates, run_course
from pipeline.render.pictures.funnel import Step, funnel
from pipeline.render.pictures.heat import LEVELS, Heat, heat_map, level
from pipeline.render.pictures.looks import OPEN, REFUSED, SILENT, LookRow, looks, place, told
from pipeline.render.pictures.networks import NetworkRow, risk_by_network
from pipeline.render.pictures.openings import Turnover, opens_and_closes
from pipeline.render.pictures.svg import INKS, Picture, block, label, number
from pipeline.resources import read_text
from tests.render.documents import START, WEEK

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '"><script>alert(1)</script>{{7*7}}\x1b[31m\u202e</svg><img onerror=x>' + "A" * 5000
COUNTS = st.integers(min_value=0, max_value=70_000)
FEW = settings(max_examples=25, deadline=None)


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def widths(svg: str, ink: str) -> list[float]:
    found = parsed(svg).iter(f"{SVG}rect")
    return [float(rect.attrib["width"]) for rect in found if rect.attrib["class"] == f"i-{ink}"]


def run(started: float, opened: int = 0, first: int = 0, gone: int = 0) -> Turnover:
    return Turnover(started=started, opened=opened, first_looked_at=first, gone=gone)


COURSE = Course(
    began=START,
    ended=START + 1_000,
    lanes=(Lane(name="discover", tasks=2, spans=((START, START + 250.0),)),),
    pauses=((START + 300, START + 500),),
    shares=((START, START + 250.0, 800.0),),
    limit=1_000,
)


def looked(name: str = "nmap SYN scan") -> tuple[LookRow, ...]:
    return (
        LookRow(name=name, answers=((START, OPEN), (START + 5, OPEN), (START + 900, SILENT))),
        LookRow(name="handshake", answers=((START + 6, REFUSED),)),
    )


def hostile_pictures() -> list[str]:
    return [
        funnel([Step(name=HOSTILE, number=3, ink="likely", lost=((HOSTILE, 2),))]).svg,
        risk_by_network([NetworkRow(name=HOSTILE, counts=(1, 0, 0, 0, 2))]).svg,
        heat_map(Heat(rows=(HOSTILE,), columns=(HOSTILE,), counts=((4,),))).svg,
        run_course(
            replace(COURSE, lanes=(Lane(name=HOSTILE, tasks=1, spans=((START, START + 9),)),))
        ).svg,
        looks(looked(HOSTILE), over=HOSTILE),
    ]


@pytest.mark.parametrize("svg", hostile_pictures())
def test_a_hostile_label_is_text_and_short_whatever_it_says(svg: str) -> None:
    tags = {element.tag.removeprefix(SVG) for element in parsed(svg).iter()}
    assert tags <= {
        "svg",
        "title",
        "desc",
        "text",
        "rect",
        "line",
        "circle",
        "path",
        "polygon",
        "g",
    }
    for element in parsed(svg).iter():
        assert not {name for name in element.attrib if name == "style" or name.startswith("on")}
        if element.tag == f"{SVG}text":
            assert len(element.text or "") < 120
    assert "\x1b" not in svg
    assert "\u202e" not in svg
    assert len(svg) < 20_000


def empty_pictures() -> list[Picture]:
    nothing = Heat(rows=(), columns=(), counts=())
    return [
        funnel([Step(name="Looked open", number=0, ink="info")]),
        risk_by_network([]),
        heat_map(nothing),
        opens_and_closes([run(START)]),
        run_course(replace(COURSE, lanes=(), shares=(), pauses=())),
        run_course(replace(COURSE, ended=START)),
    ]


@pytest.mark.parametrize("picture", empty_pictures())
def test_where_there_is_nothing_to_draw_the_picture_says_so(picture: Picture) -> None:
    (sentence,) = picture.words
    (text,) = parsed(picture.svg).iter(f"{SVG}text")
    assert text.text == sentence


def test_every_picture_has_a_title_and_says_in_words_what_it_shows() -> None:
    picture = funnel([Step(name="Looked open", number=2, ink="info", lost=(("artefact", 1),))])
    svg = parsed(picture.svg)
    assert svg.findtext(f"{SVG}title") == "From what looked open to what is confirmed"
    assert svg.findtext(f"{SVG}desc") == (
        "Looked open: 2 endpoints. Of these, 1 artefact went no further."
    )
    assert svg.attrib["role"] == "img"


@FEW
@given(st.lists(COUNTS, min_size=1, max_size=4).filter(any))
def test_a_bar_of_the_funnel_is_as_wide_as_there_are_endpoints(numbers: list[int]) -> None:
    svg = funnel([Step(name="step", number=n, ink="likely") for n in numbers]).svg
    whole = funnels.RIGHT - funnels.LEFT
    for drawn, n in zip(widths(svg, "likely"), numbers, strict=True):
        assert drawn == pytest.approx(max(whole * n / max(numbers), 2 if n else 0), abs=0.06)


@FEW
@given(st.lists(st.tuples(*[COUNTS] * len(SEVERITIES)), min_size=1, max_size=5))
def test_the_parts_of_a_network_add_up_to_its_share_of_the_largest(
    counts: list[tuple[int, ...]],
) -> None:
    given_rows = [NetworkRow(name="10.0.0.0/24", counts=one) for one in counts]
    most = max(row.total for row in given_rows)
    picture = risk_by_network(given_rows)
    for place_of, severity in enumerate(SEVERITIES):
        drawn = widths(picture.svg, severity.value)[1:] if most else []  # the first is the key
        expected = [c[place_of] for c in counts if c[place_of]]
        assert drawn == pytest.approx(
            [max(2, (rows.RIGHT - rows.LEFT) * n / most) for n in expected], abs=0.06
        )


@FEW
@given(COUNTS, COUNTS, st.integers(min_value=1, max_value=70_000))
def test_a_cell_with_more_in_it_is_never_lighter(one: int, other: int, most: int) -> None:
    less, more = sorted((min(one, most), min(other, most)))
    assert 0 <= level(less, most) <= level(more, most) <= LEVELS
    assert (level(less, most) == 0) is (less == 0)


def test_the_heat_map_has_the_number_of_each_cell_in_it() -> None:
    heat = Heat(rows=("10.0.0.0/24", "10.0.1.0/24"), columns=("22", "443"), counts=((1, 0), (0, 9)))
    texts = [text.text for text in parsed(heat_map(heat).svg).iter(f"{SVG}text")]
    assert texts == ["22", "443", "10.0.0.0/24", "1", "10.0.1.0/24", "9"]
    assert heat_map(heat).words[1] == "10.0.1.0/24: 9 open endpoints (443: 9)."


def test_what_opened_goes_up_and_what_went_goes_down_on_one_scale() -> None:
    picture = opens_and_closes([run(START, opened=8), run(START + WEEK, first=2, gone=4)])
    bars = {
        rect.attrib["class"]: rect.attrib
        for rect in parsed(picture.svg).iter(f"{SVG}rect")
        if rect.attrib["height"] != "11"
    }
    assert [float(bars[f"i-{ink}"]["height"]) for ink in ("changed", "info", "gap")] == [64, 16, 32]
    assert bars["i-gap"]["y"] == "90"
    assert picture.words[1] == "2026-11-10 02:00: 0 endpoints opened, 2 first looked at, 4 gone."


def test_the_mean_of_the_rates_is_what_was_handed_out() -> None:
    found = rates(COURSE)
    assert sum(found) / len(found) == pytest.approx(800 * 250 / 1_000)
    assert max(found) == pytest.approx(800)


@FEW
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(1, 300)), max_size=12))
def test_merged_spans_cover_the_same_seconds_and_do_not_touch(spans: list[tuple[int, int]]) -> None:
    given_spans = [(float(a), float(a + b)) for a, b in spans]
    found = merged(given_spans)
    assert all(before[1] < after[0] for before, after in pairwise(found))
    covered = {second for a, b in given_spans for second in range(int(a), int(b))}
    assert covered == {second for a, b in found for second in range(int(a), int(b))}


def test_the_course_shows_the_limit_the_pauses_and_says_them_in_words() -> None:
    picture = run_course(COURSE)
    assert picture.words == (
        "The run took 16 min 40 s.",
        "Discover asked 2 tasks in 4 min 10 s.",
        "It paused 1 time, for 3 min 20 s in all.",
        "The shares of the rate given to commands came to 800 packets per second at most, of 1,000 "
        "that are allowed, each time taken over 5 s.",
    )
    (pause,) = widths(picture.svg, "transient")
    assert pause == pytest.approx((courses.RIGHT - courses.LEFT) / 5, abs=0.1)
    assert "1,000/s" in picture.svg


def test_an_answer_that_came_later_is_never_drawn_further_left() -> None:
    spots = [place(START + after, START, START + 5_000) for after in (0, 0.1, 1, 9, 800, 5_000)]
    assert spots == sorted(spots)


def test_the_evidence_of_an_endpoint_is_told_method_by_method() -> None:
    assert told(looked()) == "nmap SYN scan open 2 times, then silent; handshake refused."
    svg = parsed(looks(looked(), over="10.80.1.7:443/tcp"))
    assert (svg.findtext(f"{SVG}title") or "").startswith("10.80.1.7:443/tcp: nmap SYN scan open")
    assert len(list(svg.iter(f"{SVG}circle"))) == 3
    assert len(list(svg.iter(f"{SVG}path"))) == 2  # the lines, and a cross


def test_one_answer_alone_is_no_timeline() -> None:
    assert looks((LookRow(name="x", answers=((START, OPEN),)),), over="10.0.0.1:1/tcp") == ""


def test_coordinates_are_short_and_never_minus_zero() -> None:
    assert [number(v) for v in (-0.01, 3.0, 2.25, 1 / 3)] == ["0", "3", "2.2", "0.3"]


def test_a_label_is_cut_to_its_width_and_a_hint_to_what_a_reader_bears() -> None:
    assert label(0, 0, "A" * 90, width=66).count("A") == 9
    assert len(block(0, 0, 1, 1, "ink", "A" * 900)) < 400


def test_a_picture_on_paper_has_the_colours_of_the_page() -> None:
    style = read_text("templates", "report/report.css")
    light = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", style[: style.index("@media")]))
    names = {"critical", "high", "medium", "low", "info"}
    for ink, colour in INKS.items():
        assert light[f"draw-{ink}" if ink in names else ink] == colour
