"""Whatever stands in the file: an engagement, or its mistakes, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.engagement import Engagement, load
from pipeline.errors import EngagementError, Mistake

Engage = Callable[[str | bytes], Engagement]

NO_MISTAKE = Mistake(file="", line=0, column=0, field="", what="")

fuzz = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

KEYS = [
    "client", "engagement", "authorisation", "reference", "signatory", "valid_from", "valid_until",
    "timezone", "document", "document_sha256", "scope", "include", "exclude", "ports", "vantage",
    "name", "interface", "source_address", "limits", "rate", "rate_per_host", "concurrency",
    "profile", "rescan", "delays", "canaries", "outputs", "host", "expect", "file", "<text>",
    "<host>",
]  # fmt: skip
SCALARS = [
    "x", "3", "-1", "0", "1.5", "true", "null", "~", "''", "192.0.2.1", "192.0.2.0/24", "0.0.0.0/0",
    "'::'", "'2001:db8::/120'", "www.example.com", "-oN", "2026-11-01", "2027-01-01", "top:10",
    "all", "80-", "30s", "balanced", "html", "'192.0.2.1:80'", "engagement.yml", ".", "/", "9" * 30,
    "*a", "&a x", "!!int 3", "'\\'", '"\\0"', '"\\x1b"', '"\\u202e"', "UTC", "Europe/Berlin",
    "Europe",
]  # fmt: skip


def _check(engage: Engage, data: str | bytes) -> None:
    found: tuple[Mistake, ...] = ()
    try:
        assert isinstance(engage(data), Engagement)
    except EngagementError as problem:
        found = problem.mistakes or (NO_MISTAKE,)
    assert list(found) == sorted(found, key=lambda each: (each.file, each.line, each.column))
    for mistake in found:
        assert str(mistake).isprintable()
        assert mistake.line >= 1
        assert mistake.column >= 1
        assert mistake.what


@fuzz
@given(st.binary(max_size=200))
@example(b"\xff")
@example(b"a: \xed\xa0\x80")
def test_any_bytes_give_an_engagement_or_mistakes(engage: Engage, data: bytes) -> None:
    _check(engage, data)


@fuzz
@given(data=st.data())
def test_an_engagement_with_damaged_bytes_gives_an_engagement_or_mistakes(
    sound: str, engage: Engage, data: st.DataObject
) -> None:
    raw = bytearray(sound.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(raw) - 1))
        end = data.draw(st.integers(place, min(len(raw), place + 20)))
        raw[place:end] = data.draw(st.binary(max_size=8))
        raw = raw or bytearray(b"x")
    _check(engage, bytes(raw))


trees = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(st.sampled_from(KEYS), inner), max_size=6).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=30,
)


@fuzz
@given(st.lists(st.tuples(st.sampled_from(KEYS), trees), max_size=12))
def test_any_tree_of_known_keys_gives_an_engagement_or_mistakes(
    engage: Engage, pairs: list[tuple[str, str]]
) -> None:
    _check(engage, "".join(f"{key}: {value}\n" for key, value in pairs))


@fuzz
@given(data=st.data())
def test_a_sound_engagement_with_one_value_replaced_gives_an_engagement_or_mistakes(
    sound: str, engage: Engage, data: st.DataObject
) -> None:
    lines = sound.splitlines()
    place = data.draw(st.integers(0, len(lines) - 1))
    lines[place] = lines[place].partition(":")[0] + ": " + data.draw(trees)
    _check(engage, "\n".join(lines))


@fuzz
@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
def test_any_bytes_as_a_list_of_targets_give_an_engagement_or_mistakes(
    sound: str, engage: Engage, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "targets.txt").write_bytes(data)
    _check(engage, sound.replace("[192.0.2.0/24]", "[192.0.2.0/24, {file: targets.txt}]"))


@fuzz
@given(st.binary(max_size=200))
def test_any_bytes_as_a_profile_give_an_engagement_or_mistakes(
    sound: str, engage: Engage, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "own.yml").write_bytes(data)
    _check(engage, sound.replace("balanced", "own.yml"))


@fuzz
@given(st.text(alphabet="abcXYZ019_-./ \t%$", min_size=1, max_size=20))
def test_any_name_of_an_attached_file_gives_an_engagement_or_mistakes(
    sound: str, engage: Engage, name: str
) -> None:
    _check(engage, sound.replace("  reference", f"  document: '{name}'\n  reference"))


def test_an_unreadable_loop_of_links_is_a_mistake(
    sound: str, engage: Engage, tmp_path: Path
) -> None:
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    with pytest.raises(EngagementError, match="cannot read"):
        engage(sound.replace("[192.0.2.0/24]", "[192.0.2.0/24, {file: loop.txt}]"))
    (tmp_path / "own.yml").symlink_to("own.yml")
    with pytest.raises(EngagementError, match="cannot read"):
        engage(sound.replace("balanced", "own.yml"))


def test_a_pipe_is_not_waited_for(sound: str, engage: Engage) -> None:
    with pytest.raises(EngagementError, match="not a regular file"):
        engage(sound.replace("  reference", "  document: /dev/zero\n  reference"))


def test_loading_twice_gives_the_same_value(sound: str, engage: Engage, tmp_path: Path) -> None:
    assert engage(sound) == load(tmp_path / "engagement.yml")
