"""From the evidence of a run to its tally: what each kind of answer counts as."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pipeline.decide.history import Spell
from pipeline.decide.tuning.counting import Counting
from pipeline.decide.tuning.shares import Share
from pipeline.decide.tuning.steadiness import steadiness
from pipeline.decide.tuning.tally import Cell, PortClass, Tally, Told, Trouble, network_text
from pipeline.model import (
    Aftermath,
    Endpoint,
    Evidence,
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    StageName,
    TaskRecord,
    Verdict,
    VerdictKind,
)
from tests.decide.making import (
    START,
    WHERE,
    batch,
    endpoints,
    evidence,
    seen,
    settled,
    shaken,
    sweep,
    task,
    verdict,
)
from tests.decide.tallies import SETTINGS

OTHER, THIRD = endpoints("192.0.2.7:80", "192.0.2.7:443")
SWEPT = replace(settled(sweep(), 1), rate=900.0, argv=("masscan", "--rate=200.00"))
LOOKED = settled(
    task(ports="80,443", purpose=Purpose.SECOND_LOOK, stage=StageName.DISCOVER, round_=2), 2
)
SYN = settled(task(ports="22,80,443"), 3, ended=10)
CONNECT = settled(task(Method.NMAP_CONNECT, ports="22,80,443"), 4, ended=11)
SHAKEN = settled(task(Method.HANDSHAKE, ports="22,80,443"), 5, ended=12)


def tallied(tasks: Iterable[TaskRecord], heard: Iterable[Observation], *verdicts: Verdict) -> Tally:
    counting = Counting(1, SETTINGS, seconds=60.0)
    found: Evidence = evidence(batch(), tasks, heard)
    counting.add(found, {each.endpoint: each for each in verdicts})
    return counting.result()


def by(record: TaskRecord, state: PortState = PortState.OPEN, **more: Any) -> Observation:
    """An answer to a task."""
    asked = record.task
    made = seen(
        asked.method,
        state,
        purpose=asked.purpose,
        round_=asked.round,
        after=(record.ended or START) - START,
    )
    return replace(made, task=record.number, **more)


def cell(method: Method) -> Cell:
    return Cell(
        network=int(WHERE.address) >> 8,
        protocol=Protocol.TCP,
        ports=PortClass.SYSTEM,
        method=method,
    )


def test_a_method_is_wrong_where_what_it_called_open_is_an_artefact() -> None:
    heard = [by(SWEPT), by(SYN), by(SHAKEN, endpoint=OTHER)]
    found = tallied(
        [SWEPT, SYN, SHAKEN],
        heard,
        verdict(VerdictKind.ARTEFACT),
        verdict(VerdictKind.CONFIRMED, OTHER),
    )
    assert found.told[cell(Method.MASSCAN_SYN)].false == Share(1, 1)
    assert found.told[cell(Method.NMAP_SYN)].false == Share(1, 1)
    assert found.told[cell(Method.HANDSHAKE)].false == Share(0, 1)
    assert network_text(cell(Method.NMAP_SYN).network) == "192.0.2.0/24"


def test_a_method_missed_what_is_confirmed_and_it_did_not_hear_at_first() -> None:
    later = settled(task(ports="22", round_=2, stage=StageName.RESCAN), 6, ended=40)
    heard = [by(SYN, PortState.FILTERED), by(later), by(CONNECT)]
    found = tallied([SYN, later, CONNECT], heard, verdict(VerdictKind.CONFIRMED))
    assert found.told[cell(Method.NMAP_SYN)].missed == Share(1, 1)
    assert found.told[cell(Method.NMAP_CONNECT)].missed == Share(0, 1)
    assert cell(Method.HANDSHAKE) not in found.told  # it was not asked


def test_what_is_not_decided_is_no_case() -> None:
    found = tallied([SYN], [by(SYN)], verdict(VerdictKind.LIKELY))
    assert found.told == {}
    assert Told() + Told() == Told()


def test_a_sweep_lost_what_only_a_later_look_found_on_a_host_that_it_heard() -> None:
    heard = [by(SWEPT), by(LOOKED, endpoint=OTHER)]
    confirmed = [verdict(VerdictKind.CONFIRMED, each) for each in (WHERE, OTHER)]
    found = tallied([SWEPT, LOOKED], heard, *confirmed)
    assert found.lost.endpoints == Share(1, 2)
    assert found.lost.hosts == Share(1, 1)
    assert found.lost.rate == 400.0
    assert found.last_look == Share(1, 2)  # the second look was the last that is allowed
    deaf = tallied([SWEPT, LOOKED], heard[1:], *confirmed)
    assert deaf.lost.endpoints == Share(0, 0)


def test_an_endpoint_is_settled_by_the_round_after_which_nothing_is_worth_asking() -> None:
    again = [
        settled(task(Method.HANDSHAKE, round_=n, stage=StageName.RESCAN), 10 + n, ended=100.0 * n)
        for n in (2, 3)
    ]
    heard = [by(SYN), *(by(each) for each in again)]
    found = tallied([SYN, *again], heard, verdict(VerdictKind.CONFIRMED)).rescanned
    assert found.rounds == {2: Share(0, 1), 3: Share(1, 1)}
    assert found.open_ended == Share(0, 1)
    assert found.lasted == (290.0,)
    assert found.questions == 2
    doubtful = verdict(VerdictKind.UNRESOLVED, reason="methods-disagree")
    left = tallied([SYN, *again], heard, doubtful).rescanned
    assert left.open_ended == Share(1, 1)
    assert left.rounds == {2: Share(0, 1), 3: Share(0, 1)}


def test_what_is_asked_again_only_to_hear_it_twice_tells_nothing_about_delays() -> None:
    again = settled(task(round_=2, stage=StageName.RESCAN), 10, ended=100.0)
    heard = [by(SWEPT), by(SYN, PortState.CLOSED), by(again, PortState.CLOSED)]
    found = tallied([SWEPT, SYN, again], heard, verdict(VerdictKind.REFUTED)).rescanned
    assert (found.questions, found.repeated) == (1, 1)
    assert found.open_ended == Share(0, 0)
    assert found.rounds == {}
    doubtful = [by(SWEPT), by(SYN, PortState.FILTERED), by(again, PortState.FILTERED)]
    left = tallied([SWEPT, SYN, again], doubtful, verdict(VerdictKind.LIKELY)).rescanned
    assert (left.questions, left.repeated) == (1, 0)
    assert left.open_ended == Share(1, 1)
    assert left.given_up == (90.0,)


def canary(number: int, state: PortState, after: float) -> Observation:
    return seen(Method.HANDSHAKE, state, purpose=Purpose.CANARY, round_=number, after=after)


def test_a_host_that_pretended_for_a_while_was_provoked_and_its_wait_is_counted() -> None:
    opened, closed = PortState.OPEN, PortState.CLOSED
    found = tallied([], [canary(0, closed, 0), canary(1, opened, 10), canary(2, closed, 30)])
    assert found.hosts(Trouble.PROVOKED) == {WHERE.address}
    assert found.turned.waited == 20.0
    always = tallied([], [canary(0, closed, 0), canary(1, opened, 10), canary(2, opened, 30)])
    assert always.hosts(Trouble.PROVOKED) == frozenset()


def test_a_host_that_is_asked_gently_after_a_block_bears_it_or_turns_again() -> None:
    opened, silent = PortState.OPEN, PortState.FILTERED
    asked = task(ports="443", purpose=Purpose.SECOND_LOOK, stage=StageName.DISCOVER)
    gentle = settled(replace(asked, pace=8.0), 7, ended=70)
    gentle = replace(gentle, started=START + 50)
    canaries = [canary(0, opened, 0), canary(1, silent, 10), canary(2, opened, 40)]
    bore = tallied([gentle], canaries).turned
    assert (bore.again, bore.pace, bore.waited) == (Share(0, 1), 8.0, 30.0)
    assert tallied([gentle], [*canaries, canary(3, silent, 80)]).turned.again == Share(1, 1)
    assert tallied([], canaries).turned.again == Share(0, 0)


def test_a_handshake_that_got_no_answer_and_a_service_that_was_not_heard() -> None:
    later = settled(task(Method.HANDSHAKE, round_=2, stage=StageName.RESCAN), 6, ended=40)
    heard = [
        by(SHAKEN, PortState.FILTERED),
        by(later, aftermath=Aftermath.ACKNOWLEDGED),
        shaken(Aftermath.DATA, after=80),
    ]
    found = tallied([SHAKEN, later], heard, verdict(VerdictKind.CONFIRMED))
    assert found.silent == Share(1, 1)
    assert found.mute == Share(1, 1)
    assert found.unanswered == 1


def test_hosts_block_and_stay_away_by_their_canaries() -> None:
    canaries = [
        seen(Method.HANDSHAKE, state, purpose=Purpose.CANARY, round_=number, after=10.0 * number)
        for number, state in enumerate([PortState.OPEN, PortState.OPEN, PortState.FILTERED])
    ]
    found = tallied([], canaries)
    assert found.checked == {WHERE.address}
    assert found.hosts(Trouble.BLOCKS) == found.hosts(Trouble.NEVER_BACK) == {WHERE.address}
    back = replace(canaries[0], round=3, time=START + 50)
    assert tallied([], [*canaries, back]).hosts(Trouble.NEVER_BACK) == frozenset()


def test_a_host_of_many_services_and_no_artefact_is_taken_for_real() -> None:
    many = [replace(WHERE, port=port) for port in range(1, 12)]
    said = [verdict(VerdictKind.CONFIRMED, each) for each in many]
    heard = [by(SWEPT, endpoint=each) for each in many]
    assert tallied([SWEPT], heard, *said).trusted == {WHERE.address}
    assert tallied([SWEPT], heard[:9], *said[:9]).trusted == frozenset()
    found_out = [verdict(VerdictKind.ARTEFACT, many[0]), *said[1:]]
    assert tallied([SWEPT], heard, *found_out).trusted == frozenset()
    pretended = [verdict(VerdictKind.ARTEFACT, each) for each in many]
    assert tallied([SWEPT], heard, *pretended).found_out == {WHERE.address}


def test_a_host_broke_where_what_was_open_before_the_version_probe_is_not_open_after() -> None:
    probe = replace(
        settled(task(Method.NMAP_VERSION, purpose=Purpose.VERSION, stage=StageName.PROBE), 7),
        started=START + 20,
        ended=START + 30,
    )
    before = by(SHAKEN)
    gone = seen(Method.HANDSHAKE, PortState.CLOSED, purpose=Purpose.WATCH, after=60)
    there = seen(Method.HANDSHAKE, purpose=Purpose.WATCH, after=60)
    said = verdict(VerdictKind.TRANSIENT)
    assert WHERE.address in tallied([SHAKEN, probe], [before, gone], said).hosts(Trouble.BREAKS)
    assert tallied([SHAKEN, probe], [before, there], said).hosts(Trouble.BREAKS) == frozenset()
    assert tallied([SHAKEN, probe], [before], said).hosts(Trouble.BREAKS) == frozenset()


def test_the_order_of_batches_does_not_matter() -> None:
    parts = [
        evidence(batch(), [SWEPT], [by(SWEPT)]),
        evidence(batch(), [LOOKED], [by(LOOKED, endpoint=OTHER)]),
    ]
    said = {each: verdict(VerdictKind.CONFIRMED, each) for each in (WHERE, OTHER)}
    results = []
    for order in (parts, parts[::-1]):
        counting = Counting(1, SETTINGS, seconds=1.0)
        for part in order:
            counting.add(part, said)
        results.append(counting.result().told)
    assert results[0] == results[1]


def spell(kind: VerdictKind | None, first: int, last: int, **more: Any) -> Spell:
    return Spell(first=first, last=last, kind=kind, **more)


def test_steady_is_what_every_look_confirmed_and_the_longest_looked_at_of_its_network() -> None:
    confirmed, transient = VerdictKind.CONFIRMED, VerdictKind.TRANSIENT
    histories = [
        (WHERE, (spell(confirmed, 1, 4, missed=(2,)),)),
        (OTHER, (spell(confirmed, 1, 4),)),
        (THIRD, (spell(confirmed, 1, 2), spell(transient, 3, 3), spell(confirmed, 4, 4))),
        (Endpoint.parse("198.51.100.1:22"), (spell(confirmed, 1, 3),)),  # the newest did not look
    ]
    found = steadiness(histories, [1, 2, 3, 4], watched_alike=[2, 3, 4])
    assert found.steady == {OTHER: 4}
    assert found.wavering == Share(2, 3)
    assert found.flapping == {THIRD.address: 1}


def test_overlooked_is_a_silence_between_two_looks_that_confirmed() -> None:
    confirmed = VerdictKind.CONFIRMED
    silent = (spell(confirmed, 1, 2), spell(None, 3, 4), spell(confirmed, 5, 6))
    refused = (spell(confirmed, 1, 2), spell(VerdictKind.REFUTED, 3, 4), spell(confirmed, 5, 6))
    gone = (spell(confirmed, 1, 3), spell(None, 4, 6))
    missed = (spell(confirmed, 1, 6, missed=(3,)),)
    order = [1, 2, 3, 4, 5, 6]

    def share(spells: tuple[Spell, ...], alike: Iterable[int] = order) -> Share:
        return steadiness([(WHERE, spells)], order, looked_alike=list(alike)).overlooked

    assert share(silent) == Share(2, 4)  # neither the first look nor the last
    assert share(refused) == Share(0, 2)
    assert share(gone) == Share(0, 1)
    assert share(missed) == Share(0, 3)
    assert share(silent, [4, 5]) == Share(1, 2)
