"""YAML to nodes: a small and safe part of the language, with the right lines and columns."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engagement.nodes import LOADER, Node, read

LOADERS = [pytest.param(LOADER, id="C"), pytest.param(yaml.SafeLoader, id="Python")]


def _only_mistake(text: str, loader: type[yaml.SafeLoader] = LOADER) -> str:
    _, mistakes = read(text, "f", loader)
    assert len(mistakes) == 1, mistakes
    return str(mistakes[0])


def _plain(text: str, loader: type[yaml.SafeLoader] = LOADER) -> object:
    root, mistakes = read(text, "f", loader)
    assert not mistakes
    assert root is not None
    return root.plain()


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("22", 22),
        ("0", 0),
        ("-100", -100),
        ("1.5", 1.5),
        ("true", True),
        ("false", False),
        ("22:22", "22:22"),
        ("NO", "NO"),
        ("no", "no"),
        ("on", "on"),
        ("True", "True"),
        ("010", "010"),
        ("0x10", "0x10"),
        ("0o17", "0o17"),
        ("1_000", "1_000"),
        ("+80", "+80"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("2026-11-01", "2026-11-01"),
        ("2026-11-01T08:00:00Z", "2026-11-01T08:00:00Z"),
        ("10.80", 10.8),
        ("10.0.0.1", "10.0.0.1"),
        ("'22'", "22"),
        ('"true"', "true"),
        ('""', ""),
        ("٣", "٣"),
        ("9" * 18, int("9" * 18)),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_plain_scalar_is_a_number_only_when_it_looks_like_one_to_everybody(
    scalar: str, value: object, loader: type[yaml.SafeLoader]
) -> None:
    found = _plain(f"key: {scalar}", loader)
    assert found == {"key": value}
    assert isinstance(found, dict)
    assert type(found["key"]) is type(value)


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("a: 1\nb: 2\na: 3", "f:3:1: a: is here twice; the first is in line 1, column 1"),
        ("x: {a: 1, a: 2}", "f:1:11: x.a: is here twice; the first is in line 1, column 5"),
        ("22: x", "f:1:1: a key must be text (got 22)"),
        ("true: x", "f:1:1: a key must be text (got true)"),
        ("~: x", "f:1:1: a key must be text (got nothing)"),
        ('"": x', "f:1:1: a key must be text (got '')"),
        ("? [a]\n: x", "f:1:3: a key must be text (got a list)"),
        ("a: !!str x", "f:1:4: a: a tag is not allowed here (got 'tag:yaml.org,2002:str')"),
        ("a: !x y", "f:1:4: a: a tag is not allowed here (got '!x')"),
        ("a: ! y", "f:1:4: a: a tag is not allowed here (got '!')"),
        ("a: &b c", "f:1:4: a: an anchor is not allowed here (got 'b')"),
        ("a:", "f:1:3: a: has no value; give it one, or leave it out"),
        ("a: ~", "f:1:4: a: has no value; give it one, or leave it out"),
        ("a: [null]", "f:1:5: a[0]: has no value; give it one, or leave it out"),
        ("a: 1\n---\nb: 2", "f:2:1: a second document begins here; a file holds one"),
        ("a:\n\tb: 1", "f:2:1: a tab cannot indent YAML; use spaces"),
        ("a: 1\x00", "f:1:5: the character U+0000 has no place in an engagement"),
        ("a: \x1b[31m", "f:1:4: the character U+001B has no place in an engagement"),
        ("a: 1\u2028b: 2", "f:1:5: the character U+2028 has no place in an engagement"),
    ],
)
def test_what_is_dangerous_or_unclear_is_refused_at_its_place(
    text: str, mistake: str, loader: type[yaml.SafeLoader]
) -> None:
    assert _only_mistake(text, loader) == mistake


def test_an_alias_is_refused_and_so_is_its_anchor() -> None:
    _, mistakes = read("a: &x 1\nb: *x\n", "f")
    assert [str(mistake) for mistake in mistakes] == [
        "f:1:4: a: an anchor is not allowed here (got 'x')",
        "f:2:4: b: an alias is not allowed here; write the value in full (got 'x')",
    ]


def test_a_merge_key_is_a_key_like_any_other() -> None:
    assert _plain("<<: {a: 1}") == {"<<": {"a": 1}}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("text", ["a: [1, 2", "a: b: c", "a: 'b", "- a\nb: c", "%", "a: @b", "{"])
def test_broken_syntax_is_one_mistake_with_a_place(
    text: str, loader: type[yaml.SafeLoader]
) -> None:
    root, mistakes = read(text, "f", loader)
    assert root is None
    assert len(mistakes) == 1
    assert "this is not YAML: " in mistakes[0].what
    assert mistakes[0].line >= 1
    assert mistakes[0].column >= 1


def test_mistakes_before_the_broken_syntax_are_reported_too() -> None:
    _, mistakes = read("a: 1\na: 2\nb: [", "f")
    assert [(mistake.line, mistake.column) for mistake in mistakes] == [(2, 1), (3, 5)]


def test_an_alias_bomb_is_refused_at_once() -> None:
    lines = ['a: &a ["x"]'] + [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    begun = time.monotonic()
    _, mistakes = read("\n".join(lines), "f")
    assert time.monotonic() - begun < 1
    assert mistakes


@pytest.mark.parametrize("text", ["[" * 500_000, "{a: " * 100_000, "- " * 200_000])
def test_ten_thousand_brackets_are_refused_at_the_twenty_first(text: str) -> None:
    begun = time.monotonic()
    assert "nested deeper than 20 levels" in _only_mistake(text)
    assert time.monotonic() - begun < 2


def test_places_count_characters_whatever_their_width_and_the_line_ending() -> None:
    root, mistakes = read("ä: ö\r\n# 漢字\r\nkey: {x: 1, 漢: [7]}\r\n", "f")
    assert root is not None
    assert not mistakes
    node, found = root.find(("key", "漢", 0))
    assert (node.place.line, node.place.column) == (3, 17)
    assert found == ("key", "漢", 0)
    assert root.find(("key", "漢"))[0].key.column == 13


def test_a_path_that_leads_nowhere_ends_at_the_last_thing_there_is() -> None:
    root, _ = read("a: {b: [1]}", "f")
    assert root is not None
    node, found = root.find(("a", "b", 5, "c"))
    assert found == ("a", "b")
    assert node.plain() == [1]
    assert root.find((0,)) == (root, ())


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n"])
def test_nothing_is_no_mistake_of_form(text: str) -> None:
    root, mistakes = read(text, "f")
    assert root is None or root.value is None
    assert not mistakes


yaml_text = st.text(alphabet="ab12 :-[]{}&*!?|>'\"#%@~,.\n\t\\", max_size=60)


@given(yaml_text)
def test_both_parsers_of_pyyaml_agree_on_what_is_sound(text: str) -> None:
    in_c, c_mistakes = read(text, "f")
    in_python, python_mistakes = read(text, "f", yaml.SafeLoader)
    if not c_mistakes and not python_mistakes:
        assert _same(in_c, in_python)


def _same(one: Node | None, other: Node | None) -> bool:
    return (one.plain() if one else None) == (other.plain() if other else None)


@given(st.text(max_size=80))
def test_any_text_gives_a_node_or_mistakes(text: str) -> None:
    for loader in (LOADER, yaml.SafeLoader):
        root, mistakes = read(text, "f", loader)
        for mistake in mistakes:
            assert str(mistake).isprintable()
            assert mistake.line >= 1
            assert mistake.column >= 1
        assert mistakes or root is None or isinstance(root, Node)


def test_half_a_character_is_refused_with_either_parser() -> None:
    assert "this is not YAML" in _only_mistake('a: "\\ud800"')
    assert "half a character" in _only_mistake('a: "\\ud800"', yaml.SafeLoader)
    assert "half a character" in _only_mistake('"\\ud800": 1', yaml.SafeLoader)
