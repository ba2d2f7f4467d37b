"""How a command ends, and what is said about it."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from pipeline import process
from pipeline.addresses import AddressSet
from pipeline.errors import Error, NotAdmitted, ToolError
from pipeline.process import Command, Finished
from pipeline.scope import Scope, Targets

from .players import MakeCommand, MakeTool, survivors, wait_for

HANGS = "note('pid', os.getpid())\nsay('ready')\nwhile True: time.sleep(60)"
DEAF = """
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
"""


def run(command: Command, folder: Path, scope: Scope) -> Finished:
    return asyncio.run(process.run(command, folder=folder, scope=lambda: scope))


async def run_and_stop(command: Command, folder: Path, scope: Scope) -> Finished:
    """Set ``stop`` as soon as the tool says that it is ready."""
    stop = asyncio.Event()
    return await process.run(
        command, folder=folder, scope=lambda: scope, on_progress=lambda _: stop.set(), stop=stop
    )


# --- endings -----------------------------------------------------------------------------------


def test_the_exit_code_is_passed_on_exactly(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    for code in (0, 1, 130, 255):
        finished = run(make_command(f"sys.exit({code})"), folder, scope)
        assert (finished.exit_code, finished.signal) == (code, None)
        assert not finished.timed_out
        assert not finished.stopped


def test_a_signal_is_not_an_exit_code(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    crash = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
    finished = run(make_command(crash + "os.kill(os.getpid(), signal.SIGSEGV)"), folder, scope)
    assert (finished.exit_code, finished.signal) == (None, signal.SIGSEGV)
    assert not finished.timed_out
    assert not finished.stopped


def test_the_times_are_those_of_the_tool(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    before = time.time()
    finished = run(make_command("time.sleep(0.3)"), folder, scope)
    assert before <= finished.started <= finished.ended - 0.3
    assert finished.ended <= time.time()


def test_a_scanner_that_exits_with_0_after_sigint_was_stopped_all_the_same(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    masscan = """
def pause(*_):
    note("paused.conf", "resume-index = 7")
    sys.exit(0)
signal.signal(signal.SIGINT, pause)
say("ready")
while True: time.sleep(60)
"""
    finished = asyncio.run(run_and_stop(make_command(masscan), folder, scope))
    assert finished.exit_code == 0
    assert finished.stopped
    assert not finished.timed_out
    assert (folder / "paused.conf").exists()


def test_a_tool_that_does_not_end_is_ended_at_its_deadline(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    finished = run(make_command(HANGS, deadline=0.5), folder, scope)
    assert finished.timed_out
    assert not finished.stopped
    assert (finished.exit_code, finished.signal) == (1, None) or finished.signal == signal.SIGINT
    assert 0.5 <= finished.ended - finished.started < 2
    assert survivors([int((folder / "pid").read_text())], within=0) == []


def test_a_tool_or_a_shim_that_does_not_listen_is_gone_within_eight_seconds(
    make_command: MakeCommand, tmp_path: Path, scope: Scope
) -> None:
    deaf = make_command(DEAF + HANGS)
    stuck = make_command("os.kill(os.getppid(), signal.SIGSTOP)\n" + DEAF + HANGS, name="masscan")

    async def both() -> tuple[Finished, Finished]:
        return await asyncio.gather(
            run_and_stop(deaf, tmp_path / "deaf", scope),
            run_and_stop(stuck, tmp_path / "stuck", scope),
        )

    started = time.monotonic()
    results = asyncio.run(both())
    assert time.monotonic() - started < 8.5  # the start of the tools included
    assert all(f.stopped and f.signal == signal.SIGKILL for f in results)
    pids = [int((tmp_path / name / "pid").read_text()) for name in ("deaf", "stuck")]
    assert survivors(pids, within=0) == []


def test_an_order_to_stop_holds_while_portproof_is_busy(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    order = folder.with_name("portproof.stop")
    left: list[int] = []

    def busy(_text: str) -> None:
        order.touch()
        time.sleep(1.6)  # nothing else happens in this process meanwhile
        left.extend(survivors([int((folder / "pid").read_text())], within=0))

    finished = asyncio.run(
        process.run(
            make_command(DEAF + HANGS),
            folder=folder,
            scope=lambda: scope,
            on_progress=busy,
            order=order,
        )
    )
    assert left == []
    assert finished.signal == signal.SIGKILL


def test_a_stop_that_was_set_before_starts_nothing(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    async def stopped_already() -> Finished:
        stop = asyncio.Event()
        stop.set()
        command = make_command("note('ran', 1)")
        return await process.run(command, folder=folder, scope=lambda: scope, stop=stop)

    finished = asyncio.run(stopped_already())
    assert finished.stopped
    assert (finished.exit_code, finished.signal) == (None, None)
    assert not folder.exists()


def test_a_cancelled_run_ends_its_tool_before_it_returns(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(
            asyncio.wait_for(
                process.run(make_command(HANGS), folder=folder, scope=lambda: scope), 0.5
            )
        )
    assert survivors([int((folder / "pid").read_text())], within=0) == []


def test_being_cancelled_twice_does_not_leave_the_tool_alone(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    slow = "signal.signal(signal.SIGINT, lambda *_: (time.sleep(0.5), sys.exit(0)))\n" + HANGS

    async def impatient() -> None:
        running = asyncio.create_task(
            process.run(make_command(slow), folder=folder, scope=lambda: scope)
        )
        await asyncio.to_thread(wait_for, folder / "pid")
        for _ in range(3):
            running.cancel()
            await asyncio.sleep(0.1)
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(impatient())
    assert survivors([int((folder / "pid").read_text())], within=0) == []


# --- nobody is left behind ---------------------------------------------------------------------

FAMILY = """
note("child", os.getpid())
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        note("grandchild", os.getpid())
    else:
        note("sibling", os.getpid())
    while True: time.sleep(60)
