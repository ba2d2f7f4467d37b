"""Rows of the ledger as values, and back. Nothing here talks to a database."""

from __future__ import annotations

from sys import intern
from typing import Any

from pipeline.addresses import Address
from pipeline.model import (
    Aftermath,
    Endpoint,
    Hole,
    Observation,
    PortState,
    Protocol,
    Refusals,
    Task,
    TaskState,
)
from pipeline.ports import PortSet
from pipeline.store.records import (
    address_from_bytes,
    address_to_bytes,
    addresses_to_text,
    service_from_text,
    service_to_text,
)


def task_row(task: Task) -> dict[str, Any]:
    """A question that nobody has asked yet."""
    return {
        "batch": task.batch,
        "key": task.key,
        "stage": task.stage.value,
        "method": task.method.value,
        "purpose": task.purpose.value,
        "targets": addresses_to_text(task.targets.addresses),
        "protocol": task.protocol.value,
        "ports": str(task.ports),
        "vantage": task.vantage,
        "round": task.round,
        "not_before": task.not_before,
        "pace": task.pace,
        "state": TaskState.PLANNED.value,
        "attempt": 0,
        "failures": 0,
        "outcome": "",
        "argv": "[]",
        "evidence": "",
        "evidence_sha256": "",
    }


def observation_row(observation: Observation, task: int) -> dict[str, Any]:
    """What a task saw."""
    return {
        "task": task,
        "address": address_to_bytes(observation.endpoint.address),
        "protocol": observation.endpoint.protocol.value,
        "port": observation.endpoint.port,
        "state": observation.state.value,
        "reason": observation.reason,
        "time": observation.time,
        "ttl": observation.ttl,
        "source_port": observation.source_port,
        "aftermath": None if observation.aftermath is None else observation.aftermath.value,
        "banner": observation.banner,
        "service": service_to_text(observation.service),
    }


def endpoint_at(found: Any, address: Address) -> Endpoint:
    """The endpoint of a row, of which the address is known."""
    return Endpoint(address, Protocol(found.protocol), found.port)


def observation_of(found: Any, task: Task, endpoint: Endpoint) -> Observation:
    """The observation of a row, with what the task and the endpoint of many have in common."""
    return Observation(
        endpoint=endpoint,
        method=task.method,
        purpose=task.purpose,
        state=PortState(found.state),
        reason=intern(found.reason),
        time=found.time,
        round=task.round,
        ttl=found.ttl,
        source_port=found.source_port,
        aftermath=None if found.aftermath is None else Aftermath(found.aftermath),
        banner=found.banner,
        service=service_from_text(found.service),
        task=found.task,
        number=found.number,
    )


def hole_of(found: Any) -> Hole:
    """The hole of a row."""
    return Hole(
        address=address_from_bytes(found.address),
        ports=None if found.ports is None else PortSet.parse(found.ports),
        reason=found.reason,
    )


def refusals_of(found: Any) -> Refusals:
    """The refusals of a row."""
    return Refusals(address=address_from_bytes(found.address), ports=PortSet.parse(found.ports))
