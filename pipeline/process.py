"""The only place where a process is started, watched and stopped.

What can be started is narrow on purpose. A :class:`Command` names one of two programs, options
out of the fixed table :data:`OPTIONS`, and :class:`~pipeline.scope.Targets`, which only a scope
can make. Each option is rendered as *one* element (``--rate=100``, ``-p80``, ``-oX=out.xml``), so
that no element of the command line stands where a tool would read a target; targets reach a tool
through ``targets.txt`` and in no other way, and right before the start the scope is asked again.

The tool runs behind a small shim (``_shim.py``) which stops it when this process dies, however it
dies. The shim leads a session, the tool a process group in it: signals go to that group, and in
the end to everything in the session.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Final, Literal

from pipeline import _shim
from pipeline.addresses import AddressSet
from pipeline.errors import DiskFull, Error, ToolError
from pipeline.scope import Scope, Targets

TARGETS_FILE: Final = "targets.txt"
EXCLUDE_FILE: Final = "exclude.txt"
STDOUT_FILE: Final = "stdout.log"
STDERR_FILE: Final = "stderr.log"

MASSCAN_CONFIG: Final = Path("/etc/masscan/masscan.conf")

_SEARCH_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_LOG_LIMIT: Final = 1 << 20
_TAIL_LIMIT: Final = 4096
_LINE_LIMIT: Final = 4096
_READ_SIZE: Final = 1 << 16
_PIPE_SIZE: Final = 1 << 20
_SPARE_ROOM: Final = 1 << 16
_SIGNING: Final = 20.0

_STOPPING: Final = ((signal.SIGINT, 3.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 1.0))
"""Signals and the seconds to wait after each; with the rest below 8 seconds in all."""

_HALTING: Final = ((signal.SIGINT, 0.8), (signal.SIGKILL, 0.5))
"""The same for a tool whose answer nobody waits for any more: silent within two seconds."""

# --- what may be asked of a tool ---------------------------------------------------------------

_NOTHING: Final = None
_COUNT: Final = r"\d{1,10}"
_RATE: Final = r"\d{1,9}(\.\d{1,9})?"
_TIME: Final = r"\d{1,9}(\.\d{1,9})?(ms|s|m|h)?"
_PORTS: Final = r"([TU]:)?\d{1,5}(-\d{1,5})?(,([TU]:)?\d{1,5}(-\d{1,5})?)*"
_FILE: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_FILE_OR_STDOUT: Final = rf"-|{_FILE}"
_TARGETS: Final = re.escape(TARGETS_FILE)
_EXCLUDE: Final = re.escape(EXCLUDE_FILE)
_ADDRESS: Final = r"[0-9A-Fa-f.:]+"
_INTERFACE: Final = r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,14}"
_MAC: Final = r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}"
# A name alone: nmap takes categories, paths, wildcards and expressions here, too, and some of these
# talk to others than the target. Which names are safe is decided when a run is planned.
_SCRIPT: Final = (
    "(?!(all|auth|broadcast|brute|default|discovery|dos|exploit|external|fuzzer|intrusive|malware"
    "|safe|version|vuln)(,|$))(?!broadcast-|targets-)[a-z0-9][a-z0-9.-]{0,63}"
)

OPTIONS: Final[Mapping[str, Mapping[str, str | None]]] = {
    "nmap": {
        **dict.fromkeys(
            ("-n", "-6", "-Pn", "-sS", "-sT", "-sU", "-sV", "-v", "-d", "-r"), _NOTHING
        ),
        **dict.fromkeys(("-T0", "-T1", "-T2", "-T3", "-T4", "-T5"), _NOTHING),
        **dict.fromkeys(("--open", "--reason", "--no-stylesheet", "--noninteractive"), _NOTHING),
        **dict.fromkeys(("--privileged", "--unprivileged", "--send-ip", "--send-eth"), _NOTHING),
        **dict.fromkeys(("--disable-arp-ping", "--randomize-hosts"), _NOTHING),
        **dict.fromkeys(("--defeat-rst-ratelimit", "--defeat-icmp-ratelimit"), _NOTHING),
        **dict.fromkeys(("--version-light", "--version-all"), _NOTHING),
        **dict.fromkeys(("-p", "--exclude-ports"), _PORTS),
        **dict.fromkeys(("--min-rate", "--max-rate"), _RATE),
        **dict.fromkeys(("--max-retries", "--version-intensity", "--ttl"), _COUNT),
        **dict.fromkeys(("--min-parallelism", "--max-parallelism"), _COUNT),
        **dict.fromkeys(("--min-hostgroup", "--max-hostgroup"), _COUNT),
        **dict.fromkeys(("--host-timeout", "--script-timeout", "--stats-every"), _TIME),
        **dict.fromkeys(("--initial-rtt-timeout", "--min-rtt-timeout", "--max-rtt-timeout"), _TIME),
        **dict.fromkeys(("--scan-delay", "--max-scan-delay"), _TIME),
        **dict.fromkeys(("-g", "--source-port"), _COUNT),
        **dict.fromkeys(("-oX", "-oN", "-oG"), _FILE_OR_STDOUT),
        "-iL": _TARGETS,
        "--excludefile": _EXCLUDE,
        "--script": f"{_SCRIPT}(,{_SCRIPT})*",
        "-e": _INTERFACE,
        "-S": _ADDRESS,
    },
    "masscan": {
        **dict.fromkeys(("--open-only", "--offline", "-v"), _NOTHING),
        **dict.fromkeys(("-p", "--ports"), _PORTS),
        **dict.fromkeys(("--rate", "--max-rate"), _RATE),
        **dict.fromkeys(("--wait", "--retries", "--seed", "--ttl"), _COUNT),
        **dict.fromkeys(("--interface", "--adapter"), _INTERFACE),
        **dict.fromkeys(("--source-ip", "--adapter-ip"), _ADDRESS),
        **dict.fromkeys(("--source-port", "--adapter-port"), rf"{_COUNT}(-{_COUNT})?"),
        **dict.fromkeys(("--source-mac", "--adapter-mac", "--router-mac"), _MAC),
        "--includefile": _TARGETS,
        "--excludefile": _EXCLUDE,
        "--output-format": "xml|json|ndjson|list",
        "--output-filename": _FILE_OR_STDOUT,
        "--shard": r"\d{1,6}/\d{1,6}",
        "--show": "open|closed|all",
    },
}
"""Program, flag, and the regular expression of its value (``None``: it takes no value).

