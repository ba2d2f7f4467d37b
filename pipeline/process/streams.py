"""What comes out of one stream of a tool."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Final

from pipeline.process.files import write, writing_to
from pipeline.process.words import TAIL_LIMIT, harmless

_LINE_LIMIT: Final = 4096
_READ_SIZE: Final = 1 << 16
_PIPE_SIZE: Final = 1 << 20


class Stream:
    """What comes out of one stream of the tool: into a log, a tail, and pieces of progress.

    Reads ``source`` without blocking and writes to ``log``, the first ``limit`` bytes only.
    Progress goes to ``on_text``, cut at newlines and at carriage returns, which masscan uses; of a
    line without an end the last 4 KiB are kept.
    """

    def __init__(self, source: FileIO, log: FileIO, limit: int | None) -> None:
        os.set_blocking(source.fileno(), False)
        self.source = source
        self.on_text: Callable[[str], None] | None = None
        self.problem: Exception | None = None
        self.tail = b""
        self._log = log
        self._room = limit
        self._line = b""

    def read(self) -> bool:
        """Take what is there, at most 64 KiB; false when nothing was."""
        data = self.source.read(_READ_SIZE)
        if not data:
            return data is None
        self.tail = (self.tail + data)[-TAIL_LIMIT:]
        self._take(data)
        return True

    def drain(self) -> None:
        """Take what a tool that has ended left in the pipe, and the line without an end."""
        left = self.source.read(_PIPE_SIZE) or b""
        self.tail = (self.tail + left)[-TAIL_LIMIT:]
        self._take(left, ended=True)

    def _take(self, data: bytes, *, ended: bool = False) -> None:
        if self.problem is not None:
            return  # Only emptying the pipe, or the tool would hang while it is being stopped.
        try:
            self._keep(data)
            self._tell(data + b"\n" if ended else data)
        except Exception as problem:  # Whoever waits for the tool raises it.
            self.problem = problem

    def _keep(self, data: bytes) -> None:
        if self._room is not None:
            data = data[: self._room]
            self._room -= len(data)
        with writing_to(Path(str(self._log.name)).parent):
            write(self._log, data)

    def _tell(self, data: bytes) -> None:
        if self.on_text is None:
            return
        *lines, rest = re.split(rb"[\r\n]+", self._line + data)
        self._line = rest[-_LINE_LIMIT:]
        for line in lines:
            if line.strip():
                self.on_text(harmless(line[-_LINE_LIMIT:]).strip())
