"""Read what masscan writes with ``-oJ``: one list, or what is left of it.

Versions before 1.3 leave a comma behind the last record, or end the list with ``{finished: 1}``,
which is no JSON; one that was killed writes no closing bracket. So a record is read at a time, and
what stands between two records does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from pipeline.parse import ParseError
from pipeline.parse.json_stream import JsonStream, NotJson
from pipeline.parse.masscan import Hit, MasscanRun, Repeats, hit_of


def read_masscan_json(stream: BinaryIO, on_hit: Callable[[Hit], None]) -> MasscanRun:
    """Hand every distinct hit of ``stream`` to ``on_hit``, in the file's order.

    Raises ``ParseError`` when there is something and not one record of masscan's in it.
    """
    json = JsonStream(stream)
    seen = Repeats()
    records = oddities = 0
    ended = truncated = False
    while character := json.peek():
        if character in "[]":
            ended = character == "]"
            json.skip()
            continue
        try:
            record = json.value()
        except NotJson as broken:
            if broken.cut_off:
                truncated = True
                break
            # `{finished: 1}` is masscan's way to say that it is through.
            oddities += 1
            json.skip_line()
            continue
        hits = tuple(_hits(record))
        records += bool(hits)
        oddities += not hits
        for hit in hits:
            if seen.is_new(hit):
                on_hit(hit)
    if oddities and not records and not ended:
        raise ParseError("not one record in it is of masscan")
    return MasscanRun(
        hits=seen.hits,
        duplicates=seen.duplicates,
        truncated=truncated or not ended,
        oddities=oddities,
    )


def _hits(record: Any) -> Iterator[Hit]:
    """The answers of one record, as ``-oD`` would write them."""
    if not isinstance(record, dict) or not isinstance(record.get("ports"), list):
        return
    for port in record["ports"]:
        if not isinstance(port, dict):
            continue
        service = port.get("service")
        spoke = isinstance(service, dict)
        hit = hit_of(
            {
                "ip": record.get("ip"),
                "timestamp": record.get("timestamp"),
                "port": port.get("port"),
                "proto": port.get("proto"),
                "rec_type": "banner" if spoke else "status",
                "data": {"banner": service.get("banner"), "service_name": service.get("name")}
                if isinstance(service, dict)
                else port,
            }
        )
        if hit is not None:
            yield hit
