"""nmap's XML beyond its DTD: what real versions write, and what nobody should."""

from __future__ import annotations

import io
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.captures import contents
from pipeline.model import PortState, Protocol, Service
from pipeline.parse import CUT, ParseError
from pipeline.parse.nmap_xml import (
    MAX_FIELD,
    MAX_HOST,
    MAX_SCRIPT,
    ExtraPorts,
    ExtraReason,
    HostResult,
    NmapRun,
    ScanInfo,
    read_nmap_xml,
)
from pipeline.ports import PortSet


def read(data: bytes) -> tuple[NmapRun, list[HostResult]]:
    hosts: list[HostResult] = []
    return read_nmap_xml(io.BytesIO(data), hosts.append), hosts


def document(body: str, attributes: str = 'scanner="nmap" version="7.93"') -> bytes:
    return f"<nmaprun {attributes}>{body}</nmaprun>".encode()


def host_of(inside: str) -> str:
    return f'<host><address addr="10.0.0.1" addrtype="ipv4"/>{inside}</host>'


def only_host(inside: str) -> HostResult:
    _, (host,) = read(document(host_of(inside)))
    return host


def test_progress_inside_a_host_is_passed_over() -> None:
    progress = '<taskprogress task="Connect Scan" time="1" percent="9.0"/>'
    found = only_host(
        f"{progress}<ports>{progress}"
        f'<port protocol="tcp" portid="22">{progress}<state state="open" reason="syn-ack"/></port>'
        f"</ports>{progress}"
    )
    assert [(p.port, p.state) for p in found.ports] == [(22, PortState.OPEN)]


def test_progress_inside_an_attribute_is_damage_and_costs_only_its_own_host() -> None:
    # nmap issue 1601: the port number is lost with it, so there is nothing to repair.
    broken = host_of('<ports><port protocol="tcp" portid="4<taskprogress task="x"/>\nortid="135">')
    run, hosts = read(document(host_of("") + broken))
    assert run.truncated
    assert "not well-formed" in run.error
    assert len(hosts) == 1


def test_a_port_without_a_service_and_a_script_without_output_are_read() -> None:
    found = only_host(
        '<ports><port protocol="tcp" portid="80"><state state="open" reason="syn-ack"/></port>'
        '<port protocol="tcp" portid="81"><state state="open" reason="syn-ack"/>'
        '<script id="http-security-headers"/></port></ports>'
    )
    assert found.ports[0].service is None
    assert found.ports[1].service == Service(scripts=(("http-security-headers", ""),))


@pytest.mark.parametrize(
    "port_xml",
    [
        '<port protocol="tcp" portid="0"><state state="open"/></port>',
        '<port protocol="tcp" portid="65536"><state state="open"/></port>',
        '<port protocol="tcp" portid="-1"><state state="open"/></port>',
        '<port protocol="tcp" portid="1_0"><state state="open"/></port>',
        '<port protocol="tcp" portid="&#x661;"><state state="open"/></port>',
        '<port protocol="tcp" portid="80 "><state state="open"/></port>',
        '<port protocol="tcp" portid="99999999999999999999"><state state="open"/></port>',
        '<port protocol="tcp"><state state="open"/></port>',
        '<port portid="80"><state state="open"/></port>',
        '<port protocol="sctp" portid="80"><state state="open"/></port>',
        '<port protocol="tcp" portid="80"><state state="OPEN"/></port>',
        '<port protocol="tcp" portid="80"><state state="ajar"/></port>',
        '<port protocol="tcp" portid="80"><state reason="syn-ack"/></port>',
        '<port protocol="tcp" portid="80"/>',
    ],
)
def test_a_port_that_makes_no_sense_is_left_out_and_counted(port_xml: str) -> None:
    good = '<port protocol="tcp" portid="22"><state state="open" reason="syn-ack"/></port>'
    run, (found,) = read(document(host_of(f"<ports>{port_xml}{good}</ports>")))
    assert [p.port for p in found.ports] == [22]
    assert run.oddities == 1
    assert run.oddity.startswith("line 1, column ")


def test_a_port_that_is_said_twice_counts_once() -> None:
    run, (found,) = read(
        document(
            host_of(
                '<ports><port protocol="tcp" portid="22"><state state="open"/></port>'
                '<port protocol="tcp" portid="22"><state state="closed"/></port>'
                '<port protocol="udp" portid="22"><state state="closed"/></port></ports>'
            )
        )
    )
    assert [(p.protocol, p.port, p.state) for p in found.ports] == [
        ("tcp", 22, "open"),
        ("udp", 22, "closed"),
    ]
    assert (run.oddities, run.oddity.partition(": ")[2]) == (
        1,
        "22/tcp is said twice; the first counts",
    )


