"""Read any file: recognise it, hand its answers on, and say where they come from."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from pipeline.errors import Error
from pipeline.files import sha256_of
from pipeline.importing.arguments import targets_of
from pipeline.importing.decided import Document, read_own
from pipeline.importing.hits import Hits
from pipeline.importing.hosts import Hosts
from pipeline.importing.question import Interest, Scanned, Taker, sane
from pipeline.model import Method, PortState
from pipeline.parse import ParseError
from pipeline.parse.formats import HEAD, FileFormat, recognise
from pipeline.parse.masscan import Hit, MasscanRun, read_masscan_ndjson
from pipeline.parse.masscan_binary import read_masscan_binary
from pipeline.parse.masscan_json import read_masscan_json
from pipeline.parse.masscan_list import read_masscan_list
from pipeline.parse.naabu import read_naabu
from pipeline.parse.nmap_xml import HostResult, NmapRun, read_nmap_xml
from pipeline.parse.packed import Opened, opened
from pipeline.parse.zmap import read_zmap
from pipeline.plan import ImportedFile
from pipeline.ports import PortSet
from pipeline.render.nmap_scripts import is_ours

MAX_ARGUMENTS: Final = 1 << 16
"""Characters of a command line that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is needed to read one file.

    ``place`` is its number among the files of its occasion, from 1; ``otherwise`` the time of what
    a file does not date.
    """

    place: int
    taker: Taker
    interest: Interest
    scanned: Sequence[Scanned] = ()
    otherwise: float = 0.0


def read_file(path: Path, reading: Reading) -> ImportedFile:
    """Read one file to its end. A file that is cut off or damaged is told of in ``problem``.

    Raises ``ParseError``, with the file's name, for what cannot be recognised or is hostile.
    """
    if path.exists() and not path.is_file():
        raise Error(
            "this is no file that can be read twice",
            where=str(path),
            hint="write what comes out of a pipe to a file first",
        )
    try:
        with opened(path) as file:
            head = file.stream.read(HEAD)
        name = recognise(head)
        with opened(path) as file, _buffered(file) as stream:
            told = _READERS[name](_Opened(head, stream, file), reading)
        digest, size = sha256_of(path), path.stat().st_size
    except ParseError as error:
        where = f"{path}: {error.where}" if error.where and error.where != str(path) else str(path)
        raise ParseError(error.what, where=where, hint=error.hint) from None
    except OSError as error:
        raise Error(f"cannot read: {error.strerror}", where=str(path)) from None
    return replace(
        told,
        # A name may hold bytes that are no text.
        name=os.fsencode(path.name).decode("utf-8", "replace"),
        sha256=digest,
        size=size,
        format=told.format or name.value,
        started=sane(told.started),
        ended=sane(told.ended),
    )


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file of a known format: its beginning, and all of it as a stream."""

    head: bytes
    stream: BinaryIO
    file: Opened

    @property
    def damage(self) -> str:
        return self.file.damage


_Reader = Callable[[_Opened, Reading], ImportedFile]


@contextmanager
def _buffered(file: Opened) -> Iterator[BinaryIO]:
    """The stream for reading line by line; whoever opened the file closes it."""
    if not isinstance(file.stream, io.RawIOBase):
        yield file.stream
        return
    buffer = io.BufferedReader(file.stream, HEAD)
    try:
        yield buffer
    finally:
        buffer.detach()


_NOTHING_SAID: Final = ImportedFile(name="", sha256="", size=0, format="")


# --- nmap's XML ----------------------------------------------------------------------------------


def _xml(file: _Opened, reading: Reading) -> ImportedFile:
    # Scans, arguments and start stand above the first host, and decide what a host means.
    above = file.head.partition(b"<host")[0]
    head = read_nmap_xml(io.BytesIO(above), _nobody)
    if head.scanner == "masscan":
        return _masscan_xml(file, reading)
    if is_ours(head.arguments):
        return _own_xml(file, reading)
    hosts = Hosts(reading.place, head, reading.taker, reading.interest, reading.otherwise)
    run = read_nmap_xml(file.stream, hosts.take)
    problem = problem_of(run, file.damage)
    hosts.finish(run, cut_off=problem, wanted=targets_of(run.arguments))
    return said_by(run, problem)


def _own_xml(file: _Opened, reading: Reading) -> ImportedFile:
    run = read_own(reading.place, file.stream, reading.taker)
    cut = f"the file is cut off or damaged at {run.error}" if run.truncated else ""
    return replace(
        _NOTHING_SAID,
        format=FileFormat.PORTPROOF_XML.value,
        tool="portproof",
        version=run.facts.get("portproof", "")[:64],
        started=_time(run.facts.get("started", "")),
        ended=_time(run.facts.get("ended", "")),
        problem=file.damage or cut,
    )


def _document(file: _Opened, reading: Reading) -> ImportedFile:
    run = Document(reading.place, reading.taker, reading.otherwise).read(file.stream)
    return replace(
        _NOTHING_SAID,
        tool="portproof",
        version=run.fact("portproof")[:64],
        started=run.time("started"),
        ended=run.time("ended"),
        problem=file.damage or ("the report is cut off or damaged" if run.truncated else ""),
    )


