"""What is started at set times: one command line, and the words that schedulers need around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.scheduling.times import Schedule, Start


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A file for a scheduler."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An engagement that is run by itself. The paths are absolute, as the machine sees them.

    ``image`` is of a container that has portproof, nmap and masscan; empty where there is none.
    Without ``raw`` it runs as nobody in particular, and asks by plain connections. ``beside`` are
    further places that the command needs: its interpreter and its packages.
    """

    engagement: str
    file: Path
    workspace: Path
    command: Path
    schedule: Schedule
    user: str = "portproof"
    image: str = ""
    raw: bool = True
    beside: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """``portproof-weekly-perimeter``: fit for units, jobs and containers."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.engagement.lower()).strip("-")[:32].strip("-")
        return f"portproof-{slug}" if slug else "portproof-engagement"

    def argv(self, *, waits: bool = True) -> tuple[str, ...]:
        """The command line. Where it ``waits``, it does so for the next window."""
        return (
            str(self.command),
            "run",
            "--quiet",
            *(("--wait-for-window",) if waits else ()),
            "--scheduled",
            str(self.schedule),
            "--workspace",
            str(self.workspace),
            str(self.file),
        )

    def require_plain(self) -> None:
        """Raise :class:`UsageError` where a value has characters that do not show."""
        for text in (*self.argv(), self.user, self.image):
            if not text.isprintable():
                raise UsageError(
                    "no scheduler takes a line with characters that do not show",
                    where=repr(text),
                    hint="rename the file or its folder",
                )
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,30}", self.user):
            raise UsageError(f"is no name of a user: {self.user!r}", where="--user")


def cron_of(start: Start) -> str:
    """The five fields of crontab(5): ``0 22 * * 1,2,3,4``."""
    days = "*" if len(start.days) == 7 else ",".join(str((day + 1) % 7) for day in start.days)
    return f"{start.minute % 60} {start.minute // 60} * * {days}"
