"""Running portproof in this process, and a run that many tests look at."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.cli import edge
from tests.cli.ground import Said, Service, a_free_port, an_address, engage

Portproof = Callable[..., Said]


@pytest.fixture
def portproof(capsys: pytest.CaptureFixture[str]) -> Portproof:
    """Run a command line in this process."""

    def run(*arguments: str | Path) -> Said:
        capsys.readouterr()
        code = edge.run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Said(code=int(code), out=out, err=err)

    return run


@pytest.fixture
def service() -> Iterator[Service]:
    """A service that greets, on an address of this test's own."""
    with Service(an_address()) as found:
        yield found


@pytest.fixture
def other_run(tmp_path: Path) -> Iterator[Path]:
    """A workspace that another process is using."""
    folder = tmp_path / "used"
    holder = subprocess.Popen((sys.executable, "-c", HOLDER, str(folder)), stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    yield folder
    holder.kill()
    holder.communicate()


HOLDER = """
import sys, time
from pathlib import Path
from pipeline.workspace import Workspace
with Workspace(Path(sys.argv[1])).lock(now=time.time()):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="session")
def _one_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one finished run, which found one service and one refusal."""
    folder = tmp_path_factory.mktemp("finished")
    with Service(an_address()) as found:
        path = engage(folder, [found.address], [found.port, a_free_port(found.address)])
        assert edge.run(["run", str(path), "--quiet"]) == 1
    return folder


@pytest.fixture
def finished(_one_run: Path, tmp_path: Path) -> Path:
    """A copy of that workspace, for a test to spoil."""
    folder = tmp_path / "finished"
    shutil.copytree(_one_run, folder)
    return folder
