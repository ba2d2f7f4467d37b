"""masscan's JSON lines: what each capture says, cut files, and lines that nobody should write."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.captures import NDJSON, contents
from pipeline.addresses import parse_address
from pipeline.model import PortState, Protocol
from pipeline.parse import CUT, ParseError
from pipeline.parse.masscan import (
    MAX_BANNER,
    MAX_LINE,
    Hit,
    MasscanRun,
    read_masscan_ndjson,
    reason_of_flags,
)

GOOD: dict[str, Any] = {
    "ip": "10.0.0.1",
    "timestamp": "1795376337",
    "port": 80,
    "proto": "tcp",
    "rec_type": "status",
    "data": {"status": "open", "reason": "syn-ack", "ttl": 63},
}
SPOKEN: dict[str, Any] = GOOD | {
    "rec_type": "banner",
    "data": {"service_name": "http", "banner": "HTTP/1.0 200 OK"},
}
OTHER: dict[str, Any] = GOOD | {"port": 22}


def read(data: bytes) -> tuple[MasscanRun, list[Hit]]:
    hits: list[Hit] = []
    return read_masscan_ndjson(io.BytesIO(data), hits.append), hits


def lines(*records: object) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def hit(
    address: str,
    number: int,
    state: str,
    reason: str,
    ttl: int | None,
    time: float,
    protocol: str = "tcp",
    service_name: str = "",
    banner: str = "",
) -> Hit:
    return Hit(
        address=parse_address(address),
        protocol=Protocol(protocol),
        port=number,
        state=PortState(state),
        reason=reason,
        ttl=ttl,
        time=time,
        banner=banner,
        service_name=service_name,
    )


def run_of(
    hits: int, duplicates: int = 0, oddities: int = 0, truncated: bool = False
) -> MasscanRun:
    return MasscanRun(hits=hits, duplicates=duplicates, truncated=truncated, oddities=oddities)


# What the captures say.


def test_open_and_closed_ports_are_read_in_the_order_of_their_answers() -> None:
    run, hits = read(contents("masscan-hits.ndjson"))
    assert run == run_of(6)
    assert hits == [
        hit("10.84.0.8", 8080, "open", "syn-ack", 63, 1795376337.0),
        hit("10.84.0.8", 80, "closed", "reset", 63, 1795376337.0),
        hit("10.84.0.7", 22, "open", "syn-ack", 63, 1795376337.0),
        hit("10.84.0.7", 80, "closed", "reset", 63, 1795376337.0),
        hit("10.84.0.7", 8080, "open", "syn-ack", 63, 1795376337.0),
        hit("10.84.0.8", 22, "open", "syn-ack", 63, 1795376337.0),
    ]


def test_banners_are_hits_of_their_own_with_their_text_made_whole() -> None:
    run, hits = read(contents("masscan-banners.ndjson"))
    head = (
        "HTTP/1.0 200 OK\r\nServer: nginx/1.25.3\r\nDate: Sun, 22 Nov 2026 19:39:04 GMT\r\n"
        "Content-Type: text/html; charset=utf-8\r\nContent-Length: 72\r\n\r"
    )
    spoken = (
        (2121, 1795376347.0, "ftp", "220 "),
        (22, 1795376347.0, "ssh", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2"),
        (8080, 1795376352.0, "http.server", "nginx/1.25.3"),
        (8080, 1795376352.0, "title", "Büro &amp; mehr"),
        (8080, 1795376352.0, "http", head),
        (8443, 1795376352.0, "ssl", " ALERT(0x0246) "),
    )
    assert run == run_of(11)
    assert hits == [
        *(
            hit("10.84.0.7", number, "open", "syn-ack", 63, 1795376342.0)
            for number in (2121, 22, 8080, 9999, 8443)
        ),
        *(
            hit("10.84.0.7", n, "open", "tcp-response", None, time, service_name=s, banner=b)
            for n, time, s, b in spoken
        ),
    ]


def test_what_is_said_again_is_counted_and_not_handed_out() -> None:
    run, hits = read(contents("masscan-duplicates.ndjson"))
    assert run == run_of(4, duplicates=4)
    assert [(str(h.address), h.service_name, h.time) for h in hits] == [
        ("10.84.0.95", "", 1795376612.0),
        ("10.84.0.96", "", 1795376613.0),
        ("10.84.0.95", "ssh", 1795376617.0),
        ("10.84.0.96", "ssh", 1795376617.0),
    ]


def test_udp_gets_nmap_s_reasons_and_a_ping_is_no_port() -> None:
    run, hits = read(contents("masscan-udp-ping.ndjson"))
    assert run == run_of(3, oddities=1)
    assert hits == [
        hit("10.84.0.7", 22, "closed", "port-unreach", 63, 1795376360.0, "udp"),
        hit("10.84.0.7", 53, "closed", "port-unreach", 63, 1795376360.0, "udp"),
        hit("10.84.0.7", 5353, "open", "udp-response", None, 1795376360.0, "udp"),
    ]


def test_ipv6_has_no_ttl() -> None:
    run, hits = read(contents("masscan-ipv6.ndjson"))
    assert run == run_of(2)
    assert hits == [
        hit("fd84:3::7", 80, "closed", "reset", None, 1795376508.0),
        hit("fd84:3::7", 22, "open", "syn-ack", None, 1795376508.0),
    ]


def test_no_bytes_are_a_complete_and_empty_answer() -> None:
    assert read(contents("masscan-empty.ndjson")) == (run_of(0), [])


def test_a_file_cut_by_a_signal_keeps_its_whole_lines() -> None:
    data = contents("masscan-sigterm.ndjson")
    run, hits = read(data)
    assert run == run_of(28, truncated=True)
    assert len(hits) == data.count(b"\n")
    assert {(h.port, h.state, h.ttl) for h in hits} == {
        (22, PortState.OPEN, 63),
        (8080, PortState.OPEN, 63),
    }


# Damage.


@pytest.mark.parametrize("name", NDJSON)
def test_a_file_cut_anywhere_keeps_exactly_its_whole_records(name: str) -> None:
    data = contents(name)
    _, hits = read(data)
    # How many distinct hits there are at the end of each record.
    records = data.splitlines(keepends=True)
    after = [len(read(b"".join(records[:n]))[1]) for n in range(len(records) + 1)]
    for place in range(len(data) + 1):
        head = data[:place]
        whole = head.count(b"\n") + head.endswith(b"}}")
        run, kept = read(head)
        assert kept == hits[: after[whole]], place
        assert run.truncated is (head != b"" and not head.endswith(b"\n")), place


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from([name for name in NDJSON if contents(name)]),
    place=st.floats(0, 1, exclude_max=True),
    junk=st.binary(max_size=60).map(lambda junk: junk.replace(b"\n", b"")),
)
def test_a_line_of_junk_costs_no_hit(name: str, place: float, junk: bytes) -> None:
    records = contents(name).splitlines(keepends=True)
    at = int(place * len(records))
    run, hits = read(contents(name))
    broken, kept = read(b"".join([*records[:at], junk + b"\n", *records[at:]]))
    assert kept == hits
    assert broken.oddities == run.oddities + bool(junk.strip())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_an_answer_or_a_parse_error(data: bytes) -> None:
    try:
        run, hits = read(data)
    except ParseError:
        pass
    else:
        assert (run.hits, run.oddities, hits) == (0, 0, [])


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["ip", "timestamp", "port", "proto", "rec_type", "data"]),
    st.sampled_from(["status", "reason", "ttl", "banner", "service_name"]),
    st.booleans(),
    st.sampled_from([GOOD, SPOKEN]),
    _JSON,
)
def test_any_value_in_any_place_costs_at_most_its_own_line(
    key: str, inner: str, deep: bool, record: dict[str, Any], value: object
) -> None:
    odd = record | {"data": record["data"] | {inner: value}} if deep else record | {key: value}
    run, hits = read(lines(odd, OTHER))
    assert hits[-1].port == 22 or run.duplicates
    assert run.hits + run.duplicates + run.oddities == 2
    for found in hits:
        # What is handed out can be stored and printed.
        f"{found}".encode()
        found.banner.encode()
        found.service_name.encode()
        found.reason.encode()


@pytest.mark.parametrize(
    "change",
    [
        {"ip": 167772161},
        {"ip": None},
        {"ip": ["10.0.0.1"]},
        {"ip": "10.0.0"},
        {"ip": "010.0.0.1"},
        {"ip": "10.0.0.1 "},
        {"ip": "fe80::1%eth0"},
        {"port": "80"},
        {"port": 80.0},
        {"port": True},
        {"port": 0},
        {"port": -1},
        {"port": 65536},
        {"port": 10**400},
        {"port": None},
        {"proto": "icmp"},
        {"proto": "TCP"},
        {"proto": 6},
        {"proto": {}},
        {"timestamp": "yesterday"},
        {"timestamp": "-1"},
        {"timestamp": "\u0661"},
        {"timestamp": "9" * 400},
        {"timestamp": float("nan")},
        {"timestamp": float("inf")},
        {"timestamp": 10**400},
        {"timestamp": True},
        {"timestamp": None},
        {"rec_type": "state"},
        {"rec_type": ["status"]},
        {"rec_type": "banner"},
        {"data": None},
        {"data": "open"},
        {"data": {"status": "unknown"}},
        {"data": {"status": ["open"]}},
        {"data": {}},
    ],
)
def test_a_record_that_makes_no_sense_is_counted_and_the_next_is_read(
    change: dict[str, Any],
) -> None:
    run, hits = read(lines(GOOD | change, OTHER))
    assert run == run_of(1, oddities=1)
    assert hits == [hit("10.0.0.1", 22, "open", "syn-ack", 63, 1795376337.0)]


@pytest.mark.parametrize(
    "junk",
    [
        b"junk",
        b"{",
        b"[]",
        b"null",
        b'"ip"',
        b"{}",
        b'{"ip":"10.0.0.1"',
        b"\x00\x01\xff",
        b"[" * 100_000,
        b'{"ip":' * 20_000,
        b'{"ip":' + b"9" * 100_000 + b"}",
    ],
)
def test_a_line_that_is_no_record_is_counted_and_the_next_is_read(junk: bytes) -> None:
    run, hits = read(junk + b"\n" + lines(OTHER))
    assert run == run_of(1, oddities=1)
    assert hits[0].port == 22


def test_blank_lines_and_carriage_returns_are_nothing() -> None:
    data = lines(GOOD, OTHER).replace(b"\n", b"\r\n\r\n")
    assert read(data)[0] == run_of(2)


def test_a_byte_order_mark_is_nothing() -> None:
    assert read(b"\xef\xbb\xbf" + lines(GOOD))[0] == run_of(1)


def test_bytes_that_are_no_text_cost_no_hit() -> None:
    run, hits = read(lines(SPOKEN).replace(b"200 OK", b"\xff\xfe"))
    assert run == run_of(1)
    assert hits[0].banner == "HTTP/1.0 \ufffd\ufffd"


@pytest.mark.parametrize(
    "data",
    [
        b"#masscan\nopen tcp 80 10.0.0.1 1795376337\n# end\n",
        b'[\n{   "ip": "10.0.0.1",   "timestamp": "1", "ports": [ {"port": 80} ] }\n,\n'
        b'{   "ip": "10.0.0.1",   "timestamp": "1", "ports": [ {"port": 22} ] }\n]\n',  # -oJ
        contents("masscan-hits.xml"),
        contents("nmap-syn.xml"),
        b"\x00" * 4096 + b"\n",
    ],
)
def test_what_is_not_in_this_format_is_an_error_and_no_empty_answer(data: bytes) -> None:
    with pytest.raises(ParseError, match="not one line is a record of masscan"):
        read(data)


class Endless(io.BytesIO):
    """One line of many MiB, made while it is read."""

    def __init__(self, mebibytes: int, rest: bytes) -> None:
        super().__init__()
        self._left = mebibytes
        self._rest = io.BytesIO(rest)

    def readline(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert 0 < size <= MAX_LINE
        if self._left:
            self._left -= 1
            return b"x" * size
        return self._rest.readline(size)


def test_a_line_without_end_is_passed_over_in_little_memory() -> None:
    hits: list[Hit] = []
    tracemalloc.start()
    run = read_masscan_ndjson(Endless(50, b"x\n" + lines(OTHER)), hits.append)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert run == run_of(1, oddities=1)
    assert peak < 4 * MAX_LINE


def test_a_long_line_that_never_ends_is_a_cut_one() -> None:
    data = lines(OTHER) + b"x" * (3 * MAX_LINE)
    assert read(data)[0] == run_of(1, truncated=True)


@pytest.mark.parametrize("length", [MAX_LINE - 1, MAX_LINE])
def test_a_line_of_the_longest_length_is_read_when_it_ends_there(length: int) -> None:
    line = lines(GOOD)
    padded = line[:-1] + b" " * (length - len(line)) + b"\n"
    assert read(padded + lines(OTHER))[0] == run_of(2)


def test_a_long_banner_is_cut_visibly() -> None:
    record = SPOKEN | {"data": {"service_name": "s" * 300, "banner": "b" * 70_000}}
    _, (found,) = read(lines(record))
    assert found.banner == "b" * MAX_BANNER + CUT
    assert found.service_name == "s" * 256 + CUT


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("B\\u00c3\\u00bcro", "Büro"),
        ("caf\\u00e9", "café"),  # Latin-1 on the wire
        ("\\u00ff\\u0000\\u001b", "\xff\ufffd\x1b"),
        ("\\u20ac", "€"),
        ("\\ud800", "?"),
        ("\\ud83d\\ude00", "😀"),
    ],
)
def test_a_banner_is_the_text_that_the_service_sent(written: str, meant: str) -> None:
    _, (found,) = read(lines(SPOKEN).replace(b"HTTP/1.0 200 OK", written.encode()))
    assert found.banner == meant


def test_the_same_port_in_another_state_or_with_another_banner_is_another_hit() -> None:
    closed = GOOD | {"data": {"status": "closed", "reason": "rst", "ttl": 63}}
    udp = GOOD | {"proto": "udp"}
    title = SPOKEN | {"data": {"service_name": "title", "banner": "HTTP/1.0 200 OK"}}
    mute = SPOKEN | {"data": {"service_name": "http", "banner": ""}}
    records = (GOOD, closed, udp, SPOKEN, title, mute, SPOKEN | {"proto": "udp"})
    assert read(lines(*records, *records))[0] == run_of(7, duplicates=7)


def _flags() -> Iterator[tuple[str, str]]:
    """Every reason that masscan can write for TCP, from its bits, and nmap's word for it."""
    names = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr")
    for bits in range(1, 256):
        said = [name for bit, name in enumerate(names) if bits >> bit & 1]
        if "rst" in said:
            yield "-".join(said), "reset"
        elif "syn" in said:
            yield "-".join(said), "syn-ack" if "ack" in said else "syn"
        else:
            yield "-".join(said), "-".join(said)


def test_every_combination_of_flags_has_its_reason() -> None:
    for written, meant in _flags():
        assert reason_of_flags(written, Protocol.TCP, PortState.OPEN) == meant