No flag in it can name a target, another configuration or a file outside the working directory.
"""

_QUESTIONS: Final = frozenset({"--version", "-V", "--iflist"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One start of one tool: what it is to do, to whom, and for how long at most.

    ``program`` is an absolute path whose last part is in :data:`OPTIONS`; ``options`` are (flag,
    value) pairs from there. ``targets`` are written to ``targets.txt`` and ``excluded`` to
    ``exclude.txt`` in the working directory, one per line, as CIDR networks or as ``first-last``
    ranges (nmap does not know ranges that cross an octet). ``deadline`` is in seconds from the
    start. ``progress_from`` is the stream that tells progress: masscan uses stderr, nmap stdout.
    ``privileged`` tells an nmap with file capabilities that it has them (``NMAP_PRIVILEGED``).

    Raises ``ValueError`` on anything else: that is a mistake in the program, not of a person.
    """

    program: str
    options: tuple[tuple[str, str | None], ...]
    targets: Targets
    deadline: float
    excluded: AddressSet | None = None
    target_format: Literal["networks", "ranges"] = "networks"
    progress_from: Literal["stderr", "stdout"] = "stderr"
    privileged: bool = False

    def __post_init__(self) -> None:
        if not os.path.isabs(self.program) or self.name not in OPTIONS:
            raise ValueError(f"{self.program!r} is not the absolute path of a known tool")
        if not self.targets:
            raise ValueError("a command without targets asks nothing")
        if self.targets.on_record_only:
            raise ValueError("these targets are on record only, and cannot be asked")
        if not self.deadline > 0:
            raise ValueError(f"a deadline of {self.deadline} seconds leaves no time")
        for flag, value in self.options:
            _check_option(self.name, flag, value)

    @property
    def name(self) -> str:
        """The program without its folder: ``nmap`` or ``masscan``."""
        return os.path.basename(self.program)

    @property
    def argv(self) -> tuple[str, ...]:
        """The argument vector, as it is executed and as the audit trail keeps it."""
        return (self.program, *(_render(flag, value) for flag, value in self.options))


