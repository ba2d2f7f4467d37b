"""Questions by UDP, each in the protocol of its port: what they cost, and what the answers say."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable
from functools import partial

from pipeline import wire
from pipeline.budget import Demand, Lease
from pipeline.datagrams import TOKEN_SIZE, questions_for
from pipeline.decide.fragile import is_fragile
from pipeline.model import (
    Aftermath,
    Answer,
    Endpoint,
    Hole,
    Observation,
    PortState,
    Purpose,
    Task,
)
from pipeline.plan import Policy
from pipeline.scope import Scope

_NOTHING_TO_ASK = (b"",)
"""What a port gets that no protocol belongs to: an empty datagram asks whether it is closed."""
_BANNER = 200


def demand(task: Task, _: Policy) -> Demand:
    """Packets that a task would send, worst case."""
    to_a_host = len(task.ports) * wire.PACKETS_PER_EXCHANGE
    return Demand(
        hosts=task.targets.addresses,
        packets=task.targets.addresses.size * to_a_host,
        packets_to_a_host=to_a_host,
        sweep=task.purpose is Purpose.SWEEP,
        spread=True,
    )


def questioning(port: int, *, guess: bool, fragile: bool = False) -> wire.Questioning:
    """The requests for one exchange with a port, with fresh random numbers in them.

    ``guess`` allows the usual community of an SNMP agent; a ``fragile`` port is asked nothing.
    """
    token = secrets.token_bytes(TOKEN_SIZE)
    questions = () if fragile else questions_for(port, guess=guess)

    def told(reply: bytes) -> str | None:
        answers = (question.answer(reply, token) for question in questions)
        return next((answer for answer in answers if answer is not None), None)

    requests = tuple(question.request(token) for question in questions)
    return wire.Questioning(requests=requests or _NOTHING_TO_ASK, told=told)


def _question(policy: Policy, port: int, *, fragile: bool) -> wire.Questioning:
    return questioning(port, guess=port not in policy.no_guess_ports, fragile=fragile)


async def ask(
    task: Task,
    policy: Policy,
    lease: Lease,
    *,
    scope: Callable[[], Scope],
    at_once: int,
    stop: asyncio.Event,
) -> Answer:
    """Ask every endpoint of a task, ``at_once`` at a time; what is not admitted is a hole."""
    seen: list[Observation] = []
    holes: list[Hole] = []

    def take(result: wire.DatagramResult | Hole) -> None:
        if isinstance(result, Hole):
            holes.append(result)
        elif task.purpose is not Purpose.SWEEP or result.state is PortState.OPEN:
            seen.append(_observation(task, result))

    pace = wire.Pacer(
        lease.rate,
        lease.rate_per_host,
        packets=wire.PACKETS_PER_EXCHANGE,
        rate_per_network=lease.rate_per_network if lease.networks else None,
        network=policy.ceilings.network,
    )
    for version, fragile in itertools.product((4, 6), (False, True)):
        pairs = [
            (target, port)
            for target in task.targets.family(version)
            for port in task.ports
            if is_fragile(target.address, port, policy) is fragile
        ]
        if not pairs:
            continue
        source = policy.source_address
        # A socket cannot be bound to an address of the other family.
        ours = str(source) if source is not None and source.version == version else None
        await wire.exchanges(
            pairs,
            questioning=partial(_question, policy, fragile=fragile),
            pace=pace,
            at_most=at_once,
            stop=stop,
            on_result=take,
            scope=scope,
            source_address=ours,
            interface=policy.interface,
        )
    return Answer(
        observations=tuple(seen),
        holes=tuple(holes),
        complete=not stop.is_set(),
        problem="stopped" if stop.is_set() else "",
    )


def _observation(task: Task, result: wire.DatagramResult) -> Observation:
    """``data`` follows only when the reply is an answer to our question."""
    banner = result.told
    if banner is None:
        banner = result.reply[:_BANNER].decode("utf-8", "backslashreplace")
    return Observation(
        endpoint=Endpoint(result.target.address, task.protocol, result.port),
        method=task.method,
        purpose=task.purpose,
        state=result.state,
        reason=result.reason,
        time=result.ended,
        round=task.round,
        source_port=result.source_port,
        aftermath=None if result.told is None else Aftermath.DATA,
        banner=banner,
    )
