"""What was named, what was asked, and what is covered: the ground on which verdicts stand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import parse_address
from pipeline.decide.coverage import Coverage, rectangles
from pipeline.decide.questions import (
    asked,
    at_rest,
    ended,
    facts_by_host,
    named,
    pretending_hosts,
    tasks_for,
    verdicts,
)
from pipeline.decide.verdict import HostFacts
from pipeline.model import (
    Endpoint,
    Evidence,
    Hole,
    Method,
    PortState,
    Protocol,
    Purpose,
    Refusals,
    StageName,
    TaskState,
)
from pipeline.ports import PortSet
from tests.decide.making import (
    POLICY,
    START,
    WHERE,
    batch,
    endpoints,
    evidence,
    seen,
    settled,
    sweep,
    task,
)

(OTHER, V6) = endpoints("192.0.2.5:80", "[2001:db8::7]:22")
CONTROL = Endpoint.parse("192.0.2.7:31001")


def hole(address: str, ports: str | None = None, reason: str = "host timed out") -> Hole:
    return Hole(
        address=parse_address(address),
        ports=None if ports is None else PortSet.parse(ports),
        reason=reason,
    )


# --- coverage ----------------------------------------------------------------------------------


def test_an_endpoint_is_covered_when_a_settled_task_asked_about_it() -> None:
    coverage = Coverage([settled(task(ports="22,80"))], [])
    assert coverage.asked(WHERE)
    for text in ("192.0.2.7:443", "192.0.2.8:22", "192.0.2.7:22/udp"):
        assert not coverage.asked(Endpoint.parse(text))


@pytest.mark.parametrize("state", [TaskState.PLANNED, TaskState.RUNNING, TaskState.FAILED])
def test_a_task_that_was_not_settled_covers_nothing(state: TaskState) -> None:
    assert not Coverage([settled(task(), state=state)], []).asked(WHERE)


@pytest.mark.parametrize(("ports", "covered"), [(None, False), ("22", False), ("80", True)])
def test_what_a_task_gave_up_on_it_does_not_cover(ports: str | None, covered: bool) -> None:
    coverage = Coverage([settled(task(ports="22,80"))], [(1, hole("192.0.2.7", ports))])
    assert coverage.asked(WHERE) is covered


def test_the_hole_of_one_task_is_none_in_another() -> None:
    both = [settled(task(), 1), settled(task(Method.NMAP_CONNECT), 2)]
    assert Coverage(both, [(1, hole("192.0.2.7"))]).asked(WHERE)
    assert not Coverage(both, [(1, hole("192.0.2.7")), (2, hole("192.0.2.7"))]).asked(WHERE)


def test_the_hole_of_one_host_is_none_of_another() -> None:
    asked_both = settled(task(at=("192.0.2.7", "192.0.2.8")))
    assert Coverage([asked_both], [(1, hole("192.0.2.8"))]).asked(WHERE)


ports_some = st.sets(st.integers(20, 25), min_size=1)
hosts_some = st.sets(st.integers(1, 6), min_size=1)


@given(
    st.lists(st.tuples(hosts_some, ports_some), max_size=4),
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 7), st.none() | ports_some), max_size=4),
    st.lists(st.tuples(st.integers(1, 7), ports_some), max_size=2),
)
@settings(max_examples=60, deadline=None)
def test_the_rectangles_hold_exactly_what_was_asked(
    asking: list[tuple[set[int], set[int]]],
    missing: list[tuple[int, int, set[int] | None]],
    heard: list[tuple[int, set[int]]],
) -> None:
    tasks = [
        settled(
            task(
                at=[f"192.0.2.{last}" for last in sorted(hosts)],
                ports=str(PortSet.of(ports)),
            ),
            number=number,
        )
        for number, (hosts, ports) in enumerate(asking, 1)
    ]
    holes = [
        (number, hole(f"192.0.2.{last}", None if ports is None else str(PortSet.of(ports))))
        for number, last, ports in missing
    ]
    refused = [
        (1, Refusals(address=parse_address(f"192.0.2.{last}"), ports=PortSet.of(ports)))
        for last, ports in (heard if tasks else ())
    ]
    coverage = Coverage(tasks, holes, refused)
    found = rectangles(tasks, holes, refused)
    for last in range(1, 8):
        for port in range(20, 26):
            where = Endpoint.parse(f"192.0.2.{last}:{port}")
            inside = [r for r in found if where.address in r.addresses and port in r.ports]
            assert bool(inside) == coverage.asked(where)


# --- what was named ----------------------------------------------------------------------------


def test_what_the_sweep_called_open_and_what_is_expected_is_named() -> None:
    found = evidence(
        batch(expected=["192.0.2.5:80"]),
        observations=[
            seen(Method.MASSCAN_SYN),
            seen(Method.MASSCAN_SYN, PortState.CLOSED, where=endpoints("192.0.2.7:443")[0]),
            seen(Method.NMAP_SYN, where=CONTROL, purpose=Purpose.CONTROL),
        ],
    )
    assert named(found) == {WHERE, OTHER}


def test_every_named_endpoint_gets_a_verdict_in_numeric_order() -> None:
    found = evidence(
        batch("192.0.2.0/29", "2001:db8::7", expected=["192.0.2.5:80", "[2001:db8::7]:22"]),
        observations=[seen(Method.MASSCAN_SYN)],
    )
    assert list(verdicts(found)) == [OTHER, WHERE, V6]


def test_a_control_observation_is_never_evidence_for_a_named_endpoint() -> None:
    found = evidence(
        batch(ports="31001", expected=[str(CONTROL)]),
        observations=[seen(Method.NMAP_SYN, where=CONTROL, purpose=Purpose.CONTROL, number=1)],
    )
    (ruling,) = verdicts(found).values()
    assert (ruling.reason, ruling.observations) == ("not-asked", ())


@pytest.mark.parametrize(
    ("only", "reason"), [(None, "gave-up"), ("22", "gave-up"), ("80", "not-asked")]
)
def test_an_expected_endpoint_that_a_tool_dropped_was_given_up(
    only: str | None, reason: str
) -> None:
    found = evidence(
        batch(expected=[str(WHERE)]),
        [settled(task(ports="22,80"))],
        holes=[(1, hole("192.0.2.7", only))],
    )
    assert verdicts(found)[WHERE].reason == reason


def test_a_tool_that_gave_up_on_a_host_gave_up_on_the_ports_it_was_asked_for() -> None:
    found = evidence(
        batch(expected=[str(WHERE)]),
        [settled(task(ports="80"))],
        holes=[(1, hole("192.0.2.7"))],
    )
    assert verdicts(found)[WHERE].reason == "not-asked"


# --- what was asked ----------------------------------------------------------------------------


def test_asked_is_asked_whatever_became_of_it() -> None:
    for state in TaskState:
        found = evidence(batch(), [settled(task(ports="22,80"), state=state)])
        assert asked(found, Method.NMAP_SYN, Purpose.NAMED) == set(
            endpoints("192.0.2.7:22", "192.0.2.7:80")
        )


def test_methods_purposes_and_rounds_are_asked_apart() -> None:
    found = evidence(
        batch(), [settled(task(), 1), settled(task(Method.HANDSHAKE, ports="80", round_=2), 2)]
    )
    assert asked(found, Method.NMAP_SYN, Purpose.NAMED, 1) == {WHERE}
    assert not asked(found, Method.NMAP_SYN, Purpose.NAMED, 2)
    assert not asked(found, Method.NMAP_SYN, Purpose.CONTROL)
    assert not asked(found, Method.HANDSHAKE, Purpose.NAMED, 1)
    assert asked(found, Method.HANDSHAKE, Purpose.NAMED) == set(endpoints("192.0.2.7:80"))


def test_tasks_have_ended_when_none_is_still_to_be_answered() -> None:
    assert ended([])
    assert ended([settled(task()), settled(task(), state=TaskState.FAILED)])
    assert not ended([settled(task()), settled(task(), state=TaskState.PLANNED)])
    assert not ended([settled(task(), state=TaskState.RUNNING)])


def rounds(*methods: Method, state: TaskState = TaskState.SETTLED) -> Evidence:
    tasks = [settled(sweep(), 1)]
    tasks += [settled(task(method), n, state=state) for n, method in enumerate(methods, start=2)]
    return evidence(batch(), tasks, [seen(Method.MASSCAN_SYN)])


def test_an_endpoint_is_at_rest_when_every_method_of_its_round_has_ended() -> None:
    methods = POLICY.methods
    assert at_rest(rounds(*methods), POLICY) == {WHERE: (1, START)}
    assert at_rest(rounds(*methods, state=TaskState.FAILED), POLICY) == {WHERE: (1, START)}
    assert at_rest(rounds(*methods[:2]), POLICY) == {}
    assert at_rest(rounds(*methods, state=TaskState.RUNNING), POLICY) == {}


def test_an_endpoint_whose_next_round_is_planned_is_not_at_rest_and_others_are() -> None:
    tasks = [
        settled(task(method, at=("192.0.2.5", "192.0.2.7"), ports="22"), n, ended=n)
        for n, method in enumerate(POLICY.methods, start=1)
    ]
    other = Endpoint.parse("192.0.2.5:22")
    again = settled(task(POLICY.methods[0], round_=2), 9, state=TaskState.PLANNED)
    assert at_rest(evidence(batch(), tasks), POLICY).keys() == {WHERE, other}
    assert at_rest(evidence(batch(), [*tasks, again]), POLICY) == {other: (1, START + 3)}
    done = settled(again.task, 9, ended=40)
    found = at_rest(evidence(batch(), [*tasks, done]), POLICY)
    assert found == {other: (1, START + 3), WHERE: (2, START + 40)}


def test_what_was_never_asked_by_name_is_not_at_rest() -> None:
    assert at_rest(evidence(batch(), [settled(sweep())]), POLICY) == {}


# --- control ports -----------------------------------------------------------------------------


def test_facts_are_those_of_the_host_alone() -> None:
    elsewhere = Endpoint.parse("192.0.2.5:31001")
    found = evidence(
        batch(),
        observations=[
            seen(Method.NMAP_SYN, where=CONTROL, purpose=Purpose.CONTROL),
            seen(Method.NMAP_SYN, PortState.CLOSED, where=elsewhere, purpose=Purpose.CONTROL),
            seen(Method.MASSCAN_SYN, where=endpoints("192.0.2.6:22")[0]),
        ],
    )
    assert facts_by_host(found) == {
        CONTROL.address: HostFacts(asked=1, open_=1),
        elsewhere.address: HostFacts(asked=1, refused=1),
    }
    assert pretending_hosts(found).texts() == ("192.0.2.7",)


# --- making tasks ------------------------------------------------------------------------------

some_endpoints = st.sets(
    st.builds(
        lambda address, port: Endpoint(parse_address(address), Protocol.TCP, port),
        st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.9", "2001:db8::1", "2001:db8::2"]),
        st.integers(1, 6),
    ),
    max_size=20,
)


@given(some_endpoints)
@settings(max_examples=60)
def test_tasks_ask_exactly_the_endpoints_with_the_address_families_apart(
    wanted: set[Endpoint],
) -> None:
    of = evidence(batch("192.0.2.0/28", "2001:db8::/120"))
    tasks = list(
        tasks_for(
            of,
            POLICY,
            wanted,
            stage=StageName.RESCAN,
            method=Method.NMAP_SYN,
            purpose=Purpose.NAMED,
            round_=2,
            not_before=7.0,
        )
    )
    found = [
        Endpoint(address, one.protocol, port)
        for one in tasks
        for address in one.targets.addresses
        for port in one.ports
    ]
    assert len(found) == len(set(found))
    assert set(found) == wanted
    for one in tasks:
        assert not (one.targets.family(4) and one.targets.family(6))
        assert (one.round, one.not_before, one.vantage, one.batch) == (2, 7.0, "office", 1)


def test_no_task_reaches_beyond_its_batch() -> None:
    of = evidence(batch("192.0.2.0/29"))
    (one,) = tasks_for(
        of,
        POLICY,
        set(endpoints("192.0.2.7:22", "192.0.2.8:22")),
        stage=StageName.RESCAN,
        method=Method.NMAP_SYN,
        purpose=Purpose.NAMED,
    )
    assert one.targets.addresses.texts() == ("192.0.2.7",)


def test_an_open_port_of_the_baseline_is_a_control_port_that_answers() -> None:
    """Where all control ports were lost on the way, it alone tells that a host pretends."""
    baseline = Endpoint(CONTROL.address, Protocol.TCP, 40001)
    lost = seen(Method.NMAP_SYN, PortState.FILTERED, where=CONTROL, purpose=Purpose.CONTROL)

    def facts(state: PortState, round_: int = 0) -> HostFacts:
        canary = seen(
            Method.HANDSHAKE, state, where=baseline, purpose=Purpose.CANARY, round_=round_
        )
        return facts_by_host(evidence(batch(), [], [lost, canary]))[CONTROL.address]

    assert facts(PortState.OPEN).answers_for_everything
    # A refusal before the sweep says nothing of what a host does later, and a canary asks anything.
    assert facts(PortState.CLOSED) == HostFacts(asked=1)
    assert facts(PortState.OPEN, round_=1) == HostFacts(asked=1)
