"""Which targets a measurement misses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.benchmark.figures import Figures
from fixtures.benchmark.measured import Measured
from fixtures.benchmark.targets import BASE, HELD, PORTPROOF, fits, misses
from tests.fixtures_bench.measurements import ENDPOINT, GOOD, good, measurement, run


def with_ours(loss: float = 0.0, **classes: Figures) -> Measured:
    """The good measurement, but these classes were worse for the profile that is held to it."""
    measured = good(loss)
    return replace(measured, runs=(run(HELD, loss, **classes), *measured.runs[1:]))


def the_miss(measured: Measured) -> str:
    (miss,) = misses(measured)
    return miss


@pytest.mark.parametrize("loss", [0.0, 1.0, 5.0, 20.0])
def test_nothing_is_missed_when_every_target_is_just_reached(loss: float) -> None:
    assert misses(good(loss)) == []


def test_a_confirmed_endpoint_that_is_shut_misses_precision_and_is_called_open() -> None:
    measured = with_ours(silent=Figures(proven=1, wrong=1, asserted=1, spoken_of=1))
    first, second = misses(measured)
    assert first.startswith("0 % loss: silent: precision of confirmed 0.000, wanted 1.000")
    assert second == f"0 % loss: {HELD}: silent: 1 called open that are not"


def test_a_confirmed_endpoint_that_changes_misses_precision() -> None:
    measured = with_ours(flapping=Figures(unsteady=10, transient=9, proven=1, changing=1))
    assert "(0 not open, 1 open at times)" in the_miss(measured)


def test_where_much_is_lost_only_what_is_shut_is_held_against_the_confirmed() -> None:
    assert misses(with_ours(20.0, flapping=Figures(unsteady=10, proven=1, changing=1))) == []
    shut = with_ours(20.0, silent=Figures(proven=1, wrong=1, asserted=1))
    assert the_miss(shut).endswith("1 called open that are not")


@pytest.mark.parametrize(
    ("loss", "found", "missed"), [(5.0, 99, 0), (5.0, 98, 1), (20.0, 97, 0), (20.0, 96, 1)]
)
def test_recall_may_be_lower_where_much_is_lost(loss: float, found: int, missed: int) -> None:
    worse = replace(GOOD, found=found, proven=found)
    measured = with_ours(loss, mixed=worse)
    measured = replace(measured, runs=(measured.runs[0], run(BASE, loss, mixed=worse)))
    told = misses(measured)
    assert len(told) == missed
    assert all(f"mixed {found}/100" in miss for miss in told)


def test_recall_is_over_all_classes() -> None:
    small = Figures(open=1, packets=10)
    measured = with_ours(mixed=replace(GOOD, open=199, found=199), blocking=small)
    assert misses(measured) == []


def test_an_artefact_that_any_profile_confirms_is_a_miss() -> None:
    taken = Figures(artefacts=5, taken_in=1, proven=1, wrong=1)
    measured = good()
    fast = run(f"{PORTPROOF}fast", tarpit=taken)
    assert the_miss(replace(measured, runs=(*measured.runs, fast))) == (
        f"0 % loss: {PORTPROOF}fast: tarpit: 1 artefacts confirmed"
    )


def test_too_few_transient_endpoints_are_a_miss_and_only_those_count_whose_period_fits() -> None:
    measured = good()
    first, *others = measured.endpoints
    second = replace(others[0], verdict="likely")
    assert "8 of 10 endpoints that flap" in the_miss(
        replace(measured, endpoints=(first, second, *others[1:]))
    )
    unseen = replace(second, verdict="absent")
    assert the_miss(replace(measured, endpoints=(first, unseen, *others[1:]))).endswith(
        "1 were never seen open"
    )
    slow = replace(second, period=171.0)
    assert misses(replace(measured, endpoints=(slow, *others))) == []


def test_the_whole_period_has_to_fit_into_the_rescans() -> None:
    assert fits(replace(ENDPOINT, period=170.0), 170.0)
    assert not fits(replace(ENDPOINT, period=170.1), 170.0)
    assert not fits(replace(ENDPOINT, period=None), 170.0)
    assert not fits(replace(ENDPOINT, steady=True), 170.0)


@pytest.mark.parametrize(
    ("theirs", "what"),
    [
        (Figures(open=10, found=9, proven=9), "recall 0.800 against 0.900"),
        (Figures(open=10, found=8, proven=8), "precision 0.889 against 1.000"),
    ],
)
def test_whoever_is_better_in_a_class_is_named(theirs: Figures, what: str) -> None:
    ours = Figures(open=10, found=8, proven=9, changing=1)
    measured = with_ours(mixed=replace(GOOD, open=1000, found=1000), hard=ours)
    better = replace(measured, runs=(*measured.runs, run("nmap -sT", hard=theirs)))
    assert f"0 % loss: hard: {what} of nmap -sT" in misses(better)
    assert not any("nmap -sT" in miss for miss in misses(measured))


def test_another_profile_of_ours_may_be_better() -> None:
    measured = with_ours(hard=Figures(open=1, packets=1))
    careful = run(f"{PORTPROOF}careful", hard=Figures(open=1, found=1, proven=1))
    assert not any(
        "against" in m for m in misses(replace(measured, runs=(*measured.runs, careful)))
    )


def test_packets_count_on_ordinary_hosts_only() -> None:
    dear = with_ours(mixed=replace(GOOD, packets=1501))
    assert the_miss(dear).endswith(
        f"1.50 times the packets of {BASE} on ordinary hosts, wanted 1.5"
    )
    assert misses(with_ours(mixed=replace(GOOD, packets=1500))) == []
    assert misses(with_ours(flapping=Figures(unsteady=10, transient=9, packets=99_999))) == []


def test_what_was_not_measured_is_not_reached() -> None:
    told = misses(measurement(run("nmap -sS")))
    assert [miss.partition(" did not take part")[0] for miss in told] == [
        f"0 % loss: {HELD}", f"0 % loss: {BASE}",
    ]  # fmt: skip


def test_a_run_of_ours_that_did_not_end_is_a_miss_and_one_of_the_others_is_not() -> None:
    measured = good()
    ours, theirs = (replace(one, problem="stopped") for one in measured.runs)
    assert misses(replace(measured, runs=(measured.runs[0], theirs))) == []
    assert the_miss(replace(measured, runs=(ours, theirs))) == f"0 % loss: {HELD}: stopped"


def test_every_loss_rate_is_checked() -> None:
    worse = with_ours(5.0, mixed=replace(GOOD, found=90, proven=90))
    both = replace(good(), runs=(*good().runs, *worse.runs))
    told = misses(replace(both, endpoints=(*good().endpoints, *worse.endpoints)))
    assert told
    assert all(miss.startswith("5 % loss: ") for miss in told)
