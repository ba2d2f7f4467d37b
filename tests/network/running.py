"""Run portproof inside a lab, and read what it left behind."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixtures.engagements import write_engagement
from fixtures.lab import Lab
from fixtures.score import Judged, judge

_portproof = Path(__file__).resolve().parents[2] / ".venv" / "bin" / "portproof"
PORTPROOF = shutil.which("portproof") or str(_portproof)

QUICK_PROFILE = """\
name: quick
masscan_retries: 1
masscan_wait: 2s
nmap_max_retries: 1
handshake_connect_timeout: 2s
handshake_listen: 1s
handshake_speaks: true
control_ports: 2
version_probe: false
version_intensity: 0
scripts: []
canary_waits: []
second_looks: 0
watch_looks: 0
sample: 0
slow_start: 1
recover: 1s
rescan_delays: [2s]
limits: {rate: 4000, rate_per_host: 200, concurrency: 8}
"""
"""Discovery and corroboration in seconds: for tests that are not about versions."""

THOROUGH: Mapping[str, str] = {
    "canary_waits: []": "canary_waits: [1s]",
    "second_looks: 0": "second_looks: 2",
    "watch_looks: 0": "watch_looks: 2",
    "sample: 0": "sample: 40",
}
"""Lines of that profile for tests that want every kind of question asked."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder with an engagement for one lab."""

    lab: Lab
    folder: Path

    @classmethod
    def prepare(
        cls,
        lab: Lab,
        folder: Path,
        *,
        quick: bool = False,
        thorough: bool = False,
        **settings: Any,
    ) -> Workspace:
        """Write the engagement; settings as ``fixtures.engagements.engagement`` takes them."""
        folder.mkdir(parents=True, exist_ok=True)
        if quick:
            profile = QUICK_PROFILE
            for line, instead in THOROUGH.items() if thorough else ():
                profile = profile.replace(line, instead)
            (folder / "quick.yml").write_text(profile)
            settings = {"profile": "quick.yml", "delays": ("2s",), **settings}
        write_engagement(lab.truth, folder, **settings)
        return cls(lab, folder)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command in the scanner's namespace."""
        return subprocess.Popen(
            self.lab.argv([PORTPROOF, *arguments]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
        )

    def command(self, *arguments: str, timeout: float = 400) -> subprocess.CompletedProcess[str]:
        """Run the command in the scanner's namespace to its end."""
        return self.lab.exec([PORTPROOF, *arguments], timeout=timeout, cwd=self.folder)

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run the engagement; anything but exit code 1 (something is open) fails the test."""
        done = self.command("run", "engagement.yml")
        assert done.returncode == 1, done.stderr[-4000:]
        return done

    def shown(self, run: str = "last") -> dict[str, Any]:
        """What ``portproof show --format json`` says."""
        done = self.command("show", run, "--format", "json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert isinstance(document, dict)
        return document

    def wrong(self) -> list[Judged]:
        """Every endpoint of the lab about which the last run was not right."""
        return [one for one in judge(self.lab.truth, self.shown()) if not one.right]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the run's database, which the command may be writing."""
        path = self.folder / "portproof.db"
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
            try:
                return database.execute(sql).fetchall()
            except sqlite3.OperationalError as error:
                # Being made at this very moment.
                if "no such table" in str(error):
                    return []
                raise

    def verdicts(self) -> Mapping[tuple[str, int], tuple[str, str]]:
        """(address, port) → (verdict, reason) of the last run."""
        return {
            (e["address"], e["port"]): (e["verdict"], e["reason"])
            for e in self.shown()["endpoints"]
        }


def processes_in(lab: Lab) -> set[int]:
    """Processes in the lab's scanner namespace."""
    done = subprocess.run(
        ("ip", "netns", "pids", lab.topology.scanner), capture_output=True, text=True, check=True
    )
    return {int(line) for line in done.stdout.split()}


def wait_until_alone(lab: Lab, before: set[int], seconds: float = 6.0) -> set[int]:
    """Processes that are still in the scanner's namespace after a while, and were not before."""
    deadline = time.monotonic() + seconds
    while (left := processes_in(lab) - before) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left
