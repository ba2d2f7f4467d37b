"""Files that are read are the old ones or the new ones, and never half of one."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import Error
from pipeline.files import sha256_of, write_whole


@pytest.mark.parametrize("content", ["", "one line\n", "\u00fcber\r\n", b"\x00\xff" * 1000])
def test_a_file_holds_exactly_what_was_written(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "deep" / "er" / "report.json"
    for _ in range(2):
        write_whole(path, content)
    data = content if isinstance(content, bytes) else content.encode()
    assert path.read_bytes() == data
    assert sha256_of(path) == hashlib.sha256(data).hexdigest()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.parent.parent.stat().st_mode & 0o777 == 0o700
    assert [found.name for found in path.parent.iterdir()] == ["report.json"]


def test_who_reads_the_old_file_goes_on_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_whole(path, "old")
    with path.open() as reader:
        write_whole(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"


def test_a_link_is_replaced_and_what_it_leads_to_is_not(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("do not touch")
    (tmp_path / "report.json").symlink_to(precious)
    write_whole(tmp_path / "report.json", "new")
    assert precious.read_text() == "do not touch"
    assert (tmp_path / "report.json").read_text() == "new"


@pytest.mark.parametrize("in_the_way", ["file", "folder"])
def test_what_is_in_the_way_is_an_error_and_nothing_half_is_left(
    tmp_path: Path, in_the_way: str
) -> None:
    path = tmp_path / "runs" / "report.json"
    if in_the_way == "file":
        path.parent.write_text("")
    else:
        path.mkdir(parents=True)
    with pytest.raises(Error, match="cannot write") as caught:
        write_whole(path, "new")
    assert str(tmp_path / "runs") in caught.value.where
    assert caught.value.hint
    assert len(list(tmp_path.rglob("*"))) == (1 if in_the_way == "file" else 2)


ON_A_SMALL_DISK = """
import subprocess, sys
from pathlib import Path
from pipeline.errors import DiskFull
from pipeline.files import write_whole

disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
write_whole(disk / "report.json", "old")
try:
    write_whole(disk / "report.json", "x" * 200_000)
except DiskFull as problem:
    print("full", problem.where == str(disk / "report.json"))
print((disk / "report.json").read_text(), *(path.name for path in disk.iterdir()))
"""


def test_on_a_full_disk_the_old_file_stays_and_nothing_half_is_left(tmp_path: Path) -> None:
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        ["unshare", "--mount", *user, sys.executable, "-c", ON_A_SMALL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("full True\nold report.json\n", "")
