"""Read the verdicts and the coverage back out of nmap XML that portproof itself has written.

What any reader of nmap's format understands is for :mod:`pipeline.parse.nmap_xml`; this reads only
what we added: the output of the scripts of ``render/nmap_scripts.py``. A verdict comes back as it
was, to the letter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO, Final

from pydantic import TypeAdapter, ValidationError

from pipeline.addresses import Address, AddressSet, parse_address
from pipeline.model import Endpoint, Method, Protocol, Rectangle, Service, Verdict, VerdictKind
from pipeline.parse import ParseError, bounded
from pipeline.parse.safe_xml import Attributes, SafeXml
from pipeline.ports import PortSet
from pipeline.render.nmap_scripts import COVERAGE, FORMAT, RUN, UNKNOWN, VERDICT, is_ours

MAX_TEXT: Final = 8 << 20
"""Characters of one script or row; the addresses that one rectangle covers are the longest."""
MAX_VERDICTS: Final = 1 << 17
"""Of one host: every port of both protocols."""
_MAX_KEYS: Final = 64
_MAX_ODDITY: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRun:
    """What a file of ours says about its run.

    ``facts`` are those of ``portproof-run``: ``run``, ``client``, ``engagement``, ``state``,
    ``started`` and ``ended`` (RFC 3339) and more, hostile as everything in a file. ``asked`` is
    what the run asked: an endpoint in none of these was not. It stands at the end of a file, so a
    truncated one has none. ``oddities`` counts what could not be understood.
    """

    facts: Mapping[str, str]
    asked: tuple[Rectangle, ...]
    verdicts_read: int
    truncated: bool
    error: str
    oddities: int
    oddity: str


def read_own_xml(stream: BinaryIO, on_verdict: Callable[[Verdict], None]) -> OwnRun:
    """Hand every verdict of every finished host of ``stream`` to ``on_verdict``, in file order.

    Damage is not an error: the answer says ``truncated``. Raises ``ParseError`` for a file that
    portproof did not write, or a later portproof in a way that this one does not know.
    """
    return _Reader(on_verdict).read(stream)


class _Reader:
    """One pass over one document."""

    def __init__(self, on_verdict: Callable[[Verdict], None]) -> None:
        self._on_verdict = on_verdict
        elem = {"elem": self._start_elem}
        end_elem = {"elem": self._end_elem}
        self._xml = SafeXml(
            root="nmaprun",
            starts={
                1: {"nmaprun": self._start_nmaprun},
                2: {"host": self._start_host},
                3: {"address": self._start_address, "script": self._start_script},
                4: {**elem, "table": self._start_table, "port": self._start_port}
                | {"script": self._start_script},
                5: {"table": self._start_row, "script": self._start_script},
                6: elem,
            },
            ends={
                2: {"host": self._end_host},
                3: {"script": self._end_script},
                4: {**end_elem, "script": self._end_script, "port": self._end_port},
                5: {"table": self._end_row, "script": self._end_script},
                6: end_elem,
            },
        )
        self._run: dict[str, str] = {}
        self._asked: list[Rectangle] = []
        self._verdicts: list[Verdict] = []
        self._address: Address | None = None
        self._where = ""
        self._script = ""
        self._section = ""
        self._facts: dict[str, str] = {}
        self._key = ""
        self._pieces: list[str] = []
        self._length = 0
        self._read = 0
        self._oddities = 0
        self._oddity = ""

    def read(self, stream: BinaryIO) -> OwnRun:
        damage = self._xml.read(stream)
        if not self._run and not damage:
            raise ParseError(f"the file does not say of which run it is: {RUN} is missing")
        return OwnRun(
            facts=self._run,
            asked=() if damage else tuple(self._asked),
            verdicts_read=self._read,
            truncated=bool(damage),
            error=damage,
            oddities=self._oddities,
            oddity=self._oddity,
        )

    def _odd(self, what: str) -> None:
        self._oddities += 1
        if not self._oddity:
            self._oddity = f"{self._xml.here()}: {bounded(what, _MAX_ODDITY)}"

    def _start_nmaprun(self, attributes: Attributes) -> None:
        if not is_ours(attributes.get("args", "")):
            raise ParseError("portproof did not write this file", where=self._xml.here())

    # Hosts and ports.

    def _start_host(self, _: Attributes) -> None:
        self._address, self._verdicts = None, []

    def _start_address(self, attributes: Attributes) -> None:
        if self._address is None and attributes.get("addrtype") != "mac":
            try:
                self._address = parse_address(attributes.get("addr", ""))
            except ValueError as bad:
                self._odd(str(bad))

    def _start_port(self, attributes: Attributes) -> None:
        self._where = f"{attributes.get('portid', '')}/{attributes.get('protocol', '')}"

    def _end_port(self) -> None:
        self._where = ""

    def _end_host(self) -> None:
        for verdict in self._verdicts:
            self._on_verdict(verdict)
        self._read += len(self._verdicts)
        self._verdicts = []

    # Scripts: elements with keys, and tables of them.

    def _start_script(self, attributes: Attributes) -> None:
        self._script = attributes.get("id", "")
        self._facts, self._length = {}, 0

    def _end_script(self) -> None:
        if self._script == RUN:
            self._keep_run()
        elif self._script == VERDICT and self._where:
            self._keep_verdict(self._where)
        self._script = self._section = ""

    def _start_table(self, attributes: Attributes) -> None:
        self._section = attributes.get("key", "")

    def _start_row(self, attributes: Attributes) -> None:
        self._facts, self._length = {}, 0
        if self._script == UNKNOWN:
            self._where = attributes.get("key", "")

    def _end_row(self) -> None:
        if self._script == UNKNOWN:
            self._keep_verdict(self._where)
            self._where = ""
        elif self._script == COVERAGE and self._section == "asked":
            self._keep_rectangle()

    def _start_elem(self, attributes: Attributes) -> None:
        self._key = attributes.get("key", "")
        if self._script and self._key and len(self._facts) < _MAX_KEYS:
            self._pieces = []
            self._xml.on_text(self._take)

    def _take(self, text: str) -> None:
        self._length += len(text)
        if self._length > MAX_TEXT:
            raise self._xml.hostile(f"a script of more than {MAX_TEXT} characters")
        self._pieces.append(text)

    def _end_elem(self) -> None:
        self._xml.on_text(None)
        if self._script and self._key:
            self._facts[self._key] = "".join(self._pieces)
        self._key = ""

    # What they mean.

    def _keep_run(self) -> None:
        if self._facts.get("format") != str(FORMAT):
            raise ParseError(
                "a later portproof wrote this file",
                where=self._xml.here(),
                hint="update portproof",
            )
        self._run = self._facts

    def _keep_verdict(self, where: str) -> None:
        if len(self._verdicts) >= MAX_VERDICTS:
            raise self._xml.hostile(f"more than {MAX_VERDICTS} verdicts on one host")
        try:
            self._verdicts.append(_verdict(self._address, where, self._facts))
        except (ValueError, KeyError) as problem:
            self._odd(f"a verdict on {where} that cannot be understood: {problem}")

    def _keep_rectangle(self) -> None:
        try:
            self._asked.append(
                Rectangle(
                    Method(self._facts["method"]),
                    Protocol(self._facts["protocol"]),
                    AddressSet.parse(self._facts["addresses"].split(",")),
                    PortSet.parse(self._facts["ports"]),
                )
            )
        except (ValueError, KeyError) as problem:
            self._odd(f"something asked that cannot be understood: {problem}")


@cache
def _services() -> TypeAdapter[Service]:
    return TypeAdapter(Service)


def _verdict(address: Address | None, where: str, facts: Mapping[str, str]) -> Verdict:
    """Raises ``ValueError`` or ``KeyError`` for what we do not write."""
    if address is None:
        raise ValueError("the host has no address")
    port, _, protocol = where.partition("/")
    endpoint = Endpoint.parse(f"{f'[{address}]' if address.version == 6 else address}:{port}")
    confidence = float(facts["confidence"])
    if not 0 <= confidence <= 1:
        raise ValueError(f"no confidence: {confidence}")
    numbers = facts["observations"]
    service = facts.get("service")
    try:
        said = _services().validate_json(service) if service is not None else None
    except ValidationError as bad:
        raise ValueError(f"no service: {bad.errors()[0]['msg']}") from None
    return Verdict(
        endpoint=Endpoint(endpoint.address, Protocol(protocol), endpoint.port),
        kind=VerdictKind(facts["verdict"]),
        reason=facts["reason"],
        confidence=confidence,
        observations=tuple(map(int, numbers.split(","))) if numbers else (),
        service=said,
    )
