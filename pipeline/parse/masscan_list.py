"""Read what masscan writes with ``-oL``: a word, a protocol, a port, an address and a time a line.

``#masscan`` stands above and ``# end`` below; a file without the latter was cut off. The list has
neither the TTL nor the flags of an answer. In banners it writes what is no letter as ``\\x0a``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from pipeline.model import PortState, Protocol
from pipeline.parse import ParseError
from pipeline.parse.masscan import Hit, MasscanRun, Repeats, address_of, hit_of, lines_of
from pipeline.ports import LAST_PORT

_ANSWER: Final = re.compile(
    rb"(open|closed) (tcp|udp) ([1-9][0-9]{0,4}) ([0-9a-f.:]{2,39}) ([0-9]{1,12})\r?\n"
)
_REASONS: Final = {
    (True, True): "syn-ack",
    (False, True): "reset",
    (True, False): "udp-response",
    (False, False): "port-unreach",
}
_ESCAPE: Final = re.compile(r"\\x([0-9a-f]{2})")


def read_masscan_list(stream: BinaryIO, on_hit: Callable[[Hit], None]) -> MasscanRun:
    """Hand every distinct hit of ``stream`` to ``on_hit``, in the file's order.

    Raises ``ParseError`` when there are lines and not one of them is masscan's.
    """
    seen = Repeats()
    oddities = known = 0
    ended = False
    for line, whole in lines_of(stream):
        quick = _answer(line)
        if quick is not None:
            known += 1
            ended = False
            if seen.is_new(quick):
                on_hit(quick)
            continue
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text.startswith("#"):
            known += 1
            ended = text == "# end" and whole
            continue
        ended = False
        hit = _hit(text) if whole else None
        if hit is None:
            oddities += whole
            continue
        known += 1
        if seen.is_new(hit):
            on_hit(hit)
    if oddities and not known:
        raise ParseError("not one line in it is of masscan's list")
    return MasscanRun(
        hits=seen.hits, duplicates=seen.duplicates, truncated=not ended, oddities=oddities
    )


def _answer(line: bytes) -> Hit | None:
    """The hit on nearly every line: those that are as masscan writes them."""
    found = _ANSWER.fullmatch(line)
    if found is None:
        return None
    word, protocol, port, address, time = found.groups()
    parsed = address_of(address.decode("ascii"))
    if parsed is None or int(port) > LAST_PORT:
        return None
    is_open, is_tcp = word == b"open", protocol == b"tcp"
    return Hit(
        address=parsed,
        protocol=Protocol.TCP if is_tcp else Protocol.UDP,
        port=int(port),
        state=PortState.OPEN if is_open else PortState.CLOSED,
        reason=_REASONS[is_open, is_tcp],
        ttl=None,
        time=float(time),
    )


def _hit(line: str) -> Hit | None:
    word, protocol, port, address, time, *rest = (*line.split(" ", 6), "", "", "", "", "")
    record = {
        "ip": address,
        "timestamp": time,
        "port": int(port) if port.isascii() and port.isdigit() and len(port) < 7 else None,
        "proto": protocol,
    }
    if word in ("open", "closed"):
        reason = {"open": "syn-ack", "closed": "rst"}[word]
        return hit_of({**record, "rec_type": "status", "data": {"status": word, "reason": reason}})
    if word == "banner":
        banner = "".join(_letters(rest[1]))
        data = {"banner": banner, "service_name": rest[0]}
        return hit_of({**record, "rec_type": "banner", "data": data})
    return None


def _letters(text: str) -> Iterator[str]:
    place = 0
    for found in _ESCAPE.finditer(text):
        yield text[place : found.start()]
        yield chr(int(found[1], 16))
        place = found.end()
    yield text[place:]
