"""Endpoints as people write them on a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from pipeline.addresses import looks_like_address, parse_address
from pipeline.errors import NotAdmitted, UsageError
from pipeline.model import Endpoint, Protocol

_NAME: Final = re.compile(r"\w([\w.-]*\w)?\.?")
_SHAPE: Final = "write ADDRESS:PORT, such as 192.0.2.7:443 or [2001:db8::7]:443"


def read_endpoint(text: str, names: Mapping[str, Sequence[str]]) -> Endpoint:
    """Read ``192.0.2.7:443``, ``[2001:db8::7]:443/tcp`` or ``www.example.com:443``.

    ``names`` are host names with their addresses as texts, of which the first counts; no other name
    is looked up. Raises :class:`UsageError`, and :class:`NotAdmitted` for a name that is not among
    them.
    """
    body, slash, protocol = text.partition("/")
    host, colon, port = body.rpartition(":")
    if "://" in text:
        raise UsageError(f"{text!r} is a URL, not an endpoint", hint=_SHAPE)
    if not colon and slash and protocol.partition(":")[0].isdigit():
        raise UsageError(f"{text!r} is a network, and only one endpoint is asked", hint=_SHAPE)
    if slash and protocol not in list(Protocol):
        known = " or ".join(f"/{each}" for each in Protocol)
        raise UsageError(
            f"{text!r} does not end with a protocol", hint=f"write {known}, or nothing"
        )
    if not colon or not port:
        raise UsageError(f"{text!r} has no port", hint=_SHAPE)
    if not (port.isascii() and port.isdigit()):
        raise UsageError(f"{port!r} is not a port", hint="write one number from 1 to 65535")
    if host in names:
        host = names[host][0]
    elif ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise UsageError(
            f"{text!r} needs brackets around its IPv6 address", hint=f"write [{host}]:{port}"
        )
    try:
        address = parse_address(host.removeprefix("[").removesuffix("]"))
    except ValueError as error:
        raise _no_address(host, names, str(error)) from None
    if not 1 <= int(port) <= 65535:
        raise UsageError(f"port {int(port)} does not exist", hint="ports go from 1 to 65535")
    return Endpoint(address, Protocol(protocol) if slash else Protocol.TCP, int(port))


def _no_address(
    host: str, names: Mapping[str, Sequence[str]], why: str
) -> UsageError | NotAdmitted:
    if looks_like_address(host):
        return UsageError(why, hint=_SHAPE)
    if not _NAME.fullmatch(host):
        return UsageError(f"{host!r} is neither an address nor a host name", hint=_SHAPE)
    known = f" (its names: {', '.join(sorted(names))})" if names else ""
    return NotAdmitted(
        f"{host} is not a name of the engagement{known}",
        hint="write an address of the scope, or add the name to scope.include",
    )
