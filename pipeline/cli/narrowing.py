"""What may be asked *now*: the scope of a run, less what its engagement file excludes by now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pipeline.addresses import AddressSet
from pipeline.engagement import load
from pipeline.engagement.fields import parse_listed
from pipeline.engagement.nodes import read
from pipeline.engagement.source import LARGEST_YAML, read_limited
from pipeline.engagement.targets import LARGEST_LIST
from pipeline.errors import Error
from pipeline.plan import RunPlan
from pipeline.scope import Scope

_Mark = tuple[int, int, int] | None


def current_scope(plan: RunPlan, tell: Callable[[str], None]) -> Callable[[], Scope]:
    """The scope as a question that may be asked before every packet.

    The engagement file, and every file that it names, is read again when it has changed. With
    mistakes in it, it excludes all the same, since an exclusion may be the very mistake (nothing is
    left, a canary is gone); what it excluded before then stays excluded, too. ``tell`` hears of it.
    """
    path = Path(plan.engagement_file)
    watched: tuple[Path, ...] = (path,)
    seen: dict[Path, _Mark] = {}
    scope = plan.scope

    def ask() -> Scope:
        nonlocal watched, seen, scope
        marks = {file: _mark(file) for file in watched}
        if marks == seen:
            return scope
        before, first = scope.admitted, not seen
        try:
            engagement = load(path)
        except (OSError, Error) as problem:
            scope = scope.without([_readable_exclusions(path)])
            tell(f"cannot be read as it is now, the exclusions that can be hold: {problem}")
        else:
            scope = plan.scope.without([engagement.exclude])
            new = [h.name for h in engagement.exclude_names if h.name not in dict(plan.names)]
            if new:
                tell(f"excludes {', '.join(new)} by name: names are looked up when a run starts")
            watched = tuple(dict.fromkeys((path, *(file.path for file in engagement.files))))
            # Those that are new here were read a moment ago; a change since then shows next time.
            marks |= {file: _mark(file) for file in watched if file not in marks}
        seen = {file: marks[file] for file in watched}
        less = (before - scope.admitted).size
        if less:
            tell(f"excludes {less:,} more addresses {'by now' if first else 'than before'}")
        return scope

    return ask


def _mark(path: Path) -> _Mark:
    """What tells one version of a file from the next; ``None`` while there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _readable_exclusions(path: Path) -> AddressSet:
    """The addresses that a file with mistakes excludes, as far as that can be told."""
    with contextlib.suppress(OSError, ValueError):
        text = read_limited(path, LARGEST_YAML).decode("utf-8-sig", "replace")
        root, _ = read(text, str(path))
        if root is not None:
            entries = root.find(("scope", "exclude"))[0].plain()
            if isinstance(entries, list):
                return AddressSet.of(_ranges(_texts(entries, path.parent)))
    return AddressSet()


def _texts(entries: Iterable[object], folder: Path) -> Iterator[str]:
    for entry in entries:
        match entry:
            case str():
                yield entry
            case {"file": str(name)}:
                with contextlib.suppress(OSError, ValueError):
                    lines = read_limited(folder / name, LARGEST_LIST).decode("utf-8-sig", "replace")
                    yield from (line.partition("#")[0].strip() for line in lines.splitlines())


def _ranges(texts: Iterable[str]) -> Iterator[tuple[int, int]]:
    for text in texts:
        with contextlib.suppress(ValueError):
            found = parse_listed(text)
            if found.range:
                yield found.range
