"""A run as nmap's XML: valid, in order, honest to readers that do not know us, and read by them."""

from __future__ import annotations

import io
import re
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libnmap.parser import NmapParser
from lxml import etree
from nmap import PortScanner

from pipeline.addresses import number_of, parse_address
from pipeline.decide import reasons
from pipeline.model import (
    Hole,
    PortState,
    Refusals,
    RunState,
    Service,
    Verdict,
    VerdictKind,
)
from pipeline.parse.nmap_xml import HostResult, NmapRun, read_nmap_xml
from pipeline.parse.own_xml import read_own_xml
from pipeline.ports import PortSet
from pipeline.render.document import Finding, RunDocument
from pipeline.render.nmap_hosts import nmap_state
from pipeline.render.nmap_xml import render_nmap_xml, render_plain_nmap_xml
from tests.render import documents

DTD = etree.DTD("/usr/share/nmap/nmap.dtd")
"""As nmap's own package installs it."""

STATES = {
    VerdictKind.CONFIRMED: PortState.OPEN,
    VerdictKind.LIKELY: PortState.OPEN,
    VerdictKind.TRANSIENT: PortState.UNFILTERED,
    VerdictKind.UNRESOLVED: PortState.UNFILTERED,
    VerdictKind.ARTEFACT: PortState.FILTERED,
    VerdictKind.REFUTED: PortState.CLOSED,
    VerdictKind.FILTERED: PortState.FILTERED,
    VerdictKind.UNKNOWN: None,
}


def refusing() -> RunDocument:
    """The small run, in which two hosts refused what is closed, and one was given up in part."""
    refused = (("10.80.1.7", "1-100,443"), ("10.80.2.99", "1-1000"))
    return replace(
        documents.small(),
        refusals=tuple(
            (1, Refusals(address=parse_address(text), ports=PortSet.parse(ports)))
            for text, ports in refused
        ),
        holes=(
            (1, Hole(address=parse_address("10.80.1.7"), ports=PortSet.of([200]), reason="lost")),
        ),
    )


DOCUMENTS = {
    "small": documents.small(),
    "refusing": refusing(),
    "empty": documents.EMPTY,
    "hostile": documents.hostile(),
    "nothing asked": replace(documents.EMPTY, tasks=(), state=RunState.INCOMPLETE, ended=None),
}
documents_of_all_kinds = pytest.mark.parametrize("name", DOCUMENTS)


@cache
def rendered(name: str) -> str:
    return render_nmap_xml(DOCUMENTS[name])


def tree(document: RunDocument) -> Any:
    return etree.fromstring(render_nmap_xml(document).encode())


def read(document: RunDocument) -> tuple[NmapRun, list[HostResult]]:
    hosts: list[HostResult] = []
    return read_nmap_xml(io.BytesIO(render_nmap_xml(document).encode()), hosts.append), hosts


def verdicts(document: RunDocument) -> list[Verdict]:
    found: list[Verdict] = []
    read_own_xml(io.BytesIO(render_nmap_xml(document).encode()), found.append)
    return sorted(found, key=lambda verdict: verdict.endpoint)


# --- the document ------------------------------------------------------------------------------


@documents_of_all_kinds
def test_it_is_valid_by_the_dtd_of_nmap(name: str) -> None:
    for text in (rendered(name), render_plain_nmap_xml(DOCUMENTS[name])):
        assert DTD.validate(etree.fromstring(text.encode())), DTD.error_log


def test_the_dtd_would_have_refused_what_is_not_nmap() -> None:
    wrong = render_nmap_xml(documents.small()).replace("<hostnames/>", "<hostname/>")
    assert not DTD.validate(etree.fromstring(wrong.encode()))


def test_the_same_run_is_written_with_the_same_bytes_in_whatever_order_it_comes() -> None:
    other = replace(refusing(), findings=refusing().findings[::-1])
    assert render_nmap_xml(other) == rendered("refusing")


def test_the_plain_kind_has_the_same_hosts_ports_and_states_and_no_script() -> None:
    whole, plain = tree(documents.small()), render_plain_nmap_xml(documents.small()).encode()
    assert b"<script" not in plain
    for path in ("//address/@addr", "//port/@portid", "//state/@state", "//service/@product"):
        assert etree.fromstring(plain).xpath(path) == whole.xpath(path)


def test_every_address_has_one_host_and_they_are_in_numeric_order() -> None:
    found = [str(a) for a in tree(documents.small()).xpath("host/address/@addr")]
    assert len(set(found)) == len(found) == 11
    assert found == sorted(found, key=lambda text: number_of(parse_address(text)))
    assert found.index("10.80.1.9") < found.index("10.80.2.14")
    assert found[-1] == "2001:db8:80::7"