def _check_option(program: str, flag: str, value: str | None) -> None:
    table = OPTIONS[program]
    if flag not in table:
        raise ValueError(f"{flag!r} is not an option that portproof gives to {program}")
    pattern = table[flag]
    if (pattern is None) != (value is None):
        raise ValueError(f"{program} {flag} takes {'no' if pattern is None else 'a'} value")
    if pattern is not None and value is not None and not re.fullmatch(pattern, value, re.ASCII):
        raise ValueError(f"{value!r} is not a value that portproof gives to {program} {flag}")


def _render(flag: str, value: str | None) -> str:
    """One element for one option: ``-p80`` for a single letter, ``--rate=80`` for a word."""
    if value is None:
        return flag
    return f"{flag}{value}" if len(flag) == 2 else f"{flag}={value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a command ended.

    ``exit_code`` is ``None`` when a signal ended the tool, ``signal`` is ``None`` when it did not;
    both are when nothing was started because ``stop`` was set already. ``timed_out`` and
    ``stopped`` say that *we* ended it, whatever the exit code claims: masscan exits with 0 after
    SIGINT. ``started`` and ``ended`` are epoch seconds. ``stderr_tail`` is at most the last 4 KiB
    of stderr, with control characters made harmless.
    """

    exit_code: int | None
    signal: int | None
    timed_out: bool
    stopped: bool
    started: float
    ended: float
    stderr_tail: str


# --- finding and asking the tools --------------------------------------------------------------


def find_program(name: str, *, package: str = "") -> Path:
    """The absolute path of a tool. Raises :class:`ToolError` that says what to install.

    Searches ``PATH`` and then the usual system folders: ``/usr/sbin`` is not on the path of
    ordinary users and of many service managers.
    """
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SEARCH_PATH}")
    if found is None:
        raise ToolError(
            f"{name} is not installed",
            hint=f"install it (Debian, Ubuntu: apt-get install {package or name}) or put it on "
            "the PATH",
        )
    return Path(os.path.abspath(found))


def capture(program: str | Path, options: Sequence[str], *, timeout: float) -> str:
    """What a tool says about itself on stdout; ``timeout`` is in seconds.

    Only options that send nothing are taken (``--version``, ``-V``, ``--iflist``); ``ValueError``
    otherwise. The exit code is not looked at, since masscan's ``--version`` exits with 1. Raises
    :class:`ToolError` when the tool cannot be executed, says nothing or takes too long.
    """
    for option in options:
        if option not in _QUESTIONS:
            raise ValueError(f"{option!r} is not a question to a tool about itself")
    argv = (str(program), *options)
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env=_environment(home="/", privileged=False),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"{' '.join(argv)} did not end within {timeout:g} seconds") from None
    except OSError as problem:
        raise _not_executed(str(program), problem.errno or 0) from problem
    if done.returncode < 0 or not done.stdout.strip():
        raise ToolError(
            f"{' '.join(argv)} ended with {done.returncode} and no answer",
            hint=_harmless(done.stderr[-_TAIL_LIMIT:]).strip(),
        )
    return done.stdout.decode(errors="replace")


def refuse_foreign_config(path: Path = MASSCAN_CONFIG) -> None:
    """Raise :class:`ToolError` when masscan's system-wide configuration sets anything.

    masscan always reads it, and it could add ranges, ports or a rate to any command line.
    """
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return
    except OSError as problem:
        raise ToolError(f"{path} cannot be read: {problem.strerror}") from problem
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.lstrip().startswith(("#", ";", "//")):
            raise ToolError(
                f"masscan would read {line.strip()!r} from its own configuration",
                where=f"{path}:{number}",
                hint="comment it out: targets, ports and rates come from the engagement only",
            )


def _environment(*, home: str, privileged: bool) -> dict[str, str]:
    env = {"PATH": _SEARCH_PATH, "LANG": "C", "TZ": "UTC", "HOME": home}
    return {**env, "NMAP_PRIVILEGED": "1"} if privileged else env


def _not_executed(program: str, number: int) -> ToolError:
    hints = {
        errno.ENOENT: "it is missing, or the interpreter it names is",
        errno.EACCES: "it is not executable for this user, or its file system is mounted noexec",
        errno.EPERM: "its file capabilities are not available here (a container without NET_RAW?)",
        errno.ENOEXEC: "it is not a program for this machine",
    }
    return ToolError(
        f"{program} could not be started: {os.strerror(number)}", hint=hints.get(number, "")
    )


# --- signing ------------------------------------------------------------------------------------


def ssh_sign(message: bytes, *, key: Path, namespace: str) -> bytes:
    """The signature of ``ssh-keygen -Y sign`` over a message, armoured.

    The key is a private one without a passphrase, or the public one of a key that the agent holds.
    Raises :class:`ToolError` when ssh-keygen is missing or cannot sign with it.
    """
    done = _ssh_keygen(("sign", "-f", str(key), "-n", namespace), message)
    if done.returncode != 0 or b"BEGIN SSH SIGNATURE" not in done.stdout:
        said = _harmless(done.stderr[-_TAIL_LIMIT:]).strip().splitlines()
        raise ToolError(
            f"ssh-keygen did not sign: {said[-1] if said else f'it ended with {done.returncode}'}",
            where=str(key),
            hint="audit.signing_key is a private key without a passphrase, or a public one whose "
            "private key an ssh-agent holds",
        )
    return done.stdout


def ssh_signer(
    message: bytes, signature: Path, *, namespace: str, signers: Path | None
) -> tuple[bool, str]:
    """Whether a signature is one over this message, and by whom.

    With ``signers``, a file as ssh-keygen(1) has it under *allowed signers*, the key must be in it,
    and the answer names its principal. Without, any key will do, and the answer is what ssh-keygen
    says about it. Raises :class:`ToolError` when ssh-keygen is missing.
    """
    where = ("-s", str(signature))
    if signers is None:
        done = _ssh_keygen(("check-novalidate", "-n", namespace, *where), message)
        return done.returncode == 0, _harmless(done.stdout or done.stderr).strip()
    found = _ssh_keygen(("find-principals", *where, "-f", str(signers)), b"")
    names = found.stdout.decode(errors="replace").splitlines()
    if found.returncode != 0 or not names:
        return False, _harmless(found.stderr).strip() or "nobody among the signers has this key"
    who = ("-I", names[0], "-f", str(signers))
    done = _ssh_keygen(("verify", "-n", namespace, *where, *who), message)
    said = names[0].encode() if done.returncode == 0 else done.stderr or done.stdout
    return done.returncode == 0, _harmless(said).strip()


def _ssh_keygen(options: tuple[str, ...], message: bytes) -> subprocess.CompletedProcess[bytes]:
    program = find_program("ssh-keygen", package="openssh-client")
    env = _environment(home=os.environ.get("HOME", "/"), privileged=False)
    agent = os.environ.get("SSH_AUTH_SOCK")
    try:
        return subprocess.run(
            (str(program), "-Y", *options),
            input=message,
            capture_output=True,
            timeout=_SIGNING,
            # Without a terminal nobody is asked for a passphrase, and so nobody waits for one.
            start_new_session=True,
            env={**env, **({"SSH_AUTH_SOCK": agent} if agent else {})},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"ssh-keygen did not end within {_SIGNING:g} seconds") from None
    except OSError as problem:
        raise _not_executed(str(program), problem.errno or 0) from problem


# --- units --------------------------------------------------------------------------------------


def complaints_of_systemd(units: Sequence[Path]) -> str | None:
    """What ``systemd-analyze verify`` says about units; empty when they are sound.

    ``None`` where there is no systemd-analyze, or where it does not end.
    """
    program = shutil.which("systemd-analyze", path=_SEARCH_PATH)
    if program is None:
        return None
    try:
        done = subprocess.run(
            (program, "verify", "--man=no", *map(str, units)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            env=_environment(home="/", privileged=False),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = _harmless(done.stderr[-_TAIL_LIMIT:] + done.stdout[-_TAIL_LIMIT:]).strip()
    return said or (f"it ended with {done.returncode}" if done.returncode else "")


# --- running a tool ----------------------------------------------------------------------------


async def run(
    command: Command,
    *,
    folder: Path,
    scope: Callable[[], Scope],
    keep_open: tuple[int, ...] = (),
    on_progress: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
    order: Path | None = None,
) -> Finished:
    """Run one command in ``folder`` to its end, and leave no process behind.

    ``scope`` is asked after everything is laid out and before the tool starts; unless it still
    admits every target, :class:`~pipeline.errors.NotAdmitted` is raised and nothing starts.
    ``keep_open`` are file descriptors that stay open, in the shim and not in the tool, until the
    last process of the tool is gone, even if this process is killed before (a lock, for example).
    ``on_progress`` gets each piece of progress text. As soon as there is a file ``order``, the shim
    stops the tool within 1.1 seconds by itself, whatever this process is busy with.

    At the deadline the tool gets SIGINT, three seconds later SIGTERM, three seconds later SIGKILL;
    that takes less than 8 seconds in all. When ``stop`` is set, and on cancellation, it gets SIGINT
    and 0.8 seconds later SIGKILL.

    Raises :class:`ToolError` when the tool cannot be executed and :class:`DiskFull` when ``folder``
    cannot take our files, or was full when the tool ended: tools do not check what they write.
    """
    if stop is not None and stop.is_set():
        now = time.time()
        return _finished("", False, True, now, now, "")
    if command.name == "masscan":
        refuse_foreign_config()
    with _writing_to(folder):
        _lay_out(command, folder)
    cancelled = asyncio.Event()
    attending = asyncio.create_task(
        _attend(
            command,
            folder,
            scope,
            keep_open,
            order,
            on_progress,
            stop or asyncio.Event(),
            cancelled,
        )
    )
    try:
        return await asyncio.shield(attending)
    except asyncio.CancelledError:
        cancelled.set()
        while not attending.done():
            # Being cancelled twice must not leave the tool alone; it ends within 8 seconds.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([attending])
        if not attending.cancelled():
            attending.exception()  # Looked at; being cancelled is what the caller wants to hear.
        raise


async def _attend(
    command: Command,
    folder: Path,
    scope: Callable[[], Scope],
    keep_open: tuple[int, ...],
    order: Path | None,
    on_progress: Callable[[str], None] | None,
    stop: asyncio.Event,
    cancelled: asyncio.Event,
) -> Finished:
    """Start the tool, wait for the first reason to end it, end it, and say how it ended."""
    with contextlib.ExitStack() as closing:
        with _writing_to(folder):
            logs = [closing.enter_context(_create(folder / n)) for n in (STDOUT_FILE, STDERR_FILE)]
        scope().admit_all(command.targets.addresses)
        started = time.time()
        child = _Child(command, folder, logs, keep_open, order, on_progress, closing)
        await _first_of((child.gone, child.trouble, stop, cancelled), command.deadline)
        ended_by_us = not child.gone.is_set()
        stopped = ended_by_us and (stop.is_set() or cancelled.is_set())
        timed_out = ended_by_us and not stopped and not child.trouble.is_set()
        if ended_by_us:
            await child.end(_HALTING if stopped else _STOPPING)
        status = await child.collect()
        ended = time.time()
        _prove_room(folder)
        return _finished(status, timed_out, stopped, started, ended, child.stderr_tail)


def _finished(
    status: str, timed_out: bool, stopped: bool, started: float, ended: float, tail: str
) -> Finished:
    word, _, number = status.partition(" ")
    return Finished(
        exit_code=int(number) if word == "exit" else None,
        signal=int(number) if word == "signal" else None,
        timed_out=timed_out,
        stopped=stopped,
        started=started,
        ended=ended,
        stderr_tail=tail,
    )


async def _first_of(events: Sequence[asyncio.Event], timeout: float) -> None:
    """Wait until one of the events is set, or ``timeout`` seconds."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


