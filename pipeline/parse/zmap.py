"""Read what zmap writes as CSV: an answer a line.

The heading names the fields that somebody asked for with ``--output-fields``; with only ``saddr``,
which is the default, older versions write no heading. ``saddr`` is the address and ``sport`` the
port; without the latter the file does not say which port was asked, and somebody has to.
``classification`` (``synack``, ``rst``) or ``success`` tell open from closed, and everything is
open where neither is a field: zmap writes successes only, unless told otherwise. Of repeated
answers the first counts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import BinaryIO, Final

from pipeline.parse import ParseError
from pipeline.parse.masscan import Hit, MasscanRun, Repeats, hit_of, lines_of

MAX_FIELDS: Final = 512
_TIMES: Final = ("timestamp_ts", "timestamp-ts")


def read_zmap(
    stream: BinaryIO, on_hit: Callable[[Hit], None], port: int | None = None
) -> MasscanRun:
    """Hand every distinct answer of ``stream`` to ``on_hit``, in the file's order.

    ``port`` is what was asked where the file does not tell. Raises ``ParseError`` when neither
    says it, and for a line of more than 512 fields.
    """
    seen = Repeats()
    oddities = 0
    truncated = False
    places: dict[str, int] | None = None
    for line, whole in lines_of(stream):
        truncated = truncated or not whole
        fields = _fields(line)
        if places is None:
            places = _places(fields)
            if "sport" not in places and port is None:
                raise ParseError(
                    "the file does not say which port was asked: it has no field `sport`",
                    hint='say it with --scanned, such as "192.0.2.0/24 443"',
                )
            if "saddr" in fields:
                continue
        hit = _hit(fields, places, port) if whole else None
        if hit is None:
            oddities += whole
        elif seen.is_new(hit):
            on_hit(hit)
    return MasscanRun(
        hits=seen.hits, duplicates=seen.duplicates, truncated=truncated, oddities=oddities
    )


def _fields(line: bytes) -> list[str]:
    if line.count(b",") >= MAX_FIELDS:
        raise ParseError(
            f"no scanner writes this: a line of more than {MAX_FIELDS} fields",
            hint="the file is refused; treat it, and where it came from, with suspicion",
        )
    text = line.decode("utf-8", "replace").removeprefix("\ufeff").rstrip("\r\n")
    try:
        return [field.strip() for field in next(csv.reader(io.StringIO(text)), [])]
    except csv.Error:
        return []


def _places(heading: list[str]) -> dict[str, int]:
    if "saddr" in heading:
        return {name: place for place, name in enumerate(heading)}
    return {"saddr": 0}


def _hit(fields: list[str], places: dict[str, int], port: int | None) -> Hit | None:
    def field(*names: str) -> str:
        found = (places[name] for name in names if name in places)
        return next((fields[place] for place in found if place < len(fields)), "")

    sport, ttl, time = field("sport"), field("ttl"), field(*_TIMES)
    refused = field("classification") == "rst" or field("success") in ("0", "false")
    if field("classification") not in ("", "synack", "rst") and refused:
        # Neither open nor closed: an ICMP message, or a reply to something else.
        return None
    return hit_of(
        {
            "ip": field("saddr"),
            "timestamp": time if time.isdigit() else 0,
            "port": int(sport) if sport.isascii() and sport.isdigit() and len(sport) < 7 else port,
            "proto": "udp" if field("classification") == "udp" else "tcp",
            "rec_type": "status",
            "data": {
                "status": "closed" if refused else "open",
                "reason": "rst" if refused else "syn-ack",
                "ttl": int(ttl) if ttl.isascii() and ttl.isdigit() and len(ttl) < 4 else 0,
            },
        }
    )
