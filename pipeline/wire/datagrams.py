"""An exchange by UDP: a question, repeated a few times, and what came back.

The socket is connected, so that the kernel passes on only what comes from the address and port that
were asked: a datagram with another source is never seen. Outcomes are kept apart as for a
handshake: a reply, an ICMP error and silence are results; what failed on this machine is a
:class:`~pipeline.model.Hole`. Silence is ``open|filtered``: most services by UDP say nothing to
whom they do not understand, so it proves nothing.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.errors import NotAdmitted
from pipeline.model import Hole, PortState
from pipeline.ports import PortSet
from pipeline.scope import Scope, Target
from pipeline.wire.icmp import PathError, error_waiting, local_failure, prepare_errors
from pipeline.wire.pacing import Pacer, in_turn, ready

SENDS: Final = 3
"""How often a question is sent at most."""

SECONDS_BETWEEN_SENDS: Final = 1.0

PACKETS_PER_EXCHANGE: Final = SENDS + 1
"""Packets that leave at most: each send, and the kernel's refusal of a reply that comes late."""

REPLY_LIMIT: Final = 4096
"""Bytes of a reply that are read."""

_REPLIES_LIMIT: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class DatagramResult:
    """What one exchange saw.

    ``state`` and ``reason`` are ``open`` with ``udp-response``, ``closed`` with ``port-unreach``
    from the host itself, ``filtered`` with nmap's word for any other ICMP error, or
    ``open|filtered`` with ``no-response``. ``told`` is what the answer says, ``None`` when no reply
    was an answer to the question; ``reply`` is raw and hostile. ``sends`` is how often we asked;
    ``started`` and ``ended`` are epoch seconds.
    """

    target: Target
    port: int
    state: PortState
    reason: str
    told: str | None = None
    reply: bytes = b""
    sends: int
    started: float
    ended: float
    source_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Questioning:
    """What is sent to a port, one request after the other in turn, and what a reply tells.

    ``told`` is ``None`` for a reply that is no answer to any of the requests.
    """

    requests: Sequence[bytes]
    told: Callable[[bytes], str | None]


async def exchange(
    target: Target,
    port: int,
    questioning: Questioning,
    *,
    scope: Callable[[], Scope],
    source_address: str | None = None,
    interface: str | None = None,
) -> DatagramResult | Hole:
    """Ask one port up to :data:`SENDS` times, a second apart, until it answers.

    Raises :class:`~pipeline.errors.NotAdmitted` unless ``scope``, asked right before each send,
    still admits the target. A failure of this machine is a :class:`~pipeline.model.Hole`.
    """
    version = target.address.version
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            prepare_errors(sock, version)
            if interface is not None:
                option = interface.encode() + b"\0"
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, option)
            if source_address is not None:
                sock.bind((source_address, 0))
            sock.connect((str(target), port))
            return await _Exchange(sock, target, port, scope).hold(questioning)
    except OSError as problem:
        return local_failure(target, port, problem.errno or 0)


class _Exchange:
    """One exchange, from the first send to the answer. ``OSError``: this machine failed."""

    def __init__(
        self, sock: socket.socket, target: Target, port: int, scope: Callable[[], Scope]
    ) -> None:
        self._sock = sock
        self._target = target
        self._port = port
        self._scope = scope
        self._sends = 0
        self._replies = 0
        self._first_reply: bytes | None = None
        self._started = time.time()

    async def hold(self, questioning: Questioning) -> DatagramResult:
        """Ask until there is an answer, an error, or no patience left."""
        for number in range(SENDS):
            request = questioning.requests[number % len(questioning.requests)]
            found = self._send(request) or await self._hear(questioning)
            if found is not None:
                return found
        if self._first_reply is not None:
            return self._result(PortState.OPEN, "udp-response", reply=self._first_reply)
        return self._result(PortState.OPEN_FILTERED, "no-response")

    def _send(self, request: bytes) -> DatagramResult | None:
        self._scope().admit(self._target.address)
        try:
            self._sock.send(request)
        except OSError as problem:
            # The error of an earlier send may be told now; then this one has not left.
            return self._refused(problem)
        finally:
            self._sends += 1
        return None

    async def _hear(self, questioning: Questioning) -> DatagramResult | None:
        until = time.monotonic() + SECONDS_BETWEEN_SENDS
        while (left := until - time.monotonic()) > 0:
            if not await ready(self._sock, writing=False, timeout=left):
                return None
            try:
                reply = self._sock.recv(REPLY_LIMIT)
            except BlockingIOError:
                continue  # Its checksum was wrong (recv(2), "BUGS" of select(2)).
            except OSError as problem:
                return self._refused(problem)
            told = questioning.told(reply)
            if told is not None:
                return self._result(PortState.OPEN, "udp-response", told=told, reply=reply)
            if self._first_reply is None:
                self._first_reply = reply
            self._replies += 1
            if self._replies >= _REPLIES_LIMIT:
                # Who floods us is not asked again.
                return self._result(PortState.OPEN, "udp-response", reply=self._first_reply)
        return None

    def _refused(self, problem: OSError) -> DatagramResult | None:
        error = error_waiting(self._sock, problem.errno or 0)
        if error is None:
            raise problem
        if self._first_reply is not None:
            return None  # Somebody is there; what came later does not unsay it.
        if _is_closed(error):
            return self._result(PortState.CLOSED, error.reason)
        return self._result(PortState.FILTERED, error.reason)

    def _result(
        self, state: PortState, reason: str, told: str | None = None, reply: bytes = b""
    ) -> DatagramResult:
        return DatagramResult(
            target=self._target,
            port=self._port,
            state=state,
            reason=reason,
            told=told,
            reply=reply,
            sends=self._sends,
            started=self._started,
            ended=time.time(),
            source_port=int(self._sock.getsockname()[1]),
        )


def _is_closed(error: PathError) -> bool:
    """A host refuses its own ports (RFC 1122, 4.1.3.1); in another's name it is a filter."""
    return error.reason == "port-unreach" and error.from_target


async def exchanges(
    pairs: Sequence[tuple[Target, int]],
    *,
    questioning: Callable[[int], Questioning],
    pace: Pacer,
    at_most: int,
    stop: asyncio.Event | None,
    on_result: Callable[[DatagramResult | Hole], None],
    scope: Callable[[], Scope],
    source_address: str | None = None,
    interface: str | None = None,
) -> None:
    """Hold many exchanges, ``at_most`` at a time, hosts in turn; results as they come.

    ``questioning`` makes the requests for a port, anew for each exchange. An endpoint that the
    scope no longer admits is a hole with the reason ``not-admitted``. Once ``stop`` is set nothing
    more is sent. Raises what ``on_result`` raises.
    """

    async def hold_one(target: Target, port: int) -> None:
        try:
            result = await exchange(
                target,
                port,
                questioning(port),
                scope=scope,
                source_address=source_address,
                interface=interface,
            )
        except NotAdmitted:
            result = Hole(address=target.address, ports=PortSet.of((port,)), reason="not-admitted")
        on_result(result)

    await in_turn(pairs, pace=pace, at_most=at_most, stop=stop, ask=hold_one)
