"""What a test of the command line stands on: an engagement, services to find, a way to run it.

Nothing here leaves the loopback interface. Each test gets an address of its own in 127.0.0.0/8, so
that tests which run side by side do not find each other's services.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pipeline

ROOT = Path(pipeline.__file__).parent.parent
COMMAND = (sys.executable, "-W", "error", "-c", "from pipeline.cli import main; main()")
"""portproof as a process, with warnings as errors."""

ENGAGEMENT = """\
client: Example Ltd
engagement: {name}
authorisation:
  reference: EX-2026-17
  signatory: Head of IT
  valid_from: {valid_from}
  valid_until: {valid_until}
scope:
  include: {include}
  exclude: {exclude}
ports: "{ports}"
profile: quick.yml
rescan: {{delays: [{delays}]}}
outputs: [html, json]
"""

QUICK = """\
name: quick
masscan_retries: 0
masscan_wait: 1s
nmap_max_retries: 0
handshake_connect_timeout: 500ms
handshake_listen: 100ms
handshake_speaks: true
control_ports: {control_ports}
version_probe: {version_probe}
version_intensity: 0
scripts: []
rescan_delays: [1s]
canary_waits: []
gentle_pace: 8
second_looks: 0
watch_looks: 0
sample: 0
limits: {{rate: 5000, rate_per_host: 2000, concurrency: 4}}
attempts: {attempts}
"""
"""Loopback answers at once, so nothing here waits long."""


def an_address() -> str:
    """An address of loopback that nobody else is likely to use at the same time."""
    return f"127.{64 + secrets.randbelow(64)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(250)}"


def engage(
    folder: Path,
    include: Sequence[str],
    ports: Sequence[int] | str,
    *,
    exclude: Sequence[str] = (),
    name: str = "weekly",
    valid_from: str = "2026-01-01",
    valid_until: str = "2099-12-31",
    delays: str = "",
    version_probe: bool = False,
    attempts: int = 1,
    control_ports: int = 0,
) -> Path:
    """Write an engagement that loopback answers within a second, and its profile."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quick.yml").write_text(
        QUICK.format(
            version_probe=str(version_probe).lower(),
            attempts=attempts,
            control_ports=control_ports,
        )
    )
    path = folder / "engagement.yml"
    path.write_text(
        ENGAGEMENT.format(
            name=name,
            valid_from=valid_from,
            valid_until=valid_until,
            include=json.dumps(list(include)),
            exclude=json.dumps(list(exclude)),
            ports=ports if isinstance(ports, str) else ",".join(map(str, ports)),
            delays=delays,
        )
    )
    return path


class Service:
    """Listens on an address of loopback and greets everybody who comes, until it is closed.

    ``visitors`` counts those who completed a handshake.
    """

    def __init__(self, address: str, port: int = 0, banner: bytes = b"hello\r\n") -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family, backlog=64)
        self._banner = banner
        self._connections: list[socket.socket] = []
        self.visitors = 0
        self._wake, self._woken = os.pipe()
        self.address = address
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """``127.64.1.1:4711``."""
        return f"{self.address}:{self.port}"

    def close(self) -> None:
        """Refuse everybody from now on."""
        os.write(self._woken, b".")
        self._thread.join()
        for kept in (self._listener, *self._connections):
            kept.close()
        os.close(self._wake)
        os.close(self._woken)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener.fileno(), self._wake], [], [])
            if self._wake in ready:
                return
            with contextlib.suppress(OSError):  # a SYN scan resets before we accept
                connection, _ = self._listener.accept()
                self.visitors += 1
                self._connections.append(connection)
                connection.sendall(self._banner)


def a_free_port(address: str) -> int:
    """A port on which nobody listens."""
    with socket.create_server((address, 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed to stdout, as JSON."""
        return json.loads(self.out)


def spawn(
    *arguments: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
    **more: Any,
) -> subprocess.Popen[str]:
    """Start portproof as a process of its own; whoever starts it waits for it."""
    return subprocess.Popen(
        (*prefix, *COMMAND, *map(str, arguments)),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        | more,
    )


def ended(process: subprocess.Popen[str], within: float = 30) -> Said:
    """Wait for a process."""
    out, err = process.communicate(timeout=within)
    return Said(code=process.returncode, out=out or "", err=err or "")


def run_process(*arguments: str | Path, **more: Any) -> Said:
    """Run portproof as a process of its own, to its end."""
    return ended(spawn(*arguments, **more))


def the_run(workspace: Path) -> Path:
    """The folder of the newest run."""
    ((name,),) = ask(workspace, "SELECT id FROM runs ORDER BY number DESC LIMIT 1")
    return workspace / "runs" / str(name)


def the_report(workspace: Path) -> Any:
    """``report.json`` of the newest run."""
    return json.loads((the_run(workspace) / "report.json").read_text())


def verdicts(report: Any) -> dict[str, str]:
    """Endpoint to verdict, of a report."""
    return {f"{e['address']}:{e['port']}": e["verdict"] for e in report["endpoints"]}


def changes(report: Any) -> dict[str, str]:
    """Endpoint to change, of a report that compares."""
    return {f"{c['address']}:{c['port']}": c["kind"] for c in report["changes"]["changes"]}


def ask(workspace: Path, query: str) -> list[tuple[Any, ...]]:
    """Put a question to the database of a workspace, without disturbing it."""
    path = workspace / "portproof.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


@contextlib.contextmanager
def within(seconds: float, what: str) -> Iterator[Iterator[None]]:
    """Poll in a ``for`` loop until it is left, at most so long."""

    def tick() -> Iterator[None]:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            yield
            time.sleep(0.02)
        raise AssertionError(f"{what} did not happen within {seconds:g} s")

    yield tick()


def wait_until(condition: Any, what: str, seconds: float = 15) -> None:
    """Return as soon as the condition holds."""
    with within(seconds, what) as ticks:
        for _ in ticks:
            if condition():
                return
