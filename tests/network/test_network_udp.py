"""UDP and TCP side by side, IPv4 and IPv6: every verdict is right, and no second is too full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from fixtures.lab import Parameters, Statistics, lab
from fixtures.lab.classes.datagram import UDP_PORTS
from fixtures.lab.watch import Watch
from pipeline.decide.pace import Ceilings
from tests.lab.naming import fresh_name
from tests.network.running import QUICK_PROFILE, Workspace

TCP_PORTS = (21, 22, 25, 80, 443, 3306, 5432, 6379, 8080)
PORTS = f"{','.join(map(str, TCP_PORTS))},U:{','.join(map(str, UDP_PORTS))}"
# SIP, for one, is spoken by us and by nmap's version probe only.
# At 5 % loss each way one endpoint in a hundred keeps silent twice: looks are needed.
PROFILE = (
    QUICK_PROFILE.replace("version_probe: false", "version_probe: true")
    .replace("scripts: []", "scripts: []\nsnmp_public: true")
    .replace("second_looks: 0", "second_looks: 3")
    .replace("nmap_max_retries: 1", "nmap_max_retries: 2")
)
FAST = Ceilings(rate=4000, rate_per_host=200, rate_per_network=400)
"""Of a network: without that limit 413 packets in a second went to one /24, and 864 to the /64."""
STRICT = Ceilings(rate=1000, rate_per_host=60)


@dataclass(frozen=True, slots=True)
class Scanned:
    """A workspace after one run, and what the router saw meanwhile."""

    workspace: Workspace
    seen: Statistics
    ceilings: Ceilings

    @property
    def endpoints(self) -> list[dict[str, Any]]:
        found = self.workspace.shown()["endpoints"]
        assert isinstance(found, list)
        return found


@dataclass(frozen=True, slots=True)
class Both:
    """Two labs that are scanned at the same time: most of a run is waiting."""

    lossy: Scanned
    strict: Scanned


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """One at 5 % loss each way; one without loss, below ceilings at which every packet counts."""
    settings = (
        (Parameters(name=fresh_name(), preset="datagram", seed=12, loss_percent=5), FAST),
        (Parameters(name=fresh_name(), preset="datagram", seed=13), STRICT),
    )
    with ExitStack() as stack:
        workspaces = []
        for parameters, ceilings in settings:
            folder = tmp_path_factory.mktemp(parameters.name)
            (folder / "udp.yml").write_text(PROFILE)
            workspaces.append(
                Workspace.prepare(
                    stack.enter_context(lab(parameters)),
                    folder,
                    rate=ceilings.rate,
                    rate_per_host=ceilings.rate_per_host,
                    rate_per_network=ceilings.rate_per_network,
                    profile="udp.yml",
                    delays=("2s", "4s"),
                    ports=PORTS,
                )
            )
        watches: list[Watch] = []
        with ExitStack() as watching:
            watches += [watching.enter_context(w.lab.watch()) for w in workspaces]
            processes = [w.start("run", "engagement.yml") for w in workspaces]
            for process in processes:
                _, said = process.communicate(timeout=500)
                assert process.returncode == 1, said[-4000:]
        yield Both(
            *(
                Scanned(workspace, watch.result, ceilings)
                for workspace, watch, (_, ceilings) in zip(
                    workspaces, watches, settings, strict=True
                )
            )
        )


@pytest.fixture(scope="module", params=["lossy", "strict"])
def scanned(request: pytest.FixtureRequest, both: Both) -> Scanned:
    """Each of the two in turn."""
    return both.lossy if request.param == "lossy" else both.strict


def test_every_endpoint_that_was_asked_is_right(scanned: Scanned) -> None:
    asked = {("tcp", port) for port in TCP_PORTS} | {("udp", port) for port in UDP_PORTS}
    wrong = [w for w in scanned.workspace.wrong() if (w.endpoint[1], w.endpoint[2]) in asked]
    assert wrong == []


def test_services_are_confirmed_by_both_protocols_in_both_families(scanned: Scanned) -> None:
    found = Counter(
        (e["protocol"], ip_address(e["address"]).version)
        for e in scanned.endpoints
        if e["verdict"] == "confirmed"
    )
    assert set(found) == {("tcp", 4), ("tcp", 6), ("udp", 4), ("udp", 6)}
    # One host of the seven has everything, and QUIC has one method only.
    assert min(found["udp", 4], found["udp", 6]) >= 14


def test_silence_is_never_called_open(scanned: Scanned) -> None:
    truth = {
        (e["address"], e["protocol"], e["port"]): e
        for e in scanned.workspace.lab.truth["endpoints"]
    }
    for endpoint in scanned.endpoints:
        if endpoint["protocol"] == "udp" and endpoint["verdict"] in ("confirmed", "likely"):
            entry = truth[endpoint["address"], "udp", endpoint["port"]]
            assert entry["state"] == "open", endpoint
            assert entry["knowable"], endpoint


def test_every_stage_asks_both_families_by_both_protocols(scanned: Scanned) -> None:
    asked = scanned.workspace.query(
        "SELECT DISTINCT stage, protocol, instr(targets, ':') > 0 FROM tasks"
        " WHERE stage IN ('discover', 'corroborate', 'probe')"
    )
    assert set(asked) == {
        (stage, protocol, six)
        for stage in ("discover", "corroborate", "probe")
        for protocol in ("tcp", "udp")
        for six in (0, 1)
    }


def test_every_udp_batch_is_covered_without_a_hole(scanned: Scanned) -> None:
    failed = scanned.workspace.query("SELECT method, outcome FROM tasks WHERE state != 'settled'")
    assert failed == []
    holes = scanned.workspace.query(
        "SELECT h.reason FROM holes h JOIN tasks t ON t.number = h.task WHERE t.protocol = 'udp'"
    )
    assert holes == []


def test_in_no_second_more_packets_than_the_limits_in_total_and_per_host(
    scanned: Scanned,
) -> None:
    assert scanned.seen.dropped == 0, "the capture lost packets, so its maxima mean nothing"
    assert scanned.seen.packets > 2000
    assert scanned.seen.max_per_second <= scanned.ceilings.rate
    assert scanned.seen.max_per_second_and_destination <= scanned.ceilings.rate_per_host


def test_in_no_second_all_addresses_of_a_network_together_get_more_than_its_limit(
    both: Both,
) -> None:
    most = both.lossy.ceilings.rate_per_network
    assert most is not None
    found = both.lossy.seen.max_per_second_and_network
    assert {ip_network(network).version for network in found} == {4, 6}
    assert most / 4 < max(found.values()) <= most


def test_banners_say_what_answered(scanned: Scanned) -> None:
    stories = scanned.workspace.query(
        "SELECT o.port, o.banner FROM observations o JOIN tasks t ON t.number = o.task"
        " WHERE t.method = 'datagram' AND t.purpose = 'named' AND o.aftermath = 'data'"
    )
    told = dict(stories)
    assert told[53] == "dns: NOERROR, version 9.18.24-lab"
    assert told[5060] == "sip: 200 OK, Laboratory PBX 1.0"
    assert told[123].startswith("ntp: version 4, stratum 3")
    agents = {banner.partition(":")[0] for port, banner in stories if port == 161}
    assert agents == {"snmp", "snmpv3"}
