"""Each network stage by itself: a pure function from evidence to the tasks still missing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import AddressSet
from pipeline.decide.pace import Ceilings
from pipeline.decide.questions import TRIP_WIRES, endpoints_of
from pipeline.model import (
    Aftermath,
    Endpoint,
    Evidence,
    Method,
    Observation,
    PortState,
    Purpose,
    StageName,
    Task,
    TaskRecord,
    TaskState,
)
from pipeline.plan import Fragile, Sturdy
from pipeline.ports import ALL_PORTS, PortSet
from pipeline.tools.nmap import version_packets
from stages import corroborate, discover, probe, rescan
from tests.decide.making import (
    POLICY,
    PROBED,
    START,
    WHERE,
    batch,
    endpoints,
    evidence,
    policy,
    seen,
    settled,
    shaken,
    sweep,
    task,
)

SYN, CONNECT, HANDSHAKE = POLICY.methods
OPEN, CLOSED = PortState.OPEN, PortState.CLOSED


def asks(tasks: list[Task]) -> set[Endpoint]:
    return {endpoint for task in tasks for endpoint in endpoints_of(task)}


# --- discover ----------------------------------------------------------------------------------

some_ports = st.lists(
    st.tuples(st.integers(1, 3000), st.integers(0, 200)), min_size=1, max_size=5
).map(lambda parts: PortSet.from_ranges((first, first + more) for first, more in parts))
some_addresses = st.sets(
    st.sampled_from(["192.0.2.0/28", "192.0.2.77", "198.51.100.4", "2001:db8::7", "2001:db8::a"]),
    min_size=1,
)
some_links = st.sampled_from([[], ["192.0.2.0/29"], ["198.51.100.0/24", "::/0"], ["0.0.0.0/0"]])


@given(some_addresses, some_ports, some_links, st.integers(2, 5000), st.integers(1, 50))
@settings(max_examples=60)
def test_the_sweep_goes_over_every_endpoint_once_each_by_the_tool_that_reaches_it(
    addresses: set[str], ports: PortSet, links: list[str], rate: int, per_host: int
) -> None:
    beyond = AddressSet.parse(links)
    by = policy(
        beyond_sweep=beyond,
        ceilings=Ceilings(rate=max(rate, per_host), rate_per_host=per_host),
    )
    of = replace(batch(*sorted(addresses)), ports=ports)
    tasks: list[Task] = []
    while new := list(discover.plan(evidence(of, [settled(t) for t in tasks]), by)):
        tasks += new
    found: dict[tuple[str, int], int] = {}
    for one in tasks:
        assert one.purpose is Purpose.SWEEP
        assert one.round == 0 or one.ports == TRIP_WIRES
        assert not (one.targets.family(4) and one.targets.family(6))
        near = one.targets.addresses & beyond
        assert near in (AddressSet(), one.targets.addresses)
        assert one.method is (by.sweep_instead if near else by.sweep)
        for text in one.targets.addresses.texts():
            for first, last in one.ports.ranges:
                for port in range(first, last + 1):
                    found[text, port] = found.get((text, port), 0) + 1
    assert set(found.values()) == {1}
    assert sum(one.endpoints for one in tasks) == of.targets.addresses.size * len(ports)


def test_a_sweep_is_planned_once_whatever_became_of_it() -> None:
    of = evidence(batch())
    tasks = list(discover.plan(of, POLICY))
    assert tasks
    for state in TaskState:
        filed = evidence(batch(), [settled(tasks[0], state=state)])
        assert list(discover.plan(filed, POLICY)) == []


def test_a_sweep_of_many_ports_is_cut_into_even_slices_of_about_a_minute() -> None:
    of = replace(batch("192.0.2.0/24"), ports=ALL_PORTS)
    sizes = [len(one.ports) for one in discover.plan(evidence(of), POLICY)]
    assert sum(sizes) == len(ALL_PORTS - TRIP_WIRES)
    assert max(sizes) - min(sizes) <= 1
    # 450 probes a second with one retry each: 13,500 in a minute.
    assert 12_000 < 256 * max(sizes) < 15_000


def test_a_sweep_of_few_endpoints_is_one_task() -> None:
    (one,) = discover.plan(evidence(batch("192.0.2.0/24")), POLICY)
    assert (one.stage, one.round, one.method) == (StageName.DISCOVER, 0, Method.MASSCAN_SYN)


# --- corroborate -------------------------------------------------------------------------------


class Story:
    """Evidence that grows: tasks settled one after the other, each with what it heard."""

    def __init__(self, *swept: str, expected: tuple[str, ...] = ()) -> None:
        self._records: list[TaskRecord] = []
        self._heard: list[Observation] = []
        self._of = batch(expected=expected)
        hits = [seen(Method.MASSCAN_SYN, where=where) for where in endpoints(*swept)]
        self.settle(sweep(), hits)

    @property
    def evidence(self) -> Evidence:
        return evidence(self._of, self._records, self._heard)

    def settle(self, asked: Task, heard: list[Observation], *, ended: float = 0.0) -> None:
        self._records.append(settled(asked, len(self._records) + 1, ended=ended))
        self._heard += heard

    def corroborated(self, *methods: Method, controls: PortState = CLOSED) -> Story:
        """Every control port gives one answer, and these methods find everything open."""
        for asked in list(corroborate.plan(self.evidence, POLICY)):
            self.settle(asked, heard_by(asked, controls))
        for method in methods:
            for asked in list(corroborate.plan(self.evidence, POLICY)):
                assert asked.method is method or asked.purpose is Purpose.CONTROL
                self.settle(asked, heard_by(asked, OPEN))
        return self


def heard_by(asked: Task, state: PortState) -> list[Observation]:
    handshake = asked.method is Method.HANDSHAKE and state is OPEN
    return [
        seen(
            asked.method,
            state,
            where=where,
            purpose=asked.purpose,
            round_=asked.round,
            aftermath=Aftermath.ACKNOWLEDGED if handshake else None,
        )
        for where in endpoints_of(asked)
    ]


@pytest.mark.parametrize("state", [TaskState.PLANNED, TaskState.RUNNING])
def test_nothing_is_corroborated_before_the_sweep_has_ended(state: TaskState) -> None:
    halfway = [settled(sweep(ports="22"), 1), settled(sweep(ports="80"), 2, state=state)]
    heard = [seen(Method.MASSCAN_SYN)]
    assert list(corroborate.plan(evidence(batch(), halfway, heard), POLICY)) == []
    assert list(corroborate.plan(evidence(batch(), (), heard), POLICY)) == []


def test_a_sweep_that_failed_still_names_what_it_saw() -> None:
    failed = [settled(sweep(), state=TaskState.FAILED)]
    tasks = list(corroborate.plan(evidence(batch(), failed, [seen(Method.MASSCAN_SYN)]), POLICY))
    assert {one.purpose for one in tasks} == {Purpose.CONTROL}


def test_where_nothing_was_named_nothing_is_asked() -> None:
    assert list(corroborate.plan(Story().evidence, POLICY)) == []


def test_the_control_ports_of_hosts_with_something_named_are_asked_first_and_alone() -> None:
    story = Story("192.0.2.1:22", "192.0.2.2:80")
    tasks = list(corroborate.plan(story.evidence, POLICY))
    assert {(one.method, one.purpose) for one in tasks} == {(SYN, Purpose.CONTROL)}
    assert asks(tasks) == set(
        endpoints("192.0.2.1:31001", "192.0.2.1:47003", "192.0.2.2:31001", "192.0.2.2:47003")
    )


def test_a_control_port_that_was_named_is_no_control_port() -> None:
    known = evidence(
        batch(ports="31001"),
        [settled(sweep(ports="31001"))],
        [seen(Method.MASSCAN_SYN, where=endpoints("192.0.2.1:31001")[0])],
    )
    assert asks(list(corroborate.plan(known, POLICY))) == set(endpoints("192.0.2.1:47003"))


def test_the_methods_ask_one_after_the_other_about_exactly_what_was_named() -> None:
    story = Story("192.0.2.1:22", "192.0.2.2:80", expected=("192.0.2.3:443",)).corroborated()
    wanted = set(endpoints("192.0.2.1:22", "192.0.2.2:80", "192.0.2.3:443"))
    for method in POLICY.methods:
        tasks = list(corroborate.plan(story.evidence, POLICY))
        assert {(one.method, one.purpose, one.round) for one in tasks} == {
            (method, Purpose.NAMED, 1)
        }
        assert asks(tasks) == wanted
        for asked in tasks:
            story.settle(asked, heard_by(asked, OPEN))
    assert list(corroborate.plan(story.evidence, POLICY)) == []


def test_hosts_that_pretend_are_only_shaken_hands_with() -> None:
    story = Story("192.0.2.1:22", "192.0.2.2:80")
    for asked in list(corroborate.plan(story.evidence, POLICY)):
        story.settle(
            asked,
            [
                replace(o, state=OPEN if o.endpoint.address.packed[3] == 1 else CLOSED)
                for o in heard_by(asked, CLOSED)
            ],
        )
    everything: list[Task] = []
    while tasks := list(corroborate.plan(story.evidence, POLICY)):
        everything += tasks
        for asked in tasks:
            story.settle(asked, heard_by(asked, OPEN))
    (pretending, honest) = endpoints("192.0.2.1:22", "192.0.2.2:80")
    by_method = {
        method: asks([t for t in everything if t.method is method and t.purpose is Purpose.NAMED])
        for method in POLICY.methods
    }
    assert by_method == {SYN: {honest}, CONNECT: {honest}, HANDSHAKE: {honest, pretending}}
    suspicious = [t for t in everything if t.purpose is Purpose.CONTROL]
    assert {t.method for t in suspicious} == {HANDSHAKE}
    assert asks(suspicious) == set(endpoints("192.0.2.1:31001", "192.0.2.1:47003"))


# --- rescan ------------------------------------------------------------------------------------


def disputed() -> Story:
    """Masscan and both scans find it open, and the handshake is refused."""
    story = Story(str(WHERE)).corroborated(SYN, CONNECT)
    story.settle(task(HANDSHAKE), [seen(HANDSHAKE, CLOSED)], ended=100)
    return story


def test_what_is_in_doubt_is_asked_again_by_every_method_after_the_delay() -> None:
    tasks = list(rescan.plan(disputed().evidence, POLICY))
    assert [one.method for one in tasks] == list(POLICY.methods)
    assert {(one.round, one.not_before) for one in tasks} == {(2, START + 100 + 30)}
    assert asks(tasks) == {WHERE}


def test_nothing_is_asked_again_before_everything_was_asked_once() -> None:
    story = Story(str(WHERE)).corroborated(SYN, CONNECT)
    assert list(rescan.plan(story.evidence, POLICY)) == []


def test_nothing_is_asked_again_while_a_round_is_under_way() -> None:
    known = disputed().evidence
    (first, *_) = rescan.plan(known, POLICY)
    under_way = replace(known, tasks=(*known.tasks, settled(first, 99, state=TaskState.PLANNED)))
    assert list(rescan.plan(under_way, POLICY)) == []


def test_each_round_waits_for_its_own_delay_until_they_are_used_up() -> None:
    story = disputed()
    waits = []
    ended = 100.0
    while tasks := list(rescan.plan(story.evidence, POLICY)):
        waits.append(tasks[0].not_before - START - ended)
        ended += 1000
        for asked in tasks:
            story.settle(asked, [], ended=ended)
    assert waits == list(POLICY.rescan_delays)
    assert list(rescan.plan(disputed().evidence, policy(rescan_delays=()))) == []


def test_what_is_beyond_doubt_is_not_asked_again() -> None:
    story = Story(str(WHERE)).corroborated(SYN, CONNECT, HANDSHAKE)
    assert list(rescan.plan(story.evidence, POLICY)) == []


def test_hosts_that_pretend_are_only_shaken_hands_with_again() -> None:
    story = Story(str(WHERE)).corroborated(controls=OPEN)
    while tasks := list(corroborate.plan(story.evidence, POLICY)):
        for asked in tasks:
            story.settle(
                asked,
                # Nothing ever completes: that is asked in every round.
                heard_by(asked, OPEN if asked.purpose is Purpose.CONTROL else PortState.FILTERED),
            )
    (again,) = rescan.plan(story.evidence, POLICY)
    assert (again.method, again.round) == (HANDSHAKE, 2)
    assert asks([again]) == {WHERE}


# --- probe -------------------------------------------------------------------------------------


def believed(*texts: str) -> Story:
    return Story(*texts).corroborated(*POLICY.methods)


def test_what_is_believed_is_probed_once() -> None:
    story = believed(str(WHERE))
    (one,) = probe.plan(story.evidence, POLICY)
    assert (one.method, one.purpose, one.stage) == (
        Method.NMAP_VERSION,
        Purpose.VERSION,
        StageName.PROBE,
    )
    for state in TaskState:
        known = story.evidence
        again = replace(known, tasks=(*known.tasks, settled(one, 99, state=state)))
        assert list(probe.plan(again, POLICY)) == []


def test_nothing_is_probed_before_it_was_corroborated() -> None:
    story = Story(str(WHERE)).corroborated(SYN, CONNECT)
    assert list(probe.plan(story.evidence, POLICY)) == []


def test_a_profile_without_version_probes_asks_for_none() -> None:
    assert list(probe.plan(believed(str(WHERE)).evidence, policy(version_probe=False))) == []


def test_fragile_ports_and_what_is_in_doubt_are_never_probed() -> None:
    fragile = policy(fragile_ports=PortSet.parse("22"))
    assert list(probe.plan(believed(str(WHERE)).evidence, fragile)) == []
    assert list(probe.plan(disputed().evidence, POLICY)) == []


def pretending(banner: str, others: str) -> Evidence:
    """Every port answers: this one with one banner, the control ports with another."""
    of_control = endpoints("192.0.2.7:31001", "192.0.2.7:47003")
    return evidence(
        batch(),
        [settled(sweep(), 1), settled(task(HANDSHAKE), 2)],
        [
            seen(Method.MASSCAN_SYN),
            shaken(Aftermath.DATA, banner=banner),
            *(seen(SYN, where=where, purpose=Purpose.CONTROL) for where in of_control),
            *(
                shaken(Aftermath.DATA, banner=others, where=where, purpose=Purpose.CONTROL)
                for where in of_control
            ),
        ],
    )


def test_behind_a_box_that_answers_for_everything_only_what_says_its_own_is_probed() -> None:
    assert asks(list(probe.plan(pretending("SSH-2.0-x", "hello"), POLICY))) == {WHERE}
    assert list(probe.plan(pretending("hello", "hello"), POLICY)) == []


@given(
    st.integers(50, 3000),
    st.integers(1, 20_000),
    st.sets(st.sampled_from([f"192.0.2.{n}:{port}" for n in range(1, 8) for port in (22, 80)])),
)
@settings(max_examples=40)
def test_no_version_probe_can_send_more_in_a_second_than_is_allowed(
    per_host: int, more: int, named: set[str]
) -> None:
    by = policy(ceilings=Ceilings(rate=per_host + more, rate_per_host=per_host))
    known = believed(*sorted(named)).evidence
    tasks = list(probe.plan(known, by))
    assert asks(tasks) == set(endpoints(*named))
    assert sum(one.endpoints for one in tasks) == len(named)
    each = version_packets(by.version_intensity, by.scripts)
    for one in tasks:
        assert len(one.ports) * each <= per_host or len(one.ports) == 1
        packets = one.endpoints * each
        assert packets <= (per_host + more) / 2 or one.endpoints == 1


def test_a_version_probe_that_found_a_service_is_no_reason_to_probe_again() -> None:
    story = believed(str(WHERE))
    (one,) = probe.plan(story.evidence, POLICY)
    story.settle(one, [seen(Method.NMAP_VERSION, service=PROBED)])
    assert list(probe.plan(story.evidence, POLICY)) == []


def test_a_version_probe_that_went_lost_is_made_once_more() -> None:
    story = believed(str(WHERE))
    silence = seen(Method.NMAP_VERSION, PortState.FILTERED, purpose=Purpose.VERSION)
    for round_ in (1, 2):
        (one,) = probe.plan(story.evidence, POLICY)
        assert (one.purpose, one.round) == (Purpose.VERSION, round_)
        story.settle(one, [replace(silence, round=round_)])
    assert list(probe.plan(story.evidence, POLICY)) == []


def test_a_version_probe_that_was_refused_or_not_recognised_did_not_go_lost() -> None:
    for state in (PortState.CLOSED, PortState.OPEN):
        story = believed(str(WHERE))
        (one,) = probe.plan(story.evidence, POLICY)
        story.settle(one, [seen(Method.NMAP_VERSION, state, purpose=Purpose.VERSION)])
        assert list(probe.plan(story.evidence, POLICY)) == []


def test_all_ports_of_a_host_with_a_fragile_port_are_left_alone_unless_it_is_sturdy() -> None:
    by = policy(fragile_ports=PortSet.parse("22"))
    whole = replace(by, fragile=Fragile(whole_hosts=True))
    other = Endpoint(WHERE.address, WHERE.protocol, 80)
    both = believed(str(WHERE), str(other)).evidence
    assert {p for t in probe.plan(both, by) for p in t.ports} == {80}
    assert list(probe.plan(both, whole)) == []
    lifted = Sturdy(
        hosts=AddressSet.from_addresses([WHERE.address]), ports=None, reason="a test host"
    )
    sturdy = replace(by, fragile=Fragile(whole_hosts=True, sturdy=(lifted,)))
    assert {p for t in probe.plan(both, sturdy) for p in t.ports} == {22, 80}


def test_a_host_that_is_named_as_fragile_gets_no_version_probe() -> None:
    named = Fragile(hosts=AddressSet.parse(["192.0.2.0/24"]))
    assert list(probe.plan(believed(str(WHERE)).evidence, policy(fragile=named))) == []


def test_a_long_sweep_begins_with_short_slices_that_miss_no_port() -> None:
    slow = policy(ports=ALL_PORTS, slow_start=0.125, canary_ports=PortSet())
    batch = replace(Story().evidence.batch, ports=ALL_PORTS)
    sizes = [len(t.ports) for t in discover.plan(Evidence(batch=batch), slow)]
    asked = [p for t in discover.plan(Evidence(batch=batch), slow) for p in t.ports]
    assert sorted(asked) == list(ALL_PORTS - TRIP_WIRES)
    assert sizes[0] <= sizes[1] <= sizes[2] < sizes[3] / 10
