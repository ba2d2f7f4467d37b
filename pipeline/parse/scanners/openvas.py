"""Read reports of Greenbone and OpenVAS in XML.

``report/results/result``, once or twice wrapped, as the report or the answer of GMP has it
(docs.greenbone.net, "Greenbone Management Protocol"). A result without a severity is no finding,
but shows that the port was assessed; a severity below zero is a false positive or an error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import BinaryIO, Final

from pipeline.decide.risk_rules import Severity
from pipeline.decide.vulnerabilities import Scanner, severity_of
from pipeline.parse.safe_xml import Attributes, SafeXml
from pipeline.parse.scanners import (
    Found,
    ScanRead,
    Sink,
    cves_of,
    moment,
    score,
    spot_of,
    title_of,
)

ROOTS: Final = ("report", "get_reports_response")
_WRAPPED: Final = (1, 2, 3)
"""How deep the element may be that holds the results."""
_LONGEST: Final = 2000
_OF_RESULT: Final = ("host", "port", "severity", "creation_time", "name")
_OF_REPORT: Final = ("scan_start", "scan_end")


class _Reader:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._result: dict[str, str] | None = None
        self._cves: list[str] = []
        self._ident = ""
        self._piece: list[str] = []
        self._room = 0
        self.started: float | None = None
        self.ended: float | None = None
        self.oddities = 0

    def read(self, stream: BinaryIO, root: str) -> ScanRead:
        starts: dict[int, dict[str, Callable[[Attributes], None]]] = {}
        ends: dict[int, dict[str, Callable[[], None]]] = {}
        for depth in _WRAPPED:
            for name in _OF_REPORT:
                self._text_at(starts, ends, depth + 1, name, partial(self._time, name))
            # Where the hosts of the report stand, whether or not anything was found there.
            self._text_at(starts, ends, depth + 2, "ip", self._host)
            starts.setdefault(depth + 2, {})["result"] = self._begin_result
            ends.setdefault(depth + 2, {})["result"] = self._end_result
            for name in _OF_RESULT:
                self._text_at(starts, ends, depth + 3, name, partial(self._keep, name))
            starts.setdefault(depth + 3, {})["nvt"] = self._nvt
            for name in ("hostname", "asset"):
                self._text_at(starts, ends, depth + 4, name, partial(self._keep, name))
            self._text_at(starts, ends, depth + 4, "cve", self._old_cves)
            self._text_at(starts, ends, depth + 4, "name", partial(self._keep, "nvt"))
            starts.setdefault(depth + 5, {})["ref"] = self._reference
        self._xml = SafeXml(root=root, starts=starts, ends=ends)
        problem = self._xml.read(stream)
        return ScanRead(
            scanner=Scanner.OPENVAS,
            started=self.started,
            ended=self.ended,
            problem=problem,
            oddities=self.oddities,
        )

    def _text_at(
        self,
        starts: dict[int, dict[str, Callable[[Attributes], None]]],
        ends: dict[int, dict[str, Callable[[], None]]],
        depth: int,
        name: str,
        take: Callable[[str], None],
    ) -> None:
        starts.setdefault(depth, {})[name] = self._begin_text
        ends.setdefault(depth, {})[name] = partial(self._end_text, take)

    def _begin_text(self, _: Attributes) -> None:
        if self._piece and self._result is not None:
            # A host's address stands before the elements within it.
            self._result.setdefault("host", "".join(self._piece).strip())
        self._piece, self._room = [], _LONGEST
        self._xml.on_text(self._heard)

    def _heard(self, text: str) -> None:
        if self._room > 0:
            self._piece.append(text[: self._room])
            self._room -= len(text)

    def _end_text(self, take: Callable[[str], None]) -> None:
        self._xml.on_text(None)
        text, self._piece = "".join(self._piece).strip(), []
        take(text)

    def _time(self, name: str, text: str) -> None:
        if self._result is None:
            if name == "scan_start":
                self.started = self.started or moment(text)
            else:
                self.ended = self.ended or moment(text)

    def _host(self, text: str) -> None:
        spot = spot_of(text, "", 0) if self._result is None else None
        if spot is not None:
            self._sink.assessed(spot)

    def _begin_result(self, _: Attributes) -> None:
        self._result, self._cves, self._ident = {}, [], ""

    def _keep(self, name: str, text: str) -> None:
        if self._result is not None and text:
            self._result.setdefault(name, text)

    def _nvt(self, attributes: Attributes) -> None:
        if self._result is not None:
            self._ident = attributes.get("oid", "")

    def _reference(self, attributes: Attributes) -> None:
        if self._result is not None and attributes.get("type", "").lower() == "cve":
            self._cves.append(attributes.get("id", ""))

    def _old_cves(self, text: str) -> None:
        if self._result is not None:
            self._cves += text.split(",")

    def _end_result(self) -> None:
        result, self._result = self._result, None
        if result is None:
            return
        port, _, protocol = result.get("port", "").partition("/")
        spot = spot_of(result.get("host", ""), protocol, port)
        if spot is None:
            self.oddities += 1
            return
        self._sink.assessed(spot)
        cvss = score(result.get("severity", ""))
        if cvss is None or severity_of(cvss) is Severity.INFO:
            return
        self._sink.found(
            Found(
                spot=spot,
                ident=title_of(self._ident),
                title=title_of(result.get("name") or result.get("nvt", "")),
                severity=severity_of(cvss),
                cvss=cvss,
                cves=cves_of(self._cves),
                seen=moment(result.get("creation_time")) or self.ended or self.started,
                published=None,
            )
        )


def read_openvas(stream: BinaryIO, sink: Sink, root: str = "report") -> ScanRead:
    """Hand over everything in the file. Raises ``ParseError`` for what is hostile."""
    return _Reader(sink).read(stream, root)
