"""How many packets nmap sends to a UDP port, and how fast it may.

nmap has several payloads for some ports and sends them all at once. Its ``--max-rate`` counts each
of them (measured: 4 payloads to 5353 at a rate of 5 left at 4.9 packets a second), but what belongs
to one probe leaves together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pipeline.decide.pace import MARGIN
from pipeline.ports import PortSet

_SEVERAL: Final = (
    (4, PortSet.of([5353])),
    (3, PortSet.parse("137,443,1194,26000")),
    (
        2,
        PortSet.parse(
            "53,69,88,111,123,161,260,500,623,2049,3401,9987,10001,17185,26001-26004,26198,27960,"
            "34555,44400,48899,64738"
        ),
    ),
)
"""The most that nmap sends to a port at once, by the nmap-payloads of 7.93, or by its
nmap-service-probes, which newer ones take. All other ports get one."""
PACKETS_PER_PAYLOAD: Final = 2
"""The payload, and our kernel's refusal (ICMP) of an answer to it: no socket waits for one."""


def payloads(ports: PortSet) -> int:
    """The most payloads that one of these ports gets at once."""
    return next((count for count, some in _SEVERAL if ports & some), 1)


def by_payloads(ports: PortSet) -> Iterator[PortSet]:
    """The ports, those apart that cost more: a call is as slow as its most expensive port."""
    rest = ports
    for _, some in _SEVERAL:
        if rest & some:
            yield rest & some
            rest = rest - some
    if rest:
        yield rest


def payloads_per_second(ports: PortSet, rate: float) -> float:
    """What to tell nmap so that no second has more than ``rate`` packets.

    A probe that leaves whole at the edge of a second may add all but one of its payloads.
    """
    together = payloads(ports)
    mean = rate * MARGIN / PACKETS_PER_PAYLOAD
    return max(0.1, mean / together, mean - together)
