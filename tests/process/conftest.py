"""What every test of the process door needs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.addresses import AddressSet
from pipeline.process import Command
from pipeline.scope import Scope, Targets

from .players import PRELUDE, MakeCommand, MakeTool, children, descriptors


@pytest.fixture
def scope() -> Scope:
    return Scope(included=AddressSet.parse(["10.80.0.0/16"]))


@pytest.fixture
def targets(scope: Scope) -> Targets:
    return scope.admit_all(AddressSet.parse(["10.80.3.0/30"]))


@pytest.fixture
def make_tool(tmp_path: Path) -> MakeTool:
    """Write a Python program that plays a tool, and give its path."""

    def make(body: str, name: str = "nmap") -> str:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!{sys.executable} -IS\n{PRELUDE}{body}\n")
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def make_command(make_tool: MakeTool, targets: Targets) -> MakeCommand:
    """A command whose tool has this body."""

    def make(body: str, *, name: str = "nmap", deadline: float = 20.0, **more: object) -> Command:
        values = {"options": (), "targets": targets, **more}
        return Command(program=make_tool(body, name), deadline=deadline, **values)  # type: ignore[arg-type]  # the tests name what differs

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "task"


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> Iterator[None]:
    """No test may leak a descriptor or a child, zombies included."""
    before = descriptors(), children()
    yield
    assert (descriptors(), children()) == before
