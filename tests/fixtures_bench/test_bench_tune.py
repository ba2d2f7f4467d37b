"""The measurement of tuning: what is counted, how it is told, and when it counts as better."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from fixtures import bench_tune
from fixtures.bench_tune import HASTY, HEAD, TUNED, Measured, Sample, better, rows
from fixtures.benchmark.tables import BEGIN, END
from tests.fixtures_bench.measurements import ENDPOINT

ONE = Sample(
    settings=HASTY,
    seed=7,
    seconds=100.0,
    packets=2000,
    tasks=9,
    questions=150,
    doubts=140,
    left=3,
    right=350,
    wrong=7,
    missed=6,
    false=1,
)
OTHER = replace(ONE, seed=8, questions=170, right=352)
AFTER = replace(ONE, settings=TUNED, tasks=5, questions=120, right=356)
MEASURED = Measured(
    conditions=(("scanned", "a lab"),),
    proposals=dict.fromkeys((7, 8), ("profile.second_looks: 1 -> 2",)),
    samples=(ONE, OTHER, AFTER),
)


def test_the_table_has_the_mean_and_the_range_of_each_kind_of_settings() -> None:
    hasty, tuned = rows(MEASURED.samples)
    assert dict(zip(HEAD, hasty, strict=True))["asked again"] == "160 (150-170)"
    assert dict(zip(HEAD, hasty, strict=True))["runs"] == "2"
    assert dict(zip(HEAD, tuned, strict=True))["verdicts right"] == "356 (356-356)"
    late = replace(AFTER, problem="stopped at the deadline")
    told = bench_tune.markdown(replace(MEASURED, samples=(ONE, late)))
    assert "\\* tuned: stopped at the deadline" in told
    assert "in between, seeds 7 and 8:\n\n- `profile.second_looks: 1 -> 2`" in told


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (AFTER, (True, True)),
        (replace(AFTER, questions=160), (False, True)),
        (replace(AFTER, tasks=9), (False, True)),
        (replace(AFTER, right=351), (True, False)),
    ],
)
def test_better_is_less_asked_again_and_more_that_is_right(
    after: Sample, found: tuple[bool, bool]
) -> None:
    assert better(replace(MEASURED, samples=(ONE, OTHER, after))) == found


def test_a_verdict_is_right_when_the_truth_allows_it() -> None:
    missed = replace(ENDPOINT, state="open", steady=True, allowed=("confirmed",), verdict="absent")
    false = replace(ENDPOINT, state="closed", allowed=("absent",), verdict="confirmed")
    counts = {"seconds": 1.0, "packets": 1} | dict.fromkeys(
        ("seed", "tasks", "questions", "doubts", "left"), 0
    )
    found = bench_tune.sample((ENDPOINT, missed, false), settings=HASTY, **counts)
    assert (found.right, found.wrong, found.missed, found.false) == (1, 2, 1, 1)


def test_what_was_measured_can_be_told_again() -> None:
    again = bench_tune.from_json(json.loads(json.dumps(bench_tune.to_json(MEASURED))))
    assert bench_tune.plain(again) == bench_tune.plain(MEASURED)


def test_the_page_has_a_place_for_the_figures_and_explains_every_option() -> None:
    page = bench_tune.PAGE.read_text()
    assert page.index(BEGIN) < page.index(END)
    options = {o for a in bench_tune.parser()._actions for o in a.option_strings} - {"-h", "--help"}
    table = page[page.index("| option of") : page.index("## What it cannot see")]
    assert (
        set(re.findall(r"`(--[a-z]+)", table)) | set(re.findall(r", `(--[a-z]+)", table)) == options
    )
