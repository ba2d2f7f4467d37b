"""Read what naabu writes with ``-json``: one open port a line.

``{"host":"…","ip":"10.0.0.7","timestamp":"2026-11-27T02:54:44.1Z","port":443,"protocol":"tcp",
"tls":false}``. Before version 2.1 the port was an object of its own, or there was neither a
protocol nor a time. A host that was given as an address may stand in ``host`` alone. There is no
end mark.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, BinaryIO

from pipeline.parse import ParseError
from pipeline.parse.masscan import Hit, MasscanRun, Repeats, hit_of, lines_of


def read_naabu(stream: BinaryIO, on_hit: Callable[[Hit], None]) -> MasscanRun:
    """Hand every distinct open port of ``stream`` to ``on_hit``, in the file's order.

    Raises ``ParseError`` when there are lines and not one of them is a record of naabu's.
    """
    seen = Repeats()
    oddities = records = 0
    truncated = False
    for line, whole in lines_of(stream):
        hit = _hit(line)
        truncated = truncated or (not whole and hit is None)
        if hit is None:
            oddities += whole
            continue
        records += 1
        if seen.is_new(hit):
            on_hit(hit)
    if oddities and not records:
        raise ParseError("not one line in it is a record of naabu with an address and a port")
    return MasscanRun(
        hits=seen.hits, duplicates=seen.duplicates, truncated=truncated, oddities=oddities
    )


def _hit(line: bytes) -> Hit | None:
    try:
        record = json.loads(line.decode("utf-8", "replace").removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    port, protocol = record.get("port"), record.get("protocol", "tcp")
    if isinstance(port, dict):
        protocol = {0: "tcp", 1: "udp"}.get(port.get("Protocol", 0), "")
        port = port.get("Port")
    return hit_of(
        {
            "ip": record.get("ip") or record.get("host"),
            "timestamp": _seconds(record.get("timestamp")),
            "port": port,
            "proto": protocol.lower() if isinstance(protocol, str) else "",
            "rec_type": "status",
            # By SYN or by connection: naabu does not say.
            "data": {"status": "open", "reason": "syn-ack"},
        }
    )


def _seconds(value: Any) -> float:
    if not isinstance(value, str) or len(value) > 40:
        return 0
    try:
        return max(0.0, datetime.fromisoformat(value).timestamp())
    except (ValueError, OverflowError):
        return 0
