"""Ask this machine's resolver for the addresses of a name. Nothing is sent to a target."""

from __future__ import annotations

import socket
import threading
from ipaddress import IPv4Address, IPv6Address

from pipeline.addresses import Address, looks_like_address, number_of
from pipeline.errors import Error


def resolve(name: str, *, timeout: float) -> tuple[Address, ...]:
    """The addresses of a host name (A and AAAA), in numeric order; ``timeout`` in seconds.

    Asks this machine's resolver, so nothing is sent to the addresses found. Raises
    :class:`~pipeline.errors.Error` when the name does not resolve in time, or is no name at all:
    the resolver would read ``10.1`` as an address.
    """
    if not name or looks_like_address(name):
        raise Error(f"{name!r} is not a host name")
    answers: list[set[Address] | Exception] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as problem:
            answers.append(problem)
        else:
            answers.append({address for entry in found for address in _address_of(entry[4])})

    # A resolver cannot be interrupted, and only a daemon thread may be left behind at the end.
    thread = threading.Thread(target=ask, name=f"resolve {name}", daemon=True)
    thread.start()
    thread.join(timeout)
    answer = answers[0] if answers else TimeoutError(f"no answer within {timeout:g} seconds")
    if isinstance(answer, Exception) or not answer:
        why = getattr(answer, "strerror", None) or str(answer or "no global address")
        raise Error(f"{name} does not resolve: {why}", hint="check the spelling and the resolver")
    return tuple(sorted(answer, key=number_of))


def _address_of(sockaddr: tuple[object, ...]) -> tuple[Address, ...]:
    """One address, or none where it only means something on one link (``fe80::1%eth0``)."""
    text = str(sockaddr[0])
    if "%" in text:
        return ()
    return (IPv6Address(text) if ":" in text else IPv4Address(text),)
