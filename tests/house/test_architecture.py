"""The house stands as it is described: imports point one way, and there are three doors."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pipeline.model import StageName
from stages import NETWORK_STAGES, STAGES, corroborate, discover, probe, rescan

ROOT = Path(__file__).parents[2]
CORE = ("addresses", "ports", "scope", "model", "errors", "plan", "decide")
EDGE = ("cli", "engine")
DOORS = (
    *(f"pipeline.process.{room}" for room in ("asking", "child", "signing", "units")),
    *("pipeline._shim", "pipeline.wire"),
    *("pipeline.notices.sending", "pipeline.deliveries.sending"),
    "pipeline.netbox.session",
)


@cache
def modules(*folders: str) -> dict[str, ast.Module]:
    """Every module below some folders of the repository, parsed, by its dotted name."""
    found = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(tree: ast.Module) -> Iterator[str]:
    """Dotted names that a module imports; ``from x import y`` counts as ``x`` and ``x.y``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports of ours are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(tree: ast.Module) -> set[str]:
    """Modules of ours that a module imports, without what is only a name inside of one."""
    known = modules("pipeline", "stages")
    return {name for name in imports(tree) if name in known and name != "pipeline"}


def within(name: str, *parts: str) -> bool:
    return any(name == f"pipeline.{part}" or name.startswith(f"pipeline.{part}.") for part in parts)


PIPELINE = modules("pipeline")


# --- imports point one way ---------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in PIPELINE if within(name, *CORE)])
def test_the_core_imports_nothing_of_ours_but_the_core(name: str) -> None:
    assert {found for found in ours(PIPELINE[name]) if not within(found, *CORE)} == set()


@pytest.mark.parametrize("name", [name for name in PIPELINE if not within(name, *EDGE)])
def test_what_the_edge_stands_on_does_not_import_the_edge_or_the_stages(name: str) -> None:
    found = ours(PIPELINE[name])
    assert {other for other in found if within(other, *EDGE)} == set()
    assert {other for other in found if other.split(".")[0] == "stages"} == set()


def test_the_engine_knows_neither_the_command_line_nor_the_stages() -> None:
    rooms = [tree for name, tree in PIPELINE.items() if within(name, "engine")]
    found = {name for tree in rooms for name in ours(tree)}
    assert len(rooms) > 1
    assert {name for name in found if within(name, "cli") or name.startswith("stages")} == set()


@pytest.mark.parametrize("name", sorted(modules("stages")))
def test_a_stage_imports_the_pipeline_and_neither_its_edge_nor_another_stage(name: str) -> None:
    found = ours(modules("stages")[name])
    assert {other for other in found if within(other, *EDGE)} == set()
    if name != "stages":
        assert {other for other in found if other.startswith("stages")} == set()


@pytest.mark.parametrize("name", [n for n in PIPELINE if within(n, "decide", "model", "plan")])
def test_a_decision_asks_neither_the_clock_nor_the_system(name: str) -> None:
    outside = {"time", "datetime", "random", "os", "pathlib", "asyncio", "sqlalchemy", "secrets"}
    found = set(imports(PIPELINE[name]))
    if "random.Random" in found:
        # A generator of one's own, begun with a seed that somebody hands in, is no surprise.
        found -= {"random", "random.Random"}
        calls = [node for node in ast.walk(PIPELINE[name]) if isinstance(node, ast.Call)]
        made = [call for call in calls if getattr(call.func, "id", "") == "Random"]
        assert made
        assert all(len(call.args) == 1 for call in made), "without a seed it asks the system"
    assert outside & {module.split(".")[0] for module in found} == set()


def test_importing_the_core_brings_in_nothing_but_the_standard_library() -> None:
    names = ", ".join(sorted(name for name in PIPELINE if within(name, *CORE)))
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {names}; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    foreign = {"sqlalchemy", "alembic", "pydantic", "jinja2", "yaml", "typer", "rich", "nmap"}
    assert foreign & loaded == set()


# --- stages ------------------------------------------------------------------------------------


def test_the_stages_are_one_tuple_in_their_order_and_one_file_each() -> None:
    assert [name for name, _ in STAGES] == list(StageName)
    files = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"}
    assert files == {name.value for name, _ in STAGES}
    for name, module in STAGES:
        assert module.__name__ == f"stages.{name}"


