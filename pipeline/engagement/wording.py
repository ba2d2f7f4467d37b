"""How a value from a file is shown in a sentence: one line, short, and never as it came.

Whatever stands in a file may be hostile to a terminal, so every character that does not print is
written as an escape, bidirectional controls included.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

VALUE_LENGTH: Final = 60


def printable(text: str, limit: int = 400) -> str:
    """The text on one line, escaped where it would not print, at most ``limit`` characters."""
    escaped = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text[: limit + 1]
    )
    return escaped if len(escaped) <= limit else escaped[: limit - 1] + "…"


def shown(value: object) -> str:
    """A value as people wrote it, at most 60 characters: ``'text'``, ``12``, ``a list``."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return printable(str(value), VALUE_LENGTH)
        case str():
            return f"'{printable(value, VALUE_LENGTH - 2)}'"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return f"a {type(value).__name__}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'exclude'?``, or else ``; known here: …``."""
    words = sorted(known)
    close = get_close_matches(word[:VALUE_LENGTH], words, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known here: {', '.join(words)}"
