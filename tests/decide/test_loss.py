"""How much is lost is what the sweep missed of what is known to be there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.decide.loss import searches
from pipeline.decide.standing import standings
from pipeline.model import Endpoint, Evidence, Method, Observation, Purpose
from tests.decide.making import batch, evidence, seen


def found(network: int, host: int, *by: tuple[Purpose, int]) -> list[Observation]:
    where = Endpoint.parse(f"192.0.{network}.{host}:22")
    return [
        seen(
            Method.MASSCAN_SYN if purpose is Purpose.SWEEP else Method.NMAP_SYN,
            where=where,
            purpose=purpose,
            round_=round_,
        )
        for purpose, round_ in by
    ]


def of(observations: list[Observation]) -> Evidence:
    return evidence(batch(), [], observations)


SWEPT, SWEPT_AGAIN, LOOKED = (Purpose.SWEEP, 0), (Purpose.SWEEP, 2), (Purpose.SECOND_LOOK, 1)


def test_what_a_look_finds_and_the_sweep_did_not_was_lost() -> None:
    known = of([o for n in range(40) for o in found(2, n, SWEPT if n % 4 else LOOKED)])
    heard = searches(known, standings(known))
    assert heard.loss() == pytest.approx(0.25)
    assert heard.loss_each_way == pytest.approx(0.25)


def test_another_sweep_mends_what_is_missed_but_not_what_was_lost() -> None:
    known = of([o for n in range(40) for o in found(2, n, SWEPT if n % 4 else SWEPT_AGAIN)])
    heard = searches(known, standings(known))
    assert heard.loss() == 0.0
    assert heard.loss(by_first=True) == pytest.approx(0.25)


@pytest.mark.parametrize(("lost", "asks"), [(0, 1), (1, 2), (4, 2), (8, 3), (16, 5), (40, 5)])
def test_a_single_ask_is_lost_as_often_as_the_first_sweep_whatever_another_one_mended(
    lost: int, asks: int
) -> None:
    known = of([o for n in range(40) for o in found(2, n, SWEPT if n >= lost else SWEPT_AGAIN)])
    assert searches(known, standings(known)).asks_needed() == asks


def test_few_endpoints_tell_nothing() -> None:
    known = of([o for n in range(19) for o in found(2, n, LOOKED)])
    assert searches(known, standings(known)).loss() == 0.0


def test_a_limit_of_one_network_among_many_is_no_loss() -> None:
    missing = [o for n in range(10) for o in found(2, n, LOOKED)]
    others = [o for net in range(3, 8) for n in range(10) for o in found(net, n, SWEPT)]
    known = of(missing + others)
    assert searches(known, standings(known)).loss() == 0.0


def test_what_was_seen_of_no_witness_does_not_count() -> None:
    """Hosts that pretended before the sweep answer everything, lost or not."""
    pretenders = [o for n in range(40) for o in found(2, n, LOOKED)]
    before = [
        replace(
            seen(Method.HANDSHAKE, where=Endpoint.parse(f"192.0.2.{n}:31001"), round_=0),
            purpose=Purpose.CANARY,
        )
        for n in range(40)
    ]
    known = of(pretenders + before)
    assert searches(known, standings(known)).loss() == 0.0
