"""Run one command to its end, and leave no process behind."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pipeline.process.asking import refuse_foreign_config
from pipeline.process.child import Child, first_of
from pipeline.process.commands import Command, Finished
from pipeline.process.files import create, lay_out, prove_room, writing_to
from pipeline.scope import Scope

STDOUT_FILE: Final = "stdout.log"
STDERR_FILE: Final = "stderr.log"

_STOPPING: Final = ((signal.SIGINT, 3.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 1.0))
"""Signals and the seconds to wait after each; with the rest below 8 seconds in all."""

_HALTING: Final = ((signal.SIGINT, 0.8), (signal.SIGKILL, 0.5))
"""The same for a tool whose answer nobody waits for any more: silent within two seconds."""


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
    with writing_to(folder):
        lay_out(command, folder)
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
        with writing_to(folder):
            logs = [closing.enter_context(create(folder / n)) for n in (STDOUT_FILE, STDERR_FILE)]
        scope().admit_all(command.targets.addresses)
        started = time.time()
        child = Child(command, folder, logs, keep_open, order, on_progress, closing)
        await first_of((child.gone, child.trouble, stop, cancelled), command.deadline)
        ended_by_us = not child.gone.is_set()
        stopped = ended_by_us and (stop.is_set() or cancelled.is_set())
        timed_out = ended_by_us and not stopped and not child.trouble.is_set()
        if ended_by_us:
            await child.end(_HALTING if stopped else _STOPPING)
        status = await child.collect()
        ended = time.time()
        prove_room(folder)
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
