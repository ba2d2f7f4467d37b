"""The stages against networks that block, turn, deceive, limit, lose, come and go."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import AddressSet
from pipeline.decide.questions import asked, named, waited_for
from pipeline.decide.standing import standings
from pipeline.model import (
    Endpoint,
    Evidence,
    Method,
    PortState,
    Purpose,
    Task,
    TaskRecord,
    TaskState,
    Verdict,
    VerdictKind,
)
from pipeline.plan import Policy
from pipeline.ports import PortSet
from tests.decide.making import START, batch, policy
from tests.stages.simulator import CATCH_ALL, TARPIT, Deaf, Honest, Host
from tests.stages.world import (
    Balanced,
    Detector,
    Greylisting,
    Limited,
    Rhythmic,
    Street,
    World,
    blocker,
    deceiver,
    trip_wire,
)

PORTS = "20-39,80,443,8080"
HERE, THERE = "192.0.2", "198.51.100"
SERVICES = {22: "SSH-2.0-OpenSSH_9.2", 80: "", 443: "hello"}
WAITS = (20.0, 20.0, 25.0, 60.0, 120.0)
CAREFUL = policy(
    canary_ports=PortSet.parse("31001"),
    canary_waits=WAITS,
    gentle_pace=8.0,
    second_looks=4,
    watch_looks=7,
    closer_looks=24,
    rescan_delays=(30.0, 300.0, 1800.0),
    masscan_retries=0,
    sample_share=0.05,
    seed=11,
)
BELIEVED = (VerdictKind.CONFIRMED, VerdictKind.LIKELY)


def world(*streets: Street, by: Policy = CAREFUL, **more: object) -> World:
    networks = [f"{street.prefix}.0/28" for street in streets]
    return World(batch(*networks, ports=PORTS), by, streets, **more)  # type: ignore[arg-type]  # handed through


def said(found: dict[Endpoint, Verdict], prefix: str = "") -> dict[str, str]:
    return {
        str(e).removesuffix("/tcp"): f"{v.kind} {v.reason}"
        for e, v in found.items()
        if str(e).startswith(prefix)
    }


def confirmed(found: dict[Endpoint, Verdict]) -> set[str]:
    kinds = {VerdictKind.CONFIRMED}
    return {str(e).removesuffix("/tcp") for e, v in found.items() if v.kind in kinds}


def services_of(*streets: Street) -> set[str]:
    """Everything that is there, on hosts that are what they seem."""
    return {
        f"{street.prefix}.{last}:{port}"
        for street in streets
        for last, host in street.hosts.items()
        if isinstance(host, Honest)
        for port in host.services
    }


# --- what stands before a network --------------------------------------------------------------

GUARDS: list[tuple[str, Callable[[], Detector | None]]] = [
    ("nobody", lambda: None),
    ("a blocker", blocker),
    ("a blocker for two minutes", lambda: blocker(seconds=120.0)),
    ("a trip wire", trip_wire),
    ("a deceiver", deceiver),
    ("a deceiver for two minutes", lambda: deceiver(seconds=120.0)),
]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("guard", [g for _, g in GUARDS], ids=[name for name, _ in GUARDS])
def test_all_services_are_found_and_nothing_else_is_believed(
    guard: Callable[[], Detector | None], seed: int
) -> None:
    before = guard()
    streets = (
        Street(HERE, {1: Honest(SERVICES), 2: Honest({25: "220 mail"})}, before),
        Street(THERE, {1: Honest(SERVICES)}),
    )
    played = world(*streets, seed=seed)
    found = played.play()
    assert confirmed(found) == services_of(*streets)
    assert {str(e).removesuffix("/tcp") for e, v in found.items() if v.kind in BELIEVED} == (
        services_of(*streets)
    )
    if before is not None:
        assert before.turned, "nobody was offended: this shows nothing"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("guard", [g for _, g in GUARDS[1:]], ids=[name for name, _ in GUARDS[1:]])
def test_a_network_that_turned_against_us_is_asked_gently_from_then_on(
    guard: Callable[[], Detector], seed: int
) -> None:
    noticed: list[float] = []

    def note(known: Evidence, _: Sequence[Task], now: float) -> None:
        if not noticed and standings(known).shy:
            noticed.append(now)

    street = Street(HERE, {1: Honest(SERVICES), 2: Honest({25: "220 mail"})}, guard())
    played = world(street, Street(THERE, {1: Honest(SERVICES)}), seed=seed, watch=note)
    played.play()
    (first,) = noticed
    network = AddressSet.parse([f"{HERE}.0/24"])
    # A silent port is asked twice, or more by nmap: the pace counts questions.
    assert played.most_in_a_second(network, after=first) <= 3 * CAREFUL.gentle_pace


def in_network(record: TaskRecord, prefix: str) -> bool:
    return bool(record.task.targets.addresses & AddressSet.parse([f"{prefix}.0/24"]))


def test_a_network_that_is_waited_for_does_not_hold_up_the_others() -> None:
    played = world(
        Street(HERE, {1: Honest(SERVICES)}, blocker(seconds=100.0)),
        Street(THERE, {1: Honest(SERVICES)}),
    )
    played.play()
    named_ = [r for r in played.records if r.task.purpose is Purpose.NAMED and r.started]
    there = max(r.started or 0.0 for r in named_ if in_network(r, THERE))
    here = min(r.started or 0.0 for r in named_ if in_network(r, HERE))
    assert there < START + 60 < START + 100 < here


def test_whoever_comes_back_late_is_corroborated_before_the_rescans_of_others() -> None:
    """A host is silent for a minute while another is in a doubt that lasts for half an hour."""
    doubtful = Deaf(Honest({22: ""}), lambda method, _: method is Method.HANDSHAKE)
    played = world(
        Street(HERE, {1: Honest(SERVICES)}, blocker(seconds=100.0)), Street(THERE, {1: doubtful})
    )
    played.play()
    named_ = [r for r in played.records if r.task.purpose is Purpose.NAMED and r.started]
    assert max(r.started or 0.0 for r in named_ if in_network(r, THERE)) > START + 1800
    first = [r.started or 0.0 for r in named_ if in_network(r, HERE) and r.task.round == 1]
    assert max(first) - min(first) < 30


def test_a_network_that_turned_is_not_swept_again() -> None:
    """Not for the ports of trip wires, and not where much is lost."""
    turned_at: list[float] = []
    played = world(
        Street(HERE, {n: Honest(SERVICES) for n in range(1, 8)}, blocker()),
        Street(THERE, {n: Honest(SERVICES) for n in range(1, 12)}),
        loss=0.2,
        watch=lambda known, _, now: turned_at.append(now) if standings(known).shy else None,
    )
    played.play()
    later = [r for r in played.records if r.started and r.started >= turned_at[0]]
    sweeps = [r for r in later if r.task.purpose is Purpose.SWEEP]
    assert 2 in {r.task.round for r in sweeps}
    assert not any(in_network(r, HERE) for r in sweeps)


def test_where_everybody_turned_the_run_goes_on_without_the_second_sweep() -> None:
    street = Street(HERE, {1: Honest(SERVICES)}, blocker())
    played = world(street)
    assert confirmed(played.play()) == services_of(street)
    assert {t.round for t in played.tasks_of(Purpose.SWEEP)} == {0}


@pytest.mark.parametrize("seed", range(6))
def test_what_a_short_block_takes_from_all_repetitions_of_nmap_is_asked_again(seed: int) -> None:
    """It is over before the canary is asked, and only silent ports tell of it."""
    street = Street(HERE, {1: Honest(SERVICES), 2: Honest({25: "220 mail"})}, blocker(seconds=4.0))
    by = replace(CAREFUL, beyond_sweep=AddressSet.parse([f"{HERE}.0/24"]))
    played = world(street, by=by, seed=seed)
    assert confirmed(played.play()) == services_of(street)


def test_hosts_of_a_network_are_asked_their_canaries_in_step() -> None:
    """Out of step nobody sees that they all refuse, and each refusal is believed."""
    hosts: dict[int, Host] = {n: Honest({30 + n: "x"}) for n in range(1, 5)}
    hosts[5] = Honest(SERVICES)
    street = Street(HERE, hosts, trip_wire(seconds=50.0))
    played = world(street)
    assert confirmed(played.play()) == services_of(street)
    rounds: dict[int, set[float]] = {}
    for task in played.tasks_of(Purpose.CANARY):
        rounds.setdefault(task.round, set()).add(task.not_before)
    assert all(len(times) == 1 for times in rounds.values())


def test_a_second_look_is_followed_by_canaries() -> None:
    """The sweep spread over all networks; a second look may be what first trips a limit of one."""
    played = world(Street(HERE, {1: Honest(SERVICES), 2: Honest({25: "x"}, refuses=False)}))
    assert len(confirmed(played.play())) == 4
    looks = list(played.tasks_of(Purpose.SECOND_LOOK))
    canaries = list(played.tasks_of(Purpose.CANARY))
    assert looks
    assert len({task.round for task in canaries}) == 3 + len({task.round for task in looks})


@pytest.mark.parametrize("number", [1, 2, 3])
def test_canaries_that_fail_keep_nobody_from_being_asked(number: int) -> None:
    street = Street(HERE, {1: Honest(SERVICES), 2: Honest({25: "x"})})
    played = world(
        street, fails=lambda task: task.purpose is Purpose.CANARY and task.round == number
    )
    assert confirmed(played.play()) == services_of(street)


def test_canaries_that_nobody_may_be_asked_are_not_asked_for_ever() -> None:
    """All after the first fail, as they do to an address that is excluded meanwhile."""
    street = Street(HERE, {1: Honest(SERVICES)}, blocker(seconds=90.0))
    played = world(street, fails=lambda task: task.purpose is Purpose.CANARY and task.round > 1)
    played.play(plans=100)
    assert max(task.round for task in played.tasks_of(Purpose.CANARY)) < 12


# --- hosts of their own kind -------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (Greylisting(Honest(SERVICES)), "confirmed"),
        (Limited(Honest(SERVICES), 10, only_refusals=True), "confirmed"),
        (Deaf(Honest(SERVICES), lambda method, _: method is Method.MASSCAN_SYN), "confirmed"),
        (
            Deaf(
                Honest(SERVICES),
                lambda method, _: method in (Method.MASSCAN_SYN, Method.NMAP_SYN),
            ),
            "confirmed",
        ),
        (Balanced(Honest(SERVICES)), "transient load-balanced"),
    ],
    ids=["greylisting", "refusals limited", "deaf to masscan", "deaf to SYN scans", "balanced"],
)
def test_a_host_of_this_kind_is_called_what_it_is(kind: Host, answer: str, seed: int) -> None:
    found = world(Street(HERE, {1: kind, 3: Honest(SERVICES)}), seed=seed).play()
    of_host = said(found, f"{HERE}.1:")
    assert set(of_host) <= {f"{HERE}.1:{port}" for port in SERVICES}
    assert all(verdict.startswith(answer) for verdict in of_host.values())
    if answer == "confirmed":
        assert len(of_host) == len(SERVICES)


@pytest.mark.parametrize("period", [4.0, 7.0, 30.0, 61.0, 300.0])
@pytest.mark.parametrize("duty", [0.3, 0.7])
def test_what_comes_and_goes_is_never_confirmed(period: float, duty: float) -> None:
    coming = {n: Rhythmic(frozenset({22, 80}), period, duty, n / 9) for n in range(1, 9)}
    found = world(Street(HERE, coming)).play()
    assert not {v.kind for v in found.values()} & set(BELIEVED)
    # What was closed whenever it was asked after the sweep looks like a phantom.
    assert VerdictKind.TRANSIENT in {v.kind for v in found.values()}


@pytest.mark.parametrize("loss", [0.05, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_services_are_found_where_many_packets_are_lost(loss: float, seed: int) -> None:
    street = Street(HERE, {n: Honest(SERVICES) for n in range(1, 9)})
    found = world(street, seed=seed, loss=loss).play()
    assert len(confirmed(found)) >= 0.95 * len(services_of(street))
    assert {str(e).removesuffix("/tcp") for e, v in found.items() if v.kind in BELIEVED} <= (
        services_of(street)
    )


# --- any network -------------------------------------------------------------------------------

ports = st.sampled_from([22, 25, 33, 80, 443, 8080])
services = st.dictionaries(ports, st.sampled_from(["", "hello", "SSH-2.0-x"]), max_size=4)
honest = st.builds(Honest, services, st.booleans())
odd = st.one_of(
    st.just(TARPIT),
    st.just(CATCH_ALL),
    st.builds(Limited, honest, st.integers(1, 30), st.booleans()),
    st.builds(Greylisting, honest),
    st.builds(Balanced, honest),
    st.builds(
        Rhythmic,
        st.frozensets(ports, max_size=3),
        st.sampled_from([4.0, 30.0, 600.0]),
        st.sampled_from([0.1, 0.5, 0.9]),
        st.floats(0, 1),
    ),
    st.builds(
        Deaf,
        honest,
        st.sampled_from(list(Method)).map(lambda deaf: lambda method, _: method is deaf),
    ),
)
guards = st.one_of(
    st.none(),
    st.builds(blocker, st.integers(5, 40), st.sampled_from([30.0, 90.0, 3000.0])),
    st.builds(trip_wire, st.sampled_from([30.0, 90.0, 3000.0])),
    st.builds(deceiver, st.integers(5, 40), st.sampled_from([30.0, 90.0, 3000.0])),
)
lasts = st.integers(1, 14)
streets = st.builds(
    Street,
    st.just(HERE),
    st.dictionaries(lasts, st.one_of(honest, odd), max_size=4),
    guards,
)
others = st.builds(Street, st.just(THERE), st.dictionaries(lasts, honest, max_size=2), guards)
policies = st.builds(
    policy,
    canary_ports=st.sampled_from([PortSet(), PortSet.parse("31001")]),
    canary_waits=st.sampled_from([(20.0,), WAITS]),
    gentle_pace=st.just(8.0),
    second_looks=st.sampled_from([0, 1, 4]),
    watch_looks=st.sampled_from([0, 3]),
    rescan_delays=st.sampled_from([(30.0,), (30.0, 300.0)]),
    until_settled=st.sampled_from([0.0, 900.0]),
    masscan_retries=st.just(0),
    sample_share=st.sampled_from([0.0, 0.1]),
    seed=st.integers(0, 99),
)


@given(streets, others, policies, st.integers(0, 10**6), st.sampled_from([0.0, 0.03, 0.2]))
@settings(max_examples=60)
def test_whatever_the_network_does_the_laws_of_asking_hold(
    here: Street, there: Street, by: Policy, seed: int, loss: float
) -> None:
    def obey(known: Evidence, new: Sequence[Task], now: float) -> None:
        _asks_nobody_who_is_waited_for(known, new, by)
        _sweeps_after_the_baseline(known, new)

    chance = random.Random(seed)
    played = world(
        here,
        there,
        by=by,
        seed=seed,
        loss=loss,
        watch=obey,
        fails=lambda _: seed % 5 == 0 and chance.random() < 0.1,
    )
    found = played.play()
    known = played.evidence
    assert found.keys() == named(known)
    _stays_inside(played.tasks_of(), played.batch.targets.addresses, by)
    _is_asked_in_full(known, by)
    for endpoint, verdict in found.items():
        _is_sound(known, endpoint, verdict)


def _asks_nobody_who_is_waited_for(known: Evidence, new: Sequence[Task], by: Policy) -> None:
    waiting = AddressSet.from_addresses(waited_for(standings(known), by))
    for task in new:
        if task.purpose is not Purpose.CANARY:
            assert not task.targets.addresses & waiting, f"{task.purpose} while it is waited for"


def _sweeps_after_the_baseline(known: Evidence, new: Sequence[Task]) -> None:
    first = [r for r in known.tasks if r.task.purpose is Purpose.CANARY and r.task.round == 0]
    if any(task.purpose is Purpose.SWEEP and task.round < 2 for task in new):
        assert all(r.state in (TaskState.SETTLED, TaskState.FAILED) for r in first)
        assert not any(t.purpose is Purpose.CANARY and t.round == 0 for t in new)


def _stays_inside(tasks: Sequence[Task], scope: AddressSet, by: Policy) -> None:
    for task in tasks:
        assert task.targets.addresses <= scope
        if task.method is Method.NMAP_VERSION:
            assert not task.ports & by.fragile_ports


def _is_asked_in_full(known: Evidence, by: Policy) -> None:
    """In the end everything that was named has been shaken hands with, or needs it no more."""
    shaken = asked(known, Method.HANDSHAKE, Purpose.NAMED)
    left = named(known) - shaken
    believed = standings(known)
    failed = [r.task for r in known.tasks if r.state is TaskState.FAILED]
    for endpoint in left:
        heard = known.observations.get(endpoint, ())
        # Who fell silent is left alone when this machine cannot ask for it any more.
        if any(t.purpose is Purpose.CANARY and endpoint.address in t.targets for t in failed):
            continue
        # Only a phantom of a deceiver is let go after one refusal by another method.
        assert any(e.mood == "deceiving" for e in believed.of(endpoint.address).episodes)
        assert any(o.state is PortState.CLOSED for o in heard)


def _is_sound(known: Evidence, endpoint: Endpoint, verdict: Verdict) -> None:
    heard = known.observations.get(endpoint, ())
    opened = [o for o in heard if o.state is PortState.OPEN]
    if verdict.kind is VerdictKind.CONFIRMED:
        assert any(o.method is Method.HANDSHAKE and o.aftermath is not None for o in opened)
    if verdict.kind is VerdictKind.REFUTED:
        believed = standings(known)
        assert any(o.state is PortState.CLOSED and believed.trusts(o) for o in heard)
