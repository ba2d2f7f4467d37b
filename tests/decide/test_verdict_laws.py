"""What no evidence whatever can make a verdict do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decide.confidence import claim_of
from pipeline.decide.likelihoods import EXPLAINS, TABLE, heard_in
from pipeline.decide.reasons import EXPLANATIONS
from pipeline.decide.verdict import HostFacts, decide, host_facts
from pipeline.model import (
    Aftermath,
    Endpoint,
    Method,
    Observation,
    PortState,
    Purpose,
    Service,
    VerdictKind,
)
from tests.decide.making import GUESSED, PROBED, START, WHERE, WRAPPED, seen, shaken

ASKED_FOR = {Method.MASSCAN_SYN: Purpose.SWEEP, Method.NMAP_VERSION: Purpose.VERSION}
REASONS = {
    PortState.OPEN: ("syn-ack",),
    PortState.CLOSED: ("reset", "conn-refused"),
    PortState.FILTERED: ("no-response", "admin-prohibited"),
}


@st.composite
def heard(draw: st.DrawFn, where: Endpoint = WHERE) -> Observation:
    """Any observation that a tool could have made of an endpoint that was swept or named."""
    method = draw(st.sampled_from([m for m in Method if m is not Method.IMPORTED]))
    state = draw(st.sampled_from(list(PortState)))
    purpose = ASKED_FOR.get(method, Purpose.NAMED)
    if method in (Method.NMAP_SYN, Method.NMAP_CONNECT) and draw(st.booleans()):
        purpose = Purpose.SWEEP
    is_open = state is PortState.OPEN
    aftermath = None
    if method is Method.HANDSHAKE and is_open:
        aftermath = draw(st.sampled_from(list(Aftermath)))
    service: Service | None = None
    if method is Method.NMAP_VERSION and is_open:
        service = draw(st.sampled_from([None, PROBED, WRAPPED, GUESSED]))
    return Observation(
        endpoint=where,
        method=method,
        purpose=purpose,
        state=state,
        reason=draw(st.sampled_from(REASONS.get(state, ("no-response",)))),
        time=START + draw(st.integers(0, 4)),
        round=0 if purpose is Purpose.SWEEP else draw(st.integers(1, 3)),
        aftermath=aftermath,
        banner=draw(st.sampled_from(["", "A", "B"])) if aftermath is Aftermath.DATA else "",
        service=service,
        number=draw(st.integers(1, 1000)),
    )


@st.composite
def facts(draw: st.DrawFn) -> HostFacts:
    observations = []
    for port in (31001, 47003):
        if draw(st.booleans()):
            found = draw(heard(Endpoint(WHERE.address, WHERE.protocol, port)))
            observations.append(replace(found, purpose=Purpose.CONTROL))
    return host_facts(observations)


hearings = st.lists(heard(), max_size=8)


def last_words(observations: Sequence[Observation]) -> list[Observation]:
    """What each method said last, where nothing else that it said has the same time."""
    found = []
    for method in {o.method for o in observations}:
        latest = max(o.time for o in observations if o.method is method)
        last = [o for o in observations if o.method is method and o.time == latest]
        if len(last) == 1:
            found.append(last[0])
    return found


@given(hearings, facts(), st.randoms(use_true_random=False))
def test_the_order_of_evidence_does_not_matter(
    observations: list[Observation], known: HostFacts, chance: Random
) -> None:
    shuffled = list(observations)
    chance.shuffle(shuffled)
    assert decide(WHERE, shuffled, known) == decide(WHERE, observations, known)


@given(hearings.filter(bool), facts(), st.data())
def test_the_same_observation_twice_changes_nothing_but_the_list_of_witnesses(
    observations: list[Observation], known: HostFacts, data: st.DataObject
) -> None:
    again = data.draw(st.sampled_from(observations))
    once, twice = decide(WHERE, observations, known), decide(WHERE, [*observations, again], known)
    assert replace(twice, observations=()) == replace(once, observations=())


def supports(answer: Observation, kind: VerdictKind, known: HostFacts) -> bool:
    """True when nothing that the verdict does not claim makes this answer likelier."""
    heard_as, claimed = heard_in(answer, known.banners), claim_of(kind)
    if heard_as is None or claimed is None:
        return True
    chances = TABLE[answer.method][heard_as].chances
    inside = [chances[e] for e, hypothesis in EXPLAINS.items() if hypothesis is claimed]
    outside = [chances[e] for e, hypothesis in EXPLAINS.items() if hypothesis is not claimed]
    return min(inside) >= max(outside)


@given(hearings.filter(bool), facts(), st.data())
def test_asking_again_and_hearing_the_same_keeps_the_verdict_and_what_supports_it_its_confidence(
    observations: list[Observation], known: HostFacts, data: st.DataObject
) -> None:
    words = last_words(observations)
    if not words:
        return
    word = data.draw(st.sampled_from(sorted(words, key=lambda o: o.method)))
    again = replace(word, time=START + 10, round=word.round + 1, number=1001)
    once, twice = decide(WHERE, observations, known), decide(WHERE, [*observations, again], known)
    assert (twice.kind, twice.reason) == (once.kind, once.reason)
    if supports(word, once.kind, known):
        assert twice.confidence >= once.confidence


@given(hearings, facts())
@settings(max_examples=150)
def test_nothing_is_confirmed_without_a_completed_handshake(
    observations: list[Observation], known: HostFacts
) -> None:
    if decide(WHERE, observations, known).kind is VerdictKind.CONFIRMED:
        assert any(o.method is Method.HANDSHAKE and o.aftermath is not None for o in observations)
        assert len({o.method for o in observations if o.state is PortState.OPEN}) >= 2


@given(hearings)
@settings(max_examples=150)
def test_where_control_ports_answer_no_handshake_confirms_anything_by_itself(
    observations: list[Observation],
) -> None:
    pretending = HostFacts(asked=2, open_=2)
    if decide(WHERE, observations, pretending).kind is VerdictKind.CONFIRMED:
        assert any(o.service == PROBED for o in observations)


@given(hearings, facts(), st.booleans())
def test_a_confidence_is_a_share(
    observations: list[Observation], known: HostFacts, gave_up: bool
) -> None:
    assert 0.0 <= decide(WHERE, observations, known, gave_up=gave_up).confidence <= 1.0


@given(hearings, facts())
@settings(max_examples=150)
def test_silence_alone_never_contradicts(observations: list[Observation], known: HostFacts) -> None:
    """Where nobody was refused, nothing is refuted, and no method is in conflict with another."""
    unrefused = [o for o in observations if o.state is not PortState.CLOSED]
    assert decide(WHERE, unrefused, known).kind not in (
        VerdictKind.REFUTED,
        VerdictKind.TRANSIENT,
        VerdictKind.UNRESOLVED,
    )


@given(hearings.filter(bool), facts(), st.data())
def test_silence_after_an_answer_takes_nothing_back(
    observations: list[Observation], known: HostFacts, data: st.DataObject
) -> None:
    answers = [o for o in observations if o.state in (PortState.OPEN, PortState.CLOSED)]
    if not answers:
        return
    answer = data.draw(st.sampled_from(answers))
    silence = replace(
        answer,
        state=PortState.FILTERED,
        reason="no-response",
        aftermath=None,
        banner="",
        service=None,
        time=START + 10,
    )
    before, after = (
        decide(WHERE, observations, known),
        decide(WHERE, [*observations, silence], known),
    )
    assert (after.kind, after.reason) == (before.kind, before.reason)
    assert after.confidence >= before.confidence


def test_two_answers_of_one_second_are_told_apart_by_what_they_say() -> None:
    one, other = (
        seen(Method.NMAP_VERSION, service=PROBED, number=1),
        seen(Method.NMAP_VERSION, service=WRAPPED, number=2),
    )
    spoken = shaken(Aftermath.RESET, number=3)
    assert decide(WHERE, [one, other, spoken], HostFacts()) == decide(
        WHERE, [other, one, spoken], HostFacts()
    )


@given(facts(), st.booleans())
def test_without_observations_there_is_no_knowing(known: HostFacts, gave_up: bool) -> None:
    found = decide(WHERE, (), known, gave_up=gave_up)
    assert found.kind is VerdictKind.UNKNOWN
    assert found.reason == ("gave-up" if gave_up else "not-asked")
    assert found.confidence == 0.0


@given(hearings.filter(bool), facts())
def test_what_no_observation_calls_open_is_refuted_or_filtered(
    observations: list[Observation], known: HostFacts
) -> None:
    never = [o for o in observations if o.state is not PortState.OPEN]
    if never:
        assert decide(WHERE, never, known).kind in (VerdictKind.REFUTED, VerdictKind.FILTERED)


@given(hearings, facts(), st.booleans())
def test_every_verdict_names_its_evidence_and_a_reason_that_is_explained(
    observations: list[Observation], known: HostFacts, gave_up: bool
) -> None:
    found = decide(WHERE, observations, known, gave_up=gave_up)
    assert found.observations == tuple(sorted({o.number for o in observations}))
    assert found.reason in EXPLANATIONS
