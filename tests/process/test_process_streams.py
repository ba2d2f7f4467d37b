"""What a tool prints: logged, bounded, harmless, and never in its way."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path

import pytest

from pipeline import process
from pipeline.process import Command, Finished
from pipeline.scope import Scope

from .players import MakeCommand, survivors

FLOOD = """
data = b"x" * 65536
for _ in range(160):
    os.write({stream}, data)
say("the last word")
"""


def run(command: Command, folder: Path, scope: Scope) -> tuple[Finished, list[str]]:
    heard: list[str] = []
    finished = asyncio.run(
        process.run(command, folder=folder, scope=lambda: scope, on_progress=heard.append)
    )
    return finished, heard


def test_ten_megabytes_without_a_newline_neither_block_the_tool_nor_fill_the_memory(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    command = make_command(FLOOD.format(stream=2))
    tracemalloc.start()
    finished, heard = run(command, folder, scope)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert finished.exit_code == 0
    assert finished.ended - finished.started < 5
    assert peak < 3_000_000
    assert (folder / "stderr.log").stat().st_size == 1 << 20
    assert finished.stderr_tail.endswith("the last word")
    assert len(finished.stderr_tail) <= 4096
    assert [len(text) <= 4096 for text in heard] == [True]


def test_stdout_is_kept_whole_whether_it_tells_progress_or_not(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    for source in ("stderr", "stdout"):
        run(make_command(FLOOD.format(stream=1), progress_from=source), folder, scope)
        assert (folder / "stdout.log").stat().st_size == 160 * 65536


def test_progress_is_cut_at_carriage_returns_and_newlines(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    masscan = r"""
os.write(2, b"Starting masscan 1.3.2\n")
for part in (b"\rrate: 1.00-kpps, 50", b".00% done\r", b"\r\n", b"rate: 0.00-kpps, 100.00% done"):
    os.write(2, part)
    time.sleep(0.02)
"""
    _, heard = run(make_command(masscan), folder, scope)
    assert heard == [
        "Starting masscan 1.3.2",
        "rate: 1.00-kpps, 50.00% done",
        "rate: 0.00-kpps, 100.00% done",
    ]


def test_progress_comes_from_the_stream_that_was_named(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    body = "os.write(1, b'Stats: 0:00:01 elapsed\\n'); say('a warning')"
    finished, heard = run(make_command(body, progress_from="stdout"), folder, scope)
    assert heard == ["Stats: 0:00:01 elapsed"]
    assert finished.stderr_tail == "a warning"
    assert (folder / "stdout.log").read_text() == "Stats: 0:00:01 elapsed\n"
    assert (folder / "stderr.log").read_text() == "a warning\n"


def test_progress_arrives_while_the_tool_runs(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    seen: list[bool] = []
    command = make_command("say('half')\ntime.sleep(0.3)\nnote('done', 1)")
    asyncio.run(
        process.run(
            command,
            folder=folder,
            scope=lambda: scope,
            on_progress=lambda _: seen.append((folder / "done").exists()),
        )
    )
    assert seen == [False]


def test_what_a_terminal_would_obey_is_made_harmless(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    hostile = r"os.write(2, b'\x1b]0;owned\x07\x1b[2J\xff\xc2\x9b31m\xe2\x80\xae\nnext\n')"
    finished, heard = run(make_command(hostile), folder, scope)
    first = "\\x1b]0;owned\\x07\\x1b[2J\ufffd\\x9b31m\\x202e"
    assert finished.stderr_tail == f"{first}\nnext"
    assert heard == [first, "next"]


def test_a_progress_callback_that_fails_ends_the_tool_and_is_heard(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    def fail(_: str) -> None:
        raise LookupError("a bug in the progress bar")

    command = make_command("note('pid', os.getpid())\nsay('x')\nwhile True: time.sleep(60)")
    with pytest.raises(LookupError, match="progress bar"):
        asyncio.run(process.run(command, folder=folder, scope=lambda: scope, on_progress=fail))
    assert survivors([int((folder / "pid").read_text())], within=0) == []
