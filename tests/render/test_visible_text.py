from __future__ import annotations

from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.render.text import (
    counted,
    duration,
    instant,
    iso,
    listed,
    minute,
    shortened,
    visible,
)

ANY = st.text(alphabet=st.characters(codec=None), max_size=200)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nginx 1.25 (Debian)", "nginx 1.25 (Debian)"),
        ("220 ready\r\n", "220 ready\\r\\n"),
        ("a\tb\0c", "a\\tb\\0c"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x7f\x9b2J", "\\x7f\\x9b2J"),
        ("\u202eexe.gpj", "\\u202eexe.gpj"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\u2028line", "\\u2028line"),
        ("\ud83d", "\\ud83d"),
        ("\U000e0041", "\\U000e0041"),
        ("Grüße, 東京, привет", "Grüße, 東京, привет"),
        ("C:\\temp", "C:\\temp"),
    ],
)
def test_what_does_not_show_itself_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_tower_of_combining_marks_is_taken_down() -> None:
    assert visible("e" + "\u0301" * 5) == "e\u0301\u0301\u0301\\u0301\\u0301"


def test_line_ends_are_kept_only_where_they_are_wanted() -> None:
    assert visible("a\r\nb\rc\n", newlines=True) == "a\nb\\rc\n"
    assert visible("a\nb") == "a\\nb"


def test_what_is_left_out_is_counted() -> None:
    assert visible("x" * 1_239, 5) == "xxxxx… (+1,234 characters)"
    assert visible("\x1b" * 3, 9) == "\\x1b\\x1b… (+1 character)"
    assert visible("12345", 5) == "12345"


@given(ANY)
def test_nothing_hidden_is_left(text: str) -> None:
    shown = visible(text)
    assert all(category(c)[0] != "C" and category(c) not in ("Zl", "Zp") for c in shown)
    shown.encode("utf-8")


@given(ANY)
def test_showing_twice_is_showing_once(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@given(ANY, st.integers(0, 50))
def test_a_limit_is_never_exceeded_by_more_than_the_count(text: str, limit: int) -> None:
    shown, cut, _ = visible(text, limit).partition("… (+")
    assert len(shown) <= limit or not cut


def test_counts_lists_and_times_read_like_prose() -> None:
    assert counted(1, "host") == "1 host"
    assert counted(1_234, "address", "addresses") == "1,234 addresses"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a"]) == "a"
    assert shortened(["a", "b", "c"], 2) == "a, b and 1 more"
    assert shortened(["a", "b"], 2) == "a and b"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min"),
        (45, "45 s"),
        (90, "1 min 30 s"),
        (3_600, "1 h"),
        (9_060, "2 h 31 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_times_are_utc_and_whole_milliseconds() -> None:
    assert iso(1_793_671_205.123) == "2026-11-03T02:00:05.123Z"
    assert iso(1_793_671_205.9999) == "2026-11-03T02:00:06.000Z"
    assert instant(1_793_671_205.5) == "2026-11-03 02:00:05"
    assert minute(1_793_671_205.5) == "2026-11-03 02:00"
