"""Without root and without raw sockets: connect scans and handshakes, said clearly."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Portproof
from tests.cli.ground import ROOT, Said, Service, ask, engage, the_report, verdicts
from tests.faults.fakes import write_fake

NOBODY = 65534
LISTENS = (
    "from tests.cli.ground import Service\n"
    "service = Service('127.0.0.1', 8080, b'SSH-2.0-OpenSSH_9.2\\r\\n')\n"
    "from pipeline.cli import main\n"
    "main()"
)


class Nobody:
    """A user without privileges, with loopback and a copy of portproof of its own.

    The interpreter and the libraries may lie where others cannot look: a mount namespace shows them
    in a place where they can.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.checkout = home / "checkout"
        for name in ("pipeline", "stages", "templates", "configs", "tests/cli"):
            shutil.copytree(ROOT / name, self.checkout / name)
        for place in (self.checkout, *self.checkout.rglob("*")):
            place.chmod(0o755 if place.is_dir() else 0o644)
        self.own(home / "work")

    def own(self, folder: Path) -> Path:
        """Give a folder, made if need be, to that user."""
        folder.mkdir(exist_ok=True)
        for place in (folder, *folder.rglob("*")):
            os.chown(place, NOBODY, NOBODY)
        return folder

    def portproof(self, *arguments: str | Path, program: str = "") -> Said:
        """Run portproof, or a program that does, as that user."""
        python, packages = self.home / "python", self.home / "packages"
        for place in (python, packages):
            place.mkdir(exist_ok=True)
        name = f"python{sys.version_info.major}.{sys.version_info.minor}"
        command = (
            f"mount --bind {sys.base_prefix} {python} && "
            f"mount --bind {site.getsitepackages()[0]} {packages} && ip link set lo up && "
            f"exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --no-new-privs "
            f'{python}/bin/{name} -c "$0" "$@"'
        )
        done = subprocess.run(
            ("unshare", "--mount", "--net", "sh", "-c", command, program or LISTENS, *arguments),
            cwd=self.home / "work",
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{self.checkout}:{packages}",
                "PYTHONDONTWRITEBYTECODE": "1",
                "LD_LIBRARY_PATH": str(python / "lib"),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)


@pytest.fixture
def nobody() -> Iterator[Nobody]:
    home = Path(tempfile.mkdtemp(prefix="portproof-", dir="/tmp"))  # pytest's own are private
    home.chmod(0o755)
    yield Nobody(home)
    shutil.rmtree(home)


def test_the_quickstart_confirms_a_listener_without_root(nobody: Nobody) -> None:
    work = nobody.home / "work"
    quickstart = nobody.checkout / "configs" / "quickstart.yml"
    said = nobody.portproof("run", quickstart, "--workspace", work)
    assert said.code == 1, said.err
    assert "without the privilege to send raw packets there is no masscan and no SYN" in said.err
    report = the_report(work)
    assert verdicts(report) == {"127.0.0.1:8080": "confirmed"}
    assert {task["method"] for task in report["tasks"]} == {
        *("nmap-connect", "handshake", "nmap-version")
    }
    assert report["endpoints"][0]["service"].startswith("ssh")
    assert work.stat().st_uid == (work / "portproof.db").stat().st_uid == NOBODY


def test_a_run_that_root_began_is_not_spoiled_by_who_may_not_go_on_with_it(
    nobody: Nobody, portproof: Portproof, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = nobody.home / "work"
    path = engage(work, [service.address], [service.port])
    bin_ = write_fake(nobody.home / "bin", "nmap", "os.kill(portproof(), signal.SIGINT)\nreal()")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
        assert portproof("run", path).code == 4
    nobody.own(work)
    said = nobody.portproof("resume", program="from pipeline.cli import main; main()")
    assert said.code == 2
    assert "begun with the privilege to send raw packets, which is missing now" in said.err
    assert ask(work, "SELECT count(*) FROM tasks WHERE state = 'failed'") == [(0,)]
    assert portproof("resume", "--workspace", work).code == 1
