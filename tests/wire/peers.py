"""Servers on loopback that behave in every way that a handshake can meet."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

Behaviour = Callable[[socket.socket], Awaitable[None]]


@contextlib.asynccontextmanager
async def peer(behave: Behaviour, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Listen on a free port; each connection is given to ``behave``, which may close it."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    connections: list[socket.socket] = []
    tasks: list[asyncio.Task[None]] = []

    async def accept(listener: socket.socket) -> None:
        while True:
            connection, _ = await loop.sock_accept(listener)
            connection.setblocking(False)
            connections.append(connection)
            tasks.append(asyncio.ensure_future(behave(connection)))

    with socket.create_server((host, 0), family=family, backlog=128) as listener:
        listener.setblocking(False)
        tasks.append(asyncio.create_task(accept(listener)))
        try:
            yield listener.getsockname()[1]
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            for connection in connections:
                connection.close()
    assert all(isinstance(o, asyncio.CancelledError | None) for o in outcomes), outcomes


async def silent(_: socket.socket) -> None:
    """Accept and say nothing."""


async def closing(connection: socket.socket) -> None:
    """Accept and close at once."""
    connection.close()


async def resetting(connection: socket.socket) -> None:
    """Accept and reset at once."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def saying(*pieces: bytes, pause: float = 0.0, then: Behaviour = silent) -> Behaviour:
    """Speak first, in pieces ``pause`` seconds apart."""

    async def speak(connection: socket.socket) -> None:
        for piece in pieces:
            await asyncio.get_running_loop().sock_sendall(connection, piece)
            await asyncio.sleep(pause)
        await then(connection)

    return speak


def hearing(heard: list[bytes], answer: bytes = b"") -> Behaviour:
    """Keep all that comes until the end, and answer the first of it.

    The end of the connection is kept as ``b""`` for a FIN and ``b"RST"`` for a reset.
    """

    async def listen(connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                data = await loop.sock_recv(connection, 100)
            except ConnectionResetError:
                data = b"RST"
            if answer and not heard:
                await loop.sock_sendall(connection, answer)
            heard.append(data)
            if data in (b"", b"RST"):
                return

    return listen


async def closing_when_spoken_to(connection: socket.socket) -> None:
    """Read once, then close in order."""
    await asyncio.get_running_loop().sock_recv(connection, 100)
    connection.close()


async def closing_without_reading(connection: socket.socket) -> None:
    """Close as soon as there is something to read: the kernel makes a reset of it."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connection, readable.set)
    await readable.wait()
    loop.remove_reader(connection)
    connection.close()
