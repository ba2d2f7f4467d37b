"""YAML in, nodes with their places out: a small and safe part of the language.

The parser's events are walked, before PyYAML would build anything from them, because an alias
bomb and ten thousand brackets are harmless as events only. Stock YAML 1.1 reads ``22:22`` as
1342, ``NO`` as false and ``010`` as 8; here a plain scalar is a number only when it is written in
decimal without a leading zero, and true only when it says ``true``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml

from pipeline.engagement.wording import printable, shown
from pipeline.errors import Mistake

DEEPEST: Final = 20
"""Levels of nesting; an engagement needs six."""

# The one written in C is three times as fast, and not everywhere.
LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Eighteen digits: enough for every number here, and below where Python refuses to convert.
_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FRACTION: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_CONSTANTS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}
# What YAML cannot hold, and the line breaks that only YAML 1.1 knows: editors do not count them.
_REFUSED: Final = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_HALF: Final = re.compile("[\ud800-\udfff]")

Path = tuple[str | int, ...]
_Value = bool | int | float | str | tuple["Node", ...] | dict[str, "Node"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A line and a column, from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value and where it stands.

    ``key`` is where its key stands (the value's own place in a list); ``broken`` nodes have been
    complained about already, and hold ``None``.
    """

    value: _Value
    place: Place
    key: Place
    broken: bool = False

    @property
    def heading(self) -> Place:
        """Where to point at when the value as a whole is wrong: its key, if it is a mapping."""
        return self.key if isinstance(self.value, dict) else self.place

    def plain(self) -> object:
        """The value with no places in it."""
        match self.value:
            case dict():
                return {key: node.plain() for key, node in self.value.items()}
            case tuple():
                return [node.plain() for node in self.value]
            case _:
                return self.value

    def find(self, path: Path) -> tuple[Node, Path]:
        """The node that a path leads to, and the part of the path that exists."""
        node, walked = self, 0
        for step in path:
            match node.value:
                case dict() if isinstance(step, str) and step in node.value:
                    node = node.value[step]
                case tuple() if isinstance(step, int) and step < len(node.value):
                    node = node.value[step]
                case _:
                    break
            walked += 1
        return node, path[:walked]


def read(
    text: str, file: str, loader: type[yaml.SafeLoader] = LOADER, *, foreign: bool = False
) -> tuple[Node | None, tuple[Mistake, ...]]:
    """Read one document. The node is ``None`` when there is none to speak of.

    In a ``foreign`` file, written for another program, values may be empty, and what has a tag
    counts as empty.

    Every mistake of form is in the second value: syntax, duplicate keys, keys that are no text,
    aliases, anchors, tags, values left empty, a second document, too much nesting.
    """
    if odd := _REFUSED.search(text):
        what = f"the character U+{ord(odd[0]):04X} has no place in an engagement"
        place = place_of(text, odd.start())
        return None, (
            Mistake(file=file, line=place.line, column=place.column, field="", what=what),
        )
    reader = _Reader(file=file, events=yaml.parse(text, Loader=loader), foreign=foreign)
    try:
        root = reader.document()
    except yaml.YAMLError as problem:
        reader.complain(*_syntax(problem, text))
        root = None
    except _TooDeepError:
        root = None
    return root, tuple(reader.mistakes)


def place_of(text: str, position: int) -> Place:
    """Line and column of a character."""
    before = text[:position].replace("\r\n", "\n").replace("\r", "\n")
    return Place(line=before.count("\n") + 1, column=len(before) - before.rfind("\n"))


def dotted(path: Path) -> str:
    """``scope.include[3]``, safe to print."""
    parts = (
        f"[{step}]" if isinstance(step, int) else f".{printable(step, 40)}"
        for step in path
        if step != ""
    )
    return "".join(parts).lstrip(".")


def _syntax(problem: yaml.YAMLError, text: str) -> tuple[Place, str]:
    mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
    place = Place(line=mark.line + 1, column=mark.column + 1) if mark else Place(line=1, column=1)
    lines = re.split("\r\n|\r|\n", text)
    if place.line > len(lines):  # libyaml counts a line after the last one
        place = Place(line=len(lines), column=len(lines[-1]) + 1)
    line = lines[place.line - 1]
    if line[place.column - 1 : place.column] == "\t":
        return place, "a tab cannot indent YAML; use spaces"
    parts = (getattr(problem, "context", None), getattr(problem, "problem", None))
    said = ", ".join(str(part) for part in parts if part)
    return place, f"this is not YAML: {said or problem}"


