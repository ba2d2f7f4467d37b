"""naabu's JSON lines and zmap's CSV: what they say, damage at every byte, and hostile ones."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from fixtures.captures import contents
from pipeline.parse import ParseError
from pipeline.parse.masscan import Hit, MasscanRun
from pipeline.parse.naabu import read_naabu
from pipeline.parse.zmap import MAX_FIELDS, read_zmap


def naabu(content: bytes) -> tuple[MasscanRun, list[Hit]]:
    hits: list[Hit] = []
    return read_naabu(io.BytesIO(content), hits.append), hits


def zmap(content: bytes, port: int | None = None) -> tuple[MasscanRun, list[Hit]]:
    hits: list[Hit] = []
    return read_zmap(io.BytesIO(content), hits.append, port), hits


def told(hits: list[Hit]) -> list[str]:
    return [f"{hit.address}:{hit.port}/{hit.protocol} {hit.state}" for hit in hits]


def test_naabu_names_the_address_that_it_asked_in_new_and_old_versions() -> None:
    run, hits = naabu(contents("naabu.jsonl"))
    assert told(hits) == [
        "10.80.1.7:80/tcp open",
        "10.80.1.11:443/tcp open",
        "10.80.1.7:53/udp open",
        "10.80.1.1:8080/tcp open",
        "10.80.1.1:1080/tcp open",
    ]
    assert hits[0].time == pytest.approx(1795748084.123456)
    assert hits[3].time == 0
    assert (run.oddities, run.truncated) == (0, False)


def test_zmap_tells_open_from_closed_and_an_answer_once() -> None:
    run, hits = zmap(contents("zmap.csv"))
    assert told(hits) == [
        "10.80.1.7:80/tcp open",
        "10.80.1.1:80/tcp closed",
        "10.80.1.11:80/tcp open",
    ]
    assert {hit.ttl for hit in hits} == {63}
    assert run.duplicates == 1


def test_a_file_of_addresses_needs_somebody_who_knows_the_port() -> None:
    with pytest.raises(ParseError, match="which port was asked") as error:
        zmap(contents("zmap-saddr.csv"))
    assert "--scanned" in error.value.hint
    _, hits = zmap(contents("zmap-saddr.csv"), 443)
    assert told(hits) == ["10.80.1.7:443/tcp open", "10.80.1.11:443/tcp open"]
    assert told(zmap(b"saddr\n10.80.1.7\n", 443)[1]) == ["10.80.1.7:443/tcp open"]


@pytest.mark.parametrize(("name", "read"), [("naabu.jsonl", naabu), ("zmap.csv", zmap)])
def test_cut_off_at_any_byte_nothing_complete_is_lost(
    name: str, read: Callable[[bytes], tuple[MasscanRun, list[Hit]]]
) -> None:
    content = contents(name)
    _, whole = read(content)
    last = 0
    for place in range(1, len(content)):
        try:
            _, hits = read(content[:place])
        except ParseError:
            assert last == 0
            continue
        assert hits == whole[: len(hits)]
        assert len(hits) >= last
        last = len(hits)


def test_a_line_of_a_million_columns_is_refused() -> None:
    with pytest.raises(ParseError, match=f"more than {MAX_FIELDS} fields"):
        zmap(b"saddr,sport" + b",x" * 400_000 + b"\n10.0.0.1,80\n")
    with pytest.raises(ParseError, match=f"more than {MAX_FIELDS} fields"):
        zmap(b"saddr,sport\n10.0.0.1,80\n" + b"," * 900_000)


def test_addresses_and_ports_that_do_not_exist_are_left_out() -> None:
    lines = (
        b"saddr,sport\n10.0.0.300,80\n10.0.0.1,0\n10.0.0.1,65536\n,\n10.0.0.1,1e3\n10.0.0.2,80\n"
    )
    run, hits = zmap(lines)
    assert told(hits) == ["10.0.0.2:80/tcp open"]
    assert run.oddities == 5
    run, hits = naabu(
        b'{"ip":"10.0.0.300","port":80}\n{"ip":"10.0.0.1","port":0}\n{"ip":["10.0.0.1"],"port":80}\n'
        b'{"ip":"10.0.0.1","port":"80"}\n{"ip":"10.0.0.1","port":{"Port":[]}}\n[1]\nnonsense\n'
        + b'{"ip":'
        + b"[" * 100_000
        + b"\n"
        + b'{"ip":"10.0.0.2","port":80,"timestamp":"99999-01-01T00:00:00Z"}\n'
    )
    assert told(hits) == ["10.0.0.2:80/tcp open"]
    assert run.oddities == 8


def test_a_closed_answer_is_no_icmp_message() -> None:
    content = b"saddr,sport,classification,success\n10.0.0.1,80,icmp,0\n10.0.0.2,80,rst,0\n"
    assert told(zmap(content)[1]) == ["10.0.0.2:80/tcp closed"]


def test_what_is_of_somebody_else_is_refused() -> None:
    with pytest.raises(ParseError, match="naabu"):
        naabu(b"Dear customer,\n")
