"""Calibration: the measures against hand-made verdicts, the plot, and the command."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.calibration import (
    Calibration,
    Judged,
    calibrate,
    judged_of,
    main,
    markdown,
    svg,
    wilson,
)

ENTRY: dict[str, Any] = {
    "class": "firewall",
    "loss": 1.0,
    "state": "open",
    "steady": True,
    "knowable": True,
    "verdict": "confirmed",
    "confidence": 0.98,
    "right": True,
}


def said(confidence: float, right: bool, *, verdict: str = "confirmed") -> Judged:
    return Judged(
        class_="firewall",
        loss=0.0,
        state="open",
        steady=True,
        knowable=True,
        verdict=verdict,
        confidence=confidence,
        right=right,
    )


def document(*changes: dict[str, Any]) -> dict[str, Any]:
    return {"endpoints": [ENTRY | change for change in changes]}


verdicts = st.lists(
    st.builds(said, st.floats(0.0, 1.0, exclude_min=True), st.booleans()), min_size=1, max_size=60
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, "score without correction".
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_the_published_one(
    successes: int, trials: int, low: float, high: float
) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=0.00005)


@given(st.integers(1, 10**6), st.data())
def test_an_interval_holds_the_share_and_mirrors(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson(successes, trials)
    assert 0.0 <= low <= successes / trials <= high <= 1.0
    other_low, other_high = wilson(trials - successes, trials)
    assert (1.0 - high, 1.0 - low) == pytest.approx((other_low, other_high))


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 4)])
def test_what_is_no_share_has_no_interval(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="not a share"):
        wilson(successes, trials)


def test_the_measures_of_four_verdicts_by_hand() -> None:
    found = calibrate([said(0.9, True), said(0.9, False), said(0.4, True), said(0.4, False)])
    assert found.brier == pytest.approx((0.01 + 0.81 + 0.36 + 0.16) / 4)
    assert found.error == pytest.approx((2 * 0.4 + 2 * 0.1) / 4)
    assert [(b.name, b.count, b.right) for b in found.bins] == [
        ("0.00 to 0.50", 2, 1),
        ("0.80 to 0.90", 2, 1),
    ]


def test_verdicts_that_are_right_as_often_as_they_say_have_hardly_an_error() -> None:
    chance = Random(3)
    shares = [chance.uniform(0.3, 0.999) for _ in range(20_000)]
    found = calibrate([said(share, chance.random() < share) for share in shares])
    assert found.error < 0.02
    assert sum(b.is_off for b in found.bins) <= 1


@pytest.mark.parametrize(("share", "word"), [(0.5, "too sure"), (1.0, "too modest")])
def test_who_is_too_sure_and_who_is_too_modest_is_told(share: float, word: str) -> None:
    judged = [said(0.85, place < 200 * share) for place in range(200)]
    assert word in markdown(calibrate(judged))


@given(verdicts)
def test_measures_are_bounded_and_every_verdict_is_in_one_bin(judged: list[Judged]) -> None:
    found = calibrate(judged)
    assert 0.0 <= found.brier <= 1.0
    assert 0.0 <= found.error <= 1.0
    for groups in (found.bins, found.verdicts, found.classes):
        assert sum(group.count for group in groups) == found.count == len(judged)


@given(verdicts, st.randoms(use_true_random=False))
def test_the_order_of_verdicts_does_not_matter(judged: list[Judged], chance: Random) -> None:
    shuffled = list(judged)
    chance.shuffle(shuffled)
    assert markdown(calibrate(shuffled)) == markdown(calibrate(judged))


def test_the_best_confidence_for_verdicts_that_are_all_right_scores_nothing() -> None:
    assert calibrate([said(1.0, True)] * 5).brier == 0.0
    assert calibrate([said(1.0, False)] * 5).brier == 1.0


@given(verdicts)
def test_the_plot_is_well_formed_and_its_description_says_what_it_shows(
    judged: list[Judged],
) -> None:
    found = calibrate(judged)
    root = ElementTree.fromstring(svg(found))
    space = {"svg": "http://www.w3.org/2000/svg"}
    described = root.findtext("svg:desc", namespaces=space) or ""
    assert len(root.findall("svg:circle", space)) == len(found.bins)
    for group in found.bins:
        assert f"{group.name}: {group.count} verdicts" in described
    inside = [float(dot.get("cy", "nan")) for dot in root.findall("svg:circle", space)]
    assert all(40.0 <= y <= 400.0 for y in inside)


def test_a_hostile_name_stays_text() -> None:
    found = calibrate([said(0.9, True)])
    drawn = svg(found, title="<script>alert(1)</script>")
    assert "<script>" not in drawn
    ElementTree.fromstring(drawn)


def test_what_claims_nothing_is_counted_and_not_judged() -> None:
    judged, silent = judged_of(
        document({}, {"verdict": "unresolved", "confidence": 0.0}, {"confidence": None})
    )
    assert (len(judged), silent) == (1, 1)


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ({"allowed": ["confirmed", "likely"]}, True),
        ({"allowed": ["refuted"]}, False),
        ({"allowed": [], "state": "closed", "verdict": "refuted"}, True),
        ({"allowed": [], "state": "closed"}, False),
        ({"allowed": [], "state": "excluded", "verdict": "refuted"}, False),
    ],
)
def test_right_is_what_the_truth_allows(change: dict[str, Any], right: bool) -> None:
    entry = {key: value for key, value in ENTRY.items() if key not in ("right", "loss")}
    judged, _ = judged_of({"endpoints": [entry | {"loss_percent": 5.0} | change]})
    assert [(one.right, one.loss) for one in judged] == [(right, 5.0)]


@pytest.mark.parametrize(
    "change", [{"confidence": 1.2}, {"confidence": "sure"}, {"loss": None}, {"confidence": -0.1}]
)
def test_a_measurement_that_makes_no_sense_is_refused_with_its_place(
    change: dict[str, Any],
) -> None:
    with pytest.raises(ValueError, match="endpoint 1 of the measurement"):
        judged_of(document({}, change))


def test_without_verdicts_there_is_nothing_to_calibrate() -> None:
    with pytest.raises(ValueError, match="no verdict"):
        calibrate([])


def test_the_command_prints_the_tables_and_writes_both_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = tmp_path / "accuracy.json"
    measured.write_text(json.dumps(document({}, {"right": False, "verdict": "likely"})))
    drawn, told = tmp_path / "plot.svg", tmp_path / "tables.md"
    assert main([str(measured), "--svg", str(drawn), "--markdown", str(told)]) == 0
    assert capsys.readouterr().out == told.read_text()
    assert "| likely | 1 | 0.980 | 0.000 |" in told.read_text()
    ElementTree.fromstring(drawn.read_text())


@pytest.mark.parametrize(
    "text", ["", "[]", '{"endpoints": []}', '{"endpoints": [{"confidence": 1}]}']
)
def test_a_file_that_cannot_be_judged_is_named_and_nothing_is_written(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured, drawn = tmp_path / "broken.json", tmp_path / "plot.svg"
    measured.write_text(text)
    assert main([str(measured), "--svg", str(drawn)]) == 2
    assert "broken.json" in capsys.readouterr().err
    assert not drawn.exists()


def test_the_same_verdicts_make_the_same_bytes() -> None:
    def once() -> Calibration:
        return calibrate([said(0.97, True), said(0.5, False, verdict="artefact")])

    assert svg(once()) == svg(once())
