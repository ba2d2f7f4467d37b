"""What a score says of verdicts, from a truth made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fixtures.score import Judged, judge, recall, table

OPEN = {"protocol": "tcp", "state": "open", "knowable": True, "steady": True}
TRUTH: Mapping[str, Any] = {
    "hosts": [
        {"address": "10.0.0.1", "class": "usual", "default": "closed", "verdicts": ["absent"]},
        {
            "address": "10.0.0.2",
            "class": "tarpit",
            "default": "pretends",
            "verdicts": ["absent", "artefact"],
        },
    ],
    "endpoints": [
        {**OPEN, "address": "10.0.0.1", "port": 22, "class": "usual", "verdicts": ["confirmed"]},
        {
            **OPEN,
            "address": "10.0.0.1",
            "port": 23,
            "class": "blocking",
            "verdicts": ["confirmed", "filtered"],
        },
        {
            **OPEN,
            "knowable": False,
            "address": "10.0.0.1",
            "port": 24,
            "class": "full",
            "verdicts": ["absent"],
        },
        {
            **OPEN,
            "steady": False,
            "address": "10.0.0.1",
            "port": 25,
            "class": "flapping",
            "verdicts": ["transient", "absent"],
        },
        {**OPEN, "address": "10.0.0.1", "port": 26, "class": "excluded", "verdicts": ["absent"]},
    ],
}


def said(verdicts: Mapping[tuple[str, int], str]) -> list[Judged]:
    run = {
        "endpoints": [
            {"address": address, "protocol": "tcp", "port": port, "verdict": verdict}
            for (address, port), verdict in verdicts.items()
        ]
    }
    return judge(TRUTH, run)


def wrong(judged: list[Judged]) -> list[tuple[str, str]]:
    return [(one.class_, one.verdict) for one in judged if not one.right]


def test_silence_is_wrong_where_the_truth_wants_a_word_and_right_where_nobody_can_know() -> None:
    assert wrong(said({})) == [("usual", "absent"), ("blocking", "absent")]


@pytest.mark.parametrize(
    ("address", "verdict", "right"),
    [
        ("10.0.0.2", "artefact", True),
        ("10.0.0.2", "confirmed", False),
        ("10.0.0.1", "artefact", False),
        ("10.0.0.9", "filtered", False),
    ],
)
def test_a_port_that_is_not_listed_is_judged_by_its_host(
    address: str, verdict: str, right: bool
) -> None:
    judged = said({(address, 7777): verdict})[-1]
    assert judged.endpoint == (address, "tcp", 7777)
    assert judged.right == right


def test_recall_counts_what_stays_open_and_can_be_known_and_is_in_the_scope() -> None:
    assert recall(said({})) == (0, 2)
    judged = said({("10.0.0.1", 22): "likely", ("10.0.0.1", 23): "filtered"})
    assert recall(judged) == (1, 2)
    assert wrong(judged) == [("usual", "likely")]
    assert recall(said({("10.0.0.1", port): "confirmed" for port in range(20, 30)})) == (2, 2)


def test_the_table_counts_the_wrong_and_the_missed_of_each_class() -> None:
    lines = table(said({("10.0.0.1", 22): "confirmed", ("10.0.0.1", 23): "filtered"}))
    assert lines[0].split() == [
        "class",
        "truly",
        "absent",
        "confirmed",
        "filtered",
        "wrong",
        "missed",
    ]
    assert [line.split() for line in lines[1:3]] == [
        ["blocking", "open", "1", "0", "1"],
        ["excluded", "open", "1", "0", "0"],
    ]
