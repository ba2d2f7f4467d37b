"""Read a ``report.json`` that portproof wrote (``render/document_json.py``), endpoint by endpoint.

The sections of the document are walked in its order. What a later portproof adds is passed over;
what is not as it should be is left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Final

from pipeline.addresses import AddressSet, parse_address
from pipeline.model import (
    Aftermath,
    Endpoint,
    Hole,
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    Service,
    TaskState,
    Verdict,
    VerdictKind,
)
from pipeline.parse import ParseError, bounded
from pipeline.parse.json_stream import JsonStream, NotJson
from pipeline.ports import LAST_PORT, PortSet

FORMAT: Final = 1
MAX_TEXT: Final = 64 << 10
MAX_SCRIPTS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentTask:
    """A task of the run, as far as coverage goes."""

    number: int
    method: Method
    purpose: Purpose
    protocol: Protocol
    round: int
    addresses: AddressSet
    ports: PortSet
    state: TaskState
    started: float | None
    ended: float | None
    outcome: str


@dataclass(slots=True, kw_only=True)
class DocumentRun:
    """What the document says of the run as a whole, hostile like everything in a file.

    ``tasks`` and ``holes`` (with the number of their task) stand behind the endpoints, so a
    document that was cut off may have neither. ``truncated``: it does not end as it should.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    tasks: list[DocumentTask] = field(default_factory=list)
    holes: list[tuple[int, Hole]] = field(default_factory=list)
    endpoints: int = 0
    oddities: int = 0
    truncated: bool = True

    def fact(self, name: str) -> str:
        """One fact as a short text; empty where there is none."""
        value = self.facts.get(name)
        return _text(value, 256) if isinstance(value, str) else ""

    def time(self, name: str) -> float | None:
        """One fact as a time."""
        return _time(self.facts.get(name))


OnEndpoint = Callable[[Verdict, tuple[Observation, ...]], None]


def read_document(stream: BinaryIO, on_endpoint: OnEndpoint) -> DocumentRun:
    """Hand every endpoint of ``stream`` to ``on_endpoint``: its verdict, and what it rests on.

    Raises ``ParseError`` for a document of a later format, and for a hostile one.
    """
    json = JsonStream(stream)
    run = DocumentRun()
    try:
        if json.peek() != "{":
            raise ParseError("this is no report of portproof")
        json.skip()
        while (character := json.peek()) and character != "}":
            name = json.value()
            if json.peek() != ":":
                return run
            json.skip()
            _section(name, json, run, on_endpoint)
    except NotJson:
        return run
    run.truncated = json.peek() != "}"
    return run


def _section(name: Any, json: JsonStream, run: DocumentRun, on_endpoint: OnEndpoint) -> None:
    if name == "endpoints":
        _each(json, lambda item: _take_endpoint(item, run, on_endpoint))
    elif name == "tasks":
        _each(json, lambda item: _take_task(item, run))
    elif json.peek() == "[":
        _each(json, lambda item: None)
    else:
        value = json.value()
        if name == "format" and value != FORMAT:
            raise ParseError(
                f"the report has format {value!r:.40}, and this version knows {FORMAT}",
                hint="upgrade portproof",
            )
        if name == "run" and isinstance(value, dict):
            run.facts = value
        if name == "coverage" and isinstance(value, dict):
            _take_holes(value.get("holes"), run)


def _each(json: JsonStream, take: Callable[[Any], None]) -> None:
    if json.peek() != "[":
        raise NotJson(cut_off=False)
    json.skip()
    while (character := json.peek()) and character != "]":
        take(json.value())
    if not character:
        raise NotJson(cut_off=True)
    json.skip()


