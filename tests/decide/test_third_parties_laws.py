"""What belongs to others is asked only where somebody dealt with it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.addresses import AddressSet, address_at
from pipeline.decide.third_parties import (
    DAY,
    Acknowledgement,
    RangeFile,
    Ranges,
    ThirdPartyRules,
    judge,
    old_files,
    told,
)
from pipeline.errors import NotAdmitted
from pipeline.scope import Scope

NOW = 1000 * DAY
sets = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 6)).map(lambda pair: (pair[0], sum(pair))),
    max_size=4,
).map(AddressSet.of)
providers = st.sampled_from(["AWS", "aws", "Azure"])
ranges = st.builds(
    Ranges, provider=providers, addresses=sets, file=st.just("x"), approval=st.booleans()
)
entries = st.builds(
    Acknowledgement,
    provider=providers,
    policy=st.just("https://provider.example/"),
    since=st.sampled_from([NOW - DAY, NOW + DAY]),
    since_text=st.just("2026-01-01"),
    targets=sets,
    approval=st.sampled_from(["", "R-1"]),
)
rules = st.builds(
    ThirdPartyRules,
    ranges=st.lists(ranges, max_size=3).map(tuple),
    acknowledged=st.lists(entries, max_size=3).map(tuple),
)


def _dealt_with(place: int, found: ThirdPartyRules) -> bool:
    """The same, said for one address."""
    return all(
        any(
            entry.provider.lower() == marked.provider.lower()
            and entry.targets.has_number(place)
            and entry.since <= NOW
            and (entry.approval or not marked.approval)
            for entry in found.acknowledged
        )
        for marked in found.ranges
        if marked.addresses.has_number(place)
    )


@given(sets, sets, sets, rules, st.integers(0, 40))
def test_nothing_excluded_or_refused_is_ever_admitted(
    included: AddressSet,
    excluded: AddressSet,
    named: AddressSet,
    given: ThirdPartyRules,
    place: int,
) -> None:
    whole = included | named
    foreign = judge(whole, given, now=NOW).foreign
    scope = Scope(included=whole, excluded=excluded, foreign=foreign)
    address = address_at(place)
    right = address in whole and address not in excluded and _dealt_with(place, given)
    assert (address in scope.admitted) == right
    if right:
        assert scope.admit(address).address == address
    else:
        with pytest.raises(NotAdmitted):
            scope.admit(address)


@given(sets, sets, rules, st.randoms(use_true_random=False))
def test_the_order_of_everything_does_not_matter(
    included: AddressSet, excluded: AddressSet, given: ThirdPartyRules, luck: random.Random
) -> None:
    mixed = replace(
        given,
        ranges=tuple(luck.sample(given.ranges, len(given.ranges))),
        acknowledged=tuple(luck.sample(given.acknowledged, len(given.acknowledged))),
    )
    # Excluded before or after it is judged.
    early = judge(included - excluded, given, now=NOW).foreign
    late = judge(included, mixed, now=NOW).foreign
    assert included - excluded - early == included - late - excluded


@given(sets, rules)
def test_every_refusal_has_a_reason_and_lies_in_the_ranges(
    included: AddressSet, given: ThirdPartyRules
) -> None:
    for each in judge(included, given, now=NOW).refused:
        assert each.addresses <= included
        assert each.why
        assert each.provider in told(each)


def test_the_reason_says_what_is_missing_and_which_names_lead_there() -> None:
    some, one = AddressSet.parse(["192.0.2.0/24"]), AddressSet.parse(["192.0.2.7"])
    marked = Ranges(provider="AWS", addresses=some, file="ip-ranges.json", approval=True)
    entry = Acknowledgement(
        provider="aws", policy="https://p.example", since=NOW, since_text="2026-11-01", targets=one
    )
    found = judge(
        some,
        ThirdPartyRules(ranges=(marked,), acknowledged=(entry,)),
        now=NOW,
        names=[("www.example.com", one)],
    )
    assert [told(each) for each in found.refused] == [
        "192.0.2.7 (AWS, by ip-ranges.json, www.example.com): the provider asks for an approval, "
        "and the entry has no approval reference",
        "192.0.2.0-192.0.2.6, 192.0.2.8-192.0.2.255 (AWS, by ip-ranges.json): no entry of "
        "third_parties.acknowledged is about it",
    ]
    assert not found.cleared


def test_old_files_and_those_of_the_future_are_told_of() -> None:
    file = RangeFile(
        name="x.json",
        sha256="",
        format="AWS",
        providers=("AWS",),
        prefixes=1,
        dated=NOW - 91 * DAY,
        date_from="by its own date",
    )
    new = replace(file, dated=NOW - 90 * DAY)
    future = replace(file, dated=NOW + 9 * DAY)
    (old, odd) = old_files(ThirdPartyRules(files=(file, new, future)), NOW)
    assert old.startswith("x.json is 91 days old (by its own date), more than 90")
    assert "in the future" in odd
