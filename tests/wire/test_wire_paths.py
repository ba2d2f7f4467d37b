"""What a handshake makes of what stands on the path, and how many packets leave for it.

The cases are in ``paths.py``, which runs in a network namespace.
"""

from __future__ import annotations

import pytest

from pipeline.wire import CONNECT_TIMEOUT_LIMIT, PACKETS_PER_HANDSHAKE

from .conftest import Answers
from .paths import CASES, RATE, RATE_PER_HOST

EXPECTED = {
    "drops everything": ("filtered", "no-response", None),
    "drops the first three SYNs": ("open", "syn-ack", "acknowledged"),
    "tarpit": ("open", "syn-ack", "unacknowledged"),
    "tarpit without a window": ("open", "syn-ack", "unacknowledged"),
    "tarpit that repeats its SYN-ACK": ("open", "syn-ack", "unacknowledged"),
    "acknowledges late": ("open", "syn-ack", "acknowledged"),
    "never answers the FIN": ("open", "syn-ack", "acknowledged"),
    "speaks and never answers the FIN": ("open", "syn-ack", "data"),
    "acknowledges": ("open", "syn-ack", "acknowledged"),
    "speaks": ("open", "syn-ack", "data"),
    "left at once": ("open", "syn-ack", "silence"),
    "closes": ("open", "syn-ack", "closed"),
    "SYN proxy that resets": ("open", "syn-ack", "reset"),
    "refuses with net-unreachable": ("filtered", "net-unreach", None),
    "refuses with host-unreachable": ("filtered", "host-unreach", None),
    "refuses with prot-unreachable": ("filtered", "proto-unreach", None),
    "refuses with port-unreachable": ("filtered", "port-unreach", None),
    "refuses with net-prohibited": ("filtered", "net-prohibited", None),
    "refuses with host-prohibited": ("filtered", "host-prohibited", None),
    "refuses with admin-prohibited": ("filtered", "admin-prohibited", None),
    "refuses with a reset": ("closed", "conn-refused", None),
    "refuses with v6 no-route": ("filtered", "no-route", None),
    "refuses with v6 admin-prohibited": ("filtered", "admin-prohibited", None),
    "refuses with v6 addr-unreachable": ("filtered", "host-unreach", None),
    "refuses with v6 port-unreachable": ("filtered", "port-unreach", None),
    "refused by our own firewall": ("hole", "local-failure: EHOSTUNREACH", None),
    "no route": ("hole", "local-failure: ENETUNREACH", None),
    "no neighbour": ("filtered", "host-unreach", None),
}


@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_what_stands_on_the_path_is_told_by_its_answer(name: str, paths: Answers) -> None:
    answer = paths[name]
    assert (answer["state"], answer["reason"], answer.get("aftermath")) == EXPECTED[name]


@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_no_more_packets_leave_than_the_budget_counts(name: str, paths: Answers) -> None:
    assert paths[name]["packets"] <= PACKETS_PER_HANDSHAKE


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("drops everything", 6),  # a SYN each second
        ("tarpit", 6),  # SYN, ACK, the newline four times
        ("never answers the FIN", 6),  # SYN, ACK, newline, the FIN three times
        ("acknowledges", 4),
        ("speaks", 5),
        ("left at once", 2),  # SYN, and a reset in place of everything else
        ("closes", 4),
        ("refuses with a reset", 1),
        ("refuses with admin-prohibited", 1),
    ],
)
def test_each_step_is_repeated_no_more_often_than_documented(
    name: str, most: int, paths: Answers
) -> None:
    assert 1 <= paths[name]["packets"] <= most


def test_a_silent_target_is_not_waited_for_beyond_the_limit(paths: Answers) -> None:
    seconds = paths["drops everything"]["seconds"]
    assert CONNECT_TIMEOUT_LIMIT <= seconds < CONNECT_TIMEOUT_LIMIT + 0.5


def test_a_round_of_many_stays_below_its_rates_in_every_second(paths: Answers) -> None:
    many = paths["many"]
    assert many["results"] == [24, 24]
    assert 0 < many["worst_second"] <= RATE
    assert 0 < many["worst_second_of_a_host"] <= RATE_PER_HOST
