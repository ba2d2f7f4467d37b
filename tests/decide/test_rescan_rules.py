"""What is worth asking again, and when."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decide import reasons
from pipeline.decide.rescan import may_be_a_loss, round_due, watch_times, worth_asking_again
from pipeline.model import Method, Observation, PortState, Purpose, VerdictKind
from tests.decide.making import START, seen, verdict

FIRST = (seen(Method.NMAP_SYN), seen(Method.HANDSHAKE))
SECOND = (*FIRST, seen(Method.NMAP_SYN, round_=2, after=30))


@pytest.mark.parametrize(
    ("kind", "reason", "after_one_round", "after_two"),
    [
        (VerdictKind.CONFIRMED, reasons.SERVICE_SPOKE, False, False),
        (VerdictKind.TRANSIENT, reasons.OPEN_THEN_CLOSED, False, False),
        (VerdictKind.UNKNOWN, reasons.GAVE_UP, False, False),
        (VerdictKind.LIKELY, reasons.ONE_METHOD, True, True),
        (VerdictKind.LIKELY, reasons.HANDSHAKE_MISSING, True, True),
        (VerdictKind.LIKELY, reasons.NO_CONTROL, True, True),
        (VerdictKind.LIKELY, reasons.SILENT_LISTENER, False, False),
        (VerdictKind.UNRESOLVED, reasons.METHODS_DISAGREE, True, True),
        (VerdictKind.REFUTED, reasons.CLOSED_WHEN_ASKED_AGAIN, True, False),
        (VerdictKind.REFUTED, reasons.REFUSED, False, False),
        (VerdictKind.FILTERED, reasons.NO_ANSWER, True, False),
        (VerdictKind.FILTERED, reasons.ICMP_REFUSED, True, False),
        (VerdictKind.ARTEFACT, reasons.RESET_AFTER_HANDSHAKE, True, False),
        (VerdictKind.ARTEFACT, reasons.NEVER_ACKNOWLEDGED, True, False),
        (VerdictKind.ARTEFACT, reasons.CONTROL_PORTS_ANSWER, False, False),
        (VerdictKind.ARTEFACT, reasons.HANDSHAKE_NEVER_COMPLETES, True, True),
    ],
)
def test_only_what_another_round_could_change_is_asked_again(
    kind: VerdictKind, reason: str, after_one_round: bool, after_two: bool
) -> None:
    found = verdict(kind, reason=reason)
    assert worth_asking_again(found, FIRST) is after_one_round
    assert worth_asking_again(found, SECOND) is after_two


@pytest.mark.parametrize(("loss", "enough"), [(0.0, 2), (0.01, 2), (0.05, 2), (0.1, 3), (0.2, 5)])
def test_silence_after_a_handshake_is_believed_once_loss_cannot_explain_it(
    loss: float, enough: int
) -> None:
    found = verdict(VerdictKind.ARTEFACT, reason=reasons.NEVER_ACKNOWLEDGED)
    rounds = [seen(Method.HANDSHAKE, round_=number) for number in range(1, enough + 1)]
    assert worth_asking_again(found, rounds[:-1], loss=loss)
    assert not worth_asking_again(found, rounds, loss=loss)


@pytest.mark.parametrize(("loss", "enough"), [(0.0, 1), (0.005, 1), (0.05, 2), (0.2, 5)])
def test_a_listener_is_silent_once_loss_cannot_explain_that_it_never_reset(
    loss: float, enough: int
) -> None:
    found = verdict(VerdictKind.LIKELY, reason=reasons.SILENT_LISTENER)
    rounds = [seen(Method.HANDSHAKE, round_=number) for number in range(1, enough + 1)]
    assert enough == 1 or worth_asking_again(found, rounds[:-1], loss=loss)
    assert not worth_asking_again(found, rounds, loss=loss)


@given(loss=st.floats(0, 1), more=st.floats(0, 1), rounds=st.integers(1, 12))
def test_more_loss_never_settles_sooner_what_was_not_acknowledged(
    loss: float, more: float, rounds: int
) -> None:
    found = verdict(VerdictKind.ARTEFACT, reason=reasons.NEVER_ACKNOWLEDGED)
    heard = [seen(Method.HANDSHAKE, round_=number) for number in range(1, rounds + 1)]
    less, more = sorted((loss, more))
    if worth_asking_again(found, heard, loss=less):
        assert worth_asking_again(found, heard, loss=min(more, 0.99))


def test_a_reset_after_the_handshake_is_no_loss() -> None:
    found = verdict(VerdictKind.ARTEFACT, reason=reasons.RESET_AFTER_HANDSHAKE)
    assert not worth_asking_again(found, SECOND, loss=0.2)


def test_what_the_sweep_the_controls_and_the_probes_heard_is_no_round() -> None:
    refuted = verdict(VerdictKind.REFUTED, reason=reasons.CLOSED_WHEN_ASKED_AGAIN)
    beside: list[Observation] = [
        seen(Method.MASSCAN_SYN),
        seen(Method.NMAP_SYN, purpose=Purpose.CONTROL, round_=7),
        seen(Method.NMAP_VERSION, round_=8),
    ]
    assert worth_asking_again(refuted, [*FIRST, *beside])


def test_every_kind_of_verdict_is_provided_for() -> None:
    for kind in VerdictKind:
        assert worth_asking_again(verdict(kind, reason="imported"), FIRST) in (True, False)


@given(st.lists(st.floats(0, 10**6), max_size=5), st.integers(0, 8))
def test_each_delay_is_used_once_and_then_they_are_used_up(
    delays: list[float], round_: int
) -> None:
    due = round_due(round_, START, delays)
    if 1 <= round_ <= len(delays):
        assert due == START + delays[round_ - 1]
    else:
        assert due is None


# --- losses, and looks at what is believed -----------------------------------------------------


def test_only_where_nobody_was_refused_may_an_answer_have_been_lost() -> None:
    heard = (seen(Method.MASSCAN_SYN), seen(Method.NMAP_SYN, PortState.FILTERED))
    assert may_be_a_loss(heard)
    assert not may_be_a_loss([*heard, seen(Method.HANDSHAKE, PortState.CLOSED)])
    assert not may_be_a_loss(heard[1:])


delays = st.lists(st.floats(1.0, 10_000.0), min_size=1, max_size=5)


@given(st.integers(0, 60), delays)
def test_the_looks_lie_within_the_span_of_the_rescans_one_in_each_part_of_it(
    looks: int, waits: list[float]
) -> None:
    span = sum(waits)
    times = watch_times(looks, span)
    assert len(times) == looks
    for number, time in enumerate(times):
        assert span * number / looks <= time <= span * (number + 1) / looks
    assert list(times) == sorted(set(times))


@given(st.integers(6, 60), delays, st.floats(2.0, 8.0))
def test_no_period_keeps_step_with_the_looks(looks: int, waits: list[float], parts: float) -> None:
    """Whatever is open for half of a period, some look meets it open and some look closed."""
    times = watch_times(looks, sum(waits))
    period = sum(waits) * parts / looks
    met = {time / period % 1.0 < 0.5 for time in times}
    assert met == {True, False}


def test_without_rescans_there_is_no_time_to_look_in() -> None:
    assert watch_times(14, 0.0) == ()


def test_the_looks_are_uneven() -> None:
    times = watch_times(14, 2130.0)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert max(gaps) > 1.5 * min(gaps)
