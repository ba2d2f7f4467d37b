"""The only place where a socket to a target is opened.

::

    handshakes   a TCP connect that listens for a moment      datagrams   a question by UDP
    pacing       when a packet may leave                      icmp        what the path said
    names        this machine's resolver
"""

from pipeline.wire.datagrams import (
    PACKETS_PER_EXCHANGE,
    SECONDS_BETWEEN_SENDS,
    SENDS,
    DatagramResult,
    Questioning,
    exchange,
    exchanges,
)
from pipeline.wire.handshakes import (
    BANNER_LIMIT,
    CONNECT_TIMEOUT_LIMIT,
    HandshakeResult,
    handshake,
    handshakes,
)
from pipeline.wire.names import resolve
from pipeline.wire.pacing import PACKETS_PER_HANDSHAKE, Pacer

__all__ = [
    "BANNER_LIMIT",
    "CONNECT_TIMEOUT_LIMIT",
    "PACKETS_PER_EXCHANGE",
    "PACKETS_PER_HANDSHAKE",
    "SECONDS_BETWEEN_SENDS",
    "SENDS",
    "DatagramResult",
    "HandshakeResult",
    "Pacer",
    "Questioning",
    "exchange",
    "exchanges",
    "handshake",
    "handshakes",
    "resolve",
]