class _Child:
    """The shim, with the tool behind it, as this process sees them. Needs a running loop.

    ``gone`` is set when the shim has ended, ``trouble`` when a stream could not be handled (a full
    disk, a progress callback that raised) and the tool should end. ``logs`` are the files for
    stdout and stderr; ``closing`` gets every descriptor and handler to take back.
    """

    def __init__(
        self,
        command: Command,
        folder: Path,
        logs: Sequence[FileIO],
        keep_open: tuple[int, ...],
        order: Path | None,
        on_progress: Callable[[str], None] | None,
        closing: contextlib.ExitStack,
    ) -> None:
        self.gone = asyncio.Event()
        self.trouble = asyncio.Event()
        self._program = command.program
        with _starting(command.program):
            self._status, status = _pipe(closing)
            life, self._life = _pipe(closing)
            os.set_blocking(self._life.fileno(), False)
            stdout, stderr = logs[0], _pipe(closing)
            self._stderr = _Stream(stderr[0], logs[1], _LOG_LIMIT)
            self._streams = [self._stderr]
            if command.progress_from == "stdout":
                source, stdout = _pipe(closing)
                self._streams.append(_Stream(source, logs[0], None))
            self._streams[-1].on_text = on_progress
            self._process = _start(
                command, folder, (life, status), (stdout, stderr[1]), keep_open, order
            )
            closing.callback(self._abandon)
            handle = os.pidfd_open(self._process.pid)
        closing.callback(os.close, handle)
        for not_ours_any_more in (life, status, stdout, stderr[1]):
            not_ours_any_more.close()
        self._listen(handle, self.gone.set, closing)
        for stream in self._streams:
            self._listen(stream.source.fileno(), partial(self._read, stream), closing)

    @property
    def stderr_tail(self) -> str:
        """The last of what the tool wrote to stderr, as harmless text."""
        return _harmless(self._stderr.tail).strip("\n")

    def _listen(
        self, descriptor: int, then: Callable[[], object], closing: contextlib.ExitStack
    ) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, then)
        closing.callback(loop.remove_reader, descriptor)

    def _read(self, stream: _Stream) -> None:
        if not stream.read():
            asyncio.get_running_loop().remove_reader(stream.source.fileno())
        if stream.problem is not None:
            self.trouble.set()

    async def end(self, steps: Sequence[tuple[int, float]]) -> None:
        """Ask the tool to end, ever more firmly; then end everything ourselves.

        ``steps`` are signals and the seconds to wait after each.
        """
        for number, patience in steps:
            with contextlib.suppress(OSError):
                os.write(self._life.fileno(), bytes((number,)))
            await _first_of((self.gone,), patience)
            if self.gone.is_set():
                return
        self._process.kill()  # The shim does not do its work.
        await _first_of((self.gone,), 0.5)

    async def collect(self) -> str:
        """The shim's last word, once it has ended; raises what went wrong meanwhile."""
        status = (self._status.read(64) or b"").decode().strip()
        if not status:
            await self._sweep()
        code = self._process.poll()
        for stream in self._streams:
            stream.drain()
        if status.startswith("error "):
            raise _not_executed(self._program, int(status.split()[1]))
        for stream in self._streams:
            if stream.problem is not None:
                raise stream.problem
        return status or f"signal {-code if code and code < 0 else int(signal.SIGKILL)}"

    async def _sweep(self) -> None:
        """Kill all that is left in the shim's session after the shim was killed.

        The shim has not been waited for yet, so its number still stands for this session only.
        """
        for _ in range(40):
            if not _shim.kill_members(self._process.pid):
                return
            await asyncio.sleep(0.01)

    def _abandon(self) -> None:
        """Never leave a zombie or a tool behind, whatever was raised."""
        if self._process.poll() is None:
            self._process.kill()
            _shim.kill_members(self._process.pid)
            self._process.wait()


