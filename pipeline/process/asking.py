"""Find the tools, and ask them about themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.errors import ToolError
from pipeline.process.words import SEARCH_PATH, TAIL_LIMIT, environment, harmless, not_executed

MASSCAN_CONFIG: Final = Path("/etc/masscan/masscan.conf")
_QUESTIONS: Final = frozenset({"--version", "-V", "--iflist"})


def find_program(name: str, *, package: str = "") -> Path:
    """The absolute path of a tool. Raises :class:`ToolError` that says what to install.

    Searches ``PATH`` and then the usual system folders: ``/usr/sbin`` is not on the path of
    ordinary users and of many service managers.
    """
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SEARCH_PATH}")
    if found is None:
        raise ToolError(
            f"{name} is not installed",
            hint=f"install it (Debian, Ubuntu: apt-get install {package or name}) or put it on "
            "the PATH",
        )
    return Path(os.path.abspath(found))


def capture(program: str | Path, options: Sequence[str], *, timeout: float) -> str:
    """What a tool says about itself on stdout; ``timeout`` is in seconds.

    Only options that send nothing are taken (``--version``, ``-V``, ``--iflist``); ``ValueError``
    otherwise. The exit code is not looked at, since masscan's ``--version`` exits with 1. Raises
    :class:`ToolError` when the tool cannot be executed, says nothing or takes too long.
    """
    for option in options:
        if option not in _QUESTIONS:
            raise ValueError(f"{option!r} is not a question to a tool about itself")
    argv = (str(program), *options)
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env=environment(home="/", privileged=False),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"{' '.join(argv)} did not end within {timeout:g} seconds") from None
    except OSError as problem:
        raise not_executed(str(program), problem.errno or 0) from problem
    if done.returncode < 0 or not done.stdout.strip():
        raise ToolError(
            f"{' '.join(argv)} ended with {done.returncode} and no answer",
            hint=harmless(done.stderr[-TAIL_LIMIT:]).strip(),
        )
    return done.stdout.decode(errors="replace")


def refuse_foreign_config(path: Path = MASSCAN_CONFIG) -> None:
    """Raise :class:`ToolError` when masscan's system-wide configuration sets anything.

    masscan always reads it, and it could add ranges, ports or a rate to any command line.
    """
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return
    except OSError as problem:
        raise ToolError(f"{path} cannot be read: {problem.strerror}") from problem
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.lstrip().startswith(("#", ";", "//")):
            raise ToolError(
                f"masscan would read {line.strip()!r} from its own configuration",
                where=f"{path}:{number}",
                hint="comment it out: targets, ports and rates come from the engagement only",
            )
