"""The hosts that are asked by UDP do what the truth says of them."""

from __future__ import annotations

import json
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.lab import Lab, Parameters, lab, make
from fixtures.lab.classes import datagram
from fixtures.lab.datagrams import MANNERS
from tests.lab.naming import fresh_name

BASE = Parameters(name="plan", preset="datagram", trickle=False)


@pytest.fixture(scope="module")
def standing(state_folder: Path) -> Iterator[Lab]:
    with lab(replace(BASE, name=fresh_name(), seed=21), state_folder) as built:
        yield built


def ask(built: Lab, endpoints: list[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """What each endpoint answers to its service's own request, and to an empty datagram else."""
    done = built.exec(
        [sys.executable, "-m", "tests.lab.asking_by_udp", json.dumps(endpoints)],
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(endpoints, json.loads(done.stdout), strict=True))


@pytest.fixture(scope="module")
def heard(standing: Lab) -> dict[tuple[str, int], str]:
    """Every UDP endpoint of the truth, asked once at the same time."""
    truth = [e for e in standing.truth["endpoints"] if e["protocol"] == "udp"]
    return ask(standing, [(e["address"], e["port"]) for e in truth])


def test_every_endpoint_answers_as_the_truth_has_it(
    standing: Lab, heard: dict[tuple[str, int], str]
) -> None:
    limited = {h["address"] for h in standing.truth["hosts"] if h["why"] == datagram.WHY["limited"]}
    for endpoint in standing.truth["endpoints"]:
        if endpoint["protocol"] != "udp":
            continue
        where = endpoint["address"], endpoint["port"]
        if "artefact" in endpoint["verdicts"] or (
            endpoint["state"] == "open" and endpoint["knowable"]
        ):
            allowed = {"answer"}
        elif endpoint["state"] == "open":
            allowed = {"silence"}
        elif endpoint["state"] == "filtered":
            allowed = {"silence", "prohibited"}
        else:
            allowed = {"refused", "silence"} if endpoint["address"] in limited else {"refused"}
        assert heard[where] in allowed, (endpoint, heard[where])


def test_a_host_that_limits_its_refusals_refuses_a_few_and_then_says_nothing(
    standing: Lab, heard: dict[tuple[str, int], str]
) -> None:
    for host in standing.truth["hosts"]:
        if host["why"] == datagram.WHY["limited"]:
            said = Counter(heard[w] for w in heard if w[0] == host["address"])
            assert said["answer"] == 4
            assert 1 <= said["refused"] <= 8
            assert said["silence"] >= 7


def test_there_is_a_host_of_each_kind_in_both_families() -> None:
    plan = make(BASE)
    kinds = Counter(
        (host.address.version, host.why)
        for host in plan.share.hosts
        if host.class_name == "datagram"
    )
    assert set(kinds) == {(v, datagram.WHY[kind]) for v in (4, 6) for kind in datagram.KINDS}


def test_whoever_answers_has_a_manner_and_a_port_of_his_own() -> None:
    (daemon,) = make(BASE).share.daemons
    wanted = json.loads(daemon.config)
    assert {manner for _, _, manner in wanted} <= set(MANNERS)
    assert len({(address, port) for address, port, _ in wanted}) == len(wanted)


@pytest.mark.parametrize("junk", [b"", b"\0", b"\xff" * 4, b"\0" * 12, b"\x30\x82", b"A" * 1400])
def test_responders_keep_silent_about_what_is_no_request(junk: bytes) -> None:
    for name, answer in MANNERS.items():
        if name == "noise":
            continue
        try:
            said = answer(junk)
        except (IndexError, ValueError, struct.error):
            continue  # which the daemon takes for no request
        assert said is None, name
