"""What the path said (``IP_RECVERR`` in ip(7)), told apart from what failed on this machine."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from pipeline.model import Hole
from pipeline.ports import PortSet
from pipeline.scope import Target

# linux/in.h, linux/in6.h, linux/errqueue.h
_RECVERR: Final = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}
_ORIGIN_ICMP: Final = {2: 4, 3: 6}
_EXTENDED_ERROR: Final = struct.Struct("=IBBBxII")

_ICMP_REASONS: Final = {
    (4, 3, 0): "net-unreach",
    (4, 3, 1): "host-unreach",
    (4, 3, 2): "proto-unreach",
    (4, 3, 3): "port-unreach",
    (4, 3, 6): "net-unreach",
    (4, 3, 7): "host-unreach",
    (4, 3, 9): "net-prohibited",
    (4, 3, 10): "host-prohibited",
    (4, 3, 11): "net-unreach",
    (4, 3, 12): "host-unreach",
    (4, 3, 13): "admin-prohibited",
    (4, 11, 0): "time-exceeded",
    (6, 1, 0): "no-route",
    (6, 1, 1): "admin-prohibited",
    (6, 1, 2): "beyond-scope",
    (6, 1, 3): "host-unreach",
    (6, 1, 4): "port-unreach",
    (6, 1, 5): "admin-prohibited",
    (6, 1, 6): "reject-route",
    (6, 3, 0): "time-exceeded",
}
"""(IP version, ICMP type, code) to nmap's reason (RFC 792, RFC 1812, RFC 4443)."""


def prepare_errors(sock: socket.socket, version: int, *, wanted: bool = True) -> None:
    """Let the kernel keep (or no longer keep) the ICMP errors that this socket causes."""
    sock.setsockopt(*_RECVERR[version], int(wanted))


@dataclass(frozen=True, slots=True, kw_only=True)
class PathError:
    """An ICMP error: nmap's word for it, and whether the host that was asked sent it itself."""

    reason: str
    from_target: bool


def error_waiting(sock: socket.socket, number: int) -> PathError | None:
    """The ICMP error that waits on a connected socket; ``None`` when there is none.

    An error in our own name is this machine's firewall (``OSError`` with ``number``), unless it
    says that the host is unreachable: so the kernel reports a neighbour that does not answer ARP.
    """
    try:
        _, ancillary, _, _ = sock.recvmsg(1, 512, socket.MSG_ERRQUEUE)
    except OSError:
        return None
    for _, _, data in ancillary:
        _, origin, kind, code, _, _ = _EXTENDED_ERROR.unpack_from(data)
        version = _ORIGIN_ICMP.get(origin)
        if version is None:
            continue
        reason = _ICMP_REASONS.get((version, kind, code), "dest-unreach")
        offender = _offender(data[_EXTENDED_ERROR.size :], version)
        asked = _address(sock.getpeername)
        if offender == _address(sock.getsockname) != asked and reason != "host-unreach":
            raise OSError(number, "refused by this machine")
        return PathError(reason=reason, from_target=offender == asked)
    return None


def _address(end: Callable[[], Sequence[object]]) -> str:
    """The address of one end of a socket; empty while a connect is under way."""
    try:
        return str(end()[0])
    except OSError:
        return ""


def _offender(data: bytes, version: int) -> str:
    """The address in a ``sockaddr_in`` or ``sockaddr_in6``: who sent the ICMP error."""
    if version == 4:
        return str(IPv4Address(data[4:8]))
    return str(IPv6Address(data[8:24]))


def local_failure(target: Target, port: int, number: int) -> Hole:
    """What failed on this machine says nothing about the target: an endpoint not asked."""
    name = errno.errorcode.get(number, str(number))
    return Hole(
        address=target.address,
        ports=PortSet.of((port,)),
        reason=f"local-failure: {name}",
    )
