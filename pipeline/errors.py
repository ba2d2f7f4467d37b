"""Everything that can go wrong and is not a bug.

::

    Error                       what happened, where, what to do next; carries its exit code
    ├── UsageError              the command line asks for something that makes no sense
    ├── EngagementError         the engagement file: every mistake in it, with file:line:column
    ├── Refused                 portproof will not do it, on purpose
    │   ├── NotAuthorised       the authorisation is missing, not yet valid or expired
    │   ├── NotAdmitted         an address lies outside the scope
    │   ├── WorkspaceBusy       another run is using this workspace
    │   └── OutsideWindow       scanning is not allowed at this hour
    ├── ToolError               nmap or masscan: missing, too old, not permitted, failed
    ├── StoreError              the database: newer than this program, damaged
    ├── DiskFull                nothing more could be written; what was finished is kept
    └── Incomplete              the run stopped early and can be resumed

Every class has one exit code, so that the edge of the command line is a single ``except Error``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells its caller. A crash is never 1."""

    NOTHING_TO_DO = 0
    """The run is complete and nothing needs attention."""
    ACTION_NEEDED = 1
    """The run is complete and something needs attention."""
    FAILED = 2
    """Usage, configuration or tool failure."""
    REFUSED = 3
    """Refused: authorisation, scope, window, or the workspace is in use."""
    INCOMPLETE = 4
    """Stopped early; ``portproof resume`` goes on."""
    CRASHED = 70
    """A bug in portproof (EX_SOFTWARE of sysexits.h)."""


class Error(Exception):
    """Something that a person can do something about.

    ``what`` is one sentence, ``where`` a place (file, line, task, command) or empty, ``hint`` what
    to do next or empty.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  {self.hint}" if self.hint else head


class UsageError(Error):
    """The command line asks for something that makes no sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake in a file. ``line`` and ``column`` count from 1; ``field`` is a dotted path."""

    file: str
    line: int
    column: int
    field: str
    what: str

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.line}:{self.column}: {field}{self.what}"


class EngagementError(Error):
    """The engagement file has mistakes; all of them are in ``mistakes``, in the file's order."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        ordered = tuple(sorted(mistakes, key=lambda m: (m.file, m.line, m.column, m.field)))
        super().__init__("\n".join(str(mistake) for mistake in ordered))
        self.mistakes = ordered


class Refused(Error):
    """portproof will not do it, on purpose."""

    exit_code = ExitCode.REFUSED


class NotAuthorised(Refused):
    """The authorisation is missing, not yet valid or expired."""


class NotAdmitted(Refused):
    """An address lies outside the scope."""


class OutsideWindow(Refused):
    """Scanning is not allowed at this hour."""


class WorkspaceBusy(Refused):
    """Another run is using this workspace."""


class ToolError(Error):
    """nmap or masscan is missing, too old, not permitted, or failed."""


class StoreError(Error):
    """The database is newer than this program, or damaged."""


class DiskFull(Error):
    """Nothing more could be written; what was finished is kept."""

    exit_code = ExitCode.INCOMPLETE


class Incomplete(Error):
    """The run stopped early and can be resumed."""

    exit_code = ExitCode.INCOMPLETE
