"""Read any file: recognise it, hand its answers on, and say where they come from."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final, cast

from pipeline.errors import Error
from pipeline.files import sha256_of
from pipeline.importing.arguments import targets_of
from pipeline.importing.hits import Hits
from pipeline.importing.hosts import Hosts
from pipeline.importing.question import Interest, Scanned, Taker
from pipeline.model import Method, PortState
from pipeline.parse import ParseError
from pipeline.parse.formats import HEAD, FileFormat, recognise
from pipeline.parse.masscan import Hit, MasscanRun, read_masscan_ndjson
from pipeline.parse.masscan_binary import read_masscan_binary
from pipeline.parse.masscan_json import read_masscan_json
from pipeline.parse.masscan_list import read_masscan_list
from pipeline.parse.nmap_xml import HostResult, NmapRun, read_nmap_xml
from pipeline.parse.opening import PIECE, Opened, opened
from pipeline.plan import ImportedFile


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
    try:
        with opened(path) as (stream, content):
            head = stream.peek(HEAD)[:HEAD]
            name = recognise(head)
            told = _READERS[name](cast(BinaryIO, stream), reading, content)
        digest, size = sha256_of(path), path.stat().st_size
    except ParseError as error:
        where = f"{path}: {error.where}" if error.where and error.where != str(path) else str(path)
        raise ParseError(error.what, where=where, hint=error.hint) from None
    except OSError as error:
        raise Error(f"cannot read: {error.strerror}", where=str(path)) from None
    return replace(told, name=path.name, sha256=digest, size=size, format=name.value)


_NOTHING_SAID: Final = ImportedFile(name="", sha256="", size=0, format="")


# --- nmap's XML ----------------------------------------------------------------------------------


def _xml(stream: BinaryIO, reading: Reading, content: Opened) -> ImportedFile:
    # Scans, arguments and start stand above the first host, and decide what a host means.
    above = cast(io.BufferedReader, stream).peek(PIECE)
    first_host = above.find(b"<host")
    head = read_nmap_xml(io.BytesIO(above if first_host < 0 else above[:first_host]), _nobody)
    if head.scanner == "masscan":
        return _masscan_xml(stream, reading, content)
    hosts = Hosts(reading.place, head, reading.taker, reading.interest, reading.otherwise)
    run = read_nmap_xml(stream, hosts.take)
    problem = _problem(run, content)
    hosts.finish(run, cut_off=problem, wanted=targets_of(run.arguments))
    return replace(
        _NOTHING_SAID,
        tool=run.scanner,
        version=run.version,
        arguments=run.arguments,
        started=run.started,
        ended=run.ended,
        problem=problem,
    )


def _nobody(_: HostResult) -> None:
    pass


def _problem(run: NmapRun, content: Opened) -> str:
    if content.damage:
        return content.damage
    if run.truncated:
        return f"the file is cut off or damaged at {run.error}"
    if not run.complete:
        said = " ".join(run.error.split()) or "it does not say that it ended in success"
        return f"nmap did not finish: {said}"
    return ""


def _masscan_xml(stream: BinaryIO, reading: Reading, content: Opened) -> ImportedFile:
    hits = _hits_of(reading, Method.MASSCAN_SYN)

    def take(host: HostResult) -> None:
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

    run = read_nmap_xml(stream, take)
    hits.finish(reading.scanned, run.started)
    cut = f"the file is cut off or damaged at {run.error}" if run.truncated else ""
    return replace(
        _NOTHING_SAID,
        tool=run.scanner,
        version=run.version,
        arguments=run.arguments,
        started=run.started,
        ended=run.ended or hits.last,
        problem=content.damage or cut,
    )


# --- lists of hits -------------------------------------------------------------------------------


def _hits_of(reading: Reading, method: Method) -> Hits:
    return Hits(reading.place, method, reading.taker, reading.interest, reading.otherwise)


def _masscan(
    read: Callable[[BinaryIO, Callable[[Hit], None]], MasscanRun],
) -> Callable[[BinaryIO, Reading, Opened], ImportedFile]:
    def run(stream: BinaryIO, reading: Reading, content: Opened) -> ImportedFile:
        hits = _hits_of(reading, Method.MASSCAN_SYN)
        done = read(stream, hits.take)
        hits.finish(reading.scanned, None)
        return replace(
            _NOTHING_SAID,
            tool="masscan",
            started=hits.first,
            ended=hits.last,
            problem=content.damage or (_CUT_OFF if done.truncated else ""),
        )

    return run


def _masscan_binary(stream: BinaryIO, reading: Reading, content: Opened) -> ImportedFile:
    hits = _hits_of(reading, Method.MASSCAN_SYN)
    done, started = read_masscan_binary(stream, hits.take)
    hits.finish(reading.scanned, started)
    return replace(
        _NOTHING_SAID,
        tool="masscan",
        started=hits.first if started is None else started,
        ended=hits.last,
        problem=content.damage or (_CUT_OFF if done.truncated else ""),
    )


def _nothing(stream: BinaryIO, reading: Reading, content: Opened) -> ImportedFile:
    _hits_of(reading, Method.MASSCAN_SYN).finish(reading.scanned, None)
    return replace(_NOTHING_SAID, tool="masscan", problem=content.damage)


_CUT_OFF: Final = "the file has no proper end: its tool was stopped, or the file was cut off"
_READERS: Final[dict[FileFormat, Callable[[BinaryIO, Reading, Opened], ImportedFile]]] = {
    FileFormat.NMAP_XML: _xml,
    FileFormat.MASSCAN_BINARY: _masscan_binary,
    FileFormat.MASSCAN_LIST: _masscan(read_masscan_list),
    FileFormat.MASSCAN_NDJSON: _masscan(read_masscan_ndjson),
    FileFormat.MASSCAN_JSON: _masscan(read_masscan_json),
    FileFormat.NOTHING: _nothing,
}
