"""The way around the parser and the parser agree, on what tools write and on what nobody does."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fixtures.benchmark.xml.making import Made
from fixtures.captures import XML, contents
from pipeline.parse import ParseError
from pipeline.parse.nmap_plain import MAX_PLAIN, PlainHosts
from pipeline.parse.nmap_xml import HostResult, NmapRun, read_nmap_xml

FIRST = b'<host><address addr="10.255.0.1" addrtype="ipv4"/></host>\n'
"""The parser reads the first host, whatever it is: so every other one may go around it."""


def read(data: bytes, *, plainly: bool, size: int = 1 << 20) -> tuple[object, list[HostResult]]:
    class Pieces(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            return super().read(size)

    hosts: list[HostResult] = []
    try:
        return read_nmap_xml(Pieces(data), hosts.append, plainly=plainly), hosts
    except ParseError as refusal:
        return str(refusal), hosts


def begun(data: bytes) -> bytes:
    return data.replace(b"<host ", FIRST + b"<host ", 1)


def plain_hosts(data: bytes) -> int:
    """How many hosts went around the parser."""
    taken = 0

    def count(plain: PlainHosts, data: bytes, start: int, end: int, _: int) -> bool:
        nonlocal taken
        found = plain.match(data, start, end)
        taken += found is not None and found.host() is not None
        return False

    read_nmap_xml(io.BytesIO(data), lambda _: None, by_text=count)
    return taken


@pytest.mark.parametrize("name", XML)
def test_both_ways_read_the_same_from_what_tools_wrote(name: str) -> None:
    data = begun(contents(name))
    assert read(data, plainly=True) == read(data, plainly=False)
    for size in (1, 100, 1000):
        assert read(data, plainly=True, size=size) == read(data, plainly=False)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("nmap-syn.xml", 2),
        ("nmap-connect.xml", 2),
        ("nmap-ipv6.xml", 2),
        ("nmap-syn-udp.xml", 1),
        ("nmap-host-timeout.xml", 2),
        ("masscan-hits.xml", 4),
        ("nmap-version.xml", 0),  # references and nested script output
    ],
)
def test_what_tools_write_most_goes_around_the_parser(name: str, plain: int) -> None:
    assert plain_hosts(begun(contents(name))) == plain


@pytest.mark.parametrize("unlike", [False, True])
def test_files_of_the_benchmark_are_read_the_same_and_go_around_the_parser(
    unlike: bool, tmp_path: Path
) -> None:
    path = tmp_path / "made.xml"
    Made(hosts=300, unlike=unlike).write(path)
    data = path.read_bytes()
    assert plain_hosts(data) == 299
    assert read(data, plainly=True) == read(data, plainly=False)


HOST = (
    b'<host starttime="1" endtime="2"><status state="up" reason="reset" reason_ttl="63"/>\n'
    b'<address addr="10.0.0.%d" addrtype="ipv4"/>\n'
    b'<address addr="00:16:3E:00:00:01" addrtype="mac" vendor="Xensource"/>\n<hostnames>\n'
    b'<hostname name="a.example" type="user"/>\n<hostname name="b.example" type="PTR"/>\n'
    b'</hostnames>\n<ports><extraports state="closed" count="95">\n'
    b'<extrareasons reason="reset" count="95" proto="tcp" ports="1-21,23-79,84-100"/>\n'
    b'</extraports>\n<port protocol="tcp" portid="22"><state state="open" reason="syn-ack" '
    b'reason_ttl="63"/><service name="ssh" product="OpenSSH" version="9.2p1" extrainfo="protocol '
    b'2.0" ostype="Linux" method="probed" conf="10"><cpe>cpe:/a:openbsd:openssh:9.2p1</cpe>'
    b'<cpe>cpe:/o:linux:linux_kernel</cpe></service><script id="banner" output="SSH-2.0"/></port>\n'
    b'<port protocol="udp" portid="53"><state state="open|filtered" reason="no-response" '
    b'reason_ttl="0"/><service name="domain" method="table" conf="3"/></port>\n</ports>\n'
    b'<times srtt="94" rttvar="2175" to="100000"/>\n</host>\n'
)
DOCUMENT = (
    b'<nmaprun scanner="%b" args="nmap" version="7.93"><scaninfo type="syn" protocol="tcp" '
    b'services="1-100"/>\n' + FIRST + b'%b<runstats><finished exit="success"/></runstats></nmaprun>'
)


def document(*hosts: bytes, scanner: bytes = b"nmap") -> bytes:
    return DOCUMENT % (scanner, b"".join(hosts))


TWO = document(HOST % 1, HOST % 2)
PIECES = [
    *(
        b"</host>",
        b"<host>",
        b"</port>",
        b"<!--",
        b"-->",
        b"<![CDATA[",
        b"]]>",
        b"<?x ?>",
        b"</ports>",
    ),
    *(b"&amp;", b"&x;", b"&#1;", b"&#x1", b"&", b"<", b">", b'"', b"'", b"/>", b"</nmaprun>"),
    *(b"\r", b"\r\n", b"\n", b"\t", b" ", b"\0", b"\x01", b"\x0b", b"\x7f", b"\x85", b"\xff"),
    *("ü".encode(), b"\xc2\xa0", b"\xed\xa0\x80"),
    *(b' reason="a"', b' x="1"', b"0", b"99999", b"-", b",", b"65536", b"tcp", b"open", b"mac"),
    *(b'<port protocol="tcp" portid="22"><state state="open"/></port>', b"<taskprogress/>"),
    *(b'<extraports state="closed" count="1"></extraports>', b'<host timedout="true"/>'),
    *(b"<table><elem>1</elem></table>", b'<script id="x" output="y"/>', b"<cpe></cpe>", b"::1"),
]


@settings(max_examples=200, deadline=None)
@given(
    places=st.lists(st.integers(0, len(TWO)), min_size=1, max_size=3),
    cut=st.integers(0, 12),
    piece=st.sampled_from(PIECES) | st.binary(max_size=3),
    masscan=st.booleans(),
    size=st.sampled_from([1 << 20, 700, 64]),
)
@example(places=[TWO.index(b"10.0.0.1")], cut=8, piece=b"10.0.0.01", masscan=False, size=64)
@example(places=[TWO.index(b"</host>\n<host s")], cut=0, piece=b"\r", masscan=False, size=64)
def test_both_ways_read_the_same_from_damaged_documents(
    places: list[int], cut: int, piece: bytes, masscan: bool, size: int
) -> None:
    data = TWO
    for place in places:
        data = data[:place] + piece + data[place + cut :]
    if masscan:
        data = data.replace(b'scanner="nmap"', b'scanner="masscan"')
    assert read(data, plainly=True, size=size) == read(data, plainly=False)


def test_both_ways_read_the_same_wherever_a_piece_is_put() -> None:
    one = document(HOST % 1)
    start = one.index(b"<host starttime")
    for number, place in enumerate(range(start, len(one))):
        piece = PIECES[number % len(PIECES)]
        data = one[:place] + piece + one[place:]
        assert read(data, plainly=True) == read(data, plainly=False), (place, piece)


def test_a_document_cut_anywhere_is_read_the_same() -> None:
    one = document(HOST % 1)
    for place in range(one.index(b"<host starttime"), len(one)):
        assert read(one[:place], plainly=True) == read(one[:place], plainly=False), place


def test_a_complaint_behind_plain_hosts_names_the_same_line_and_column() -> None:
    for end in (b"<host>&x;", b"  <host a='1' a='2'/>", b"\n\n\xff", b"\r\n\r\n<host"):
        data = DOCUMENT.partition(b"<runstats>")[0] % (b"nmap", (HOST % 1) * 3 + end)
        complaint, hosts = read(data, plainly=True)
        assert isinstance(complaint, NmapRun)
        assert re.match(r"line 4\d|line 5\d|line 6\d", complaint.error), complaint.error
        assert (complaint, hosts) == read(data, plainly=False)


@pytest.mark.parametrize(
    "hidden",
    [
        b"<!-- %b -->",
        b"<![CDATA[%b]]>",
        b"<?x %b?>",
        b"<prescript>%b</prescript>",
        b"<host><x>%b</x></host>",
    ],
)
def test_a_host_inside_of_something_else_is_never_taken_for_one(hidden: bytes) -> None:
    within = document(HOST % 1, hidden % (HOST % 2), HOST % 3)
    _, hosts = read(within, plainly=True)
    assert [str(host.address) for host in hosts] == ["10.255.0.1", "10.0.0.1", "10.0.0.3"]
    assert read(within, plainly=True) == read(within, plainly=False)


def test_a_host_longer_than_what_is_held_back_is_read_by_the_parser() -> None:
    ports = b"".join(
        b'<port protocol="tcp" portid="%d"><state state="open" reason="syn-ack"/></port>\n' % n
        for n in range(1, 4000)
    )
    long = HOST.replace(b"<extraports", ports + b"<extraports") % 1
    assert len(long) > MAX_PLAIN
    data = document(long, HOST % 2)
    assert read(data, plainly=True, size=5000) == read(data, plainly=False)


READING = """\
import re, sys
from pathlib import Path
from pipeline.parse.nmap_xml import read_nmap_file
run = read_nmap_file(Path(sys.argv[1]), lambda _: None)
# Not ru_maxrss, which begins with the size of the process that started this one.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(run.hosts_read, peak[1])
"""


def test_ports_without_number_that_are_all_unlike_need_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "made.xml"
    Made(hosts=4000, unlike=True).write(path)
    done = subprocess.run(
        [sys.executable, "-c", READING, str(path)], capture_output=True, text=True, check=True
    )
    hosts, kibibytes = map(int, done.stdout.split())
    assert hosts == 4000
    assert kibibytes < 64 << 10
