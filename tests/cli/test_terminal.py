"""Progress on a terminal, lines elsewhere, and nothing hostile on either."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Portproof
from tests.cli.ground import COMMAND, ROOT, Service, engage, the_report, verdicts
from tests.faults.fakes import write_fake

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\r\n<script>alert(1)</script>".encode()
"""Sets the title, clears the screen, colours, turns the text around, ends the line, is a script."""

_OWN = re.compile(
    r"\x1b\[\??[0-9;]*[A-Za-z]"  # colours, cursor movements and modes: those of the picture
)


def on_a_terminal(*arguments: str | Path, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run portproof on a terminal of 120 columns; its exit code and what the terminal got."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        (*COMMAND, *map(str, arguments)),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm-256color",
            "COLUMNS": "120",
            **(env or {}),
        },
        start_new_session=True,
    )
    os.close(terminal)
    got = b""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if select.select([master], [], [], 0.1)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:  # nobody has the terminal open any more
                break
            got += data
    os.close(master)
    return process.wait(timeout=5), got.decode()


def test_a_terminal_shows_live_progress_and_then_the_result(
    tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    code, got = on_a_terminal("run", path)
    assert code == 1
    assert "\x1b[" in got
    assert "0/1 batches" in got
    assert "packets/s leased" in got
    assert "endpoints 0 found" in got
    assert "nmap-syn port" in got
    assert f"{service.endpoint}/tcp" in got
    assert got.rstrip().endswith("manifest.json")


def test_a_hostile_banner_never_reaches_a_terminal_as_it_is(
    portproof: Portproof, tmp_path: Path
) -> None:
    with Service("127.0.0.1", banner=HOSTILE) as service:
        path = engage(tmp_path, ["127.0.0.1"], [service.port])
        code, got = on_a_terminal("run", path)
        shown = [got, portproof("verify", service.endpoint, "-e", path).out]
    assert code == 1
    assert verdicts(the_report(tmp_path)) == {service.endpoint: "confirmed"}
    here = ("--workspace", tmp_path)
    shown.append(on_a_terminal("show", *here)[1])
    for text in shown:
        assert not set(_OWN.sub("", text)) & {"\x1b", "\x07", "\x9b", "\u202e"}
        assert "\x1b[2J" not in text
    assert "\\x1b]0;owned\\x07" in shown[2]
    for said in (portproof("show", *here), portproof("show", *here, "--format", "json")):
        assert set(said.out) & {"\x1b", "\x07", "\x9b", "\u202e", "\r"} == set()
    banner = the_report(tmp_path)["endpoints"][0]["service_details"]["banner"]
    assert banner.startswith("\x1b]0;owned\x07\x1b[2J"), "machines get it whole"


def test_where_there_is_no_terminal_there_is_no_escape_code(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    for said in (portproof("run", path), portproof("show", "--workspace", tmp_path)):
        assert "\x1b" not in said.out + said.err
    said = portproof("run", path)
    lines = said.err.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d [a-z ]+: |written: /", line) for line in lines), lines
    assert [line.split()[1] for line in lines[:2]] == ["started:", "task:"]


def test_quiet_prints_no_progress_but_the_result(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    said = portproof("run", path, "--quiet")
    assert (said.code, said.err) == (1, "")
    assert service.endpoint in said.out


def test_troubles_are_told_and_stay_to_be_read(
    tmp_path: Path, service: Service, portproof: Portproof, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    bin_ = write_fake(tmp_path / "bin", "nmap", "if method() == 'nmap-syn': real()\nsys.exit(7)")
    monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
    _, got = on_a_terminal("run", path)
    quiet = portproof("run", path, "--quiet").err
    # On a line of its own: in the live picture it would be gone when the run ends.
    assert re.search(r"failed: task 3 failed: nmap exited with 7: no message\r?\n", got)
    assert re.search(r"failed: task \d failed: nmap exited with 7: no message\n", quiet)
    assert "not covered" in got
    assert "not covered" in quiet
    assert "task:" not in quiet
