"""The pages that show measurements: what is there came out of the generator as it stands."""

from __future__ import annotations

import re

import pytest

from fixtures import accuracy, bench
from fixtures.benchmark.measured import SUMMARY
from fixtures.benchmark.tables import BEGIN, END
from fixtures.demo import ROOT


def figures(text: str) -> list[str]:
    """The lines between the markers of a page."""
    _before, _begin, rest = text.partition(BEGIN)
    found, end, _after = rest.partition(END)
    assert end, "the page has no place for figures"
    return found.strip().splitlines()


def table(lines: list[str]) -> list[tuple[str, ...]]:
    """The cells of the first table."""
    found: list[tuple[str, ...]] = []
    for line in lines:
        if line.startswith("|"):
            found.append(tuple(cell.strip() for cell in line.strip("|").split("|")))
        elif found:
            break
    return found


def test_the_benchmark_s_page_has_every_column_and_everybody_who_takes_part() -> None:
    head, _rule, *body = table(figures(bench.PAGE.read_text()))
    assert head == bench.HEAD
    shown = [(line[0], line[1].removesuffix(r" \*")) for line in body]
    assert shown == [
        (f"{loss:g}", contestant.name) for loss in bench.LOSSES for contestant in bench.CONTESTANTS
    ]


def test_all_pages_agree_on_how_long_the_benchmark_takes() -> None:
    told = [
        re.search(rf"{where}.*?(\d+) minutes", (ROOT / page).read_text(), flags=re.DOTALL)
        for where, page in (
            (r"\nbench:", "Makefile"),
            ("It builds the lab", "docs/benchmarks.md"),
            ("`make bench`", "CONTRIBUTING.md"),
        )
    ]
    assert len({found and found[1] for found in told}) == 1
    assert all(told)


@pytest.mark.parametrize("page", ["benchmarks", "accuracy"])
def test_every_option_is_explained_and_no_other(page: str) -> None:
    parser, path = {
        "benchmarks": (bench.parser(), bench.PAGE),
        "accuracy": (accuracy.parser(), accuracy.PAGE),
    }[page]
    known = {option for action in parser._actions for option in action.option_strings}
    explained = re.findall(r"^\| `(--[a-z-]+)", path.read_text(), flags=re.MULTILINE)
    assert sorted(explained) == sorted(known - {"-h", "--help"})


@pytest.mark.parametrize("name", ["date", "tools", "machine", "scanned", "deadline"])
def test_the_benchmark_s_page_says_under_which_conditions(name: str) -> None:
    lines = figures(bench.PAGE.read_text())
    assert any(line.startswith(f"- {name}: ") for line in lines)


def test_the_accuracy_page_shows_what_the_generator_tells_or_nothing_yet() -> None:
    lines = figures(accuracy.PAGE.read_text())
    if any(line.startswith("|") for line in lines):
        assert table(lines)[0] == SUMMARY
        assert accuracy.CHART.exists()