def _take_endpoint(item: Any, run: DocumentRun, on_endpoint: OnEndpoint) -> None:
    try:
        endpoint = _endpoint(item)
        service = _service(item.get("service_details"))
        verdict = Verdict(
            endpoint=endpoint,
            kind=VerdictKind(item["verdict"]),
            reason=_text(str(item["reason"]), 80),
            confidence=min(1.0, max(0.0, float(item["confidence"]))),
            service=service,
        )
        evidence = tuple(_observation(endpoint, said, service) for said in item["evidence"])
    except (KeyError, TypeError, ValueError, AttributeError):
        run.oddities += 1
        return
    run.endpoints += 1
    on_endpoint(verdict, evidence)


def _endpoint(item: Any) -> Endpoint:
    port = item["port"]
    if type(port) is not int or not 1 <= port <= LAST_PORT:
        raise ValueError(port)
    return Endpoint(parse_address(item["address"]), Protocol(item["protocol"]), port)


def _observation(endpoint: Endpoint, said: Any, service: Service | None) -> Observation:
    method = Method(said["method"])
    aftermath, ttl, source_port = (said.get(n) for n in ("aftermath", "ttl", "source_port"))
    known = service is not None and said.get("service") == (service.label or None)
    return Observation(
        endpoint=endpoint,
        method=method,
        purpose=Purpose(said["purpose"]),
        state=PortState(said["state"]),
        reason=_text(str(said["reason"]), 80),
        time=_time(said["time"]) or 0.0,
        round=_whole(said["round"]),
        ttl=_whole(ttl) if ttl is not None else None,
        source_port=_whole(source_port) if source_port is not None else None,
        aftermath=Aftermath(aftermath) if aftermath is not None else None,
        banner=_text(str(said.get("banner") or ""), MAX_TEXT),
        # Only the label is kept with an observation; the whole stands once, with the verdict.
        service=service if method is Method.NMAP_VERSION and known else None,
        task=_whole(said["task"]),
    )


def _service(said: Any) -> Service | None:
    if said is None:
        return None
    texts = {
        name: _text(str(said.get(name) or ""), MAX_TEXT)
        for name in ("name", "product", "version", "extra", "tunnel", "hostname", "method")
    }
    return Service(
        **texts,
        banner=_text(str(said.get("banner") or ""), MAX_TEXT),
        confidence=min(10, _whole(said.get("confidence") or 0)),
        cpes=tuple(_text(str(cpe), MAX_TEXT) for cpe in said.get("cpes") or ())[:MAX_SCRIPTS],
        scripts=tuple(
            (_text(str(s["id"]), 256), _text(str(s["output"]), MAX_TEXT))
            for s in said.get("scripts") or ()
        )[:MAX_SCRIPTS],
    )


def _take_task(item: Any, run: DocumentRun) -> None:
    try:
        run.tasks.append(
            DocumentTask(
                number=_whole(item["number"]),
                method=Method(item["method"]),
                purpose=Purpose(item["purpose"]),
                protocol=Protocol(item["protocol"]),
                round=_whole(item["round"]),
                addresses=AddressSet.parse(item["addresses"]),
                ports=PortSet.parse(item["ports"]) if item["ports"] else PortSet(),
                state=TaskState(item["state"]),
                started=_time(item.get("started")),
                ended=_time(item.get("ended")),
                outcome=_text(str(item.get("outcome") or ""), 4096),
            )
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        run.oddities += 1


def _take_holes(items: Any, run: DocumentRun) -> None:
    for item in items if isinstance(items, list) else ():
        try:
            ports = item["ports"]
            hole = Hole(
                address=parse_address(item["address"]),
                ports=None if ports is None else PortSet.parse(ports),
                reason=_text(str(item["reason"]), 256),
            )
            run.holes.append((_whole(item["task"]), hole))
        except (KeyError, TypeError, ValueError, AttributeError):
            run.oddities += 1


def _text(text: str, limit: int) -> str:
    """Half a surrogate pair is legal in JSON and cannot be stored."""
    return bounded(text.encode("utf-8", "replace").decode("utf-8"), limit)


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise ValueError(value)
    return value


def _time(value: Any) -> float | None:
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        return datetime.fromisoformat(value).timestamp()
    except (ValueError, OverflowError):
        return None
