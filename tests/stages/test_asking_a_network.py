"""The network stages, asked again and again until they have nothing left to ask."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import AddressSet, parse_address
from pipeline.decide.questions import asked, endpoints_of, named, pretending_hosts
from pipeline.model import (
    Aftermath,
    Endpoint,
    Method,
    PortState,
    Purpose,
    StageName,
    Task,
    VerdictKind,
)
from pipeline.plan import Policy
from pipeline.ports import PortSet
from tests.decide.making import POLICY, batch, policy
from tests.stages.simulator import (
    CATCH_ALL,
    SYN_METHODS,
    TARPIT,
    Changing,
    Deaf,
    Flapping,
    Honest,
    Host,
    Lossy,
    Notebook,
    Pretending,
    network,
)

PORTS = "22,80,443,9100"
UNPRIVILEGED = policy(
    sweep=Method.NMAP_CONNECT,
    sweep_instead=Method.NMAP_CONNECT,
    beyond_sweep=AddressSet(),
    methods=(Method.NMAP_CONNECT, Method.HANDSHAKE),
    privileged=False,
)
SERVICES = {22: "SSH-2.0-OpenSSH_9.2", 80: ""}


def asking(host: Host, by: Policy = POLICY, *, expected: tuple[str, ...] = ()) -> Notebook:
    of = batch("192.0.2.0/30", ports=PORTS, expected=expected)
    return Notebook(of, by, network({"192.0.2.1": host}))


def said(notebook: Notebook) -> dict[str, str]:
    return {
        str(endpoint): f"{verdict.kind} {verdict.reason}"
        for endpoint, verdict in notebook.play().items()
    }


@pytest.mark.parametrize("by", [POLICY, UNPRIVILEGED], ids=["privileged", "unprivileged"])
@pytest.mark.parametrize("refuses", [True, False], ids=["refuses", "drops"])
def test_the_services_of_an_honest_host_are_confirmed_and_nothing_else(
    by: Policy, refuses: bool
) -> None:
    notebook = asking(Honest(SERVICES, refuses), by)
    assert said(notebook) == {
        "192.0.2.1:22/tcp": "confirmed service-spoke",
        "192.0.2.1:80/tcp": "confirmed acknowledged",
    }
    assert {task.round for task in notebook.tasks} == {0, 1}


def test_a_tarpit_has_no_port_that_is_believed() -> None:
    assert set(said(asking(TARPIT)).values()) == {"artefact never-acknowledged"}


def test_a_box_that_answers_syns_and_completes_nothing_has_no_port_either() -> None:
    half_open = Deaf(TARPIT, lambda method, _: method not in SYN_METHODS)
    assert set(said(asking(half_open)).values()) == {"artefact handshake-never-completes"}


def test_a_service_behind_a_proxy_is_found_although_its_first_handshake_is_lost() -> None:
    proxy = Pretending(Aftermath.RESET, {22: "SSH-2.0-OpenSSH_9.2"})
    unlucky = Deaf(proxy, lambda method, now: method is Method.HANDSHAKE and now < 30)
    assert said(asking(unlucky))["192.0.2.1:22/tcp"] == "confirmed service-spoke"


def test_one_listener_behind_every_port_is_no_service() -> None:
    notebook = asking(CATCH_ALL)
    assert set(said(notebook).values()) == {"artefact control-ports-answer"}
    assert len(notebook.evidence.observations) == 4 + len(POLICY.control_ports)


def test_a_service_behind_a_syn_proxy_is_told_from_the_proxy() -> None:
    proxy = Pretending(Aftermath.RESET, {22: "SSH-2.0-OpenSSH_9.2"})
    assert said(asking(proxy)) == {
        "192.0.2.1:22/tcp": "confirmed service-spoke",
        "192.0.2.1:80/tcp": "artefact control-ports-answer",
        "192.0.2.1:443/tcp": "artefact control-ports-answer",
        "192.0.2.1:9100/tcp": "artefact control-ports-answer",
    }


def test_a_host_that_only_hears_connect_scans_is_confirmed_where_it_was_expected() -> None:
    picky = Deaf(Honest(SERVICES, refuses=False), lambda method, _: method in SYN_METHODS)
    found = said(asking(picky, expected=("192.0.2.1:22",)))
    assert found == {"192.0.2.1:22/tcp": "confirmed service-spoke"}


def test_a_host_that_masscan_misses_is_confirmed_where_it_was_expected() -> None:
    greylist = Deaf(Honest(SERVICES, False), lambda method, _: method is Method.MASSCAN_SYN)
    found = said(asking(greylist, expected=("192.0.2.1:22",)))
    assert found == {"192.0.2.1:22/tcp": "confirmed service-spoke"}


def test_a_block_that_runs_out_is_waited_for() -> None:
    blocked = Deaf(Honest(SERVICES), lambda _, now: 2 < now < 100)
    notebook = asking(blocked)
    assert said(notebook) == {
        "192.0.2.1:22/tcp": "confirmed service-spoke",
        "192.0.2.1:80/tcp": "confirmed acknowledged",
    }
    assert max(task.round for task in notebook.tasks) == 3


def test_a_block_that_stays_leaves_what_the_sweep_found_likely() -> None:
    blocked = Deaf(Honest(SERVICES), lambda _, now: now > 2)
    notebook = asking(blocked)
    assert set(said(notebook).values()) == {"likely one-method"}
    assert max(task.round for task in notebook.tasks) == 1 + len(POLICY.rescan_delays)


def test_a_port_that_is_closed_in_one_round_and_open_in_the_next_is_transient() -> None:
    flapping = Flapping(frozenset({22}), period=4)
    assert said(asking(flapping)) == {"192.0.2.1:22/tcp": "transient open-then-closed"}


def test_what_closes_after_the_sweep_is_asked_again_once_and_refuted() -> None:
    notebook = asking(Changing(Honest(SERVICES), Honest({}), at=2))
    assert set(said(notebook).values()) == {"refuted closed-when-asked-again"}
    assert max(task.round for task in notebook.tasks) == 2


def test_what_was_expected_and_is_refused_is_not_asked_again() -> None:
    notebook = asking(Honest({}), expected=("192.0.2.1:22",))
    assert said(notebook) == {"192.0.2.1:22/tcp": "refuted refused"}
    assert max(task.round for task in notebook.tasks) == 1


def test_what_was_expected_where_nobody_is_any_more_is_filtered() -> None:
    notebook = asking(Honest({}), expected=("192.0.2.2:22",))
    assert said(notebook) == {"192.0.2.2:22/tcp": "filtered no-answer"}


def test_a_printer_is_shaken_hands_with_and_never_probed() -> None:
    notebook = asking(Honest({22: "SSH-2.0-OpenSSH_9.2", 9100: ""}))
    assert said(notebook)["192.0.2.1:9100/tcp"] == "likely silent-listener"
    probed = [task.ports for task in notebook.tasks if task.method is Method.NMAP_VERSION]
    assert probed == [PortSet.parse("22")]


# --- any small network -------------------------------------------------------------------------

services = st.dictionaries(st.sampled_from([22, 80, 443, 9100]), st.sampled_from(["", "hello"]))
honest = st.builds(Honest, services, st.booleans())
simple = st.one_of(
    honest,
    st.just(TARPIT),
    st.just(CATCH_ALL),
    st.builds(Pretending, st.sampled_from(list(Aftermath)), services),
    st.builds(Flapping, services.map(frozenset), st.sampled_from([1.0, 3.0, 20.0, 200.0])),
    st.builds(
        Deaf,
        honest,
        st.sampled_from(list(Method)).map(lambda deaf: lambda method, _: method is deaf),
    ),
    st.builds(Changing, honest, honest, st.integers(1, 60).map(float)),
)
hosts = st.one_of(
    simple,
    st.builds(Lossy, simple, st.sampled_from([0.05, 0.5]), st.integers().map(random.Random)),
)
policies = st.builds(
    replace,
    st.sampled_from([POLICY, UNPRIVILEGED]),
    rescan_delays=st.sampled_from([(), (30.0,), (0.0, 30.0, 300.0)]),
    version_probe=st.booleans(),
    control_ports=st.sampled_from([PortSet(), PortSet.parse("31001"), PortSet.parse("80,31001")]),
)
ADDRESSES = ("192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::2")
failing = st.integers(0, 9)


@given(
    st.dictionaries(st.sampled_from(ADDRESSES), hosts, max_size=4),
    policies,
    st.lists(st.sampled_from(["192.0.2.1:22", "192.0.2.2:80", "[2001:db8::2]:22"]), unique=True),
    failing,
)
@settings(max_examples=150)
def test_every_run_ends_and_asks_what_was_named_and_nothing_else(
    found: dict[str, Host], by: Policy, expected: list[str], bad_luck: int
) -> None:
    of = batch("192.0.2.0/30", "2001:db8::/126", ports=PORTS, expected=expected)
    chance = random.Random(bad_luck)
    notebook = Notebook(
        of, by, network(found), fails=lambda _: bad_luck > 6 and chance.random() < 0.2
    )
    verdicts = notebook.play(at_most=12 + 4 * len(by.rescan_delays))
    known = notebook.evidence
    assert verdicts.keys() == named(known)
    honest_ones = {e for e in named(known) if e.address not in pretending_hosts(known)}
    for method in by.methods:
        wanted = named(known) if method is Method.HANDSHAKE else honest_ones
        assert wanted <= asked(known, method, Purpose.NAMED, 1)
    _stays_inside(notebook.tasks, notebook, by)
    _asks_nothing_twice(notebook.tasks)
    probes = [t.round for t in notebook.tasks if t.purpose is Purpose.VERSION]
    assert max(probes, default=0) <= 2
    rounds = [t.round for t in notebook.tasks if t.purpose is not Purpose.VERSION]
    assert max(rounds, default=0) <= 1 + len(by.rescan_delays)


def _stays_inside(tasks: list[Task], notebook: Notebook, by: Policy) -> None:
    of, known = notebook.batch, named(notebook.evidence)
    busy = {endpoint.address for endpoint in known}
    for task in tasks:
        assert task.targets.addresses <= of.targets.addresses
        match task.purpose:
            case Purpose.SWEEP:
                assert not task.ports - of.ports
            case Purpose.CONTROL:
                assert not task.ports - by.control_ports
                assert set(task.targets.addresses) <= busy
            case _:
                assert set(endpoints_of(task)) <= known
        if task.method is Method.NMAP_VERSION:
            assert not task.ports & by.fragile_ports


def _asks_nothing_twice(tasks: list[Task]) -> None:
    seen: set[tuple[Method, Purpose, int, Endpoint]] = set()
    for task in tasks:
        for endpoint in endpoints_of(task):
            question = (task.method, task.purpose, task.round, endpoint)
            assert question not in seen
            seen.add(question)


@given(
    st.dictionaries(st.sampled_from(ADDRESSES), honest, max_size=4),
    st.sampled_from([POLICY, UNPRIVILEGED]),
)
@settings(max_examples=40)
def test_in_a_network_of_honest_hosts_every_verdict_is_right(
    found: dict[str, Honest], by: Policy
) -> None:
    of = batch("192.0.2.0/30", "2001:db8::/126", ports=PORTS)
    verdicts = Notebook(of, by, network(found)).play()
    truth = {
        (parse_address(address), port) for address, host in found.items() for port in host.services
    }
    assert {(e.address, e.port) for e in verdicts} == truth
    for endpoint, verdict in verdicts.items():
        silent = found[str(endpoint.address)].services[endpoint.port] == ""
        fragile = silent and endpoint.port == 9100
        assert verdict.kind is (VerdictKind.LIKELY if fragile else VerdictKind.CONFIRMED)


def test_stages_plan_the_same_from_the_same_evidence() -> None:
    for _ in range(2):
        notebook = asking(Honest(SERVICES))
        notebook.play()
        keys = [task.key for task in notebook.tasks]
        assert len(keys) == len(set(keys))
    again = asking(Honest(SERVICES))
    again.play()
    assert [task.key for task in again.tasks] == keys
    assert all(
        o.state in PortState for heard in again.evidence.observations.values() for o in heard
    )
    assert {task.stage for task in again.tasks} == {
        StageName.DISCOVER,
        StageName.CORROBORATE,
        StageName.PROBE,
    }
