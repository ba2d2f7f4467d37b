"""A full disk ends a command with an error that says so, and never with a short file."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from pipeline import process

from .players import MakeTool

ON_A_SMALL_DISK = """
import asyncio, os, subprocess, sys
from pathlib import Path
from pipeline import process
from pipeline.addresses import AddressSet
from pipeline.errors import Error
from pipeline.scope import Scope

tool, disk, addresses = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=True)
scope = Scope(included=AddressSet.parse(["10.0.0.0/8"]))
numbers = range(10 << 24, (10 << 24) + 2 * addresses, 2)
targets = scope.admit_all(AddressSet.of((number, number) for number in numbers))
command = process.Command(program=tool, options=(), targets=targets, deadline=20.0)
before = len(os.listdir("/proc/self/fd"))
try:
    asyncio.run(process.run(command, folder=disk / "task", scope=lambda: scope))
except Error as problem:
    print(type(problem).__name__, problem.where)
else:
    print("finished")
assert len(os.listdir("/proc/self/fd")) == before
"""

NOISY = "try:\n    while True: say('x' * 9999)\nexcept KeyboardInterrupt: pass"
CARELESS = """
with open("out.xml", "wb", buffering=0) as file:
    try:
        while file.write(bytes(4096)): pass
    except OSError: pass
"""


@pytest.mark.parametrize(
    ("body", "addresses", "outcome"),
    [
        ("pass", 1, "finished"),
        ("pass", 30_000, "DiskFull"),
        (NOISY, 1, "DiskFull"),
        (CARELESS, 1, "DiskFull"),
    ],
    ids=["room enough", "our target list", "our log", "the output of the tool"],
)
def test_whoever_fills_the_disk_it_is_told(
    make_tool: MakeTool, tmp_path: Path, body: str, addresses: int, outcome: str
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    answer = in_a_mount_namespace(make_tool(body), str(disk), str(addresses), output=tmp_path)
    expected = outcome if outcome == "finished" else f"{outcome} {disk / 'task'}"
    assert answer == expected


def in_a_mount_namespace(*arguments: str, output: Path) -> str:
    """Run the program above where it can mount a small disk that nobody else sees."""
    unshare = shutil.which("unshare")
    assert unshare is not None, "util-linux is needed"
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    file, complaint = output / "answer", output / "complaint"
    child = os.posix_spawn(
        unshare,
        [unshare, "--mount", *user, sys.executable, "-c", ON_A_SMALL_DISK, *arguments],
        {**os.environ, "PYTHONPATH": str(Path(process.__file__).parents[2])},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, str(file), os.O_WRONLY | os.O_CREAT, 0o600),
            (os.POSIX_SPAWN_OPEN, 2, str(complaint), os.O_WRONLY | os.O_CREAT, 0o600),
        ],
    )
    _, status = os.waitpid(child, 0)
    said = complaint.read_text()
    if said.startswith("unshare:") and not os.environ.get("CI"):
        pytest.skip(f"needs a mount namespace ({said.strip()})")
    assert os.waitstatus_to_exitcode(status) == 0, said
    return file.read_text().strip()
