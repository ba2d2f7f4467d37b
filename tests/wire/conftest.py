"""The paths, started before the other tests of the wire because they take their time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pipeline

ROOT = Path(pipeline.__file__).parent.parent
Answers = dict[str, dict[str, Any]]


@pytest.fixture(scope="package", autouse=True)
def _paths() -> Iterator[Callable[[], Answers]]:
    """Start the program in a network namespace; the function waits for what it prints."""
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    program = subprocess.Popen(
        ("unshare", "--net", *user, sys.executable, "-W", "error", "-m", "tests.wire.paths"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said: list[Answers] = []

    def collect() -> Answers:
        if not said:
            out, err = program.communicate(timeout=30)
            if err.startswith("unshare:") and not os.environ.get("CI"):
                pytest.skip(f"needs a network namespace ({err.strip()})")
            assert program.returncode == 0, err
            said.append(json.loads(out))
        return said[0]

    yield collect
    program.kill()
    program.communicate()


@pytest.fixture(scope="package")
def paths(_paths: Callable[[], Answers]) -> Answers:
    """What every case of ``paths.py`` was found to be, by its name."""
    for tool in ("nft", "ip"):
        assert shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin"), f"{tool} is missing"
    return _paths()