@pytest.mark.parametrize("name", [name for name, _ in STAGES])
def test_the_docstring_of_a_stage_begins_with_a_sentence(name: StageName) -> None:
    module = dict(STAGES)[name]
    first = (module.__doc__ or "").split("\n\n")[0]
    assert re.fullmatch(r"[A-Z][^\n]{20,}\.", first)


def test_the_network_stages_are_the_plans_of_four_stages_in_their_order() -> None:
    assert (discover.plan, corroborate.plan, rescan.plan, probe.plan) == NETWORK_STAGES


@pytest.mark.parametrize("name", [name for name, _ in STAGES])
def test_every_stage_is_tested(name: StageName) -> None:
    imported = re.compile(rf"from stages(\.{name} import|  *import .*\b{name}\b)")
    tests = (ROOT / "tests" / "stages").glob("test_*.py")
    assert any(imported.search(path.read_text(encoding="utf-8")) for path in tests)


# --- the doors ---------------------------------------------------------------------------------

FORBIDDEN = """\
import subprocess
from subprocess import run
import multiprocessing
import socket
from socket import create_connection
import urllib.request
from http.client import HTTPConnection
os.system("true")
os.popen("true")
os.fork()
os.execv("/bin/true", ["true"])
os.execve("/bin/true", ["true"], {})
os.execvp("true", ["true"])
os.execvpe("true", ["true"], {})
os.posix_spawn("/bin/true", ["true"], {})
os.posix_spawnp("true", ["true"], {})
os.spawnv(os.P_WAIT, "/bin/true", ["true"])
os.spawnlp(os.P_WAIT, "true", "true")
os.execlp("true", "true")
os.forkpty()
import ssl
from ssl import create_default_context
import socketserver
from smtplib import SMTP
import concurrent.futures
from libnmap.process import NmapProcess
from asyncio import subprocess as running
asyncio.create_subprocess_exec("true")
asyncio.create_subprocess_shell("true")
asyncio.open_connection("192.0.2.1", 22)
"""


