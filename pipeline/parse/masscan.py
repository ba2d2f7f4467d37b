"""Read what masscan writes with ``-oD``: one JSON record per line.

What masscan 1.3.2 writes: a ``status`` record for every answer that it believes, and, with
``--banners``, a ``banner`` record for everything that a service said. There is no header and no
end mark: a scan that found nothing leaves 0 bytes, and only a last line without its line feed
tells that masscan was killed while it wrote. Neither kind of record tells what was asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, Final

from pipeline.addresses import Address, number_of, parse_address
from pipeline.model import PortState, Protocol
from pipeline.parse import ParseError, bounded
from pipeline.ports import LAST_PORT

MAX_LINE: Final = 1 << 20
"""Bytes. masscan's own buffer for a banner is 64 KiB."""
MAX_BANNER: Final = 1 << 16
MAX_WORD: Final = 256
MAX_REMEMBERED: Final = 1 << 18
"""Hits. masscan repeats one within seconds."""

_PROTOCOLS: Final = {protocol.value: protocol for protocol in Protocol}
_STATES: Final = {"open": PortState.OPEN, "closed": PortState.CLOSED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One answer of one endpoint. ``banner`` and ``service_name`` are hostile input.

    ``reason`` is nmap's word; ``time`` is in whole seconds; ``ttl`` is ``None`` where masscan does
    not know it. A banner has no reason of its own in masscan's record: that a service spoke is
    what nmap calls ``tcp-response``.
    """

    address: Address
    protocol: Protocol
    port: int
    state: PortState
    reason: str
    ttl: int | None
    time: float
    banner: str = ""
    service_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MasscanRun:
    """What became of the records of one file.

    ``hits`` were handed out, ``duplicates`` had been handed out before (same endpoint and state,
    or same banner), ``oddities`` are lines that could not be used. ``truncated``: the last line
    has no line feed, so masscan did not finish writing; if it says anything, it was handed out.
    """

    hits: int
    duplicates: int
    truncated: bool
    oddities: int


def read_masscan_ndjson(stream: BinaryIO, on_hit: Callable[[Hit], None]) -> MasscanRun:
    """Hand every distinct hit of ``stream`` to ``on_hit``, in the file's order.

    0 bytes are a complete, empty answer. Raises ``ParseError`` when there are lines and not one
    of them is a record of masscan's.
    """
    seen = Repeats()
    oddities = records = 0
    truncated = False
    for line, whole in lines_of(stream):
        record = _record(line)
        if not whole:
            truncated = True
        if record is None:
            # A line that is cut off says nothing, and says so through `truncated`.
            oddities += whole
            continue
        records += 1
        hit = hit_of(record)
        if hit is None:
            oddities += 1
        elif seen.is_new(hit):
            on_hit(hit)
    if oddities and not records:
        raise ParseError(
            "not one line is a record of masscan",
            hint="have masscan write JSON lines, with -oD",
        )
    return MasscanRun(
        hits=seen.hits, duplicates=seen.duplicates, truncated=truncated, oddities=oddities
    )


class Repeats:
    """Tells the hits of one file from those that were handed out before, and counts both.

    A repeat comes soon, if it comes: after ``MAX_REMEMBERED`` hits all is forgotten, so that memory
    does not grow with the file. What comes again later is handed out again.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self.hits = 0
        self.duplicates = 0

    def is_new(self, hit: Hit) -> bool:
        """True for the first of its kind.

        masscan repeats a record when the host repeats its answer; the first has the honest time.
        """
        key = _key(hit)
        if key in self._seen:
            self.duplicates += 1
            return False
        if len(self._seen) >= MAX_REMEMBERED:
            self._seen.clear()
        self._seen.add(key)
        self.hits += 1
        return True


def lines_of(stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Lines that are not blank, and whether each is whole; b"" stands for one that is too long."""
    while line := stream.readline(MAX_LINE):
        whole = line.endswith(b"\n")
        if not whole and len(line) == MAX_LINE:
            line = b""
            while rest := stream.readline(MAX_LINE):
                if rest.endswith(b"\n"):
                    whole = True
                    break
            yield line, whole
        elif line.strip():
            yield line, whole


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line.decode("utf-8", "replace").removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and "rec_type" in record else None


def hit_of(record: dict[str, Any]) -> Hit | None:
    """A record of ``-oD`` as a value; ``None`` for what is no endpoint (a ping's answer) or no
    sense."""
    protocol = _PROTOCOLS.get(_word(record.get("proto")))
    port = _whole(record.get("port"), LAST_PORT)
    time = _seconds(record.get("timestamp"))
    data = record.get("data")
    address = _address(record.get("ip"))
    if address is None or protocol is None or not port or time is None or type(data) is not dict:
        return None
    match record.get("rec_type"):
        case "status":
            state = _STATES.get(_word(data.get("status")))
            if state is None:
                return None
            return Hit(
                address=address,
                protocol=protocol,
                port=port,
                state=state,
                reason=reason_of_flags(_word(data.get("reason")), protocol, state),
                # 0 where masscan does not know it: for IPv6, and for what answers over UDP.
                ttl=_whole(data.get("ttl"), 255) or None,
                time=time,
            )
        case "banner" if isinstance(data.get("banner"), str):
            return Hit(
                address=address,
                protocol=protocol,
                port=port,
                state=PortState.OPEN,
                reason=f"{protocol}-response",
                ttl=None,
                time=time,
                banner=spoken(data["banner"]),
                service_name=_word(data.get("service_name")),
            )
    return None


def reason_of_flags(flags: str, protocol: Protocol, state: PortState) -> str:
    """nmap's word for what masscan says about the flags of an answer.

    masscan joins the names of all flags that are set: ``syn-ack-ece`` is a ``syn-ack`` to nmap,
    ``rst`` and ``rst-ack`` are a ``reset``. For UDP it says ``none``, and nmap's words follow from
    the state. Flags without ``syn`` and ``rst`` are passed on as they are.
    """
    if protocol is Protocol.UDP:
        return "udp-response" if state is PortState.OPEN else "port-unreach"
    names = flags.split("-")
    if "rst" in names:
        return "reset"
    if "syn" in names:
        return "syn-ack" if "ack" in names else "syn"
    return flags


def spoken(banner: str) -> str:
    """A banner as text. masscan escapes byte by byte, so UTF-8 arrives as Latin-1."""
    with suppress(ValueError):
        banner = banner.encode("latin-1").decode("utf-8")
    return bounded(_storable(banner), MAX_BANNER)


def _key(hit: Hit) -> int:
    """A number for what makes a hit the same as another."""
    place = number_of(hit.address) << 32 | hit.port << 8
    if hit.service_name or hit.banner:
        said = f"{hit.service_name}\n{hit.banner}".encode()
        digest = hashlib.blake2b(said, digest_size=8).digest()
        return (place | 0x80 | (hit.protocol is Protocol.UDP)) << 64 | int.from_bytes(digest)
    return place | (hit.state is PortState.OPEN) << 1 | (hit.protocol is Protocol.UDP)


def _word(value: object) -> str:
    if not isinstance(value, str):
        return ""
    if value.isascii() and value.isprintable() and len(value) <= MAX_WORD:
        return value
    return bounded(_storable(value), MAX_WORD)


def _storable(text: str) -> str:
    """Half a surrogate pair is legal in JSON and cannot be encoded; PostgreSQL cannot hold NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def _address(value: object) -> Address | None:
    return address_of(value) if isinstance(value, str) and len(value) <= MAX_WORD else None


@lru_cache(maxsize=1 << 14)
def address_of(text: str) -> Address | None:
    """The address, or ``None`` for what is none. Hits of one host come close together."""
    try:
        return parse_address(text)
    except ValueError:
        return None


def _whole(value: object, most: int) -> int | None:
    return value if type(value) is int and 0 <= value <= most else None


def _seconds(value: object) -> float | None:
    """masscan 1.3.2 writes seconds since the epoch as a string; a number will do, too."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 12:
        return float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e12:
        return float(value)
    return None
