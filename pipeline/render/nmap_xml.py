"""A run as nmap's XML (``-oX``), for everything that reads nmap: valid against nmap's DTD.

Hosts stand in numeric order, each once. A verdict becomes the state that a reader who does not
know us may rely on (``nmap_hosts.py``), and travels whole beside it, as the output of a script
(``nmap_scripts.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from time import asctime, gmtime

from pipeline.model import Protocol, RunState
from pipeline.ports import PortSet
from pipeline.render.document import RunDocument
from pipeline.render.nmap_hosts import Host, host_element, hosts, looks, scan_type
from pipeline.render.nmap_scripts import (
    COVERAGE,
    changes_script,
    coverage_script,
    run_script,
    written_by,
)
from pipeline.render.xml_text import element


def render_nmap_xml(document: RunDocument) -> str:
    """The document, one host per line."""
    return _rendered(document, scripts=True)


def render_plain_nmap_xml(document: RunDocument) -> str:
    """The same without any script, nmap's own included, for readers that do not take them.

    ndiff of nmap 7.93 sorts the scripts of a port, and under Python 3 it fails where there are two.
    What is left of a verdict is its state.
    """
    return _rendered(document, scripts=False)


def _rendered(document: RunDocument, *, scripts: bool) -> str:
    known = hosts(document)
    ended = document.ended if document.ended is not None else _last_heard(document)
    attributes = {
        "scanner": "nmap",  # the DTD allows no other
        "args": written_by(document),
        "start": int(document.started),
        "startstr": asctime(gmtime(document.started)),
        "version": dict(document.tools).get("nmap", document.portproof_version),
        "xmloutputversion": "1.05",
    }
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<!DOCTYPE nmaprun>",
        # Not as one element around the others: what is large is put together once.
        element("nmaprun", attributes).replace("/>", ">"),
        *_scaninfo(document),
        element("verbose", {"level": 0}),
        element("debugging", {"level": 0}),
        *([element("prescript", {}, (run_script(document),))] if scripts else ()),
        *(host_element(host, scripts=scripts) for host in known),
        *([element("postscript", {}, _last_words(document))] if scripts else ()),
        _runstats(document, known, ended),
        "</nmaprun>\n",
    ]
    return "\n".join(lines)


# --- the run ---------------------------------------------------------------------------------


def _scaninfo(document: RunDocument) -> Iterator[str]:
    """What was asked, by protocol: nmap knows one way for each protocol, so the first counts."""
    asked: dict[Protocol, tuple[str, PortSet]] = {}
    for task in (record.task for record in looks(document)):
        kind, ports = asked.get(task.protocol, (scan_type(task.method), PortSet()))
        asked[task.protocol] = kind, ports if ports == task.ports else ports | task.ports
    for protocol, (kind, ports) in sorted(asked.items()):
        yield element(
            "scaninfo",
            {
                "type": kind,
                "protocol": protocol,
                "numservices": len(ports),
                "services": ports,
            },
        )


def _last_heard(document: RunDocument) -> float:
    times = (record.ended for record in document.tasks)
    return max((time for time in times if time is not None), default=document.started)


def _runstats(document: RunDocument, known: Iterable[Host], ended: float) -> str:
    # Only what was asked is down: nobody knows about the rest.
    ranges = chain.from_iterable(record.task.targets.addresses.ranges for record in looks(document))
    up = sum(host.answered for host in known)
    total = max(up, _size(ranges))
    whole = document.state is RunState.COMPLETE
    finished = {
        "time": int(ended),
        "timestr": asctime(gmtime(ended)),
        "elapsed": f"{ended - document.started:.2f}",
        "exit": "success" if whole else "error",
        "errormsg": None if whole else f"the run is {document.state}; see {COVERAGE}",
    }
    counts = {"up": up, "down": total - up, "total": total}
    return element("runstats", {}, (element("finished", finished), element("hosts", counts)))


def _size(ranges: Iterable[tuple[int, int]]) -> int:
    size, reached = 0, -1
    for first, last in sorted(ranges):
        size += max(0, last - max(first, reached + 1) + 1)
        reached = max(reached, last)
    return size


def _last_words(document: RunDocument) -> Iterator[str]:
    yield coverage_script(document)
    if document.comparison is not None:
        yield changes_script(document.comparison)
