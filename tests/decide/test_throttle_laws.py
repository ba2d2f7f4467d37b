"""A run never goes faster after a bad sign, and never faster than its ceilings."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.addresses import parse_address
from pipeline.decide.throttle import (
    DOUBLING,
    GRACE,
    LEAST,
    LEAST_AT_FIRST,
    Manners,
    Senses,
    Sign,
    Throttle,
)
from pipeline.model import Answer, Refusals
from pipeline.ports import PortSet
from tests.decide.making import WHERE, sweep

manners = st.builds(Manners, start=st.floats(LEAST_AT_FIRST, 1), recover=st.floats(1, 600))
told = st.lists(st.tuples(st.sampled_from(Sign), st.floats(0, 200)), max_size=40)


@given(manners, told)
def test_the_share_never_rises_after_a_bad_sign_until_it_had_time_to_recover(
    how: Manners, signs: list[tuple[Sign, float]]
) -> None:
    throttle, now, last_bad = Throttle.at_first(how, 0.0), 0.0, None
    for sign, seconds in signs:
        now += seconds
        after = throttle.heed(sign, now)
        assert LEAST_AT_FIRST <= after.share <= 1
        if sign is not Sign.GOOD:
            assert after.share == min(throttle.share, max(LEAST, throttle.share / 2))
            last_bad = now
        elif last_bad is not None:
            assert after.share <= throttle.share or now - last_bad >= how.recover
            assert after.share - throttle.share <= 1 / 8 + 1e-12
        else:
            assert after.share in (throttle.share, min(1.0, 2 * throttle.share))
        throttle = after


@given(manners, st.floats(0.1, 1e6), st.floats(0.1, 1), st.floats(1, 1e9), st.booleans())
def test_what_may_be_used_is_never_more_than_was_allowed_and_costs_little_at_first(
    how: Manners, ceiling: float, part: float, packets: float, wary: bool
) -> None:
    throttle = replace(Throttle.at_first(how, 0.0), wary=wary)
    allowed = ceiling * part
    used = throttle.below(allowed, ceiling, packets)
    assert 0 < used <= allowed
    if wary:
        assert used <= ceiling * throttle.share * (1 + 1e-9)
    else:
        assert packets / used <= packets / allowed + GRACE + 1e-6 * packets / allowed


def test_a_run_that_goes_well_doubles_each_second_and_no_faster() -> None:
    throttle = Throttle.at_first(Manners(start=0.125), 0.0)
    shares = []
    for tenth in range(1, 40):
        throttle = throttle.heed(Sign.GOOD, tenth * 0.1 * DOUBLING)
        shares.append(throttle.share)
    assert sorted(set(shares)) == [0.125, 0.25, 0.5, 1.0]
    assert shares[8] == 0.125
    assert shares[-1] == 1.0


def test_a_host_that_loses_packets_above_a_rate_ends_up_below_it() -> None:
    senses, throttle, now = Senses(), Throttle.at_first(Manners(start=0.125, recover=60), 0.0), 0.0
    ports = PortSet.parse("1-1000")
    task = replace(sweep("192.0.2.7"), ports=ports)
    rates = []
    for _ in range(60):
        now += 60.0
        rate = throttle.below(400.0, 400.0, 50.0)
        rates.append(rate)
        # It bears 150 packets a second, and drops the rest.
        borne = int(1000 * min(1.0, 150 / rate))
        answer = Answer(refusals=(Refusals(address=WHERE.address, ports=PortSet(((1, borne),))),))
        throttle = throttle.heed(senses.of_answer(task, answer), now)
    assert max(rates) <= 400
    beyond = [rate for rate in rates if rate > 165]
    assert len(beyond) <= len(rates) / 2
    for before, after in pairwise(rates):
        assert before <= 165 or after <= before / 2, "it slows down at once"


HOSTS = [*sweep("192.0.2.0/29").targets.addresses]


def answered(senses: Senses, *late: int, complete: bool = True) -> Sign:
    """What eight hosts tell of which these are late by a repeated SYN."""
    delays = tuple((host, 1.0 if n in late else 0.01) for n, host in enumerate(HOSTS))
    return senses.of_answer(sweep("192.0.2.0/29"), Answer(delays=delays, complete=complete))


def test_late_connections_are_a_sign_when_a_quarter_of_the_hosts_are_late_and_were_not() -> None:
    senses = Senses()
    assert [answered(senses) for _ in range(9)] == [Sign.GOOD] * 9
    assert answered(senses, 0) is Sign.GOOD
    assert answered(senses, *range(8), complete=False) is Sign.GOOD
    assert answered(senses, 1, 2, 3, 4, 5) is Sign.LATE


def test_where_packets_are_lost_all_the_time_late_connections_are_no_sign_any_more() -> None:
    senses, chance = Senses(), random.Random(5)

    def lossy() -> Sign:
        return answered(senses, *(n for n in range(8) if chance.random() < 0.36))

    signs = [lossy() for _ in range(200)]
    assert signs.count(Sign.LATE) <= 1
    # What is not usual even there is still one.
    assert Sign.LATE in [answered(senses, *range(8)) for _ in range(3)]


def test_a_host_alone_is_no_sign_before_it_is_late_again_and_again() -> None:
    alone = sweep("192.0.2.1/32")
    senses = Senses()
    for _ in range(40):
        senses.of_answer(alone, Answer(delays=((HOSTS[1], 0.01),)))
    late = Answer(delays=((HOSTS[1], 1.0),))
    assert senses.of_answer(alone, late) is Sign.GOOD
    assert Sign.LATE in [senses.of_answer(alone, late) for _ in range(4)]


def test_one_late_host_is_no_sign_where_there_are_others() -> None:
    senses = Senses()
    answered(senses)
    assert [answered(senses, 3) for _ in range(6)] == [Sign.GOOD] * 6


def test_what_was_asked_before_the_last_bad_sign_cannot_halve_the_share_again() -> None:
    throttle = Throttle.at_first(Manners(), 0.0).heed(Sign.LATE, 10.0, asked_at=4.0)
    assert throttle.share == 0.5
    assert throttle.heed(Sign.LOSS, 12.0, asked_at=9.0) == throttle
    assert throttle.heed(Sign.LOSS, 12.0, asked_at=11.0).share == 0.25
    assert throttle.heed(Sign.LOSS, 12.0).share == 0.25


def swept(senses: Senses, ports: PortSet, *, answered: Mapping[str, PortSet]) -> Sign:
    """What a sweep of some hosts tells that refused these ports."""
    task = replace(sweep(*answered), ports=ports)
    refusals = (Refusals(address=parse_address(a), ports=p) for a, p in answered.items() if p)
    return senses.of_answer(task, Answer(refusals=tuple(refusals)))


def test_short_sweeps_tell_together_what_a_host_answers() -> None:
    senses, hosts = Senses(), ("192.0.2.1", "192.0.2.2")
    for ports in (PortSet(((1, 3),)), PortSet(((4, 8),))):
        assert swept(senses, ports, answered=dict.fromkeys(hosts, ports)) is Sign.GOOD
    later, none = PortSet(((9, 40),)), PortSet()
    assert swept(senses, later, answered=dict.fromkeys(hosts, none)) is Sign.LOSS
    assert swept(senses, later, answered=dict.fromkeys(hosts, later)) is Sign.GOOD
    assert swept(senses, later, answered={hosts[0]: later, hosts[1]: none}) is Sign.GOOD


def test_many_hosts_of_which_each_was_asked_one_port_tell_of_a_loss() -> None:
    hosts = [f"192.0.2.{n}" for n in range(1, 33)]
    one, other = PortSet(((1, 1),)), PortSet(((2, 2),))
    lost = {host: other if n % 2 else PortSet() for n, host in enumerate(hosts)}
    senses = Senses()
    senses.of_answer(sweep(*hosts), Answer(delays=tuple((parse_address(a), 0.01) for a in hosts)))
    assert swept(senses, one, answered=dict.fromkeys(hosts, one)) is Sign.GOOD
    assert swept(senses, other, answered=lost) is Sign.LOSS
    # Who is not known by a connection may have answered a single port by chance.
    senses = Senses()
    assert swept(senses, one, answered=dict.fromkeys(hosts, one)) is Sign.GOOD
    assert swept(senses, other, answered=lost) is Sign.GOOD


def test_hosts_that_always_drop_half_of_their_ports_are_no_sign() -> None:
    hosts = [f"192.0.2.{n}" for n in range(1, 33)]
    senses, none = Senses(), PortSet()
    senses.of_answer(sweep(*hosts), Answer(delays=tuple((parse_address(a), 0.01) for a in hosts)))
    for port in range(1, 9):
        ports = PortSet(((port, port),))
        answered = {host: ports if (n + port) % 2 else none for n, host in enumerate(hosts)}
        assert swept(senses, ports, answered=answered) is Sign.GOOD
