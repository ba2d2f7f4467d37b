"""Paths that drop, refuse and pretend, for ``test_wire_paths.py``: prints what handshakes saw.

Runs as a program in a network namespace of its own (``unshare --net python -m tests.wire.paths``).

Everything happens on the loopback interface of the namespace, where nftables plays the boxes on
the path. Each case is a destination address of its own, so that the packets sent to it can be
counted: in all, and in the worst second (a window of one second that begins with a packet).
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from pipeline.addresses import Address, AddressSet
from pipeline.model import Hole
from pipeline.scope import Scope
from pipeline.wire import HandshakeResult, Pacer, handshake, handshakes

from .peers import closing, hearing, peer, saying, silent

OURS = {4: "127.0.0.1", 6: "2001:db8::1"}
RATE, RATE_PER_HOST = 300, 75


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A destination, the rules that make it what it is, and how it is asked."""

    name: str
    to: str
    rules: tuple[str, ...] = ()
    serves: str = "silent"
    connect_timeout: float = 2.0
    listen: float = 0.2
    speak: bool = True


def to_peer(*conditions: str) -> tuple[str, ...]:
    return tuple(f"inp {condition}" for condition in conditions)


DATA = "tcp flags & (syn | fin) == 0 ip length > 52 drop"
CASES = (
    Case(name="drops everything", to="127.0.1.1", rules=to_peer("drop"), connect_timeout=9.0),
    Case(
        name="drops the first three SYNs",
        to="127.0.1.2",
        rules=to_peer("tcp flags & syn != 0 numgen inc mod 4 < 3 drop"),
        connect_timeout=6.0,
    ),
    Case(name="tarpit", to="127.0.1.3", rules=to_peer(DATA)),
    Case(
        name="tarpit without a window",
        to="127.0.1.4",
        rules=("out-from tcp window set 0",),
    ),
    Case(
        name="tarpit that repeats its SYN-ACK",
        to="127.0.1.5",
        rules=to_peer("tcp flags & syn == 0 drop"),
    ),
    Case(
        name="acknowledges late",
        to="127.0.1.6",
        rules=to_peer("tcp flags & syn == 0 ip length > 52 numgen inc mod 3 < 2 drop"),
    ),
    Case(
        name="never answers the FIN",
        to="127.0.1.7",
        rules=to_peer("tcp flags & fin != 0 drop"),
    ),
    Case(
        name="speaks and never answers the FIN",
        to="127.0.1.8",
        rules=to_peer("tcp flags & fin != 0 drop"),
        serves="banner",
    ),
    Case(name="acknowledges", to="127.0.1.9"),
    Case(name="speaks", to="127.0.1.10", serves="banner"),
    Case(name="left at once", to="127.0.1.13", serves="banner", listen=0.0, speak=False),
    Case(name="closes", to="127.0.1.11", serves="closing"),
    Case(
        name="SYN proxy that resets",
        to="127.0.1.12",
        rules=to_peer("tcp flags & syn == 0 reject with tcp reset"),
    ),
    *(
        Case(
            name=f"refuses with {code}",
            to=f"127.0.1.{20 + n}",
            rules=to_peer(f"reject with icmp type {code}"),
        )
        for n, code in enumerate(
            (
                "net-unreachable",
                "host-unreachable",
                "prot-unreachable",
                "port-unreachable",
                "net-prohibited",
                "host-prohibited",
                "admin-prohibited",
            )
        )
    ),
    Case(name="refuses with a reset", to="127.0.1.30", rules=to_peer("reject with tcp reset")),
    *(
        Case(
            name=f"refuses with v6 {code}",
            to=f"2001:db8::1:{n + 1}",
            rules=to_peer(f"reject with icmpv6 type {code}"),
        )
        for n, code in enumerate(
            ("no-route", "admin-prohibited", "addr-unreachable", "port-unreachable")
        )
    ),
    Case(
        name="refused by our own firewall",
        to="10.7.0.8",
        rules=("out-to reject with icmp type admin-prohibited",),
    ),
    Case(name="no route", to="192.0.2.1"),
    Case(name="no neighbour", to="10.7.0.9", connect_timeout=6.0),
)


def rules() -> str:
    """The nftables program that makes each destination what its case says."""
    chains: dict[str, list[str]] = {"inp": [], "out": []}
    for case in CASES:
        family = "ip" if ip_address(case.to).version == 4 else "ip6"
        for rule in case.rules:
            where, _, what = rule.partition(" ")
            side = "saddr" if where == "out-from" else "daddr"
            chains[where[:3]].append(f"{family} {side} {case.to} {what}")
    # Whole networks of silence, to see how many packets a round of handshakes sends.
    chains["inp"] += ["ip daddr 127.9.0.0/16 drop"]
    chains["inp"] += [f"ip daddr 127.8.0.0/16 {DATA}"]
    hooks = {"inp": "input", "out": "output"}
    body = "".join(
        f"chain {name} {{ type filter hook {hooks[name]} priority 0;\n"
        + "".join(f"{line}\n" for line in lines)
        + "}\n"
        for name, lines in chains.items()
    )
    return f"table inet paths {{\n{body}}}\n"


