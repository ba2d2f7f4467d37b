"""A handshake: connect, listen for a moment, maybe say a newline, and record what came.

A *handshake* is our own method: a plain TCP connect that listens for a moment afterwards, may say
one newline, and records what came. It needs no privileges, it is the safe banner grab, and it
tells a service from a box that pretends: SYN proxies, tarpits and catch-all listeners complete
every handshake, and differ in what follows it.

Three outcomes are kept apart. An answer of the target or of somebody on the path (a SYN-ACK, a
RST, an ICMP error) and silence are results. What failed on this machine (no route, no free port,
no descriptors, a firewall of our own) says nothing about the target: it is a
:class:`~pipeline.model.Hole`, and never ``filtered``. The error queue of the socket (``IP_RECVERR``
in ip(7)) tells the two apart, and an ICMP port-unreachable from a RST, which both end a connect
with ``ECONNREFUSED``. (Kernels before 5.8 do not fill it during a connect: there ICMP errors are
holes, and a port-unreachable looks like a closed port.) Two things cannot be told: a packet filter
of our own that drops silently looks like a silent target, and one of our own that forges a RST
looks like a closed port.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import math
import socket
import struct
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pipeline.errors import NotAdmitted
from pipeline.model import Aftermath, Hole, PortState
from pipeline.ports import PortSet
from pipeline.scope import Scope, Target
from pipeline.wire.icmp import error_waiting, local_failure, prepare_errors
from pipeline.wire.pacing import Pacer, in_turn, ready, ready_at_once

BANNER_LIMIT: Final = 512
"""Bytes of a banner that are kept."""

CONNECT_TIMEOUT_LIMIT: Final = 6.0
"""Seconds: nobody is waited for longer, since Linux sends another SYN each second.

