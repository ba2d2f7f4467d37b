"""Run in the scanner's namespace: connect to endpoints, say how each of them answered.

Standard input is a JSON list of [address, port]; standard output a list of words in its order:
`open`, `refused`, `unreachable` (an ICMP refusal) or `silent`.
"""

from __future__ import annotations

import asyncio
import json
import sys

PATIENCE = 1.0


async def ask(address: str, port: int) -> str:
    """Connect, wait at most a second, close."""
    try:
        async with asyncio.timeout(PATIENCE):
            _reader, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return "silent"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "unreachable"
    writer.close()
    return "open"


async def ask_all(endpoints: list[tuple[str, int]]) -> list[str]:
    """All at once."""
    return await asyncio.gather(*(ask(address, port) for address, port in endpoints))


if __name__ == "__main__":
    json.dump(asyncio.run(ask_all([(a, p) for a, p in json.load(sys.stdin)])), sys.stdout)
