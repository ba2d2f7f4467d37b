"""Programs that play the scanners, and whether they still live."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from pipeline.process import Command

MakeTool = Callable[..., str]
MakeCommand = Callable[..., Command]

PRELUDE = """\
import os, signal, sys, time
def say(text):
    os.write(2, text.encode() + b"\\n")
def note(name, text):
    with open(name + ".part", "w") as file:
        file.write(str(text))
    os.rename(name + ".part", name)
"""
"""What each of them can do: print a line, and leave a note in its folder."""


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def children() -> set[int]:
    """The children of this process that have not been waited for."""
    tasks = Path("/proc/self/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}


def is_alive(pid: int) -> bool:
    """A zombie that its new parent has not collected yet is dead."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(b")")[2].split()[0] not in b"ZX"


def survivors(pids: Iterable[int], within: float) -> list[int]:
    """Which of the processes still live after at most ``within`` seconds."""
    until = time.monotonic() + within
    alive = [pid for pid in pids if is_alive(pid)]
    while alive and time.monotonic() < until:
        time.sleep(0.02)
        alive = [pid for pid in alive if is_alive(pid)]
    return alive


def wait_for(path: Path, within: float = 5.0) -> str:
    """What a tool noted in a file, once it has."""
    until = time.monotonic() + within
    while not path.exists():
        assert time.monotonic() < until, f"{path.name} was never written"
        time.sleep(0.01)
    return path.read_text()
