"""Change values in the text of a YAML file, and leave every other byte of it alone.

The file is taken apart by PyYAML's composer, whose marks say where each value begins and ends;
what is new is written into the text there. So comments, blanks, quotes and line ends stay. It
takes files that :func:`~pipeline.engagement.nodes.read` found sound: no anchors, tags or empty
values. What a text became is for the caller to hold against :func:`edited_value`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from pipeline.decide.tuning.proposal import Change

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_FREE: Final = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)*")
_END_OF_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)?")

Written = int | str | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What to do at a path: give it a value, add entries to its list, or drop the entry ``place``.

    Lists that are missing are made, and so are the mappings on the way.
    """

    path: tuple[str, ...]
    change: Change
    value: Written = ()
    place: int = 0


def edited_text(text: str, edit: Edit) -> str:
    """The text with one edit. Raises ``ValueError`` where the path leads to something else."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("is no mapping")
    return _Editor(text).edit(root, edit)


def edited_value(value: Any, edit: Edit) -> Any:
    """The same edit of the value that the text stands for, plain dictionaries and lists."""
    first, *rest = edit.path
    if rest:
        inner = value.get(first, {})
        changed = edited_value(
            inner,
            Edit(path=tuple(rest), change=edit.change, value=edit.value, place=edit.place),
        )
        return {**value, first: changed}
    match edit.change:
        case Change.SET:
            return {**value, first: _as_read(edit.value)}
        case Change.ADD:
            return {**value, first: [*value.get(first, []), *_entries(edit)]}
        case _:
            entries = list(value[first])
            del entries[edit.place]
            return {**value, first: entries}


def _as_read(value: Written) -> object:
    return list(value) if isinstance(value, tuple) else value


def _entries(edit: Edit) -> tuple[str, ...]:
    assert isinstance(edit.value, tuple)
    return edit.value


def _shown(value: Written) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        return json.dumps(value, ensure_ascii=False)
    # What is all digits would be read as a number.
    return json.dumps(value) if isinstance(value, str) and value.isdigit() else str(value)


@dataclass(frozen=True, slots=True)
class _Editor:
    text: str

    def edit(self, root: yaml.MappingNode, edit: Edit) -> str:
        node: yaml.Node = root
        for depth, key in enumerate(edit.path):
            if not isinstance(node, yaml.MappingNode):
                raise ValueError(f"{'.'.join(edit.path[:depth])} is no mapping")
            pair = next(((k, v) for k, v in node.value if k.value == key), None)
            if pair is None:
                if edit.change is Change.DROP:
                    raise ValueError(f"{'.'.join(edit.path)} is not there")
                return self._add_key(node, edit.path[depth:], edit.value, is_root=depth == 0)
            key_node, node = pair
        return self._change(key_node, node, edit)

    def _change(self, key: yaml.Node, node: yaml.Node, edit: Edit) -> str:
        if isinstance(node, yaml.ScalarNode) and edit.change is Change.SET:
            return self._cut(_begin(node), _end(node), _shown(edit.value))
        if not isinstance(node, yaml.SequenceNode) or isinstance(edit.value, int | str):
            raise ValueError(f"{'.'.join(edit.path)} has another form")
        if edit.change is Change.DROP:
            return self._drop(key, node, edit.place)
        if edit.change is Change.ADD:
            return self._insert(node, len(node.value), edit.value)
        return self._set_list(node, edit)

    def _set_list(self, node: yaml.SequenceNode, edit: Edit) -> str:
        """One difference at a time, the last one first, so that the places before it stay."""
        assert isinstance(edit.value, tuple)
        before = [each.value for each in node.value]
        matcher = difflib.SequenceMatcher(a=before, b=edit.value, autojunk=False)
        for kind, first, last, there, until in reversed(matcher.get_opcodes()):
            if kind == "equal":
                continue
            wanted = edit.value[there:until]
            common = min(last - first, len(wanted))
            if len(wanted) > common:
                changed = self._insert(node, first + common, wanted[common:])
                rest = before[: first + common] + list(wanted[common:]) + before[first + common :]
            elif common < last - first:
                changed = self._drop(None, node, last - 1)
                rest = before[: last - 1] + before[last:]
            else:
                place = last - 1
                entry = node.value[place]
                changed = self._cut(_begin(entry), _end(entry), _shown(wanted[-1]))
                rest = [*before[:place], wanted[-1], *before[place + 1 :]]
            if tuple(rest) == edit.value:
                return changed
            return edited_text(changed, edit)
        return self.text

    def _insert(self, node: yaml.SequenceNode, place: int, values: Sequence[str]) -> str:
        entries = node.value
        shown = [_shown(value) for value in values]
        if node.flow_style:
            if not entries:
                return self._put(_begin(node) + 1, ", ".join(shown))
            if place:
                at = _last_end(entries[place - 1])
                return self._put(at, "".join(f", {one}" for one in shown))
            return self._put(_begin(entries[0]), "".join(f"{one}, " for one in shown))
        indent = " " * node.start_mark.column
        lines = [f"{indent}- {one}" for one in shown]
        if place:
            return self._put_lines(self._after_line(_last_end(entries[place - 1])), lines)
        return self._put_lines(self._dash(node, entries[0]), lines)

    def _drop(self, key: yaml.Node | None, node: yaml.SequenceNode, place: int) -> str:
        entries, entry = node.value, node.value[place]
        if not node.flow_style:
            begin, end = self._dash(node, entry), self._after_line(_last_end(entry))
            if len(entries) > 1:
                return self._cut(begin, end, "")
            if key is None:
                raise ValueError("a list must not become empty here")
            colon = self.text.index(":", _end(key)) + 1
            return _Editor(self._cut(begin, end, ""))._put(colon, " []")
        begin, end = _begin(entry), _last_end(entry)
        comma = _FREE.match(self.text, end)
        after = comma.end() if comma else end
        if self.text[after : after + 1] == ",":
            after += 1
            while self.text[after : after + 1] in (" ", "\t"):
                after += 1
            return self._cut(begin, after, "")
        if place:
            before = _FREE.match(self.text, _last_end(entries[place - 1]))
            at = before.end() if before else begin
            until = at + 1
            while until < begin and self.text[until] in " \t":
                until += 1
            return _Editor(self._cut(begin, end, ""))._cut(at, until, "")
        return self._cut(begin, end, "")

    def _add_key(
        self, node: yaml.MappingNode, path: tuple[str, ...], value: Written, *, is_root: bool
    ) -> str:
        pairs = node.value
        if node.flow_style:
            inner = _shown(value)
            for key in reversed(path[1:]):
                inner = f"{{{key}: {inner}}}"
            if not pairs:
                return self._put(_begin(node) + 1, f"{path[0]}: {inner}")
            return self._put(_last_end(pairs[-1][1]), f", {path[0]}: {inner}")
        column = node.start_mark.column
        lines = [f"{' ' * (column + 2 * depth)}{key}:" for depth, key in enumerate(path)]
        lines[-1] += f" {_shown(value)}"
        return self._put_lines(self._after_block(node, is_root=is_root), lines)

    def _after_block(self, node: yaml.MappingNode, *, is_root: bool) -> int:
        """A section ends with its last value; the file with its last line, unless it says so."""
        after = self._after_line(_last_end(node.value[-1][1]))
        marked = re.search(r"^(?:\.\.\.|---)", self.text[after:], re.MULTILINE)
        return after if marked or not is_root else len(self.text)

    def _dash(self, node: yaml.SequenceNode, entry: yaml.Node) -> int:
        """Where the line with the dash of an entry begins."""
        column, at = node.start_mark.column, _begin(entry)
        while True:
            begin = self._line(at)
            if self.text[begin + column : begin + column + 1] == "-" and begin + column < at:
                if self.text[begin : begin + column].strip(" "):
                    raise ValueError("the entries of the list share a line with something else")
                return begin
            if not begin:
                raise ValueError("the list has no dashes")
            at = begin - 1

    def _line(self, at: int) -> int:
        return max(self.text.rfind("\n", 0, at), self.text.rfind("\r", 0, at)) + 1

    def _after_line(self, at: int) -> int:
        if at and self.text[at - 1] in "\r\n":  # a block of text ends with its line
            return at
        found = _END_OF_LINE.match(self.text, at)
        return found.end() if found else len(self.text)

    def _put_lines(self, at: int, lines: Sequence[str]) -> str:
        broken = re.search(r"\r\n|\r|\n", self.text)
        ending = broken[0] if broken else "\n"
        begins_line = not at or self.text[at - 1] in "\r\n"
        body = ending.join(lines)
        return self._put(at, f"{body}{ending}" if begins_line else f"{ending}{body}")

    def _put(self, at: int, what: str) -> str:
        return self._cut(at, at, what)

    def _cut(self, begin: int, end: int, what: str) -> str:
        return f"{self.text[:begin]}{what}{self.text[end:]}"


def _begin(node: yaml.Node) -> int:
    return int(node.start_mark.index)


def _end(node: yaml.Node) -> int:
    return int(node.end_mark.index)


def _last_end(node: yaml.Node) -> int:
    """Where the last thing of a value ends; the mark of a block is after the comments below it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_end(last[1] if isinstance(last, tuple) else last)
    return _end(node)


def changed_lines(before: str, after: str) -> Iterator[str]:
    """The lines that differ, with a minus or a plus in front."""
    pairs = before.splitlines(), after.splitlines()
    for line in difflib.unified_diff(*pairs, n=0, lineterm=""):
        if line[:1] in "+-" and line[:3] not in ("+++", "---"):
            yield line