def refused(code: str, name: str) -> set[str]:
    """The lines in which ruff, with the project's own configuration, sees a door forced."""
    command = [sys.executable, "-m", "ruff", "check", "--output-format=concise", "--no-cache"]
    done = subprocess.run(
        [*command, "--select=TID251", "--stdin-filename", name, "-"],
        input=f"import asyncio, os\n{code}",
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    numbers = {int(number) for number in re.findall(r":(\d+):\d+: TID251 ", done.stdout)}
    return {code.splitlines()[number - 2] for number in numbers}


@pytest.mark.parametrize("name", ["pipeline/decide/example.py", "stages/example.py"])
def test_the_linter_guards_the_doors(name: str) -> None:
    assert refused(FORBIDDEN, name) == set(FORBIDDEN.splitlines())
    assert refused("import json\nos.replace('a', 'b')\n", name) == set()


def test_the_linter_knows_every_way_out_that_the_test_below_knows() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    banned = set(table["flake8-tidy-imports"]["banned-api"])
    spawning = {f"os.{name}" for name in dir(os) if SPAWNING.fullmatch(name)}
    connecting = {f"asyncio.{name}" for name in dir(asyncio) if CONNECTING.fullmatch(name)}
    importable = {name for name in sys.stdlib_module_names if WAYS_OUT.fullmatch(name)}
    assert spawning | connecting | importable <= banned
    missed = {
        name
        for name in banned
        if not WAYS_OUT.fullmatch(name)
        and not (name.startswith("os.") and SPAWNING.fullmatch(name[3:]))
        and not (name.startswith("asyncio.") and CONNECTING.fullmatch(name[8:]))
    }
    assert missed == set()


@pytest.mark.parametrize("door", ["pipeline/process/child.py", "pipeline/wire/datagrams.py"])
def test_the_doors_themselves_may_do_what_they_are_for(door: str) -> None:
    assert refused("import subprocess\nimport socket\n", door) == set()


WAYS_OUT = re.compile(
    r"(subprocess|_posixsubprocess|multiprocessing|_multiprocessing|pty|socket|_socket|socketserver"
    r"|ssl|_ssl|http\.client|http\.server|urllib\.request|ftplib|smtplib|poplib|imaplib|nntplib"
    r"|telnetlib|xmlrpc\.(client|server)|concurrent\.futures|asyncio\.subprocess"
    r"|libnmap\.process|pynetbox)(\..*)?"
)
SPAWNING = re.compile(
    r"system|popen|fork|forkpty|posix_spawnp?|exec[lv]p?e?|spawn[lv]p?e?|startfile"
)
CONNECTING = re.compile(
    r"create_subprocess_(exec|shell)|subprocess_(exec|shell)|open_(unix_)?connection"
    r"|create_(unix_)?connection|create_datagram_endpoint|start_(unix_)?server|sock_connect"
)


@pytest.mark.parametrize("house", ["process", "engine"])
def test_the_rooms_of_a_door_and_of_the_engine_are_entered_through_their_front(house: str) -> None:
    for name, tree in modules("pipeline", "stages").items():
        if not within(name, house):
            rooms = {found for found in ours(tree) if found.startswith(f"pipeline.{house}.")}
            assert rooms == set(), name


def test_nobody_but_the_doors_knows_another_way_out() -> None:
    for name, tree in modules("pipeline", "stages").items():
        if name in DOORS or name.startswith("pipeline.wire."):
            continue
        ways = {found for found in imports(tree) if WAYS_OUT.fullmatch(found)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                of_os = isinstance(node.value, ast.Name) and node.value.id == "os"
                if (of_os and SPAWNING.fullmatch(node.attr)) or CONNECTING.fullmatch(node.attr):
                    ways.add(node.attr)
            elif isinstance(node, ast.Name) and node.id in ("eval", "exec", "__import__"):
                ways.add(node.id)
        assert ways == set(), name


def test_python_nmap_reads_and_never_runs() -> None:
    """Its ``scan`` splits a string into arguments; what it reads was written by our own door."""
    for name, tree in modules("pipeline", "stages").items():
        if "nmap" in {found.split(".")[0] for found in imports(tree)}:
            called = {
                node.func.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            }
            assert not called & {"scan", "listscan", "scan_progressive"}, name


def test_there_is_no_shell_anywhere() -> None:
    for folder in ("pipeline", "stages", "fixtures", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if "shell" not in text:
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.keyword) and node.arg == "shell":
                    assert isinstance(node.value, ast.Constant), path
                    assert node.value.value is False, path


# --- how it is written -------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["pipeline", "stages", "fixtures"])
def test_every_module_that_says_anything_says_what_it_is(folder: str) -> None:
    silent = [n for n, tree in modules(folder).items() if tree.body and not ast.get_docstring(tree)]
    assert silent == []


def test_everything_public_says_what_is_true_of_it() -> None:
    silent = []
    for name, tree in modules("pipeline", "stages").items():
        if ".migrations" in name:
            continue
        for node in _public(tree):
            silent += [f"{name}.{node.name}"] if not ast.get_docstring(node) else []
    assert silent == []


def _public(
    tree: ast.Module | ast.ClassDef,
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith("_"):
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            yield from _public(node)


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "helper", "manager", "misc", "common", "base"}
    names = {part for name in modules("pipeline", "stages") for part in name.split(".")}
    assert names & empty == set()


def test_values_are_frozen_and_have_no_place_for_anything_else() -> None:
    for name in CORE:
        for path, tree in PIPELINE.items():
            if not within(path, name):
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    for decorator in node.decorator_list:
                        if "dataclass" in ast.unparse(decorator):
                            said = ast.unparse(decorator)
                            assert "frozen=True" in said, f"{path}.{node.name}"
                            assert "slots=True" in said, f"{path}.{node.name}"


def test_every_match_on_an_enum_is_closed() -> None:
    """A match without a last case for everything else forgets what is added to the enum."""
    enums = {
        node.name
        for tree in PIPELINE.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base) in ("StrEnum", "IntEnum", "Enum") for base in node.bases)
    }
    for name, tree in modules("pipeline", "stages").items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Match):
                used = {ast.unparse(case.pattern).split(".")[0] for case in node.cases}
                assert not used & enums or "_" in used, f"{name}:{node.lineno}"


def test_no_file_holds_both_sides_of_a_merge() -> None:
    marks = re.compile(rb"^(<{7} |>{7} |={7}$)", re.MULTILINE)
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    files = [ROOT / os.fsdecode(name) for name in listed.split(b"\0") if name]
    assert len(files) > 500
    assert [path for path in files if path.is_file() and marks.search(path.read_bytes())] == []
