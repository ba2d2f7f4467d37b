"""The evidence of an imported run in parts of whole hosts: memory does not grow with the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Select, func, select

from pipeline.ledger import Ledger
from pipeline.model import (
    Aftermath,
    Batch,
    Endpoint,
    Evidence,
    Observation,
    PortState,
    Protocol,
    Task,
    TaskRecord,
)
from pipeline.ports import PortSet
from pipeline.store import schema
from pipeline.store.records import RunRecord, address_from_bytes, service_from_text
from pipeline.store.runs import Store

AT_MOST: Final = 20_000
"""Observations, after which a part ends with its host."""

_COLUMNS: Final = (
    *("address", "protocol", "port", "state", "reason", "time", "ttl", "source_port", "aftermath"),
    *("banner", "service", "task", "number"),
)
_STATES: Final = {state.value: state for state in PortState}


def by_hosts(store: Store, run: RunRecord, at_most: int = AT_MOST) -> Iterator[Evidence]:
    """The observations of a run by address; each part has all tasks, but no holes or refusals."""
    tasks = Ledger(store, run).tasks()
    batch = Batch(
        number=0, targets=run.plan.scope.targets(), protocol=Protocol.TCP, ports=PortSet()
    )
    for heard in _parts(store, run.number, tasks, at_most):
        observations = {endpoint: tuple(some) for endpoint, some in heard.items()}
        yield Evidence(batch=batch, tasks=tasks, observations=observations)


def _parts(
    store: Store, run: int, tasks: Sequence[TaskRecord], at_most: int
) -> Iterator[dict[Endpoint, list[Observation]]]:
    by_number = {record.number: record.task for record in tasks}
    part: dict[Endpoint, list[Observation]] = {}
    heard: list[Observation] = []
    where, place, count = None, (b"", "", 0), 0
    with store.reading() as connection:
        for address, protocol, port, *said in connection.execute(_query(run)):
            if where is None or place != (address, protocol, port):
                host = where.address if where and place[0] == address else None
                if host is None and count >= at_most:
                    yield part
                    part, count = {}, 0
                place = address, protocol, port
                where = Endpoint(host or address_from_bytes(address), Protocol(protocol), port)
                part[where] = heard = []
            heard.append(_observation(where, by_number[said[-2]], said))
            count += 1
    if part:
        yield part


def _query(run: int) -> Select[Any]:
    table = schema.observations.c
    return (
        select(*(table[name] for name in _COLUMNS))
        .join(schema.tasks, schema.tasks.c.number == table.task)
        .where(schema.tasks.c.run == run)
        .order_by(func.length(table.address), table.address, table.protocol, table.port)
        .order_by(table.number)
    )


def _observation(where: Endpoint, asked: Task, said: Sequence[Any]) -> Observation:
    """From the columns behind the endpoint."""
    state, reason, time, ttl, source_port, aftermath, banner, service, task, number = said
    return Observation(
        endpoint=where,
        method=asked.method,
        purpose=asked.purpose,
        state=_STATES[state],
        reason=reason,
        time=time,
        round=asked.round,
        ttl=ttl,
        source_port=source_port,
        aftermath=None if aftermath is None else Aftermath(aftermath),
        banner=banner,
        service=service_from_text(service),
        task=task,
        number=number,
    )