def _time(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def said_by(run: NmapRun, problem: str) -> ImportedFile:
    """What a file of nmap says about itself."""
    return replace(
        _NOTHING_SAID,
        tool=run.scanner,
        version=run.version,
        arguments=run.arguments[:MAX_ARGUMENTS],
        started=run.started,
        ended=run.ended,
        problem=problem,
    )


def _nobody(_: HostResult) -> None:
    pass


def problem_of(run: NmapRun, damage: str = "") -> str:
    """What is missing in a file of nmap; ``damage`` is that of how it is packed."""
    if damage:
        return damage
    if run.truncated:
        return f"the file is cut off or damaged at {run.error}"
    if not run.complete:
        said = " ".join(run.error.split()) or "it does not say that it ended in success"
        return f"nmap did not finish: {said}"
    return ""


def _masscan_xml(file: _Opened, reading: Reading) -> ImportedFile:
    hits = _hits_of(reading, Method.MASSCAN_SYN)
    run = read_nmap_xml(file.stream, lambda host: _take_ports(host, hits))
    cut = file.damage or (run.truncated and f"the file is cut off or damaged at {run.error}") or ""
    hits.finish(reading.scanned, run.started, cut_off=cut)
    told = said_by(run, cut)
    return replace(told, format="masscan XML", ended=run.ended or hits.last)


def _take_ports(host: HostResult, hits: Hits) -> None:
    for port in host.ports:
        if port.state in (PortState.OPEN, PortState.CLOSED):
            hits.take(
                Hit(
                    address=host.address,
                    protocol=port.protocol,
                    port=port.port,
                    state=port.state,
                    reason=port.reason,
                    ttl=port.ttl,
                    time=host.ended or 0.0,
                    banner=port.service.banner if port.service else "",
                )
            )


# --- lists of hits -------------------------------------------------------------------------------


def _hits_of(reading: Reading, method: Method) -> Hits:
    return Hits(reading.place, method, reading.taker, reading.interest, reading.otherwise)


def _hits(
    tool: str, method: Method, read: Callable[[BinaryIO, Callable[[Hit], None]], MasscanRun]
) -> _Reader:
    """What reads a list of hits with ``read``."""

    def run(file: _Opened, reading: Reading) -> ImportedFile:
        hits = _hits_of(reading, method)
        done = read(file.stream, hits.take)
        problem = file.damage or (_CUT_OFF if done.truncated else "")
        hits.finish(reading.scanned, cut_off=problem)
        return replace(
            _NOTHING_SAID, tool=tool, started=hits.first, ended=hits.last, problem=problem
        )

    return run


def _masscan_binary(file: _Opened, reading: Reading) -> ImportedFile:
    hits = _hits_of(reading, Method.MASSCAN_SYN)
    done, started = read_masscan_binary(file.stream, hits.take)
    problem = file.damage or (_CUT_OFF if done.truncated else "")
    hits.finish(reading.scanned, started, cut_off=problem)
    began = hits.first if started is None else started
    return replace(_NOTHING_SAID, tool="masscan", started=began, ended=hits.last, problem=problem)


def _zmap(file: _Opened, reading: Reading) -> ImportedFile:
    # Somebody who scanned for one port does not always have it written down.
    said = {port for area in reading.scanned for port in _few(area.ports)}
    port = said.pop() if len(said) == 1 else None
    return _hits("zmap", Method.IMPORTED, partial(read_zmap, port=port))(file, reading)


def _few(ports: PortSet) -> tuple[int, ...]:
    """The ports, or two of them."""
    return tuple(islice(ports, 2))


def _nothing(file: _Opened, reading: Reading) -> ImportedFile:
    _hits_of(reading, Method.MASSCAN_SYN).finish(reading.scanned, cut_off=file.damage)
    return replace(_NOTHING_SAID, tool="masscan", problem=file.damage)


_CUT_OFF: Final = "the file has no proper end: its tool was stopped, or the file was cut off"
_MASSCAN: Final = ("masscan", Method.MASSCAN_SYN)
_READERS: Final[dict[FileFormat, _Reader]] = {
    FileFormat.NMAP_XML: _xml,
    FileFormat.MASSCAN_BINARY: _masscan_binary,
    FileFormat.MASSCAN_LIST: _hits(*_MASSCAN, read_masscan_list),
    FileFormat.MASSCAN_NDJSON: _hits(*_MASSCAN, read_masscan_ndjson),
    FileFormat.MASSCAN_JSON: _hits(*_MASSCAN, read_masscan_json),
    FileFormat.NAABU: _hits("naabu", Method.IMPORTED, read_naabu),
    FileFormat.ZMAP: _zmap,
    FileFormat.PORTPROOF: _document,
    FileFormat.NOTHING: _nothing,
}
DECIDED: Final = frozenset({FileFormat.PORTPROOF.value, FileFormat.PORTPROOF_XML.value})
"""Formats that bring verdicts along."""
