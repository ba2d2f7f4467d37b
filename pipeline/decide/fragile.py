"""What must not be spoken to: fragile ports, fragile hosts, and hosts with a fragile port."""

from __future__ import annotations

from typing import Final

from pipeline.addresses import Address, AddressSet
from pipeline.decide.questions import verdicts
from pipeline.model import Endpoint, Evidence, VerdictKind
from pipeline.plan import Policy

_SEEN: Final = frozenset(
    {
        VerdictKind.CONFIRMED,
        VerdictKind.LIKELY,
        VerdictKind.TRANSIENT,
        VerdictKind.UNRESOLVED,
    }
)


def is_fragile(address: Address, port: int, policy: Policy) -> bool:
    """True when nothing but a handshake that never speaks may go there."""
    if port not in policy.fragile_ports and address not in policy.fragile.hosts:
        return False
    return not _sturdy(address, port, policy)


def spared(evidence: Evidence, policy: Policy, endpoint: Endpoint) -> bool:
    """The same, and where a fragile port of the host is open, or may be, all its ports."""
    if is_fragile(endpoint.address, endpoint.port, policy):
        return True
    return endpoint.address in with_fragile_port(evidence, policy) and not _sturdy(
        endpoint.address, endpoint.port, policy
    )


def with_fragile_port(evidence: Evidence, policy: Policy) -> AddressSet:
    """Hosts on which a fragile port is believed, or not yet refuted, where these count whole."""
    if not policy.fragile.whole_hosts:
        return AddressSet()
    return AddressSet.from_addresses(
        endpoint.address
        for endpoint, verdict in verdicts(evidence).items()
        if verdict.kind in _SEEN and is_fragile(endpoint.address, endpoint.port, policy)
    )


def _sturdy(address: Address, port: int, policy: Policy) -> bool:
    return any(
        address in entry.hosts and (entry.ports is None or port in entry.ports)
        for entry in policy.fragile.sturdy
    )
