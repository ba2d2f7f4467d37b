"""Every command, option and exit code is documented, and what is documented can be called."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from pipeline.cli.app import app
from pipeline.cli.edge import run
from pipeline.errors import ExitCode
from tests.docs.pages import (
    DOCS,
    PAGES,
    ROOT,
    blocks,
    command_lines,
    headings,
    name_of,
    rows,
    section,
    text_of,
)

PAGE = DOCS / "commands.md"
GROUP: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = GROUP.commands
README_LINES = tuple(command_lines(ROOT / "README.md"))


def _params(command: Any) -> list[Any]:
    """Of a group of commands those of all that it has."""
    inner = getattr(command, "commands", {}).values()
    return [*command.params, *(param for each in inner for param in _params(each))]


def _options(command: Any) -> list[str]:
    found = [o for p in _params(command) for o in (*p.opts, *p.secondary_opts) if o.startswith("-")]
    return [option for option in found if option not in ("--help", "-h")]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_the_section_of_its_command(name: str) -> None:
    told = section(PAGE, f"portproof {name}")
    for option in _options(COMMANDS[name]):
        assert f"`{option}" in told, option


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_is_in_the_section_of_its_command(name: str) -> None:
    told = section(PAGE, f"portproof {name}")
    for param in _params(COMMANDS[name]):
        if param.param_type_name == "argument":
            assert f"`{param.metavar.strip('[]')}`" in told, param.metavar


def test_the_options_of_the_program_itself_are_documented() -> None:
    for option in ("--version", "--help", "--verbose"):
        assert f"`{option}`" in text_of(PAGE), option


def test_every_documented_command_exists() -> None:
    documented = [heading for heading in headings(PAGE).values() if heading.startswith("portproof")]
    assert documented == [f"portproof {name}" for name in COMMANDS]
    assert [row[0] for row in rows(text_of(PAGE))] == [
        f"[`{name}`](#portproof-{name})" for name in COMMANDS
    ]


def test_options_that_several_commands_share_are_explained_once() -> None:
    shared = {o for o in ("--workspace", "--format", "--quiet") if f"| `{o}" in text_of(PAGE)}
    assert shared == {"--workspace", "--format", "--quiet"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_line_of_a_page_is_understood(page: Path) -> None:
    for line in command_lines(page):
        context = GROUP.make_context("portproof", list(line))
        name, command, rest = GROUP.resolve_command(context, list(line))
        inner = command.make_context(name, list(rest))
        if hasattr(command, "commands"):
            name, command, rest = command.resolve_command(inner, list(rest))
            command.make_context(name, rest)


@pytest.mark.parametrize(
    ("page", "heading"),
    [
        (ROOT / "README.md", "Exit codes"),
        (PAGE, "Exit codes"),
        (DOCS / "guide.md", "Exit codes in scripts"),
    ],
)
def test_every_exit_code_is_documented(page: Path, heading: str) -> None:
    codes = [int(row[0]) for row in rows(section(page, heading))]
    assert codes == [code.value for code in ExitCode]


def test_the_names_of_the_exit_codes_are_those_of_the_code() -> None:
    names = {int(row[0]): row[1].strip("`") for row in rows(section(PAGE, "Exit codes"))}
    assert names == {code.value: code.name for code in ExitCode}


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has of a fresh clone what the README's commands read."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    (tmp_path / "first").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _of_readme(command: str) -> Sequence[tuple[str, ...]]:
    return [line for line in README_LINES if line[0] == command]


def test_the_readme_shows_the_way_from_init_to_resume() -> None:
    shown = [line[0] for line in README_LINES]
    for command in ("init", "check", "run", "show", "runs", "resume", "doctor"):
        assert command in shown


def test_the_commands_of_the_readme_that_send_nothing_do_what_it_says(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (init,) = _of_readme("init")
    assert run(init) == ExitCode.NOTHING_TO_DO
    assert (clone / "first" / "engagement.yml").exists()
    (check,) = _of_readme("check")
    assert run(check) == ExitCode.NOTHING_TO_DO
    assert "the engagement is sound" in capsys.readouterr().out
    for line in _of_readme("run"):
        assert run([*line, "--dry-run"]) == ExitCode.NOTHING_TO_DO
    for line in (*_of_readme("show"), *_of_readme("runs"), *_of_readme("resume")):
        # Nothing has run yet, and each of them says so.
        assert run([*line, "--workspace", str(clone)]) == ExitCode.FAILED
    assert "so no run either" in capsys.readouterr().err


def test_the_quick_start_is_an_engagement_over_loopback_only(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", "configs/quickstart.yml", "--workspace", str(clone)]) == 0
    assert "1 in 127.0.0.1/32" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == ExitCode.NOTHING_TO_DO
    assert "Usage: portproof" in capsys.readouterr().out


def test_the_readme_begins_with_what_a_newcomer_needs() -> None:
    first = [block.text.strip() for block in blocks(ROOT / "README.md") if block.language == "sh"]
    assert first[:2] == ["make demo", "make test"]
