"""Two runs never share a workspace, and a run that is dead does not hold it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.errors import Error, ExitCode, WorkspaceBusy
from pipeline.workspace import Workspace, new_run_id
from tests.decide.making import START

HOLD = """
import os, subprocess, sys, time
from pathlib import Path
from pipeline.workspace import Workspace

with Workspace(Path(sys.argv[1])).lock(now=float(sys.argv[2])) as descriptor:
    if sys.argv[3] != "0":
        # Like the guard of a scanner, it keeps the descriptor while it stops its tool.
        guard = [sys.executable, "-c", f"import time; time.sleep({sys.argv[3]})"]
        subprocess.Popen(guard, pass_fds=(descriptor,), stdin=subprocess.DEVNULL)
    print("held", flush=True)
    sys.stdin.read()
"""

Hold = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    """Another process that holds the workspace until its stdin ends, or it is killed."""
    holders: list[subprocess.Popen[str]] = []

    def start(*, now: float | None = None, guard: float = 0) -> subprocess.Popen[str]:
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path), str(now or time.time()), f"{guard:g}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        holders.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        return holder

    yield start
    for holder in holders:
        holder.communicate(timeout=20)


def test_a_second_run_is_refused_with_the_process_and_the_start_of_the_first(
    tmp_path: Path, hold: Hold
) -> None:
    now = time.time()
    first = hold(now=now)
    began = time.monotonic()
    with pytest.raises(WorkspaceBusy) as caught, Workspace(tmp_path).lock(now=START):
        pass
    assert time.monotonic() - began < 5
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    assert f"process {first.pid}, since {since}" in str(caught.value)
    assert caught.value.exit_code is ExitCode.REFUSED
    assert caught.value.where == str(tmp_path)


def test_a_refused_run_leaves_the_name_of_the_first_where_it_was(
    tmp_path: Path, hold: Hold
) -> None:
    first = hold()
    for _ in range(2):
        refused = pytest.raises(WorkspaceBusy, match=f"process {first.pid}")
        with refused, Workspace(tmp_path).lock(now=START):
            pass
    signed = json.loads((tmp_path / "portproof.lock").read_text())
    assert signed["process"] == first.pid


def test_the_same_process_is_refused_a_second_time_too(tmp_path: Path) -> None:
    now = time.time()
    refused = pytest.raises(WorkspaceBusy, match=f"process {os.getpid()}")
    with Workspace(tmp_path).lock(now=now), refused, Workspace(tmp_path).lock(now=now):
        pass
    with Workspace(tmp_path).lock(now=now) as descriptor:
        assert os.fstat(descriptor).st_mode & 0o777 == 0o600


def test_a_run_that_was_killed_holds_nothing(tmp_path: Path, hold: Hold) -> None:
    first = hold()
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=10)
    began = time.monotonic()
    with Workspace(tmp_path).lock(now=START):
        signed = json.loads((tmp_path / "portproof.lock").read_text())
    assert signed == {"process": os.getpid(), "started": START}
    assert time.monotonic() - began < 5


def test_a_run_that_has_ended_holds_nothing(tmp_path: Path, hold: Hold) -> None:
    hold().communicate(timeout=10)
    with Workspace(tmp_path).lock(now=START):
        pass


def test_the_guards_of_a_killed_run_are_waited_for(tmp_path: Path, hold: Hold) -> None:
    first = hold(guard=1.5)
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=10)
    began = time.monotonic()
    with Workspace(tmp_path).lock(now=START):
        assert time.monotonic() - began > 0.3


@pytest.mark.parametrize(
    "content", ["", "{", "[1, 2]", '{"process": "x"}', '{"started": 1}', "\x00\xff", "7"]
)
def test_whatever_a_dead_run_left_in_the_file_the_next_one_can_hold_it(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "portproof.lock").write_text(content)
    with Workspace(tmp_path).lock(now=START):
        signed = json.loads((tmp_path / "portproof.lock").read_text())
    assert signed == {"process": os.getpid(), "started": START}


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("do not touch")
    (tmp_path / "portproof.lock").symlink_to(precious)
    with pytest.raises(Error, match="cannot write"), Workspace(tmp_path).lock(now=START):
        pass
    assert precious.read_text() == "do not touch"


def test_a_workspace_that_cannot_be_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Error) as caught, Workspace(tmp_path / "file" / "w").lock(now=START):
        pass
    assert str(tmp_path / "file") in caught.value.where


def test_the_folders_of_a_workspace_are_made_for_its_owner_alone(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "a" / "b")
    with place.lock(now=START):
        assert place.folder.stat().st_mode & 0o777 == 0o700
        assert place.folder.parent.stat().st_mode & 0o777 == 0o700
    assert place.database == place.folder / "portproof.db"
    assert place.run_folder("x") == place.folder / "runs" / "x"


def test_the_names_of_runs_sort_by_time_and_differ_within_a_second() -> None:
    names = [new_run_id(START + second) for second in (0, 1, 60, 86_400)]
    assert names == sorted(names)
    assert names[0].startswith("20261103T020000Z-")
    assert all(re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{4}", name) for name in names)
    assert len({new_run_id(START) for _ in range(20)}) > 1
