"""Tables, and the place in a page where generated figures stand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.benchmark.tables import (
    BEGIN,
    END,
    between_markers,
    markdown_table,
    plain_table,
    publish,
)

PAGE = f"# Page\n\n{BEGIN}\n\nold\n\n{END}\n\nProse.\n"


def test_names_begin_at_the_left_and_numbers_end_at_the_right() -> None:
    table = plain_table(("who", "seconds"), [("a", "1"), ("longest", "100")], left=(0,))
    assert table.splitlines() == ["who      seconds", "a              1", "longest      100"]
    table = markdown_table(("who", "seconds"), [("a", "1")], left=(0,))
    assert table.splitlines() == ["| who | seconds |", "| --- | --: |", "| a | 1 |"]


def test_figures_replace_what_stands_between_the_markers_and_nothing_else() -> None:
    page = between_markers(PAGE, "new\n")
    assert page == PAGE.replace("old", "new")


words = st.text(alphabet="ab|*\n -", max_size=20)


@given(words, words, words, words)
def test_publishing_again_leaves_no_trace_of_what_stood_there(
    before: str, old: str, after: str, new: str
) -> None:
    page = f"{before}{BEGIN}{old}{END}{after}"
    once = between_markers(page, new)
    assert once == between_markers(between_markers(page, "something else"), new)
    assert once.startswith(before + BEGIN)
    assert once.endswith(END + after)


@pytest.mark.parametrize(
    "page", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}", f"{BEGIN}{END}{END}"]
)
def test_a_page_without_one_place_for_figures_is_left_alone(tmp_path: Path, page: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(page)
    with pytest.raises(ValueError, match="once each"):
        publish(path, "new")
    assert path.read_text() == page
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.md"]