def run(*argv: str, text: str | None = None) -> None:
    subprocess.run(argv, input=text, text=True, check=True, stdout=sys.stderr)


def build() -> None:
    """Addresses, a neighbourhood in which nobody answers, and the rules."""
    run("ip", "link", "set", "lo", "up")
    for case in CASES:
        if ":" in case.to:
            run("ip", "-6", "address", "add", f"{case.to}/128", "dev", "lo", "nodad")
    run("ip", "-6", "address", "add", f"{OURS[6]}/128", "dev", "lo", "nodad")
    run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far")
    run("ip", "address", "add", "10.7.0.1/24", "dev", "near")
    run("ip", "link", "set", "near", "up")
    run("ip", "link", "set", "far", "up")
    run("nft", "-f", "-", text=rules())


class Wire:
    """Everything that is sent to a destination on loopback, with its time."""

    def __init__(self) -> None:
        self.sent: dict[Address, list[float]] = defaultdict(list)
        every_protocol = socket.htons(3)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, every_protocol)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("lo", 3))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            packet, where = self._socket.recvfrom(100)
            if where[2] != 4:  # PACKET_OUTGOING
                continue
            if packet[0] >> 4 == 4:
                source: Address = IPv4Address(packet[12:16])
                to: Address = IPv4Address(packet[16:20])
                is_tcp = packet[9] == 6
            else:
                source, to = IPv6Address(packet[8:24]), IPv6Address(packet[24:40])
                is_tcp = packet[6] == 6
            if is_tcp and str(source) in OURS.values():
                self.sent[to].append(time.monotonic())


def worst_second(times: Sequence[float]) -> int:
    ordered = sorted(times)
    return max((bisect_left(ordered, t + 1) - n for n, t in enumerate(ordered)), default=0)


def described(result: HandshakeResult | Hole) -> dict[str, Any]:
    if isinstance(result, Hole):
        return {"state": "hole", "reason": result.reason}
    return {
        "state": result.state,
        "reason": result.reason,
        "aftermath": result.aftermath,
        "connect_seconds": result.connect_seconds,
        "seconds": result.ended - result.started,
    }


async def ask_all(wire: Wire) -> dict[str, Any]:
    """Every case at the same time, then a round of many at a rate."""
    scope = Scope(included=AddressSet.parse(["0.0.0.0/0", "::/0"]))
    async with AsyncExitStack() as stack:
        servers = {"silent": silent, "closing": closing, "banner": saying(b"hello")}
        ports = {
            (name, version): await stack.enter_async_context(peer(behave, any_address))
            for name, behave in servers.items()
            for version, any_address in ((4, "0.0.0.0"), (6, "::"))
        }
        crowd = await stack.enter_async_context(peer(hearing([]), "0.0.0.0"))

        async def ask(case: Case) -> dict[str, Any]:
            version = ip_address(case.to).version
            result = await handshake(
                scope.admit(ip_address(case.to)),
                ports[case.serves, version],
                scope=lambda: scope,
                connect_timeout=case.connect_timeout,
                listen=case.listen,
                speak=case.speak,
                source_address=OURS[version] if case.to.startswith(("127", "2001")) else None,
            )
            return described(result)

        async def ask_many(network: str) -> int:
            targets = scope.admit_all(AddressSet.parse([network]))
            results: list[HandshakeResult | Hole] = []
            await handshakes(
                [(target, crowd) for target in targets for _ in range(6)],
                pace=Pacer(RATE / 2, RATE_PER_HOST),
                at_most=256,
                stop=None,
                on_result=results.append,
                scope=lambda: scope,
                connect_timeout=3.0,
                listen=0.1,
                speak=True,
                source_address=OURS[4],
            )
            return len(results)

        *results, silent_ones, tarpits = await asyncio.gather(
            *(ask(case) for case in CASES), ask_many("127.9.0.0/30"), ask_many("127.8.0.0/30")
        )
        await asyncio.sleep(2.0)  # what the kernel still repeats
        # Before the peers close: a FIN to a connection that has gone makes the kernel send a RST.
        sent = {to: list(times) for to, times in wire.sent.items()}
    answers: dict[str, Any] = {}
    for case, answer in zip(CASES, results, strict=True):
        answers[case.name] = answer
        answers[case.name]["packets"] = len(sent.get(ip_address(case.to), []))
    many = {to: t for to, t in sent.items() if str(to).startswith(("127.8.", "127.9."))}
    answers["many"] = {
        "results": [silent_ones, tarpits],
        "worst_second": worst_second([t for times in many.values() for t in times]),
        "worst_second_of_a_host": max(map(worst_second, many.values())),
        "packets": sum(map(len, many.values())),
    }
    return answers


if __name__ == "__main__":
    build()
    print(json.dumps(asyncio.run(ask_all(Wire()))))
