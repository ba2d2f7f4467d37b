"""What a person orders while runs go on: stop everything; leave these addresses alone.

Both orders are files in the workspace, so that they hold for whoever comes next, be it a scheduler,
and can be given by a person who has nothing but an editor. A file that is there and cannot be read
stops, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.addresses import AddressSet
from pipeline.engagement.fields import one_line, parse_listed
from pipeline.engagement.source import read_limited
from pipeline.engagement.targets import LARGEST_LIST
from pipeline.errors import Error, Refused, UsageError
from pipeline.files import make_private_folder, write_whole, writing_to
from pipeline.render.text import minute, visible
from pipeline.workspace import Workspace

_LARGEST_REASON: Final = 4096
_NO_REASON: Final = "nobody said why"


def stopped(workspace: Workspace) -> str | None:
    """Why everything is stopped in this workspace; ``None`` when it is not."""
    path = workspace.stop_file
    try:
        os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as problem:
        return f"{path.name} cannot be looked at: {problem.strerror}"
    try:
        text = read_limited(path, _LARGEST_REASON)[:_LARGEST_REASON].decode("utf-8", "replace")
    except ValueError as problem:
        return str(problem)
    return visible(" ".join(text.split()), 300) or _NO_REASON


def require_not_stopped(workspace: Workspace) -> None:
    """Raise :class:`Refused` while everything is stopped in this workspace."""
    reason = stopped(workspace)
    if reason is not None:
        raise Refused(
            f"everything is stopped here: {reason}",
            where=str(workspace.stop_file),
            hint="once whoever ordered it agrees, `portproof stop --lift` allows scanning again",
        )


def stop(workspace: Workspace, because: str, *, now: float) -> None:
    """Stop everything in a workspace, until it is lifted. An earlier reason is kept in front."""
    earlier = stopped(workspace)
    reason = f"{because or _NO_REASON} ({minute(now)} UTC)"
    if earlier not in (None, _NO_REASON):
        reason = f"{earlier}; {reason}"
    write_whole(workspace.stop_file, f"{reason}\n")


def lift(workspace: Workspace) -> str:
    """Allow scanning again; returns why it was stopped. Raises ``UsageError`` if it was not."""
    reason = stopped(workspace)
    if reason is None:
        raise UsageError("nothing is stopped here", where=str(workspace.folder))
    with writing_to(workspace.stop_file):
        workspace.stop_file.unlink()
    return reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A line of ``portproof.exclude``: what is left alone, and why."""

    text: str
    addresses: AddressSet
    because: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({visible(self.because, 300)})" if self.because else self.text


def exclude(workspace: Workspace, text: str, because: str, *, now: float) -> Exclusion:
    """Leave an address, a network or a range alone, in this run and in all that follow."""
    try:
        found = _exclusion(text)
    except ValueError as problem:
        raise UsageError(
            str(problem), hint="write an address, a network such as 192.0.2.0/28, or a range"
        ) from None
    why = f"{because}, {minute(now)} UTC" if because else f"{minute(now)} UTC"
    path = workspace.exclusions
    make_private_folder(workspace.folder)
    with writing_to(path):
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            # In front of it, too: what was written by hand may lack its last line end.
            file.write(f"\n{found.text} # {why}\n".encode())
            file.flush()
            os.fsync(file.fileno())
    return Exclusion(text=found.text, addresses=found.addresses, because=why)


def exclusions(workspace: Workspace, *, strict: bool = True) -> tuple[Exclusion, ...]:
    """What is left alone in a workspace.

    Raises :class:`Error` with the line that cannot be understood, unless it is to be skipped.
    """
    path = workspace.exclusions
    if not os.path.lexists(path):
        return ()
    try:
        text = read_limited(path, LARGEST_LIST).decode("utf-8-sig", "replace")
        return tuple(_lines(text, path, strict=strict))
    except ValueError as problem:
        raise Error(str(problem), hint="put it right: it says what must not be asked") from None


def excluded(found: tuple[Exclusion, ...]) -> AddressSet:
    """All addresses of some exclusions."""
    return AddressSet.of(range_ for one in found for range_ in one.addresses.ranges)


def _lines(text: str, path: Path, *, strict: bool) -> Iterator[Exclusion]:
    for number, line in enumerate(text.splitlines(), start=1):
        entry, _, because = line.partition("#")
        if not entry.strip():
            continue
        try:
            found = _exclusion(entry.strip())
        except ValueError as problem:
            if strict:
                raise ValueError(f"{path}:{number}: {problem}") from None
            continue
        yield Exclusion(text=found.text, addresses=found.addresses, because=because.strip())


def _exclusion(text: str) -> Exclusion:
    found = parse_listed(text)
    if found.range is None:
        raise ValueError(f"{text!r} is no address: names are excluded in the engagement file")
    return Exclusion(text=found.text, addresses=found.addresses)


def reason_of(because: str) -> str:
    """A reason from the command line as one line. Raises ``UsageError`` when it is none."""
    try:
        return one_line(because).replace("#", "") if because else ""
    except ValueError as problem:
        raise UsageError(f"--because {problem}") from None