(``tcp_syn_linear_timeouts``, since Linux 6.5; older ones send at 0, 1 and 3 seconds.)
"""

_NO_FAREWELL: Final = struct.pack("ii", 1, 0)
_NEWLINE: Final = b"\r\n"
_ACKNOWLEDGED_WITHIN: Final = 1.0
_FAREWELL_WITHIN: Final = 0.3
_MORE_WITHIN: Final = 0.25
_RECEIVE_BUFFER: Final = 4096
_AT_ONCE: Final = 0.001
_SYN_RETRIES: Final = 2

_ANY: Final = {4: "0.0.0.0", 6: "::"}  # noqa: S104 -- the source is the kernel's choice


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeResult:
    """What one handshake saw.

    ``state`` and ``reason`` are ``open`` with ``syn-ack``, ``closed`` with ``conn-refused``, or
    ``filtered`` with ``no-response`` or nmap's word for the ICMP error. ``aftermath`` is there for
    open endpoints only; ``spoke`` says that the newline was sent before it. ``banner`` is raw and
    hostile, at most 512 bytes. ``connect_seconds`` is the time to the answer, ``None`` without
    one; ``started`` and ``ended`` are epoch seconds.
    """

    target: Target
    port: int
    state: PortState
    reason: str
    aftermath: Aftermath | None = None
    banner: bytes = b""
    spoke: bool = False
    connect_seconds: float | None = None
    started: float
    ended: float
    source_port: int | None = None


async def handshake(
    target: Target,
    port: int,
    *,
    scope: Callable[[], Scope],
    connect_timeout: float,
    listen: float,
    speak: bool,
    source_address: str | None = None,
    interface: str | None = None,
    source_port: int | None = None,
    expected: bool = False,
) -> HandshakeResult | Hole:
    """Connect to one port, listen ``listen`` seconds, and say what came.

    When nothing came and ``speak`` is true, one CR LF is sent and we listen again, longer if the
    acknowledgement is still to come: one second, or the kernel's retransmission timeout if that is
    more. The connection is ended in order (FIN) and its end is not waited for; who neither listens
    nor speaks resets it before it is whole. That has to be within 200 ms of the answer, or the
    kernel acknowledges it: where an answer is ``expected``, nobody else runs for the millisecond in
    which one from nearby comes. At most :data:`PACKETS_PER_HANDSHAKE` packets leave.

    Times are in seconds; a ``connect_timeout`` beyond :data:`CONNECT_TIMEOUT_LIMIT` is cut. Raises
    :class:`~pipeline.errors.NotAdmitted` unless ``scope``, asked right before the connect, still
    admits the target. A failure of this machine is a :class:`~pipeline.model.Hole`.
    """
    version = target.address.version
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            _prepare(sock, version, source_address, interface, source_port)
            if not listen and not speak:
                # A reset instead of a farewell, and instead of the acknowledgement, which waits
                # for data of ours: two packets in all, and no application hears of it.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_FAREWELL)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            scope().admit(target.address)
            return await _Conversation(sock, target, port, expected=expected).hold(
                min(connect_timeout, CONNECT_TIMEOUT_LIMIT), listen, speak
            )
    except OSError as problem:
        return local_failure(target, port, problem.errno or 0)


def _prepare(
    sock: socket.socket,
    version: int,
    source_address: str | None,
    interface: str | None,
    source_port: int | None,
) -> None:
    sock.setblocking(False)
    prepare_errors(sock, version)
    # Should we be late to give up, the kernel stops by itself.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, _SYN_RETRIES)
    # A small window bounds what a talkative peer can make us acknowledge.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    if interface is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    if source_address is not None or source_port is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((source_address or _ANY[version], source_port or 0))


class _Conversation:
    """One connection, from the SYN to the last word. ``OSError``: this machine failed."""

    def __init__(self, sock: socket.socket, target: Target, port: int, *, expected: bool) -> None:
        self._expected = expected
        self._sock = sock
        self._target = target
        self._port = port
        self._spoke = False
        self._started = time.time()
        self._begun = time.monotonic()
        self._connect_seconds: float | None = None
        self._source_port: int | None = None

    async def hold(self, connect_timeout: float, listen: float, speak: bool) -> HandshakeResult:
        """Hold the whole conversation."""
        number = await self._connect(connect_timeout)
        if number == errno.ETIMEDOUT:
            return self._result(PortState.FILTERED, "no-response")
        self._connect_seconds = time.monotonic() - self._begun
        if number in (0, errno.ECONNRESET, errno.EPIPE):
            # A reset in answer to a SYN is ECONNREFUSED: with these two it followed a handshake.
            open_ = self._result(PortState.OPEN, "syn-ack")
            aftermath, banner = await self._aftermath(number, listen, speak)
            return replace(
                open_, aftermath=aftermath, banner=banner, spoke=self._spoke, ended=time.time()
            )
        error = error_waiting(self._sock, number)
        if error is not None:
            return self._result(PortState.FILTERED, error.reason)
        if number == errno.ECONNREFUSED:
            return self._result(PortState.CLOSED, "conn-refused")
        raise OSError(number, "nobody on the path said so")

    async def _connect(self, timeout: float) -> int:
        """The error number that the connect ended with, 0 for a completed handshake."""
        number = self._sock.connect_ex((str(self._target), self._port))
        if number not in (0, errno.EINPROGRESS):
            raise OSError(number, "the connect failed before a packet left")
        self._source_port = self._sock.getsockname()[1]
        answered = self._expected and ready_at_once(self._sock, _AT_ONCE)
        if not answered and not await ready(self._sock, writing=True, timeout=timeout):
            return errno.ETIMEDOUT
        number = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            return number
        try:
            itself = self._sock.getpeername() == self._sock.getsockname()
        except OSError:
            return errno.EINPROGRESS  # An ICMP error came before the kernel would end the connect.
        if itself:
            # On loopback, a connect to one's own ephemeral port meets itself (RFC 9293, 3.5).
            raise OSError(errno.EADDRINUSE, "connected to itself")
        return 0

    async def _aftermath(self, number: int, listen: float, speak: bool) -> tuple[Aftermath, bytes]:
        """What followed the handshake, and the banner."""
        if number:
            banner = self._receive(BANNER_LIMIT)
            if isinstance(banner, bytes):
                return Aftermath.DATA, banner
            return (Aftermath.RESET if number == errno.ECONNRESET else Aftermath.CLOSED), b""
        if not listen and not speak:
            # Waiting for nothing would still let others run, and they may be slow.
            return Aftermath.SILENCE, b""
        # From here on only the peer may end the connection, not an ICMP error.
        prepare_errors(self._sock, self._target.address.version, wanted=False)
        self._give_up_after(_FAREWELL_WITHIN)
        heard = await self._hear(listen)
        if heard is None and speak:
            heard = await self._speak(listen)
            self._give_up_after(_FAREWELL_WITHIN)
        elif heard is None:
            heard = Aftermath.SILENCE
        if isinstance(heard, Aftermath):
            return heard, b""
        return Aftermath.DATA, await self._more(heard)

    def _give_up_after(self, seconds: float) -> None:
        """How long the kernel repeats what is not acknowledged, the FIN after we left included."""
        milliseconds = math.ceil(seconds * 1000)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    async def _speak(self, listen: float) -> Aftermath | bytes:
        """Send the newline, and hear what it brings: data, an end, or an acknowledgement."""
        patience = max(_ACKNOWLEDGED_WITHIN, self._retransmission_timeout())
        self._give_up_after(patience)
        until = time.monotonic() + patience
        try:
            self._sock.send(_NEWLINE)
        except OSError:
            return Aftermath.RESET
        self._spoke = True
        heard = await self._hear(listen)
        while heard is None and self._unacknowledged() and time.monotonic() < until:
            heard = await self._hear(0.1)
        if heard is Aftermath.RESET:
            return Aftermath.REJECTED
        if heard is None:
            return Aftermath.UNACKNOWLEDGED if self._unacknowledged() else Aftermath.ACKNOWLEDGED
        return heard

    def _retransmission_timeout(self) -> float:
        """The kernel's own, in seconds: three times the round trip at first (RFC 6298)."""
        info = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 12)
        microseconds: int = struct.unpack("=8xI", info)[0]
        return microseconds / 1e6

    def _unacknowledged(self) -> int:
        """Bytes that the peer has not acknowledged, sent or not (SIOCOUTQ in tcp(7)).

        ``tcpi_unacked`` would not do: it counts packets on their way, and a tarpit that closes its
        window keeps our newline from being sent at all.
        """
        answer = fcntl.ioctl(self._sock, termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(answer, "little")

    async def _hear(self, seconds: float) -> Aftermath | bytes | None:
        """Data, or how the connection ended, or ``None`` for silence."""
        if not await ready(self._sock, writing=False, timeout=seconds):
            return None
        return self._receive(BANNER_LIMIT)

    def _receive(self, limit: int) -> Aftermath | bytes | None:
        try:
            return self._sock.recv(limit) or Aftermath.CLOSED
        except BlockingIOError:
            return None
        except TimeoutError:
            return Aftermath.UNACKNOWLEDGED  # TCP_USER_TIMEOUT
        except OSError:
            return Aftermath.RESET

    async def _more(self, banner: bytes) -> bytes:
        """The rest of a banner that comes in pieces; then what we would leave unread.

        A close with unread data would be a RST instead of a FIN.
        """
        while len(banner) < BANNER_LIMIT:
            heard = await self._hear(_MORE_WITHIN)
            if not isinstance(heard, bytes):
                return banner
            banner += heard
        self._receive(4 * _RECEIVE_BUFFER)
        return banner[:BANNER_LIMIT]

    def _result(self, state: PortState, reason: str) -> HandshakeResult:
        return HandshakeResult(
            target=self._target,
            port=self._port,
            state=state,
            reason=reason,
            connect_seconds=self._connect_seconds,
            started=self._started,
            ended=time.time(),
            source_port=self._source_port,
        )


async def handshakes(
    pairs: Sequence[tuple[Target, int]],
    *,
    pace: Pacer,
    at_most: int,
    stop: asyncio.Event | None,
    on_result: Callable[[HandshakeResult | Hole], None],
    scope: Callable[[], Scope],
    connect_timeout: float,
    listen: float,
    speak: bool,
    source_address: str | None = None,
    interface: str | None = None,
    source_port: int | None = None,
    expected: bool = False,
) -> None:
    """Hold many handshakes, ``at_most`` at a time, hosts in turn; results as they come.

    An endpoint that the scope no longer admits is a hole with the reason ``not-admitted``. Once
    ``stop`` is set nothing more is sent: what is under way is dropped and has no result, like
    what was not begun. Raises what ``on_result`` raises.
    """

    async def hold_one(target: Target, port: int) -> None:
        try:
            result = await handshake(
                target,
                port,
                scope=scope,
                connect_timeout=connect_timeout,
                listen=listen,
                speak=speak,
                source_address=source_address,
                interface=interface,
                source_port=source_port,
                expected=expected,
            )
        except NotAdmitted:
            result = Hole(address=target.address, ports=PortSet.of((port,)), reason="not-admitted")
        on_result(result)

    await in_turn(pairs, pace=pace, at_most=at_most, stop=stop, ask=hold_one)
