"""Read what Nessus and its relatives export as ``.nessus`` (version 2).

``NessusClientData_v2/Report/ReportHost/ReportItem``, and the host's address in the tag ``host-ip``
of ``HostProperties`` (docs.tenable.com, "Nessus File Format"). An item of severity 0 is no finding,
but shows that the port was assessed; port 0 is the host.
"""

from __future__ import annotations

from functools import partial
from typing import BinaryIO, Final

from pipeline.decide.risk_rules import Severity
from pipeline.decide.vulnerabilities import Scanner
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

ROOT: Final = "NessusClientData_v2"
_SEVERITIES: Final = {
    "1": Severity.LOW,
    "2": Severity.MEDIUM,
    "3": Severity.HIGH,
    "4": Severity.CRITICAL,
}
_SCORES: Final = ("cvss4_base_score", "cvss3_base_score", "cvss_base_score")
_TEXTS: Final = (*_SCORES, "cve", "vuln_publication_date")
_LONGEST: Final = 200
_CLOCK: Final = "%a %b %d %H:%M:%S %Y"


class _Reader:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._host = ""
        self._address = ""
        self._seen: float | None = None
        self._item: Attributes | None = None
        self._texts: dict[str, list[str]] = {}
        self._piece: list[str] = []
        self._tag = ""
        self._told = False
        self.started: float | None = None
        self.ended: float | None = None
        self.oddities = 0

    def read(self, stream: BinaryIO) -> ScanRead:
        self._xml = SafeXml(
            root=ROOT,
            starts={
                3: {"ReportHost": self._begin_host},
                4: {"ReportItem": self._begin_item},
                5: {"tag": self._begin_tag, **dict.fromkeys(_TEXTS, self._begin_text)},
            },
            ends={
                3: {"ReportHost": self._end_host},
                4: {"ReportItem": self._end_item},
                5: {
                    "tag": self._end_tag,
                    **{name: partial(self._end_text, name) for name in _TEXTS},
                },
            },
        )
        problem = self._xml.read(stream)
        return ScanRead(
            scanner=Scanner.NESSUS,
            started=self.started,
            ended=self.ended,
            problem=problem,
            oddities=self.oddities,
        )

    def _begin_host(self, attributes: Attributes) -> None:
        self._host, self._address = attributes.get("name", ""), ""
        self._seen, self._told = None, False

    def _end_host(self) -> None:
        self._tell_host()

    def _tell_host(self) -> None:
        """Once, when its properties are known, and before its items."""
        if not self._told:
            self._told = True
            spot = spot_of(self._address or self._host, "", 0)
            if spot is not None:
                self._sink.assessed(spot)

    def _begin_tag(self, attributes: Attributes) -> None:
        self._tag = attributes.get("name", "")
        if self._tag in ("host-ip", "HOST_START", "HOST_END"):
            self._begin_text(attributes)

    def _end_tag(self) -> None:
        text = self._text()
        match self._tag:
            case "host-ip":
                self._address = text
            case "HOST_START":
                begun = moment(text, _CLOCK)
                self.started = min(filter(None, (self.started, begun)), default=None)
            case "HOST_END":
                self._seen = moment(text, _CLOCK)
                self.ended = max(filter(None, (self.ended, self._seen)), default=None)
            case _:
                pass

    def _begin_item(self, attributes: Attributes) -> None:
        self._tell_host()
        self._item, self._texts = attributes, {}

    def _begin_text(self, _: Attributes) -> None:
        self._piece = []
        self._xml.on_text(self._heard)

    def _heard(self, text: str) -> None:
        if sum(map(len, self._piece)) < _LONGEST:
            self._piece.append(text)

    def _text(self) -> str:
        self._xml.on_text(None)
        text, self._piece = "".join(self._piece)[:_LONGEST].strip(), []
        return text

    def _end_text(self, name: str) -> None:
        self._texts.setdefault(name, []).append(self._text())

    def _end_item(self) -> None:
        item, self._item = self._item, None
        if item is None:
            return
        spot = spot_of(self._address or self._host, item.get("protocol", ""), item.get("port", "0"))
        if spot is None:
            self.oddities += 1
            return
        self._sink.assessed(spot)
        severity = _SEVERITIES.get(item.get("severity", ""))
        if severity is None:
            return
        scores = (score(each) for name in _SCORES for each in self._texts.get(name, ()))
        self._sink.found(
            Found(
                spot=spot,
                ident=title_of(item.get("pluginID", "")),
                title=title_of(item.get("pluginName", "")),
                severity=severity,
                cvss=next(filter(None, scores), None),
                cves=cves_of(self._texts.get("cve", [])),
                seen=self._seen,
                published=moment(
                    "".join(self._texts.get("vuln_publication_date", ["", ""])[:1]), "%Y/%m/%d"
                ),
            )
        )


def read_nessus(stream: BinaryIO, sink: Sink) -> ScanRead:
    """Hand over everything in the file. Raises ``ParseError`` for what is hostile."""
    return _Reader(sink).read(stream)
