"""Stand between portproof and one tool, so that the tool never outlives portproof.

Run as ``python -I -S _shim.py LIFE STATUS ORDER PROGRAM ARGUMENT…`` by ``process/``, as the
leader of a new session. ``LIFE`` is the read end of a pipe whose write end only the parent has: a
byte in it is the number of a signal to pass on to the tool's process group, and its end means that
the parent is gone, ``kill -9`` included; then the tool is stopped. (``PR_SET_PDEATHSIG`` is no
substitute: it fires when the forking *thread* ends, and the kernel clears it when a binary with
file capabilities is executed, see prctl(2).) As soon as there is a file ``ORDER`` (empty: none is
looked for) the tool is stopped as well, however busy the parent is. One line goes to ``STATUS``:
``exit CODE``, ``signal NUMBER`` or ``error ERRNO`` (the program could not be executed).

Descriptors that the shim inherits stay open until the last process of the tool is gone; the tool
itself inherits nothing but its standard streams. The shim imports little, because it starts with
every command.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

_PATIENCE = 2.0
"""Seconds between SIGTERM and SIGKILL once the parent is gone."""

_LOOK_EVERY = 0.25
"""Seconds between two looks for the order to stop."""
_HALTING = 0.8
"""Seconds between SIGINT and SIGKILL once there is one."""

_PR_SET_CHILD_SUBREAPER = 36
_UNSTOPPABLE = {signal.SIGKILL, signal.SIGSTOP}


def main(arguments: list[str]) -> None:
    """Run the tool to its end, report how it ended, leave nobody behind."""
    life, status, order, command = int(arguments[0]), int(arguments[1]), arguments[2], arguments[3:]
    # Whoever wants the tool to stop says so through the pipe. A service manager that signals
    # every process at once must not take the one away that looks after the others.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    _adopt_orphans()
    _keep_descriptors()
    try:
        # Python itself put LC_CTYPE there (PEP 538); the parent never does.
        tool = os.posix_spawn(
            command[0],
            command,
            {name: value for name, value in os.environ.items() if name != "LC_CTYPE"},
            setpgroup=0,
            setsigmask=(),
            setsigdef=signal.valid_signals() - _UNSTOPPABLE,
        )
    except OSError as problem:
        _report(status, f"error {problem.errno}")
        return
    _attend(tool, life, order)
    _, raw = os.waitpid(tool, 0)
    _end_relatives()
    if os.WIFSIGNALED(raw):
        _report(status, f"signal {os.WTERMSIG(raw)}")
    else:
        _report(status, f"exit {os.WEXITSTATUS(raw)}")


def session_members(session: int, parent: int = 0) -> list[int]:
    """Processes that are alive in ``session`` or are children of ``parent``, from /proc.

    Neither the leader of the session nor ``parent`` is among them, and no zombies are.
    """
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (session, parent):
            state, its_parent, its_session = _stat(name)
            if state not in "ZX" and (its_session == session or its_parent == parent != 0):
                found.append(int(name))
    return found


def kill_members(session: int, parent: int = 0) -> bool:
    """Send SIGKILL to all of ``session_members``; true when there was anybody."""
    members = session_members(session, parent)
    for member in members:
        try:
            handle = os.pidfd_open(member)
        except OSError:
            continue
        try:
            # A number may have been given to another process since; the handle sticks to one.
            _, its_parent, its_session = _stat(str(member))
            if its_session == session or its_parent == parent != 0:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        except OSError:
            pass
        finally:
            os.close(handle)
    return bool(members)


def _stat(name: str) -> tuple[str, int, int]:
    """State, parent and session of a process (proc(5)); a dead one is a zombie of nobody."""
    try:
        with open(f"/proc/{name}/stat", "rb") as file:
            # The name in parentheses may hold anything, spaces and parentheses included.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return "Z", -1, -1
    return fields[0].decode(), int(fields[1]), int(fields[3])


def _adopt_orphans() -> None:
    """Become the parent of whatever the tool leaves behind, even in a session of its own."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass  # What stays in the session is found without it.


def _keep_descriptors() -> None:
    """Let the tool inherit the standard streams only."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:  # noqa: SIM105 -- importing contextlib costs milliseconds
                os.set_inheritable(int(name), False)
            except OSError:
                pass  # The listing's own descriptor is closed by now.


def _attend(tool: int, life: int, order: str) -> None:
    """Pass signals on until the tool ends; stop it when the parent is gone, or on an order."""
    handle = os.pidfd_open(tool)
    events = select.poll()
    events.register(handle, select.POLLIN)
    events.register(life, select.POLLIN)
    patience: float | None = None
    while True:
        looking = order and patience is None
        timeout = _LOOK_EVERY * 1000 if looking else patience
        ready = {descriptor for descriptor, _ in events.poll(timeout)}
        if handle in ready:
            os.close(handle)
            return
        if life in ready:
            orders = os.read(life, 64)
            for number in orders or (signal.SIGTERM,):
                _signal_group(tool, number)
            if not orders:
                events.unregister(life)
                patience = _PATIENCE * 1000
        elif not ready and looking:
            if os.path.lexists(order):
                _signal_group(tool, signal.SIGINT)
                patience = _HALTING * 1000
        elif not ready:
            _signal_group(tool, signal.SIGKILL)
            order, patience = "", None


def _signal_group(tool: int, number: int) -> None:
    try:  # noqa: SIM105 -- importing contextlib costs milliseconds
        os.killpg(tool, number)
    except OSError:
        pass  # Somebody else's by now (set-user-ID); its end is awaited all the same.


def _end_relatives() -> None:
    """Kill what the tool left behind, and return when all of it is gone."""
    me = os.getpid()
    pause = 0.002
    while kill_members(me, me):
        time.sleep(pause)
        pause = min(2 * pause, 0.5)
        _reap()
    _reap()


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _report(status: int, text: str) -> None:
    try:  # noqa: SIM105 -- importing contextlib costs milliseconds
        os.write(status, f"{text}\n".encode())
    except OSError:
        pass  # The parent is gone: nobody wants to know.


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)
