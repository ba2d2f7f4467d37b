"""Whatever happened to a lab, `down` leaves nothing of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.lab import Parameters, down, find, up
from fixtures.lab.processes import LabError, is_running
from fixtures.lab.state import names, read

pytestmark = pytest.mark.lab
REPOSITORY = Path(__file__).resolve().parents[2]
NAMESPACES = Path("/run/netns")


def namespaces_of(name: str) -> list[str]:
    return sorted(p.name for p in NAMESPACES.glob(f"{name}-*"))


def processes_of(folder: Path) -> list[int]:
    """Processes that were started for the lab in this folder: it is their only argument."""
    mine = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(folder).encode() in words:
            mine.append(int(entry.name))
    return mine


def assert_nothing_is_left(folder: Path) -> None:
    assert namespaces_of(folder.name) == []
    assert processes_of(folder) == []
    assert not folder.exists()


def test_down_removes_everything_and_a_second_time_there_is_nothing_to_do(
    tmp_path: Path, new_name: Callable[[], str]
) -> None:
    lab = up(Parameters(name=new_name(), preset="tiny"), tmp_path)
    record = read(lab.folder)
    assert record is not None
    assert [process.role for process in record.processes] == ["target", "router"]
    assert all(is_running(process) for process in record.processes)
    assert len(namespaces_of(lab.parameters.name)) == 3
    assert down(lab.parameters.name, tmp_path)
    assert_nothing_is_left(lab.folder)
    assert not down(lab.parameters.name, tmp_path)
    with pytest.raises(LabError):
        find(lab.parameters.name, tmp_path)


@pytest.mark.parametrize("content", [b'{"format": 1, "param', None])
def test_down_needs_no_readable_record(
    content: bytes | None, tmp_path: Path, new_name: Callable[[], str]
) -> None:
    lab = up(Parameters(name=new_name(), preset="tiny"), tmp_path)
    record = lab.folder / "lab.json"
    if content is None:
        record.unlink()
    else:
        record.write_bytes(content)
    assert down(lab.parameters.name, tmp_path)
    assert_nothing_is_left(lab.folder)


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.1, 0.2, 0.3, 0.45])
def test_a_crash_in_the_middle_of_up_leaves_nothing_after_down(
    moment: float, tmp_path: Path, new_name: Callable[[], str]
) -> None:
    name = new_name()
    folder = tmp_path / name
    argv = (sys.executable, "-m", "fixtures.lab", "up", "--preset", "tiny", "--no-trickle")
    building = subprocess.Popen(
        (*argv, "--name", name, "--state-dir", str(tmp_path)),
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
    )
    while not folder.exists():
        time.sleep(0.005)
    time.sleep(moment)
    building.send_signal(signal.SIGKILL)
    building.wait()
    down(name, tmp_path)
    assert_nothing_is_left(folder)


def test_up_takes_the_remains_of_its_name_down_first(
    tmp_path: Path, new_name: Callable[[], str]
) -> None:
    parameters = Parameters(name=new_name(), preset="tiny", trickle=False)
    first = up(parameters, tmp_path)
    before = read(first.folder)
    (first.folder / "truth.json").unlink()
    second = up(parameters, tmp_path)
    after = read(second.folder)
    assert before is not None
    assert after is not None
    assert not any(is_running(process) for process in before.processes)
    assert all(is_running(process) for process in after.processes)
    assert names(tmp_path) == (parameters.name,)
    second.down()
    assert_nothing_is_left(second.folder)


def test_a_namespace_that_is_on_nobodys_record_is_left_alone(
    tmp_path: Path, new_name: Callable[[], str]
) -> None:
    name = new_name()
    foreign = f"{name}-router"
    subprocess.run(("ip", "netns", "add", foreign), check=True)
    try:
        with pytest.raises(LabError, match="no record"):
            up(Parameters(name=name, preset="tiny"), tmp_path)
        assert namespaces_of(name) == [foreign]
    finally:
        subprocess.run(("ip", "netns", "delete", foreign), check=True)


def test_a_lab_that_cannot_be_built_is_taken_down_again(
    tmp_path: Path, new_name: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    for tool in ("ip", "sysctl"):
        (empty / tool).symlink_to(next(p for p in _paths(tool) if p.exists()))
    monkeypatch.setenv("PATH", str(empty))
    name = new_name()
    with pytest.raises(LabError, match=r"nft|openssl|ethtool"):
        up(Parameters(name=name, preset="tiny"), tmp_path)
    monkeypatch.undo()
    assert_nothing_is_left(tmp_path / name)


def _paths(tool: str) -> list[Path]:
    return [Path(folder) / tool for folder in ("/usr/sbin", "/sbin", "/usr/bin", "/bin")]


def test_a_recycled_process_id_is_never_ended(tmp_path: Path, new_name: Callable[[], str]) -> None:
    lab = up(Parameters(name=new_name(), preset="tiny", trickle=False), tmp_path)
    bystander = subprocess.Popen(("sleep", "60"))
    try:
        record = lab.folder / "lab.json"
        real = read(lab.folder)
        assert real is not None
        process = real.processes[0]
        record.write_text(
            record.read_text().replace(f'"pid": {process.pid}', f'"pid": {bystander.pid}')
        )
        assert down(lab.parameters.name, tmp_path)
        assert bystander.poll() is None
        assert_nothing_is_left(lab.folder)
    finally:
        bystander.terminate()
        bystander.wait()
