"""Read a catalogue of messages: the part of GNU gettext's PO format that catalogues of ours use.

Comments, ``msgid``, ``msgid_plural``, ``msgstr`` and ``msgstr[0]`` on, each a string that may go on
in the next lines. No context, nothing marked fuzzy: what is in the file is what is said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from pipeline.errors import Error

_LINE: Final = re.compile(r'(?:(msgid|msgid_plural|msgstr(?:\[\d\])?) )?("(?:[^"\\]|\\.)*")')
_PLACE: Final = re.compile(r"\{(\w*)\}")

Messages = dict[str, tuple[str, ...]]


class CatalogueError(Error):
    """A catalogue of ours cannot be used."""


def read_catalogue(text: str, where: str, *, whole: bool = True) -> tuple[dict[str, str], Messages]:
    """Its header by name, and its messages by their English text. Raises :class:`CatalogueError`
    for what is no entry, what has no text, is there twice, or names another value than the English.

    One that is not ``whole`` yet may lack texts: what has none is left out.
    """
    head: dict[str, str] = {}
    messages: Messages = {}
    for number, entry in _entries(text, where):
        key = entry["msgid"]
        said = tuple(value for name, value in entry.items() if name.startswith("msgstr"))
        if key and key in messages:
            raise CatalogueError(f"{key!r} is there twice", where=f"{where}:{number}")
        if not said or not all(said):
            if not whole:
                continue
            raise CatalogueError(f"{key!r} has no text", where=f"{where}:{number}")
        if not key:
            lines = (line.partition(": ") for line in said[0].splitlines())
            head = {name: value for name, _, value in lines}
            continue
        known = places(key) | places(entry.get("msgid_plural", ""))
        if any(not places(each) <= known for each in said) or known - places(said[-1]):
            raise CatalogueError(
                f"{key!r} has other values than its text: {' '.join(sorted(known)) or 'none'}",
                where=f"{where}:{number}",
            )
        messages[key] = said
    return head, messages


def places(text: str) -> set[str]:
    """The values that a text names: ``{n}`` is ``n``."""
    return set(_PLACE.findall(text))


def _entries(text: str, where: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The entries with the numbers of their first lines."""
    entry: dict[str, str] = {}
    began, name = 1, ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None or not (found[1] or name):
            raise CatalogueError("is no line of a catalogue", where=f"{where}:{number}")
        if found[1] == "msgid" and entry:
            yield began, entry
            entry = {}
        if found[1]:
            name = found[1]
            began = number if name == "msgid" else began
            entry[name] = ""
        entry[name] += json.loads(found[2])
    if entry:
        yield began, entry
