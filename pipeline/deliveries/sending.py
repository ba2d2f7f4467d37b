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
import os
import socket
import ssl
import struct
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.deliveries.settings import Syslog, Transport, Trust, Web

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
REFUSAL: Final = 0.1
"""Seconds after the last one in which a system may still say that nobody listens there."""
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


def post(
    web: Web, path: str, body: bytes, headers: Mapping[str, str], *, whole: float = WHOLE
) -> Reply:
    """Hand a body in, within ``whole`` seconds. Never raises for what the other side does."""
    try:
        connection = _http(web)
        with contextlib.closing(connection):
            connection.connect()
            with _bounded(connection.sock, whole) as cut:
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
        return Reply(problem=f"no answer within {whole:.0f} s", hopeless=True)
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
    secured = _secured(web.trust)
    return http.client.HTTPSConnection(web.host, web.port, timeout=CONNECT, context=secured)


def _secured(trust: Trust) -> ssl.SSLContext:
    """Names and certificates are checked, by these authorities alone where some are named."""
    found = ssl.create_default_context(cafile=trust.ca)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    if trust.certificate is not None:
        # A key behind a passphrase would be asked for on the terminal.
        found.load_cert_chain(trust.certificate, trust.key, password=lambda: "")
    return found


@contextlib.contextmanager
def _bounded(connection: socket.socket, seconds: float) -> Iterator[threading.Event]:
    """Cut a connection off when the whole takes too long, although every step is in time."""
    late = threading.Event()

    def cut() -> None:
        late.set()
        with contextlib.suppress(OSError):
            # Not the method of a TLS socket, which would let its reader go on without TLS.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
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
    """How many messages are done with, and why not all; those ``too_large`` never can be sent."""

    taken: int
    problem: str = ""
    hopeless: bool = False
    too_large: int = 0


def hand_over(receiver: Syslog, messages: Sequence[bytes]) -> Handed:
    """Hand messages to a receiver of syslog. Never raises for what the other side does.

    By TLS and TCP it is all or none: they count when the other side has ended the connection in
    good order, or its system acknowledged every byte. By UDP nobody can know more than that they
    were sent, and that nobody said by ICMP that they came to nothing.
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
        if receiver.transport is not Transport.TLS:
            plain.sendall(content)
            _leave(plain)
            return
        context = _secured(receiver.trust)
        secured = context.wrap_socket(plain, server_hostname=receiver.server)
        closing.enter_context(secured)
        secured.sendall(content)
        secured.settimeout(FAREWELL)
        # Without a word of its own, or none at all: what counts is how TCP ends.
        with contextlib.suppress(ssl.SSLEOFError, ssl.SSLZeroReturnError, TimeoutError):
            secured.unwrap()
        _leave(secured)


def _leave(connection: socket.socket) -> None:
    """End a connection, and raise ``OSError`` unless the other side has taken every byte.

    One that hangs up by itself, because it did not like our certificate for instance, leaves bytes
    unread: its system answers with a reset (RFC 9293, 3.6.1), at times after a farewell of TLS
    that looks like an answer to ours.
    """
    until = time.monotonic() + FAREWELL
    connection.settimeout(FAREWELL)
    socket.socket.shutdown(connection, socket.SHUT_WR)
    with contextlib.suppress(TimeoutError):
        while time.monotonic() < until and socket.socket.recv(connection, 4096):
            pass  # below TLS, where there is any
    while _unacknowledged(connection):
        if time.monotonic() >= until:
            raise TimeoutError
        time.sleep(0.005)
    if problem := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(problem, os.strerror(problem))


def _unacknowledged(connection: socket.socket) -> int:
    """Bytes that the other system has not acknowledged (tcp(7), ``SIOCOUTQ``)."""
    waiting = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", waiting)[0])


def _datagrams(receiver: Syslog, messages: Sequence[bytes]) -> Handed:
    found = socket.getaddrinfo(receiver.server, receiver.port, type=socket.SOCK_DGRAM)
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as connection:
        connection.settimeout(CONNECT)
        connection.connect(address)
        too_large = 0
        for message in messages:
            try:
                connection.send(message)
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise
                too_large += 1
            time.sleep(PAUSE)
        time.sleep(REFUSAL)
        if problem := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(problem, os.strerror(problem))
    return Handed(taken=len(messages), too_large=too_large)
