"""Text for people: hostile characters made visible; numbers, times and lists in plain words.

Whatever came from the network goes through :func:`visible` before it reaches a page or a terminal.
Escaping for the format itself (HTML, CSV, Markdown) is the renderer's own job and comes after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from unicodedata import category

from pipeline.model import Protocol
from pipeline.render.language import figure, say, say_many, spoken

_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}
_MARKS_IN_A_ROW: Final = 3


def visible(text: str, limit: int | None = None, *, newlines: bool = False) -> str:
    """The text with everything shown that does not show itself.

    Control characters (C0, C1, DEL), format characters (bidirectional controls, zero-width
    characters, tags), line and paragraph separators, surrogates, private and unassigned characters
    become escapes such as ``\\x1b`` and ``\\u202e``; so do combining marks beyond three in a row,
    which would climb over the neighbouring lines. A backslash stays as it is. With ``newlines``,
    line ends (``\\n``, ``\\r\\n``) are kept as ``\\n``. At most ``limit`` characters are shown, and
    the rest of the text is counted.
    """
    if newlines:
        text = text.replace("\r\n", "\n")
    room = len(text) if limit is None else limit
    if len(text) <= room and text.isascii() and text.isprintable():
        return str(text)
    parts: list[str] = []
    marks = read = 0
    for character in text:
        kind = category(character)
        marks = marks + 1 if kind[0] == "M" else 0
        hidden = kind[0] == "C" or kind in ("Zl", "Zp") or marks > _MARKS_IN_A_ROW
        shown = _escape(character) if hidden and not (newlines and character == "\n") else character
        room -= len(shown)
        if limit is not None and room < 0:
            break
        parts.append(shown)
        read += 1
    rest = len(text) - read
    return "".join(parts) + (f"… (+{counted(rest, 'character')})" if rest else "")


def _escape(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 endpoint``, ``1,234 endpoints``; ``plural`` where an s is not enough."""
    return f"{figure(number)} {say_many(number, noun, plural or noun + 's')}"


def ports_of(number: int, protocol: Protocol) -> str:
    """``3 TCP ports``."""
    if protocol is Protocol.TCP:
        return counted(number, "TCP port")
    return counted(number, "UDP port")


def listed(parts: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {say(last)} {parts[-1]}"


def shortened(parts: Sequence[str], at_most: int) -> str:
    """``a, b, c and 12 more``."""
    if len(parts) <= at_most:
        return listed(parts)
    return ", ".join(parts[:at_most]) + say(" and {n} more", n=len(parts) - at_most)


def instant(time: float) -> str:
    """``2026-11-03 02:00:05``, UTC, for people; the second in which it was."""
    return f"{day(time)} {_utc(time):%H:%M:%S}"


def later(time: float, than: float) -> str:
    """An instant that stands beside an earlier one: without the day when it is the same."""
    return f"{_utc(time):%H:%M:%S}" if day(time) == day(than) else instant(time)


def minute(time: float) -> str:
    """``2026-11-03 02:00``, UTC."""
    return f"{day(time)} {_utc(time):%H:%M}"


def day(time: float) -> str:
    """``2026-11-03``, UTC."""
    return _utc(time).strftime(spoken().date)


def iso(time: float) -> str:
    """``2026-11-03T02:00:05.123Z``: RFC 3339, always with milliseconds, so that texts sort."""
    moment = _utc(time)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _utc(time: float) -> datetime:
    # To the millisecond first: 5.123 is 5.12299999 in binary, and would be cut to 5.122.
    return datetime.fromtimestamp(round(time, 3), UTC)


def duration(seconds: float) -> str:
    """The two largest units: ``2 h 31 min``, ``45 s``, ``3 d 4 h``."""
    whole = max(0, round(seconds))
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    for place, (name, size) in enumerate(units):
        if whole >= size:
            text = f"{whole // size} {name}"
            if place + 1 < len(units):
                below, step = units[place + 1]
                rest = whole % size // step
                text += f" {rest} {below}" if rest else ""
            return text
    return "0 s"


def typed_parts(text: str) -> tuple[tuple[str, bool], ...]:
    """The parts of a text of ours, and of each whether it is to be typed: it is in backticks."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one is left alone: it is a backtick
        return ((text, False),)
    return tuple((part, place % 2 == 1) for place, part in enumerate(parts) if part)