@documents_of_all_kinds
def test_nothing_in_it_disturbs_a_terminal_or_breaks_out_of_its_place(name: str) -> None:
    text = rendered(name)
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufffe\uffff]", text
    )
    names = {element.tag for element in etree.fromstring(text.encode()).iter()}
    assert not {name.lower() for name in names} & {"img", "svg", "a", "b"}


def test_what_was_asked_is_said_by_protocol() -> None:
    (scan,) = tree(documents.small()).xpath("scaninfo")
    assert dict(scan.attrib) == {
        "type": "syn",
        "protocol": "tcp",
        "numservices": "1000",
        "services": "1-1000",
    }


def test_a_run_that_is_not_complete_does_not_end_in_success() -> None:
    run, _ = read(replace(documents.small(), state=RunState.INCOMPLETE))
    assert not run.complete
    assert "incomplete" in run.error
    assert read(documents.small())[0].complete


# --- states ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", VerdictKind)
def test_every_verdict_has_its_state(kind: VerdictKind) -> None:
    where = documents.endpoint("10.0.0.1:80")
    verdict = Verdict(endpoint=where, kind=kind, reason=reasons.REFUSED, confidence=0.5)
    assert nmap_state(verdict) is STATES[kind]


def test_silence_by_udp_is_what_nmap_calls_it() -> None:
    where = documents.endpoint("10.0.0.1:53/udp")
    silent = Verdict(
        endpoint=where,
        kind=VerdictKind.FILTERED,
        reason=reasons.OPEN_OR_FILTERED,
        confidence=0.5,
    )
    assert nmap_state(silent) is PortState.OPEN_FILTERED


def test_only_what_is_believed_is_open_to_a_reader_that_does_not_know_us() -> None:
    _, hosts = read(documents.small())
    opened = {(h.address, p.port) for h in hosts for p in h.ports if p.state is PortState.OPEN}
    believed = (VerdictKind.CONFIRMED, VerdictKind.LIKELY)
    assert opened == {
        (f.verdict.endpoint.address, f.verdict.endpoint.port)
        for f in documents.small().findings
        if f.verdict.kind in believed
    }


def test_an_endpoint_without_evidence_has_no_state_and_is_told_all_the_same() -> None:
    (host,) = tree(documents.small()).xpath("host[address/@addr='10.80.3.9']")
    assert not host.xpath("ports/port")
    (script,) = host.xpath("hostscript/script[@id='portproof-unknown']")
    assert script.get("output") == "without any evidence: 161/tcp"
    assert host.find("status").get("state") == "unknown"


def test_a_service_is_told_of_open_ports_only() -> None:
    document = documents.small()
    spoken = next(f for f in document.findings if f.verdict.kind is VerdictKind.ARTEFACT)
    verdict = replace(spoken.verdict, service=documents.NGINX)
    only = replace(document, findings=(replace(spoken, verdict=verdict),))
    assert not tree(only).xpath("host/ports/port/service")
    assert verdicts(only)[0].service == documents.NGINX


def test_refusals_and_silence_are_counted_with_their_ports_and_without_what_is_listed() -> None:
    _, hosts = read(refusing())
    found = {str(host.address): host for host in hosts}
    closed, filtered = found["10.80.1.7"].extra
    assert (closed.state, closed.count) == (PortState.CLOSED, 99)  # without 22
    assert closed.reasons[0].reason == "reset"
    assert str(closed.reasons[0].ports) == "1-21,23-100"
    assert (filtered.state, filtered.count) == (PortState.FILTERED, 898)  # without 443 and the hole
    assert str(filtered.reasons[0].ports) == "101-199,201-442,444-1000"
    (all_closed,) = found["10.80.2.99"].extra
    assert (all_closed.state, all_closed.count) == (PortState.CLOSED, 1000)


def test_reason_and_ttl_are_those_of_an_answer_of_that_state() -> None:
    found = tree(documents.small())
    for address, port, wanted in (
        ("10.80.1.7", 22, ("open", "syn-ack", "63")),
        ("10.80.2.33", 81, ("closed", "reset", "63")),
        ("10.80.3.2", 22, ("filtered", "no-response", "0")),
        ("10.80.3.41", 80, ("filtered", "syn-ack", "64")),
    ):
        path = f"host[address/@addr='{address}']/ports/port[@portid='{port}']/state"
        (state,) = found.xpath(path)
        assert (state.get("state"), state.get("reason"), state.get("reason_ttl")) == wanted


# --- what travels beside the states ------------------------------------------------------------


@documents_of_all_kinds
def test_every_verdict_comes_back_as_it_was(name: str) -> None:
    # What holds half a character cannot be stored, so it cannot be in a run either.
    whole = [f.verdict for f in DOCUMENTS[name].findings if "\\ud800" not in str(f.verdict)]
    found: list[Verdict] = []
    read_own_xml(io.BytesIO(rendered(name).encode()), found.append)
    assert [v for v in found if v in whole] == sorted(whole, key=lambda verdict: verdict.endpoint)