@pytest.mark.parametrize(
    "address",
    [
        '<address addr="10.0.0.256" addrtype="ipv4"/>',
        '<address addr="010.0.0.1" addrtype="ipv4"/>',
        '<address addr="fe80::1%eth0" addrtype="ipv6"/>',
        '<address addr="" addrtype="ipv4"/>',
        '<address addrtype="ipv4"/>',
        '<address addr="00:11:22:33:44:55" addrtype="mac"/>',
        "",
    ],
)
def test_a_host_without_an_address_of_use_is_left_out_and_counted(address: str) -> None:
    run, hosts = read(document(f"<host>{address}</host>{host_of('')}"))
    assert [str(h.address) for h in hosts] == ["10.0.0.1"]
    assert (run.hosts_read, run.oddities) == (1, 1)
    assert "address" in run.oddity


def test_a_mac_address_before_the_address_is_passed_over() -> None:
    mac = '<address addr="00:11:22:33:44:55" addrtype="mac" vendor="Example"/>'
    _, (found,) = read(document(f"<host>{mac}<address addr='10.0.0.9' addrtype='ipv4'/></host>"))
    assert str(found.address) == "10.0.0.9"


def test_ports_that_were_collapsed_may_lack_what_older_versions_did_not_say() -> None:
    found = only_host(
        '<ports><extraports state="closed" count="7"><extrareasons reason="resets" count="7"/>'
        '</extraports><extraports state="filtered" count="3"/></ports>'
    )
    assert found.extra == (
        ExtraPorts(
            state=PortState.CLOSED,
            count=7,
            reasons=(ExtraReason(reason="resets", count=7, protocol=None, ports=None),),
        ),
        ExtraPorts(state=PortState.FILTERED, count=3, reasons=()),
    )


@pytest.mark.parametrize(
    "extra_xml",
    [
        '<extraports state="shut" count="7"/>',
        '<extraports state="closed" count="many"/>',
        '<extraports state="closed"/>',
        '<extraports state="closed" count="7"><extrareasons reason="reset"/></extraports>',
        '<extraports state="closed" count="7"><extrareasons count="7" ports="9-1"/></extraports>',
        '<extraports state="closed" count="7"><extrareasons count="7" ports="1-70000"/>'
        "</extraports>",
        '<extraports state="closed" count="7"><extrareasons count="7" ports="1;2"/></extraports>',
        '<extraports state="closed" count="7"><extrareasons count="7" proto="sctp" ports="1-7"/>'
        "</extraports>",
    ],
)
def test_collapsed_ports_that_make_no_sense_are_counted_and_no_ports_are_invented(
    extra_xml: str,
) -> None:
    run, (found,) = read(document(host_of(f"<ports>{extra_xml}</ports>")))
    assert run.oddities == 1
    assert [e.reasons for e in found.extra] in ([], [()])


def test_port_0_in_a_list_of_ports_is_left_out() -> None:
    run, _ = read(document('<scaninfo type="syn" protocol="tcp" services="0-2,7"/>'))
    assert run.scans == (ScanInfo(type="syn", protocol=Protocol.TCP, ports=PortSet.parse("1-2,7")),)


@pytest.mark.parametrize(
    "scan_xml",
    [
        '<scaninfo type="ipproto" protocol="ip" services="0-255"/>',
        '<scaninfo type="syn" protocol="tcp" services="22,ssh"/>',
        '<scaninfo type="syn" protocol="tcp" services="22,"/>',
    ],
)
def test_a_scan_that_cannot_be_expressed_is_counted(scan_xml: str) -> None:
    run, _ = read(document(scan_xml))
    assert (run.scans, run.oddities) == ((), 1)


def test_scans_without_number_are_counted_and_not_kept() -> None:
    run, _ = read(document('<scaninfo type="syn" protocol="tcp" services="1"/>' * 70))
    assert (len(run.scans), run.oddities) == (64, 6)


def test_a_host_cannot_say_that_the_run_succeeded() -> None:
    run, _ = read(
        document(host_of('<finished time="1" exit="success"/><hosts up="9" down="9" total="9"/>'))
    )
    assert (run.complete, run.ended, run.hosts_total) == (False, None, None)


def test_an_empty_cpe_is_none() -> None:
    found = only_host(
        '<ports><port protocol="tcp" portid="22"><state state="open"/>'
        '<service name="ssh"><cpe/><cpe></cpe></service></port></ports>'
    )
    assert found.ports[0].service == Service(name="ssh")


def test_scripts_and_cpes_elsewhere_belong_to_no_port() -> None:
    run, (found,) = read(
        document(
            '<prescript><script id="a" output="b"/></prescript>'
            + host_of(
                '<ports><port protocol="tcp" portid="22"><state state="open"/></port></ports>'
                '<os><osmatch name="x"><osclass><cpe>cpe:/o:x</cpe></osclass></osmatch>'
                '<portused state="open" proto="tcp" portid="443"/></os>'
                '<trace><hop ttl="1" ipaddr="10.0.0.254"/></trace>'
            )
            + '<postscript><script id="c" output="d"/></postscript>'
        )
    )
    assert [(p.port, p.service) for p in found.ports] == [(22, None)]
    assert (found.host_scripts, run.oddities) == ((), 0)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_as_powershell_writes_it_is_read(encoding: str) -> None:
    text = contents("nmap-version.xml").decode().replace("web.example", "\u0142\u2501.example")
    assert read(text.encode(encoding)) == read(text.encode())


