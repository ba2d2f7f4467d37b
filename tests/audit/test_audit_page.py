"""The page about the record lists what can be in it, and the commands what they take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from pipeline.audit import checking, trail
from pipeline.cli.app import app
from tests.docs.pages import DOCS, ROOT, rows, section

PAGE = DOCS / "audit.md"
GROUP: Any = typer.main.get_command(app)
WRITERS = ("pipeline", "stages")


ADDED = re.compile(r"""trail\.add\(\s*"([a-z-]+)\"""")
AGAIN = re.compile(r"""recording\([^()]*again="([a-z-]+)\"""")


def kinds() -> set[str]:
    """Every kind of line that the code adds."""
    found = {checking.PURGED, trail.TASK_STARTED, trail.TASK_ENDED, "resumed"}
    for path in (path for folder in WRITERS for path in Path(ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found |= {*ADDED.findall(text), *AGAIN.findall(text)}
    return found


def test_the_page_tells_every_kind_of_line() -> None:
    tables = section(PAGE, "What is in it").split("| kind |")
    told = {name for row in rows("| kind |" + tables[1]) for name in re.findall("`(.+?)`", row[0])}
    assert told == kinds()


@pytest.mark.parametrize("name", GROUP.commands["audit"].commands)
def test_every_option_of_audit_is_documented(name: str) -> None:
    told = section(DOCS / "commands.md", "portproof audit")
    assert f"`audit {name}`" in told
    for param in GROUP.commands["audit"].commands[name].params:
        for option in param.opts:
            shown = option if option.startswith("-") else param.metavar
            assert f"`{shown}" in told, shown
