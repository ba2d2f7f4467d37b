"""Values changed in the text of a YAML file: the value is right, and no other byte moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decide.tuning.proposal import Change
from pipeline.engagement.editing import Edit, Written, edited_text, edited_value
from pipeline.engagement.nodes import read


def setting(path: str, value: Written) -> Edit:
    return Edit(path=tuple(path.split(".")), change=Change.SET, value=value)


def adding(path: str, *values: str) -> Edit:
    return Edit(path=tuple(path.split(".")), change=Change.ADD, value=values)


def dropping(path: str, place: int) -> Edit:
    return Edit(path=tuple(path.split(".")), change=Change.DROP, place=place)


def plain(text: str) -> Any:
    root, mistakes = read(text, "f")
    assert not mistakes, [str(each) for each in mistakes]
    assert root is not None
    return root.plain()


CASES = [
    pytest.param(
        "a: 1\nlimits:\n  rate: 1000   # as agreed\n  other: 2\n",
        setting("limits.rate", 500),
        "a: 1\nlimits:\n  rate: 500   # as agreed\n  other: 2\n",
        id="a number in a block",
    ),
    pytest.param(
        "limits: {rate: 1000, rate_per_host: 50} # {rate: 7}\n",
        setting("limits.rate_per_host", 25),
        "limits: {rate: 1000, rate_per_host: 25} # {rate: 7}\n",
        id="a number in braces",
    ),
    pytest.param(
        'wait: "3s" # seconds\n', setting("wait", "6s"), "wait: 6s # seconds\n", id="a quoted text"
    ),
    pytest.param(
        "a: 1 # last\n",
        setting("limits.rate", 5),
        "a: 1 # last\nlimits:\n  rate: 5\n",
        id="a section that is missing",
    ),
    pytest.param(
        "a: 1",
        setting("b", 5),
        "a: 1\nb: 5",
        id="a file without an end of its last line",
    ),
    pytest.param(
        "a: 1\r\nlimits:\r\n  x: 2 # x\r\n# end\r\nb: 3\r\n",
        setting("limits.rate", 5),
        "a: 1\r\nlimits:\r\n  x: 2 # x\r\n  rate: 5\r\n# end\r\nb: 3\r\n",
        id="line ends of another system",
    ),
    pytest.param(
        "a: 1\n...\n# after\n",
        setting("b", 2),
        "a: 1\nb: 2\n...\n# after\n",
        id="a document that says where it ends",
    ),
    pytest.param(
        "limits: {}\n", setting("limits.rate", 5), "limits: {rate: 5}\n", id="empty braces"
    ),
    pytest.param(
        '{"a": 1, "rescan": {"delays": ["5s", "15s"]}}\n',
        setting("rescan.delays", ("5s", "15s", "1m")),
        '{"a": 1, "rescan": {"delays": ["5s", "15s", 1m]}}\n',
        id="JSON",
    ),
    pytest.param(
        "delays:\n  - 30s # a lost packet\n  # a restart\n  - 5m\n  # the end\nb: 1\n",
        setting("delays", ("30s", "20m", "1h")),
        "delays:\n  - 30s # a lost packet\n  # a restart\n  - 20m\n  - 1h\n  # the end\nb: 1\n",
        id="a list in a block",
    ),
    pytest.param(
        "delays: [30s, # a lost packet\n  5m] # two\n",
        setting("delays", ("5m", "20m")),
        "delays: [# a lost packet\n  5m, 20m] # two\n",
        id="a list in brackets with comments",
    ),
    pytest.param(
        "canaries: []\n",
        adding("canaries", "192.0.2.1:443", "[2001:db8::1]:443"),
        'canaries: ["192.0.2.1:443", "[2001:db8::1]:443"]\n',
        id="an empty list",
    ),
    pytest.param(
        "a: 1\n", adding("fragile.hosts", "192.0.2.4"), "a: 1\nfragile:\n  hosts: [192.0.2.4]\n",
        id="a list that is missing",
    ),
    pytest.param(
        "fragile:\n  whole_hosts: true # all\n\n# next\nb: 1\n",
        adding("fragile.hosts", "192.0.2.4"),
        "fragile:\n  whole_hosts: true # all\n  hosts: [192.0.2.4]\n\n# next\nb: 1\n",
        id="a list that is missing in a section",
    ),
    pytest.param(
        "s:\n# why\n- a: 1\n  b: 2 # gone\n# and\n- a: 3\nc: 1\n",
        dropping("s", 0),
        "s:\n# why\n# and\n- a: 3\nc: 1\n",
        id="an entry of a list without indentation",
    ),
    pytest.param(
        "s:\n  # why\n  - {a: 1} # gone\n  # and\nc: 1\n",
        dropping("s", 0),
        "s: []\n  # why\n  # and\nc: 1\n",
        id="the only entry of a list",
    ),
    pytest.param("s: [{a: 1}, {a: 2}]\n", dropping("s", 1), "s: [{a: 1}]\n", id="the last one"),
    pytest.param("s: [{a: 1}, {a: 2}]\n", dropping("s", 0), "s: [{a: 2}]\n", id="the first one"),
    pytest.param("s: [{a: 1}]\n", dropping("s", 0), "s: []\n", id="the only one in brackets"),
    pytest.param("s: [a, b,] # x\n", dropping("s", 1), "s: [a, ] # x\n", id="one before a comma"),
    pytest.param(
        "s:\n  - |\n    two\n    lines\n  - b\n",
        dropping("s", 0),
        "s:\n  - b\n",
        id="a block of text",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("before", "edit", "after"), CASES)
def test_an_edit_changes_what_it_is_about(before: str, edit: Edit, after: str) -> None:
    assert edited_text(before, edit) == after
    assert plain(after) == edited_value(plain(before), edit)


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("a: 1\n", setting("a.b", 1)),
        ("a: [1]\n", setting("a", 1)),
        ("a: {b: 1}\n", adding("a", "x")),
        ("a: 1\n", dropping("s", 0)),
        ("- a\n", setting("a", 1)),
    ],
)
def test_what_has_another_form_is_left_alone(text: str, edit: Edit) -> None:
    with pytest.raises(ValueError, match=r".+"):
        edited_text(text, edit)


WORDS = st.sampled_from(["30s", "5m", "192.0.2.7", "x y", "a:b", "77", "-", "# no", "ü", "'q'"])
COMMENTS = st.sampled_from(["", " # one", "  # {two: [2]}", " # - three"])
LINES = st.sampled_from(["", "# between\n", "\n", "  # deeper\n"])


@st.composite
def documents(draw: Any) -> tuple[str, list[str]]:
    """A file with a list in some style, comments everywhere, and the entries of the list."""
    entries: list[str] = draw(st.lists(WORDS, min_size=1, max_size=4))
    quoted = [yaml.dump(one, default_style='"', allow_unicode=True).strip() for one in entries]
    style = draw(st.sampled_from(["block", "flush", "flow", "wide"]))
    if style == "flow":
        listed = f" [{', '.join(quoted)}]{draw(COMMENTS)}\n"
    elif style == "wide":
        listed = " [" + "".join(f"{one},{draw(COMMENTS)}\n   " for one in quoted) + "]\n"
    else:
        indent = "    " if style == "block" else "  "
        rows = [f"{draw(LINES)}{indent}- {one}{draw(COMMENTS)}\n" for one in quoted]
        listed = f"{draw(COMMENTS)}\n{''.join(rows)}"
    return f"# head\nfirst: 1{draw(COMMENTS)}\nin:\n  s:{listed}{draw(LINES)}last: 2\n", entries


@settings(max_examples=150)
@given(document=documents(), wanted=st.lists(WORDS, min_size=1, max_size=5))
def test_a_list_becomes_what_it_should_and_every_other_line_stays(
    document: tuple[str, list[str]], wanted: Sequence[str]
) -> None:
    text, _ = document
    for edit in (setting("in.s", tuple(wanted)), adding("in.s", *wanted)):
        after = edited_text(text, edit)
        assert plain(after) == edited_value(plain(text), edit)
        _keeps_comments(text, after, dropped=edit.change is Change.SET)


@settings(max_examples=100)
@given(document=documents(), data=st.data())
def test_an_entry_is_dropped_with_its_line_only(
    document: tuple[str, list[str]], data: st.DataObject
) -> None:
    text, entries = document
    edit = dropping("in.s", data.draw(st.integers(0, len(entries) - 1)))
    after = edited_text(text, edit)
    assert plain(after) == edited_value(plain(text), edit)
    _keeps_comments(text, after, dropped=True)


@settings(max_examples=80)
@given(document=documents(), number=st.integers(0, 10**6))
def test_a_number_changes_and_no_other_byte(document: tuple[str, list[str]], number: int) -> None:
    text, _ = document
    after = edited_text(text, setting("last", number))
    assert after == text.replace("last: 2\n", f"last: {number}\n")
    new = edited_text(text, setting("new.key", number))
    assert new == f"{text}new:\n  key: {number}\n"


def _keeps_comments(before: str, after: str, *, dropped: bool) -> None:
    """Comments on lines of their own stay; those beside an entry leave with its line at most."""
    own = [line for line in before.splitlines() if line.strip().startswith("#")]
    left = [line for line in after.splitlines() if line.strip().startswith("#")]
    assert all(line in left for line in own)
    for comment in (" # one", "# {two: [2]}", "# - three"):
        if not dropped:
            assert before.count(comment) == after.count(comment)
    assert after.startswith(before[: before.index("in:")])
    assert after.endswith("last: 2\n")