while not (os.path.exists("sibling") and os.path.exists("grandchild")): time.sleep(0.01)
note("shim", os.getppid())
say("ready")
"""
MEMBERS = ("child", "sibling", "grandchild")


def family(folder: Path) -> list[int]:
    return [int((folder / name).read_text()) for name in MEMBERS]


def test_what_a_tool_leaves_behind_ends_with_it(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    finished = run(make_command(FAMILY + "sys.exit(3)"), folder, scope)
    assert finished.exit_code == 3
    assert survivors(family(folder), within=0) == []


def test_when_the_shim_is_killed_the_tool_is_killed_and_it_is_told(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    orphaned = FAMILY + "os.kill(os.getppid(), signal.SIGKILL)\nwhile True: time.sleep(60)"
    finished = run(make_command(orphaned), folder, scope)
    assert (finished.exit_code, finished.signal) == (None, signal.SIGKILL)
    in_session = [int((folder / name).read_text()) for name in ("child", "sibling")]
    alive = survivors(in_session, within=0)
    # Out of the session and without the shim nobody can tell whose it was; end what we started.
    os.kill(int((folder / "grandchild").read_text()), signal.SIGKILL)
    assert alive == []


RUNS_A_TOOL = """
import asyncio, sys
from pathlib import Path
from pipeline import process
from pipeline.addresses import AddressSet
from pipeline.scope import Scope

scope = Scope(included=AddressSet.parse(["10.80.0.0/16"]))
command = process.Command(
    program=sys.argv[1], options=(), targets=scope.targets(), deadline=60.0
)
folder, lock = Path(sys.argv[2]), int(sys.argv[3])
asyncio.run(process.run(command, folder=folder, scope=lambda: scope, keep_open=(lock,)))
"""


def test_kill_9_of_the_parent_leaves_nobody_behind_and_holds_the_lock_until_then(
    make_tool: MakeTool, folder: Path, tmp_path: Path
) -> None:
    tool = make_tool(DEAF + FAMILY + "while True: time.sleep(60)")
    held = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    rival = os.open(tmp_path / "lock", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    root = str(Path(process.__file__).parents[2])
    os.set_inheritable(held, True)
    parent = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", RUNS_A_TOOL, tool, str(folder), str(held)],
        {**os.environ, "PYTHONPATH": root},
    )
    os.close(held)
    shim = int(wait_for(folder / "shim"))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    killed = time.monotonic()
    with pytest.raises(BlockingIOError):
        fcntl.flock(rival, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert survivors([*family(folder), shim], within=4.0) == []
    assert time.monotonic() - killed > 1.5, "a deaf tool gets its two seconds"
    fcntl.flock(rival, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(rival)


def test_a_service_manager_that_signals_everybody_does_not_orphan_the_tool(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    signals_the_shim = "\n".join(
        f"os.kill(os.getppid(), signal.{name})" for name in ("SIGTERM", "SIGINT", "SIGHUP")
    )
    body = f"{signals_the_shim}\ntime.sleep(0.2)\nsys.exit(7)"
    assert run(make_command(body), folder, scope).exit_code == 7


# --- what the tool is given --------------------------------------------------------------------


def test_the_scope_is_asked_again_right_before_the_start(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    smaller = scope.without([AddressSet.parse(["10.80.3.2"])])
    with pytest.raises(NotAdmitted, match=r"10\.80\.3\.2 is excluded"):
        run(make_command("note('ran', 1)"), folder, smaller)
    assert not (folder / "ran").exists()


def test_targets_and_exclusions_reach_the_tool_as_files_for_this_user_only(
    make_command: MakeCommand, folder: Path, scope: Scope
) -> None:
    targets = scope.admit_all(AddressSet.parse(["10.80.0.254-10.80.1.1", "10.80.7.7"]))
    excluded = AddressSet.parse(["10.80.9.0/24"])
    before = os.umask(0)
    try:
        for form in ("networks", "ranges"):
            command = make_command(
                "open('out.xml', 'w')", targets=targets, excluded=excluded, target_format=form
            )
            run(command, folder, scope)
            lines = (folder / "targets.txt").read_text().splitlines()
            if form == "networks":
                assert lines == ["10.80.0.254/31", "10.80.1.0/31", "10.80.7.7/32"]
                assert (folder / "exclude.txt").read_text() == "10.80.9.0/24\n"
            else:
                assert lines == ["10.80.0.254-10.80.1.1", "10.80.7.7"]
                assert (folder / "exclude.txt").read_text() == "10.80.9.0-10.80.9.255\n"
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert set(modes.values()) == {0o600}
    assert set(modes) == {"targets.txt", "exclude.txt", "stdout.log", "stderr.log", "out.xml"}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_link_in_the_folder_is_not_written_through(
    make_command: MakeCommand, folder: Path, scope: Scope, tmp_path: Path
) -> None:
    folder.mkdir()
    (folder / "stderr.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Error, match="cannot write"):
        run(make_command("say('x')"), folder, scope)
    assert not (tmp_path / "elsewhere").exists()


def test_the_tool_sees_a_minimal_environment_and_its_own_folder(
    make_command: MakeCommand, folder: Path, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NMAPDIR", "/tmp/evil")
    monkeypatch.setenv("LD_PRELOAD_TEST", "x")
    body = """