def test_half_a_character_is_read_back_as_a_sign_that_something_was_there() -> None:
    found = documents.confirmed("10.80.1.7:22", Service(banner="a\ud800b"), "")
    (verdict,) = verdicts(replace(documents.EMPTY, findings=(found,)))
    assert verdict.service == Service(banner="a\ufffdb")


def test_nothing_that_was_not_covered_is_lost() -> None:
    document = documents.small()
    (script,) = tree(document).xpath("postscript/script[@id='portproof-coverage']")
    for gap in document.gaps:
        assert f"not covered: {gap.what}: {gap.why}" in script.get("output")
    holes = script.xpath("table[@key='holes']/table/elem[@key='address']/text()")
    assert holes == [str(hole.address) for _, hole in document.holes]


def test_doubts_about_hosts_and_changes_go_along() -> None:
    found = tree(documents.small())
    (doubts,) = found.xpath(
        "host[address/@addr='10.80.3.40']/hostscript/script[@id='portproof-host']/@output"
    )
    assert "answers-for-everything" in doubts
    changes = found.xpath("postscript/script[@id='portproof-changes']/elem")
    assert ("10.80.1.8:21/tcp", "closed: refused") in [(e.get("key"), e.text) for e in changes]


texts = st.text(max_size=20)


@given(texts, texts, texts)
@settings(max_examples=60, deadline=None)
def test_whatever_a_service_says_comes_back_to_the_letter(a: str, b: str, c: str) -> None:
    service = Service(name=a, product=b, banner=c, cpes=(a, c), scripts=((b, c),), method="probed")
    found = documents.confirmed("10.80.1.7:22", service, c, names=(a,))
    document = replace(documents.EMPTY, findings=(found,))
    assert verdicts(document) == [found.verdict]
    assert DTD.validate(tree(document))


# --- other readers -----------------------------------------------------------------------------


def test_python_libnmap_reads_it() -> None:
    report = NmapParser.parse_fromstring(render_nmap_xml(documents.small()))
    assert report.commandline.startswith("portproof, run 20261103-020000-7f3a")
    (host,) = [h for h in report.hosts if h.address == "10.80.1.7"]
    assert host.is_up()
    assert host.hostnames == ["www.example.test"]
    assert host.get_open_ports() == [(22, "tcp"), (443, "tcp")]
    ssh = host.get_service(22)
    assert (ssh.service, ssh.reason, ssh.reason_ttl) == ("ssh", "syn-ack", "63")
    verdict = {s["id"]: s["elements"] for s in ssh.scripts_results}["portproof-verdict"]
    assert (verdict["verdict"], verdict["reason"]) == ("confirmed", "service-spoke")
    assert float(verdict["confidence"]) == 0.9988


def test_python_nmap_reads_it() -> None:
    reader = PortScanner.__new__(PortScanner)  # its __init__ starts nmap
    said = reader.analyse_nmap_xml_scan(render_nmap_xml(documents.small()))
    assert said["nmap"]["scaninfo"]["tcp"] == {"method": "syn", "services": "1-1000"}
    https = said["scan"]["10.80.1.7"]["tcp"][443]
    assert (https["state"], https["product"]) == ("open", "nginx")
    assert https["script"]["portproof-verdict"].startswith("confirmed (service-spoke, 0.9988)")
    assert said["scan"]["10.80.3.41"]["tcp"][80]["state"] == "filtered"


def ndiff(before: RunDocument, after: RunDocument, folder: Path) -> tuple[int, str]:
    files = folder / "before.xml", folder / "after.xml"
    for path, document in zip(files, (before, after), strict=True):
        path.write_text(render_plain_nmap_xml(document), encoding="utf-8")
    done = subprocess.run(("ndiff", *files), capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, done.stdout


def test_ndiff_finds_no_difference_in_the_same_run_and_the_new_port_of_another(
    tmp_path: Path,
) -> None:
    document = documents.small()
    assert ndiff(document, document, tmp_path)[0] == 0
    without: tuple[Finding, ...] = document.findings[:1] + document.findings[2:]
    code, said = ndiff(replace(document, findings=without), document, tmp_path)
    assert code == 1
    assert "+443/tcp open  ssl/http nginx 1.25.3" in said


def test_our_own_reader_of_nmap_reads_all_of_it_without_an_oddity() -> None:
    run, hosts = read(refusing())
    assert (run.oddities, run.oddity) == (0, "")
    assert (run.scanner, run.version, run.complete) == ("nmap", "7.93", True)
    assert len(hosts) == run.hosts_read == 11
    assert (run.hosts_up, run.hosts_total) == (9, 1024)
