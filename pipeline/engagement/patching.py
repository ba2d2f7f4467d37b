"""Proposed settings as a patch to the engagement and its profile, and the patch applied."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline import resources
from pipeline.decide.tuning.proposal import Change, Proposal
from pipeline.engagement.editing import Edit, changed_lines, edited_text, edited_value
from pipeline.engagement.loading import sound
from pipeline.engagement.nodes import read
from pipeline.engagement.profiles import known_profiles
from pipeline.engagement.source import LARGEST_YAML, read_limited
from pipeline.engagement.values import Engagement
from pipeline.errors import Error
from pipeline.files import write_whole

_BOM: Final = b"\xef\xbb\xbf"
_NEW_MODE: Final = 0o600
_AGAIN: Final = "run `portproof tune` again"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePatch:
    """One file before and after; ``before`` is ``None`` for one that is new, ``name`` is its path
    from the folder of the engagement."""

    path: Path
    name: str
    before: bytes | None
    after: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """The files that change, the profile first; ``lines`` has, for each proposal in their order,
    the lines that it changes."""

    files: tuple[FilePatch, ...] = ()
    lines: tuple[tuple[str, ...], ...] = ()

    @property
    def diff(self) -> str:
        """The whole as a unified diff, for ``patch -p1`` in the folder of the engagement."""
        return "".join(map(_diff, self.files))


def patch_of(engagement: Engagement, proposals: Sequence[Proposal]) -> Patch:
    """Write the proposals into the text of the engagement, and of its own profile.

    A profile that comes with portproof is left alone: a copy of it beside the engagement has the
    new values, and the engagement names the copy. Raises :class:`Error` when a file is not as it
    was loaded, or cannot be changed without changing more.
    """
    own = _File.read(engagement.path)
    profile, named = _profile_of(engagement, own)
    # Of entries that leave the same list the last one goes first: so the others keep their places.
    order = sorted(range(len(proposals)), key=lambda n: (proposals[n].key, -proposals[n].place))
    told: dict[int, tuple[str, ...]] = {}
    for number in order:
        proposal = proposals[number]
        file = profile if proposal.key.of_profile else own
        told[number] = file.edit(_edit(proposal))
    if named is not None and any(proposal.key.of_profile for proposal in proposals):
        own.edit(Edit(path=("profile",), change=Change.SET, value=profile.path.name))
    changed = [file for file in (profile, own) if file.text != file.original]
    for file in changed:
        file.verify()
    return Patch(
        files=tuple(file.patch(engagement.path.parent) for file in changed),
        lines=tuple(told[number] for number in range(len(proposals))),
    )


def apply(patch: Patch, engagement: Engagement) -> Engagement:
    """Write the files, each whole or not at all, and return the engagement as it is then.

    The engagement is validated with all its files before it is written. Raises
    :class:`~pipeline.errors.EngagementError` when it would not be sound, and :class:`Error` when a
    file changed meanwhile; everything is then as it was.
    """
    for file in patch.files:
        if _bytes_of(file.path) != file.before:
            raise Error("has changed meanwhile", where=str(file.path), hint=_AGAIN)
    rest = [file for file in patch.files if file.path != engagement.path]
    own = next((file for file in patch.files if file.path == engagement.path), None)
    try:
        for file in rest:
            _write(file.path, file.after)
        after = own.after if own is not None else engagement.path.read_bytes()
        found = sound(engagement.path, after)
        if own is not None:
            _write(own.path, own.after)
    except BaseException:
        for file in rest:
            if file.before is not None:
                _write(file.path, file.before)
            else:
                file.path.unlink(missing_ok=True)
        raise
    return found


def _write(path: Path, data: bytes) -> None:
    there = path.resolve()
    mode = there.stat().st_mode & 0o777 if there.exists() else _NEW_MODE
    write_whole(there, data, mode=mode)


def _bytes_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _edit(proposal: Proposal) -> Edit:
    return Edit(
        path=proposal.key.path,
        change=proposal.change,
        value=() if proposal.change is Change.DROP else proposal.after,
        place=proposal.place,
    )


class _File:
    """A text that is being edited, and the value that it has to stand for in the end."""

    def __init__(self, path: Path, data: bytes, *, new: bool = False) -> None:
        self.path, self._data, self._new = path, data, new
        self.original = self.text = data.decode("utf-8-sig")
        self._value = _value_of(path, self.text)

    @classmethod
    def read(cls, path: Path) -> _File:
        try:
            return cls(path, read_limited(path, LARGEST_YAML))
        except ValueError as problem:
            raise Error(str(problem), hint=_AGAIN) from None

    def edit(self, edit: Edit) -> tuple[str, ...]:
        """Make an edit, and return the lines that it changes."""
        before = self.text
        try:
            self.text = edited_text(before, edit)
        except ValueError as problem:
            raise Error(
                f"{'.'.join(edit.path)} cannot be changed by itself: {problem}",
                where=str(self.path),
                hint="write it into a line of its own, or change it by hand",
            ) from None
        self._value = edited_value(self._value, edit)
        return tuple(changed_lines(before, self.text))

    def verify(self) -> None:
        """Raise :class:`Error` unless the text stands for what was proposed, and nothing else."""
        if _value_of(self.path, self.text) != self._value:
            raise Error(
                "more than what was proposed would change",
                where=str(self.path),
                hint="change it by hand: the proposals say what",
            )

    def patch(self, folder: Path) -> FilePatch:
        marked = _BOM if self._data.startswith(_BOM) else b""
        return FilePatch(
            path=self.path,
            name=os.path.relpath(self.path, folder),
            before=None if self._new else self._data,
            after=marked + self.text.encode(),
        )


def _value_of(path: Path, text: str) -> Any:
    root, mistakes = read(text, str(path))
    if root is None or mistakes:
        raise Error("is not sound any more", where=str(path), hint=_AGAIN)
    return root.plain()


def _profile_of(engagement: Engagement, own: _File) -> tuple[_File, str | None]:
    """The profile to edit; the name of the one that it is a copy of, ``None`` for one's own."""
    root, _ = read(own.text, str(own.path))
    value = root.plain() if root is not None else {}
    named = value.get("profile", "balanced") if isinstance(value, dict) else "balanced"
    if named not in known_profiles():
        return _File.read(engagement.path.parent / str(named)), None
    path = _free(engagement.path)
    text = resources.read_text("configs", f"profiles/{named}.yml")
    renamed = re.sub(r"(?m)^name: .*$", f"name: {named}-tuned", text, count=1)
    return _File(path, renamed.encode(), new=True), named


def _free(path: Path) -> Path:
    """A name for the profile beside the engagement that nobody has."""
    for number in range(1, 1000):
        suffix = "" if number == 1 else f"-{number}"
        found = path.with_name(f"{path.stem}-profile{suffix}.yml")
        if not found.exists():
            return found
    raise Error("no name is left for a profile", where=str(path.parent), hint="remove old ones")


def _diff(file: FilePatch) -> str:
    before = b"" if file.before is None else file.before
    old = "/dev/null" if file.before is None else f"a/{file.name}"
    lines = difflib.unified_diff(
        _lines(before.decode()), _lines(file.after.decode()), old, f"b/{file.name}"
    )
    return "".join(_terminated(lines))


def _lines(text: str) -> list[str]:
    """At line feeds only, as patch(1) has it."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _terminated(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