class _Stream:
    """What comes out of one stream of the tool: into a log, a tail, and pieces of progress.

    Reads ``source`` without blocking and writes to ``log``, the first ``limit`` bytes only.
    Progress goes to ``on_text``, cut at newlines and at carriage returns, which masscan uses; of a
    line without an end the last 4 KiB are kept.
    """

    def __init__(self, source: FileIO, log: FileIO, limit: int | None) -> None:
        os.set_blocking(source.fileno(), False)
        self.source = source
        self.on_text: Callable[[str], None] | None = None
        self.problem: Exception | None = None
        self.tail = b""
        self._log = log
        self._room = limit
        self._line = b""

    def read(self) -> bool:
        """Take what is there, at most 64 KiB; false when nothing was."""
        data = self.source.read(_READ_SIZE)
        if not data:
            return data is None
        self.tail = (self.tail + data)[-_TAIL_LIMIT:]
        self._take(data)
        return True

    def drain(self) -> None:
        """Take what a tool that has ended left in the pipe, and the line without an end."""
        left = self.source.read(_PIPE_SIZE) or b""
        self.tail = (self.tail + left)[-_TAIL_LIMIT:]
        self._take(left, ended=True)

    def _take(self, data: bytes, *, ended: bool = False) -> None:
        if self.problem is not None:
            return  # Only emptying the pipe, or the tool would hang while it is being stopped.
        try:
            self._keep(data)
            self._tell(data + b"\n" if ended else data)
        except Exception as problem:  # Whoever waits for the tool raises it.
            self.problem = problem

    def _keep(self, data: bytes) -> None:
        if self._room is not None:
            data = data[: self._room]
            self._room -= len(data)
        with _writing_to(Path(str(self._log.name)).parent):
            _write(self._log, data)

    def _tell(self, data: bytes) -> None:
        if self.on_text is None:
            return
        *lines, rest = re.split(rb"[\r\n]+", self._line + data)
        self._line = rest[-_LINE_LIMIT:]
        for line in lines:
            if line.strip():
                self.on_text(_harmless(line[-_LINE_LIMIT:]).strip())


