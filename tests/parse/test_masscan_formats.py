"""masscan's list, JSON and binary output: whole, broken, cut off at every byte, and hostile."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.captures import contents
from pipeline.model import PortState, Protocol
from pipeline.parse import ParseError
from pipeline.parse.masscan import Hit, MasscanRun
from pipeline.parse.masscan_binary import HEADER, read_masscan_binary
from pipeline.parse.masscan_json import read_masscan_json
from pipeline.parse.masscan_list import read_masscan_list

Read = Callable[[BinaryIO, Callable[[Hit], None]], MasscanRun]


def read_binary(stream: BinaryIO, on_hit: Callable[[Hit], None]) -> MasscanRun:
    return read_masscan_binary(stream, on_hit)[0]


READERS: dict[str, Read] = {
    "masscan-hits.json": read_masscan_json,
    "masscan-hits.list": read_masscan_list,
    "masscan-hits.bin": read_binary,
    "masscan-ipv6.bin": read_binary,
    "masscan-udp.bin": read_binary,
}


def read(reader: Read, content: bytes) -> tuple[MasscanRun, list[Hit]]:
    hits: list[Hit] = []
    return reader(io.BytesIO(content), hits.append), hits


@pytest.mark.parametrize("name", READERS)
def test_a_whole_capture_is_read_without_a_complaint(name: str) -> None:
    run, hits = read(READERS[name], contents(name))
    assert hits
    assert (run.truncated, run.oddities) == (False, 0)


def test_the_formats_agree_on_who_answered() -> None:
    found = [
        {(h.address, h.protocol, h.port, h.state) for h in read(reader, contents(name))[1]}
        for name, reader in list(READERS.items())[:3]
    ]
    assert found[1] == found[2]
    # Three scans, and in each other answers may be lost.
    assert found[0] > found[1]
    assert (len(found[0]), len(found[1])) == (18, 15)


def test_a_binary_file_has_flags_ttl_banners_and_the_start() -> None:
    hits: list[Hit] = []
    _, started = read_masscan_binary(io.BytesIO(contents("masscan-hits.bin")), hits.append)
    assert started is not None
    assert abs(min(hit.time for hit in hits) - started) < 5
    closed = [hit for hit in hits if hit.state is PortState.CLOSED]
    assert {(hit.reason, hit.ttl) for hit in closed} == {("reset", 63)}
    assert {h.service_name for h in hits if h.banner} == {"ssh", "ftp"}
    assert any(hit.banner.startswith("SSH-2.0-OpenSSH") for hit in hits)


def test_udp_and_ipv6_are_told_in_binary() -> None:
    _, udp = read(read_binary, contents("masscan-udp.bin"))
    assert {(h.protocol, h.reason) for h in udp} == {(Protocol.UDP, "port-unreach")}
    _, ipv6 = read(read_binary, contents("masscan-ipv6.bin"))
    assert {hit.address.version for hit in ipv6} == {6}
    assert {hit.port for hit in ipv6} == {22, 80, 443}


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5])
def test_the_record_types_of_older_versions_are_read(kind: int) -> None:
    address = bytes([10, 0, 0, 7])
    bodies = {
        1: struct.pack(">I4sHBB", 1795748084, address, 443, 0x12, 63),
        2: struct.pack(">I4sHBB", 1795748084, address, 53, 0x04, 63),
        3: struct.pack(">I4sHH", 1795748084, address, 443, 2) + b"hello",
        4: struct.pack(">I4sBHH", 1795748084, address, 6, 443, 2) + b"hello",
        5: struct.pack(">I4sBHH", 1795748084, address, 6, 443, 2) + b"hello",
    }
    body = bodies[kind]
    # Records of type 4 say one byte less than they have.
    record = bytes([kind, len(body) - (kind == 4)]) + body
    head = b"masscan/1.1.01".ljust(HEADER, b"\0")
    run, (hit,) = read(read_binary, head + record + head)
    assert not run.truncated
    assert str(hit.address) == "10.0.0.7"
    assert hit.state is (PortState.CLOSED if kind == 2 else PortState.OPEN)
    assert hit.banner == ("hello" if kind > 2 else "")


@pytest.mark.parametrize("name", READERS)
def test_cut_off_at_any_byte_a_file_gives_what_was_complete_and_says_so(name: str) -> None:
    content = contents(name)
    _, whole = read(READERS[name], content)
    last = 0
    for place in range(1, len(content), 3):
        try:
            run, hits = read(READERS[name], content[:place])
        except ParseError:
            assert place < 120
            continue
        assert hits == whole[: len(hits)]
        assert len(hits) >= last
        last = len(hits)
        if place < len(content) - HEADER:
            assert run.truncated


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"]\n", b""),
        (b"]\n", b",\n]\n"),
        (b"]\n", b",\n{finished: 1}\n]\n"),
        (b"[\n", b""),
        (b"[\n", b"\xef\xbb\xbf[\n"),
        (b",\n", b"\n"),
        (b",\n{", b"\n,,\n{"),
    ],
)
def test_the_broken_lists_that_masscan_writes_are_read(was: bytes, becomes: bytes) -> None:
    content = contents("masscan-hits.json")
    assert was in content
    _, whole = read(read_masscan_json, content)
    assert read(read_masscan_json, content.replace(was, becomes))[1] == whole


def test_a_line_of_the_list_means_the_same_however_it_is_spaced() -> None:
    for word in ("open", "closed"):
        for protocol in ("tcp", "udp"):
            line = f"{word} {protocol} 53 10.0.0.7 1795748084".encode()
            # The second is no line that masscan writes, and goes the long way.
            found = [read(read_masscan_list, line + end)[1] for end in (b"\n", b" \n")]
            assert found[0] == found[1] != []


def test_an_empty_list_is_a_complete_answer() -> None:
    for content in (b"[]", b"[\n]\n"):
        run, hits = read(read_masscan_json, content)
        assert (hits, run.truncated) == ([], False)


def test_a_record_that_makes_no_sense_costs_no_other() -> None:
    good = {
        "ip": "10.0.0.7",
        "timestamp": "1795748084",
        "ports": [{"port": 80, "proto": "tcp", "status": "open", "reason": "syn-ack", "ttl": 63}],
    }
    bad: list[object] = [
        {**good, "ip": "10.0.0.300"},
        {**good, "ports": [{"port": 70000, "proto": "tcp", "status": "open"}]},
        {**good, "ports": [{"port": -1, "proto": "tcp", "status": "open"}]},
        {**good, "ports": "80"},
        {**good, "timestamp": "1e999"},
        {},
        None,
        17,
    ]
    run, hits = read(read_masscan_json, json.dumps([*bad, good, *bad]).encode())
    assert [(str(hit.address), hit.port) for hit in hits] == [("10.0.0.7", 80)]
    assert run.oddities == 2 * len(bad)


def test_values_inside_one_another_without_end_are_refused() -> None:
    deep = b'[{"ip":' + b"[" * 100_000 + b"]" * 100_000 + b"}]"
    with pytest.raises(ParseError, match="inside one another"):
        read(read_masscan_json, deep)


def test_a_number_of_many_digits_is_no_record() -> None:
    run, hits = read(read_masscan_json, b'[{"ip":' + b"9" * 100_000 + b"}\n]")
    assert (hits, run.hits) == ([], 0)


def test_bytes_that_are_no_text_cost_no_hit() -> None:
    content = contents("masscan-hits.json").replace(b"nginx", b"\xff\xfe\x80")
    assert len(read(read_masscan_json, content)[1]) == 28
    content = contents("masscan-hits.list").replace(b"OpenSSH", b"\xff\xfe\x80")
    assert len(read(read_masscan_list, content)[1]) == 18


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_no_damage_crashes_a_reader(name: str, data: st.DataObject) -> None:
    content = bytearray(contents(name))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        run, hits = read(READERS[name], bytes(content))
    except ParseError:
        return
    assert run.hits == len(hits)
    assert all(1 <= hit.port <= 65535 for hit in hits)


def test_what_is_of_somebody_else_is_refused() -> None:
    for reader in (read_masscan_json, read_masscan_list, read_binary):
        with pytest.raises(ParseError):
            read(reader, b"Dear customer,\nplease find attached\n")
