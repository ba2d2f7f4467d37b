"""The only place from which deliveries leave: HTTP, and syslog by TLS, TCP or UDP.

It never reaches a target as a target: where it connects to is what the engagement names under
``deliveries``. No redirect is followed and no proxy is used, every step and the whole are bounded
in time, and so is the size of an answer. What went wrong is told by kind and number: nothing of an
answer, of a secret or of an address is repeated.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import http.client
import socket
import ssl
import struct
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.deliveries.settings import Syslog, Transport, Web

CONNECT: Final = 10.0
"""Seconds that a connection may take, or any other step."""
WHOLE: Final = 60.0
"""Seconds that a request with its answer may take, however it trickles in."""
FAREWELL: Final = 5.0
"""Seconds that we wait for the other side to end a connection of syslog."""
LARGEST_ANSWER: Final = 4 << 20
LONGEST_WAIT: Final = 86400.0
PAUSE: Final = 0.002
"""Seconds between two datagrams: a receiver that is slow loses them without a word."""
_UNTRUSTED: Final = "the certificate of the server is not to be trusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back. ``problem`` is empty when there was an answer, whatever it says.

    ``wait`` is what the server asked for (``Retry-After``), in seconds.
    """

    status: int = 0
    body: bytes = b""
    wait: float = 0.0
    problem: str = ""
    hopeless: bool = False


def post(web: Web, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
    """Hand a body in. Never raises for what the other side does."""
    try:
        connection = _http(web)
        with contextlib.closing(connection):
            connection.connect()
            with _bounded(connection.sock) as cut:
                told = {**headers, "Connection": "close", "User-Agent": "portproof"}
                connection.request("POST", (web.path + path) or "/", body, told)
                answer = connection.getresponse()
                content = answer.read(LARGEST_ANSWER + 1)
    except ssl.SSLCertVerificationError:
        return Reply(problem=_UNTRUSTED, hopeless=True)
    except (OSError, http.client.HTTPException, ValueError) as error:
        # A ValueError of http.client repeats the header that it refuses: a token, perhaps.
        return Reply(problem=f"no answer: {_kind(error)}", hopeless=_took_long(error))
    if cut.is_set():
        return Reply(problem=f"no answer within {WHOLE:.0f} s", hopeless=True)
    if len(content) > LARGEST_ANSWER:
        return Reply(problem="an answer that is too large")
    wait = answer.headers.get("Retry-After", "")
    return Reply(status=answer.status, body=content, wait=_seconds(wait))


def _kind(error: Exception) -> str:
    """What the system says of it, or what kind of error it is; nothing from the other side."""
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.strerror:
        return error.strerror
    return type(error).__name__


def _took_long(error: Exception) -> bool:
    """Whether so much time was spent that to try again at once would hold others up."""
    return isinstance(error, TimeoutError)


def _http(web: Web) -> http.client.HTTPConnection:
    if not web.tls:
        return http.client.HTTPConnection(web.host, web.port, timeout=CONNECT)
    trust = _trust(web.ca)
    return http.client.HTTPSConnection(web.host, web.port, timeout=CONNECT, context=trust)


def _trust(ca: Path | None) -> ssl.SSLContext:
    """Names and certificates are checked, by this authority alone where one is named."""
    trust = ssl.create_default_context(cafile=ca)
    trust.minimum_version = ssl.TLSVersion.TLSv1_2
    return trust


@contextlib.contextmanager
def _bounded(connection: socket.socket) -> Iterator[threading.Event]:
    """Cut a connection off when the whole takes too long, although every step is in time."""
    late = threading.Event()

    def cut() -> None:
        late.set()
        with contextlib.suppress(OSError):
            # Not the method of a TLS socket, which would let its reader go on without TLS.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    timer = threading.Timer(WHOLE, cut)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def _seconds(asked: str) -> float:
    return min(float(asked), LONGEST_WAIT) if asked.isascii() and asked.isdigit() else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """How many messages were handed over, and why not all; ``too_large``: the next never can be."""

    taken: int
    problem: str = ""
    hopeless: bool = False
    too_large: bool = False


def hand_over(receiver: Syslog, messages: Sequence[bytes]) -> Handed:
    """Hand messages to a receiver of syslog. Never raises for what the other side does.

    By TLS and TCP it is all or none: they count when the other side has ended the connection in
    good order, or its system acknowledged every byte. By UDP nobody can know more than that they
    were sent.
    """
    try:
        if receiver.transport is Transport.UDP:
            return _datagrams(receiver, messages)
        _stream(receiver, b"".join(map(framed, messages)))
    except ssl.SSLCertVerificationError:
        return Handed(taken=0, problem=_UNTRUSTED, hopeless=True)
    except (OSError, ValueError) as error:
        what = f"no connection: {_kind(error)}"
        return Handed(taken=0, problem=what, hopeless=_took_long(error))
    return Handed(taken=len(messages))


def framed(message: bytes) -> bytes:
    """A message behind its length (octet counting: RFC 5425, RFC 6587): it may hold anything."""
    return b"%d %b" % (len(message), message)


def _stream(receiver: Syslog, content: bytes) -> None:
    place = (receiver.server, receiver.port)
    with contextlib.ExitStack() as closing:
        plain = closing.enter_context(socket.create_connection(place, timeout=CONNECT))
        if receiver.transport is Transport.TLS:
            trust = _trust(receiver.ca)
            secured = trust.wrap_socket(plain, server_hostname=receiver.server)
            closing.enter_context(secured)
            secured.sendall(content)
            _leave_tls(secured)
        else:
            plain.sendall(content)
            plain.shutdown(socket.SHUT_WR)
            _leave(plain)


def _leave_tls(connection: ssl.SSLSocket) -> None:
    connection.settimeout(FAREWELL)
    try:
        connection.unwrap()
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):
        pass  # it closed without a word of its own, after it had read ours
    except TimeoutError:
        _require_acknowledged(connection)


def _leave(connection: socket.socket) -> None:
    until = time.monotonic() + FAREWELL
    connection.settimeout(FAREWELL)
    try:
        while connection.recv(4096):
            if time.monotonic() > until:
                raise TimeoutError
    except TimeoutError:
        _require_acknowledged(connection)


def _require_acknowledged(connection: socket.socket) -> None:
    """Raise ``TimeoutError`` while the other system has not acknowledged every byte (tcp(7))."""
    waiting = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    if struct.unpack("i", waiting)[0]:
        raise TimeoutError


def _datagrams(receiver: Syslog, messages: Sequence[bytes]) -> Handed:
    found = socket.getaddrinfo(receiver.server, receiver.port, type=socket.SOCK_DGRAM)
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as connection:
        connection.settimeout(CONNECT)
        connection.connect(address)
        for number, message in enumerate(messages):
            try:
                connection.send(message)
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    return Handed(taken=number, problem="too large for UDP", too_large=True)
                return Handed(taken=number, problem=f"not sent: {_kind(error)}")
            time.sleep(PAUSE)
    return Handed(taken=len(messages))
