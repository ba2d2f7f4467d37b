"""What `portproof schedule` writes runs as it was written: by systemd, and as in a container.

systemd is process 1 of namespaces of its own there: it sees no process of this machine, has a
control group and units of its own, and the network of a lab.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from fixtures.lab import Lab, Parameters, lab
from tests.lab.naming import fresh_name
from tests.network.running import PORTPROOF, Workspace

SYSTEMD = Path("/usr/lib/systemd/systemd")
CGROUPS = Path("/sys/fs/cgroup")
NET_RAW = 1 << 13
TARGETS = ("sysinit", "basic", "shutdown", "network-online")
AS_PROCESS_1 = """\
set -e
echo $$ > "$GROUP/cgroup.procs"
exec "$@" unshare --mount --pid --fork --kill-child --uts --ipc --cgroup sh -ec '
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t cgroup2 none /sys/fs/cgroup
mount --bind "$UNITS" /lib/systemd/system
mount -t tmpfs tmpfs /etc/systemd/system
export container=lab
exec /usr/lib/systemd/systemd --system --unit=basic.target --show-status=no
'
"""
IN_A_CONTAINER = """\
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/tree
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/tree
mkdir /mnt/tree/workspace
mount --bind "$WORKSPACE" /mnt/tree/workspace
for each in dev proc sys run; do mount --rbind /$each /mnt/tree/$each; done
mount -o remount,ro /mnt/tree
exec chroot /mnt/tree setpriv --bounding-set=-all,+net_raw --no-new-privs \
  env --ignore-environment PATH="$COMMAND:/usr/sbin:/usr/bin:/sbin:/bin" "$@"
"""
INSIDE = """\
[Service]
StandardOutput=file:{folder}/said.txt
StandardError=file:{folder}/said.txt
ExecStartPost=sh -c "grep ^Cap /proc/self/status >{folder}/capabilities"
ExecStartPost=sh -c "! touch /srv/portproof-was-here"
"""

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def hosts() -> Iterator[Lab]:
    with lab(Parameters(name=fresh_name(), preset="tiny", seed=11)) as found:
        yield found


def prepare(hosts: Lab, folder: Path) -> Workspace:
    """The first host of the lab, and the time of a minute."""
    include = [f"{hosts.truth['hosts'][0]['address']}/32"]
    return Workspace.prepare(hosts, folder, quick=True, include=include)


def scheduled(workspace: Workspace, kind: str, *more: str) -> Path:
    """What `schedule` wrote: the first file."""
    out = ("--output", str(workspace.folder / "out"))
    done = workspace.command("schedule", "engagement.yml", "--as", kind, *out, *more)
    assert done.returncode == 0, done.stderr
    return sorted((workspace.folder / "out").iterdir())[0]


def require_scanned(workspace: Workspace) -> None:
    """Asked by masscan and by nmap's raw packets, and right about all of the host."""
    methods = {method for (method,) in workspace.query("SELECT DISTINCT method FROM tasks")}
    assert {"masscan-syn", "nmap-syn", "nmap-connect", "handshake"} <= methods
    assert workspace.query("SELECT state FROM runs") == [("complete",)]
    mine = {address for address, _ in workspace.verdicts()}
    assert len(mine) == 1
    assert [one for one in workspace.wrong() if one.endpoint[0] in mine] == []


@contextmanager
def systemd_of_its_own(hosts: Lab, folder: Path) -> Iterator[tuple[str, ...]]:
    """systemd as process 1 where the scanner is; yields how to run a command beside it."""
    (unified,) = {CGROUPS, CGROUPS / "unified"} & {
        Path(line.split()[1])
        for line in Path("/proc/self/mounts").read_text().splitlines()
        if line.split()[2] == "cgroup2"
    }
    group = unified / hosts.topology.scanner
    group.mkdir()
    started = subprocess.Popen(
        ("sh", "-c", AS_PROCESS_1, "sh", *hosts.argv(())),
        env={**os.environ, "GROUP": str(group), "UNITS": str(folder)},
    )
    try:
        beside = ("nsenter", "--all", "--target", str(_child_of(started.pid)))
        until = time.monotonic() + 30
        while subprocess.run(
            (*beside, "systemctl", "is-system-running", "--quiet"), check=False
        ).returncode:
            assert time.monotonic() < until, "systemd does not come up"
            time.sleep(0.2)
        yield beside
    finally:
        started.kill()
        started.wait(30)
        _clear(group)


def _clear(group: Path) -> None:
    """Remove an empty control group, as soon as the last process in it is gone."""
    until = time.monotonic() + 10
    while group.exists():
        try:
            for each in sorted(group.glob("**/"), reverse=True):
                each.rmdir()
        except OSError:
            assert time.monotonic() < until, "something of it is left"
            time.sleep(0.2)


def _child_of(process: int) -> int:
    until = time.monotonic() + 10
    while not (found := Path(f"/proc/{process}/task/{process}/children").read_text().split()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return int(found[0])


@pytest.mark.skipif(not SYSTEMD.exists(), reason="there is no systemd here")
def test_systemd_runs_the_unit_as_it_was_written_with_one_capability_and_one_folder(
    hosts: Lab, tmp_path: Path
) -> None:
    workspace = prepare(hosts, tmp_path / "w")
    units = tmp_path / "units"
    units.mkdir()
    service = scheduled(workspace, "systemd", "--user", "root", "--at", "mon 02:15")
    for written in service.parent.iterdir():
        shutil.copy(written, units)
    for name in TARGETS:
        (units / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    (units / f"{service.name}.d").mkdir()
    (units / f"{service.name}.d" / "here.conf").write_text(INSIDE.format(folder=workspace.folder))
    with systemd_of_its_own(hosts, units) as beside:
        timer = service.with_suffix(".timer").name
        subprocess.run((*beside, "systemctl", "start", timer), check=True)
        listed = subprocess.check_output((*beside, "systemctl", "list-timers"), text=True)
        assert "02:15:00 UTC" in listed
        done = subprocess.run(
            (*beside, "systemctl", "start", service.name), capture_output=True, text=True
        )
        said = workspace.folder / "said.txt"
        assert done.returncode == 0, (done.stderr, said.exists() and said.read_text())
    held = (workspace.folder / "capabilities").read_text().split()[1::2]
    assert {int(each, 16) for each in held} == {NET_RAW}
    require_scanned(workspace)


def test_the_command_of_the_container_runs_where_only_its_workspace_can_be_written_to(
    hosts: Lab, tmp_path: Path
) -> None:
    workspace = prepare(hosts, tmp_path)
    image = ("--image", "example/portproof:1", "--at", "mon 02:15")
    written = scheduled(workspace, "kubernetes", *image)
    cron_job = list(yaml.safe_load_all(written.read_text()))[1]
    container = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_RAW"]}
    argv = ("unshare", "--mount", "sh", "-c", IN_A_CONTAINER, "sh", *container["command"])
    done = subprocess.run(
        hosts.argv(argv),
        env={**os.environ, "WORKSPACE": str(tmp_path), "COMMAND": str(Path(PORTPROOF).parent)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stderr[-3000:]
    require_scanned(workspace)
