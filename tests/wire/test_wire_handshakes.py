"""What a handshake makes of the peers it meets, each played by a server on loopback."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import time
from typing import Any

import pytest

from pipeline.addresses import AddressSet, parse_address
from pipeline.errors import NotAdmitted
from pipeline.model import Aftermath, Hole, PortState
from pipeline.ports import PortSet
from pipeline.scope import Scope, Target
from pipeline.wire import HandshakeResult, Pacer, handshake, handshakes

from .peers import (
    Behaviour,
    closing,
    closing_when_spoken_to,
    closing_without_reading,
    hearing,
    peer,
    resetting,
    saying,
    silent,
)

SCOPE = Scope(included=AddressSet.parse(["127.0.0.0/8", "::1"]))
HERE = SCOPE.admit(parse_address("127.0.0.1"))


async def ask(target: Target, port: int, **changes: Any) -> HandshakeResult | Hole:
    how: dict[str, Any] = {
        "scope": lambda: SCOPE,
        "connect_timeout": 2.0,
        "listen": 0.2,
        "speak": True,
    }
    return await handshake(target, port, **{**how, **changes})


def meet(behave: Behaviour, **changes: Any) -> HandshakeResult:
    """One handshake with one peer; the peer has a moment to see its end."""

    async def both() -> HandshakeResult | Hole:
        async with peer(behave) as port:
            result = await ask(HERE, port, **changes)
            await asyncio.sleep(0.05)
            return result

    result = asyncio.run(both())
    assert isinstance(result, HandshakeResult)
    return result


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# --- aftermaths --------------------------------------------------------------------------------


def test_a_service_that_speaks_first_is_heard_and_not_spoken_to() -> None:
    heard: list[bytes] = []
    result = meet(saying(b"SSH-2.0-OpenSSH_9.2\r\n", then=hearing(heard)))
    assert (result.state, result.reason) == (PortState.OPEN, "syn-ack")
    assert result.aftermath is Aftermath.DATA
    assert result.banner == b"SSH-2.0-OpenSSH_9.2\r\n"
    assert not result.spoke
    assert heard == [b""], "it sees nothing but an orderly end"


def test_a_banner_in_pieces_is_put_together() -> None:
    result = meet(saying(b"220 mail", b" ready", b"\r\n", pause=0.05))
    assert result.banner == b"220 mail ready\r\n"


def test_of_a_long_banner_the_first_512_bytes_are_kept() -> None:
    heard: list[bytes] = []
    result = meet(saying(bytes(range(256)) * 4, then=hearing(heard)))
    assert result.banner == bytes(range(256)) * 2
    assert heard == [b""], "reading the rest makes the end a FIN"


def test_a_talker_without_end_is_left() -> None:
    async def chargen(connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                await loop.sock_sendall(connection, b"x" * 10_000)
        except (ConnectionResetError, BrokenPipeError):
            pass

    result = meet(chargen)
    assert result.banner == b"x" * 512
    assert result.ended - result.started < 1


def test_data_counts_even_when_the_connection_ends_right_after_it() -> None:
    for end in (closing, resetting):
        for pause in (0.0, 0.05):
            result = meet(saying(b"bye", pause=pause, then=end))
            assert (result.aftermath, result.banner) == (Aftermath.DATA, b"bye")


def test_a_service_that_waits_to_be_spoken_to_gets_one_newline_and_nothing_else() -> None:
    heard: list[bytes] = []
    result = meet(hearing(heard, answer=b"HTTP/1.1 400 Bad Request\r\n"))
    assert result.aftermath is Aftermath.DATA
    assert result.banner.startswith(b"HTTP/1.1 400")
    assert result.spoke
    assert heard == [b"\r\n", b""]


def test_a_silent_service_whose_kernel_acknowledges_the_newline_is_told_so() -> None:
    heard: list[bytes] = []
    result = meet(hearing(heard))
    assert result.aftermath is Aftermath.ACKNOWLEDGED
    assert result.spoke
    assert heard == [b"\r\n", b""]


def test_where_we_must_not_speak_nothing_is_sent() -> None:
    heard: list[bytes] = []
    result = meet(hearing(heard), speak=False)
    assert result.aftermath is Aftermath.SILENCE
    assert not result.spoke
    assert heard == [b""]


def test_a_wrapped_service_closes() -> None:
    for speak in (True, False):
        result = meet(closing, speak=speak)
        assert (result.state, result.aftermath) == (PortState.OPEN, Aftermath.CLOSED)
        assert not result.spoke
    assert meet(closing_when_spoken_to).aftermath is Aftermath.CLOSED


def test_a_reset_right_after_the_handshake_is_open_and_never_closed() -> None:
    async def many() -> list[HandshakeResult | Hole]:
        async with peer(resetting) as port:
            one_by_one = [await ask(HERE, port) for _ in range(50)]
            return one_by_one + await asyncio.gather(*(ask(HERE, port) for _ in range(50)))

    for result in asyncio.run(many()):
        assert isinstance(result, HandshakeResult)
        assert (result.state, result.aftermath) == (PortState.OPEN, Aftermath.RESET)


def test_a_reset_in_answer_to_the_newline_is_a_rejection() -> None:
    result = meet(closing_without_reading)
    assert (result.aftermath, result.spoke) == (Aftermath.REJECTED, True)


def test_where_somebody_is_expected_nobody_hears_of_a_look_however_busy_we_are() -> None:
    """The kernel acknowledges after 200 ms, and then the service is told."""

    async def callers(**changes: Any) -> int:
        met: list[socket.socket] = []

        async def note(connection: socket.socket) -> None:
            met.append(connection)

        async with peer(note) as port:
            asyncio.get_running_loop().call_soon(time.sleep, 0.3)
            await ask(HERE, port, listen=0.0, speak=False, **changes)
            await asyncio.sleep(0.05)
        return len(met)

    assert asyncio.run(callers(expected=True)) == 0
    assert asyncio.run(callers()) == 1


# --- no connection -----------------------------------------------------------------------------


def test_a_refusal_is_closed() -> None:
    for address in ("127.0.0.1", "::1"):
        result = asyncio.run(ask(SCOPE.admit(parse_address(address)), free_port()))
        assert isinstance(result, HandshakeResult)
        assert (result.state, result.reason) == (PortState.CLOSED, "conn-refused")
        assert result.aftermath is None
        assert result.connect_seconds is not None


def test_a_full_backlog_is_no_response() -> None:
    async def crowded() -> HandshakeResult | Hole:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
            where = listener.getsockname()
            with socket.create_connection(where):
                return await ask(HERE, where[1], connect_timeout=0.3)

    result = asyncio.run(crowded())
    assert isinstance(result, HandshakeResult)
    assert (result.state, result.reason) == (PortState.FILTERED, "no-response")
    assert result.connect_seconds is None
    assert 0.3 <= result.ended - result.started < 1


def test_an_answer_that_came_while_this_process_was_busy_is_no_silence() -> None:
    async def stalled(port: int) -> HandshakeResult | Hole:
        asking = asyncio.create_task(ask(HERE, port, connect_timeout=0.05, speak=False))
        await asyncio.sleep(0)
        time.sleep(0.1)  # longer than it may take, as planning a large batch does
        return await asking

    with socket.create_server(("127.0.0.1", 0)) as listener:
        result = asyncio.run(stalled(listener.getsockname()[1]))
    assert isinstance(result, HandshakeResult)
    assert (result.state, result.reason) == (PortState.OPEN, "syn-ack")


def test_an_ipv6_target_is_asked_like_any_other() -> None:
    async def over_ipv6() -> HandshakeResult | Hole:
        async with peer(saying(b"hello"), "::1") as port:
            return await ask(SCOPE.admit(parse_address("::1")), port)

    result = asyncio.run(over_ipv6())
    assert isinstance(result, HandshakeResult)
    assert (result.aftermath, result.banner) == (Aftermath.DATA, b"hello")


def test_the_source_is_what_was_asked_for_and_reported() -> None:
    seen: list[tuple[str, int]] = []

    async def look(connection: socket.socket) -> None:
        seen.append(connection.getpeername())
        await closing(connection)

    source_port = free_port()
    first = meet(look, source_address="127.0.0.9", source_port=source_port, interface="lo")
    second = meet(look)
    assert seen[0] == ("127.0.0.9", source_port)
    assert first.source_port == source_port
    assert seen[1] == ("127.0.0.1", second.source_port)


# --- what is never done, and what says nothing about the target ---------------------------------


def test_the_scope_is_asked_again_and_an_excluded_target_sees_no_packet() -> None:
    seen: list[bytes] = []
    smaller = SCOPE.without([AddressSet.parse(["127.0.0.1"])])

    async def excluded() -> None:
        async with peer(hearing(seen)) as port:
            with pytest.raises(NotAdmitted, match="excluded"):
                await ask(HERE, port, scope=lambda: smaller)
            await asyncio.sleep(0.05)

    asyncio.run(excluded())
    assert seen == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"source_address": "192.0.2.1"}, "EADDRNOTAVAIL"),
        ({"interface": "no-such-if0"}, "ENODEV"),
    ],
)
def test_a_failure_of_this_machine_is_a_hole(changes: dict[str, Any], reason: str) -> None:
    result = asyncio.run(ask(HERE, 80, **changes))
    assert result == Hole(
        address=HERE.address, ports=PortSet.of((80,)), reason=f"local-failure: {reason}"
    )


def test_running_out_of_descriptors_is_a_hole() -> None:
    async def starved() -> HandshakeResult | Hole:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(map(int, os.listdir("/proc/self/fd")))
        spare = [os.dup(0) for _ in range(highest - len(os.listdir("/proc/self/fd")) + 2)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(spare, default=highest) + 1, hard))
        try:
            return await ask(HERE, 80)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for descriptor in spare:
                os.close(descriptor)

    result = asyncio.run(starved())
    assert isinstance(result, Hole)
    assert result.reason == "local-failure: EMFILE"


def test_a_connection_to_itself_is_not_a_service() -> None:
    port = free_port()
    result = asyncio.run(ask(HERE, port, source_address="127.0.0.1", source_port=port))
    assert isinstance(result, Hole)
    assert result.reason == "local-failure: EADDRINUSE"


def test_no_descriptor_is_left_open() -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    meet(silent, listen=0.0)
    before = count()
    for behave in (silent, closing, resetting, saying(b"x" * 2000)):
        meet(behave, listen=0.0)
    asyncio.run(ask(HERE, free_port()))
    asyncio.run(ask(HERE, 80, interface="no-such-if0"))
    assert count() == before


# --- many --------------------------------------------------------------------------------------


def hold(
    pairs: list[tuple[Target, int]], *, listen: float = 0.0, **changes: Any
) -> list[HandshakeResult | Hole]:
    results: list[HandshakeResult | Hole] = []
    how: dict[str, Any] = {
        "pace": Pacer(1_000_000),
        "at_most": 10,
        "stop": None,
        "on_result": results.append,
        "scope": lambda: SCOPE,
        "connect_timeout": 1.0,
        "speak": False,
    }
    asyncio.run(handshakes(pairs, listen=listen, **{**how, **changes}))
    return results


def test_every_pair_has_one_result() -> None:
    targets = [SCOPE.admit(parse_address(f"127.0.0.{n}")) for n in range(1, 6)]
    pairs = [(target, port) for target in targets for port in range(1, 21)]
    results = hold(pairs)
    found = [(r.target, r.port) for r in results if isinstance(r, HandshakeResult)]
    assert sorted(found, key=str) == sorted(pairs, key=str)


def test_never_more_than_at_most_at_a_time() -> None:
    now = 0
    most = 0

    async def counting(connection: socket.socket) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.get_running_loop().sock_recv(connection, 1)
        now -= 1

    async def many() -> None:
        async with peer(counting) as port:
            await handshakes(
                [(HERE, port)] * 30,
                pace=Pacer(1_000_000),
                at_most=3,
                stop=None,
                on_result=lambda _: None,
                scope=lambda: SCOPE,
                connect_timeout=1.0,
                listen=0.02,
                speak=False,
            )

    asyncio.run(many())
    # The peer may hear of an end a little after the next handshake has begun.
    assert 2 <= most <= 4


def test_a_target_that_was_excluded_meanwhile_is_a_hole_and_the_others_go_on() -> None:
    other = SCOPE.admit(parse_address("127.0.0.2"))
    smaller = SCOPE.without([AddressSet.parse(["127.0.0.2"])])
    port = free_port()
    results = hold([(HERE, port), (other, port)], scope=lambda: smaller)
    holes = [r for r in results if isinstance(r, Hole)]
    assert holes == [Hole(address=other.address, ports=PortSet.of((port,)), reason="not-admitted")]
    assert len(results) == 2


def test_once_stopped_nothing_begins_and_nothing_goes_on() -> None:
    seen: list[bytes] = []
    results: list[HandshakeResult | Hole] = []

    async def stopped() -> float:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with peer(hearing(seen)) as port:
            loop.call_later(0.2, stop.set)
            started = loop.time()
            await handshakes(
                [(HERE, port)] * 100,
                pace=Pacer(1_000_000),
                at_most=5,
                stop=stop,
                on_result=results.append,
                scope=lambda: SCOPE,
                connect_timeout=1.0,
                listen=30.0,
                speak=True,
            )
            await asyncio.sleep(0.1)
            return loop.time() - started

    assert asyncio.run(stopped()) < 1
    assert results == []
    assert seen == [b""] * 5


def test_what_the_receiver_of_results_raises_is_raised() -> None:
    def fail(_: HandshakeResult | Hole) -> None:
        raise LookupError("the store is gone")

    with pytest.raises(LookupError, match="store is gone"):
        hold([(HERE, free_port())] * 20, on_result=fail)


def test_a_cancelled_round_leaves_no_handshake_behind() -> None:
    seen: list[bytes] = []

    async def cancelled() -> None:
        async with peer(hearing(seen)) as port:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await handshakes(
                        [(HERE, port)] * 5,
                        pace=Pacer(1_000_000),
                        at_most=5,
                        stop=None,
                        on_result=lambda _: None,
                        scope=lambda: SCOPE,
                        connect_timeout=1.0,
                        listen=30.0,
                        speak=False,
                    )
            await asyncio.sleep(0.1)
            assert len(asyncio.all_tasks()) == 2, "this one, and the peer's that accepts"

    asyncio.run(cancelled())
    assert seen == [b""] * 5


def test_a_scope_that_is_on_record_only_lets_nothing_out() -> None:
    heard: list[bytes] = []
    record = Scope(included=SCOPE.included, record_only=True)

    async def both() -> None:
        async with peer(hearing(heard)) as port:
            with pytest.raises(NotAdmitted, match="on record only"):
                await ask(HERE, port, scope=lambda: record)

    asyncio.run(both())
    assert heard == []
