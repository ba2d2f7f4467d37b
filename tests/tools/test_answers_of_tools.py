"""What the output of nmap and masscan means for the task that they were given."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.captures import contents
from pipeline.addresses import AddressSet, parse_address
from pipeline.model import (
    Answer,
    Hole,
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    StageName,
    Task,
)
from pipeline.parse import ParseError
from pipeline.ports import PortSet
from pipeline.process import Finished
from pipeline.scope import Scope
from pipeline.tools import masscan, nmap

SCOPE = Scope(included=AddressSet.parse(["10.84.0.0/24", "fd84:3::/64"]))
ENDED = 1_795_376_400.0
WELL = Finished(
    exit_code=0,
    signal=None,
    timed_out=False,
    stopped=False,
    started=ENDED - 9,
    ended=ENDED,
    stderr_tail="",
)


def asking(
    at: Iterable[str],
    ports: str,
    *,
    method: Method = Method.NMAP_SYN,
    purpose: Purpose = Purpose.NAMED,
    protocol: Protocol = Protocol.TCP,
) -> Task:
    return Task(
        batch=1,
        stage=StageName.CORROBORATE,
        method=method,
        purpose=purpose,
        targets=SCOPE.admit_all(AddressSet.parse(at)),
        protocol=protocol,
        ports=PortSet.parse(ports),
        round=2,
    )


Read = Callable[..., Answer]


@pytest.fixture
def nmap_says(tmp_path: Path) -> Read:
    def read(task: Task, content: bytes | str, finished: Finished = WELL) -> Answer:
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / nmap.OUTPUT).write_bytes(data)
        return nmap.answer(task, tmp_path, finished)

    return read


@pytest.fixture
def masscan_says(tmp_path: Path) -> Read:
    def read(task: Task, content: bytes | str, finished: Finished = WELL) -> Answer:
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / masscan.OUTPUT).write_bytes(data)
        return masscan.answer(task, tmp_path, finished)

    return read


def states(observations: Iterable[Observation]) -> dict[str, str]:
    return {str(o.endpoint): f"{o.state} {o.reason}" for o in observations}


def tally(observations: Iterable[Observation]) -> Counter[str]:
    return Counter(f"{o.endpoint.address} {o.state} {o.reason}" for o in observations)


def document(
    *hosts: str, end: str = '<runstats><finished exit="success"/></runstats></nmaprun>'
) -> str:
    return '<?xml version="1.0"?><nmaprun scanner="nmap">' + "".join(hosts) + end


def host(address: str, *inside: str, attributes: str = 'endtime="1795376300"') -> str:
    family = "ipv6" if ":" in address else "ipv4"
    return (
        f'<host {attributes}><status state="up" reason="user-set"/>'
        f'<address addr="{address}" addrtype="{family}"/><ports>{"".join(inside)}</ports></host>'
    )


def port(number: int, state: str, reason: str = "reset", protocol: str = "tcp") -> str:
    return (
        f'<port protocol="{protocol}" portid="{number}">'
        f'<state state="{state}" reason="{reason}" reason_ttl="63"/></port>'
    )


def gone(address: str, ports: str | None, reason: str) -> Hole:
    return Hole(
        address=parse_address(address),
        ports=None if ports is None else PortSet.parse(ports),
        reason=reason,
    )


# --- nmap: what was seen -----------------------------------------------------------------------


def test_collapsed_ports_are_observations_like_any_other(nmap_says: Read) -> None:
    task = asking(["10.84.0.7", "10.84.0.9"], "1-100,2121,8080")
    answer = nmap_says(task, contents("nmap-syn.xml"))
    assert (answer.complete, answer.problem, answer.holes) == (True, "", ())
    assert answer.foreign == ()
    assert len(answer.observations) == task.endpoints
    assert tally(answer.observations) == {
        "10.84.0.7 open syn-ack": 3,
        "10.84.0.7 closed reset": 99,
        "10.84.0.9 open syn-ack": 3,
        "10.84.0.9 filtered admin-prohibited": 25,
        "10.84.0.9 filtered no-response": 25,
        "10.84.0.9 closed reset": 49,
    }
    assert {(o.method, o.purpose, o.round) for o in answer.observations} == {
        (Method.NMAP_SYN, Purpose.NAMED, 2)
    }


def test_a_sweep_keeps_what_is_open_and_counts_the_rest_as_answered(nmap_says: Read) -> None:
    task = asking(["10.84.0.7", "10.84.0.9"], "1-100,2121,8080", purpose=Purpose.SWEEP)
    answer = nmap_says(task, contents("nmap-syn.xml"))
    assert {o.state for o in answer.observations} == {PortState.OPEN}
    assert (len(answer.observations), answer.holes, answer.foreign) == (6, (), ())


def test_a_connect_scan_has_no_time_to_live(nmap_says: Read) -> None:
    task = asking(["10.84.0.7-8"], "20-25,8080", method=Method.NMAP_CONNECT)
    answer = nmap_says(task, contents("nmap-connect.xml"))
    assert answer.complete
    assert not answer.holes
    assert {o.ttl for o in answer.observations} == {None}
    assert len(answer.observations) == task.endpoints


def test_ipv6_hosts_are_read_like_others(nmap_says: Read) -> None:
    task = asking(["fd84:3::7", "fd84:3::8"], "22,80,8080")
    answer = nmap_says(task, contents("nmap-ipv6.xml"))
    assert answer.complete
    assert {str(o.endpoint.address) for o in answer.observations} == {"fd84:3::7", "fd84:3::8"}
    assert answer.foreign == ()


def test_services_are_kept_of_version_probes_only(nmap_says: Read) -> None:
    hosts = contents("nmap-version.xml")
    address = "10.84.0.7"
    probing = asking([address], "22,80,2121,8080,8443", method=Method.NMAP_VERSION)
    services = {o.endpoint.port: o.service for o in nmap_says(probing, hosts).observations}
    assert services[22] is not None
    assert services[22].name == "ssh"
    scanning = replace(probing, method=Method.NMAP_SYN)
    assert {o.service for o in nmap_says(scanning, hosts).observations} == {None}


def test_the_time_of_an_observation_is_that_of_its_host_or_of_the_end(nmap_says: Read) -> None:
    task = asking(["10.84.0.7-8"], "22")
    answer = nmap_says(
        task,
        document(
            host("10.84.0.7", port(22, "open")),
            host("10.84.0.8", port(22, "open"), attributes=""),
        ),
    )
    assert [o.time for o in answer.observations] == [1_795_376_300.0, ENDED]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("resets", "reset"),
        ("no-responses", "no-response"),
        ("host-unreaches", "host-unreach"),
        ("admin-prohibiteds", "admin-prohibited"),
        ("conn-refused", "conn-refused"),
    ],
)
def test_the_plural_of_a_reason_is_the_same_reason(
    nmap_says: Read, written: str, kept: str
) -> None:
    extra = (
        f'<extraports state="filtered" count="2"><extrareasons reason="{written}" count="2" '
        'proto="tcp" ports="23-24"/></extraports>'
    )
    answer = nmap_says(
        asking(["10.84.0.7"], "22-24"), document(host("10.84.0.7", extra, port(22, "open")))
    )
    assert {o.reason for o in answer.observations if o.endpoint.port != 22} == {kept}


def test_an_older_nmap_that_does_not_name_collapsed_ports_is_understood_when_it_can_be(
    nmap_says: Read,
) -> None:
    def extra(state: str, count: int) -> str:
        return (
            f'<extraports state="{state}" count="{count}">'
            f'<extrareasons reason="resets" count="{count}"/></extraports>'
        )

    task = asking(["10.84.0.7"], "22-30")
    answer = nmap_says(task, document(host("10.84.0.7", extra("closed", 8), port(22, "open"))))
    assert len(answer.observations) == 9
    assert answer.holes == ()
    # Two states, or another count: nobody knows which port is which.
    for extras in (extra("closed", 5) + extra("filtered", 3), extra("closed", 7)):
        answer = nmap_says(task, document(host("10.84.0.7", extras, port(22, "open"))))
        assert states(answer.observations) == {"10.84.0.7:22/tcp": "open reset"}
        assert answer.holes == (gone("10.84.0.7", "23-30", "nmap gave up on the port"),)


# --- nmap: what is missing ---------------------------------------------------------------------


def test_a_host_that_timed_out_is_a_hole_and_not_closed(nmap_says: Read) -> None:
    task = asking(["10.84.0.7", "10.84.0.100"], "1-1000")
    answer = nmap_says(task, contents("nmap-host-timeout.xml"))
    assert answer.complete
    assert answer.holes == (gone("10.84.0.100", None, "host timed out"),)
    assert {str(o.endpoint.address) for o in answer.observations} == {"10.84.0.7"}


def test_a_port_that_nmap_gave_up_on_is_a_hole(nmap_says: Read) -> None:
    answer = nmap_says(
        asking(["10.84.0.7"], "22,80,443"),
        document(host("10.84.0.7", port(22, "open"), port(443, "closed"))),
    )
    assert answer.complete
    assert answer.holes == (gone("10.84.0.7", "80", "nmap gave up on the port"),)


def test_a_host_that_is_not_in_the_output_is_a_hole(nmap_says: Read) -> None:
    answer = nmap_says(asking(["10.84.0.7-8"], "22"), document(host("10.84.0.7", port(22, "open"))))
    assert answer.complete
    assert answer.holes == (gone("10.84.0.8", None, "host missing in the output"),)


def test_an_address_on_this_link_that_nobody_has_was_asked_in_vain(nmap_says: Read) -> None:
    down = (
        '<host><status state="down" reason="no-response"/>'
        '<address addr="10.84.0.8" addrtype="ipv4"/></host>'
    )
    for purpose, seen in (
        (Purpose.NAMED, {"10.84.0.8:22/tcp": "filtered no-response"}),
        (Purpose.SWEEP, {}),
    ):
        task = asking(["10.84.0.8"], "22", purpose=purpose)
        answer = nmap_says(task, document(down))
        assert (answer.complete, answer.holes) == (True, ())
        assert states(answer.observations) == seen


def test_a_scan_of_nobody_is_not_the_answer_to_this_task(nmap_says: Read) -> None:
    answer = nmap_says(asking(["10.84.0.7"], "22"), contents("nmap-no-targets.xml"))
    assert answer.observations == ()
    assert answer.holes == (gone("10.84.0.7", None, "host missing in the output"),)


# --- nmap: what nobody asked about -------------------------------------------------------------


def test_hosts_ports_and_protocols_that_nobody_asked_about_are_dropped(nmap_says: Read) -> None:
    answer = nmap_says(
        asking(["10.84.0.7"], "22,80"),
        document(
            host(
                "10.84.0.7", port(22, "open"), port(8080, "open"), port(80, "open", protocol="udp")
            ),
            host("10.84.0.200", port(22, "open"), port(23, "closed")),
            host("203.0.113.1", port(22, "open")),
        ),
    )
    assert states(answer.observations) == {"10.84.0.7:22/tcp": "open reset"}
    assert {str(endpoint) for endpoint in answer.foreign} == {
        "10.84.0.7:8080/tcp",
        "10.84.0.7:80/udp",
        "10.84.0.200:22/tcp",
        "10.84.0.200:23/tcp",
        "203.0.113.1:22/tcp",
    }
    assert answer.holes == (gone("10.84.0.7", "80", "nmap gave up on the port"),)


# --- nmap: how it ended ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nmap-sigint.xml", "nmap-sigkill.xml"])
def test_what_a_killed_nmap_had_finished_is_kept_and_the_rest_is_not_known(
    nmap_says: Read, name: str
) -> None:
    task = asking(["10.84.0.7", "10.84.0.8", "10.84.0.100"], "1-500")
    answer = nmap_says(task, contents(name), replace(WELL, exit_code=None, signal=9))
    assert not answer.complete
    assert answer.problem == "nmap was ended by signal 9"
    assert len(answer.observations) == 1000
    assert gone("10.84.0.100", None, "host missing in the output") in answer.holes


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9, 0.999])
def test_an_output_that_is_cut_in_half_is_never_complete(nmap_says: Read, cut: float) -> None:
    whole = contents("nmap-syn.xml")
    task = asking(["10.84.0.7", "10.84.0.9"], "1-100,2121,8080")
    answer = nmap_says(task, whole[: int(len(whole) * cut)])
    assert not answer.complete
    assert answer.problem.startswith("nmap's output is not complete: ")


@pytest.mark.parametrize("content", ["", "nmap: command not found\n", "<html></html>", "\0" * 99])
def test_an_output_that_is_no_xml_of_nmap_is_not_complete(nmap_says: Read, content: str) -> None:
    answer = nmap_says(asking(["10.84.0.7"], "22"), content)
    assert not answer.complete
    assert answer.problem
    assert "\n" not in answer.problem
    assert answer.observations == ()


def test_without_an_output_a_task_is_not_complete(tmp_path: Path) -> None:
    for tool, name in ((nmap, "nmap"), (masscan, "masscan")):
        answer = tool.answer(asking(["10.84.0.7"], "22"), tmp_path, WELL)
        assert (answer.complete, answer.problem) == (False, f"{name} wrote no output")


ENDINGS = [
    (replace(WELL, timed_out=True), "did not end before its deadline"),
    (replace(WELL, stopped=True), "was stopped"),
    (replace(WELL, exit_code=None, signal=15), "ended by signal 15"),
    (replace(WELL, exit_code=2, stderr_tail="warning\nFATAL: no route\n"), "exited with 2"),
    (replace(WELL, exit_code=2), "no message"),
]


@pytest.mark.parametrize(("finished", "said"), ENDINGS)
def test_whoever_ends_nmap_the_answer_is_not_complete_whatever_the_file_says(
    nmap_says: Read, finished: Finished, said: str
) -> None:
    answer = nmap_says(
        asking(["10.84.0.7"], "22"), document(host("10.84.0.7", port(22, "open"))), finished
    )
    assert not answer.complete
    assert said in answer.problem
    assert len(answer.observations) == 1


def test_an_error_that_nmap_reports_itself_is_told(nmap_says: Read) -> None:
    answer = nmap_says(asking(["10.84.0.7"], "22"), contents("nmap-error.xml"), WELL)
    assert not answer.complete
    assert "'no-such-script' did not match a category" in answer.problem
    assert "\n" not in answer.problem


# --- masscan -----------------------------------------------------------------------------------


def sweeping(at: Iterable[str] = ("10.84.0.7-8",), ports: str = "22,80,8080") -> Task:
    return replace(asking(at, ports, method=Method.MASSCAN_SYN, purpose=Purpose.SWEEP), round=0)


def hit(address: str = "10.84.0.7", number: int = 22, **more: object) -> str:
    record = {
        "ip": address,
        "timestamp": "1795376337",
        "port": number,
        "proto": "tcp",
        "rec_type": "status",
        "data": {"status": "open", "reason": "syn-ack", "ttl": 63},
        **more,
    }
    return json.dumps(record) + "\n"


def test_hits_are_observations(masscan_says: Read) -> None:
    answer = masscan_says(sweeping(), contents("masscan-hits.ndjson"))
    assert (answer.complete, answer.foreign, answer.holes) == (True, (), ())
    assert states(answer.observations)["10.84.0.7:22/tcp"] == "open syn-ack"
    assert {o.state for o in answer.observations} == {PortState.OPEN}
    assert {o.ttl for o in answer.observations} == {63}


def test_refusals_are_kept_as_sets_of_ports(masscan_says: Read) -> None:
    answer = masscan_says(sweeping(), contents("masscan-hits.ndjson"))
    closed = {
        (line["ip"], line["port"])
        for line in map(json.loads, contents("masscan-hits.ndjson").splitlines())
        if line["data"]["status"] == "closed"
    }
    assert closed
    assert {
        (str(refused.address), port) for refused in answer.refusals for port in refused.ports
    } == closed


def test_a_refusal_that_nobody_asked_for_is_foreign(masscan_says: Read) -> None:
    closed = {"status": "closed", "reason": "rst-ack", "ttl": 63}
    answer = masscan_says(
        sweeping(),
        hit(data=closed) + hit("203.0.113.1", data=closed) + hit(number=443, data=closed),
    )
    assert [(str(r.address), str(r.ports)) for r in answer.refusals] == [("10.84.0.7", "22")]
    assert {str(endpoint) for endpoint in answer.foreign} == {
        "203.0.113.1:22/tcp",
        "10.84.0.7:443/tcp",
    }


def test_an_empty_file_is_a_complete_empty_answer(masscan_says: Read) -> None:
    assert masscan_says(sweeping(), b"") == Answer()
    assert masscan_says(sweeping(), contents("masscan-empty.ndjson")) == Answer()


def test_an_interrupted_masscan_is_not_complete_although_it_exits_with_0(
    masscan_says: Read, tmp_path: Path
) -> None:
    (tmp_path / masscan.PAUSED).write_text("rate = 100\n")
    answer = masscan_says(sweeping(), hit())
    assert not answer.complete
    assert answer.problem == "masscan was interrupted before it had sent everything"
    assert len(answer.observations) == 1


def test_a_cut_off_line_makes_an_answer_incomplete_and_keeps_the_others(
    masscan_says: Read,
) -> None:
    task = sweeping(["10.84.0.1-20"], "22,8080")
    answer = masscan_says(task, contents("masscan-sigterm.ndjson"))
    assert (answer.complete, answer.problem) == (False, "masscan's output is cut off")
    assert len(answer.observations) == 28


def test_what_masscan_reports_and_nobody_asked_about_is_dropped(masscan_says: Read) -> None:
    foreign = (
        hit("10.84.0.9"),
        hit("203.0.113.1"),
        hit(number=443),
        hit(proto="udp", number=80, data={"status": "open", "reason": "none", "ttl": 0}),
    )
    answer = masscan_says(sweeping(), hit() + "".join(foreign))
    assert states(answer.observations) == {"10.84.0.7:22/tcp": "open syn-ack"}
    assert {str(endpoint) for endpoint in answer.foreign} == {
        "10.84.0.9:22/tcp",
        "203.0.113.1:22/tcp",
        "10.84.0.7:443/tcp",
        "10.84.0.7:80/udp",
    }


@pytest.mark.parametrize(("finished", "said"), ENDINGS)
def test_whoever_ends_masscan_the_answer_is_not_complete(
    masscan_says: Read, finished: Finished, said: str
) -> None:
    answer = masscan_says(sweeping(), hit(), finished)
    assert not answer.complete
    assert said in answer.problem
    assert len(answer.observations) == 1


def test_of_masscan_s_complaints_the_first_is_told(masscan_says: Read) -> None:
    tail = "[-] FAIL: failed to detect router for interface\n [hint] try something else\n"
    answer = masscan_says(sweeping(), "", replace(WELL, exit_code=1, stderr_tail=tail))
    assert answer.problem.endswith("[-] FAIL: failed to detect router for interface")


def test_an_output_without_a_single_record_is_refused(masscan_says: Read) -> None:
    with pytest.raises(ParseError):
        masscan_says(sweeping(), "<?xml version='1.0'?>\n<nmaprun>\n")


@pytest.mark.parametrize(
    "name", ["nmap-syn.xml", "nmap-progress.xml", "nmap-connect.xml", "nmap-ipv6.xml"]
)
def test_of_a_scan_that_asked_more_only_what_was_asked_is_kept(nmap_says: Read, name: str) -> None:
    task = asking(["10.84.0.7", "fd84:3::7"], "22,80")
    answer = nmap_says(task, contents(name))
    assert answer.observations
    assert answer.foreign
    for observation in answer.observations:
        assert observation.endpoint.address in task.targets
        assert observation.endpoint.port in task.ports
