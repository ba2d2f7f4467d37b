"""The four network stages ask a small network of UDP services: what they ask, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from pipeline.addresses import AddressSet, parse_address
from pipeline.decide import udp_tasks
from pipeline.model import (
    Aftermath,
    Batch,
    Endpoint,
    Method,
    PortState,
    Protocol,
    Purpose,
    Service,
    StageName,
    Task,
)
from pipeline.plan import Policy
from pipeline.ports import PortSet
from stages import corroborate, discover, probe, rescan
from tests.decide.making import POLICY, SCOPE, START, endpoints, evidence, policy, targets
from tests.stages.simulator import Host, Network, Notebook, Reply

PORTS = PortSet.parse("53,69,123,161,514")
BY = policy(udp_ports=PORTS, question_ports=PortSet.parse("53,123,161"), ports=PortSet())
UNPRIVILEGED = replace(BY, privileged=False)
WITHOUT_GUESS = replace(BY, no_guess_ports=PortSet.parse("161,260,3401"))
NAMED = Service(name="domain", method="probed", confidence=10)
HERE = "192.0.2.1"
NETWORK = (discover.plan, corroborate.plan, rescan.plan, probe.plan)


def answered(method: Method, banner: str = "") -> Reply:
    """A reply, as each method sees it; with a banner it answers our question."""
    ours = method is Method.DATAGRAM
    return Reply(
        state=PortState.OPEN,
        reason="udp-response",
        aftermath=Aftermath.DATA if ours and banner else None,
        banner=banner if ours else "",
        service=NAMED if method is Method.NMAP_VERSION else None,
    )


REFUSED = Reply(state=PortState.CLOSED, reason="port-unreach")
QUIET = Reply(state=PortState.OPEN_FILTERED, reason="no-response")


@dataclass(frozen=True, slots=True)
class Services:
    """Ports that answer, each to some methods; the others refuse, or keep silent."""

    answers: Mapping[int, str]
    refuses: bool = True
    only_to: Mapping[int, tuple[Method, ...]] = field(default_factory=dict)
    until: float = float("inf")

    def reply(self, method: Method, port: int, now: float) -> Reply | None:
        heard_by = self.only_to.get(port, tuple(Method))
        if port in self.answers and now < self.until:
            return answered(method, self.answers[port]) if method in heard_by else QUIET
        return REFUSED if self.refuses else QUIET


@dataclass(frozen=True, slots=True)
class Box:
    """Answers everything."""

    def reply(self, method: Method, port: int, now: float) -> Reply | None:
        return answered(method, "dns: NOERROR")


def asking(host: Host, by: Policy = BY, *, expected: tuple[str, ...] = ()) -> Notebook:
    batch = Batch(
        number=1,
        targets=targets(HERE, "192.0.2.2", "2001:db8::1"),
        protocol=Protocol.UDP,
        ports=PORTS,
        expected=endpoints(*expected),
    )
    return Notebook(batch, by, Network({parse_address(HERE): host}))


def said(notebook: Notebook) -> dict[str, str]:
    return {
        str(endpoint): f"{verdict.kind} {verdict.reason}"
        for endpoint, verdict in notebook.play().items()
    }


def asked_by(notebook: Notebook, method: Method, *purposes: Purpose) -> set[int]:
    return {
        port
        for task in notebook.tasks
        if task.method is method and task.purpose in purposes
        for port in task.ports
    }


# --- verdicts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("refuses", [True, False], ids=["refuses", "keeps silent"])
def test_what_answers_two_methods_is_confirmed_and_nothing_else_is_named(refuses: bool) -> None:
    notebook = asking(Services({53: "dns: NOERROR", 123: "ntp: version 4"}, refuses))
    assert said(notebook) == {
        f"{HERE}:53/udp": "confirmed answered-in-protocol",
        f"{HERE}:123/udp": "confirmed answered-in-protocol",
    }
    assert all(task.protocol is Protocol.UDP for task in notebook.tasks)


def test_what_only_we_can_speak_is_found_and_likely() -> None:
    ours = {123: (Method.DATAGRAM,)}
    assert said(asking(Services({123: "ntp: version 4"}, only_to=ours))) == {
        f"{HERE}:123/udp": "likely one-method"
    }


def test_what_a_version_probe_gets_an_answer_from_besides_us_is_confirmed() -> None:
    both = {123: (Method.DATAGRAM, Method.NMAP_VERSION)}
    assert said(asking(Services({123: "ntp: version 4"}, only_to=both))) == {
        f"{HERE}:123/udp": "confirmed answered-in-protocol"
    }


def test_what_replies_in_no_protocol_is_likely_and_not_asked_again_and_again() -> None:
    notebook = asking(Services({69: ""}))
    assert said(notebook) == {f"{HERE}:69/udp": "likely reply-not-understood"}
    assert {t.round for t in notebook.tasks if t.purpose is Purpose.NAMED} == {1}


def test_a_box_that_answers_on_every_port_has_no_service() -> None:
    assert set(said(asking(Box())).values()) == {"artefact control-ports-answer"}


def test_a_phantom_of_the_sweep_is_refuted() -> None:
    gone = Services({53: "dns: NOERROR"}, until=START + 2)
    assert said(asking(gone)) == {f"{HERE}:53/udp": "refuted closed-when-asked-again"}


@pytest.mark.parametrize(
    ("host", "verdict"),
    [
        (Services({}), "refuted refused"),
        (Services({}, refuses=False), "filtered open-or-filtered"),
        (Services({514: ""}), "likely reply-not-understood"),
    ],
)
def test_what_was_expected_is_asked_whatever_the_sweep_finds(host: Services, verdict: str) -> None:
    assert said(asking(host, expected=(f"{HERE}:514/udp",))) == {f"{HERE}:514/udp": verdict}


def test_a_network_without_an_answer_is_swept_and_then_left_alone() -> None:
    notebook = asking(Services({}, refuses=False))
    assert said(notebook) == {}
    assert {task.purpose for task in notebook.tasks} == {Purpose.SWEEP}


# --- who is asked by whom ----------------------------------------------------------------------


def test_nmap_sweeps_all_ports_and_we_those_that_we_have_questions_for() -> None:
    notebook = asking(Services({}))
    notebook.play()
    assert asked_by(notebook, Method.NMAP_UDP, Purpose.SWEEP) == set(PORTS)
    assert asked_by(notebook, Method.DATAGRAM, Purpose.SWEEP) == {53, 123, 161}
    for task in notebook.tasks:
        assert len({address.version for address in task.targets.addresses}) == 1
    assert {task.targets.addresses for task in notebook.tasks} == {
        AddressSet.parse([HERE, "192.0.2.2"]),
        AddressSet.parse(["2001:db8::1"]),
    }


def test_without_the_privilege_we_ask_alone_and_confirm_nothing() -> None:
    notebook = asking(Services({53: "dns: NOERROR", 69: ""}), UNPRIVILEGED)
    assert said(notebook) == {
        f"{HERE}:53/udp": "likely one-method",
        f"{HERE}:69/udp": "likely one-method",
    }
    assert {task.method for task in notebook.tasks} == {Method.DATAGRAM}


def test_where_no_community_may_be_guessed_nmap_sends_nothing_to_snmp_agents() -> None:
    notebook = asking(Services({53: "dns: NOERROR", 161: "snmpv3: engine"}), WITHOUT_GUESS)
    assert said(notebook) == {
        f"{HERE}:53/udp": "confirmed answered-in-protocol",
        f"{HERE}:161/udp": "likely one-method",
    }
    purposes = tuple(Purpose)
    assert 161 not in asked_by(notebook, Method.NMAP_UDP, *purposes)
    assert 161 not in asked_by(notebook, Method.NMAP_VERSION, *purposes)
    assert 161 in asked_by(notebook, Method.DATAGRAM, Purpose.NAMED)


def test_control_ports_are_asked_of_every_host_that_was_named_and_of_no_other() -> None:
    notebook = asking(Services({53: "dns: NOERROR"}))
    notebook.play()
    controls = [task for task in notebook.tasks if task.purpose is Purpose.CONTROL]
    assert {task.method for task in controls} == {Method.NMAP_UDP, Method.DATAGRAM}
    assert all(task.targets.addresses == AddressSet.parse([HERE]) for task in controls)
    assert {port for task in controls for port in task.ports} == set(POLICY.control_ports)


def test_only_what_was_named_is_corroborated_and_probed() -> None:
    notebook = asking(Services({53: "dns: NOERROR", 123: "ntp: 4"}))
    notebook.play()
    for method in (Method.NMAP_UDP, Method.DATAGRAM):
        assert asked_by(notebook, method, Purpose.NAMED) == {53, 123}
    assert asked_by(notebook, Method.NMAP_VERSION, Purpose.VERSION) == {53, 123}


def test_a_lost_version_probe_is_repeated_twice_and_no_more() -> None:
    notebook = asking(Services({123: "ntp"}, only_to={123: (Method.DATAGRAM,)}))
    notebook.play()
    rounds = [task.round for task in notebook.tasks if task.purpose is Purpose.VERSION]
    assert rounds == [1, 2, 3]


def test_fragile_ports_get_no_version_probe() -> None:
    by = replace(BY, fragile_ports=PortSet.of([53]))
    notebook = asking(Services({53: "dns: NOERROR", 123: "ntp: 4"}), by)
    notebook.play()
    assert asked_by(notebook, Method.NMAP_VERSION, Purpose.VERSION) == {123}


def test_nothing_is_asked_twice_the_same_way() -> None:
    notebook = asking(Services({53: "dns: NOERROR", 69: "", 123: "ntp: 4"}))
    notebook.play()
    keys = [task.key for task in notebook.tasks]
    assert len(keys) == len(set(keys))
    planned = [t for plan in (discover.plan,) for t in plan(notebook.evidence, BY)]
    assert planned == []


# --- sizes -------------------------------------------------------------------------------------


def test_a_sweep_of_many_ports_is_cut_into_slices_that_cover_each_port_once() -> None:
    ports = PortSet.parse("1-3000")
    by = replace(BY, udp_ports=ports)
    batch = Batch(number=1, targets=targets("192.0.2.0/28"), protocol=Protocol.UDP, ports=ports)
    tasks = [t for t in discover.plan(evidence(batch), by) if t.method is Method.NMAP_UDP]
    assert len(tasks) > 1
    assert sorted(port for task in tasks for port in task.ports) == list(ports)


def test_a_batch_has_hosts_enough_for_the_full_rate_and_not_too_many_for_a_minute() -> None:
    few, many = (
        replace(BY, udp_ports=PortSet.of([53])),
        replace(BY, udp_ports=PortSet.parse("1-9999")),
    )
    assert udp_tasks.hosts_per_batch(many) == BY.ceilings.rate // BY.ceilings.rate_per_host
    assert udp_tasks.hosts_per_batch(few) > 1000


def test_version_probes_by_udp_run_no_scripts_and_so_more_of_them_fit_a_second() -> None:
    answers = dict.fromkeys(PORTS, "ours")
    notebook = asking(Services(answers), replace(BY, version_intensity=2))
    while not any(task.purpose is Purpose.VERSION for task in notebook.tasks):
        assert notebook.step(NETWORK)
    probes: list[Task] = [t for t in notebook.tasks if t.purpose is Purpose.VERSION]
    assert {len(task.ports) for task in probes} == {3, 2}
    assert all(task.stage is StageName.PROBE for task in probes)


def test_the_scope_admits_all_that_is_asked() -> None:
    notebook = asking(Services({53: "dns: NOERROR"}))
    notebook.play()
    admitted = SCOPE.admitted
    assert all(not task.targets.addresses - admitted for task in notebook.tasks)


def test_the_endpoints_of_a_batch_are_of_its_protocol() -> None:
    notebook = asking(Services({53: "dns: NOERROR"}), expected=(f"{HERE}:69/udp",))
    assert all(endpoint.protocol is Protocol.UDP for endpoint in notebook.play())
    assert Endpoint.parse(f"{HERE}:69/udp") in notebook.play()