def _start(
    command: Command,
    folder: Path,
    control: tuple[FileIO, FileIO],
    output: tuple[FileIO, FileIO],
    keep_open: tuple[int, ...],
    order: Path | None,
) -> subprocess.Popen[bytes]:
    """Start the shim; ``control`` is its end of the life and status pipes."""
    life, status = (pipe.fileno() for pipe in control)
    stdout, stderr = output
    shim = (sys.executable, "-I", "-S", _shim.__file__, str(life), str(status), str(order or ""))
    return subprocess.Popen(
        (*shim, *command.argv),
        cwd=folder,
        env=_environment(home=str(folder), privileged=command.privileged),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        pass_fds=(life, status, *keep_open),
        start_new_session=True,
        umask=0o077,
    )


@contextlib.contextmanager
def _starting(program: str) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise ToolError(
            f"{program} could not be started: {problem.strerror or problem}",
            hint="too many processes or open files? fewer workers need fewer of them",
        ) from problem


# --- files and descriptors ---------------------------------------------------------------------


def _lay_out(command: Command, folder: Path) -> None:
    """Make the working directory and what the tool reads from it; for this user's eyes only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    _write_addresses(folder / TARGETS_FILE, command.targets.addresses, command.target_format)
    if command.excluded is not None:
        _write_addresses(folder / EXCLUDE_FILE, command.excluded, command.target_format)


def _write_addresses(path: Path, addresses: AddressSet, target_format: str) -> None:
    lines = addresses.texts() if target_format == "ranges" else addresses.networks()
    with _create(path) as file:
        _write(file, "".join(f"{line}\n" for line in lines).encode())


def _create(path: Path) -> FileIO:
    """Open an empty file that only this user can read, whatever the umask; never through a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    file = FileIO(path, "w", opener=lambda name, _: os.open(name, flags, 0o600))
    os.fchmod(file.fileno(), 0o600)
    return file


def _write(file: FileIO, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]


def _prove_room(folder: Path) -> None:
    """Raise :class:`DiskFull` unless a little more could be written, quota included."""
    path = folder / ".room"
    with _writing_to(folder):
        try:
            with _create(path) as file:
                _write(file, bytes(_SPARE_ROOM))
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write in ``folder`` into errors for people."""
    try:
        yield
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"no room left: {problem.strerror}",
                where=str(folder),
                hint="make room, then resume the run: what was finished is kept",
            ) from problem
        raise Error(f"cannot write: {problem.strerror or problem}", where=str(folder)) from problem


def _pipe(closing: contextlib.ExitStack) -> tuple[FileIO, FileIO]:
    """A pipe's read and write ends, which are closed at the latest with ``closing``."""
    source, sink = os.pipe()
    return (
        closing.enter_context(FileIO(source, "r")),
        closing.enter_context(FileIO(sink, "w")),
    )


_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def _harmless(data: bytes) -> str:
    """Text without anything that a terminal or a log would obey, newlines excepted."""
    text = data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
