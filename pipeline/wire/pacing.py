"""When a packet may leave: turns at a rate, hosts in turn, and nothing once it is over."""

from __future__ import annotations

import asyncio
import heapq
import math
import select
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Final

from pipeline.addresses import Address, network_at, number_of
from pipeline.scope import Target

PACKETS_PER_HANDSHAKE: Final = 15
"""Packets that leave at most for one handshake, with the worst luck at every step.

That is 6 SYNs (one each second), 1 ACK, 4 times the newline, 3 times the FIN (both bounded by
``TCP_USER_TIMEOUT``) and 1 answer to what the peer says. Usual are 1 where the port is closed, 5
where somebody answers, 6 in a tarpit, and one for each second of silence. Not counted is what a
peer extorts by repeating itself: TCP answers each repeated SYN-ACK (RFC 9293, 3.10.7).
"""


class Pacer:
    """Gives turns so that packet rates hold in every second, in total and for each address.

    ``rate``, ``rate_per_host`` and ``rate_per_network`` (of networks with these prefix lengths of
    IPv4 and IPv6) are packets per second, each turn counted with ``packets``. Turns
    are evenly spaced from the moment a turn is really taken: after a stall nothing is caught up. At
    rates below one turn per second the turns are seconds apart, and only one turn's own packets lie
    closer together. One pacer may serve several callers at once. ``clock`` returns seconds and
    ``sleep`` waits for seconds.
    """

    def __init__(
        self,
        rate: float,
        rate_per_host: float | None = None,
        *,
        packets: int = PACKETS_PER_HANDSHAKE,
        rate_per_network: float | None = None,
        network: tuple[int, int] = (24, 64),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._spacing = _spacing(rate, packets)
        self._host_spacing = 0.0 if rate_per_host is None else _spacing(rate_per_host, packets)
        self._network_spacing = (
            0.0 if rate_per_network is None else _spacing(rate_per_network, packets)
        )
        self._network = network
        self._clock = clock
        self._sleep = sleep
        self._next = -math.inf
        self._next_of: dict[Address | int, float] = {}
        self._prune_at = 1024

    def due(self, address: Address) -> float:
        """When, on the pacer's clock, the next turn for an address may be taken."""
        due = max(self._next, self._next_of.get(address, -math.inf))
        if self._network_spacing:
            due = max(due, self._next_of.get(self._network_of(address), -math.inf))
        return due

    def _network_of(self, address: Address) -> int:
        return network_at(number_of(address), self._network)[0]

    def line_of(self, address: Address) -> Address | int:
        """Where an address waits: with its network, where that has turns of its own."""
        return self._network_of(address) if self._network_spacing else address

    async def turn(self, address: Address) -> None:
        """Wait for a turn for this address, and take it."""
        while (wait := self.due(address) - (now := self._clock())) > 0:
            await self._sleep(wait)
        self._next = now + self._spacing
        self._next_of[address] = now + self._host_spacing
        if self._network_spacing:
            self._next_of[self._network_of(address)] = now + self._network_spacing
        if len(self._next_of) >= self._prune_at:
            self._next_of = {a: then for a, then in self._next_of.items() if then > now}
            self._prune_at = max(1024, 2 * len(self._next_of))


def _spacing(rate: float, packets: int) -> float:
    """Seconds between two turns, so that whole turns fit into any second."""
    if not rate > 0:
        raise ValueError(f"a rate of {rate} packets per second sends nothing")
    each_second = rate / packets
    # A millionth more than needed outweighs the rounding of sums.
    return 1.000001 / (math.floor(each_second) if each_second >= 1 else each_second)


class Order:
    """Pairs in the order in which their hosts may be asked; ports of a host in the given order.

    Hosts that share the turns of their network stand in one line: while that has to wait, all of
    them do, and nobody else.
    """

    def __init__(self, pairs: Sequence[tuple[Target, int]], pace: Pacer) -> None:
        self._pace = pace
        self._ports: dict[Target, deque[int]] = {}
        for target, port in pairs:
            self._ports.setdefault(target, deque()).append(port)
        self._hosts: dict[Address | int, list[tuple[float, int, Target]]] = {}
        for number, target in enumerate(self._ports):
            line = self._hosts.setdefault(pace.line_of(target.address), [])
            line.append((-math.inf, number, target))
        self._lines = [(*hosts[0][:2], line) for line, hosts in self._hosts.items()]

    def __bool__(self) -> bool:
        return bool(self._lines)

    async def next(self) -> tuple[Target, int]:
        """The next pair, when its turn has come."""
        pace = self._pace
        *_, line = heapq.heappop(self._lines)
        hosts = self._hosts[line]
        _, number, target = heapq.heappop(hosts)
        await pace.turn(target.address)
        ports = self._ports[target]
        port = ports.popleft()
        if ports:
            heapq.heappush(hosts, (pace.due(target.address), number, target))
        if hosts:
            _, number, first = hosts[0]
            heapq.heappush(self._lines, (pace.due(first.address), number, line))
        return target, port


async def in_turn(
    pairs: Sequence[tuple[Target, int]],
    *,
    pace: Pacer,
    at_most: int,
    stop: asyncio.Event | None,
    ask: Callable[[Target, int], Coroutine[None, None, None]],
) -> None:
    """Ask every pair when its turn has come, ``at_most`` at a time, hosts in turn.

    Once ``stop`` is set nothing more is sent: what is under way is dropped, like what was not
    begun. Raises what ``ask`` raises.
    """

    async def ask_all() -> None:
        places = asyncio.Semaphore(at_most)
        order = Order(pairs, pace)
        async with asyncio.TaskGroup() as group:
            while order:
                await places.acquire()
                task = group.create_task(ask(*await order.next()))
                task.add_done_callback(lambda _: places.release())

    await _until(stop or asyncio.Event(), asyncio.create_task(ask_all()))


async def _until(stop: asyncio.Event, work: asyncio.Task[None]) -> None:
    """Wait for the work, or drop it when ``stop`` is set; raise the first thing that failed."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        work.cancel()
        await asyncio.gather(work, stopping, return_exceptions=True)
    if not work.cancelled() and (problem := work.exception()) is not None:
        raise problem.exceptions[0] if isinstance(problem, ExceptionGroup) else problem


async def ready(sock: socket.socket, *, writing: bool, timeout: float) -> bool:
    """Wait until the socket can be written or read, or has failed; false after ``timeout``.

    What had come by then counts, also where this process was too busy to look before.
    """
    if timeout <= 0:
        return False
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    (loop.add_writer if writing else loop.add_reader)(sock, ready.set)
    try:
        async with asyncio.timeout(timeout):
            await ready.wait()
    except TimeoutError:
        # After a stall both are due, and the timeout wins although the answer was first.
        return ready.is_set()
    finally:
        (loop.remove_writer if writing else loop.remove_reader)(sock)
    return True


def ready_at_once(sock: socket.socket, seconds: float) -> bool:
    """Wait until the socket can be written or has failed, with everything else at a standstill."""
    poller = select.poll()
    poller.register(sock, select.POLLOUT)
    return bool(poller.poll(1000 * seconds))
