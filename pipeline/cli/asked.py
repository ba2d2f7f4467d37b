"""What a run knows about an endpoint, or an address, that it has no verdict on."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.addresses import Address, parse_address
from pipeline.cli.endpoints import read_endpoint
from pipeline.decide.coverage import Coverage
from pipeline.errors import NotAdmitted, UsageError
from pipeline.model import Endpoint, Protocol, RunState, TaskRecord, TaskState
from pipeline.plan import RunPlan
from pipeline.ports import PortSet
from pipeline.render.document import RunDocument
from pipeline.render.text import counted, listed
from pipeline.render.words import METHODS


def without_verdict(text: str, plan: RunPlan, document: RunDocument) -> str:
    """That it was asked, by which methods, and that nobody called it open.

    ``text`` is ``ADDRESS:PORT`` or ``ADDRESS``, or has a name of the engagement for the address.
    Raises :class:`UsageError` when it was not asked, with the reason as far as it can be told.
    """
    names = dict(plan.names)
    address = _whole_address(names.get(text, (text,))[0])
    if address is not None:
        return _of_address(address, plan, document)
    endpoint = read_endpoint(text, names)
    if Coverage(document.tasks, document.holes).asked(endpoint):
        asked = [r for r in _settled(document, endpoint.address) if _asks(r, endpoint)]
        return f"{endpoint}\n  asked by {_methods(asked)}, and nobody called it open"
    ports = plan.policy.ports if endpoint.protocol is Protocol.TCP else plan.policy.udp_ports
    among = endpoint.port in ports
    raise _not_asked(text, endpoint.address, plan, document, among_the_ports=among)


def _of_address(address: Address, plan: RunPlan, document: RunDocument) -> str:
    asked = _settled(document, address)
    gave_up = [(n, h.ports) for n, h in document.holes if h.address == address]
    ports: dict[Protocol, PortSet] = {}
    for record in asked:
        whole = record.task.ports
        for number, some in gave_up:
            if number == record.number:
                whole -= whole if some is None else some
        ports[record.task.protocol] = ports.get(record.task.protocol, PortSet()) | whole
    told = [counted(len(s), f"{protocol.upper()} port") for protocol, s in ports.items() if s]
    if not told:
        raise _not_asked(str(address), address, plan, document, among_the_ports=True)
    return (
        f"{address}\n  asked on {listed(told)} by {_methods(asked)}, and nobody called any of them "
        "open"
    )


def _not_asked(
    text: str, address: Address, plan: RunPlan, document: RunDocument, *, among_the_ports: bool
) -> UsageError:
    if plan.imported:
        why = "the files that it was imported from do not say so"
        return UsageError(f"run {document.run} has no verdict on {text}, and did not ask", hint=why)
    try:
        plan.scope.admit(address)
    except NotAdmitted as error:
        why = error.what
    else:
        if not among_the_ports:
            why = f"the run asks about ports {document.ports}"
        elif document.state is not RunState.COMPLETE:
            why = "the run is not finished, and has not come to it yet"
        else:
            why = "the tools gave up on it; the report says why under what was not covered"
    return UsageError(f"run {document.run} has no verdict on {text}, and did not ask", hint=why)


def _settled(document: RunDocument, address: Address) -> list[TaskRecord]:
    return [
        record
        for record in document.tasks
        if record.state is TaskState.SETTLED and address in record.task.targets
    ]


def _asks(record: TaskRecord, endpoint: Endpoint) -> bool:
    task = record.task
    return task.protocol is endpoint.protocol and endpoint.port in task.ports


def _methods(records: Iterable[TaskRecord]) -> str:
    return listed(list(dict.fromkeys(METHODS[record.task.method] for record in records)))


def _whole_address(text: str) -> Address | None:
    """The address, when there is nothing but an address."""
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return parse_address(inner)
    except ValueError:
        return None
