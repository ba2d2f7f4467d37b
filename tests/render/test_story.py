"""The story of an endpoint: everything heard, in order, and what it adds up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decide import reasons
from pipeline.decide.confidence import claim_of
from pipeline.decide.facts import HostRecord
from pipeline.decide.standing import Check, Mood, Standing
from pipeline.decide.verdict import HostFacts, decide
from pipeline.model import (
    Aftermath,
    Endpoint,
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    VerdictKind,
)
from pipeline.ports import PortSet
from pipeline.render.document import Finding
from pipeline.render.story import (
    HEADINGS,
    Part,
    Story,
    since,
    stories,
    story,
    story_json,
    story_text,
)
from pipeline.render.would_change import WOULD_CHANGE
from tests.render import documents
from tests.render.documents import START, seen

WHERE = Endpoint.parse("10.80.1.7:443")
CONTROLS = HostFacts(asked=2, refused=2, refusal_ttls=frozenset({63}))


def host(*checks: tuple[float, Mood], controls: HostFacts = CONTROLS) -> HostRecord:
    return HostRecord(
        address=WHERE.address,
        protocol=Protocol.TCP,
        asked=100,
        opened=PortSet.of((443,)),
        refused=90,
        silent=9,
        controls=controls,
        standing=Standing(
            checks=tuple(
                Check(round=number, time=START + after, mood=mood)
                for number, (after, mood) in enumerate(checks)
            )
        ),
    )


def found(*observations: Observation) -> Finding:
    numbered = tuple(replace(o, number=n) for n, o in enumerate(observations, 1))
    return Finding(verdict=decide(WHERE, numbered, CONTROLS), observations=numbered)


def told(finding: Finding, about: HostRecord | None = None) -> Story:
    return story(finding, about, run="run-1", began=START)


def texts(of: Story, part: Part) -> list[str]:
    return [line.text for line in of.lines if line.part is part]


def looks(times: Iterable[float], state: PortState = PortState.OPEN) -> list[Observation]:
    return [
        seen(WHERE, Method.HANDSHAKE, state, after=at, purpose=Purpose.WATCH, round_=n)
        for n, at in enumerate(times, 1)
    ]


def test_a_story_has_its_parts_in_order_each_under_its_heading() -> None:
    finding = documents.confirmed("10.80.1.7:443", documents.NGINX, "hello\r\n")
    lines = story_text(told(finding, host()))
    places = [lines.index(heading) for heading in HEADINGS.values()]
    assert places == sorted(places)
    assert lines[:2] == [
        "10.80.1.7:443/tcp",
        "run run-1, begun 2026-11-03 02:00:00 UTC; times count from then",
    ]
    assert lines[4].startswith("  +0:02  masscan sent a SYN (discovery): a SYN-ACK came back (TTL")
    assert all(len(line) <= 100 for line in lines)


def test_looks_that_heard_the_same_are_one_line_until_one_hears_something_else() -> None:
    finding = found(*looks([10, 20, 30]), *looks([40], PortState.FILTERED), *looks([50, 60]))
    heard = [line for line in told(finding).lines if line.part is Part.HEARD]
    assert [line.observations for line in heard] == [(1, 2, 3), (4,), (5, 6)]
    assert [(line.time, line.until) for line in heard] == [
        (START + 10, START + 30),
        (START + 40, None),
        (START + 50, START + 60),
    ]
    assert "(watch, 3 times)" in heard[0].text


@pytest.mark.parametrize(
    ("mood", "state", "word"),
    [
        (Mood.SILENT, PortState.FILTERED, "stopped answering"),
        (Mood.REFUSING, PortState.CLOSED, "turned us away"),
        (Mood.DECEIVING, PortState.OPEN, "deceived us"),
    ],
)
def test_what_was_set_aside_is_told_with_the_reason_and_does_not_count(
    mood: Mood, state: PortState, word: str
) -> None:
    about = host((0, Mood.SOUND), (20, mood), (40, Mood.SOUND))
    finding = found(
        seen(WHERE, Method.MASSCAN_SYN, after=-1, purpose=Purpose.SWEEP),
        seen(WHERE, Method.NMAP_SYN, state, after=25),
        seen(WHERE, Method.NMAP_SYN, after=50),
    )
    heard = [line for line in told(finding, about).lines if line.part is Part.HEARD]
    assert [line.counts for line in heard] == [True, False, True]
    assert "Set aside: the host" in heard[1].text
    assert word in heard[1].text
    assert any(
        "1 of 3 observations was set aside" in t for t in texts(told(finding, about), Part.DECIDED)
    )


def test_observations_alike_but_trusted_and_not_are_told_apart() -> None:
    about = host((0, Mood.SOUND), (20, Mood.SILENT), (40, Mood.SOUND))
    finding = found(*looks([-5, 10, 50], PortState.FILTERED))
    heard = [line for line in told(finding, about).lines if line.part is Part.HEARD]
    assert [line.counts for line in heard] == [True, False, True]


def test_the_hypotheses_are_those_behind_the_confidence_and_add_up() -> None:
    finding = found(
        seen(WHERE, Method.NMAP_SYN, after=1),
        seen(WHERE, Method.HANDSHAKE, after=2, aftermath=Aftermath.DATA, banner="hi"),
    )
    shares = dict(told(finding, host()).hypotheses)
    assert sum(shares.values()) == pytest.approx(1)
    claim = claim_of(finding.verdict.kind)
    assert claim is not None
    assert shares[claim] == pytest.approx(finding.verdict.confidence, abs=1e-4)


def test_of_udp_only_the_confidence_of_the_verdict_is_told() -> None:
    where = Endpoint.parse("10.80.1.7:53/udp")
    finding = documents.finding(
        where,
        VerdictKind.CONFIRMED,
        reasons.ANSWERED_IN_PROTOCOL,
        0.9,
        seen(where, Method.DATAGRAM, reason="udp-response"),
    )
    assert told(finding).hypotheses == ()
    assert texts(told(finding), Part.SURE) == ["confirmed: 90 %, by the evidence that counts."]


def test_an_endpoint_that_nobody_observed_has_a_story_too() -> None:
    of = told(documents.unknown("10.80.1.7:161"))
    assert texts(of, Part.HEARD) == ["Nobody observed anything."]
    assert texts(of, Part.SURE) == ["unknown claims nothing, so it has no confidence."]
    assert of.hypotheses == ()


@pytest.mark.parametrize("code", sorted(reasons.EXPLANATIONS))
def test_every_reason_says_what_would_change_the_verdict(code: str) -> None:
    assert WOULD_CHANGE[code]


def test_no_advice_is_about_a_reason_that_does_not_exist() -> None:
    assert WOULD_CHANGE.keys() <= reasons.EXPLANATIONS.keys()


def test_an_imported_reason_has_a_story_without_advice_of_ours() -> None:
    finding = documents.finding(WHERE, VerdictKind.LIKELY, "scanned elsewhere", 0.5)
    assert "scanned elsewhere" in texts(told(finding), Part.DECIDED)[0]
    assert texts(told(finding), Part.CHANGE)


def test_a_hostile_host_cannot_disturb_the_terminal_with_its_story() -> None:
    for of in stories(documents.hostile()):
        for line in story_text(of):
            assert not [c for c in line if category(c)[0] == "C"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "+0:00"), (-3, "+0:00"), (59.9, "+0:59"), (725, "+12:05"), (4325, "+1:12:05")],
)
def test_times_count_from_the_beginning_of_the_run(seconds: float, text: str) -> None:
    assert since(START + seconds, START) == text


OBSERVED = st.builds(
    seen,
    st.just(WHERE),
    st.sampled_from([m for m in Method if m not in (Method.NMAP_UDP, Method.DATAGRAM)]),
    st.sampled_from([PortState.OPEN, PortState.CLOSED, PortState.FILTERED]),
    after=st.floats(0, 5000),
    purpose=st.sampled_from(list(Purpose)),
    round_=st.integers(0, 4),
    aftermath=st.sampled_from([None, *Aftermath]),
    banner=st.sampled_from(["", "hello"]),
)
MOODS = st.lists(st.tuples(st.floats(0, 5000), st.sampled_from(list(Mood))), max_size=5)


@given(heard=st.lists(OBSERVED, max_size=12), moods=MOODS)
def test_every_observation_is_told_exactly_once_and_in_order(
    heard: list[Observation], moods: list[tuple[float, Mood]]
) -> None:
    finding = found(*heard)
    of = told(finding, host(*sorted(moods, key=lambda each: each[0])))
    lines = [line for line in of.lines if line.part is Part.HEARD]
    numbers = [n for line in lines for n in line.observations]
    assert sorted(numbers) == [o.number for o in finding.observations]
    times = [line.time for line in lines if line.time is not None]
    assert times == sorted(times)
    assert story_json(of)["lines"]
    assert story_text(of)
