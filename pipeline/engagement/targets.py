"""Lists of targets in plain text: one entry a line, ``#`` begins a comment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.engagement.fields import Listed
from pipeline.engagement.nodes import Place
from pipeline.engagement.source import Door, Reported, read_limited
from pipeline.engagement.wording import shown

LARGEST_LIST: Final = 16 << 20
"""Bytes of a list: half a million networks."""

_MOST_MISTAKES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetList:
    """The entries of one file, each with its place."""

    path: Path
    entries: tuple[tuple[Listed, Place], ...]


def read_targets(name: str, door: Door, parse: Callable[[str], Listed]) -> TargetList:
    """Read the file of that name beside the engagement.

    Raises ``ValueError`` with a sentence when it cannot be read, and :class:`Reported` once every
    mistake in it is filed.
    """
    path = door.folder / name
    data = read_limited(path, LARGEST_LIST)
    if len(data) > LARGEST_LIST:
        raise ValueError(f"is larger than {LARGEST_LIST >> 20} MiB (got {shown(name)})")
    text = door.admit(path, data)
    entries: list[tuple[Listed, Place]] = []
    wrong = 0
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        place = Place(line=number, column=line.index(entry) + 1)
        try:
            found = parse(entry)
        except ValueError as problem:
            wrong += 1
            if wrong <= _MOST_MISTAKES:
                door.complain(path, place, str(problem))
        else:
            entries.append((found, place))
    if wrong > _MOST_MISTAKES:
        what = f"and {wrong - _MOST_MISTAKES} more lines with mistakes"
        door.complain(path, Place(line=number + 1, column=1), what)
    if wrong:
        raise Reported
    if not entries:  # a list that was cut off must not pass for one that excludes nothing
        raise ValueError(f"holds no entries at all (got {shown(name)})")
    return TargetList(path=path, entries=tuple(entries))
