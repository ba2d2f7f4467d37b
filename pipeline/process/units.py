"""Let systemd say what it thinks of units."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pipeline.process.words import SEARCH_PATH, TAIL_LIMIT, environment, harmless


def complaints_of_systemd(units: Sequence[Path]) -> str | None:
    """What ``systemd-analyze verify`` says about units; empty when they are sound.

    ``None`` where there is no systemd-analyze, or where it does not end.
    """
    program = shutil.which("systemd-analyze", path=SEARCH_PATH)
    if program is None:
        return None
    try:
        done = subprocess.run(
            (program, "verify", "--man=no", *map(str, units)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            env=environment(home="/", privileged=False),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = harmless(done.stderr[-TAIL_LIMIT:] + done.stdout[-TAIL_LIMIT:]).strip()
    return said or (f"it ended with {done.returncode}" if done.returncode else "")
