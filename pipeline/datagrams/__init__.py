"""What is asked by UDP: for each port the protocols that belong to it, one safe request each.

A question is here when its request is small, needs no account, changes nothing at the other side
and has an answer that can be told from any other datagram. Not here, among others: TFTP (answers
from another port), WireGuard and syslog (silent by design), chargen (answers with much more than it
was asked), DHCP, RADIUS, Kerberos (need an identity), and everything that controls machines.
"""

from __future__ import annotations

from typing import Final

from pipeline.datagrams import calls, carriers, clocks, dns, ike, ldap, lines, snmp
from pipeline.datagrams.question import TOKEN_SIZE, Question
from pipeline.ports import PortSet

QUESTIONS: Final[tuple[Question, ...]] = (
    lines.ECHO,
    clocks.DAYTIME,
    clocks.TIME,
    dns.DNS,
    calls.PORTMAPPER,
    clocks.NTP,
    dns.NETBIOS,
    snmp.PUBLIC,
    snmp.ENGINE,
    ldap.CLDAP,
    carriers.QUIC,
    ike.IKE_V2,
    ike.IKE_V1,
    calls.RMCP,
    carriers.OPENVPN,
    lines.SSDP,
    calls.NFS,
    carriers.STUN,
    ike.IKE_NAT,
    lines.SIP,
    carriers.NAT_PMP,
    dns.MDNS,
    carriers.COAP,
    lines.MEMCACHED,
)
"""In the order of ports. Several of one port are asked in turn."""

QUESTION_PORTS: Final = PortSet.from_ranges(
    ports for question in QUESTIONS for ports in question.ports.ranges
)

GUESSED_PORTS: Final = PortSet.parse("161,260,3401")
"""Where nmap's own payloads try the community ``public``, besides its version probes."""

__all__ = [
    "GUESSED_PORTS",
    "QUESTIONS",
    "QUESTION_PORTS",
    "TOKEN_SIZE",
    "Question",
    "questions_for",
]


def questions_for(port: int, *, guess: bool) -> tuple[Question, ...]:
    """The questions that belong to a port; none for most. The guess of a community is optional."""
    return tuple(
        question
        for question in QUESTIONS
        if port in question.ports and (guess or question is not snmp.PUBLIC)
    )
