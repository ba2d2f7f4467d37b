"""Hosts whose answers depend on the time: slow ones, and services that come and go."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from fixtures.lab import Lab
from fixtures.lab.model import Endpoint, Rhythm
from tests.lab.difficult import Scanned, ask, endpoints, hosts, nmap, others, pairs, talk

pytestmark = pytest.mark.lab
# What a listener may be late by, and a question.
LATE = 0.1


def delays(lab: Lab) -> dict[str, float]:
    return {str(r.address): r.seconds for r in lab.plan.share.responders if r.manner == "delay"}


def test_a_slow_host_completes_handshakes_after_its_delay_and_not_before(difficult: Lab) -> None:
    found = endpoints(difficult, "slow")
    assert {e.address.version for e in found} == {4, 6}
    assert set(delays(difficult).values()) == {1.5, 4.0}
    for endpoint, one in zip(found, talk(difficult, pairs(found), patience=6.0), strict=True):
        delay = delays(difficult)[str(endpoint.address)]
        assert one.word == "data"
        assert delay <= one.seconds < delay + 1
    closed = [pair for host in hosts(difficult, "slow") for pair in others(difficult, host, 2)]
    assert {one.word for one in talk(difficult, closed)} == {"refused"}


def test_a_delayed_answer_looks_as_far_away_as_others(difficult: Lab) -> None:
    quick = next(a for a, seconds in delays(difficult).items() if seconds == 1.5)
    mine = next(e for e in endpoints(difficult, "slow") if str(e.address) == quick)
    patient = ("-sS", "--max-retries", "1", "--initial-rtt-timeout", "2500ms")
    found = nmap(difficult, quick, [mine.port], *patient)
    assert found == {mine.port: Scanned("open", "syn-ack", 63)}


def rhythm_of(endpoint: Endpoint) -> Rhythm:
    return Rhythm(**dict(endpoint.pattern))


@pytest.mark.parametrize("name", ["flapping", "limited-flapping"])
def test_a_flapping_service_keeps_to_the_rhythm_that_the_truth_tells(
    difficult: Lab, name: str
) -> None:
    found = endpoints(difficult, name)
    assert {e.address.version for e in found} == {4, 6}
    assert not any(e.steady for e in found)
    quick = {e for e in found if rhythm_of(e).period == 4.0}
    missing = {(e, word) for e in quick for word in ("open", "refused")}
    assert missing
    ending = time.time() + 12
    while missing and time.time() < ending:
        before = time.time()
        words = ask(difficult, pairs(found))
        after = time.time()
        for endpoint, word in zip(found, words, strict=True):
            rhythm = rhythm_of(endpoint)
            if rhythm.until_change(before - LATE) > after - before + LATE:
                assert word == ("open" if rhythm.is_on(before) else "refused"), endpoint
                missing.discard((endpoint, word))
    assert not missing


def test_a_flapping_service_behind_a_limit_is_also_lost_in_a_crowd_of_syns(difficult: Lab) -> None:
    for host in hosts(difficult, "limited-flapping"):
        crowd = [(str(host.address), port) for port in range(60001, 60101)]
        counted = Counter(one.word for one in talk(difficult, crowd, patience=0.6))
        assert set(counted) == {"refused", "silent"}
        assert counted["refused"] <= 75
