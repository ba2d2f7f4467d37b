"""How a measurement of accuracy is told: tables, JSON, chart, command line."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import accuracy
from fixtures.benchmark import measured as told
from fixtures.benchmark.chart import COLOURS, chart
from fixtures.benchmark.figures import Figures
from fixtures.benchmark.tables import BEGIN, END
from fixtures.benchmark.targets import BASE, HELD
from tests.fixtures_bench.measurements import ENDPOINT, FLAPPING, GOOD, good, measurement, run

SVG = "{http://www.w3.org/2000/svg}"
BOTH = measurement(
    run(HELD, 1.0),
    replace(run("nmap -sT", 1.0, mixed=replace(GOOD, found=50)), problem="stopped"),
    run(HELD, 20.0),
    endpoints=(ENDPOINT,),
)


def test_nothing_is_lost_on_the_way_through_json() -> None:
    text = json.dumps(told.to_json(BOTH))
    assert told.from_json(json.loads(text)) == BOTH
    (endpoint,) = json.loads(text)["endpoints"]
    assert {"class", "state", "knowable", "steady", "verdict", "confidence"} <= endpoint.keys()


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format"):
        told.from_json({"format": 0})


@given(st.floats(min_value=0, max_value=1))
def test_only_a_whole_share_is_told_as_one(value: float) -> None:
    assert (told.proportion(value) == "1.000") == (value == 1)
    assert abs(float(told.proportion(value)) - value) <= 0.001


def test_there_is_a_line_for_each_run_and_for_each_class_of_each_run() -> None:
    assert [line[:2] for line in told.summary(BOTH)] == [
        ("1", HELD), ("1", "nmap -sT *"), ("20", HELD),
    ]  # fmt: skip
    assert [line[:3] for line in told.detail(BOTH)] == [
        (name, loss, who)
        for name in ("mixed", "flapping")
        for loss, who in (("1", HELD), ("1", "nmap -sT"), ("20", HELD))
    ]
    assert {len(line) for line in told.summary(BOTH)} == {len(told.SUMMARY)}
    assert {len(line) for line in told.detail(BOTH)} == {len(told.DETAIL)}


def test_a_matrix_has_the_classes_and_the_sum_against_the_contestants() -> None:
    assert told.matrix(BOTH, 1.0) == [
        ("mixed", "1.000 / 1.000", "0.500 / 1.000"),
        ("flapping", "- / -", "- / -"),
        ("all classes", "1.000 / 1.000", "0.500 / 1.000"),
    ]


def test_classes_in_which_there_is_nothing_to_tell_are_left_out() -> None:
    assert told.class_names(measurement(run(HELD, dead=Figures(packets=9)))) == (
        "mixed",
        "flapping",
    )


def test_the_page_and_the_terminal_tell_the_same_figures_and_problems() -> None:
    for text in (told.plain(BOTH), told.markdown(BOTH)):
        assert "lab difficult, seed 7" in text
        assert "nmap -sT at 1 % loss: stopped" in text
        assert "0.500" in text
    assert "*" not in told.plain(measurement(run(HELD)))


def test_runs_are_told_by_loss_and_then_as_the_contestants_stand() -> None:
    runs = [run(name, loss) for loss in (20.0, 0.0) for name in ("b", "a")]
    ordered = told.in_order(runs, ["a", "b"])
    assert [(one.loss_percent, one.contestant) for one in ordered] == [
        (0.0, "a"), (0.0, "b"), (20.0, "a"), (20.0, "b"),
    ]  # fmt: skip


def test_the_chart_has_a_dot_for_each_value_that_there_is_at_its_place() -> None:
    root = ElementTree.fromstring(chart(BOTH, 1.0, "2026"))
    dots = root.findall(f"{SVG}circle")
    # mixed and the sum: two values of two contestants each; flapping has none; the legend.
    assert len(dots) == 2 * 2 * 2 + 2
    by_x = sorted(float(dot.attrib["cx"]) for dot in dots)
    texts = {text.text: float(text.attrib["x"]) for text in root.findall(f"{SVG}text")}
    assert by_x.count(texts["1"] - 300) + by_x.count(texts["1"]) == 6
    assert by_x.count(texts["recall"]) == 2
    assert len({(dot.attrib["cx"], dot.attrib["cy"]) for dot in dots}) == len(dots)
    assert {dot.attrib["fill"] for dot in dots} == {COLOURS[0], "#ffffff"}


def test_the_chart_says_in_words_what_it_shows() -> None:
    root = ElementTree.fromstring(chart(BOTH, 1.0, "made <then>"))
    words = "".join(root.itertext())
    assert "at 1 % loss" in words
    assert "nmap -sT: recall 0.500, precision 1.000" in words
    assert "made <then>" in words
    assert {"mixed", "flapping", "all classes"} <= {e.text for e in root.iter(f"{SVG}text")}


def test_everything_in_the_chart_lies_inside_of_it() -> None:
    many = measurement(*(run(f"tool {n}", 1.0, **{f"c{n}": FLAPPING}) for n in range(9)))
    root = ElementTree.fromstring(chart(many, 1.0, "2026"))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for element in root.iter():
        for x, y in (("cx", "cy"), ("x", "y"), ("x1", "y1"), ("x2", "y2")):
            if x in element.attrib:
                assert 0 <= float(element.attrib[x]) <= width
                assert 0 <= float(element.attrib[y]) <= height


def test_everybody_meets_the_same_hosts_in_a_lab_of_their_own() -> None:
    contestants = [*accuracy.PROFILES.values(), *accuracy.TOOLS.values()]
    program = accuracy.matches(
        contestants, seed=3, losses=(0.0, 20.0), seconds=1.0, folder=Path("out")
    )
    assert len(program) == 2 * len(contestants)
    assert len({one.parameters.name for one in program}) == len(program)
    assert len({one.folder for one in program}) == len(program)
    assert {replace(one.parameters, name="n", loss_percent=0.0) for one in program} == {
        replace(program[0].parameters, name="n", loss_percent=0.0)
    }


def test_the_names_that_targets_are_about_are_those_of_contestants() -> None:
    assert accuracy.PROFILES["balanced"].name == HELD
    assert BASE in {tool.name for tool in accuracy.TOOLS.values()}


def called(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["accuracy", *arguments])
    return accuracy.main()


def test_an_earlier_measurement_is_told_and_checked_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "accuracy.json"
    file.write_text(json.dumps(told.to_json(good())))
    assert called(monkeypatch, "--from", str(file), "--check") == 0
    assert capsys.readouterr().out.endswith("every target is reached\n")
    file.write_text(json.dumps(told.to_json(BOTH)))
    assert called(monkeypatch, "--from", str(file)) == 0
    assert called(monkeypatch, "--from", str(file), "--check", "--markdown") == 1
    assert f"missed: 20 % loss: {BASE} did not take part" in capsys.readouterr().out


def test_publishing_renews_the_page_and_the_chart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(accuracy, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(accuracy, "CHART", tmp_path / "images" / "chart.svg")
    accuracy.PAGE.write_text(f"Before.\n{BEGIN}{END}\nAfter.\n")
    file = tmp_path / "accuracy.json"
    file.write_text(json.dumps(told.to_json(BOTH)))
    assert called(monkeypatch, "--from", str(file), "--publish") == 0
    page = accuracy.PAGE.read_text()
    assert told.markdown(BOTH).strip() in page
    assert "at 1 % loss each way; the table" in page
    assert "](images/chart.svg)" in page
    assert page.startswith("Before.")
    assert page.endswith("After.\n")
    assert "2026-11-22 12:00 UTC, lab difficult, seed 7" in accuracy.CHART.read_text()


def test_an_unknown_tool_is_refused_with_the_names_of_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        called(monkeypatch, "--tools", "zmap")
    assert "masscan-0" in capsys.readouterr().err
