"""Laws of what is learned: intervals, evidence, and the bounds of the authorisation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decide.tuning.patience import LEAST_PRETENDERS
from pipeline.decide.tuning.proposal import LEAST_RUNS, Because, Change, Key, Now, Past, Proposal
from pipeline.decide.tuning.proposing import advise, inside
from pipeline.decide.tuning.shares import Share, together, wilson
from pipeline.decide.tuning.tally import Tally, Trouble, Turned, same
from tests.decide.tallies import NOW, SETTINGS, many, tally

shares = st.integers(0, 200).flatmap(
    lambda trials: st.integers(0, trials).map(lambda hits: (hits, trials))
)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, 857: method 3 of table I.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_that_of_the_literature(
    hits: int, trials: int, low: float, high: float
) -> None:
    assert wilson(hits, trials) == pytest.approx((low, high), abs=5e-5)


@given(share=shares, times=st.integers(2, 9))
def test_more_evidence_of_the_same_kind_never_widens_an_interval(
    share: tuple[int, int], times: int
) -> None:
    little, much = Share(*share), Share(share[0] * times, share[1] * times)
    assert little.low <= much.low + 1e-12
    assert much.high <= little.high + 1e-12


@given(share=shares)
def test_the_share_lies_in_its_interval_and_the_interval_in_0_to_1(share: tuple[int, int]) -> None:
    found = Share(*share)
    assert 0.0 <= found.low <= found.high <= 1.0
    if found.value is not None:
        assert found.low - 1e-12 <= found.value <= found.high + 1e-12


@given(parts=st.lists(shares, max_size=5))
def test_shares_add_up(parts: list[tuple[int, int]]) -> None:
    whole = together(Share(*part) for part in parts)
    assert (whole.hits, whole.trials) == tuple(sum(part[n] for part in parts) for n in (0, 1))


def test_a_share_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="not a share"):
        Share(3, 2)


@st.composite
def tallies(draw: Any) -> Tally:
    def share(most: int = 200) -> tuple[int, int]:
        trials = draw(st.integers(0, most))
        return draw(st.integers(0, trials)), trials

    blocked = draw(st.integers(0, 40))
    return tally(
        lost=share(),
        lossy_hosts=share(40),
        rounds={number: share() for number in (2, 3)},
        unsettled=share(),
        last_look=Share(*share()),
        silent=Share(*share()),
        mute=Share(*share()),
        checked=many(40) | many(10, first=60),
        given_up=tuple(draw(st.lists(st.floats(0, 1e6), max_size=3))),
        real=draw(st.sampled_from([0.0, 90.0, 900.0])),
        turned=Turned(
            waited=draw(st.floats(0, 1e5)), again=Share(*share(30)), pace=draw(st.floats(0, 50))
        ),
        probed=many(40),
        troubles={
            Trouble.BLOCKS: many(blocked),
            Trouble.NEVER_BACK: many(draw(st.integers(0, blocked))),
            Trouble.PROVOKED: many(draw(st.integers(0, 10)), first=60),
            Trouble.BREAKS: many(draw(st.integers(0, 3))),
        },
        settings=replace(
            SETTINGS,
            rate=draw(st.sampled_from([1, 50, 1000])),
            rate_per_host=draw(st.sampled_from([1, 50])),
        ),
    )


@st.composite
def presents(draw: Any) -> Now:
    rate = draw(st.sampled_from([1, 50, 1000]))
    per_host = min(rate, draw(st.sampled_from([1, 50])))
    permitted = draw(st.sampled_from([None, rate, 2 * rate]))
    return replace(
        NOW,
        settings=replace(SETTINGS, rate=rate, rate_per_host=per_host),
        permitted=(permitted, None),
    )


@settings(max_examples=60)
@given(history=st.lists(tallies(), max_size=8), present=presents())
def test_no_proposal_leaves_the_authorisation_or_raises_a_rate(
    history: list[Tally], present: Now
) -> None:
    found = advise(Past(tallies=history), present).proposals
    assert all(inside(proposal, present) for proposal in found)
    after = {each.key: each.after for each in found}
    rate = after.get(Key.RATE, present.settings.rate)
    per_host = after.get(Key.RATE_PER_HOST, present.settings.rate_per_host)
    assert isinstance(rate, int)
    assert isinstance(per_host, int)
    assert per_host <= rate <= present.settings.rate


@settings(max_examples=40)
@given(history=st.lists(tallies(), min_size=3, max_size=8), present=presents())
def test_for_hosts_that_turn_no_rate_costs_more_time_than_they_were_waited_for(
    history: list[Tally], present: Now
) -> None:
    # Nothing is lost here: what turns is all that can lower the rate.
    runs = [replace(each, lost=replace(each.lost, endpoints=Share(0, 200))) for each in history]
    alike = ("rate", "rate_per_host", "rate_per_network")
    judged = [t for t in runs if same(t.settings, present.settings, *alike)]
    waited = sum(t.turned.waited for t in judged) / max(1, len(judged))
    for each in advise(Past(tallies=runs), present).proposals:
        if each.key is Key.RATE:
            assert each.effect.seconds <= waited + 1e-6


@settings(max_examples=60)
@given(history=st.lists(tallies(), max_size=8), present=presents())
def test_every_proposal_has_grounds_and_every_setting_one_decision(
    history: list[Tally], present: Now
) -> None:
    advice = advise(Past(tallies=history), present)
    assert all(each.grounds and each.why for each in advice.proposals)
    assert all(each.before != each.after for each in advice.proposals)
    assert all(
        grounds.runs >= LEAST_RUNS and grounds.share.trials >= LEAST_PRETENDERS
        for each in advice.proposals
        if each.change is Change.SET
        for grounds in each.grounds
    )
    keys = [*(each.key for each in advice.proposals), *(each.key for each in advice.kept)]
    assert len(keys) == len(set(keys))


@settings(max_examples=40)
@given(history=st.lists(tallies(), max_size=2))
def test_two_runs_are_too_few_for_any_proposal(history: list[Tally]) -> None:
    advice = advise(Past(tallies=history), NOW)
    assert advice.proposals == ()
    assert not any(each.because is Because.BOUND for each in advice.kept)


@settings(max_examples=40)
@given(history=st.permutations([tally(n, lost=(n, 100), unsettled=(n, 40)) for n in range(6)]))
def test_the_order_of_the_runs_does_not_matter(history: list[Tally]) -> None:
    def told(runs: list[Tally]) -> tuple[Proposal, ...]:
        return advise(Past(tallies=runs), NOW).proposals

    assert told(history) == told(sorted(history, key=lambda run: run.run))
