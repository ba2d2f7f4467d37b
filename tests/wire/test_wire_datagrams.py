"""Exchanges by UDP: what is an answer, what refuses, and what must not count."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import AddressSet
from pipeline.errors import NotAdmitted
from pipeline.model import Hole, PortState
from pipeline.scope import Scope
from pipeline.wire import (
    PACKETS_PER_EXCHANGE,
    SENDS,
    DatagramResult,
    Pacer,
    Questioning,
    exchange,
    exchanges,
)

SCOPE = Scope(included=AddressSet.parse(["127.0.0.0/8", "::1", "192.0.2.0/24"]))
HERE = "127.0.0.1"


def told(reply: bytes) -> str | None:
    """What answers the questions of these tests says so."""
    return reply.decode() if reply.startswith(b"answer") else None


ASKING = Questioning(requests=(b"question",), told=told)


@dataclass
class Responder(asyncio.DatagramProtocol):
    """Answers each datagram with what ``answers`` makes of it and of how many came before."""

    answers: Callable[[bytes, int], list[bytes]]
    heard: list[bytes] = field(default_factory=list)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.append(data)
        for answer in self.answers(data, len(self.heard)):
            self.transport.sendto(answer, addr)


@contextlib.asynccontextmanager
async def responder(
    answers: Callable[[bytes, int], list[bytes]], host: str = HERE
) -> AsyncIterator[tuple[int, Responder]]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Responder(answers), local_addr=(host, 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1], protocol
    finally:
        transport.close()


async def ask(port: int, host: str = HERE, questioning: Questioning = ASKING) -> DatagramResult:
    target = SCOPE.admit(ip_address(host))
    result = await exchange(target, port, questioning, scope=lambda: SCOPE)
    assert isinstance(result, DatagramResult), result
    return result


def of(result: DatagramResult) -> tuple[PortState, str, str | None, bytes, int]:
    return result.state, result.reason, result.told, result.reply, result.sends


# --- outcomes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [HERE, "::1"])
def test_an_answer_ends_the_exchange_at_once(host: str) -> None:
    async def run() -> None:
        async with responder(lambda *_: [b"answer 1"], host) as (port, peer):
            result = await ask(port, host)
            assert of(result) == (PortState.OPEN, "udp-response", "answer 1", b"answer 1", 1)
            assert peer.heard == [b"question"]
            assert result.ended - result.started < 0.5

    asyncio.run(run())


def test_the_question_is_repeated_and_several_take_turns() -> None:
    async def run() -> None:
        async with responder(lambda _, n: [b"answer"] if n == 3 else []) as (port, peer):
            asking = Questioning(requests=(b"one", b"two"), told=told)
            result = await ask(port, questioning=asking)
            assert (result.told, result.sends) == ("answer", 3)
            assert peer.heard == [b"one", b"two", b"one"]
            assert 1.9 < result.ended - result.started < 2.8

    asyncio.run(run())


def test_silence_is_never_called_open() -> None:
    async def run() -> None:
        async with responder(lambda *_: []) as (port, peer):
            result = await ask(port)
            assert of(result) == (PortState.OPEN_FILTERED, "no-response", None, b"", SENDS)
            assert len(peer.heard) == SENDS < PACKETS_PER_EXCHANGE

    asyncio.run(run())


@pytest.mark.parametrize("host", [HERE, "::1"])
def test_a_host_that_refuses_its_own_port_says_closed(host: str) -> None:
    async def run() -> None:
        with socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM
        ) as free:
            free.bind((host, 0))
            port = free.getsockname()[1]
        assert of(await ask(port, host)) == (PortState.CLOSED, "port-unreach", None, b"", 1)

    asyncio.run(run())


def test_another_reply_is_kept_and_does_not_pass_for_an_answer() -> None:
    async def run() -> None:
        async with responder(lambda _, n: [b"noise %d" % n]) as (port, peer):
            result = await ask(port)
            assert of(result) == (PortState.OPEN, "udp-response", None, b"noise 1", SENDS)
            assert len(peer.heard) == SENDS

    asyncio.run(run())


def test_an_answer_among_other_replies_is_found() -> None:
    async def run() -> None:
        async with responder(lambda *_: [b"noise", b"", b"answer"]) as (port, _):
            assert of(await ask(port))[2:] == ("answer", b"answer", 1)

    asyncio.run(run())


def test_who_answers_with_a_flood_is_not_asked_again() -> None:
    async def run() -> None:
        async with responder(lambda *_: [b"noise"] * 100) as (port, peer):
            assert of(await ask(port)) == (PortState.OPEN, "udp-response", None, b"noise", 1)
            assert len(peer.heard) == 1

    asyncio.run(run())


def test_an_empty_reply_is_a_reply() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind((HERE, 0))
            peer.setblocking(False)
            asking = asyncio.create_task(ask(peer.getsockname()[1]))
            _, where = await loop.sock_recvfrom(peer, 100)
            peer.sendto(b"", where)
            assert (await asking).state is PortState.OPEN

    asyncio.run(run())


def test_a_long_reply_is_cut() -> None:
    async def run() -> None:
        async with responder(lambda *_: [b"answer" + b"x" * 20_000]) as (port, _):
            assert len((await ask(port)).reply) == 4096

    asyncio.run(run())


def test_who_refuses_after_an_answer_does_not_unsay_it() -> None:
    """A service that ends between two of our questions: somebody was there."""

    async def run() -> None:
        closing: list[asyncio.DatagramTransport] = []

        def answer(_: bytes, number: int) -> list[bytes]:
            asyncio.get_running_loop().call_later(0.1, closing[0].close)
            return [b"noise"]

        async with responder(answer) as (port, peer):
            closing.append(peer.transport)
            assert of(await ask(port)) == (PortState.OPEN, "udp-response", None, b"noise", SENDS)

    asyncio.run(run())


# --- who may answer ----------------------------------------------------------------------------


@pytest.mark.parametrize("spoofing", ["another port", "another address"])
def test_an_answer_with_another_source_is_never_seen(spoofing: str) -> None:
    async def run() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((HERE if spoofing == "another port" else "127.0.0.2", 0))

            class Spoofing(Responder):
                def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                    super().datagram_received(data, addr)
                    other.sendto(b"answer", addr)

            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: Spoofing(lambda *_: []), local_addr=(HERE, 0)
            )
            result = await ask(transport.get_extra_info("sockname")[1])
            transport.close()
            assert of(result) == (PortState.OPEN_FILTERED, "no-response", None, b"", SENDS)

    asyncio.run(run())


@given(replies=st.lists(st.binary(max_size=80), min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_whatever_comes_back_is_a_result(replies: list[bytes]) -> None:
    async def run() -> DatagramResult:
        # One after the other, and then the answer, so that no example waits.
        async with responder(lambda *_: [*replies, b"answer"]) as (port, _):
            return await ask(port)

    result = asyncio.run(run())
    assert result.state is PortState.OPEN
    assert result.told is not None


# --- the scope and this machine ----------------------------------------------------------------


def test_nothing_is_sent_once_the_scope_does_not_admit_the_target() -> None:
    async def run() -> None:
        narrow = Scope(included=SCOPE.included, excluded=AddressSet.parse([HERE]))
        scopes = [SCOPE, narrow]
        async with responder(lambda *_: []) as (port, peer):
            target = SCOPE.admit(IPv4Address(HERE))
            with pytest.raises(NotAdmitted):
                await exchange(target, port, ASKING, scope=lambda: scopes.pop(0))
            assert peer.heard == [b"question"]

    asyncio.run(run())


def test_what_fails_on_this_machine_says_nothing_about_the_target() -> None:
    async def run() -> None:
        target = SCOPE.admit(IPv4Address(HERE))
        result = await exchange(
            target, 53, ASKING, scope=lambda: SCOPE, source_address="203.0.113.200"
        )
        assert isinstance(result, Hole)
        assert result.reason == "local-failure: EADDRNOTAVAIL"

    asyncio.run(run())


# --- many --------------------------------------------------------------------------------------


async def ask_many(ports: list[int], stop: asyncio.Event | None, rate: float) -> list[object]:
    seen: list[object] = []
    target = SCOPE.admit(IPv4Address(HERE))
    await exchanges(
        [(target, port) for port in ports],
        questioning=lambda _: ASKING,
        pace=Pacer(rate, None, packets=PACKETS_PER_EXCHANGE),
        at_most=64,
        stop=stop,
        on_result=seen.append,
        scope=lambda: SCOPE,
    )
    return seen


def test_a_pacer_of_exchanges_counts_every_send() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            peers = [
                await stack.enter_async_context(responder(lambda *_: [b"answer"]))
                for _ in range(11)
            ]
            began = loop.time()
            assert len(await ask_many([port for port, _ in peers], None, rate=80)) == 11
            # Eighty packets a second are twenty exchanges, whether or not all packets leave.
            assert 0.5 <= loop.time() - began < 2
            assert [peer.heard for _, peer in peers] == [[b"question"]] * 11

    asyncio.run(run())


def test_nothing_more_is_sent_once_it_is_stopped() -> None:
    async def run() -> None:
        stop = asyncio.Event()
        async with responder(lambda *_: []) as (port, peer):
            asyncio.get_running_loop().call_later(0.3, stop.set)
            assert await ask_many([port] * 8, stop, rate=1000) == []
            heard = len(peer.heard)
            await asyncio.sleep(1.2)
            assert len(peer.heard) == heard == 8

    asyncio.run(run())
