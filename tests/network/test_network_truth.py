"""What the pipeline says about the ordinary hosts, and what it sends to find out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from fixtures.lab import Parameters, Statistics, lab
from fixtures.lab.watch import Watch
from tests.lab.naming import fresh_name
from tests.network.running import Workspace


@dataclass(frozen=True, slots=True)
class Scanned:
    """A workspace after one run, and what the router saw meanwhile."""

    workspace: Workspace
    seen: Statistics
    rate: int
    rate_per_host: int


@dataclass(frozen=True, slots=True)
class Both:
    """Two labs that are scanned at the same time: most of a run is waiting."""

    lossy: Scanned
    strict: Scanned


STRICT_PORTS = "21,22,25,80,443,3306"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """The whole of the demonstration's network at 1 % loss each way, with versions; and a few
    hosts without loss below ceilings so low that every single packet counts."""
    lossy = Parameters(name=fresh_name(), preset="demo", seed=11, loss_percent=1)
    strict = Parameters(name=fresh_name(), preset="tiny", seed=5)
    with ExitStack() as stack:
        workspaces = [
            Workspace.prepare(
                stack.enter_context(lab(lossy)),
                tmp_path_factory.mktemp("lossy"),
                rate=6000,
                rate_per_host=300,
                concurrency=16,
            ),
            Workspace.prepare(
                stack.enter_context(lab(strict)),
                tmp_path_factory.mktemp("strict"),
                rate=600,
                rate_per_host=60,
                profile="fast",
                delays=("2s",),
                ports=STRICT_PORTS,
            ),
        ]
        watches: list[Watch] = []
        with ExitStack() as watching:
            watches += [watching.enter_context(w.lab.watch()) for w in workspaces]
            processes = [w.start("run", "engagement.yml") for w in workspaces]
            for process in processes:
                _, said = process.communicate(timeout=400)
                assert process.returncode == 1, said[-4000:]
        yield Both(
            Scanned(workspaces[0], watches[0].result, 6000, 300),
            Scanned(workspaces[1], watches[1].result, 600, 60),
        )


@pytest.fixture(scope="module", params=["lossy", "strict"])
def scanned(request: pytest.FixtureRequest, both: Both) -> Scanned:
    """Each of the two in turn."""
    return both.lossy if request.param == "lossy" else both.strict


def test_every_endpoint_of_the_ordinary_hosts_is_right_at_one_percent_loss(both: Both) -> None:
    assert both.lossy.workspace.wrong() == []


def test_every_endpoint_that_was_asked_is_right_without_loss(both: Both) -> None:
    asked = {int(port) for port in STRICT_PORTS.split(",")}
    truth = [e for e in both.strict.workspace.lab.truth["endpoints"] if e["port"] in asked]
    assert sum(e["state"] == "open" and e["class"] == "serving" for e in truth) >= len(asked)
    assert [w for w in both.strict.workspace.wrong() if w.endpoint[2] in asked] == []


def test_nothing_is_sent_to_excluded_or_unlisted_addresses(scanned: Scanned) -> None:
    assert scanned.seen.packets > 500
    assert (scanned.seen.to_excluded, scanned.seen.to_unlisted) == (0, 0)
    counted = scanned.workspace.lab.counters()
    assert (counted.to_excluded, counted.to_unlisted) == (0, 0)


def test_in_no_second_more_packets_than_the_limits_in_total_and_per_host(
    scanned: Scanned,
) -> None:
    assert scanned.seen.dropped == 0, "the capture lost packets, so its maxima mean nothing"
    assert scanned.seen.max_per_second <= scanned.rate
    assert scanned.seen.max_per_second_and_destination <= scanned.rate_per_host


def test_services_are_named_with_their_products(both: Both) -> None:
    workspace = both.lossy.workspace
    expected = {
        (e["address"], e["port"]): e["product"]
        for e in workspace.lab.truth["endpoints"]
        if e["class"] == "serving" and e["product"]
    }
    told = {
        (e["address"], e["port"]): (e["service_details"] or {}).get("product", "")
        for e in workspace.shown()["endpoints"]
    }
    missed = {key: told.get(key) for key, product in expected.items() if told.get(key) != product}
    # A probe may be lost on a network that loses one packet in fifty; most must get through.
    assert len(missed) <= len(expected) // 10, missed