class _TooDeepError(Exception):
    """The nesting goes below ``DEEPEST``; the rest is not read."""


@dataclass(slots=True, kw_only=True)
class _Reader:
    file: str
    events: Iterator[yaml.Event]
    foreign: bool = False
    mistakes: list[Mistake] = field(default_factory=list)

    def complain(self, place: Place, what: str, path: Path = ()) -> None:
        self.mistakes.append(
            Mistake(
                file=self.file,
                line=place.line,
                column=place.column,
                field=dotted(path),
                what=printable(what),
            )
        )

    def document(self) -> Node | None:
        root: Node | None = None
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents == 2:
                    self.complain(_place(event), "a second document begins here; a file holds one")
                    return root
                root = self._node(next(self.events), path=(), key=None)
        return root

    def _node(self, event: yaml.Event, *, path: Path, key: Place | None) -> Node:
        place = _place(event)
        if len(path) > DEEPEST:
            self.complain(place, f"nested deeper than {DEEPEST} levels", path[:3])
            raise _TooDeepError
        tagged = self.foreign and bool(getattr(event, "tag", None))
        refusal = _refusal(event, may_be_empty=self.foreign or not path, may_have_tags=self.foreign)
        if refusal:
            self.complain(place, refusal, path)
        value: _Value = None
        if isinstance(event, yaml.MappingStartEvent):
            value = self._mapping(path, in_braces=bool(event.flow_style))
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(path)
        elif isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        return Node(
            value=None if refusal or tagged else value,
            place=place,
            key=key or place,
            broken=bool(refusal),
        )

    def _sequence(self, path: Path) -> tuple[Node, ...]:
        found: list[Node] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            found.append(self._node(event, path=(*path, len(found)), key=None))
        return tuple(found)

    def _mapping(self, path: Path, *, in_braces: bool) -> dict[str, Node]:
        found: dict[str, Node] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, path, in_braces=in_braces)
            if isinstance(event, yaml.CollectionStartEvent):
                self._node(event, path=(*path, ""), key=None)
            node = self._node(next(self.events), path=(*path, key), key=_place(event))
            if key in found:
                first = found[key].key
                what = f"is here twice; the first is in line {first.line}, column {first.column}"
                self.complain(_place(event), what, (*path, key))
            elif key:
                found[key] = node
        return found

    def _key(self, event: yaml.Event, path: Path, *, in_braces: bool) -> str:
        """The text of a key; empty for one that has been complained about."""
        key: object = _scalar(event) if isinstance(event, yaml.ScalarEvent) else []
        refusal = _refusal(event, may_be_empty=True)
        if not refusal and not (isinstance(key, str) and key):
            # Nobody who writes {udp: 53,123} means a key.
            more = "; in braces a list needs [brackets] or quotes" if in_braces else ""
            refusal = f"a key must be text{more} (got {shown(key)})"
        if refusal:
            self.complain(_place(event), refusal, path)
        return key if isinstance(key, str) and not refusal else ""


def _refusal(event: yaml.Event, *, may_be_empty: bool, may_have_tags: bool = False) -> str:
    """Why this is not allowed, whatever it stands for; empty when nothing is wrong with it."""
    anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
    if isinstance(event, yaml.AliasEvent):
        return f"an alias is not allowed here; write the value in full (got {shown(anchor)})"
    if anchor:
        return f"an anchor is not allowed here (got {shown(anchor)})"
    if tag and not may_have_tags:
        return f"a tag is not allowed here (got {shown(tag)})"
    if isinstance(event, yaml.ScalarEvent):
        if _HALF.search(str(event.value)):  # only the parser in Python lets these pass
            return "has an escape that is half a character"
        if _scalar(event) is None and not may_be_empty:
            return "has no value; give it one, or leave it out"
    return ""


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    return Place(line=mark.line + 1, column=mark.column + 1) if mark else Place(line=1, column=1)


def _scalar(event: yaml.ScalarEvent) -> bool | int | float | str | None:
    text = str(event.value)
    if event.style:  # quoted, or a block
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _FRACTION.fullmatch(text) else text
