"""The guard with a tool behind it, as this process sees them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Final

from pipeline import _shim
from pipeline.errors import ToolError
from pipeline.process.commands import Command
from pipeline.process.files import pipe
from pipeline.process.streams import Stream
from pipeline.process.words import environment, harmless, not_executed

_LOG_LIMIT: Final = 1 << 20


class Child:
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
            self._status, status = pipe(closing)
            life, self._life = pipe(closing)
            os.set_blocking(self._life.fileno(), False)
            stdout, stderr = logs[0], pipe(closing)
            self._stderr = Stream(stderr[0], logs[1], _LOG_LIMIT)
            self._streams = [self._stderr]
            if command.progress_from == "stdout":
                source, stdout = pipe(closing)
                self._streams.append(Stream(source, logs[0], None))
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
        return harmless(self._stderr.tail).strip("\n")

    def _listen(
        self, descriptor: int, then: Callable[[], object], closing: contextlib.ExitStack
    ) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, then)
        closing.callback(loop.remove_reader, descriptor)

    def _read(self, stream: Stream) -> None:
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
            await first_of((self.gone,), patience)
            if self.gone.is_set():
                return
        self._process.kill()  # The shim does not do its work.
        await first_of((self.gone,), 0.5)

    async def collect(self) -> str:
        """The shim's last word, once it has ended; raises what went wrong meanwhile."""
        status = (self._status.read(64) or b"").decode().strip()
        if not status:
            await self._sweep()
        code = self._process.poll()
        for stream in self._streams:
            stream.drain()
        if status.startswith("error "):
            raise not_executed(self._program, int(status.split()[1]))
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


async def first_of(events: Sequence[asyncio.Event], timeout: float) -> None:
    """Wait until one of the events is set, or ``timeout`` seconds."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


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
        env=environment(home=str(folder), privileged=command.privileged),
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
