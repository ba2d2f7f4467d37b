"""The likelihoods of a run: what is counted, by what is true."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.refit import answers_in, fit, markdown, truth_of
from pipeline.decide.likelihoods import Heard, Hypothesis
from pipeline.model import Aftermath, Endpoint, Method, PortState, Purpose
from tests.decide.making import WHERE, batch, endpoints, evidence, seen, shaken

SERVICE, NOTHING, PRETENDER, UNSTEADY = Hypothesis
SYN, HANDSHAKE = Method.NMAP_SYN, Method.HANDSHAKE
ONE, TWO, THREE = endpoints("192.0.2.1:22", "192.0.2.2:22", "192.0.2.3:22")


def entry(port: int, state: str, *, steady: bool = True, verdicts: tuple[str, ...] = ()) -> Any:
    return {
        "address": "192.0.2.7",
        "protocol": "tcp",
        "port": port,
        "state": state,
        "steady": steady,
        "verdicts": verdicts,
    }


@pytest.mark.parametrize(
    ("port", "expected"),
    [(22, SERVICE), (23, UNSTEADY), (24, NOTHING), (25, PRETENDER), (26, PRETENDER), (99, NOTHING)],
)
def test_what_is_true_of_an_endpoint(port: int, expected: Hypothesis) -> None:
    document = {
        "endpoints": [
            entry(22, "open"),
            entry(23, "open", steady=False),
            entry(24, "filtered"),
            entry(25, "pretends"),
            entry(26, "closed", verdicts=("refuted", "artefact")),
        ],
        "hosts": [{"address": "192.0.2.7", "default": "closed", "verdicts": ("refuted",)}],
    }
    where = Endpoint.parse(f"192.0.2.7:{port}")
    assert truth_of(document, [where]) == {where: expected}


def test_of_an_address_without_a_host_nothing_is_known() -> None:
    assert truth_of({"endpoints": [], "hosts": []}, [WHERE]) == {}


def test_repeats_and_control_ports_are_not_counted() -> None:
    swept = seen(Method.MASSCAN_SYN)
    control = seen(SYN, where=endpoints("192.0.2.7:31001")[0], purpose=Purpose.CONTROL)
    found = answers_in(
        evidence(
            batch(),
            observations=(
                swept,
                shaken(Aftermath.DATA),
                shaken(Aftermath.DATA, round_=2, after=60.0),
                seen(SYN, PortState.CLOSED, where=endpoints("192.0.2.7:443")[0]),
                control,
            ),
        )
    )
    assert found == {
        (WHERE, Method.MASSCAN_SYN, Heard.OPEN),
        (WHERE, HANDSHAKE, Heard.OWN_WORDS),
    }


def test_the_shares_are_those_of_a_method_under_what_is_true() -> None:
    truth = {ONE: SERVICE, TWO: SERVICE, THREE: PRETENDER}
    answers = [(ONE, SYN, Heard.OPEN), (TWO, SYN, Heard.SILENT), (THREE, SYN, Heard.OPEN)]
    counted = {(one.hypothesis, one.heard): (one.count, one.of) for one in fit(answers, truth)}
    assert counted == {
        (SERVICE, Heard.OPEN): (1, 2),
        (SERVICE, Heard.SILENT): (1, 2),
        (PRETENDER, Heard.OPEN): (1, 1),
    }


def test_a_number_of_the_table_that_was_not_met_is_told() -> None:
    hundred = endpoints(*(f"192.0.2.{host}:22" for host in range(1, 101)))
    truth = dict.fromkeys(hundred, SERVICE)
    (one,) = fit([(endpoint, SYN, Heard.REFUSED) for endpoint in hundred], truth)
    assert one.differs
    assert any(line.endswith("| differs |") for line in markdown([one], truth))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ONE, TWO, THREE]),
            st.sampled_from([SYN, HANDSHAKE]),
            st.sampled_from([Heard.OPEN, Heard.REFUSED, Heard.SILENT]),
        ),
        max_size=30,
        unique=True,
    )
)
def test_the_shares_of_each_method_and_hypothesis_add_up_to_one(
    answers: list[tuple[Endpoint, Method, Heard]],
) -> None:
    truth = {ONE: SERVICE, TWO: NOTHING}
    totals: dict[tuple[Method, Hypothesis], float] = {}
    for one in fit(answers, truth):
        key = (one.method, one.hypothesis)
        totals[key] = totals.get(key, 0.0) + one.count / one.of
    assert all(total == pytest.approx(1.0) for total in totals.values())
