"""Evidence summed up by host and by network."""

from __future__ import annotations

from pipeline.decide.facts import HostRecord, Neighbourhoods, NetworkRecord
from pipeline.decide.facts_of_hosts import host_records
from pipeline.decide.facts_of_networks import network_records
from pipeline.decide.questions import by_protocol
from pipeline.decide.standing import (
    standings,
)
from pipeline.model import (
    Evidence,
)


def neighbourhoods(evidence: Evidence) -> Neighbourhoods:
    """Sum up a batch, or a whole run, by host and by network."""
    hosts: list[HostRecord] = []
    networks: list[NetworkRecord] = []
    for part in by_protocol(evidence):
        known = standings(part)
        found = tuple(host_records(part, known))
        hosts += found
        networks += network_records(part, known, found)
    return Neighbourhoods(hosts=tuple(hosts), networks=tuple(networks))
