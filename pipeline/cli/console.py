"""What a person or a log sees while a run goes on. Everything here goes to stderr.

On a terminal: a live picture, redrawn in place. Otherwise: one line per event, no colour. What
came from the network is made visible before it is printed.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.render.text import visible

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from pipeline.engine import Progress

_ALWAYS = frozenset(
    {
        "delivery failed",
        "failed",
        "foreign",
        "refused",
        "interrupted",
        "stopped",
        "recovered",
        "not covered",
        "notice failed",
        "blocked",
        "deviation",
        "asset",
    }
)
_RECENT = 6
_RUNNING = 8
_DRAW_EVERY = 0.25


@dataclass(slots=True)
class _Bar:
    """How full the bar is. ``tasks_before`` were done before this process began.

    A batch counts in full when it is done. Before that its tasks move the bar: those done, of those
    known so far and one more, since what is found brings further ones. It never goes back.
    """

    tasks_before: int
    _batches: int = 0
    _tasks: int = 0
    _most: float = 0.0

    def share(self, progress: Progress) -> float:
        """From 0 to 1."""
        if progress.batches_done != self._batches:
            self._batches, self._tasks = progress.batches_done, progress.tasks_done
        done = progress.tasks_done - self._tasks
        ahead = len(progress.running) + progress.tasks_waiting + 1
        within = done / (done + ahead) if progress.batches_done < progress.batches else 0.0
        share = (progress.batches_done + within) / max(1, progress.batches)
        self._most = max(self._most, share)
        return self._most


class Console:
    """Progress and messages of one run. ``clock`` returns seconds, for how long it takes."""

    def __init__(self, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet = quiet
        self._clock = clock
        self._live: Live | None = None
        self._title = ""
        self._recent: list[str] = []
        self._drawn = 0.0
        self._began = 0.0
        self._bar = _Bar(tasks_before=0)

    def say(self, text: str) -> None:
        """A message to the person; silenced by ``--quiet``."""
        if not self._quiet:
            _print(visible(text))

    def event(self, kind: str, text: str) -> None:
        """Something happened. Quiet keeps the troubles only."""
        if self._quiet and kind not in _ALWAYS:
            return
        line = f"{datetime.now(UTC):%H:%M:%S} {kind}: {visible(text)}"
        if self._live is None:
            _print(line)
            return
        if kind in _ALWAYS:  # stays above the picture, which goes when the run ends
            self._live.console.print(line, markup=False, highlight=False, emoji=False)
            return
        self._recent = [*self._recent, line][-_RECENT:]

    def progress(self, progress: Progress) -> None:
        """Where the run stands; drawn at most four times a second."""
        if self._live is None or self._clock() - self._drawn < _DRAW_EVERY:
            return
        self._drawn = self._clock()
        self._live.update(self._picture(progress))

    @contextlib.contextmanager
    def live(self, title: str, *, tasks_before: int = 0) -> Iterator[None]:
        """Draw progress while the block runs, where there is a terminal to draw on.

        ``tasks_before`` is how many tasks of the run were done when it was begun or resumed.
        """
        if self._quiet or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console as RichConsole
        from rich.live import Live

        self._title, self._began, self._bar = title, self._clock(), _Bar(tasks_before)
        with Live(console=RichConsole(stderr=True), refresh_per_second=4, transient=True) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def _picture(self, progress: Progress) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        head = Table.grid(padding=(0, 2))
        head.add_row(
            Text(self._title, style="bold"),
            ProgressBar(total=1.0, completed=self._bar.share(progress), width=24),
            Text(f"{progress.batches_done}/{progress.batches} batches"),
            Text(_clock(self._clock() - self._began)),
            Text(f"{progress.leased:,.0f} of {progress.ceiling:,.0f} packets/s leased"),
        )
        counts = Text(
            f"tasks {self._bar.tasks_before + progress.tasks_done} done, "
            f"{len(progress.running)} running, {progress.tasks_waiting} waiting   "
            f"endpoints {progress.found} found, {progress.confirmed} confirmed, "
            f"{progress.disputed} disputed"
        )
        lines = [Text(f"  {what}", style="cyan") for what in progress.running[:_RUNNING]]
        if len(progress.running) > _RUNNING:
            more = len(progress.running) - _RUNNING
            lines.append(Text(f"  and {more} more", style="cyan"))
        if progress.paused_until is not None:
            opens = datetime.fromtimestamp(progress.paused_until, UTC)
            lines.append(
                Text(f"  paused: the next window opens {opens:%Y-%m-%d %H:%M} UTC", style="yellow")
            )
        elif progress.waiting_until is not None:
            seconds = max(0, progress.waiting_until - time.time())
            lines.append(Text(f"  next re-scan in {seconds:.0f} s", style="yellow"))
        if progress.seconds_left is not None:
            counts.append(f"   about {_clock(progress.seconds_left)} left")
        recent = [Text(line, style="dim") for line in self._recent]
        return Group(head, counts, *lines, *recent)


def _print(line: str) -> None:
    # Whoever reads this may have left (`portproof run 2>&1 | head`): no reason to stop scanning.
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
