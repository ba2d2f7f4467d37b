"""Hosts that fool scanners, where nobody has looked before: each time another lab.

The seed decides where hosts, ports and classes are. It is drawn anew for each test run and told, so
that a failure can be repeated: ``PORTPROOF_TEST_SEED=… make test PYTEST=tests/network``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fixtures.lab import Parameters, lab
from fixtures.score import Judged, judge, recall, table
from tests.lab.naming import fresh_name
from tests.network.running import QUICK_PROFILE, Workspace

SEED = int(os.environ["PORTPROOF_TEST_SEED"])
PATIENT = (
    ("canary_waits: []", "canary_waits: [3s, 4s, 5s, 10s, 20s]"),
    ("second_looks: 0", "second_looks: 3"),
    ("watch_looks: 0", "watch_looks: 7\ncloser_looks: 20"),
    ("sample: 0", "sample: 40"),
    ("nmap_max_retries: 1", "nmap_max_retries: 2"),
    ("handshake_connect_timeout: 2s", "handshake_connect_timeout: 3s"),
    ("masscan_wait: 2s", "masscan_wait: 4s"),
    ("name: quick", "name: patient"),
)


@dataclass(frozen=True, slots=True)
class Scanned:
    """What was said of a lab of this seed."""

    seed: int
    judged: list[Judged]

    def __str__(self) -> str:
        return "\n".join((f"seed {self.seed}", *table(self.judged)))


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanned]:
    """Every class of difficult hosts, blocks that end after a few seconds, and one run."""
    parameters = Parameters(
        name=fresh_name(), preset="difficult-small", seed=SEED, block_seconds=4.0
    )
    folder = tmp_path_factory.mktemp("fresh")
    profile = QUICK_PROFILE
    for line, instead in PATIENT:
        assert line in profile
        profile = profile.replace(line, instead)
    (folder / "patient.yml").write_text(profile)
    with lab(parameters) as built:
        workspace = Workspace.prepare(
            built,
            folder,
            profile="patient.yml",
            delays=("5s", "15s", "20s"),
            rate=6000,
            rate_per_host=200,
            concurrency=16,
        )
        workspace.run()
        yield Scanned(SEED, judge(built.truth, workspace.shown()))


def test_nothing_that_is_not_there_is_confirmed(scanned: Scanned) -> None:
    wrong = [one for one in scanned.judged if one.verdict == "confirmed" and not one.right]
    assert wrong == [], str(scanned)


def test_nothing_that_pretends_is_called_open(scanned: Scanned) -> None:
    wrong = [one for one in scanned.judged if one.called_open and one.state == "pretends"]
    assert wrong == [], str(scanned)


def test_what_is_steadily_open_is_found(scanned: Scanned) -> None:
    found, sought = recall(scanned.judged)
    assert sought > 50
    assert found >= 0.99 * sought, str(scanned)
