"""nmap's XML, cut off and damaged: what was finished is kept, and nothing is invented."""

from __future__ import annotations

import io
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.captures import XML, contents
from pipeline.parse import ParseError
from pipeline.parse.nmap_xml import HostResult, NmapRun, read_nmap_xml


def read(data: bytes) -> tuple[NmapRun, list[HostResult]]:
    hosts: list[HostResult] = []
    return read_nmap_xml(io.BytesIO(data), hosts.append), hosts


@pytest.mark.parametrize("name", XML)
def test_a_file_cut_anywhere_keeps_exactly_the_hosts_that_were_finished(name: str) -> None:
    data = contents(name)
    run, hosts = read(data)
    end = data.find(b"</nmaprun>") + len(b"</nmaprun>") if b"</nmaprun>" in data else len(data) + 1
    for place in range(len(data) + 1):
        cut, kept = read(data[:place])
        assert kept == hosts[: data[:place].count(b"</host>")], place
        assert cut.hosts_read == len(kept)
        assert cut.truncated is (place < end), place
        assert cut.complete is (run.complete and place >= end), place
        assert bool(cut.error) is (cut.truncated or bool(run.error)), place


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(XML),
    place=st.floats(0, 1),
    damage=st.binary(min_size=1, max_size=40),
    replace=st.booleans(),
)
def test_damage_in_the_middle_never_costs_a_host_before_it(
    name: str, place: float, damage: bytes, replace: bool
) -> None:
    data = contents(name)
    at = int(place * len(data))
    broken = data[:at] + damage + data[at + (len(damage) if replace else 0) :]
    before = read(data)[1][: data[:at].count(b"</host>")]
    kept: list[HostResult] = []
    with suppress(ParseError):  # damage before the first element can make it another format
        read_nmap_xml(io.BytesIO(broken), kept.append)
    assert kept[: len(before)] == before


def test_a_block_of_zeros_ends_the_reading_and_joins_no_hosts() -> None:
    # Without the zeros, the first address would get the second host's port.
    data = (
        b'<nmaprun><host><address addr="10.0.0.1" addrtype="ipv4"/>%s'
        b'<ports><port protocol="tcp" portid="22"><state state="open"/></port></ports></host>'
        b"</nmaprun>"
    )
    assert len(read(data % b"")[1]) == 1
    run, hosts = read(data % bytes(512))
    assert (run.truncated, hosts) == (True, [])


def test_an_empty_file_is_truncated_and_has_no_hosts() -> None:
    run, hosts = read(b"")
    assert (run.truncated, run.complete, run.error, hosts) == (True, False, "the file is empty", [])


def test_a_second_document_in_the_same_file_is_damage_and_costs_no_host() -> None:
    data = contents("nmap-syn.xml")
    run, hosts = read(data + data)
    assert (run.truncated, run.complete) == (True, False)
    assert run.error.endswith("junk after document element") or "not well-formed" in run.error
    assert len(hosts) == 2


@pytest.mark.parametrize("junk", [b"&", b"&#x1", b"x", b"<", b"\0"])
def test_junk_behind_the_end_is_damage_however_short(junk: bytes) -> None:
    run, hosts = read(contents("nmap-syn.xml") + junk)
    assert (run.truncated, run.complete, len(hosts)) == (True, False, 2)


def test_short_reads_change_nothing() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(7)

    data = contents("nmap-version.xml")
    hosts: list[HostResult] = []
    run = read_nmap_xml(Trickle(data), hosts.append)
    assert (run, hosts) == read(data)


def test_what_the_receiver_raises_is_passed_on() -> None:
    def full(_: HostResult) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        read_nmap_xml(io.BytesIO(contents("nmap-syn.xml")), full)
