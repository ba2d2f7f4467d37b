"""What may be asked *now*: the scope and the windows of a run, as its files narrow them by now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path

from pipeline.addresses import AddressSet
from pipeline.decide.permits import Permits
from pipeline.decide.third_parties import judge, told
from pipeline.engagement import Engagement, load
from pipeline.engagement.calendars import openings_of
from pipeline.engagement.fields import parse_blackout, parse_listed, parse_zone
from pipeline.engagement.nodes import Node, read
from pipeline.engagement.source import LARGEST_YAML, read_limited
from pipeline.engagement.targets import LARGEST_LIST
from pipeline.errors import Error
from pipeline.orders import excluded, exclusions
from pipeline.plan import RunPlan
from pipeline.scope import Scope
from pipeline.windows import Openings, Span, clipped, without
from pipeline.workspace import Workspace

_Mark = tuple[int, int, int] | None


class Current:
    """Scope and windows as questions that may be asked before every packet.

    The engagement file, every file that it names, and the workspace's exclusions are read again
    when they have changed. With mistakes in it the engagement excludes all the same, and its
    blackout holds, since that may be the very mistake (nothing is left, a canary is gone); what
    held before holds on, too. ``tell`` hears of it; ``clock`` is epoch seconds.
    """

    def __init__(
        self,
        plan: RunPlan,
        workspace: Workspace,
        *,
        tell: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._plan = plan
        self._workspace = workspace
        self._tell = tell
        self._clock = clock
        self._path = Path(plan.engagement_file)
        self._watched: tuple[Path, ...] = (self._path, workspace.exclusions)
        self._seen: dict[Path, _Mark] = {}
        self._by_file = plan.scope
        self._scope = plan.scope
        self._permits = plan.permits
        whole = ((plan.authorised_from, plan.authorised_until),)
        self._openings = Openings(whole if plan.openings is None else plan.openings)

    def scope(self) -> Scope:
        """The scope of the run, less what is excluded by now."""
        self._look()
        return self._scope

    def permits(self) -> Permits:
        """What the authorisation of the run permits, and that of the engagement by now, too."""
        self._look()
        return self._permits

    def openings(self) -> Openings:
        """The windows that the engagement has by now, within the authorisation of the run."""
        self._look()
        return self._openings

    def _look(self) -> None:
        marks = {file: _mark(file) for file in self._watched}
        if marks == self._seen:
            return
        first, before = not self._seen, self._scope.admitted
        try:
            engagement = load(self._path)
            spans = openings_of(engagement, self._clock())
        except (OSError, Error) as problem:
            self._by_file = self._by_file.without([_readable_exclusions(self._path)])
            self._keep(without(self._openings.spans, _readable_blackout(self._path)), first=first)
            self._tell(f"cannot be read as it is now, the exclusions that can be hold: {problem}")
        else:
            self._take(engagement, spans, first=first)
            files = (file.path for file in engagement.files)
            self._watched = tuple(dict.fromkeys((self._path, self._workspace.exclusions, *files)))
            # Those that are new here were read a moment ago; a change since then shows next time.
            marks |= {file: _mark(file) for file in self._watched if file not in marks}
        self._seen = {file: marks[file] for file in self._watched}
        self._scope = self._by_file.without([self._left_alone()])
        less = (before - self._scope.admitted).size
        if less:
            self._tell(f"excludes {less:,} more addresses {'by now' if first else 'than before'}")

    def _take(self, engagement: Engagement, spans: tuple[Span, ...] | None, *, first: bool) -> None:
        plan = self._plan
        self._permits = plan.permits.narrowed(_bounds(engagement))
        rest = plan.scope.without([engagement.exclude])
        by_now = judge(rest.admitted, engagement.third_parties, now=self._clock())
        if by_now.refused and not first:
            self._tell(f"somebody else's by now: {'; '.join(map(told, by_now.refused))}")
        self._by_file = replace(
            rest, foreign=rest.foreign | by_now.foreign, permitted=self._permits.targets
        )
        new = [h.name for h in engagement.exclude_names if h.name not in dict(plan.names)]
        if new:
            self._tell(f"excludes {', '.join(new)} by name: names are looked up when a run starts")
        whole = ((plan.authorised_from, plan.authorised_until),)
        allowed = clipped(
            whole if spans is None else spans, plan.authorised_from, plan.authorised_until
        )
        self._keep(allowed, first=first)

    def _keep(self, spans: tuple[Span, ...], *, first: bool) -> None:
        ahead = clipped(spans, self._clock(), float("inf"))
        before = clipped(self._openings.spans, self._clock(), float("inf"))
        # As far as both were computed: later looks see further.
        end = min((s[-1][1] for s in (ahead, before) if s), default=0.0)
        if not first and clipped(ahead, 0.0, end) != clipped(before, 0.0, end):
            self._tell("has other windows than before")
        self._openings = Openings(spans)

    def _left_alone(self) -> AddressSet:
        """What `portproof exclude` says; of a file with mistakes, the lines without."""
        try:
            found = exclusions(self._workspace)
            for one in found:
                if one.addresses & self._scope.admitted:
                    self._tell(f"left alone by `portproof exclude`: {one}")
            return excluded(found)
        except Error as problem:
            self._tell(f"exclusions that can be read hold: {problem}")
        before = self._plan.scope.admitted - self._scope.admitted
        with contextlib.suppress(Error):
            return before | excluded(exclusions(self._workspace, strict=False))
        return before


def _bounds(engagement: Engagement) -> Permits:
    """What the authorisation permits by now; ``top:N`` is as it was when the run started."""
    found = engagement.authorisation.permits
    ports = found.ports
    fixed = ports is not None and not ports.tcp.top and not ports.udp.top
    return Permits(
        techniques=found.techniques,
        tcp=ports.tcp.explicit if ports and fixed else None,
        udp=ports.udp.explicit if ports and fixed else None,
        rate=found.rate,
        rate_per_host=found.rate_per_host,
        targets=found.targets,
    )


def _mark(path: Path) -> _Mark:
    """What tells one version of a file from the next; ``None`` while there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _root(path: Path) -> Node | None:
    with contextlib.suppress(OSError, ValueError):
        text = read_limited(path, LARGEST_YAML).decode("utf-8-sig", "replace")
        return read(text, str(path))[0]
    return None


def _value(path: Path, *keys: str) -> object:
    """What stands under these keys of a file with mistakes; ``None`` if nothing can be found."""
    root = _root(path)
    if root is None:
        return None
    node, found = root.find(keys)
    return node.plain() if found == keys else None


def _readable_exclusions(path: Path) -> AddressSet:
    """The addresses that a file with mistakes excludes, as far as that can be told."""
    entries = _value(path, "scope", "exclude")
    return AddressSet.of(_ranges(_texts(entries, path.parent)))


def _readable_blackout(path: Path) -> Iterator[Span]:
    """The blackout of a file with mistakes, as far as that can be told."""
    zone: tzinfo = UTC
    for section in ("authorisation", "windows"):
        with contextlib.suppress(ValueError):
            zone = parse_zone(str(_value(path, section, "timezone")))
    for text in _texts(_value(path, "windows", "blackout"), path.parent):
        with contextlib.suppress(ValueError, OverflowError):
            begin, end = parse_blackout(text)
            yield begin.replace(tzinfo=zone).timestamp(), end.replace(tzinfo=zone).timestamp()


def _texts(entries: object, folder: Path) -> Iterator[str]:
    for entry in entries if isinstance(entries, list) else ():
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
