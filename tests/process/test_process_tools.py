"""Finding the tools and asking them about themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ToolError
from pipeline.process import capture, find_program, refuse_foreign_config

from .players import MakeTool


def test_a_tool_is_found_on_the_path_as_an_absolute_path(
    make_tool: MakeTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = Path(make_tool("pass"))
    monkeypatch.setenv("PATH", str(tool.parent))
    assert find_program("nmap") == tool
    monkeypatch.chdir(tool.parent.parent)
    monkeypatch.setenv("PATH", "bin")
    assert find_program("nmap") == tool


def test_system_folders_are_searched_even_without_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH")
    assert find_program("cat").is_absolute()


def test_a_missing_tool_is_an_error_that_says_what_to_install() -> None:
    with pytest.raises(ToolError, match="no-such-scanner is not installed") as caught:
        find_program("no-such-scanner")
    assert "apt-get install no-such-scanner" in caught.value.hint


def test_a_version_is_what_the_tool_prints_whatever_its_exit_code(make_tool: MakeTool) -> None:
    tool = make_tool("print('Masscan version 1.3.2', sys.argv[1:])\nsys.exit(1)")
    assert capture(tool, ("--version",), timeout=5.0) == "Masscan version 1.3.2 ['--version']\n"


@pytest.mark.parametrize("option", ["10.80.3.1", "example.org", "-iR", "-sS", "--", ""])
def test_a_question_about_the_tool_cannot_become_a_scan(make_tool: MakeTool, option: str) -> None:
    with pytest.raises(ValueError, match="not a question"):
        capture(make_tool("pass"), ("--version", option), timeout=5.0)


def test_a_tool_without_an_answer_is_an_error_that_quotes_it(make_tool: MakeTool) -> None:
    with pytest.raises(ToolError, match="no answer") as caught:
        capture(make_tool("say('libpcap.so: \\x1b[1mnot found')"), ("--version",), timeout=5.0)
    assert caught.value.hint == "libpcap.so: \\x1b[1mnot found"
    with pytest.raises(ToolError, match=r"within 0\.2 seconds"):
        capture(make_tool("time.sleep(60)"), ("--version",), timeout=0.2)
    with pytest.raises(ToolError, match="could not be started"):
        capture("/nowhere/nmap", ("--version",), timeout=5.0)


def test_a_system_wide_masscan_configuration_that_sets_anything_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "masscan.conf"
    refuse_foreign_config(config)
    config.write_text("# rate = 100000\n\n   \n  # range = 0.0.0.0/0\n")
    refuse_foreign_config(config)
    config.write_text("# mine\nrange = 192.0.2.0/24\n")
    with pytest.raises(ToolError, match=r"range = 192\.0\.2\.0/24") as caught:
        refuse_foreign_config(config)
    assert caught.value.where == f"{config}:2"
