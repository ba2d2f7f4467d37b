"""What the door's rooms have in common: an environment, and harmless words."""

from __future__ import annotations

import errno
import os
import re
from typing import Final

from pipeline.errors import ToolError

SEARCH_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TAIL_LIMIT: Final = 4096
"""Bytes of what a tool wrote last that are shown."""
_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def environment(*, home: str, privileged: bool) -> dict[str, str]:
    """All that a program is told of ours; ``privileged`` is for nmap with file capabilities."""
    env = {"PATH": SEARCH_PATH, "LANG": "C", "TZ": "UTC", "HOME": home}
    return {**env, "NMAP_PRIVILEGED": "1"} if privileged else env


def not_executed(program: str, number: int) -> ToolError:
    """The error of a program that could not be executed, by the number of the system's."""
    hints = {
        errno.ENOENT: "it is missing, or the interpreter it names is",
        errno.EACCES: "it is not executable for this user, or its file system is mounted noexec",
        errno.EPERM: "its file capabilities are not available here (a container without NET_RAW?)",
        errno.ENOEXEC: "it is not a program for this machine",
    }
    return ToolError(
        f"{program} could not be started: {os.strerror(number)}", hint=hints.get(number, "")
    )


def harmless(data: bytes) -> str:
    """Text without anything that a terminal or a log would obey, newlines excepted."""
    text = data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
