"""Run in the scanner's namespace: connect to endpoints, listen, say one newline, say what came.

Standard input is a JSON object: `endpoints`, a list of [address, port]; `patience`, seconds to
wait for a handshake; `pause`, seconds between one start and the next. Standard output is a list
in the same order of [word, words, seconds].

Without a handshake the word is `refused`, `unreachable` (an ICMP refusal) or `silent`; after one
it is `data` (and the words are what was said), `closed`, `reset`, `acknowledged` or
`unacknowledged`. The seconds are those until the handshake's end.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import socket
import struct
import sys
import termios
import time

LISTEN_SECONDS = 1.0
"""A busy machine lets a proxy or a listener wait."""


async def listen(talk: socket.socket) -> tuple[str, str] | None:
    """What comes within a while; None for nothing."""
    try:
        async with asyncio.timeout(LISTEN_SECONDS):
            heard = await asyncio.get_running_loop().sock_recv(talk, 512)
    except TimeoutError:
        return None
    except OSError:
        return "reset", ""
    return ("data", heard.decode(errors="replace")) if heard else ("closed", "")


async def connect(talk: socket.socket, where: tuple[str, int], patience: float) -> str | None:
    """Shake hands; None when that went well."""
    try:
        async with asyncio.timeout(patience):
            await asyncio.get_running_loop().sock_connect(talk, where)
    except TimeoutError:
        return "silent"
    except ConnectionRefusedError:
        return "refused"
    except ConnectionResetError:  # right behind the handshake, before anybody looked
        return "reset"
    except OSError:
        return "unreachable"
    return None


async def converse(talk: socket.socket) -> tuple[str, str]:
    """What follows the handshake."""
    if (heard := await listen(talk)) is not None:
        return heard
    with contextlib.suppress(OSError):
        talk.send(b"\n")
    if (heard := await listen(talk)) is not None:
        return heard
    unsent = struct.unpack("i", fcntl.ioctl(talk, termios.TIOCOUTQ, bytes(4)))[0]
    return ("unacknowledged" if unsent else "acknowledged"), ""


async def ask(address: str, port: int, patience: float) -> tuple[str, str, float]:
    """One handshake and what follows it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as talk:
        talk.setblocking(False)
        began = time.monotonic()
        failure = await connect(talk, (address, port), patience)
        seconds = time.monotonic() - began
        word, words = (failure, "") if failure else await converse(talk)
        return word, words, seconds


async def main() -> None:
    """All at once, or one after the other's start."""
    asked = json.load(sys.stdin)
    tasks = []
    for address, port in asked["endpoints"]:
        tasks.append(asyncio.create_task(ask(address, port, asked["patience"])))
        await asyncio.sleep(asked["pause"])
    json.dump(await asyncio.gather(*tasks), sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
