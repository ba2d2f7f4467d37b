"""Run in the scanner's namespace: ask endpoints by UDP, say how each of them answered.

The argument is a JSON list of [address, port]; standard output a list of words in its order:
`answer`, `refused` (port-unreachable), `prohibited` (another ICMP refusal) or `silence`.
"""

from __future__ import annotations

import errno
import json
import secrets
import select
import socket
import sys
import time

from pipeline.datagrams import questions_for

PATIENCE = 2.0
_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}


def ask_all(endpoints: list[tuple[str, int]]) -> list[str]:
    """One after the other, and then listen."""
    said: dict[int, str] = {}
    sockets: dict[socket.socket, int] = {}
    for number, (address, port) in enumerate(endpoints):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        asking = socket.socket(family, socket.SOCK_DGRAM)
        asking.setsockopt(*_RECVERR[family], 1)
        asking.connect((address, port))
        questions = questions_for(port, guess=True)
        for request in [q.request(secrets.token_bytes(16)) for q in questions] or [b""]:
            try:
                asking.send(request)
            except OSError as problem:
                said[number] = _word(problem)
        sockets[asking] = number
        # Linux sends no more than 1,000 ICMP errors a second, to everybody together.
        time.sleep(0.005)
    until = time.monotonic() + PATIENCE
    while (left := until - time.monotonic()) > 0 and len(said) < len(endpoints):
        waiting = [s for s, n in sockets.items() if n not in said]
        for ready in select.select(waiting, [], [], left)[0]:
            try:
                ready.recv(4096)
                said[sockets[ready]] = "answer"
            except OSError as problem:
                said[sockets[ready]] = _word(problem)
    for asking in sockets:
        asking.close()
    return [said.get(number, "silence") for number in range(len(endpoints))]


def _word(problem: OSError) -> str:
    return "refused" if problem.errno == errno.ECONNREFUSED else "prohibited"


if __name__ == "__main__":
    json.dump(ask_all([(str(a), int(p)) for a, p in json.loads(sys.argv[1])]), sys.stdout)
