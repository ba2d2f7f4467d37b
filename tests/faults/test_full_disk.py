"""A full disk stops a run, loses nothing of it, and says which disk it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.cli.ground import ROOT

Story = dict[str, Any]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """What ``small_disk.py`` tells."""
    disk, elsewhere = tmp_path_factory.mktemp("disk"), tmp_path_factory.mktemp("elsewhere")
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    program = (sys.executable, "-W", "error", "-m", "tests.faults.small_disk")
    done = subprocess.run(
        ("unshare", "--mount", *user, *program, disk, elsewhere),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: Story = json.loads(done.stdout)
    return found


def test_a_run_on_a_disk_that_fills_up_stops_as_incomplete_and_names_the_place(
    story: Story,
) -> None:
    said = story["full"]
    assert said["code"] == 4
    assert f"portproof: {story['work']}/runs/" in said["err"]
    assert "000003-1-nmap-connect: no room left: No space left on device" in said["err"]
    assert "make room, then resume the run: what was finished is kept" in said["err"]
    assert f"--workspace {story['work']}`" in said["err"]


def test_what_was_finished_before_the_disk_was_full_is_kept(story: Story) -> None:
    assert [state for _, _, state in story["tasks when full"]] == ["settled"] * 2 + ["running"]
    assert [row[:2] for row in story["tasks"][:2]] == [[1, 1], [2, 1]]
    assert story["looked at when full"]["code"] == 0


def test_with_room_again_the_run_completes_with_the_verdicts_of_an_undisturbed_one(
    story: Story,
) -> None:
    assert story["resumed when full"]["code"] == 4
    assert story["resumed"]["code"] == 1
    assert story["verdicts"] == {story["endpoint"]: "confirmed"}
    assert {state for _, _, state in story["tasks"]} == {"settled"}


def test_a_run_that_cannot_even_be_begun_says_so(story: Story) -> None:
    for case in ("begun when full", "begun elsewhere when full"):
        assert story[case]["code"] == 4
        assert "the disk is full" in story[case]["err"]
        assert "Traceback" not in story[case]["err"]
