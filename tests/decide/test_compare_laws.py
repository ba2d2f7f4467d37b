"""What no two runs can make a comparison say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decide import reasons
from pipeline.decide.compare import MIRRORED, Side, compare
from pipeline.model import Change, ChangeKind, Endpoint, Verdict, VerdictKind
from tests.decide.making import GUESSED, PROBED, endpoints, verdict

UNIVERSE = endpoints(
    "192.0.2.7:22", "192.0.2.7:80", "192.0.2.9:22", "192.0.2.9:80", "[2001:db8::7]:22"
)
GONE = frozenset({VerdictKind.REFUTED, VerdictKind.FILTERED, VerdictKind.UNKNOWN})


@dataclass(frozen=True)
class Run:
    """What one run asked about, and what it found there."""

    found: Mapping[Endpoint, Verdict]
    covered: frozenset[Endpoint]

    @property
    def side(self) -> Side:
        return Side(verdicts=self.found, asked=self.covered.__contains__)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Any run: a verdict needs somebody who asked, unless it says that nobody did."""
    found: dict[Endpoint, Verdict] = {}
    covered: set[Endpoint] = set()
    for where in UNIVERSE:
        kind = draw(st.sampled_from([None, *VerdictKind]))
        reason = draw(st.sampled_from(["service-spoke", reasons.ICMP_REFUSED, reasons.NO_ANSWER]))
        if kind is not None:
            service = draw(st.sampled_from([None, PROBED, GUESSED]))
            found[where] = verdict(kind, where, reason=reason, service=service)
        if draw(st.booleans()) or kind not in (None, VerdictKind.UNKNOWN):
            covered.add(where)
    return Run(found, frozenset(covered))


def by_endpoint(before: Run, after: Run) -> dict[Endpoint, Change]:
    changes = compare(before.side, after.side)
    assert [c.endpoint for c in changes] == sorted({c.endpoint for c in changes})
    return {change.endpoint: change for change in changes}


@given(runs())
def test_a_run_does_not_differ_from_itself(run: Run) -> None:
    assert compare(run.side, run.side) == ()
    assert compare(run.side, run.side, seen_open_earlier=UNIVERSE) == ()


@given(runs(), runs())
@settings(max_examples=60)
def test_what_the_new_run_did_not_ask_is_never_closed(before: Run, after: Run) -> None:
    for where, change in by_endpoint(before, after).items():
        if where not in after.covered:
            assert change.kind is ChangeKind.NOT_COVERED
        if change.kind is ChangeKind.CLOSED:
            assert after.found[where].kind is VerdictKind.REFUTED


@given(runs(), runs())
@settings(max_examples=60)
def test_nothing_is_opened_that_the_old_run_had_not_asked(before: Run, after: Run) -> None:
    for where, change in by_endpoint(before, after).items():
        if where not in before.covered:
            assert change.kind is ChangeKind.NEWLY_COVERED


@given(runs(), runs())
@settings(max_examples=100)
def test_what_changed_one_way_changed_the_other_way_round(before: Run, after: Run) -> None:
    there, back = by_endpoint(before, after), by_endpoint(after, before)
    assert there.keys() == back.keys()
    for where, change in there.items():
        assert back[where].kind in MIRRORED[change.kind]
        assert (back[where].before, back[where].after) == (change.after, change.before)


@given(runs(), runs())
@settings(max_examples=60)
def test_every_change_shows_both_sides_and_a_share_of_confidence(before: Run, after: Run) -> None:
    for where, change in by_endpoint(before, after).items():
        assert change.before == before.found.get(where)
        assert change.after == after.found.get(where)
        assert 0.0 <= change.confidence <= 1.0


@given(runs(), runs())
@settings(max_examples=60)
def test_where_neither_run_believes_in_a_port_nothing_changed(before: Run, after: Run) -> None:
    for where in by_endpoint(before, after):
        kinds = {run.found[where].kind for run in (before, after) if where in run.found}
        assert kinds - GONE
