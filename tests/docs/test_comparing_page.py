"""The page about comparisons has the tables of the code."""

from __future__ import annotations

from pipeline.decide.compare import MIRRORED
from pipeline.decide.noise import CROWD, EPHEMERAL, EPHEMERAL_CROWD, TURNS, FoldKind
from pipeline.model import ChangeKind
from pipeline.render.words import CHANGES
from tests.docs.pages import DOCS, rows, section

PAGE = DOCS / "comparing.md"


def codes(cell: str) -> list[str]:
    return [part.strip().strip("`") for part in cell.split(",")]


def test_the_kinds_of_change_stand_in_the_order_in_which_they_are_told() -> None:
    told = [row[0].strip("`") for row in rows(section(PAGE, "The ten kinds of change"))]
    assert told == list(CHANGES)


def test_the_table_of_mirrored_kinds_is_that_of_the_code() -> None:
    told = {
        row[0].strip("`"): set(codes(row[1])) for row in rows(section(PAGE, "The same backwards"))
    }
    assert told == {kind.value: {k.value for k in back} for kind, back in MIRRORED.items()}
    assert set(told) == {kind.value for kind in ChangeKind}


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    told = {row[0].strip("`"): row[1] for row in rows(section(PAGE, "Noise"))}
    assert list(told) == list(FoldKind)
    assert f"at least {TURNS} times" in told["flapping"]
    assert f"{EPHEMERAL_CROWD} or more" in told["ephemeral"]
    assert f"from {EPHEMERAL.ranges[0][0]} up" in told["ephemeral"]
    assert f"more than {CROWD} ports" in told["crowd"]
