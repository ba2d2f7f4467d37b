"""What is proposed on which evidence: tables of histories and what follows from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.addresses import AddressSet
from pipeline.decide.suppression import Suppression
from pipeline.decide.tuning.patience import MOST_SECOND_LOOKS
from pipeline.decide.tuning.proposal import (
    Because,
    Change,
    Fired,
    Grounds,
    Kept,
    Key,
    Now,
    Past,
    Proposal,
    span,
)
from pipeline.decide.tuning.proposing import advise, inside
from pipeline.decide.tuning.shares import Share
from pipeline.decide.tuning.speed import STEPS
from pipeline.decide.tuning.tally import Trouble, Turned
from pipeline.engagement.profiles import read_profile
from pipeline.engagement.source import Door
from pipeline.model import Endpoint
from tests.decide.tallies import (
    NOW,
    SETTINGS,
    blocking,
    hosts,
    many,
    now,
    past,
    runs,
    tally,
)


def proposed(history: Past, present: Now = NOW) -> dict[Key, Proposal]:
    return {each.key: each for each in advise(history, present).proposals}


def kept(history: Past, present: Now = NOW) -> dict[Key, Kept]:
    return {each.key: each for each in advise(history, present).kept}


def test_without_a_run_everything_stays_and_nothing_is_known() -> None:
    advice = advise(Past(), NOW)
    assert advice.proposals == ()
    assert {each.key for each in advice.kept} == set(Key) - {Key.RATE_PER_NETWORK, Key.SUPPRESS}
    sound = {each.key for each in advice.kept if each.because is Because.SOUND}
    assert sound <= {Key.FRAGILE_HOSTS}


LOSSY = tally(lost=(30, 200), lossy_hosts=(18, 20))


def test_a_sweep_that_loses_answers_of_most_hosts_is_made_slower() -> None:
    history = runs(replace(LOSSY, settings=replace(SETTINGS, rate_per_host=1000)))
    found = proposed(past(*history), now(rate_per_host=1000))
    rate = found[Key.RATE]
    assert (rate.before, rate.after) == (1000, 300)
    assert rate.grounds == (Grounds(share=Share(90, 600), of=rate.grounds[0].of, runs=3),)
    assert rate.effect.seconds > 0
    # What must not exceed the rate comes down with it.
    assert found[Key.RATE_PER_HOST].after == 300


def test_a_loss_of_a_few_hosts_lowers_what_one_host_gets() -> None:
    few = tally(lost=(30, 200), lossy_hosts=(3, 20))
    found = proposed(past(*runs(few)))
    assert Key.RATE not in found
    assert found[Key.RATE_PER_HOST].after == 20


def test_what_one_host_gets_is_lowered_where_hosts_block() -> None:
    found = proposed(past(*runs(blocking(8, 40))))
    assert found[Key.RATE_PER_HOST].after == 20
    assert "turn us away" in found[Key.RATE_PER_HOST].why


@pytest.mark.parametrize(("present", "after"), [(1000, 200), (200, 100), (100, 20), (20, 10)])
def test_a_rate_comes_down_to_that_of_the_next_slower_profile(present: int, after: int) -> None:
    settings = replace(SETTINGS, rate=20_000, rate_per_host=present)
    history = past(*runs(blocking(8, 40, settings=settings, real=0.0)))
    found = proposed(history, replace(NOW, settings=settings))
    assert found[Key.RATE_PER_HOST].after == after


FEW = replace(
    NOW,
    settings=replace(SETTINGS, rate=20_000, rate_per_host=1000),
    hosts=AddressSet.parse(["192.0.2.0/26"]),
    ports=50,
)


@pytest.mark.parametrize(("real", "after"), [(18_000.0, 10_000), (9000.0, 1000), (800.0, 300)])
def test_a_rate_that_sweeps_never_come_near_is_passed_over(real: float, after: int) -> None:
    one = tally(lost=(30, 200), lossy_hosts=(18, 20), settings=FEW.settings, real=real)
    found = proposed(past(*runs(one)), FEW)[Key.RATE]
    assert found.after == after
    assert found.effect.seconds > 0


def turning(**cost: Any) -> Past:
    return past(
        *runs(
            blocking(8, 40, settings=FEW.settings, real=9000.0, provoked=100, turned=Turned(**cost))
        )
    )


def test_where_hosts_turn_the_rate_goes_as_low_as_costs_no_more_than_waiting_for_them() -> None:
    found = proposed(turning(waited=60.0), FEW)[Key.RATE]
    assert found.after == 300
    assert 0 < found.effect.seconds <= 60
    assert found.effect.packets == -1200
    assert "1m a run" in found.why
    # Not lower than what the same hosts bore afterwards.
    bore = proposed(turning(waited=60.0, again=Share(0, 30), pace=300.0), FEW)
    assert bore[Key.RATE].after == 500
    # And not at all where it would cost more than it saves.
    dear = proposed(turning(waited=0.5), FEW)
    assert Key.RATE not in dear
    assert dear[Key.RATE_PER_HOST].after == 200


def test_hosts_that_pretend_for_a_while_turned_against_us_like_those_that_block() -> None:
    one = tally(checked=many(40), troubles={Trouble.PROVOKED: many(8)})
    assert "pretend for a while" in proposed(past(*runs(one)))[Key.RATE_PER_HOST].why


@pytest.mark.parametrize(("lasted", "after"), [(10.0, "20m"), (700.0, "30m"), (2000.0, "2h")])
def test_a_delay_that_is_appended_is_twice_as_long_as_doubts_had_lasted_without_an_end(
    lasted: float, after: str
) -> None:
    one = tally(unsettled=(25, 60), rounds={2: (15, 60), 3: (20, 45)}, given_up=(lasted,) * 25)
    assert proposed(past(*runs(one)))[Key.DELAYS].after == ("30s", "5m", after)


def test_the_steps_are_the_limits_of_the_profiles() -> None:
    for name, steps in STEPS.items():
        profiles = [
            read_profile(profile, Door(folder=Path())).limits
            for profile in ("fast", "balanced", "careful")
        ]
        assert steps == tuple(getattr(limits, name) for limits in profiles)


def test_a_slower_setting_that_was_surely_better_is_preferred_to_half_of_the_present() -> None:
    slower = replace(SETTINGS, rate_per_host=80)
    better = runs(tally(lost=(0, 400), lossy_hosts=(0, 40), settings=slower))
    worse = runs(tally(lost=(30, 200), lossy_hosts=(3, 20)))
    found = proposed(past(*better, *worse))
    assert found[Key.RATE_PER_HOST].after == 80
    assert "surely less" in found[Key.RATE_PER_HOST].why


@pytest.mark.parametrize(
    ("count", "lost", "because"),
    [
        (2, (30, 200), Because.TOO_LITTLE),
        (3, (3, 6), Because.TOO_LITTLE),
        (3, (0, 200), Because.SOUND),
        (3, (2, 150), Because.SOUND),  # 4 of 300: it may be less than what is tolerated
    ],
)
def test_too_little_is_said_to_be_too_little(
    count: int, lost: tuple[int, int], because: Because
) -> None:
    one = tally(lost=(lost[0], lost[1]), lossy_hosts=(1, 2), checked=many(40))
    if count == 3 and lost == (3, 6):
        one = tally(lost=(1, 2), lossy_hosts=(1, 2), checked=many(40))
    found = kept(past(*runs(one, count)))
    assert found[Key.RATE].because is because


def test_only_runs_with_the_present_setting_speak_about_it() -> None:
    before = runs(tally(unsettled=(20, 40), rounds={2: (20, 40), 3: (0, 20)}), 5)
    after = replace(SETTINGS, delays=(30.0, 1200.0))
    found = kept(past(*before), replace(NOW, settings=after))
    assert found[Key.DELAYS].because is Because.TOO_LITTLE
    assert found[Key.DELAYS].grounds[0].runs == 0


def test_a_longer_delay_is_appended_where_doubts_remain_and_a_useless_round_dropped() -> None:
    one = tally(unsettled=(25, 60), rounds={2: (0, 60), 3: (35, 60)})
    found = proposed(past(*runs(one)))[Key.DELAYS]
    assert found.before == ("30s", "5m")
    assert found.after == ("5m", "20m")
    assert "round 2, after 30s, next to nothing came" in found.why
    assert found.effect.seconds == 300 + 1200 - 330
    assert found.effect.packets == (25 - 60) * 12


def test_delays_under_which_everything_is_settled_stay() -> None:
    one = tally(unsettled=(0, 60), rounds={2: (50, 60), 3: (10, 10)})
    assert kept(past(*runs(one)))[Key.DELAYS].because is Because.SOUND


def test_a_longer_delay_that_other_runs_had_is_preferred() -> None:
    longer = replace(SETTINGS, delays=(30.0, 600.0))
    tried = runs(tally(unsettled=(0, 60), rounds={2: (60, 60)}, settings=longer))
    one = tally(unsettled=(25, 60), rounds={2: (20, 60), 3: (15, 40)})
    found = proposed(past(*tried, *runs(one)))[Key.DELAYS]
    assert found.after == ("30s", "5m", "10m")


def test_hosts_that_stay_away_are_waited_for_longer() -> None:
    troubles = {Trouble.BLOCKS: many(10), Trouble.NEVER_BACK: many(6)}
    one = tally(checked=many(250), troubles=troubles)
    found = proposed(past(*runs(one)))[Key.CANARY_WAITS]
    assert found.after == ("20s", "1m", "2m")


def test_more_control_ports_are_asked_where_a_host_that_pretends_was_taken_for_real() -> None:
    fooled = tally(trusted=hosts("192.0.2.9"), found_out=many(8))
    aware = tally(found_out=many(9))
    found = proposed(past(*runs(fooled), aware))[Key.CONTROL_PORTS]
    assert found.after == 4
    assert found.grounds[0].share == Share(3, 36)
    few = tally(trusted=hosts("192.0.2.9"), found_out=many(1))
    once = tally(found_out=hosts("192.0.2.9"))
    assert kept(past(*runs(few), once))[Key.CONTROL_PORTS].because is Because.TOO_LITTLE
    # Where nobody ever found it out, it may well be real.
    assert Key.CONTROL_PORTS not in proposed(past(*runs(fooled)))


def test_one_more_look_where_the_last_one_still_finds_something() -> None:
    one = tally(last_look=Share(5, 100))
    assert proposed(past(*runs(one)))[Key.SECOND_LOOKS].after == 3
    most = replace(SETTINGS, second_looks=MOST_SECOND_LOOKS)
    bound = kept(past(*runs(replace(one, settings=most))), replace(NOW, settings=most))
    assert bound[Key.SECOND_LOOKS].because is Because.BOUND


def test_one_more_look_where_runs_overlook_what_others_confirm() -> None:
    history = past(*runs(tally()), overlooked=Share(6, 60), overlooked_runs=3)
    found = proposed(history)[Key.SECOND_LOOKS]
    assert found.after == 3
    assert "before and after" in found.why
    few = replace(history, overlooked_runs=2)
    assert kept(few)[Key.SECOND_LOOKS].because is Because.TOO_LITTLE


def test_what_some_runs_took_for_steady_is_watched_more() -> None:
    history = past(*runs(tally()), wavering=Share(12, 30), wavering_runs=3)
    assert proposed(history)[Key.WATCH_LOOKS].after == 14
    never = replace(SETTINGS, watch_looks=0)
    again = replace(history, tallies=runs(tally(settings=never)))
    assert proposed(again, replace(NOW, settings=never))[Key.WATCH_LOOKS].after == 7


def test_time_outs_that_are_too_short_are_doubled_up_to_a_bound() -> None:
    one = tally(silent=Share(10, 60), mute=Share(10, 60))
    found = proposed(past(*runs(one)))
    assert found[Key.CONNECT_TIMEOUT].after == "6s"
    assert found[Key.LISTEN].after == "2s"
    long = replace(SETTINGS, connect_timeout=10.0, listen=8.0)
    found = proposed(past(*runs(replace(one, settings=long))), replace(NOW, settings=long))
    assert Key.CONNECT_TIMEOUT not in found
    assert found[Key.LISTEN].after == "10s"


STEADY = {
    Endpoint.parse("192.0.2.10:443"): 9,
    Endpoint.parse("198.51.100.7:22"): 4,
    Endpoint.parse("203.0.113.1:443"): 9,
    Endpoint.parse("198.51.100.9:53/udp"): 9,
}


def test_canaries_are_endpoints_of_the_scope_that_were_always_there() -> None:
    found = proposed(Past(steady=STEADY))[Key.CANARIES]
    assert found.change is Change.ADD
    assert found.after == ("192.0.2.10:443",)  # the others: few looks, not in scope, UDP


@pytest.mark.parametrize(
    "present",
    [
        replace(NOW, canaries=(Endpoint.parse("192.0.2.99:80"),)),
        replace(NOW, fragile=AddressSet.parse(["192.0.2.10"])),
    ],
)
def test_no_canary_where_the_network_has_one_or_the_host_is_fragile(present: Now) -> None:
    assert Key.CANARIES not in proposed(Past(steady=STEADY), present)


def test_no_canary_on_a_host_that_ever_blocked() -> None:
    history = past(tally(troubles={Trouble.BLOCKS: hosts("192.0.2.10")}), steady=STEADY)
    assert Key.CANARIES not in proposed(history)


def test_hosts_that_break_whenever_they_are_probed_are_spared() -> None:
    one = tally(probed=many(4), troubles={Trouble.BREAKS: hosts("192.0.2.3")})
    assert Key.FRAGILE_HOSTS not in proposed(past(*runs(one, 3)))
    found = proposed(past(*runs(one, 6)))[Key.FRAGILE_HOSTS]
    assert found.after == ("192.0.2.3",)
    spared = replace(NOW, fragile=AddressSet.parse(["192.0.2.3"]))
    assert Key.FRAGILE_HOSTS not in proposed(past(*runs(one, 6)), spared)


@pytest.mark.parametrize(
    ("fired", "dropped"),
    [
        (Fired(comparisons=Share(0, 5)), True),
        (Fired(comparisons=Share(0, 4)), False),
        (Fired(comparisons=Share(1, 9)), False),
        (Fired(comparisons=Share(1, 9), expired=True), True),
    ],
)
def test_suppressions_of_no_use_are_dropped(fired: Fired, *, dropped: bool) -> None:
    entry = Suppression(reason="test host", until=2e9, until_text="2033-05-18")
    found = proposed(Past(fired=(fired,)), replace(NOW, suppressions=(entry,)))
    assert (Key.SUPPRESS in found) is dropped


def test_no_rate_is_raised_and_none_beyond_what_is_permitted() -> None:
    lower = Proposal(key=Key.RATE, change=Change.SET, before=100, after=50, why="", grounds=())
    assert inside(lower, replace(NOW, permitted=(60, None)))
    assert not inside(lower, replace(NOW, permitted=(40, None)))
    assert not inside(replace(lower, after=101), NOW)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(30, "30s"), (90, "90s"), (300, "5m"), (7200, "2h"), (86400, "1d"), (1.5, "1500ms")],
)
def test_durations_are_written_as_people_write_them(seconds: float, text: str) -> None:
    assert span(seconds) == text
