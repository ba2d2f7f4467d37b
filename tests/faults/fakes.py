"""Scanners that do what a test wants: small programs called nmap and masscan, first on the PATH.

They answer the question for their version as the real ones do. Their bodies may call ``real()`` to
become the real nmap, ``sweeps()``, ``method()``, ``targets()`` and ``ports()`` to know what they
are asked, ``output()`` for the file that they are to write, and ``hit()`` to report an open port.
The working directory is that of the task.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REAL_NMAP = shutil.which("nmap", path=f"{os.environ['PATH']}:/usr/bin") or "/usr/bin/nmap"
VERSIONS = {
    "nmap": "Nmap version 7.93 ( https://nmap.org )",
    "masscan": "Masscan version 1.3.2 ( https://github.com/robertdavidgraham/masscan )",
}

PRELUDE = """\
import os, signal, sys, time
from pathlib import Path
if sys.argv[1:] in (["--version"], ["-V"]):
    print(VERSION)
    sys.exit(int(NAME == "masscan"))
def real():
    os.execv(REAL, [REAL, *sys.argv[1:]])
def method():
    return Path.cwd().name.split("-", 2)[2]
def sweeps():
    return len(list(Path.cwd().parent.iterdir())) == 1
def output():
    return Path("hits.ndjson" if NAME == "masscan" else "nmap.xml")
def targets():
    return Path("targets.txt").read_text().split()
def portproof():
    # Our parent is the guard of its tool, and portproof is the parent of that.
    return int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1])
def ports():
    return next(a.partition("=")[2] for a in sys.argv if a.startswith("--ports="))
def hit(address, port, end="\\n"):
    # What masscan writes for an open port.
    with output().open("a") as file:
        file.write('{"ip":"%s","timestamp":"%d","port":%s,"proto":"tcp","rec_type":"status",'
                   '"data":{"status":"open","reason":"syn-ack","ttl":64}}%s'
                   % (address, time.time(), port, end))
def say(text):
    os.write(2, text.encode() + b"\\n")
def arrive_and_wait(gate):
    # Say who we are, then wait to be let through.
    (gate / f"{Path.cwd().name}.part").write_text(f"{os.getpid()} {os.getppid()}")
    os.rename(gate / f"{Path.cwd().name}.part", gate / Path.cwd().name)
    while not (gate / "open").exists():
        time.sleep(0.01)
"""

Fake = Callable[..., Path]


def write_fake(folder: Path, name: str, body: str, *, version: str | None = None) -> Path:
    """Write the program ``name`` with this body into a folder; returns the folder."""
    folder.mkdir(exist_ok=True)
    head = f"NAME, VERSION, REAL = {name!r}, {version or VERSIONS[name]!r}, {REAL_NMAP!r}\n"
    path = folder / name
    path.write_text(f"#!{sys.executable} -IS\n{head}{PRELUDE}{body}\n")
    path.chmod(0o755)
    return folder


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Put a program in front of a real scanner, for this process and those that it starts."""
    folder = tmp_path / "bin"
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def make(name: str, body: str, *, version: str | None = None) -> Path:
        return write_fake(folder, name, body, version=version)

    return make