def test_a_byte_order_mark_changes_nothing() -> None:
    data = contents("nmap-version.xml")
    assert read(b"\xef\xbb\xbf" + data) == read(data)


def test_the_reasons_of_masscan_s_xml_are_nmap_s_words() -> None:
    closed = (
        '<host endtime="1"><address addr="10.0.0.1" addrtype="ipv4"/><ports>'
        '<port protocol="tcp" portid="80"><state state="closed" reason="rst-ack" reason_ttl="63"/>'
        "</port></ports></host>"
    )
    _, (found,) = read(document(closed, 'scanner="masscan"'))
    assert found.ports[0].reason == "reset"


@pytest.mark.parametrize("reference", ["\x01", "\x1b", "&#x1;", "&#xb;", "&#x1f;"])
def test_control_characters_become_question_marks(reference: str) -> None:
    found = only_host(
        '<ports><port protocol="tcp" portid="22"><state state="open"/>'
        f'<service name="a{reference}b" conf="3"/></port></ports>'
    )
    assert found.ports[0].service == Service(name="a?b", confidence=3)


@pytest.mark.parametrize("size", range(1, 12))
def test_a_control_character_that_lies_across_two_reads_is_found(size: int) -> None:
    class Pieces(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            return super().read(size)

    hosts: list[HostResult] = []
    body = host_of('<hostscript><script id="x" output="&amp;&#x1;&#x1f;&#x41;&#xa;"/></hostscript>')
    run = read_nmap_xml(Pieces(document(body)), hosts.append)
    assert not run.truncated
    assert hosts[0].host_scripts == (("x", "&??A\n"),)


def test_what_is_too_long_is_cut_visibly() -> None:
    found = only_host(
        f'<ports><port protocol="tcp" portid="22"><state state="open" reason="{"r" * 99}"/>'
        f'<service name="{"n" * 5000}" conf="99"><cpe>{"c" * 5000}</cpe></service>'
        f'<script id="i" output="{"o" * 70000}"/></port></ports>'
    )
    (result,) = found.ports
    service = result.service
    assert service is not None
    assert result.reason == "r" * 64 + CUT
    assert service.name == "n" * MAX_FIELD + CUT
    assert service.cpes == ("c" * MAX_FIELD + CUT,)
    assert service.scripts == (("i", "o" * MAX_SCRIPT + CUT),)
    assert service.confidence == 10


def test_what_is_kept_of_one_host_is_bounded_and_its_ports_are_not_lost() -> None:
    script = f'<script id="i" output="{"o" * MAX_SCRIPT}"/>'
    one = f'<port protocol="tcp" portid="%d"><state state="open"/>{script * 100}</port>'
    run, (found,) = read(document(host_of("<ports>" + one % 1 + one % 2 + one % 3 + "</ports>")))
    kept = sum(
        len(output) for p in found.ports if p.service for _, output in p.service.scripts if output
    )
    assert kept <= MAX_HOST + len(CUT)
    assert [p.port for p in found.ports] == [1, 2, 3]
    assert run.oddities > 0
    assert "characters" in run.oddity


def test_lists_of_collapsed_ports_count_as_what_is_kept_of_a_host() -> None:
    ports = ",".join(str(number) for number in range(1, 65536, 2))
    reason = f'<extrareasons reason="reset" count="32768" proto="tcp" ports="{ports}"/>'
    one = f'<extraports state="closed" count="32768">{reason}</extraports>'
    run, (found,) = read(
        document(host_of(f'<ports>{one * 9}</ports><hostnames><hostname name="n"/></hostnames>'))
    )
    assert [len(e.reasons) for e in found.extra] == [1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert (run.oddities, found.names) == (6, ("n",))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_an_answer_or_a_parse_error(data: bytes) -> None:
    with suppress(ParseError):
        run, hosts = read(data)
        assert (run.truncated, hosts) == (True, [])


_PIECES = st.sampled_from(
    [
        "<host>",
        "</host>",
        '<host timedout="true" starttime="x">',
        '<address addr="10.0.0.1" addrtype="ipv4"/>',
        '<status state="up"/>',
        "<ports>",
        "</ports>",
        '<port protocol="tcp" portid="80">',
        "</port>",
        '<state state="open" reason_ttl="300"/>',
        '<service name="x" conf="-1">',
        "</service>",
        "<cpe>",
        "</cpe>",
        "text",
        '<extraports state="closed" count="2">',
        '<extrareasons reason="r" count="1" ports="1-2"/>',
        "</extraports>",
        '<script id="a" output="b"/>',
        '<hostname name="n"/>',
        '<finished time="9" exit="success"/>',
        "<!-- c -->",
        "<?p i?>",
        "<![CDATA[x]]>",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECES, max_size=40))
def test_elements_in_any_order_give_an_answer(pieces: list[str]) -> None:
    _, hosts = read(b"<nmaprun>" + "".join(pieces).encode() + b"</nmaprun>")
    for found in hosts:
        assert str(found.address) == "10.0.0.1"
        assert all(p.port == 80 for p in found.ports)
