"""Hosts that take offence: they block, reset, or deceive who asks too fast or the wrong thing."""

from __future__ import annotations

import time

import pytest

from fixtures.lab import Lab
from tests.lab.difficult import BLOCK_SECONDS, endpoints, heard, hosts, others, pairs

pytestmark = pytest.mark.lab

# A source that keeps below 20 SYN/s, whatever it asked before.
CALM = 0.07


@pytest.mark.parametrize("family", [0, 1])
def test_a_blocking_network_falls_silent_for_a_while_to_who_asks_too_fast(
    difficult: Lab, family: int
) -> None:
    host = hosts(difficult, "blocking")[family]
    mine = pairs(e for e in endpoints(difficult, "blocking") if e.address == host.address)
    assert heard(difficult, mine[:3], pause=CALM) == {"data"}
    assert heard(difficult, others(difficult, host, 3), pause=CALM) == {"refused"}
    # Twenty at once are not too many, when nobody has asked for a second.
    time.sleep(1.0)
    assert heard(difficult, others(difficult, host, 20)) == {"refused"}
    assert heard(difficult, mine[:3], pause=CALM) == {"data"}
    # The network counts, not the host.
    living = {one.address for one in hosts(difficult, "blocking")}
    network = next(n for n in difficult.plan.share.include if host.address in n)
    dead = next(address for address in network if address not in living)
    began = time.monotonic()
    heard(difficult, [(str(dead), port) for port in range(1, 31)], patience=0.3)
    assert heard(difficult, mine[:2], patience=0.3) == {"silent"}
    bystander = pairs(e for e in endpoints(difficult, "serving"))[:3]
    assert "silent" not in heard(difficult, bystander)
    time.sleep(max(0.0, began + BLOCK_SECONDS + 0.7 - time.monotonic()))
    assert heard(difficult, mine[:3], pause=CALM) == {"data"}


def test_a_tripped_wire_makes_every_port_of_the_network_reset_for_a_while(difficult: Lab) -> None:
    found = endpoints(difficult, "tripwire")
    assert {e.address.version for e in found} == {4, 6}
    mine = pairs(found)
    assert heard(difficult, mine) == {"data"}
    began = time.monotonic()
    wires = [(str(host.address), 23) for host in hosts(difficult, "tripwire")]
    assert heard(difficult, wires) == {"refused"}
    assert heard(difficult, mine) == {"refused"}
    time.sleep(max(0.0, began + BLOCK_SECONDS + 0.5 - time.monotonic()))
    assert heard(difficult, mine) == {"data"}