import json
pairs = open("/proc/self/environ").read().split("\\0")[:-1]
print(json.dumps([os.getcwd(), dict(pair.split("=", 1) for pair in pairs)]))
"""
    expected = {"LANG": "C", "TZ": "UTC", "HOME": str(folder)}
    for privileged in (False, True):
        run(make_command(body, privileged=privileged), folder, scope)
        where, env = json.loads((folder / "stdout.log").read_text())
        assert where == str(folder)
        assert env.pop("PATH").startswith("/usr/local/sbin:")
        assert env == {**expected, **({"NMAP_PRIVILEGED": "1"} if privileged else {})}


def test_the_tool_inherits_nothing_but_its_standard_streams(
    make_command: MakeCommand, folder: Path, scope: Scope, tmp_path: Path
) -> None:
    body = """
import json
links = {}
for name in os.listdir("/proc/self/fd"):
    try: links[name] = os.readlink("/proc/self/fd/" + name)
    except OSError: pass
print(json.dumps(links))
"""
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    command = make_command(body)
    asyncio.run(process.run(command, folder=folder, scope=lambda: scope, keep_open=(lock,)))
    os.close(lock)
    links = json.loads((folder / "stdout.log").read_text())
    strangers = {k: v for k, v in links.items() if int(k) > 2 and v != command.program}
    assert strangers == {}
    assert links["0"] == "/dev/null"


def test_the_tool_starts_with_no_signal_blocked_or_ignored(
    targets: Targets, folder: Path, scope: Scope, tmp_path: Path
) -> None:
    tool = tmp_path / "nmap"  # cat changes no signal of its own, which Python does
    tool.write_text("#!/bin/cat /proc/self/status\n")
    tool.chmod(0o755)
    command = Command(program=str(tool), options=(), targets=targets, deadline=10.0)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run(command, folder, scope)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        signal.signal(signal.SIGHUP, before)
    status = dict(
        line.split(":\t", 1)
        for line in (folder / "stdout.log").read_text().splitlines()
        if ":\t" in line
    )
    assert int(status["SigBlk"], 16) == 0
    of_the_c_library = 1 << 31 | 1 << 32  # signals 32 and 33, which glibc keeps to itself
    assert int(status["SigIgn"], 16) & ~of_the_c_library == 0
    assert status["Umask"] == "0077"


# --- what cannot be started --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mode", "number"),
    [
        (None, 0, errno.ENOENT),
        ("#!/nowhere/python\n", 0o755, errno.ENOENT),
        ("#!/bin/cat\n", 0o644, errno.EACCES),
        ("no program at all", 0o755, errno.ENOEXEC),
    ],
)
def test_a_program_that_cannot_be_executed_is_a_tool_error_with_a_hint(
    targets: Targets,
    folder: Path,
    scope: Scope,
    tmp_path: Path,
    text: str | None,
    mode: int,
    number: int,
) -> None:
    tool = tmp_path / "nmap"
    if text is not None:
        tool.write_text(text)
        tool.chmod(mode)
    command = Command(program=str(tool), options=(), targets=targets, deadline=10.0)
    with pytest.raises(ToolError) as caught:
        run(command, folder, scope)
    assert os.strerror(number) in caught.value.what
    assert caught.value.hint


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(
    make_command: MakeCommand, scope: Scope, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Error) as caught:
        run(make_command("pass"), tmp_path / "file" / "task", scope)
    assert caught.value.where == str(tmp_path / "file" / "task")
